//! The whole daemon: builds the rooms from a configuration and runs them until it is told to stop.

mod open_files;
pub mod reload;
pub mod trial;

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::reload::Reloader;
use crate::app::reload::Watch;
use crate::channel::http::Http;
use crate::config::Config;
use crate::config::ConfiguredChannel;
use crate::config::ConfiguredSource;
use crate::config::Report;
use crate::config::StoreUrl;
use crate::domain::pace::Allowance;
use crate::domain::quiet::Quiet;
use crate::domain::report::calendar::Schedule;
use crate::domain::template::TemplateErrors;
use crate::domain::template::Templates;
use crate::flow::Clock;
use crate::flow::Current;
use crate::flow::Wake;
use crate::flow::far_clocks::FarClocks;
use crate::flow::gallery::Gallery;
use crate::flow::intake::Inlet;
use crate::flow::intake::Intake;
use crate::flow::intake::Reception;
use crate::flow::lane::Lane;
use crate::flow::lane::Post;
use crate::flow::lanes::Lanes;
use crate::flow::notice::Notices;
use crate::flow::pacers::Pacers;
use crate::flow::refusals;
use crate::flow::reports::Plan;
use crate::flow::reports::Reports;
use crate::flow::schedule;
use crate::flow::store_health;
use crate::flow::stranded;
use crate::flow::watch;
use crate::flow::watch::DiskGauge;
use crate::flow::watch::Instruments;
use crate::flow::watch::SelfWatch;
use crate::store::Fallback;
use crate::store::StoreError;
use crate::store::TakenSlots;
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
}

/// The sockets, already bound: a test binds them to port 0.
pub struct Listeners {
    pub hooks: TcpListener,
}

impl Listeners {
    /// # Errors
    /// When an address cannot be used.
    pub fn bind(hooks: SocketAddr) -> io::Result<Self> {
        Ok(Self { hooks: server::listen(hooks)? })
    }
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
    let (store, templates) = foundations(&config, &clock)?;
    build(store, templates, config, listeners, clock, None, shutdown).await
}

/// As [`run`]; and whenever the configuration changes, the new one takes the place of the one before, without a restart.
///
/// # Errors
/// As [`run`].
pub async fn run_watching(
    config: Config,
    watch: Watch,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let (store, templates) = foundations(&config, &clock)?;
    build(store, templates, config, listeners, clock, Some(watch), shutdown).await
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
    build(store, templates, config, listeners, clock, None, shutdown).await
}

fn foundations(config: &Config, clock: &Clock) -> Result<(Sqlite, Templates), StartError> {
    let StoreUrl::Sqlite(path) = &config.store.url;
    Ok((Sqlite::open(path, clock.now())?, Templates::with_overlay(&config.overlay)?))
}

async fn build(
    store: Sqlite,
    templates: Templates,
    config: Config,
    listeners: Listeners,
    clock: Clock,
    watch: Option<Watch>,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let store = Arc::new(store);
    let limits = Limits {
        max_body_bytes: usize::try_from(config.server.max_body_bytes).unwrap_or(usize::MAX),
        max_connections: open_files::connections(open_files::raise_limit(), Limits::default().max_connections),
        ..Limits::default()
    };
    let (server_settings, store_settings) = (config.server.clone(), config.store.clone());
    let (channels, overlay) = (config.channels.clone(), config.overlay.clone());
    let fresh =
        channels.iter().map(|(name, channel)| lane(name.clone(), channel.clone())).collect::<Result<Vec<_>, _>>()?;
    let reception = Current::new(reception(config));
    let wake = Wake::default();
    let notices = Notices::new(store.clone(), reception.clone(), wake.clone());
    let templates = Current::new(templates);
    let work = TaskTracker::new();
    let intake = Intake::new(reception.clone(), notices.clone(), store.clone(), wake.clone(), clock.clone());
    let (refusals, signs) = (intake.refusals.clone(), intake.signs());
    let gallery = Gallery::new(store.clone(), templates.clone(), reception.clone(), clock.clone());
    let intake = Arc::new(intake);
    let (endpoint, notes) = (hooks::routes(intake.clone(), Arc::new(gallery)), hooks::notes(intake, limits));
    work.spawn(server::serve_noting(listeners.hooks, endpoint, limits, notes, shutdown.clone()));
    work.spawn(store_health::watch(store.clone(), notices.clone(), clock.clone(), shutdown.clone()));
    // While the store cannot be opened, webhooks are answered that they cannot be remembered now.
    shutdown.run_until_cancelled(store.opened()).await;
    let taken_slots = match store.reader().taken_slots().await {
        Err(_) if shutdown.is_cancelled() => TakenSlots::default(),
        taken => taken?,
    };
    let post = Post {
        store: store.clone(),
        templates: templates.clone(),
        wake: wake.clone(),
        notices: notices.clone(),
        far_clocks: FarClocks::default(),
        clock: clock.clone(),
        pacers: Pacers::take_up(taken_slots, clock.now(), clock.elapsed()),
    };
    let far_clocks = post.far_clocks.clone();

    let mut lanes = Lanes::new(post, work.clone(), shutdown.clone());
    lanes.change(fresh, &[]);
    stranded::tell(&store, &reception, &notices, &clock).await;
    work.spawn(schedule::upkeep(store.clone(), store_settings.keep, clock.clone(), shutdown.clone()));
    work.spawn(refusals::keep(refusals, store.clone(), clock.clone(), shutdown.clone()));
    let reports = Reports::new(store.clone(), reception.clone(), wake.clone(), clock.clone());
    let failures = reports.failures.clone();
    work.spawn(reports.run(shutdown.clone()));
    let instruments = Instruments {
        store: store.clone(),
        reception: reception.clone(),
        notices: notices.clone(),
        wake,
        signs,
        far_clocks,
        failures,
        clock: clock.clone(),
        disk: disk(&store_settings.url),
    };
    work.spawn(SelfWatch::new(instruments).run(shutdown.clone()));
    let reloader = Reloader {
        channels,
        overlay,
        server: server_settings,
        store_settings,
        lanes,
        reception,
        templates,
        notices,
        store: store.clone(),
        clock,
        work: work.clone(),
        shutdown,
    };
    match watch {
        Some(watch) => drop(work.spawn(reloader.run(watch))),
        None => drop(reloader),
    }
    work.close();
    work.wait().await;
    // A supervisor starts the next daemon at once, and that one must find the file free.
    match Arc::into_inner(store) {
        Some(store) => store.close().await,
        None => tracing::warn!("the store is still in use; it is closed when this process ends"),
    }
    Ok(())
}

/// The folder of the store, and how full its disk is.
fn disk(url: &StoreUrl) -> (String, DiskGauge) {
    let StoreUrl::Sqlite(path) = url;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    (folder.display().to_string(), watch::gauge(folder))
}

/// What the receiving side needs.
pub fn reception(mut config: Config) -> Reception {
    let sources = std::mem::take(&mut config.sources);
    let silent_after = |(name, configured): (&String, &ConfiguredSource)| {
        let silent_after = configured.silent_after.filter(SignedDuration::is_positive);
        silent_after.map(|silent_after| (name.clone(), silent_after))
    };
    let silent_after = sources.iter().filter_map(silent_after).collect();
    let far_host = |(name, channel): (&String, &ConfiguredChannel)| Some((name.clone(), channel.way.clock_host()?));
    let inlet = |(name, configured): (String, ConfiguredSource)| {
        let address = config.source_address(&name);
        (name, Inlet { source: Arc::new(configured.source), address })
    };
    Reception {
        inlets: sources.into_iter().map(inlet).collect(),
        silent_after,
        far_hosts: config.channels.iter().filter_map(far_host).collect(),
        reports: config.reports.iter().map(|(name, report)| (name.clone(), plan(report))).collect(),
        language: config.language.clone(),
        public_url: config.server.public_url.clone(),
        channels: config.channels.into_iter().map(|(name, channel)| (name, channel.settings.urgent)).collect(),
        routes: config.routes,
        currency: config.currency,
        ..Reception::default()
    }
}

/// What the flow needs of a configured report.
pub fn plan(report: &Report) -> Plan {
    let schedule = Schedule { at: report.at, zone: report.timezone.zone.clone(), days: report.days.clone() };
    Plan {
        schedule,
        to: report.to.clone(),
        sources: report.sources.clone(),
        shops: report.shops.clone(),
        attach_csv: report.attach_csv,
    }
}

fn lane(name: String, channel: ConfiguredChannel) -> Result<Lane, StartError> {
    let settings = channel.settings;
    let http = Http::new(&settings.http())
        .map_err(|error| StartError::Channel { channel: name.clone(), reason: error.to_string() })?;
    let rate = settings.rate.map(|rate| Allowance { count: rate.count, per: rate.per });
    let quiet = settings.quiet.map(|quiet| Quiet { from: quiet.from, to: quiet.to, except: quiet.except });
    let fallback = settings.fallback.map(|to| Fallback { channel: name.clone(), to });
    let channel = channel.way.shared();
    Ok(Lane {
        allowance: rate.or_else(|| channel.allowance()),
        name,
        channel,
        http,
        language: settings.language,
        timezone: settings.timezone.zone,
        waits: settings.retry,
        timeout: settings.timeout,
        quiet,
        urgent: settings.urgent,
        fallback,
        fallback_after: settings.fallback_after,
    })
}
