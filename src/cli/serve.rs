//! `orderbell serve`: the daemon.

use std::path::Path;

use tokio::net::TcpListener;
use tokio::signal::unix::SignalKind;
use tokio::signal::unix::signal;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::app::Listeners;
use crate::cli::Failure;
use crate::cli::configuration;
use crate::cli::start_log;
use crate::flow::Clock;

pub async fn run(file: &Path) -> Result<(), Failure> {
    let loaded = configuration(file)?;
    start_log("info,refinery_core=warn");
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = %file.display(), "starting");
    for warning in &loaded.warnings {
        tracing::warn!(line = warning.line, "{}; {}", warning.message, warning.help.as_deref().unwrap_or_default());
    }
    let config = loaded.config;
    let listen = config.server.listen;
    let hooks = TcpListener::bind(listen).await.map_err(|error| {
        Failure::Failed(format!("server.listen = \"{listen}\" cannot be used: {error}; is another orderbell running?"))
    })?;
    let shutdown = CancellationToken::new();
    stop_on_signal(shutdown.clone())?;
    let address = hooks.local_addr().unwrap_or(listen);
    for name in config.sources.keys() {
        tracing::info!(
            source = name,
            "webhooks are taken at http://{address}/hooks/{name}, known to the platform as {}",
            config.source_address(name)
        );
    }
    app::run(config, Listeners { hooks }, Clock::system(), shutdown)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    tracing::info!("stopped");
    Ok(())
}

/// Cancels `shutdown` at SIGTERM or SIGINT.
pub fn stop_on_signal(shutdown: CancellationToken) -> Result<(), Failure> {
    let listen = |kind| signal(kind).map_err(|error| Failure::Failed(format!("signals cannot be received: {error}")));
    let (mut terminate, mut interrupt) = (listen(SignalKind::terminate())?, listen(SignalKind::interrupt())?);
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
