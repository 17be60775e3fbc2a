//! The walks: what happens from a webhook to a message, across the rooms.

pub mod delivery;
pub mod intake;
pub mod notice;
pub mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Notify;

/// What time it is; an argument, so that tests decide.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// This machine's clock.
    pub fn system() -> Self {
        Self::new(Timestamp::now)
    }

    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// Wakes the lanes of channels for which something was committed.
#[derive(Clone, Default)]
pub struct Wake(Arc<BTreeMap<String, Arc<Notify>>>);

impl Wake {
    pub fn new<'a>(channels: impl IntoIterator<Item = &'a String>) -> Self {
        Self(Arc::new(channels.into_iter().map(|name| (name.clone(), Arc::default())).collect()))
    }

    pub fn wake(&self, channels: &[String]) {
        for bell in channels.iter().filter_map(|name| self.0.get(name)) {
            bell.notify_one();
        }
    }

    /// What is rung for one channel.
    pub fn bell(&self, channel: &str) -> Arc<Notify> {
        self.0.get(channel).cloned().unwrap_or_default()
    }
}
