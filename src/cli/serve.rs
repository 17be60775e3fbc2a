//! `orderbell serve`: the daemon.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::app::assistant::saving::Handover;
use crate::app::reload::Watch;
use crate::app::{Listeners, problems};
use crate::cli::failure::Failure;
use crate::cli::log::LogOptions;
use crate::cli::output::OutputFormat;
use crate::cli::{first_start, log, signals};
use crate::config::context::SecretReading;
use crate::flow::Clock;
use crate::flow::service_manager::ServiceManager;
use crate::in_force;
use crate::in_force::fingerprint::Fingerprint;
use crate::in_force::{Errors, Started};

/// How often it is looked whether the configuration has changed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Where the page of a first start is.
const SETUP_AT: &str = "127.0.0.1:8788";

#[derive(Args)]
pub struct Serve {
    /// Do not start around errors: with any error in the configuration exit with code 2, instead of going on with the
    /// configuration last in force, without a secret, or with built-in templates
    #[arg(long)]
    strict: bool,
    /// Without a configuration, show a page that leads to one, on this machine alone, and go on as the daemon; at this
    /// address instead of 127.0.0.1:8788
    #[arg(long, value_name = "ADDRESS", num_args = 0..=1, require_equals = true, default_missing_value = SETUP_AT)]
    setup: Option<SocketAddr>,
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
    let shutdown = CancellationToken::new();
    let asked = Arc::new(Notify::new());
    let found = in_force::start(file, errors);
    if let (Ok(started), Some(_)) = (&found, serve.setup) {
        let page = match &started.read.config.admin {
            Some(admin) => format!("the page is at http://{}/", admin.listen),
            None => "the page is shown where the configuration has a table [admin]".to_owned(),
        };
        tracing::info!(configuration = %file.display(), "there is a configuration, so that --setup changes nothing; {page}");
    }
    let (started, before, listeners) = match (found, serve.setup) {
        (Ok(started), _) => {
            signals::obey(shutdown.clone(), Some(asked.clone()))?;
            let listeners = listen(&started, None, serve.strict)?;
            (started, before, listeners)
        }
        (Err(problems), None) => return Err(Failure::Configuration(problems)),
        (Err(problems), Some(at)) => {
            let listener = first_start::listen(at, file, &problems)?;
            signals::obey(shutdown.clone(), Some(asked.clone()))?;
            let Some((handover, listener)) = first_start::run(file, listener, errors, &shutdown).await? else {
                return Ok(());
            };
            let Handover { started, before, hooks } = handover;
            let listeners = listen(&started, Some((hooks, listener)), serve.strict)?;
            (started, before, listeners)
        }
    };
    tracing::info!(version = env!("CARGO_PKG_VERSION"), configuration = %file.display(), "starting");
    problems::log(&started.read.warnings);
    let config = &started.read.config;
    let address = listeners.hooks.local_addr().unwrap_or(config.server.listen);
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

/// Takes the addresses of a configuration; those that a first start has taken stay taken.
fn listen(started: &Started, taken: Option<(TcpListener, TcpListener)>, strict: bool) -> Result<Listeners, Failure> {
    let config = &started.read.config;
    let listen = config.server.listen;
    let (hooks, page) = taken.unzip();
    let mut listeners = match hooks {
        Some(hooks) => Listeners { hooks, admin: None },
        None => Listeners::bind(listen).map_err(|error| {
            let is_another = "is another orderbell running?";
            Failure::Failed(format!("server.listen = \"{listen}\" cannot be used: {error}; {is_another}"))
        })?,
    };
    let Some(admin) = config.admin.as_ref().map(|admin| admin.listen) else { return Ok(listeners) };
    let page = page.filter(|page| page.local_addr().is_ok_and(|bound| bound == admin));
    if let Some(page) = page {
        listeners.admin = Some(page);
    } else if let Err(error) = listeners.bind_admin(admin) {
        let reason = format!("admin.listen = \"{admin}\" cannot be used: {error}");
        if strict {
            return Err(Failure::Failed(reason));
        }
        tracing::error!("{reason}; webhooks are taken all the same, and the next start tries again");
    }
    Ok(listeners)
}
