//! `orderbell demo`: everything at once, without any account: the example configuration, the sandbox as its receiver, a
//! store that is thrown away, and a sample webhook of every kind.

mod display;

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::app;
use crate::app::Listeners;
use crate::app::start_error::StartError;
use crate::channel::http::{Http, Settings};
use crate::cli::demo::display::{Display, Extent};
use crate::cli::failure::Failure;
use crate::cli::{example, log, output, sandbox, signals, store};
use crate::config::configured::Config;
use crate::domain::event::Kind;
use crate::domain::figures;
use crate::domain::figures::facts::Scope;
use crate::domain::rate_limit::RateLimit;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::{Clock, report_send};
use crate::platform::SampleWebhook;
use crate::platform::sample::SampleContent;
use crate::sandbox::Sandbox;
use crate::sandbox::smtp::MailServer;
use crate::store::address::StoreUrl;
use crate::store::moving::{refuse_taken, throw_away};
use crate::store::{Store, open_beside};

#[derive(Args)]
pub struct Demo {
    /// Stop when every webhook has reached every channel that it should; exit code 1 with a list when one has not
    #[arg(long)]
    once: bool,
    /// Print every message whole, those to programs as JSON
    #[arg(long)]
    verbose: bool,
    /// An empty PostgreSQL database to use in place of a file; it is emptied at the end
    #[arg(long, value_name = "URL")]
    store: Option<String>,
}

/// How long one webhook may take to reach all its channels.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// The simulated robots count their twenty messages a minute so much faster, and so does the daemon: nobody wants to wait
/// for a minute to go by.
const SPEED: u32 = 60;
/// So many orders are placed at each source at the end, so that the report of the day is not all refunds.
const MORE_ORDERS: i64 = 3;

/// A webhook to send, and which channels it should reach.
struct Scene {
    source: String,
    kind: Kind,
    sample: SampleWebhook,
    targets: Vec<String>,
}

pub async fn run(demo: Demo) -> Result<(), Failure> {
    let _log = log::start("warn,refinery_core=error")?;
    let folder = tempfile::tempdir().map_err(|error| Failure::Failed(format!("no folder for the store: {error}")))?;
    let far_listener = bind(example::SANDBOX).await?;
    let hooks = bind(example::SERVER).await?;
    let mail = bind(example::MAIL).await?;
    let (far_address, address, mail_address) = (local(&far_listener)?, local(&hooks)?, local(&mail)?);
    let replace = [
        (example::SANDBOX, far_address.as_str()),
        (example::SERVER, address.as_str()),
        (example::MAIL, mail_address.as_str()),
    ];
    let place = demo.store.as_deref().map(|url| store::named("--store", url)).transpose()?;
    // A file lies where the command is typed, and whatever lies beside a database is thrown away.
    let here = std::env::current_dir().unwrap_or_default();
    let place = place.map(|place| place.within(&here).within(folder.path()));
    if let Some(place) = &place {
        refuse_taken(place).await.map_err(store::failed)?;
    }
    let read = || {
        let mut config = example::read(&folder.path().join("orderbell.toml"), &replace)?;
        config.store.url = place.clone().unwrap_or(config.store.url);
        Ok::<_, Failure>(config)
    };
    let config = read()?;

    let receivers = Sandbox::start(
        far_listener,
        sandbox::with_apps(sandbox::rules(&config.channels), &config.sources).speed(SPEED),
    );
    receivers.serve_mail(mail, MailServer::default());
    let shutdown = CancellationToken::new();
    signals::obey(shutdown.clone(), None)?;
    let mut display = Display::new(receivers.subscribe(), &config, demo.verbose);
    output::line(format_args!(
        "Orderbell at http://{address} takes a webhook of every kind; simulated robots, mailboxes and programs at\nhttp://{far_address} get the messages.\n"
    ))?;
    let mut daemon =
        tokio::spawn(app::run(sped_up(read()?), Listeners { hooks, admin: None }, Clock::system(), shutdown.clone()));

    let routing = app::setup::routing(read()?);
    let show = async {
        let missing = play(&config, &routing, &address, &mut display).await?;
        summary(&receivers, &missing)?;
        next_steps(&demo)?;
        if !demo.once {
            output::line(format_args!(
                "Still running; Ctrl-C stops. In another terminal:\n    \
                curl http://{far_address}/                    what the receivers can do, faults included\n    \
                curl http://{far_address}/control/messages    what they got\n"
            ))?;
            display.follow().await?;
        }
        match missing.len() {
            0 => Ok(()),
            missing => Err(Failure::Failed(format!("{missing} messages are missing"))),
        }
    };
    let shown = tokio::select! {
        shown = shutdown.run_until_cancelled(show) => shown,
        ended = &mut daemon => return Err(start_failure(ended)),
    };
    // However it went, nothing is left behind.
    shutdown.cancel();
    stop(daemon).await?;
    throw_away_named(place).await?;
    shown.transpose().map(drop)
}

async fn throw_away_named(place: Option<StoreUrl>) -> Result<(), Failure> {
    match place {
        Some(place) => throw_away(&place).await.map_err(store::failed),
        None => Ok(()),
    }
}

/// The configuration with the robots' allowances as they are in the demo.
fn sped_up(mut config: Config) -> Config {
    for channel in config.channels.values_mut() {
        let allowance = channel.way.channel().allowance();
        let rate = allowance.map(|allowance| RateLimit { per: allowance.per / SPEED as i32, count: allowance.count });
        channel.settings.rate = channel.settings.rate.or(rate);
    }
    config
}

/// The example's port if it is free, else any.
async fn bind(preferred: &str) -> Result<TcpListener, Failure> {
    let listener = match TcpListener::bind(preferred).await {
        Ok(listener) => Ok(listener),
        Err(_) => TcpListener::bind("127.0.0.1:0").await,
    };
    listener.map_err(|error| Failure::Failed(format!("no port is free on 127.0.0.1: {error}")))
}

fn local(listener: &TcpListener) -> Result<String, Failure> {
    listener.local_addr().map(|address| address.to_string()).map_err(|error| Failure::Failed(error.to_string()))
}

fn start_failure(ended: Result<Result<(), StartError>, tokio::task::JoinError>) -> Failure {
    match ended {
        Ok(Err(error)) => Failure::Failed(error.to_string()),
        _ => Failure::Failed("the daemon ended by itself".to_owned()),
    }
}

async fn stop(daemon: JoinHandle<Result<(), StartError>>) -> Result<(), Failure> {
    match daemon.await {
        Ok(Ok(())) => Ok(()),
        ended => Err(start_failure(ended)),
    }
}

/// Sends one webhook after another, each when the one before has reached all its channels; answers what is missing.
async fn play(
    config: &Config,
    routing: &RoutingSnapshot,
    address: &str,
    display: &mut Display,
) -> Result<Vec<String>, Failure> {
    let http = Http::new(&Settings { allow_private: true, ..Settings::default() });
    let http = http.map_err(|error| Failure::Failed(error.to_string()))?;
    let mut owed: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut opened = None;
    let mut missing = Vec::new();
    let mut extent = Extent::First;
    for scene in scenes(config, Timestamp::now())? {
        let url = format!("http://{address}/hooks/{}", scene.source);
        let headers: Vec<_> =
            scene.sample.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = http.post(&url, &headers, scene.sample.body.clone()).await;
        let answer = answer.map_err(|error| Failure::Failed(format!("a webhook got no answer: {error}")))?;
        if answer.status != 200 {
            missing.push(format!("{} was not acknowledged: HTTP {}", scene.kind, answer.status));
            continue;
        }
        for channel in &scene.targets {
            *owed.entry((scene.kind.to_string(), channel.clone())).or_default() += 1;
        }
        let store = match &opened {
            Some(store) => store,
            None => opened.insert(open_beside(&config.store.url).await.map_err(store::failed)?),
        };
        patiently(&scene.kind.to_string(), &**store, &owed).await?;
        let heading = format!("{} from {}", scene.kind, scene.source);
        display.came(&heading, std::mem::replace(&mut extent, Extent::Lines))?;
    }
    let Some(store) = opened.as_deref() else {
        missing.push("no webhook was acknowledged".to_owned());
        return Ok(missing);
    };
    for (kind, channel) in send_reports(routing, store).await? {
        *owed.entry((kind, channel)).or_default() += 1;
    }
    patiently("the report", store, &owed).await?;
    display.came("reports of today, as if the day were over", Extent::First)?;
    missing.extend(still_missing(store, &owed).await?);
    Ok(missing)
}

/// Waits until nothing is missing, or for as long as one webhook may take.
async fn patiently(what: &str, store: &dyn Store, owed: &BTreeMap<(String, String), usize>) -> Result<(), Failure> {
    let arrived = tokio::time::timeout(PATIENCE, async {
        while !still_missing(store, owed).await?.is_empty() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(())
    });
    output::unless_soon(format_args!("waiting until {what} has reached its channels"), arrived).await.unwrap_or(Ok(()))
}

/// Sends each report as if the day were over; answers what was sent to whom.
async fn send_reports(routing: &RoutingSnapshot, store: &dyn Store) -> Result<Vec<(String, String)>, Failure> {
    let now = Timestamp::now();
    let mut sent = Vec::new();
    for (name, settings) in &routing.reports {
        let today = now.to_zoned(settings.timezone.zone.clone()).date();
        let scope = Scope::of(settings, name, today, today, false);
        let facts = store.report_facts(scope.clone()).await.map_err(store::failed)?;
        let made = figures::report(&scope, &facts, now);
        let sent_to = report_send::send(store, routing, (&scope, settings), &facts, made, now).await;
        let channels = sent_to.map_err(store::failed)?;
        sent.extend(channels.into_iter().map(|channel| (format!("report.{name}"), channel)));
    }
    Ok(sent)
}

/// Every sample of every kind of every source, in the currency of the configuration. Two orders live through it: one is
/// delivered, one is cancelled. Then some more are placed.
fn scenes(config: &Config, now: Timestamp) -> Result<Vec<Scene>, Failure> {
    let seed = now.as_millisecond().unsigned_abs();
    let mut scenes = Vec::new();
    for (name, configured) in &config.sources {
        let platform = configured.source.platform();
        let address = config.source_address(name);
        let samples = |kind: &Kind, seed: u64, now: Timestamp| {
            let content = SampleContent { seed, currency: Some(config.currency.clone()), ..SampleContent::default() };
            let samples = platform.samples_of(kind, &address, &content, now);
            samples.map_err(|error| Failure::Failed(error.to_string()))
        };
        let scene = |kind: &Kind, sample: SampleWebhook| {
            let targets = config.routes.channels(kind, name, sample.shop.as_deref());
            Scene { source: name.clone(), kind: kind.clone(), sample, targets }
        };
        for kind in platform.kinds() {
            // The second sample of a kind says the same otherwise, so it is about another order.
            let first = samples(&kind, seed, now)?.into_iter().take(1);
            let others = samples(&kind, seed + 1, now)?.into_iter().skip(1);
            scenes.extend(first.chain(others).map(|sample| scene(&kind, sample)));
        }
        for number in 2..2 + MORE_ORDERS {
            let later = now + SignedDuration::from_millis(number);
            let samples = samples(&Kind::OrderPlaced, seed + number.unsigned_abs(), later)?;
            scenes.extend(samples.into_iter().take(1).map(|sample| scene(&Kind::OrderPlaced, sample)));
        }
    }
    Ok(scenes)
}

/// What the store does not show as delivered, alone or in a digest.
async fn still_missing(store: &dyn Store, owed: &BTreeMap<(String, String), usize>) -> Result<Vec<String>, Failure> {
    let mut delivered: BTreeMap<(String, String), usize> = BTreeMap::new();
    for delivery in store.deliveries(None).await.map_err(store::failed)? {
        if matches!(delivery.state.as_str(), "delivered" | "merged") {
            *delivered.entry((delivery.kind, delivery.channel)).or_default() += 1;
        }
    }
    let short = |((kind, channel), owed): (&(String, String), &usize)| {
        let delivered = delivered.get(&(kind.clone(), channel.clone())).copied().unwrap_or_default();
        (delivered < *owed).then(|| format!("{kind} → {channel}: {delivered} of {owed}"))
    };
    Ok(owed.iter().filter_map(short).collect())
}

fn summary(receivers: &Sandbox, missing: &[String]) -> Result<(), Failure> {
    let counts = receivers.counts();
    output::line(format_args!(
        "\n{} messages reached their receivers, {} repeats, {} refused.",
        counts.accepted, counts.repeats, counts.refused
    ))?;
    match missing {
        [] => output::line("Every webhook has reached every channel that it should.\n"),
        missing => output::line(format_args!("Missing:\n   {}\n", missing.join("\n   "))),
    }
}

/// What to do after the demo, with the program called as it was now.
fn next_steps(demo: &Demo) -> Result<(), Failure> {
    let program = std::env::args().next().unwrap_or_else(|| "orderbell".to_owned());
    let verbose = match demo.verbose {
        true => String::new(),
        false => format!("    {program} demo --verbose\n        every message whole, JSON included\n"),
    };
    output::line(format_args!(
        "Next:\n{verbose}    {program} init --source keeta=keeta-hk --channel dingtalk=kitchen --output orderbell.toml\n        \
        a configuration of your own; what is left to do stands at its top. docs/getting-started.md leads through it\n"
    ))
}
