//! `orderbell test`: a real message to a channel on the way of real messages; on refusal, what it means and what to change.

use std::path::Path;

use clap::Args;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde_json::Value;
use serde_json::json;
use uuid::Uuid;

use crate::channel::Attempt;
use crate::channel::advice;
use crate::channel::http::Http;
use crate::cli::Failure;
use crate::cli::Format;
use crate::cli::message;
use crate::cli::output;
use crate::config::ConfiguredChannel;
use crate::config::parts;
use crate::config::parts::Which;
use crate::domain::data::Data;
use crate::domain::event::Event;
use crate::domain::event::EventId;
use crate::domain::event::Kind;
use crate::domain::event::OWN_SOURCE;
use crate::domain::event::Proof;
use crate::domain::message::idempotency_key;
use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::template::Templates;

/// Clocks that differ by less agree: the far side's is known to the second only.
const CLOCKS_AGREE: SignedDuration = SignedDuration::from_secs(3);
/// What signatures with a time in them are refused for, at the strictest of the far sides.
const CLOCK_IS_WRONG: SignedDuration = SignedDuration::from_mins(5);

#[derive(Args)]
pub struct Test {
    /// The channels, as the configuration names them
    #[arg(required_unless_present = "all", value_name = "CHANNEL")]
    channels: Vec<String>,
    /// All channels
    #[arg(long, conflicts_with = "channels")]
    all: bool,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What one channel's far side said.
struct Finding {
    channel: String,
    kind: &'static str,
    answer: Answer,
    /// What is wrong, and what to change; absent when it said yes.
    advice: Option<(&'static str, &'static str)>,
    far_clock_ahead: Option<SignedDuration>,
}

impl Finding {
    fn is_yes(&self) -> bool {
        matches!(self.answer.outcome, Outcome::Delivered | Outcome::Partial { .. })
    }
}

pub async fn run(test: Test, file: &Path) -> Result<(), Failure> {
    let which = if test.all { Which::All } else { Which::Named(&test.channels) };
    let part = parts::channels(file, which).map_err(Failure::Configuration)?;
    let names: Vec<&String> = if test.all { part.channels.keys().collect() } else { test.channels.iter().collect() };
    let channels =
        names.into_iter().map(|name| Ok((name, message::channel(&part, name)?))).collect::<Result<Vec<_>, _>>()?;
    let templates = message::templates(&part)?;
    let mut findings = Vec::new();
    for (name, channel) in channels {
        let finding = send(name, channel, &templates).await?;
        if test.format == Format::Text {
            output::print(show(&finding))?;
        }
        findings.push(finding);
    }
    if test.format == Format::Json {
        output::line(findings.iter().map(as_json).collect::<Value>())?;
    }
    match findings.iter().filter(|finding| !finding.is_yes()).count() {
        0 => Ok(()),
        no => Err(Failure::Failed(format!("{no} of {} channels did not say yes", findings.len()))),
    }
}

/// Sends the test message, all its parts: a mail has one for each recipient. The first that is not taken counts.
async fn send(name: &str, channel: &ConfiguredChannel, templates: &Templates) -> Result<Finding, Failure> {
    let way = channel.way.channel();
    let http = Http::new(&channel.settings.http());
    let http = http.map_err(|error| Failure::Failed(format!("channel {name}: {error}")))?;
    let event = event(Timestamp::now());
    let (delivery, parts) = message::write(templates, name, channel, &channel.settings.language, &event, None);
    let mut answers = Vec::new();
    for part in parts {
        let key = idempotency_key(delivery, 0, part.index, part.form);
        let attempt = Attempt { key, kind: Kind::Test, now: Timestamp::now() };
        answers.push(way.send(&http, &part, &attempt).await);
    }
    let refused = answers.iter().position(|answer| answer.outcome != Outcome::Delivered).unwrap_or_default();
    let nothing = Answer { outcome: Outcome::Bug, words: "there is nothing to send".to_owned() };
    let answer = answers.into_iter().nth(refused).unwrap_or(nothing);
    let advice = match &answer.outcome {
        Outcome::Delivered | Outcome::Partial { .. } => None,
        outcome => {
            let known = advice::find(way.advice(), &answer.words);
            let known = known.or_else(|| advice::find(advice::ON_THE_WAY, &answer.words));
            Some(known.map_or_else(|| in_general(outcome), |advice| (advice.cause, advice.change)))
        }
    };
    let far_clock_ahead = http.far_clock_ahead();
    Ok(Finding { channel: name.to_owned(), kind: way.kind(), answer, advice, far_clock_ahead })
}

fn event(now: Timestamp) -> Event {
    Event {
        id: EventId(Uuid::now_v7()),
        kind: Kind::Test,
        source: OWN_SOURCE.to_owned(),
        occurred_at: Some(now),
        received_at: now,
        shop: None,
        order: None,
        data: Data::default(),
        proof: Proof::Own,
    }
}

/// The cause and the cure where no table knows more than what becomes of such a message.
fn in_general(outcome: &Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Delivered | Outcome::Partial { .. } => ("", ""),
        Outcome::Retry { .. } => ("the far side does not take messages now", "try again; look whether it runs"),
        Outcome::Unknown => {
            ("the far side's answer is not one that we know; the message may have arrived", "look at the far side")
        }
        Outcome::Throttled { .. } => ("the far side finds that too many messages come", "try again later"),
        Outcome::Misconfigured => {
            ("the far side does not accept the address, the token or the secret", "copy them anew from the far side")
        }
        Outcome::TooLong => ("the message is too long for the far side", "look for a template that makes it so"),
        Outcome::ContentRefused => {
            ("the far side does not like what the message says", "look at the template for tests")
        }
        Outcome::Full => ("the recipient's mailbox is full", "its owner must make room"),
        Outcome::Rejected => ("the far side will not take this message", "look at its words below"),
        Outcome::Bug => ("the far side says that our request is malformed", "please report it, with its words below"),
    }
}

fn show(finding: &Finding) -> String {
    let Finding { channel, kind, answer, .. } = finding;
    let mut text = format!("{channel} ({kind}): {}\n", if finding.is_yes() { "yes" } else { "no" });
    let mut add = |line: String| text.push_str(&format!("    {line}\n"));
    if let Outcome::Partial { refused } = &answer.outcome {
        add(format!("but not for: {}", refused.join(", ")));
    }
    if let Some((cause, change)) = finding.advice {
        add(format!("cause:  {cause}"));
        add(format!("change: {change}"));
        add(format!("answer: {}", answer.words));
    }
    if let Some(clock) = finding.far_clock_ahead.map(clock) {
        add(format!("clock:  {clock}"));
    }
    text
}

fn clock(far_ahead: SignedDuration) -> String {
    let seconds = far_ahead.as_secs().unsigned_abs();
    let side = if far_ahead.is_negative() { "behind" } else { "ahead of" };
    match far_ahead.abs() {
        apart if apart < CLOCKS_AGREE => "the far side's and this machine's agree".to_owned(),
        apart if apart < CLOCK_IS_WRONG => format!("the far side's is {seconds} s {side} this machine's"),
        _ => format!(
            "the far side's is {seconds} s {side} this machine's: set this machine's clock (`timedatectl`), or signatures fail"
        ),
    }
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "channel": finding.channel, "kind": finding.kind, "yes": finding.is_yes(),
        "outcome": finding.answer.outcome.as_str(), "answer": finding.answer.words,
        "cause": finding.advice.map(|(cause, _)| cause), "change": finding.advice.map(|(_, change)| change),
        "far_clock_ahead_s": finding.far_clock_ahead.map(|ahead| ahead.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_said_in_words() {
        let said = |seconds| clock(SignedDuration::from_secs(seconds));
        assert_eq!(said(-2), "the far side's and this machine's agree");
        assert_eq!(said(-7), "the far side's is 7 s behind this machine's");
        assert!(said(3600).starts_with("the far side's is 3600 s ahead of this machine's: set"));
    }
}
