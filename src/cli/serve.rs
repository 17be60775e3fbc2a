//! `orderbell serve`: the daemon.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::app::reload::Watch;
use crate::app::{Listeners, problems};
use crate::cli::failure::Failure;
use crate::cli::log::LogOptions;
use crate::cli::output::OutputFormat;
use crate::cli::{log, signals};
use crate::config::context::SecretReading;
use crate::flow::Clock;
use crate::flow::service_manager::ServiceManager;
use crate::in_force;
use crate::in_force::Errors;
use crate::in_force::fingerprint::Fingerprint;

/// How often it is looked whether the configuration has changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct Serve {
    /// Do not start around errors: with any error in the configuration exit with code 2, instead of going on with the
    /// configuration last in force, without a secret, or with built-in templates
    #[arg(long)]
    strict: bool,
    /// How to log: text, with times of the configuration's time zone; or json, one object a line, with times in UTC. Goes
    /// before ORDERBELL_LOG_FORMAT
    #[arg(long, value_enum, value_name = "FORMAT")]
    log_format: Option<OutputFormat>,
    /// How much to log: error, warn, info, debug, trace or off, or by part, as in warn,orderbell::flow=debug. Goes before
    /// ORDERBELL_LOG
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

pub async fn run(serve: Serve, file: &Path) -> Result<(), Failure> {
    // With a broken file, the zone of the configuration last in force.
    let zone = in_force::parts(file, SecretReading::Placeholders).map_or(TimeZone::UTC, |part| part.timezone.zone);
    let options = LogOptions { level: serve.log_level, format: serve.log_format, zone };
    let _log = log::start_with(options, "info,refinery_core=warn")?;
    // Before it is read, so that what is written afterwards is seen as a change.
    let before = Fingerprint::of(file);
    let errors = if serve.strict { Errors::Stop } else { Errors::GoAround };
    let started = in_force::start(file, errors).map_err(Failure::Configuration)?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = %file.display(), "starting");
    problems::log(&started.read.warnings);
    let config = &started.read.config;
    let listen = config.server.listen;
    let mut listeners = Listeners::bind(listen).map_err(|error| {
        Failure::Failed(format!("server.listen = \"{listen}\" cannot be used: {error}; is another orderbell running?"))
    })?;
    if let Some(admin) = config.admin.as_ref().map(|admin| admin.listen)
        && let Err(error) = listeners.bind_admin(admin)
    {
        let reason = format!("admin.listen = \"{admin}\" cannot be used: {error}");
        if serve.strict {
            return Err(Failure::Failed(reason));
        }
        tracing::error!("{reason}; webhooks are taken all the same, and the next start tries again");
    }
    let shutdown = CancellationToken::new();
    let asked = Arc::new(Notify::new());
    signals::obey(shutdown.clone(), Some(asked.clone()))?;
    let address = listeners.hooks.local_addr().unwrap_or(listen);
    for name in config.sources.keys() {
        tracing::info!(
            source = name,
            "webhooks are taken at http://{address}/hooks/{name}, known to the platform as {}",
            config.source_address(name)
        );
    }
    let service_manager = ServiceManager::named_by(|name| std::env::var_os(name)).unwrap_or_else(|error| {
        tracing::warn!(%error, "the service manager that NOTIFY_SOCKET names cannot be notified");
        ServiceManager::default()
    });
    let watch = Watch { file: file.to_owned(), before, look_every: LOOK_EVERY, asked, service_manager };
    app::run_started(started, watch, listeners, Clock::system(), shutdown)
        .await
        .map_err(|error| Failure::Failed(error.to_string()))?;
    tracing::info!("stopped");
    Ok(())
}
