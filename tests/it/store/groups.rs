//! Records that share a transaction: one that cannot be written takes no other along, and what they have in common is written once.

use orderbell::domain::event::Kind;
use orderbell::domain::order::OrderState;
use orderbell::store::ingest::Recorded;
use rusqlite::Connection;

use crate::store::conformance::scene::{event, placed};
use crate::store::open;

#[tokio::test]
async fn a_record_that_cannot_be_written_takes_no_other_of_its_group_along() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    let known = placed("1", &[]);
    // Its id is another event's, which only the table finds out.
    let mut bad = placed("2", &["kitchen"]);
    bad.event.id = known.event.id;
    store.record(known).await.expect("recorded");
    let other = Connection::open(folder.path().join("bell.db")).expect("beside the store");
    // While the lock is held, all of them gather behind the first one, in one transaction.
    other.execute_batch("BEGIN IMMEDIATE").expect("locked");
    let accepted =
        |number: &str| event(Kind::OrderAccepted, number, OrderState::Accepted, 5, &format!("1002:{number}"), &[]);
    let all = async {
        tokio::join!(
            store.record(placed("3", &[])),
            store.record(placed("4", &["kitchen"])),
            store.record(bad),
            store.record(accepted("4")),
            store.record(placed("4", &["kitchen"])),
        )
    };
    let release = async {
        tokio::task::yield_now().await;
        other.execute_batch("COMMIT").expect("let go");
    };
    let ((first, good, bad, later, again), ()) = tokio::join!(all, release);
    let is_new = |recorded: &Result<Recorded, _>| matches!(recorded, Ok(Recorded::New { .. }));
    assert!(is_new(&first) && is_new(&good) && is_new(&later), "{first:?} {good:?} {later:?}");
    assert!(matches!(again, Ok(Recorded::Repeat { .. })), "{again:?}");
    let refused = bad.expect_err("it cannot be written").to_string();
    assert!(refused.contains("UNIQUE"), "{refused}");
    let order = store.order("s", "4").await.expect("reading").expect("the order");
    assert_eq!((order.state, order.revision), (OrderState::Accepted, 2));
    assert!(store.order("s", "2").await.expect("reading").is_none(), "nothing of the bad one is kept");
    assert_eq!(store.deliveries(None).await.expect("reading").len(), 1);
}
