//! `orderbell serve`: the daemon.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::Signal;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::app::Listeners;
use crate::app::reload::Watch;
use crate::cli::Failure;
use crate::cli::configuration;
use crate::cli::log;
use crate::config::footprint::Footprint;
use crate::flow::Clock;

/// How often it is looked whether the configuration has changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

pub async fn run(file: &Path) -> Result<(), Failure> {
    log::start("info,refinery_core=warn")?;
    // Before it is read, so that what is written afterwards is seen as a change.
    let before = Footprint::of(file);
    let loaded = configuration(file)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = %file.display(), "starting");
    for warning in &loaded.warnings {
        tracing::warn!(line = warning.line, "{}; {}", warning.message, warning.help.as_deref().unwrap_or_default());
    }
    let config = loaded.config;
    let listen = config.server.listen;
    let listeners = Listeners::bind(listen).map_err(|error| {
        Failure::Failed(format!("server.listen = \"{listen}\" cannot be used: {error}; is another orderbell running?"))
    })?;
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone())?;
    let asked = Arc::new(Notify::new());
    notify_on_hangup(asked.clone())?;
    let address = listeners.hooks.local_addr().unwrap_or(listen);
    for name in config.sources.keys() {
        tracing::info!(
            source = name,
            "webhooks are taken at http://{address}/hooks/{name}, known to the platform as {}",
            config.source_address(name)
        );
    }
    let watch = Watch { file: file.to_owned(), before, look_every: LOOK_EVERY, asked };
    app::run_watching(config, watch, listeners, Clock::system(), shutdown)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    tracing::info!("stopped");
    Ok(())
}

/// Notifies `asked` at SIGHUP.
fn notify_on_hangup(asked: Arc<Notify>) -> Result<(), Failure> {
    let mut hangup = listen_for(SignalKind::hangup())?;
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            tracing::info!("the configuration is read again, as SIGHUP asks");
            asked.notify_one();
        }
    });
    Ok(())
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure::Failed(format!("signals cannot be received: {error}")))
}

/// Cancels `shutdown` at SIGTERM or SIGINT.
pub fn stop_on_signal(shutdown: CancellationToken) -> Result<(), Failure> {
    let (mut terminate, mut interrupt) = (listen_for(SignalKind::terminate())?, listen_for(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping: what is under way is finished or released");
        shutdown.cancel();
    });
    Ok(())
}
