//! `orderbell health`: asks the running daemon whether webhooks can be recorded; for images without a shell, and for scripts.

use std::path::Path;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use crate::channel::http::{Http, Settings};
use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::OutputFormat;
use crate::config::context::SecretReading;
use crate::flow::samples::reachable;
use crate::in_force;

/// The daemon gives its store five seconds to answer.
const TIMEOUT: Duration = Duration::from_secs(9);

#[derive(Args)]
pub struct HealthArgs {
    /// How to print it
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    format: OutputFormat,
}

pub async fn run(health: HealthArgs, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    // Without the admin listener, whether the daemon runs and its store answers is all that can be asked.
    let healthz = || match part.server() {
        Ok(server) => Ok(format!("http://{}/healthz", reachable(server.listen))),
        Err(problems) => Err(Failure::Configuration(problems)),
    };
    let mut url = match part.admin {
        Some(admin) => format!("http://{}/readyz", reachable(admin)),
        None => healthz()?,
    };
    let mut asked = ask(&url).await;
    if let (Some(_), Err(Unready::NoDaemon(reason))) = (part.admin, &asked) {
        // The file may name another address than the daemon was started with, or one that was occupied then: it works.
        url = healthz()?;
        output::complain(format_args!("note: {reason}; the answer of {url} counts\n"));
        asked = ask(&url).await;
    }
    let asked = asked.map_err(|unready| match unready {
        Unready::Said(reason) | Unready::NoDaemon(reason) => reason,
    });
    if health.format == OutputFormat::Json {
        let all = json!({ "can_record": asked.is_ok(), "asked": url, "reason": asked.as_ref().err() });
        output::line(format_args!("{all:#}"))?;
    }
    match (asked, health.format) {
        (Ok(()), OutputFormat::Text) => output::line("ready: webhooks can be recorded"),
        (Ok(()), OutputFormat::Json) => Ok(()),
        (Err(reason), _) => Err(Failure::Failed(format!("not ready: {reason}"))),
    }
}

/// Why it is not sure that webhooks can be recorded, in one line.
enum Unready {
    /// The daemon says so.
    Said(String),
    /// There is no daemon of ours at that address.
    NoDaemon(String),
}

/// # Errors
/// [`Unready`].
async fn ask(url: &str) -> Result<(), Unready> {
    let settings = Settings { allow_private: true, timeout: TIMEOUT, ..Settings::default() };
    let http = Http::new(&settings).map_err(|error| Unready::Said(error.to_string()))?;
    let answer = http.get(url).await;
    let answer = answer.map_err(|failure| Unready::NoDaemon(format!("{url} does not answer: {failure}")))?;
    let body = String::from_utf8_lossy(&answer.body);
    let status = answer.status;
    if url.ends_with("/healthz") {
        match status {
            200 => return Ok(()),
            503 => return Err(Unready::Said(body.trim().to_owned())),
            _ => {}
        }
    }
    let document: Value = serde_json::from_str(&body).unwrap_or_default();
    match (status, document["can_record"].as_bool(), document["detail"].as_str()) {
        (200, Some(true), _) => Ok(()),
        (503, Some(false), _) => {
            Err(Unready::Said("webhooks cannot be recorded; the log of the daemon says why".to_owned()))
        }
        (_, _, Some(detail)) => Err(Unready::Said(format!("{url} answers {status}: {detail}"))),
        _ => Err(Unready::NoDaemon(format!("{url} answers {status}: no orderbell listens there"))),
    }
}
