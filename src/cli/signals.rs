//! SIGTERM, SIGINT and SIGHUP: heeded on a thread of their own, so that a stop is obeyed whatever has become of the rest.

use std::sync::Arc;
use std::time::Duration;
use std::{process, thread};

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::Failure;

/// An orderly stop takes less than ten seconds. What has not ended after so long is ended with the process; what it was
/// sending is taken up at the next start.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// Cancels `shutdown` at SIGTERM or SIGINT, and sees to it that the process ends then; notifies `asked` at each SIGHUP.
pub fn obey(shutdown: CancellationToken, asked: Option<Arc<Notify>>) -> Result<(), Failure> {
    let failed = |error| Failure::Failed(format!("signals cannot be received: {error}"));
    let runtime = Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let signals = {
        let _entered = runtime.enter();
        let listen = |kind| signal(kind).map_err(failed);
        let hangup = asked.map(|asked| listen(SignalKind::hangup()).map(|hangup| (hangup, asked))).transpose()?;
        (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?, hangup)
    };
    let heed = move || {
        runtime.block_on(async {
            heed(signals, &shutdown).await;
            tokio::time::sleep(STOP_WITHIN).await;
        });
        tracing::error!("the stop has taken too long; the process ends now, and what it was sending is taken up later");
        process::exit(1);
    };
    thread::Builder::new().name("signals".to_owned()).spawn(heed).map(drop).map_err(failed)
}

/// Returns when a stop was asked for, by a signal or otherwise.
async fn heed(
    (mut terminate, mut interrupt, mut hangup): (Signal, Signal, Option<(Signal, Arc<Notify>)>),
    shutdown: &CancellationToken,
) {
    loop {
        let hung_up = async {
            let Some((hangup, asked)) = &mut hangup else { return std::future::pending().await };
            match hangup.recv().await {
                Some(()) => asked.notify_one(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            () = shutdown.cancelled() => return,
            () = hung_up => tracing::info!("the configuration is read again, as SIGHUP asks"),
        }
    }
    shutdown.cancel();
    tracing::info!("stopping: what is under way is finished or released");
}
