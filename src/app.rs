//! The whole daemon: builds the rooms from a configuration and runs them until it is to stop.

mod accepting;
mod admin;
pub mod assistant;
mod configuration_file;
pub mod first_start;
mod instances;
mod open_files;
pub mod problems;
pub mod reload;
mod routines;
pub mod setup;
pub mod start_error;
pub mod test_send;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::app::accepting::keep_accepting;
use crate::app::configuration_file::{FileOnDisk, FixedSettings};
use crate::app::instances::Instances;
use crate::app::reload::{Reloader, Watch};
use crate::app::routines::Routines;
use crate::app::setup::{routing, some_channel};
use crate::app::start_error::StartError;
use crate::config::configured::Config;
use crate::domain::template::Templates;
use crate::flow::chart_cache::ChartCache;
use crate::flow::clock_skew::ClockSkews;
use crate::flow::composing::Composing;
use crate::flow::context::WorkerContext;
use crate::flow::health::HealthCheck;
use crate::flow::intake::Intake;
use crate::flow::notice::Notices;
use crate::flow::notifier::Notifier;
use crate::flow::pacers::Pacers;
use crate::flow::readiness::Readiness;
use crate::flow::reports::ReportMaker;
use crate::flow::resources::Resources;
use crate::flow::samples::SampleSender;
use crate::flow::service_manager::DaemonState;
use crate::flow::shared_messages::SharedMessages;
use crate::flow::supervisor::{BeforeRun, Supervisor};
use crate::flow::watch::mistakes::Mistakes;
use crate::flow::watch::{DiskGauge, Instruments, SelfWatch};
use crate::flow::worker_pool::WorkerPool;
use crate::flow::{Clock, Current, orphaned, refusals, schedule, settings_check, store_health, watch};
use crate::in_force::Started;
use crate::render;
use crate::store::address::StoreUrl;
use crate::store::leases::Leases;
use crate::store::queue::attempt::PacingState;
use crate::store::{self, Store};
use crate::web::admin::AdminState;
use crate::web::server::limits::ListenerLimits;
use crate::web::{hooks, server};

/// How long the store may take to let go of its file; a disk that does not answer must not hold up the end.
const CLOSE_PATIENCE: Duration = Duration::from_secs(5);

/// The sockets, already bound: a test binds them to port 0.
pub struct Listeners {
    pub hooks: TcpListener,
    pub admin: Option<TcpListener>,
}

impl Listeners {
    /// # Errors
    /// When an address cannot be used.
    pub fn bind(hooks: SocketAddr) -> io::Result<Self> {
        Ok(Self { hooks: server::listen(hooks)?, admin: None })
    }

    /// With one for the API, the metrics and the state of the daemon.
    ///
    /// # Errors
    /// When the address cannot be used.
    pub fn bind_admin(&mut self, admin: SocketAddr) -> io::Result<()> {
        self.admin = Some(server::listen(admin)?);
        Ok(())
    }
}

/// Runs the daemon until `shutdown`; then answers what is in flight, finishes or releases what is being sent, and returns
/// within ten seconds.
///
/// # Errors
/// [`StartError`]; once it runs it only ends by `shutdown`, or when a task cannot be kept running.
pub async fn run(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let (store, templates) = foundations(&config, &clock).await?;
    let supervisor = Supervisor::new(clock.clone(), &shutdown);
    build(store, templates, config, listeners, clock, None, supervisor).await
}

/// As [`run`] or [`run_watching`], with something to call before each run of a task that must run.
///
/// # Errors
/// As [`run`].
pub async fn run_probed(
    config: Config,
    listeners: Listeners,
    clock: Clock,
    watch: Option<Watch>,
    before_run: BeforeRun,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let (store, templates) = foundations(&config, &clock).await?;
    let supervisor = Supervisor::probed(clock.clone(), &shutdown, before_run);
    let watch = watch.map(|watch| (watch, Mistakes::default()));
    build(store, templates, config, listeners, clock, watch, supervisor).await
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
    let (store, templates) = foundations(&config, &clock).await?;
    let supervisor = Supervisor::new(clock.clone(), &shutdown);
    build(store, templates, config, listeners, clock, Some((watch, Mistakes::default())), supervisor).await
}

/// As [`run_watching`], with what is wrong already: a configuration that was last in force in the place of the file, secrets
/// that cannot be read, templates for which built-in ones stand in.
///
/// # Errors
/// As [`run`].
pub async fn run_started(
    started: Started,
    watch: Watch,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let mistakes = Mistakes::default();
    problems::note_start(&started, &mistakes, clock.now());
    let config = started.read.config;
    let (store, templates) = foundations(&config, &clock).await?;
    let supervisor = Supervisor::new(clock.clone(), &shutdown);
    build(store, templates, config, listeners, clock, Some((watch, mistakes)), supervisor).await
}

/// As [`run`], on a store and with templates that were made elsewhere.
///
/// # Errors
/// As [`run`], once the store is open and the templates are compiled.
pub async fn run_on(
    store: Arc<dyn Store>,
    templates: Templates,
    config: Config,
    listeners: Listeners,
    clock: Clock,
    shutdown: CancellationToken,
) -> Result<(), StartError> {
    let supervisor = Supervisor::new(clock.clone(), &shutdown);
    build(store, templates, config, listeners, clock, None, supervisor).await
}

async fn foundations(config: &Config, clock: &Clock) -> Result<(Arc<dyn Store>, Templates), StartError> {
    let store = store::open(&config.store.url, clock.now()).await?;
    Ok((store, render::templates(&config.overlay, &config.isolation)?))
}

async fn build(
    store: Arc<dyn Store>,
    templates: Templates,
    config: Config,
    listeners: Listeners,
    clock: Clock,
    watch: Option<(Watch, Mistakes)>,
    supervisor: Supervisor,
) -> Result<(), StartError> {
    let stop = supervisor.stop();
    // Now that it comes in force, and before anything is acknowledged by it.
    if let Some((watch, _)) = &watch {
        reload::keep(&watch.file, &config, &clock).await;
    }
    let mistakes = watch.as_ref().map(|(_, mistakes)| mistakes.clone()).unwrap_or_default();
    let limits = ListenerLimits {
        max_body_bytes: usize::try_from(config.server.max_body_bytes).unwrap_or(usize::MAX),
        max_connections: open_files::connections(open_files::raise_limit(), ListenerLimits::default().max_connections),
        ..ListenerLimits::default()
    };
    let port = listeners.hooks.local_addr().map_or(0, |address| address.port());
    let fingerprint = instances::fingerprint(&config, watch.as_ref().map(|(watch, _)| watch.file.as_path()));
    let instance = instances::instance(port, fingerprint);
    let store_settings = config.store.clone();
    let configured_admin = config.admin.clone();
    let admin_listen = configured_admin.as_ref().filter(|_| listeners.admin.is_some()).map(|admin| admin.listen);
    let fixed = FixedSettings { server: config.server.clone(), admin: admin_listen, store: config.store.clone() };
    let file = watch.as_ref().map(|(watch, _)| watch.file.as_path());
    let shown = FileOnDisk::new(file, fixed.clone(), &config.text, clock.now());
    let (channels, overlay, text) = (config.channels.clone(), config.overlay.clone(), config.text.clone());
    let fresh = channels.iter().map(|(name, channel)| some_channel(name, channel)).collect::<Result<Vec<_>, _>>()?;
    let routines = Routines::of(&config);
    let routing = Current::new(routing(config));
    let notifier = Notifier::default();
    let notices = Notices::new(store.clone(), routing.clone(), notifier.clone());
    let notices = if store.is_shared() { notices.of_instance(instance.name.clone()) } else { notices };
    supervisor.notify_through(notices.clone());
    let templates = Current::new(templates);
    let intake = Intake::new(routing.clone(), notices.clone(), store.clone(), notifier.clone(), clock.clone());
    let (refusals, source_activity, metrics) =
        (intake.refusals.clone(), intake.source_activity(), intake.metrics.clone());
    let samples = intake.samples.clone();
    let charts = ChartCache::new(store.clone(), templates.clone(), routing.clone(), clock.clone());
    let health = Arc::new(HealthCheck::new(supervisor.clone(), store.clone(), clock.clone()));
    let intake = Arc::new(intake);
    let endpoint = hooks::routes(intake.clone(), Arc::new(charts), health.clone());
    let address = listeners.hooks.local_addr();
    let readiness = Arc::new(Readiness::new(health.clone(), store.clone(), routing.clone(), clock.clone()));
    let resources = Resources::new(store.clone(), routing.clone(), notifier.clone(), clock.clone(), stop.clone())
        .composing_by(templates.clone())
        .with_configuration_file(Arc::new(shown.clone()));
    let resources = match &address {
        Ok(listener) => resources.with_samples(SampleSender { marks: samples, listener: *listener }),
        Err(_) => resources,
    };
    let admin = listeners.admin.and_then(|listener| {
        let (metrics, routing) = (metrics.clone(), routing.clone());
        let state = |authenticator| AdminState { authenticator, readiness, metrics, routing, resources };
        admin::keep_answering(&supervisor, listener, configured_admin.as_ref(), state, &clock)
    });
    keep_accepting(&supervisor, "accept loop", listeners.hooks, endpoint, limits, hooks::notes(intake, limits));
    if let (Some((watch, _)), Ok(address)) = (&watch, address) {
        let state = DaemonState { health: health.clone(), store: store.clone(), address };
        watch.service_manager.keep_notified(&supervisor, state);
    }
    supervisor.keep("store", {
        let (store, notices, clock, stop) = (store.clone(), notices.clone(), clock.clone(), stop.clone());
        move || store_health::watch(store.clone(), notices.clone(), clock.clone(), stop.clone())
    });
    routines.keep_calling(&supervisor, &health, &store, &clock);
    // While the store cannot be opened, webhooks are answered that they cannot be remembered now.
    stop.run_until_cancelled(store.opened()).await;
    let taken_slots = match store.taken_slots().await {
        // Those of a credential are taken up with its lease.
        _ if store.is_shared() => PacingState::default(),
        Err(_) if stop.is_cancelled() => PacingState::default(),
        taken => taken?,
    };
    let context = WorkerContext {
        store: store.clone(),
        templates: templates.clone(),
        notifier: notifier.clone(),
        notices: notices.clone(),
        clock_skews: ClockSkews::default(),
        clock: clock.clone(),
        pacers: Pacers::take_up(taken_slots, clock.now(), clock.elapsed()),
        composing: composing(&store_settings.url),
        shared: SharedMessages::default(),
        metrics: metrics.clone(),
    };
    let (clock_skews, look) = (context.clock_skews.clone(), notifier.watch());

    let leases: Arc<dyn Leases> = store.clone();
    let Instances { tenures, leadership, company } =
        instances::hold(&leases, &instance, &context.pacers, &clock, &supervisor);
    let mut workers = WorkerPool::new(context, supervisor.clone(), tenures);
    workers.change(fresh, &[]);
    let in_use = Current::new(setup::in_use(&channels));
    supervisor.keep("settings check", {
        let (store, in_use, clock, stop) = (store.clone(), in_use.clone(), clock.clone(), stop.clone());
        move || settings_check::answer(store.clone(), in_use.clone(), clock.clone(), stop.clone())
    });
    orphaned::notify(&*store, &routing, &notices, &clock).await;
    supervisor.keep("upkeep", {
        let (store, keep, clock, stop) = (store.clone(), store_settings.keep, clock.clone(), stop.clone());
        let leadership = leadership.clone();
        move || schedule::upkeep(store.clone(), keep, leadership.clone(), clock.clone(), stop.clone())
    });
    supervisor.keep("refused webhooks", {
        let (store, clock, stop) = (store.clone(), clock.clone(), stop.clone());
        move || refusals::keep(refusals.clone(), store.clone(), clock.clone(), stop.clone())
    });
    supervisor.keep("wake-ups", {
        let (notifier, stop) = (notifier.clone(), stop.clone());
        move || instances::wake(leases.clone(), notifier.clone(), stop.clone())
    });
    let mut reports =
        ReportMaker::new(store.clone(), routing.clone(), notifier.clone(), leadership.clone(), clock.clone());
    reports.metrics = metrics;
    let failures = reports.failures.clone();
    supervisor.keep("reports", {
        let stop = stop.clone();
        move || reports.clone().run(stop.clone())
    });
    routines.keep_backing_up(&supervisor, &store_settings.url, &leadership, &notifier, &clock);
    let instruments = Instruments {
        store: store.clone(),
        routing: routing.clone(),
        notices: notices.clone(),
        notifier,
        source_activity,
        clock_skews,
        failures,
        mistakes: mistakes.clone(),
        backups: routines.backups.clone(),
        leadership,
        company,
        clock: clock.clone(),
        disk: disk(&store_settings.url),
    };
    supervisor.keep("watch", {
        let stop = stop.clone();
        move || SelfWatch::new(instruments.clone()).run(stop.clone())
    });
    let reloader = Reloader {
        channels,
        in_use,
        overlay,
        text,
        routines,
        fingerprint: instance.fingerprint,
        mistakes,
        look,
        fixed,
        shown,
        admin,
        workers,
        routing,
        templates,
        notices,
        store: store.clone(),
        clock,
        work: supervisor.work(),
        shutdown: stop,
    };
    match watch {
        Some((watch, _)) => keep_reloading(&supervisor, reloader, watch),
        None => drop(reloader),
    }
    let given_up = supervisor.ended().await;
    // A supervisor starts the next daemon at once, and that one must find the file free.
    if tokio::time::timeout(CLOSE_PATIENCE, store.close()).await.is_err() {
        tracing::error!("the store does not answer; it is left behind as after a kill");
    }
    given_up.map_or(Ok(()), |task| Err(StartError::GivenUp { task }))
}

/// Takes up a changed configuration, whatever becomes of the task that does so.
fn keep_reloading(supervisor: &Supervisor, reloader: Reloader, watch: Watch) {
    let shared = Arc::new((Mutex::new(reloader), watch));
    supervisor.keep("configuration", move || {
        let shared = shared.clone();
        async move { shared.0.lock().await.run(&shared.1).await }
    });
}

/// What is being composed, beside the store.
fn composing(url: &StoreUrl) -> Composing {
    Composing::open(&url.beside(".composing"))
}

/// The folder of the store, and how full its disk is.
fn disk(url: &StoreUrl) -> (String, DiskGauge) {
    let folder = url.folder();
    (folder.display().to_string(), watch::gauge(folder))
}
