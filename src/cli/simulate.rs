//! `orderbell simulate`: a signed sample webhook, posted to the running daemon.

mod content;

use std::path::Path;

use clap::Args;
use jiff::Timestamp;

use crate::cli::failure::Failure;
use crate::cli::simulate::content::OrderArgs;
use crate::cli::{configuration, output};
use crate::config::context::SecretReading;
use crate::config::parts::Parts;
use crate::diagnostic::suggest;
use crate::domain::event::{Kind, SignatureCheck};
use crate::flow::samples;
use crate::flow::samples::{NoSample, Unanswered, WantedSample};
use crate::in_force;
use crate::platform::sample::SampleContent;
use crate::platform::{ParsedWebhook, Platform, SampleWebhook};

#[derive(Args)]
pub struct Simulate {
    /// The source, as the configuration names it
    source: String,
    /// The kind of event, such as order.placed
    kind: String,
    /// Post it to this address instead of the daemon's own
    #[arg(long, value_name = "URL")]
    to: Option<String>,
    /// Print the curl command instead of posting
    #[arg(long)]
    print: bool,
    #[command(flatten)]
    order: OrderArgs,
    /// Which sample of this kind, from 1; beyond the last, the error says how many there are
    #[arg(long, value_name = "N", default_value = "1", value_parser = sample_number)]
    sample: usize,
}

/// Samples are counted from 1.
fn sample_number(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|&number: &usize| number > 0);
    number.ok_or_else(|| "samples are numbered from 1".to_owned())
}

pub async fn run(simulate: Simulate, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let server = part.server().map_err(Failure::Configuration)?;
    let (sample, parsed) = sample(&part, &simulate, Timestamp::now())?;
    let address = match &simulate.to {
        Some(to) => whole_address(to, &simulate.source)?,
        None => format!("http://{}/hooks/{}", server.listen, simulate.source),
    };
    let about = parsed.as_ref().map(about);
    if simulate.print {
        output::line(curl(&address, &sample))?;
        output::complain(about.map(|about| format!("{about}\n")).unwrap_or_default());
        return Ok(());
    }
    let response = samples::post(&address, sample).await.map_err(|unanswered| {
        Failure::Failed(match unanswered {
            Unanswered::Client(error) => error,
            Unanswered::Http(error) => {
                format!("the daemon at {address} did not answer ({error}); start it with `orderbell serve`")
            }
        })
    })?;
    let said = String::from_utf8_lossy(&response.body).trim().to_owned();
    match response.status {
        200 => output::line(format_args!("acknowledged: {said}"))?,
        401 => {
            let source = &simulate.source;
            return Err(Failure::Failed(format!(
                "the daemon answered HTTP 401: {said}\n`orderbell why {source}` says why it was not believed"
            )));
        }
        status => return Err(Failure::Failed(format!("the daemon answered HTTP {status}: {said}"))),
    }
    if let Some(about) = about {
        output::line(about)?;
    }
    next(file, &simulate.kind, parsed.as_ref())
}

/// A web address as it is written, with its scheme.
fn whole_address(to: &str, source: &str) -> Result<String, Failure> {
    if to.starts_with("http://") || to.starts_with("https://") {
        return Ok(to.to_owned());
    }
    let rest = to.split_once("://").map_or(to, |(_, rest)| rest).trim_end_matches('/');
    let path = if rest.contains('/') { String::new() } else { format!("/hooks/{source}") };
    Err(Failure::Misused(format!("--to: \"{to}\" is no web address; write it whole, like http://{rest}{path}")))
}

/// What the sample is about, in a line.
fn about(webhook: &ParsedWebhook) -> String {
    let order = webhook.order.as_ref();
    let short = order.and_then(|order| order.short_number.as_ref());
    let total = order.and_then(|order| order.total.as_ref());
    let shop = webhook.shop.as_ref().map(|shop| match &shop.name {
        Some(name) => format!("shop {} ({name})", shop.id),
        None => format!("shop {}", shop.id),
    });
    let said: Vec<String> = [
        Some(webhook.kind.to_string()),
        order.map(|order| format!("order {}", order.number)),
        short.map(|short| format!("short number {short}")),
        total.map(|total| format!("total {total}")),
        shop,
    ]
    .into_iter()
    .flatten()
    .collect();
    said.join(", ")
}

/// Where to see what becomes of it.
fn next(file: &Path, kind: &str, webhook: Option<&ParsedWebhook>) -> Result<(), Failure> {
    let usual = std::env::var_os("ORDERBELL_CONFIG").unwrap_or_else(|| configuration::USUAL_FILE.into());
    let config = if file.as_os_str() == usual { String::new() } else { format!(" --config {}", file.display()) };
    match webhook.and_then(|webhook| webhook.order.as_ref()) {
        Some(order) => {
            let number = &order.number;
            output::line(format_args!("next: `orderbell{config} why {number}` says what became of it"))?;
            output::line(format_args!("      `orderbell{config} deliveries --order {number}` lists its messages"))
        }
        None => output::line(format_args!(
            "next: `orderbell{config} deliveries --kind {kind} --since 1m` lists its messages"
        )),
    }
}

/// The sample with what the daemon will make of it.
fn sample(
    part: &Parts,
    simulate: &Simulate,
    now: Timestamp,
) -> Result<(SampleWebhook, Option<ParsedWebhook>), Failure> {
    let configured = part.source(&simulate.source).map_err(Failure::Configuration)?;
    let configured =
        configured.ok_or_else(|| configuration::unknown("source", &simulate.source, part.source_names()))?;
    let platform = configured.source.platform();
    let address = part.server().map_err(Failure::Configuration)?.source_address(&simulate.source);
    // Each one of its own.
    let seed = samples::seed();
    let make = |content: &SampleContent| one(platform, simulate, &address, content, now);
    let read = |sample: &SampleWebhook| sample.parsed(platform, &address, &part.currency, now);
    let order = &simulate.order;
    let content = order.content(seed, &part.currency)?;
    let first = make(&content)?;
    let webhook = read(&first);
    let content = order.with_total(content, webhook.as_ref())?;
    let sample = make(&content)?;
    let webhook = read(&sample);
    if let Some(missing) = webhook.as_ref().and_then(|webhook| content::missing(&content, webhook)) {
        let (name, kind) = (&simulate.source, &simulate.kind);
        let what = format!("a sample of {kind} of {name} cannot have {missing}");
        let other = if kind == "order.placed" { "" } else { "; what an order says is best tried with order.placed" };
        return Err(Failure::Misused(format!("{what}{other}")));
    }
    Ok((sample, webhook.filter(|webhook| webhook.signature != SignatureCheck::Invalid)))
}

/// The one of the platform's samples that is asked for.
fn one(
    platform: &dyn Platform,
    simulate: &Simulate,
    address: &str,
    content: &SampleContent,
    now: Timestamp,
) -> Result<SampleWebhook, Failure> {
    let kinds = || platform.kinds().iter().map(Kind::to_string).collect::<Vec<_>>();
    let (name, kind) = (platform.name(), &simulate.kind);
    let wanted = WantedSample { kind, index: simulate.sample - 1, address };
    samples::make(platform, wanted, content, now).map_err(|none| {
        Failure::Misused(match none {
            NoSample::Content(error) => error.to_string(),
            NoSample::Kind => {
                let meant = suggest::slip(kind, &kinds());
                format!("{name} sends no \"{kind}\"; {meant}it sends: {}", kinds().join(", "))
            }
            NoSample::Index(1) => format!("there is only one sample of {kind} for {name}"),
            NoSample::Index(all) => format!("there are {all} samples of {kind} for {name}, numbered from 1"),
        })
    })
}

fn curl(address: &str, sample: &SampleWebhook) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let headers: Vec<String> =
        sample.headers.iter().map(|(name, value)| format!(" -H {}", quoted(&format!("{name}: {value}")))).collect();
    let body = String::from_utf8_lossy(&sample.body);
    format!("curl -sS -X POST{} --data-binary {} {}", headers.concat(), quoted(&body), quoted(address))
}
