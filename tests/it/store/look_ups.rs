//! What programs and persons look up, and what delivering looks up: neither waits for the other.

use std::sync::{Arc, mpsc};

use orderbell::store::history::History;
use orderbell::store::history::found::Question;
use orderbell::store::history::pages::EventFilter;
use orderbell::store::sql;
use orderbell::store::sql::database::Database;
use orderbell::store::sqlite::Sqlite;
use tokio::sync::oneshot;

use crate::store::conformance::scene::at;
use crate::support::in_time;

/// A look that goes on until it is released.
struct HeldLook {
    begun: oneshot::Receiver<()>,
    release: mpsc::Sender<()>,
}

impl HeldLook {
    fn new() -> (Self, impl FnOnce(&dyn sql::Connection) -> sql::Result<()> + Send + 'static) {
        let ((begin, begun), (release, released)) = (oneshot::channel(), mpsc::channel());
        let look = move |_: &dyn sql::Connection| {
            let _ = begin.send(());
            let _ = released.recv();
            Ok(())
        };
        (Self { begun, release }, look)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_up_does_not_hold_up_delivering() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(Sqlite::open(&folder.path().join("bell.db"), at(0)).expect("the store opens"));
    let (held, look) = HeldLook::new();
    let asking = tokio::spawn({
        let store = store.clone();
        async move { store.look_up(look).await }
    });
    in_time(held.begun).await.expect("it has begun");
    in_time(store.look(|connection| connection.exists("SELECT 1", &[]))).await.expect("an answer");
    held.release.send(()).expect("it goes on");
    in_time(asking).await.expect("it ends").expect("an answer");
    store.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn histories_and_pages_are_look_ups() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = Arc::new(Sqlite::open(&folder.path().join("bell.db"), at(0)).expect("the store opens"));
    let (held, look) = HeldLook::new();
    let delivering = tokio::spawn({
        let store = store.clone();
        async move { store.look(look).await }
    });
    in_time(held.begun).await.expect("it has begun");
    let question = Question { asked: "1".to_owned(), sources: Vec::new(), around: None, limit: 1 };
    in_time(store.history(question)).await.expect("an answer");
    in_time(store.events_page(EventFilter::default(), None, 1)).await.expect("an answer");
    in_time(store.source_states(vec!["keeta".to_owned()], at(0))).await.expect("an answer");
    held.release.send(()).expect("it goes on");
    in_time(delivering).await.expect("it ends").expect("an answer");
    store.close().await;
}
