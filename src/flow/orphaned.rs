//! Deliveries to channels that the configuration has no more: they wait, and somebody must know.

use crate::flow::notice::{Notices, Topic};
use crate::flow::routing::RoutingSnapshot;
use crate::flow::{Clock, Current};
use crate::store::Store;

/// Says for which channels deliveries wait that there are no more, in the log and to the operator.
pub async fn notify(store: &dyn Store, routing: &Current<RoutingSnapshot>, notices: &Notices, clock: &Clock) {
    let waiting = match store.waiting().await {
        Ok(waiting) => waiting,
        Err(error) => {
            tracing::error!(%error, "it cannot be seen whether deliveries wait for channels that are gone");
            return;
        }
    };
    let routing = routing.get();
    for (channel, deliveries) in waiting.into_iter().filter(|(channel, _)| !routing.channels.contains_key(channel)) {
        tracing::error!(channel, deliveries, "deliveries wait for a channel that is not in the configuration");
        notices.notify(Topic::Stranded, &channel, deliveries.to_string(), clock.now()).await;
    }
}
