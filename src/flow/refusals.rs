//! Webhooks that were refused, noted for whoever misses one: outside of the answer to the sender, and no more of them than a
//! stranger may make us write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::domain::log_limit::LogLimit;
use crate::domain::pace::Elapsed;
use crate::flow::Clock;
use crate::platform::Refusal;
use crate::store::Store;
use crate::store::ingest::RefusedWebhook;

/// So many refusals of a source are noted one by one in a minute; the rest of the minute is one row with their number.
const ONE_BY_ONE: usize = 60;
/// So many of a source may wait for the store, those of two minutes.
const WAITING: usize = 2 * ONE_BY_ONE;
/// Between two lots for the store.
const LOT_EVERY: Duration = Duration::from_secs(1);

/// What the notes say of a webhook that was believed, and not kept all the same.
pub const REPLAYED: &str = "its proof has come before, with other content";
pub const TOO_MANY_UNPROVEN: &str =
    "its signature fits none of the recipes, and enough such webhooks were kept in that hour";

const NO_SECRET: &str = "the source's secret could not be read; the sender was asked to send it again";

/// What a refusal is called in the notes. Nothing of it is the sender's own text.
pub fn reason(refusal: &Refusal, address: &str) -> String {
    match refusal {
        Refusal::Signature => format!("its signature does not fit the address {address}"),
        Refusal::Token => "its token is not what the configured secret or password makes".to_owned(),
        Refusal::Stale { off_by_seconds } => {
            let side = if *off_by_seconds < 0 { "ahead of" } else { "behind" };
            let span = match off_by_seconds.unsigned_abs() {
                seconds @ 0..7200 => format!("{seconds} s"),
                seconds => format!("{seconds} s ({} h)", seconds / 3600),
            };
            format!("its proof is right, but its time is {span} {side} this machine's clock")
        }
        Refusal::AnotherApp(app_id) => format!("it is of application {app_id}, not of the configured app_id"),
        Refusal::Shape(what) => format!("its shape is not this platform's: {what}"),
        Refusal::Encoding(coding) => format!("its body is encoded as {coding}, which could not be undone"),
        Refusal::Method => of_method(),
    }
}

/// As [`reason`]; where it is the form of a request that is refused, with what it looks like.
pub fn reason_with_looks(refusal: &Refusal, address: &str, looks: &str) -> String {
    let reason = reason(refusal, address);
    match refusal {
        Refusal::Shape(_) | Refusal::Encoding(_) => format!("{reason} ({looks})"),
        _ => reason,
    }
}

/// What the notes say of a request that never came to its source.
pub fn of_method() -> String {
    "it came by another method than POST".to_owned()
}

pub fn too_large(most: usize) -> String {
    format!("its body is larger than {most} bytes")
}

pub fn late(after: Duration) -> String {
    format!("its body was not whole after {after:?}")
}

pub const BROKEN_OFF: &str = "its body was broken off or malformed";
pub const NOT_NOW: &str =
    "there was too much at once, or orderbell was stopping; the sender was asked to send it again";

/// What the log lines of a refusal are counted by, besides its source.
pub fn log_key(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Signature => "signature",
        Refusal::Token => "token",
        Refusal::Stale { .. } => "stale",
        Refusal::AnotherApp(_) => "application",
        Refusal::Shape(_) => "shape",
        Refusal::Encoding(_) => "encoding",
        Refusal::Method => "method",
    }
}

/// The refusals that are still to be noted, by source; and which lines the log has of what strangers cause.
#[derive(Clone, Default)]
pub struct Refusals {
    sources: Arc<Mutex<HashMap<String, Minute>>>,
    log: Arc<LogLimit<(String, &'static str)>>,
}

#[derive(Default)]
struct Minute {
    /// In minutes since 1970.
    number: i64,
    noted: usize,
    lot: Vec<RefusedWebhook>,
    /// What is beyond those that are noted one by one: how many, their bytes, and the last of them.
    more: Option<(u64, u64, Timestamp)>,
}

impl Refusals {
    /// Notes one refusal. It takes no longer than a look into a map; it is stored later.
    pub fn note(&self, source: &str, reason: impl FnOnce() -> String, bytes: u64, now: Timestamp) {
        let mut sources = self.sources();
        if !sources.contains_key(source) {
            sources.insert(source.to_owned(), Minute::default());
        }
        let Some(minute) = sources.get_mut(source) else { return };
        let number = minute_of(now);
        if minute.number != number {
            minute.close(source);
            (minute.number, minute.noted) = (number, 0);
        }
        // While the store cannot be used, nothing piles up here.
        if minute.noted < ONE_BY_ONE && minute.lot.len() <= WAITING {
            minute.noted += 1;
            minute.lot.push(RefusedWebhook { source: source.to_owned(), at: now, reason: reason(), bytes, count: 1 });
        } else {
            let (count, sum, _) = minute.more.unwrap_or((0, 0, now));
            minute.more = Some((count + 1, sum.saturating_add(bytes), now));
        }
    }

    /// Notes a webhook of a source whose secret cannot be read: it is neither believed nor disbelieved.
    pub fn note_unchecked(&self, source: &str, reason: &str, bytes: u64, (now, elapsed): (Timestamp, Elapsed)) {
        if let Some(left_out) = self.admit_line(source, "secret", elapsed) {
            tracing::warn!(
                source,
                bytes,
                left_out,
                reason,
                "a webhook cannot be checked without the secret; the platform is asked to send it again"
            );
        }
        self.note(source, || NO_SECRET.to_owned(), bytes, now);
    }

    /// How many log lines of this source and key were left out before this one, or `None` when this one is to be left out too.
    pub fn admit_line(&self, source: &str, key: &'static str, now: Elapsed) -> Option<u64> {
        self.log.admit(&(source.to_owned(), key), now)
    }

    /// Logs how many lines were left out, where no further one has said so.
    fn log_left_out(&self, now: Elapsed) {
        for ((source, key), left_out) in self.log.overdue(now) {
            tracing::warn!(source, key, left_out, "log lines of webhooks like the last one were left out");
        }
    }

    /// Takes what is to be stored now. Of a minute that goes on, the number of those beyond is not known yet.
    fn lot(&self, goes_on: impl Fn(i64) -> bool) -> Vec<RefusedWebhook> {
        let mut lot = Vec::new();
        for (source, minute) in self.sources().iter_mut() {
            if !goes_on(minute.number) {
                minute.close(source);
            }
            lot.append(&mut minute.lot);
        }
        lot
    }

    fn sources(&self) -> MutexGuard<'_, HashMap<String, Minute>> {
        self.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Minute {
    /// One row for all that were not noted one by one.
    fn close(&mut self, source: &str) {
        if let Some((count, bytes, at)) = self.more.take() {
            let reason = format!("and {count} more in that minute");
            self.lot.push(RefusedWebhook { source: source.to_owned(), at, reason, bytes, count });
        }
    }
}

fn minute_of(at: Timestamp) -> i64 {
    at.as_second().div_euclid(60)
}

/// Brings the notes to the store, lot by lot, until `shutdown`.
pub async fn keep(refusals: Refusals, store: Arc<dyn Store>, clock: Clock, shutdown: CancellationToken) {
    loop {
        let ended = shutdown.run_until_cancelled(tokio::time::sleep(LOT_EVERY)).await.is_none();
        refusals.log_left_out(clock.elapsed());
        let this_minute = minute_of(clock.now());
        let lot = refusals.lot(|minute| !ended && minute == this_minute);
        if !lot.is_empty()
            && let Err(error) = store.note_refusals(lot).await
        {
            tracing::warn!(%error, "refused webhooks could not be noted; the log has them");
        }
        if ended {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_750_000_020 + second).unwrap()
    }

    fn many(refusals: &Refusals, source: &str, count: usize, second: i64) {
        (0..count).for_each(|_| refusals.note(source, || "no".to_owned(), 100, at(second)));
    }

    fn due_rows(refusals: &Refusals, minute: i64) -> Vec<String> {
        let lot = refusals.lot(|number| number == minute_of(at(minute * 60)));
        lot.into_iter().map(|refused| format!("{} {} {}", refused.source, refused.reason, refused.bytes)).collect()
    }

    #[test]
    fn beyond_sixty_in_a_minute_there_is_one_row_with_their_number() {
        let refusals = Refusals::default();
        many(&refusals, "a", 50, 0);
        assert_eq!(due_rows(&refusals, 0).len(), 50);
        many(&refusals, "a", 250, 59);
        many(&refusals, "b", 1, 59);
        assert_eq!(due_rows(&refusals, 0).len(), 11, "ten to the sixty of one source, and the other source's own");
        assert_eq!(due_rows(&refusals, 0), [""; 0], "the minute goes on");
        assert_eq!(due_rows(&refusals, 1), ["a and 240 more in that minute 24000"]);
        many(&refusals, "a", 61, 60);
        many(&refusals, "a", 1, 120);
        let next = due_rows(&refusals, 2);
        assert_eq!((next.len(), next[60].as_str()), (62, "a and 1 more in that minute 100"));
    }

    #[test]
    fn while_the_store_cannot_be_used_nothing_piles_up() {
        let refusals = Refusals::default();
        (0..100).for_each(|minute| many(&refusals, "a", 1000, minute * 60));
        let lot = refusals.lot(|_| false);
        let more: Vec<&str> = lot.iter().map(|refused| refused.reason.as_str()).filter(|text| *text != "no").collect();
        assert!(lot.len() <= WAITING + 1 + 100, "{}", lot.len());
        assert_eq!(more.len(), 100, "each minute's number stays");
    }
}
