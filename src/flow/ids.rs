//! New ids: the only place that makes one. They are UUIDs of version 7, so that their order is that of time and the store's
//! indexes grow at one end.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use uuid::{Timestamp, Uuid};

use crate::domain::event::{DeliveryId, EventId};

/// Behind the millisecond stands a count of so many bits, so that the first sixteen digits name an id, and people can write
/// it short. Chance fills the rest.
const COUNT_BITS: u8 = 12;

/// Millisecond and count of the id before.
static LAST: AtomicU64 = AtomicU64::new(0);

/// An id that nothing else has, greater than every one before it in this process.
pub fn unique() -> Uuid {
    let now = now_ms() << COUNT_BITS;
    // A full count, and a clock that was put back, count on.
    let after = |last: u64| now.max(last + 1);
    let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(after(last)));
    let (Ok(last) | Err(last)) = last;
    let (milliseconds, count) = (after(last) >> COUNT_BITS, after(last) % (1 << COUNT_BITS));
    let nanoseconds = u32::try_from(milliseconds % 1_000 * 1_000_000).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix_time(milliseconds / 1_000, nanoseconds, count.into(), COUNT_BITS))
}

#[expect(clippy::disallowed_methods, reason = "the one source of ids; their time is not compared with anything")]
fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

pub fn event() -> EventId {
    EventId(unique())
}

pub fn delivery() -> DeliveryId {
    DeliveryId(unique())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_one_moment_ascend_and_differ_within_sixteen_digits() {
        let make = || (0..20_000).map(|_| unique()).collect::<Vec<_>>();
        let threads: Vec<_> = (0..4).map(|_| std::thread::spawn(make)).collect();
        let threads: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        for ids in &threads {
            assert!(ids.is_sorted_by(|one, next| one < next));
        }
        let mut beginnings: Vec<String> =
            threads.iter().flatten().map(|id| id.simple().to_string()[..16].to_owned()).collect();
        let near =
            i128::from(now_ms()) - threads[0][0].get_timestamp().map_or(0, |at| i128::from(at.to_unix().0) * 1_000);
        assert!((-60_000..60_000).contains(&near), "their time is this one, {near} ms off");
        beginnings.sort_unstable();
        beginnings.dedup();
        assert_eq!(beginnings.len(), 80_000);
        assert!(threads.iter().flatten().all(|id| id.get_version_num() == 7));
    }
}
