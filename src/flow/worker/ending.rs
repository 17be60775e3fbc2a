//! How a worker ends: it takes nothing new, and lets the sends under way end.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::flow::context::LEASE_MARGIN;
use crate::flow::worker::ChannelWorker;

/// How long sends under way may take to finish when the daemon stops. What is not done then is released, and taken up at
/// the next start.
const FINISH: Duration = Duration::from_secs(7);

impl ChannelWorker {
    pub(super) async fn finish(mut self, shutdown: CancellationToken) {
        self.signal.queue().clear();
        self.let_end(shutdown).await;
        // Until here its allowance counts, for what was under way and the further parts of it.
        self.pacer.leave(&self.channel.name);
    }

    async fn let_end(&mut self, shutdown: CancellationToken) {
        let sending = &mut self.sending;
        let longest = self.channel.channel.longest(self.channel.settings.timeout) + LEASE_MARGIN;
        let released = tokio::select! {
            () = async { while sending.join_next().await.is_some() {} } => return,
            () = async { shutdown.cancelled().await; tokio::time::sleep(FINISH).await } => "at the next start",
            // Its successor waits. A send ends within the channel's longest time; after it its lease has ended, too.
            () = tokio::time::sleep(longest.unsigned_abs()) => "when their leases end",
        };
        tracing::warn!(
            channel = self.channel.name,
            sends = self.sending.len(),
            "sends under way were released; they are taken up {released}"
        );
        self.sending.shutdown().await;
    }
}
