//! The whole daemon: builds the rooms from a configuration and runs them until it is told to stop.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::channel::http::Http;
use crate::channel::http::Settings;
use crate::config::Config;
use crate::config::ConfiguredChannel;
use crate::config::ConfiguredSource;
use crate::config::StoreUrl;
use crate::config::template_folder;
use crate::config::template_folder::FolderError;
use crate::domain::template::TemplateErrors;
use crate::domain::template::Templates;
use crate::flow::Clock;
use crate::flow::Current;
use crate::flow::Wake;
use crate::flow::delivery::Lane;
use crate::flow::delivery::Post;
use crate::flow::intake::Inlet;
use crate::flow::intake::Intake;
use crate::flow::intake::Reception;
use crate::flow::lanes::Lanes;
use crate::flow::notice::Notices;
use crate::flow::schedule;
use crate::store::StoreError;
use crate::store::sqlite::Sqlite;
use crate::web::hooks;
use crate::web::server;
use crate::web::server::Limits;

/// Why the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("channel {channel}: {reason}")]
    Channel { channel: String, reason: String },
    #[error("the templates do not compile: {0}")]
    Templates(#[from] TemplateErrors),
    #[error("the templates: {0}")]
    TemplateFolder(#[from] FolderError),
}

/// The sockets, already bound: a test binds them to port 0.
pub struct Listeners {
    pub hooks: TcpListener,
}

/// Runs the daemon until `shutdown`; then answers what is in flight, finishes or releases what is being sent, and returns
/// within ten seconds.
///
/// # Errors
/// [`StartError`]; once it runs it only ends by `shutdown`.
pub async fn run(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let StoreUrl::Sqlite(path) = &config.store.url;
    let store = Sqlite::open(path, clock.now())?;
    let overlay = config.templates.as_deref().map(template_folder::read).transpose()?.unwrap_or_default();
    run_on(store, Templates::with_overlay(&overlay)?, config, listeners, clock, shutdown).await
}

/// As [`run`], on a store and with templates that were made elsewhere.
///
/// # Errors
/// As [`run`], once the store is open and the templates are compiled.
pub async fn run_on(
    store: Sqlite,
    templates: Templates,
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let store = Arc::new(store);
    let limits = Limits {
        max_body_bytes: usize::try_from(config.server.max_body_bytes).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let keep = config.store.keep;
    let lanes = lanes(&config.channels)?;
    let reception = Current::new(reception(config));
    let wake = Wake::default();
    let notices = Notices::new(store.clone(), reception.clone(), wake.clone());
    let templates = Current::new(templates);
    let post =
        Post { store: store.clone(), templates, wake: wake.clone(), notices: notices.clone(), clock: clock.clone() };

    let work = TaskTracker::new();
    let mut running = Lanes::new(post, work.clone(), shutdown.clone());
    lanes.into_iter().for_each(|lane| running.start(lane));
    drop(running);
    work.spawn(schedule::upkeep(store.clone(), keep, clock.clone(), shutdown.clone()));
    let intake = Arc::new(Intake::new(reception, notices, store.clone(), wake, clock));
    work.spawn(server::serve(listeners.hooks, hooks::routes(intake), limits, shutdown.clone()));
    work.close();
    work.wait().await;
    // A supervisor starts the next daemon at once, and that one must find the file free.
    match Arc::into_inner(store) {
        Some(store) => store.close().await,
        None => tracing::warn!("the store is still in use; it is closed when this process ends"),
    }
    Ok(())
}

/// What the receiving side needs.
fn reception(mut config: Config) -> Reception {
    let sources = std::mem::take(&mut config.sources);
    let inlet = |(name, configured): (String, ConfiguredSource)| {
        let address = config.source_address(&name);
        (name, Inlet { source: configured.source, address })
    };
    Reception {
        inlets: sources.into_iter().map(inlet).collect(),
        channels: config.channels.into_keys().collect(),
        routes: config.routes,
        currency: config.currency,
        ..Reception::default()
    }
}

/// A lane for each of these channels.
fn lanes(channels: &BTreeMap<String, ConfiguredChannel>) -> Result<Vec<Lane>, StartError> {
    channels.iter().map(|(name, channel)| lane(name.clone(), channel.clone())).collect()
}

fn lane(name: String, channel: ConfiguredChannel) -> Result<Lane, StartError> {
    let settings = channel.settings;
    let http = Http::new(&Settings {
        allow_private: settings.allow_private,
        timeout: settings.timeout.unsigned_abs(),
        ..Settings::default()
    })
    .map_err(|error| StartError::Channel { channel: name.clone(), reason: error.to_string() })?;
    Ok(Lane {
        name,
        way: channel.way,
        http,
        language: settings.language,
        timezone: settings.timezone.zone,
        waits: settings.retry,
        timeout: settings.timeout,
    })
}
