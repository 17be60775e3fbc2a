//! Whether the daemon does its work: the tasks that must run do, and the thread that writes the store answers, be it with "not
//! now". Cheap however often it is asked.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Mutex as Turn;
use tokio::time::{Instant, timeout};

use crate::flow::Clock;
use crate::flow::supervisor::Supervisor;
use crate::store::Store;

/// So long an answer of the store is good for others who ask.
const FRESH: Duration = Duration::from_secs(1);
/// The writer waits two seconds for a lock that another program holds, and may have a group to write before.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What `/healthz` goes by.
pub struct HealthCheck {
    supervisor: Supervisor,
    store: Arc<dyn Store>,
    clock: Clock,
    known: Mutex<Option<Known>>,
    /// Held by the one who asks the store.
    asking: Turn<()>,
    answers_within: Duration,
}

#[derive(Clone, Copy)]
struct Known {
    at: Instant,
    /// Since when the writer does not answer.
    silent_since: Option<Timestamp>,
}

impl HealthCheck {
    pub fn new(supervisor: Supervisor, store: Arc<dyn Store>, clock: Clock) -> Self {
        let (known, asking, answers_within) = (Mutex::default(), Turn::default(), ANSWERS_WITHIN);
        Self { supervisor, store, clock, known, asking, answers_within }
    }

    /// With another time within which the writer is to answer.
    pub fn within(self, answers_within: Duration) -> Self {
        Self { answers_within, ..self }
    }

    /// What is wrong, in one line; `None` when all is well.
    pub async fn reason(&self) -> Option<String> {
        if let Some((task, since)) = self.supervisor.down() {
            return Some(format!("the task \"{task}\" does not run since {since:.0}"));
        }
        let since = self.writer().await?;
        Some(format!("the thread that writes the store does not answer since {since:.0}"))
    }

    /// Since when the writer does not answer. Of many who ask at once, one asks the store; the others wait for its answer, or
    /// take the last one where the writer was silent already.
    #[expect(
        clippy::disallowed_methods,
        reason = "how old an answer is; waiting for it is bounded by the runtime's clock"
    )]
    async fn writer(&self) -> Option<Timestamp> {
        if let Some(known) = self.fresh() {
            return known.silent_since;
        }
        let last = self.known().and_then(|known| known.silent_since);
        let _asking = match (self.asking.try_lock(), last) {
            (Ok(asking), _) => asking,
            (Err(_), Some(since)) => return Some(since),
            (Err(_), None) => self.asking.lock().await,
        };
        if let Some(known) = self.fresh() {
            return known.silent_since;
        }
        let asked_at = self.clock.now();
        let answers = timeout(self.answers_within, self.store.writer_answers()).await.unwrap_or(false);
        let mut known = self.known();
        let before = known.and_then(|known| known.silent_since);
        let silent_since = if answers { None } else { before.or(Some(asked_at)) };
        *known = Some(Known { at: Instant::now(), silent_since });
        silent_since
    }

    fn fresh(&self) -> Option<Known> {
        self.known().filter(|known| known.at.elapsed() < FRESH)
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
