//! A worker that ends with a message under way: what goes out until the last part is answered is paced and remembered like
//! any other, and what is cut holds its slot for one window and no longer.

use std::sync::atomic::Ordering;

use jiff::SignedDuration;
use orderbell::domain::rate_limit::RateLimit;
use orderbell::domain::retry::Outcome;
use orderbell::flow::supervisor::Supervisor;
use orderbell::flow::tenure::Tenure;
use orderbell::flow::worker;
use tokio_util::sync::CancellationToken;

use crate::pacing::scene::{Parts, record, scene};

/// Two in an hour.
const ALLOWANCE: RateLimit = RateLimit { count: 2, per: SignedDuration::from_hours(1) };

#[tokio::test]
async fn a_long_message_is_paced_to_its_end_also_when_the_daemon_stops() {
    let mut scene = scene(ALLOWANCE, Parts::Pieces(5), |_| Outcome::Delivered).await;
    let shutdown = CancellationToken::new();
    let run = worker::run(
        scene.worker.clone(),
        scene.post.clone(),
        Tenure::unlimited(""),
        CancellationToken::new(),
        shutdown.clone(),
    );
    let running = tokio::spawn(run);
    scene.begun.recv().await.unwrap();
    shutdown.cancel();
    // The worker has seen it when it has let go of everything that it does not need to end.
    tokio::task::yield_now().await;
    scene.answers.add_permits(5);
    running.await.unwrap();
    assert_eq!(scene.sent().len(), ALLOWANCE.count as usize);
    let taken = scene.store.taken_slots().await.unwrap();
    assert_eq!(taken.slots.len(), ALLOWANCE.count as usize, "the next daemon knows of each");
}

#[tokio::test]
async fn a_send_that_is_cut_holds_its_slot_for_one_window_and_no_longer() {
    let mut scene = scene(ALLOWANCE, Parts::Pieces(1), |_| Outcome::Delivered).await;
    // Half an hour apart, because so the last slots are spread: one is cut in the midst, one before it has begun.
    for in_the_midst in [true, false] {
        let mut worker = scene.runner();
        worker.turn().await;
        if in_the_midst {
            scene.begun.recv().await.unwrap();
        }
        drop(worker);
        record(&*scene.store).await;
        if in_the_midst {
            scene.wait(1801);
        }
    }
    scene.answers.add_permits(10);
    let mut worker = scene.runner();
    for sent_by_then in [1, 2, 3] {
        worker.turn().await;
        worker.drain().await;
        assert_eq!(scene.sent().len(), sent_by_then, "one more, an hour after each that was cut");
        // What waited may have gone out as one message.
        record(&*scene.store).await;
        scene.wait(1801);
    }
}

#[tokio::test]
async fn a_worker_that_panics_lets_its_send_end_and_then_sends_what_waits_once() {
    let allowance = RateLimit { count: 100, per: SignedDuration::from_secs(1) };
    let mut scene = scene(allowance, Parts::Pieces(1), |_| Outcome::Delivered).await;
    let shutdown = CancellationToken::new();
    let supervisor = Supervisor::new(scene.post.clock.clone(), &shutdown);
    let (worker, post, stop) = (scene.worker.clone(), scene.post.clone(), supervisor.stop());
    supervisor.keep("channel kitchen", move || {
        worker::run(worker.clone(), post.clone(), Tenure::unlimited(""), CancellationToken::new(), stop.clone())
    });
    scene.begun.recv().await.unwrap();
    scene.panics.store(true, Ordering::Release);
    record(&*scene.store).await;
    while scene.panics.load(Ordering::Acquire) {
        scene.post.notifier.wake(&["kitchen".to_owned()]);
        tokio::task::yield_now().await;
    }
    // By now the worker has panicked, and its send is still under way.
    scene.answers.add_permits(10);
    scene.begun.recv().await.unwrap();
    shutdown.cancel();
    assert_eq!(supervisor.ended().await, None);
    assert_eq!(scene.sent(), [0, 0], "each of the two messages once");
    let rows = scene.store.deliveries(None).await.unwrap();
    let ended: Vec<_> = rows.iter().map(|one| (one.state.as_str(), one.attempts)).collect();
    assert_eq!(ended, [("delivered", 1), ("delivered", 1)]);
}
