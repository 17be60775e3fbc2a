//! What has come to the sandbox: a bounded list, with a way to wait for more.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

/// Requests that are kept; older ones are forgotten, but stay counted.
const KEPT: usize = 10_000;
/// Requests that a subscriber may lag behind.
const LAG: usize = 1024;

/// One request to a receiver.
#[derive(Clone, Debug, Serialize)]
pub struct Received {
    pub at: Timestamp,
    pub address: MockAddress,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// The body as it came.
    pub body: String,
    /// The idempotency key: `msgUuid`, `Message-ID`, `webhook-id` or `X-Orderbell-Delivery`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// Accepted, but a message with this key was accepted before.
    pub repeat: bool,
    pub verdict: MockVerdict,
    /// In the order in which they came, names in lower case. Not shown over HTTP: they hold signatures.
    #[serde(skip)]
    pub headers: Vec<(String, String)>,
}

impl Received {
    /// Accepted, and not a repeat: what a person would see.
    pub fn is_message(&self) -> bool {
        self.verdict == MockVerdict::Accepted && !self.repeat
    }

    /// The first header of this name, in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }
}

/// Where a request went.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct MockAddress {
    /// As the configuration calls it: `dingtalk`, `email`, `keeta`.
    pub kind: &'static str,
    /// What the robot is called, by its access token or key if nothing else is said; the recipient's address; the webhook's
    /// name; or the id of Keeta's application.
    pub name: String,
}

/// What the receiver made of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MockVerdict {
    Accepted,
    /// Against the rules, and why.
    Refused(String),
    /// Not looked at, because of this fault.
    Fault(String),
}

/// How many requests there were since the start or the last clearing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Messages, each once.
    pub accepted: u64,
    pub repeats: u64,
    pub refused: u64,
    pub faults: u64,
}

/// The list itself.
#[derive(Debug)]
pub struct Inbox {
    list: Mutex<List>,
    /// How many requests there ever were.
    grown: watch::Sender<u64>,
    arrivals: broadcast::Sender<Received>,
}

#[derive(Debug, Default)]
struct List {
    kept: VecDeque<Received>,
    /// The number of the first one kept, counted from the start.
    first: u64,
    counts: Counts,
}

impl Default for Inbox {
    fn default() -> Self {
        Self { list: Mutex::default(), grown: watch::Sender::new(0), arrivals: broadcast::Sender::new(LAG) }
    }
}

impl Inbox {
    pub fn put(&self, received: Received) {
        let mut list = self.list();
        let counts = &mut list.counts;
        match received.verdict {
            MockVerdict::Accepted if received.repeat => counts.repeats += 1,
            MockVerdict::Accepted => counts.accepted += 1,
            MockVerdict::Refused(_) => counts.refused += 1,
            MockVerdict::Fault(_) => counts.faults += 1,
        }
        list.kept.push_back(received.clone());
        if list.kept.len() > KEPT {
            list.kept.pop_front();
            list.first += 1;
        }
        // Without subscribers there is nothing to do.
        let _ = self.arrivals.send(received);
        self.grown.send_replace(list.first + list.kept.len() as u64);
    }

    pub fn messages(&self) -> Vec<Received> {
        self.list().kept.iter().cloned().collect()
    }

    pub fn counts(&self) -> Counts {
        self.list().counts
    }

    pub fn clear(&self) {
        let mut list = self.list();
        list.first += list.kept.len() as u64;
        list.kept.clear();
        list.counts = Counts::default();
    }

    pub fn subscribe(&self) -> broadcast::Receiver<Received> {
        self.arrivals.subscribe()
    }

    fn list(&self) -> MutexGuard<'_, List> {
        // Nothing under the lock can leave the list half changed.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the inbox in the order of arrival, each message once, and waits for those that are still to come.
#[derive(Debug)]
pub struct Collector {
    inbox: Arc<Inbox>,
    /// The number of the next request to look at.
    next: u64,
}

/// Fewer messages came than were waited for.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{} of {wanted} messages came", came.len())]
pub struct Missing {
    pub wanted: usize,
    pub came: Vec<Received>,
}

/// A message came that should not have.
#[derive(Clone, Debug, thiserror::Error)]
#[error("a message too many came: {0:?}")]
pub struct Surplus(pub Box<Received>);

impl Collector {
    /// Begins with the oldest request that is still kept.
    pub fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox, next: 0 }
    }

    /// The next `wanted` messages; repeats, refused requests and faults are passed over.
    ///
    /// # Errors
    /// [`Missing`] with those that did come, when they are fewer after `within`.
    pub async fn wait_for(&mut self, wanted: usize, within: Duration) -> Result<Vec<Received>, Missing> {
        let deadline = Instant::now() + within;
        let mut grown = self.inbox.grown.subscribe();
        let mut came = Vec::new();
        loop {
            while came.len() < wanted
                && let Some(message) = self.look()
            {
                came.push(message);
            }
            if came.len() == wanted {
                return Ok(came);
            }
            if !matches!(tokio::time::timeout_at(deadline, grown.changed()).await, Ok(Ok(()))) {
                return Err(Missing { wanted, came });
            }
        }
    }

    /// Waits to see that no further message comes.
    ///
    /// # Errors
    /// [`Surplus`] as soon as one comes `within` this time.
    pub async fn nothing_more(&mut self, within: Duration) -> Result<(), Surplus> {
        match self.wait_for(1, within).await {
            Ok(came) => came.into_iter().next().map_or(Ok(()), |message| Err(Surplus(Box::new(message)))),
            Err(Missing { .. }) => Ok(()),
        }
    }

    fn look(&mut self) -> Option<Received> {
        let list = self.inbox.list();
        self.next = self.next.max(list.first);
        while let Some(received) = list.kept.get(usize::try_from(self.next - list.first).ok()?) {
            self.next += 1;
            if received.is_message() {
                return Some(received.clone());
            }
        }
        None
    }
}
