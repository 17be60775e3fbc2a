//! Whether webhooks can be recorded, and what waits since when: for `/readyz` and the metrics. Cheap however often it is asked.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_with::skip_serializing_none;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::domain::distribution::Frequencies;
use crate::flow::health::HealthCheck;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::{Clock, Current};
use crate::store::Store;
use crate::store::health::{Incident, QueueDepth, Status};

/// So long what was read of the store is good for others who ask.
const FRESH: Duration = Duration::from_secs(2);
/// How long the store may take to answer.
const ANSWERS_WITHIN: Duration = Duration::from_secs(5);

/// What `/readyz` goes by.
pub struct Readiness {
    health: Arc<HealthCheck>,
    store: Arc<dyn Store>,
    routing: Current<RoutingSnapshot>,
    clock: Clock,
    /// Locked by the one who asks the store.
    known: Mutex<Option<(Instant, Backlogs)>>,
}

/// What waits, and what is wrong; or why that cannot be read.
type Backlogs = Result<Arc<Waiting>, String>;

/// How things stand.
#[derive(Clone, Debug)]
pub struct ReadinessReport {
    pub at: Timestamp,
    /// Why webhooks cannot be recorded, where they cannot.
    pub unready: Option<String>,
    pub waiting: Result<Arc<Waiting>, String>,
}

/// What waits, and what is wrong.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Of each channel that is configured.
    pub channels: Vec<WaitingChannel>,
    /// Of which the operator was notified, and not yet of their end.
    pub incidents: Vec<OpenIncident>,
}

/// What waits for a channel.
#[skip_serializing_none]
#[derive(Clone, Debug, Serialize)]
pub struct WaitingChannel {
    pub channel: String,
    pub waiting: u64,
    /// Since when the oldest of them waits.
    pub since: Option<Timestamp>,
    /// Since when it is parked, where it is.
    pub parked_since: Option<Timestamp>,
    pub parked_reason: Option<String>,
    /// Since when a person has paused it, where one has, and who.
    pub paused_since: Option<Timestamp>,
    pub paused_by: Option<String>,
}

/// Something wrong.
#[derive(Clone, Debug, Serialize)]
pub struct OpenIncident {
    pub topic: String,
    pub subject: String,
    pub since: Timestamp,
}

impl WaitingChannel {
    fn of(depth: QueueDepth) -> Self {
        let QueueDepth { channel, waiting, oldest: since, parked, paused } = depth;
        let (parked_since, parked_reason) = parked.map(|parked| (parked.since, parked.reason)).unzip();
        let (paused_since, paused_by) = paused.map(|paused| (paused.since, paused.by)).unzip();
        Self { channel, waiting, since, parked_since, parked_reason, paused_since, paused_by }
    }
}

impl OpenIncident {
    fn of(Incident { topic, subject, since, .. }: Incident) -> Self {
        Self { topic, subject, since }
    }
}

impl Waiting {
    /// How many deliveries wait.
    pub fn count(&self) -> u64 {
        self.channels.iter().map(|channel| channel.waiting).sum()
    }

    /// Since when the oldest of them waits.
    pub fn since(&self) -> Option<Timestamp> {
        self.channels.iter().filter_map(|channel| channel.since).min()
    }
}

impl Readiness {
    pub fn new(
        health: Arc<HealthCheck>,
        store: Arc<dyn Store>,
        routing: Current<RoutingSnapshot>,
        clock: Clock,
    ) -> Self {
        Self { health, store, routing, clock, known: Mutex::default() }
    }

    /// Why webhooks cannot be recorded; `None` where they can.
    pub async fn unready(&self) -> Option<String> {
        if let Status::Wrong(reason) = &*self.store.status().borrow() {
            return Some(format!("nothing can be stored: {reason}"));
        }
        self.health.reason().await
    }

    pub async fn report(&self) -> ReadinessReport {
        let (unready, waiting) = tokio::join!(self.unready(), self.waiting());
        ReadinessReport { at: self.clock.now(), unready, waiting }
    }

    /// How large the commits of the store are, in changes, and how long they take, in seconds.
    pub fn commits(&self) -> (Frequencies, Frequencies) {
        let commits = self.store.commits();
        (commits.jobs.frequencies(), commits.seconds.frequencies())
    }

    /// Of many who ask at once, one asks the store.
    #[expect(
        clippy::disallowed_methods,
        reason = "how old an answer is; waiting for it is bounded by the runtime's clock"
    )]
    async fn waiting(&self) -> Backlogs {
        let mut known = self.known.lock().await;
        if let Some((at, waiting)) = &*known
            && at.elapsed() < FRESH
        {
            return waiting.clone();
        }
        let waiting = timeout(ANSWERS_WITHIN, self.read()).await;
        let waiting = waiting.unwrap_or_else(|_| Err("the store does not answer in time".to_owned()));
        *known = Some((Instant::now(), waiting.clone()));
        waiting
    }

    async fn read(&self) -> Backlogs {
        let channels = self.routing.get().channels.keys().cloned().collect();
        let channels = self.store.queue_depths(channels).await.map_err(|error| error.to_string())?;
        let incidents = self.store.incidents().await.map_err(|error| error.to_string())?;
        let channels = channels.into_iter().map(WaitingChannel::of).collect();
        let incidents = incidents.into_iter().map(OpenIncident::of).collect();
        Ok(Arc::new(Waiting { channels, incidents }))
    }
}
