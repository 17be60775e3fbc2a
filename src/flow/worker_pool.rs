//! The workers of all channels, and how one gives way to the next when a channel's settings change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio_util::sync::CancellationToken;

use crate::flow::context::{WorkerChannel, WorkerContext};
use crate::flow::supervisor::Supervisor;
use crate::flow::worker;

/// The running workers, by the names of their channels. For one channel there is never more than one that sends: the next
/// one starts when the one before has let its last send end, so that no delivery is sent by two at once.
pub struct WorkerPool {
    context: WorkerContext,
    supervisor: Supervisor,
    workers: BTreeMap<String, Running>,
}

struct Running {
    /// Tells the worker to take nothing new.
    retire: CancellationToken,
    /// Says that it has ended.
    ended: CancellationToken,
}

impl WorkerPool {
    /// No worker yet; those that come are kept running until they are retired or until the daemon stops.
    pub fn new(context: WorkerContext, supervisor: Supervisor) -> Self {
        Self { context, supervisor, workers: BTreeMap::new() }
    }

    /// Starts a worker, when the one that its channel had before has ended.
    pub fn start(&mut self, channel: WorkerChannel) {
        let before = self.workers.get(&channel.name).map(|before| {
            before.retire.cancel();
            before.ended.clone()
        });
        let running = Running { retire: CancellationToken::new(), ended: CancellationToken::new() };
        let (retire, shutdown) = (running.retire.clone(), self.supervisor.stop());
        // Dropped with the task, however that ends.
        let ended = running.ended.clone().drop_guard();
        self.workers.insert(channel.name.clone(), running);
        let (context, channel, is_probed) = (self.context.clone(), Arc::new(channel), Arc::new(AtomicBool::new(false)));
        self.supervisor.keep_until(format!("channel {}", channel.name), retire.clone(), move || {
            let _until_the_end = &ended;
            let (before, is_probed) = (before.clone(), is_probed.clone());
            let (channel, context, retire, shutdown) = (channel.clone(), context.clone(), retire.clone(), shutdown.clone());
            async move {
                if let Some(before) = before {
                    before.cancelled().await;
                    // A changed setting is often a mended one.
                    if !is_probed.swap(true, Ordering::AcqRel)
                        && let Err(error) = context.store.probe_now(&channel.name, context.clock.now()).await
                    {
                        tracing::error!(channel = channel.name, %error, "that a mended setting is to be tried could not be stored");
                    }
                }
                worker::run(channel, context, retire, shutdown).await;
            }
        });
    }

    /// Starts the `fresh` workers and lets those of the channels that are `gone` end; what waits for them stays waiting.
    /// Answers what says, one by one, that they have ended.
    pub fn change(&mut self, fresh: Vec<WorkerChannel>, gone: &[String]) -> Vec<CancellationToken> {
        fresh.into_iter().for_each(|channel| self.start(channel));
        gone.iter().filter_map(|channel| self.retire(channel)).collect()
    }

    fn retire(&mut self, channel: &str) -> Option<CancellationToken> {
        let running = self.workers.get(channel)?;
        running.retire.cancel();
        // It stays in the list: should the channel come back, its successor has to wait for it.
        Some(running.ended.clone())
    }
}
