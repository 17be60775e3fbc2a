//! The machine's clock is set while the daemon runs, or between two starts: no message waits for longer than its own wait was,
//! and nothing is taken for late that is not.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use orderbell::flow::Clock;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use rusqlite::Connection;

use crate::support::stores;
use crate::support::{A_WHILE, Daemon, Scene, TOO_LONG, keeta};

/// A clock that somebody sets, beside one that nobody can.
#[derive(Clone)]
struct Wall {
    begun: Instant,
    base: Timestamp,
    off_ms: Arc<AtomicI64>,
}

const SECOND: SignedDuration = SignedDuration::from_secs(1);
const HOUR: SignedDuration = SignedDuration::from_hours(1);
const DAY: SignedDuration = SignedDuration::from_hours(24);
const YEAR: SignedDuration = SignedDuration::from_hours(24 * 365);

impl Wall {
    fn off_by(off: SignedDuration) -> Self {
        let wall = Self { begun: Instant::now(), base: Timestamp::now(), off_ms: Arc::default() };
        wall.set(off);
        wall
    }

    /// So far ahead of the right time.
    fn set(&self, off: SignedDuration) {
        self.off_ms.store(i64::try_from(off.as_millis()).expect("some years"), Ordering::Release);
    }

    fn elapsed(&self) -> SignedDuration {
        SignedDuration::try_from(self.begun.elapsed()).expect("a short test")
    }

    fn now(&self) -> Timestamp {
        self.base + self.elapsed() + SignedDuration::from_millis(self.off_ms.load(Ordering::Acquire))
    }

    fn clock(&self) -> Clock {
        let (wall, steady) = (self.clone(), self.clone());
        Clock::with(move || wall.now(), move || steady.elapsed())
    }
}

fn channels(scene: &Scene, more: &str) -> String {
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";
    format!("{}{route}", scene.hook("erp", more))
}

fn busy(scene: &Scene, times: Times) {
    scene.sandbox.order("erp", Fault::Status { status: 503, body: String::new() }, times);
}

/// Sends an order by the daemon's clock, and waits until it was tried in vain.
async fn tried_in_vain(scene: &Scene, daemon: &Daemon, wall: &Wall, tries: usize) {
    daemon.acknowledged(&keeta::placed(1, wall.now())).await;
    scene.until_came("erp", tries).await;
    // The outcome is in the store.
    daemon.until(|all| all.iter().all(|one| one.answer.is_some())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_tried_while_the_clock_was_ahead_goes_out_within_its_retry_step() {
    for ahead in [SECOND, HOUR, DAY, YEAR] {
        let (scene, wall) = (Scene::new(Rules::new()).await, Wall::off_by(ahead));
        busy(&scene, Times::Next(1));
        let daemon = scene.start_by(&wall.clock(), &channels(&scene, "retry = [\"2s\", \"10m\"]")).await;
        tried_in_vain(&scene, &daemon, &wall, 1).await;
        wall.set(SignedDuration::ZERO);
        let set_at = Instant::now();
        scene.until_received("erp", 1).await;
        let took = set_at.elapsed();
        assert!(took.as_secs() < TOO_LONG.as_secs(), "{ahead}: {took:?}");
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_where_the_clock_was_set_between_two_starts() {
    for ahead in [HOUR, DAY, YEAR] {
        let (scene, wall) = (Scene::new(Rules::new()).await, Wall::off_by(ahead));
        busy(&scene, Times::Next(1));
        let text = channels(&scene, "retry = [\"5s\", \"10m\"]");
        let daemon = scene.start_by(&wall.clock(), &text).await;
        tried_in_vain(&scene, &daemon, &wall, 1).await;
        daemon.stop().await;
        wall.set(SignedDuration::ZERO);
        let daemon = scene.start_by(&wall.clock(), &text).await;
        scene.until_received("erp", 1).await;
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_tried_before_the_clock_was_put_back_goes_out_within_its_retry_step() {
    for back in [HOUR, DAY, YEAR] {
        let (scene, wall) = (Scene::new(Rules::new()).await, Wall::off_by(SignedDuration::ZERO));
        busy(&scene, Times::Next(1));
        let daemon = scene.start_by(&wall.clock(), &channels(&scene, "retry = [\"2s\", \"10m\"]")).await;
        tried_in_vain(&scene, &daemon, &wall, 1).await;
        wall.set(-back);
        scene.until_received("erp", 1).await;
        daemon.stop().await;
    }
}

/// What a column of the store says, in milliseconds since 1970.
fn at(connection: &Connection, sql: &str) -> i64 {
    connection.query_row(sql, [], |row| row.get(0)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

/// Waits until a moment of the store lies no further ahead than that.
async fn until_within(wall: &Wall, connection: &Connection, sql: &str, most: SignedDuration) {
    let deadline = Instant::now() + TOO_LONG;
    loop {
        let ahead =
            SignedDuration::from_millis(at(connection, sql)) - SignedDuration::from_millis(wall.now().as_millisecond());
        if ahead <= most {
            return;
        }
        assert!(Instant::now() < deadline, "{sql}: {ahead:#} ahead");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_of_a_parked_channel_and_the_end_of_quiet_hours_come_no_later_than_they_would() {
    for restarts in [false, true] {
        let (scene, wall) = (Scene::new(Rules::new()).await, Wall::off_by(DAY));
        scene.sandbox.order("erp", Fault::Status { status: 401, body: String::new() }, Times::Always);
        let begins = (wall.now() - HOUR).strftime("%H:%M").to_string();
        let ends = (wall.now() + HOUR * 2).strftime("%H:%M").to_string();
        let quiet = format!("quiet = {{ from = \"{begins}\", to = \"{ends}\" }}\ntimezone = \"UTC\"");
        let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"quiet\"]\n";
        let text = format!("{}{}{route}", channels(&scene, ""), scene.hook("quiet", &quiet));
        let daemon = scene.start_by(&wall.clock(), &text).await;
        daemon.acknowledged(&keeta::placed(1, wall.now())).await;
        scene.until_came("erp", 1).await;
        let connection = daemon.connection();
        let held = "SELECT count(*) FROM steps WHERE step = 'held'";
        let parked = "SELECT count(*) FROM parked_channels";
        daemon.until(|_| at(&connection, held) > 0 && at(&connection, parked) > 0).await;
        let daemon = match restarts {
            true => {
                daemon.stop().await;
                wall.set(SignedDuration::ZERO);
                scene.start_by(&wall.clock(), &text).await
            }
            false => {
                wall.set(SignedDuration::ZERO);
                daemon
            }
        };
        until_within(&wall, &connection, "SELECT next_probe_at FROM parked_channels", SignedDuration::from_mins(11))
            .await;
        let due = "SELECT due_at FROM deliveries WHERE channel = 'erp'";
        until_within(&wall, &connection, due, SignedDuration::from_mins(11)).await;
        let due = "SELECT due_at FROM deliveries WHERE channel = 'quiet'";
        until_within(&wall, &connection, due, HOUR * 2).await;
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_is_put_ahead_makes_no_message_late() {
    for ahead in [HOUR, DAY, YEAR] {
        let (scene, wall) = (Scene::new(Rules::new()).await, Wall::off_by(SignedDuration::ZERO));
        busy(&scene, Times::Always);
        let more = "fallback = \"owner\"\nfallback_after = \"10m\"\nretry = [\"50m\", \"50m\", \"50m\", \"50m\"]";
        let operator = "[operator]\nto = [\"owner\"]\n";
        let text = format!("{}{}{operator}", channels(&scene, more), scene.hook("owner", ""));
        let daemon = scene.start_by(&wall.clock(), &text).await;
        tried_in_vain(&scene, &daemon, &wall, 1).await;
        // The worker has seen how late it was.
        tokio::time::sleep(A_WHILE).await;
        wall.set(ahead);
        // The next try is due by the calendar, and the worker has looked whether anything is late.
        scene.until_came("erp", 2).await;
        tokio::time::sleep(A_WHILE).await;
        let late: Vec<_> = scene.received("owner").into_iter().map(|message| message.body).collect();
        assert_eq!(late, [""; 0], "{ahead}");
        daemon.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_waits_too_long_goes_to_the_fallback_although_the_clock_was_put_back() {
    for back in [HOUR, DAY, YEAR] {
        let (scene, wall) = (Scene::new(Rules::new()).await, Wall::off_by(SignedDuration::ZERO));
        busy(&scene, Times::Always);
        let more = "fallback = \"owner\"\nfallback_after = \"3s\"\nretry = [\"1h\", \"1h\", \"1h\", \"1h\"]";
        let text = format!("{}{}", channels(&scene, more), scene.hook("owner", ""));
        let daemon = scene.start_by(&wall.clock(), &text).await;
        tried_in_vain(&scene, &daemon, &wall, 1).await;
        wall.set(-back);
        scene.until_received("owner", 1).await;
        daemon.stop().await;
    }
}

#[tokio::test]
async fn a_credential_that_was_closed_while_the_clock_was_ahead_is_closed_for_its_own_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let now = Timestamp::now();
    stores::open(&path, now + DAY).expect("the store opens").close().await;
    let connection = Connection::open(&path).expect("the store opens");
    let until = (now + DAY + SignedDuration::from_mins(10)).as_millisecond();
    let sql = "INSERT INTO credentials (credential, closed_until, reason, closings, wait_ms) VALUES ('robot', ?1, '', 1, 600000)";
    connection.execute(sql, [until]).expect("it is stored");
    let store = stores::open(&path, now).expect("the store opens");
    let taken = store.taken_slots().await.expect("it is read");
    let [(_, until, 1)] = taken.closed[..] else { panic!("{taken:?}") };
    let left = SignedDuration::from_millis(until.as_millisecond() - now.as_millisecond());
    assert_eq!(left, SignedDuration::from_mins(10));
    store.close().await;
}
