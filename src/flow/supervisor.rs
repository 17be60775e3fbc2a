//! The tasks that must run as long as the daemon does: one that ends is started again, and said loudly; where that has not
//! helped for a minute, the daemon stops, so that whoever supervises the process starts it anew.

#![expect(clippy::disallowed_methods, reason = "how long a task ran, by the runtime's clock, which tests pause")]

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use jiff::Timestamp;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::flow::Clock;
use crate::flow::notice::{Notices, Topic};

/// Before a task is started again for the first time; doubled each time up to the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(5);
/// A task that has run for so long was helped by its last start.
const STEADY: Duration = Duration::from_secs(30);
/// A task that ends again and again for so long is not helped by starts.
const GIVE_UP_AFTER: Duration = Duration::from_secs(60);
/// How long a notice to the operator may take to be stored.
const NOTICE: Duration = Duration::from_secs(10);
/// Tasks end within ten seconds of a stop. What has not ended after so long is left behind.
const STOP_WITHIN: Duration = Duration::from_secs(12);

/// Called with a task's name each time before it runs, as a part of it: by this a test makes it panic.
pub type BeforeRun = Arc<dyn Fn(&str) + Send + Sync>;

/// Starts tasks and keeps them running; cloning shares it.
#[derive(Clone)]
pub struct Supervisor(Arc<Shared>);

struct Shared {
    work: TaskTracker,
    stop: CancellationToken,
    clock: Clock,
    before_run: BeforeRun,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The tasks that do not run, and since when.
    down: BTreeMap<String, Timestamp>,
    /// The task because of which the daemon stops.
    given_up: Option<String>,
    notices: Option<Notices>,
}

impl Supervisor {
    /// No task yet; those that come run until `shutdown`, or until one of them is given up.
    pub fn new(clock: Clock, shutdown: &CancellationToken) -> Self {
        Self::probed(clock, shutdown, Arc::new(|_| {}))
    }

    /// As [`Supervisor::new`], with something to call before each run of a task.
    pub fn probed(clock: Clock, shutdown: &CancellationToken, before_run: BeforeRun) -> Self {
        let (work, stop, state) = (TaskTracker::new(), shutdown.child_token(), Mutex::default());
        Self(Arc::new(Shared { work, stop, clock, before_run, state }))
    }

    /// Who tells the operator of a task that was started again.
    pub fn notify_through(&self, notices: Notices) {
        self.state().notices = Some(notices);
    }

    /// Cancelled when the daemon is to stop.
    pub fn stop(&self) -> CancellationToken {
        self.0.stop.clone()
    }

    /// What runs beside the tasks, and may end before them.
    pub fn work(&self) -> TaskTracker {
        self.0.work.clone()
    }

    /// Runs what `begin` makes until the daemon stops, beginning anew whenever that ends before.
    pub fn keep<F>(&self, name: impl Into<String>, begin: impl FnMut() -> F + Send + 'static)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.keep_until(name, self.stop(), begin);
    }

    /// As [`Supervisor::keep`], until `end` or until the daemon stops.
    pub fn keep_until<F>(
        &self,
        name: impl Into<String>,
        end: CancellationToken,
        begin: impl FnMut() -> F + Send + 'static,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        let (supervisor, name) = (self.clone(), name.into());
        self.0.work.spawn(async move {
            supervisor.run(&name, &end, begin).await;
            supervisor.state().down.remove(&name);
        });
    }

    /// The first of the tasks that do not run, and since when.
    pub fn down(&self) -> Option<(String, Timestamp)> {
        let state = self.state();
        state.down.iter().min_by_key(|(_, since)| **since).map(|(name, since)| (name.clone(), *since))
    }

    /// Waits until all tasks have ended after a stop, and lets go of the notices. Answers the task because of which the daemon
    /// has stopped, if it did so by itself.
    pub async fn ended(&self) -> Option<String> {
        let work = &self.0.work;
        work.close();
        let late = async {
            self.0.stop.cancelled().await;
            sleep(STOP_WITHIN).await;
        };
        tokio::select! {
            () = work.wait() => {}
            () = late => tracing::error!(tasks = work.len(), "tasks that have not ended in time for the stop are left behind"),
        }
        let mut state = self.state();
        state.notices = None;
        state.given_up.clone()
    }

    async fn run<F>(&self, name: &str, end: &CancellationToken, mut begin: impl FnMut() -> F)
    where
        F: Future<Output = ()>,
    {
        let mut streak: Option<Streak> = None;
        loop {
            let began = Instant::now();
            let running = async {
                (self.0.before_run)(name);
                begin().await;
            };
            let mut running = std::pin::pin!(AssertUnwindSafe(running).catch_unwind());
            let ended = match &streak {
                None => running.await,
                Some(streak) => tokio::select! {
                    biased;
                    ended = &mut running => ended,
                    () = sleep(streak.pause) => {
                        self.state().down.remove(name);
                        running.await
                    }
                },
            };
            if end.is_cancelled() || self.0.stop.is_cancelled() {
                return;
            }
            let how = if ended.is_err() { "by a panic" } else { "by itself" };
            let now = Instant::now();
            let failing = Streak::after(streak, now - began, now);
            let (pause, lasts) = (failing.pause, now - failing.since);
            streak = Some(failing);
            self.state().down.entry(name.to_owned()).or_insert_with(|| self.0.clock.now());
            if lasts >= GIVE_UP_AFTER {
                tracing::error!(
                    task = name,
                    "a task that must run has ended {how}, again and again; the daemon stops, so that its supervisor starts it anew"
                );
                self.state().given_up.get_or_insert(name.to_owned());
                return self.0.stop.cancel();
            }
            let delay_ms = pause.as_millis() as u64;
            tracing::error!(task = name, delay_ms, "a task that must run has ended {how}; it is started again");
            self.notify(name, how);
            tokio::select! {
                () = sleep(pause) => {}
                () = end.cancelled() => return,
                () = self.0.stop.cancelled() => return,
            }
        }
    }

    /// Tells the operator, while the task is started again: the store may not be able to take a notice.
    fn notify(&self, name: &str, how: &str) {
        let Some(notices) = self.state().notices.clone() else { return };
        let (name, detail, stop, now) = (name.to_owned(), format!("it ended {how}"), self.stop(), self.0.clock.now());
        self.0.work.spawn(async move {
            let telling = timeout(NOTICE, notices.notify(Topic::Restarted, &name, detail, now));
            // The log has said it already.
            let _ = stop.run_until_cancelled(telling).await;
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that ends again and again.
struct Streak {
    since: Instant,
    /// Before it is started again; having run for as long, it counts as running.
    pause: Duration,
}

impl Streak {
    fn after(before: Option<Self>, ran_for: Duration, now: Instant) -> Self {
        match before {
            Some(before) if ran_for < STEADY => {
                Self { pause: (before.pause * 2).min(PAUSE_LONGEST), since: before.since }
            }
            _ => Self { since: now, pause: PAUSE },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn supervisor() -> (Supervisor, CancellationToken) {
        let shutdown = CancellationToken::new();
        (Supervisor::new(Clock::new(|| Timestamp::UNIX_EPOCH), &shutdown), shutdown)
    }

    /// A task that ends `by` so many times, and then runs until the stop.
    fn keep_failing(supervisor: &Supervisor, times: usize, by: fn()) -> Arc<AtomicUsize> {
        let (stop, starts) = (supervisor.stop(), Arc::new(AtomicUsize::new(0)));
        let counted = starts.clone();
        supervisor.keep("bread", move || {
            let (stop, start) = (stop.clone(), counted.fetch_add(1, Ordering::AcqRel));
            async move {
                match start < times {
                    true => by(),
                    false => stop.cancelled().await,
                }
            }
        });
        starts
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_ends_is_started_again_and_is_down_meanwhile() {
        for by in [(|| panic!("burnt")) as fn(), || {}] {
            let (supervisor, shutdown) = supervisor();
            let starts = keep_failing(&supervisor, 3, by);
            tokio::time::sleep(Duration::from_millis(50)).await;
            assert_eq!(supervisor.down(), Some(("bread".to_owned(), Timestamp::UNIX_EPOCH)));
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!((supervisor.down(), starts.load(Ordering::Acquire)), (None, 4));
            shutdown.cancel();
            assert_eq!(supervisor.ended().await, None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_always_panics_stops_the_daemon_after_about_a_minute() {
        let (supervisor, _shutdown) = supervisor();
        let starts = keep_failing(&supervisor, usize::MAX, || panic!("burnt"));
        let begin = Instant::now();
        assert_eq!(supervisor.ended().await.as_deref(), Some("bread"));
        let (took, starts) = (begin.elapsed(), starts.load(Ordering::Acquire));
        assert!(took >= GIVE_UP_AFTER && took <= GIVE_UP_AFTER + PAUSE_LONGEST, "{took:?}");
        assert!((10..=25).contains(&starts), "{starts} starts");
        assert!(supervisor.stop().is_cancelled());
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_panics_now_and_then_does_not_stop_the_daemon() {
        let (supervisor, shutdown) = supervisor();
        supervisor.keep("bread", || async {
            sleep(STEADY).await;
            panic!("burnt");
        });
        sleep(Duration::from_secs(24 * 3600)).await;
        assert!(!supervisor.stop().is_cancelled());
        shutdown.cancel();
        assert_eq!(supervisor.ended().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_task_that_does_not_stop_holds_up_the_end_for_a_moment_only() {
        let (supervisor, shutdown) = supervisor();
        supervisor.keep("bread", std::future::pending);
        shutdown.cancel();
        let begin = Instant::now();
        assert_eq!(supervisor.ended().await, None);
        assert_eq!(begin.elapsed(), STOP_WITHIN);
    }
}
