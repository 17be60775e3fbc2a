//! What happens by the clock: the removal of what is older than `store.keep`, and of sessions that have ended.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::flow::leadership::Leadership;
use crate::flow::{Clock, sessions};
use crate::store::Store;

/// Old events are looked for this often.
const UPKEEP_EVERY: Duration = Duration::from_secs(3600);
/// So many events a step; each step is a short part of one commit.
const STEP: u32 = 50;
/// Between steps others have the store to themselves.
const BREATH: Duration = Duration::from_millis(50);

/// Removes what is older than `keep`, hour by hour, until `shutdown`. Its age goes by the time that has really gone by: a clock
/// that was put ahead makes nothing old. At the start that cannot be known, so nothing is removed in the first hour.
/// Of several instances, the one that leads does so.
pub async fn upkeep(
    store: Arc<dyn Store>,
    keep: SignedDuration,
    leadership: Leadership,
    clock: Clock,
    shutdown: CancellationToken,
) {
    // From here on it is noticed when the clock is set.
    clock.ago(keep);
    while shutdown.run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY)).await.is_some() {
        if !leadership.leads(clock.elapsed()) {
            continue;
        }
        if let Some(removed) = shutdown.run_until_cancelled(remove_old(&*store, keep, &clock)).await
            && removed > 0
        {
            tracing::info!(removed, "events older than store.keep were removed");
        }
        if let Err(error) = sessions::sweep(&*store, &clock).await {
            tracing::warn!(%error, "sessions that have ended could not be removed; tried again in an hour");
        }
    }
}

async fn remove_old(store: &dyn Store, keep: SignedDuration, clock: &Clock) -> u64 {
    let before = clock.ago(keep);
    let (mut removed, mut after) = (0, Some(0));
    while let Some(seq) = after {
        match store.prune(before, seq, STEP).await {
            Ok((count, next)) => {
                removed += count;
                after = next;
            }
            Err(error) => {
                tracing::warn!(%error, "old events could not be removed; tried again in an hour");
                break;
            }
        }
        tokio::time::sleep(BREATH).await;
    }
    removed
}
