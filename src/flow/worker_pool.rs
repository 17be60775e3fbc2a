//! The workers of all channels: each runs while this instance works its credential, and gives way to the next one when its
//! channel's settings change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::flow::context::{WorkerChannel, WorkerContext};
use crate::flow::supervisor::Supervisor;
use crate::flow::tenure::{Membership, Tenure, Tenures};
use crate::flow::worker;

/// What one channel's task is made of.
struct Work {
    channel: Arc<WorkerChannel>,
    context: WorkerContext,
    /// Says that the channel's worker before this one has ended.
    before: Option<CancellationToken>,
    is_probed: AtomicBool,
    membership: Mutex<Membership>,
    retire: CancellationToken,
    shutdown: CancellationToken,
}

impl Work {
    /// Works the channel in each tenure of its credential, until it is retired or the daemon stops.
    async fn run(&self) {
        if let Some(before) = &self.before {
            before.cancelled().await;
        }
        let mut membership = self.membership.lock().await;
        while !self.retire.is_cancelled() && !self.shutdown.is_cancelled() {
            let tenure = tokio::select! {
                tenure = membership.tenure() => tenure,
                () = self.retire.cancelled() => return,
                () = self.shutdown.cancelled() => return,
            };
            let worker = tenure.enter();
            // It may have ended just now, and then nobody waits for this worker.
            if !tenure.over().is_cancelled() {
                self.work_in(tenure).await;
            }
            drop(worker);
            membership.ended();
        }
    }

    async fn work_in(&self, tenure: Arc<Tenure>) {
        // A changed setting is often a mended one.
        if self.before.is_some()
            && !self.is_probed.swap(true, Ordering::AcqRel)
            && let Err(error) = self.context.store.probe_now(&self.channel.name, self.context.clock.now()).await
        {
            tracing::error!(channel = self.channel.name, %error, "that a mended setting is to be tried could not be stored");
        }
        let (over, retire) = (tenure.over().clone(), self.retire.child_token());
        let working =
            worker::run(self.channel.clone(), self.context.clone(), tenure, retire.clone(), self.shutdown.clone());
        let ending = async {
            over.cancelled().await;
            retire.cancel();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = working => {}
            () = ending => {}
        }
    }
}

/// The running workers, by the names of their channels. For one channel there is never more than one that sends: the next
/// one starts when the one before has let its last send end, so that no delivery is sent by two at once.
pub struct WorkerPool {
    context: WorkerContext,
    supervisor: Supervisor,
    tenures: Tenures,
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
    pub fn new(context: WorkerContext, supervisor: Supervisor, tenures: Tenures) -> Self {
        Self { context, supervisor, tenures, workers: BTreeMap::new() }
    }

    /// Starts a worker, when the one that its channel had before has ended, and whenever this instance works its credential.
    pub fn start(&mut self, channel: WorkerChannel) {
        // Before the one before leaves: a credential that nobody wants is given away.
        let membership = self.tenures.join(&channel.channel.credential(), &channel.name, channel.settings.timeout);
        let before = self.workers.get(&channel.name).map(|before| {
            before.retire.cancel();
            before.ended.clone()
        });
        let running = Running { retire: CancellationToken::new(), ended: CancellationToken::new() };
        let (retire, shutdown) = (running.retire.clone(), self.supervisor.stop());
        // Dropped with the task, however that ends.
        let ended = running.ended.clone().drop_guard();
        self.workers.insert(channel.name.clone(), running);
        let name = format!("channel {}", channel.name);
        let work = Work {
            channel: Arc::new(channel),
            context: self.context.clone(),
            before,
            is_probed: AtomicBool::new(false),
            membership: Mutex::new(membership),
            retire: retire.clone(),
            shutdown,
        };
        let work = Arc::new(work);
        self.supervisor.keep_until(name, retire, move || {
            let _until_the_end = &ended;
            let work = work.clone();
            async move { work.run().await }
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
