//! Who is woken when something was committed: the workers of the channels that it goes to, and the watch when something may be
//! wrong.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::pace::Elapsed;
use crate::flow::channel_queue::ChannelQueue;
use crate::store::ingest::Committed;
use crate::store::queue::pending::PendingDelivery;

/// Wakes the workers of channels for which something was committed, and the watch when something may be wrong.
#[derive(Clone, Default)]
pub struct Notifier {
    signals: Arc<Mutex<BTreeMap<String, Arc<ChannelSignal>>>>,
    watch: Arc<Notify>,
}

/// What wakes the worker of one channel, and what it finds then.
#[derive(Default)]
pub struct ChannelSignal {
    woken: Notify,
    /// Something waits in the store that is not in the queue.
    wants_look: AtomicBool,
    queue: Mutex<ChannelQueue>,
}

impl Notifier {
    /// Wakes the workers of these channels: they look into the store.
    pub fn wake(&self, channels: &[String]) {
        let signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        for signal in channels.iter().filter_map(|name| signals.get(name)) {
            signal.look();
        }
    }

    /// Wakes all workers: they look into the store.
    pub fn wake_all(&self) {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner).values().for_each(|signal| signal.look());
    }

    /// Gives the workers what was committed just now, as far as their channels have room for it.
    pub fn deliver(&self, committed: &Committed, now: Elapsed) {
        let signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        for new in &committed.deliveries {
            let Some(signal) = signals.get(&new.channel) else { continue };
            // What a change is shown from is known in the store alone.
            let is_plain = committed.event.data.changed.is_none();
            if is_plain && signal.queue().commit(PendingDelivery::fresh(new, committed), now) {
                signal.woken.notify_one();
            } else {
                signal.look();
            }
        }
    }

    /// What wakes one channel; a worker and its successor have the same.
    pub fn signal(&self, channel: &str) -> Arc<ChannelSignal> {
        let mut signals = self.signals.lock().unwrap_or_else(PoisonError::into_inner);
        signals.entry(channel.to_owned()).or_default().clone()
    }

    /// What makes the watch look at once.
    pub fn watch(&self) -> Arc<Notify> {
        self.watch.clone()
    }
}

impl ChannelSignal {
    fn look(&self) {
        self.wants_look.store(true, Ordering::Release);
        self.woken.notify_one();
    }

    pub async fn notified(&self) {
        self.woken.notified().await;
    }

    /// Whether the store is to be looked at, since this was asked last.
    pub fn take_look(&self) -> bool {
        self.wants_look.swap(false, Ordering::AcqRel)
    }

    pub fn queue(&self) -> MutexGuard<'_, ChannelQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
