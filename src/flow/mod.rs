//! The walks: what happens from a webhook to a message, across the rooms.

pub mod delivery;
pub mod far_clocks;
pub mod intake;
pub mod lanes;
pub mod notice;
mod round;
pub mod schedule;
pub mod signs;
pub mod stranded;
pub mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::RwLock;

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

/// Something of which there is one at a time, replaced as a whole while others use it: whoever took it goes on with the one
/// that he took.
pub struct Current<T>(Arc<RwLock<Arc<T>>>);

impl<T> Current<T> {
    pub fn new(first: T) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(first))))
    }

    /// The one in force.
    pub fn get(&self) -> Arc<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Puts the next one in force, and answers the one before, which may still be in use.
    pub fn replace(&self, next: T) -> Arc<T> {
        std::mem::replace(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner), Arc::new(next))
    }
}

impl<T> Clone for Current<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

/// Wakes the lanes of channels for which something was committed, and the watch when something may be wrong.
#[derive(Clone, Default)]
pub struct Wake {
    bells: Arc<Mutex<BTreeMap<String, Arc<Notify>>>>,
    watch: Arc<Notify>,
}

impl Wake {
    pub fn wake(&self, channels: &[String]) {
        let bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        for bell in channels.iter().filter_map(|name| bells.get(name)) {
            bell.notify_one();
        }
    }

    /// What is rung for one channel; a lane and its successor have the same.
    pub fn bell(&self, channel: &str) -> Arc<Notify> {
        let mut bells = self.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.entry(channel.to_owned()).or_default().clone()
    }

    /// What makes the watch look at once.
    pub fn watch(&self) -> Arc<Notify> {
        self.watch.clone()
    }
}
