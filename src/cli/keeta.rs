//! `orderbell keeta`: what is set up at Keeta itself.

use std::path::Path;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::json;

use crate::channel::http::{Http, Settings};
use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::{configuration, output};
use crate::config::context::SecretReading;
use crate::config::parts::Parts;
use crate::config::placeholder;
use crate::in_force;
use crate::platform::keeta::register;
use crate::platform::keeta::register::{Registered, Registration, Stores};
use crate::platform::keeta::settings::Keeta;
use crate::platform::kinds::Source;

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
    format: OutputFormat,
}

pub async fn run(command: Command, file: &Path) -> Result<(), Failure> {
    let Action::Register(register) = command.action;
    let part = in_force::parts(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let keeta = source(&part, &register.source)?;
    let own = part.server().map_err(Failure::Configuration)?.source_address(&register.source);
    let registration = Registration::new(keeta, &own, register.stores, register.api_base.as_deref());
    let registration = registration.map_err(|error| Failure::Misused(error.to_string()))?;
    if placeholder::is_left(registration.url) {
        return Err(Failure::Misused(format!(
            "{} is a placeholder: set public_url in [server] to how the internet reaches this daemon",
            registration.url
        )));
    }
    let events = if register.events.is_empty() { register::EVENTS.to_vec() } else { register.events.clone() };
    let answers = ask(&register, &registration, &events).await?;
    let rows = || events.iter().zip(&answers);
    match register.format {
        OutputFormat::Json => {
            let row = |(event, answer): (&u64, &Registered)| json!({ "event": event, "registered": *answer == Registered::Yes, "answer": answer.to_string() });
            output::line(rows().map(row).collect::<serde_json::Value>())?;
        }
        OutputFormat::Text => {
            output::line(format_args!("{:<8}ANSWER", "EVENT"))?;
            for (event, answer) in rows() {
                output::line(format_args!("{event:<8}{answer}"))?;
            }
            output::line(format_args!("for {}", registration.url))?;
        }
    }
    match answers.iter().filter(|answer| **answer != Registered::Yes).count() {
        0 => Ok(()),
        refused => Err(Failure::Failed(format!("{refused} of {} event ids are not registered", events.len()))),
    }
}

/// Makes the calls one after another; ends at the first that gets no answer.
async fn ask(register: &Register, registration: &Registration<'_>, events: &[u64]) -> Result<Vec<Registered>, Failure> {
    let http = Http::new(&Settings { allow_private: register.api_base.is_some(), ..Settings::default() });
    let http = http.map_err(|error| Failure::Failed(error.to_string()))?;
    let mut answers = vec![Registered::NotTried; events.len()];
    for (event, answer) in events.iter().zip(&mut answers) {
        let call = registration.call(*event, Timestamp::now());
        match http.post(&call.address, &[("content-type", "application/json")], call.body).await {
            Ok(response) => *answer = registration.judge(response.status, &response.body),
            Err(failure) => {
                *answer = registration.unanswered(&failure.to_string());
                break;
            }
        }
    }
    Ok(answers)
}

fn source<'a>(part: &'a Parts, name: &str) -> Result<&'a Keeta, Failure> {
    match part.source(name).map_err(Failure::Configuration)?.map(|configured| &configured.source) {
        Some(Source::Keeta(keeta)) => Ok(keeta),
        Some(_) => Err(Failure::Misused(format!("the source \"{name}\" is none of Keeta's"))),
        None => Err(configuration::unknown("source", name, part.source_names())),
    }
}
