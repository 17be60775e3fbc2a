//! `orderbell simulate`: a signed sample webhook, posted to the running daemon.

use std::path::Path;

use clap::Args;
use jiff::Timestamp;

use crate::channel::http::{Http, Settings};
use crate::cli;
use crate::cli::{Failure, output};
use crate::config::parts::Parts;
use crate::config::{SecretReading, parts};
use crate::domain::event::Kind;
use crate::platform::SampleWebhook;

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
    /// Which order it speaks of: the same number, the same order; the present time if left out
    #[arg(long, value_name = "NUMBER")]
    order: Option<u64>,
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
    let part = parts::read(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let server = part.server().map_err(Failure::Configuration)?;
    let now = Timestamp::now();
    let seed = simulate.order.unwrap_or_else(|| now.as_millisecond().unsigned_abs());
    let sample = sample(&part, &simulate, seed, now)?;
    let address = simulate.to.unwrap_or_else(|| format!("http://{}/hooks/{}", server.listen, simulate.source));
    if simulate.print {
        return output::line(curl(&address, &sample));
    }
    // The daemon is the merchant's own, so it may well be on this machine.
    let http = Http::new(&Settings { allow_private: true, ..Settings::default() });
    let http = http.map_err(|error| Failure::Failed(error.to_string()))?;
    let headers: Vec<(&str, &str)> =
        sample.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let response = http.post(&address, &headers, sample.body).await.map_err(|error| {
        Failure::Failed(format!("the daemon at {address} did not answer ({error}); start it with `orderbell serve`"))
    })?;
    let said = String::from_utf8_lossy(&response.body).trim().to_owned();
    match response.status {
        200 => output::line(format_args!("acknowledged: {said}")),
        status => Err(Failure::Failed(format!("the daemon answered HTTP {status}: {said}"))),
    }
}

fn sample(part: &Parts, simulate: &Simulate, seed: u64, now: Timestamp) -> Result<SampleWebhook, Failure> {
    let configured = part.source(&simulate.source).map_err(Failure::Configuration)?;
    let configured = configured.ok_or_else(|| cli::unknown("source", &simulate.source, part.source_names()))?;
    let platform = configured.source.platform();
    let kinds = || platform.kinds().iter().map(Kind::to_string).collect::<Vec<_>>().join(", ");
    let address = part.server().map_err(Failure::Configuration)?.source_address(&simulate.source);
    let samples = simulate.kind.parse().map(|kind| platform.samples(&kind, &address, seed, now));
    let mut samples = samples.unwrap_or_default();
    let (name, kind, all) = (platform.name(), &simulate.kind, samples.len());
    match simulate.sample - 1 {
        _ if samples.is_empty() => Err(Failure::Misused(format!("{name} sends no \"{kind}\"; it sends: {}", kinds()))),
        index if index < all => Ok(samples.swap_remove(index)),
        _ if all == 1 => Err(Failure::Misused(format!("there is only one sample of {kind} for {name}"))),
        _ => Err(Failure::Misused(format!("there are {all} samples of {kind} for {name}, numbered from 1"))),
    }
}

fn curl(address: &str, sample: &SampleWebhook) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let headers: Vec<String> =
        sample.headers.iter().map(|(name, value)| format!(" -H {}", quoted(&format!("{name}: {value}")))).collect();
    let body = String::from_utf8_lossy(&sample.body);
    format!("curl -sS -X POST{} --data-binary {} {}", headers.concat(), quoted(&body), quoted(address))
}
