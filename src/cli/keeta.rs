//! `orderbell keeta`: what is set up at Keeta itself.

use std::collections::BTreeMap;
use std::path::Path;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::json;

use crate::channel::http::{Http, Settings};
use crate::cli;
use crate::cli::{Failure, Format, output};
use crate::config::parts::Parts;
use crate::config::{SecretReading, parts, placeholder};
use crate::platform::Source;
use crate::platform::keeta::{Keeta, register};

#[derive(Args)]
pub struct Command {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Registers the webhook address of a source for each event id
    Register(Register),
}

#[derive(Args)]
struct Register {
    /// The source, as the configuration names it
    #[arg(long, value_name = "NAME")]
    source: String,
    /// For which stores; Keeta keeps an address for each
    #[arg(long, value_enum)]
    stores: Stores,
    /// Only these event ids, separated by commas
    #[arg(long, value_name = "IDS", value_delimiter = ',')]
    events: Vec<u64>,
    /// Another server in the place of Keeta's, for tries
    #[arg(long, value_name = "URL")]
    api_base: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

#[derive(Clone, Copy, ValueEnum)]
enum Stores {
    /// Stores that sell
    Formal,
    /// Stores for tests
    Test,
}

pub async fn run(command: Command, file: &Path) -> Result<(), Failure> {
    let Action::Register(register) = command.action;
    let part = parts::read(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let keeta = source(&part, &register.source)?;
    let url = address(&part, &register.source, keeta)?;
    let events = match register.events.is_empty() {
        true => register::EVENTS.to_vec(),
        false => register.events.clone(),
    };
    let answers = ask(&register, keeta, &url, &events).await?;
    match register.format {
        Format::Json => {
            let row = |event: &u64| {
                let answer = answers.get(event);
                json!({ "event": event, "registered": matches!(answer, Some(Ok(()))), "answer": words(answer) })
            };
            output::line(events.iter().map(row).collect::<serde_json::Value>())?;
        }
        Format::Text => {
            output::line(format_args!("{:<8}ANSWER", "EVENT"))?;
            for event in &events {
                output::line(format_args!("{event:<8}{}", words(answers.get(event))))?;
            }
            output::line(format_args!("for {url}"))?;
        }
    }
    match events.iter().filter(|event| !matches!(answers.get(event), Some(Ok(())))).count() {
        0 => Ok(()),
        refused => Err(Failure::Failed(format!("{refused} of {} event ids are not registered", events.len()))),
    }
}

type Answers = BTreeMap<u64, Result<(), String>>;

/// Makes the calls one after another; ends at the first that gets no answer.
async fn ask(register: &Register, keeta: &Keeta, url: &str, events: &[u64]) -> Result<Answers, Failure> {
    let stores = match register.stores {
        Stores::Formal => register::Stores::Formal,
        Stores::Test => register::Stores::Test,
    };
    let api_base = register.api_base.as_deref().unwrap_or(register::API_BASE);
    let http = Http::new(&Settings { allow_private: register.api_base.is_some(), ..Settings::default() });
    let http = http.map_err(|error| Failure::Failed(error.to_string()))?;
    let mask = register::mask(keeta);
    let mut answers = Answers::new();
    for event in events {
        let call = register::call(keeta, api_base, *event, url, stores, Timestamp::now());
        match http.post(&call.address, &[("content-type", "application/json")], call.body).await {
            Ok(response) => answers.insert(*event, register::judge(response.status, &response.body, &mask)),
            Err(failure) => {
                answers.insert(*event, Err(mask.text(&failure.to_string())));
                break;
            }
        };
    }
    Ok(answers)
}

fn words(answer: Option<&Result<(), String>>) -> &str {
    match answer {
        Some(Ok(())) => "registered",
        Some(Err(why)) => why,
        None => "not tried",
    }
}

fn source<'a>(part: &'a Parts, name: &str) -> Result<&'a Keeta, Failure> {
    match part.source(name).map_err(Failure::Configuration)?.map(|configured| &configured.source) {
        Some(Source::Keeta(keeta)) => Ok(keeta),
        Some(_) => Err(Failure::Misused(format!("the source \"{name}\" is none of Keeta's"))),
        None => Err(cli::unknown("source", name, part.source_names())),
    }
}

/// The address as Keeta shall know it: the one by which the daemon checks signatures.
fn address(part: &Parts, name: &str, keeta: &Keeta) -> Result<String, Failure> {
    let own = part.server().map_err(Failure::Configuration)?.source_address(name);
    let address = keeta.registered_url.as_ref().unwrap_or(&own);
    match address.starts_with("https://") {
        true if placeholder::is_left(address) => Err(Failure::Misused(format!(
            "{address} is a placeholder: set public_url in [server] to how the internet reaches this daemon"
        ))),
        true => Ok(address.clone()),
        false => Err(Failure::Misused(format!(
            "Keeta cannot reach {address}: set public_url in [server] to how the internet reaches this daemon, with https://"
        ))),
    }
}
