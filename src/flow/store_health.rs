//! What befell the store's files reaches the operator when it is over: before, nothing can be stored, and only the log says it.
//! So does what a start has found to be missing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::domain::data::Notice;
use crate::flow::Clock;
use crate::flow::notice::{Notices, Topic};
use crate::store::Store;
use crate::store::health::{Loss, Status};

/// A notice that could not be stored is tried again after so long.
const AGAIN: Duration = Duration::from_secs(1);
/// Outages that several instances see begin within the same time of this length are one.
const ONE_OUTAGE: SignedDuration = SignedDuration::from_mins(5);

/// Notifies the operator of each time in which nothing could be stored because of the store's files, until `shutdown`.
pub async fn watch(store: Arc<dyn Store>, notices: Notices, clock: Clock, shutdown: CancellationToken) {
    let mut status = store.status();
    let mut log = OutageLog::default();
    notify_loss(&*store, &notices, clock.now()).await;
    log.note(status.borrow_and_update().clone(), clock.now());
    loop {
        let due = async {
            match log.unsent.is_empty() && store.loss().is_none() {
                true => std::future::pending().await,
                false => tokio::time::sleep(AGAIN).await,
            }
        };
        tokio::select! {
            changed = status.changed() => match changed {
                Ok(()) => log.note(status.borrow_and_update().clone(), clock.now()),
                // The writer has ended.
                Err(_) => return,
            },
            () = due => {}
            () = shutdown.cancelled() => return,
        }
        notify_loss(&*store, &notices, clock.now()).await;
        while let Some(notice) = log.unsent.front() {
            let occasion = occasion(&*store, notice.since);
            match notices.store(Topic::Store, notice.clone(), &occasion, clock.now()).await {
                Ok(()) => drop(log.unsent.pop_front()),
                Err(_) => break,
            }
        }
    }
}

/// By what an outage is known from others. Of several instances each sees it begin at a moment of its own, and one says it.
fn occasion(store: &dyn Store, since: Option<Timestamp>) -> String {
    let since = since.unwrap_or(Timestamp::UNIX_EPOCH);
    match store.is_shared() {
        true => format!("{} s", since.as_second() / ONE_OUTAGE.as_secs() * ONE_OUTAGE.as_secs()),
        false => since.to_string(),
    }
}

/// The note beside the database remembers what is not said yet until the notice is stored.
async fn notify_loss(store: &dyn Store, notices: &Notices, now: Timestamp) {
    let Some(Loss { found, from, until }) = store.loss() else { return };
    let occasion = until.or(from).map(|at| at.to_string()).unwrap_or_default();
    let notice = Notice { detail: Some(found), since: from, last_at: until, ..Notice::default() };
    if notices.store(Topic::Loss, notice, &occasion, now).await.is_ok() {
        store.forget_loss();
    }
}

/// What the operator has not been notified of.
#[derive(Default)]
struct OutageLog {
    since: Option<Timestamp>,
    unsent: VecDeque<Notice>,
}

impl OutageLog {
    fn note(&mut self, status: Status, now: Timestamp) {
        match status {
            Status::Wrong(_) => drop(self.since.get_or_insert(now)),
            Status::Ready(None) => {}
            Status::Ready(Some(reason)) => {
                // It may have been over before it was seen.
                let since = self.since.take().unwrap_or(now);
                self.unsent.push_back(Notice {
                    detail: Some(reason),
                    since: Some(since),
                    until: Some(now),
                    lasted_seconds: Some(now.duration_since(since).as_secs().max(0)),
                    ..Notice::default()
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outage_is_one_notice_with_its_begin_and_end_even_if_only_its_end_was_seen() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let mut log = OutageLog::default();
        log.note(Status::Ready(None), at(0));
        assert!(log.unsent.is_empty());
        log.note(Status::Wrong("away".to_owned()), at(10));
        log.note(Status::Wrong("another file".to_owned()), at(20));
        log.note(Status::Ready(Some("another file".to_owned())), at(70));
        log.note(Status::Ready(Some("away".to_owned())), at(90));
        let said: Vec<_> =
            log.unsent.iter().map(|notice| (notice.since, notice.until, notice.lasted_seconds)).collect();
        assert_eq!(said, [(Some(at(10)), Some(at(70)), Some(60)), (Some(at(90)), Some(at(90)), Some(0))]);
    }
}
