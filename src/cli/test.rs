//! `orderbell test`: a real message to a channel on the way of real messages; on refusal, what it means and what to change.

use std::path::Path;

use clap::Args;
use jiff::SignedDuration;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::app::test_send::{Fared, Sender, TestSender, Tested};
use crate::channel::kinds;
use crate::cli::failure::Failure;
use crate::cli::output::OutputFormat;
use crate::cli::test_values::{self, Differing};
use crate::cli::{configuration, message, output, signals};
use crate::config::configured::ConfiguredChannel;
use crate::config::context::SecretReading;
use crate::domain::effective::SettingsComparison;
use crate::flow::test_send::TestVerdict;
use crate::flow::{Clock, Current};
use crate::in_force;

/// Clocks that differ by less agree: the receiver's is known to the second only.
const CLOCKS_AGREE: SignedDuration = SignedDuration::from_secs(3);
/// What signatures with a time in them are refused for, at the strictest of the receivers.
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
    format: OutputFormat,
}

/// What one channel's receiver said.
struct Finding {
    channel: String,
    kind: &'static str,
    yes: bool,
    /// What the receiver made of it; `not_sent` when the message did not go out at all.
    outcome: String,
    answer: String,
    /// Recipients that were refused while others were not.
    refused: Vec<String>,
    /// Who sent it, as a program reads it; absent when it did not go out.
    sent_by: Option<&'static str>,
    /// The same for people.
    sent: Option<&'static str>,
    /// What it was sent with and what stands here; absent where the daemon did not say.
    values: Option<Differing>,
    /// What is wrong, and what to change; absent when it was accepted.
    advice: Option<(&'static str, &'static str)>,
    clock_ahead: Option<SignedDuration>,
}

pub async fn run(test: Test, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Read).map_err(Failure::Configuration)?;
    let wanted = if test.all { part.channel_names() } else { test.channels.clone() };
    let missing = part.missing_secrets(&wanted).map_err(Failure::Configuration)?;
    let store = &part.store().map_err(Failure::Configuration)?.url;
    if test.all && part.channels.is_empty() {
        let file = file.display();
        return Err(Failure::Misused(format!(
            "there is no channel to test in {file}; {}",
            configuration::how_to_add("channel")
        )));
    }
    let channels =
        wanted.iter().map(|name| Ok((name, message::written_channel(&part, name)?))).collect::<Result<Vec<_>, _>>()?;
    let clock = Clock::system();
    let asked =
        output::unless_soon("asking the daemon with which values it sends".to_owned(), Sender::of(store, &clock));
    let sender = asked.await.map_err(|error| Failure::Failed(error.to_string()))?;
    if matches!(sender, Sender::Command) && !missing.is_empty() {
        return Err(Failure::Configuration(missing));
    }
    let templates = Current::new(message::templates(part.templates.as_deref())?);
    let stop = CancellationToken::new();
    signals::obey(stop.clone(), None)?;
    let tester = TestSender { store, clock, templates, sender, file: in_force::unused_settings(file), stop };
    let mut findings = Vec::new();
    for (name, channel) in channels {
        let sent =
            output::unless_soon(format!("{name}: waiting for its turn and its answer"), tester.send(name, channel));
        let tested = sent.await.map_err(|error| Failure::Failed(error.to_string()))?;
        let finding = finding(name, channel, &tested, &tester, file);
        if test.format == OutputFormat::Text {
            output::print(show(&finding))?;
        }
        findings.push(finding);
    }
    if test.format == OutputFormat::Json {
        output::line(findings.iter().map(as_json).collect::<Value>())?;
    }
    match shortcomings(&findings) {
        none if none.is_empty() => Ok(()),
        some => Err(Failure::Failed(some.join("; "))),
    }
}

/// Why the test as a whole is no success. What was sent with other values than those here says nothing of these.
fn shortcomings(findings: &[Finding]) -> Vec<String> {
    let all = findings.len();
    let count =
        |is: fn(&Finding) -> bool| Some(findings.iter().filter(|one| is(one)).count()).filter(|count| *count > 0);
    let no = count(|one| !one.yes).map(|no| format!("{no} of {all} channels did not accept it"));
    let others = count(|one| one.yes && one.differs()).map(|others| {
        let were = if others == 1 { "was" } else { "were" };
        format!("{others} of {all} channels {were} tested with other values than those here")
    });
    let unknown = count(|one| one.yes && one.values.is_none())
        .map(|unknown| format!("it is not known with which values {unknown} of {all} channels accepted it"));
    [no, others, unknown].into_iter().flatten().collect()
}

impl Finding {
    fn differs(&self) -> bool {
        self.values.as_ref().is_some_and(|values| !values.differs.is_empty())
    }
}

/// What the tries come to. A mail has one for each recipient; the first that was not taken counts.
fn finding(name: &str, channel: &ConfiguredChannel, tested: &Tested, tester: &TestSender<'_>, file: &Path) -> Finding {
    let kind = channel.way.channel().kind();
    let values = tested.comparison.as_ref().map(|comparison| test_values::differing(comparison, tester, file));
    let trial = match &tested.fared {
        Fared::Tried(trial) => trial,
        Fared::Unready(reason) => {
            let advice = ("the running daemon cannot read a secret of this channel", "give it to the daemon as well");
            return not_sent_at_all(name, kind, &format!("nothing was sent: {reason}"), advice, values);
        }
        Fared::Unknown => {
            let advice = ("the running daemon goes by a configuration without this channel", "see what differs");
            return not_sent_at_all(name, kind, "nothing was sent: no channel of this name runs", advice, values);
        }
    };
    let TestVerdict { accepted: yes, is_sent, outcome, answer, refused, advice, clock_ahead } =
        TestVerdict::of(kind, trial);
    let is_equal = tested.comparison.as_ref().is_some_and(|comparison| *comparison == SettingsComparison::default());
    let sent = is_sent.then(|| match &tester.sender {
        Sender::Daemon(_) if is_equal => "by the running daemon, with its values, which are those here",
        Sender::Daemon(_) => "by the running daemon, with its values",
        Sender::Command if tester.file.is_none() => "by this command, with the values here; no daemon runs",
        Sender::Command => "by this command, with the configuration last in force; no daemon runs",
    });
    let sent_by = is_sent.then_some(match &tester.sender {
        Sender::Daemon(_) => "daemon",
        Sender::Command => "command",
    });
    Finding {
        channel: name.to_owned(),
        kind,
        yes,
        outcome,
        answer,
        refused,
        sent_by,
        sent,
        values,
        advice,
        clock_ahead,
    }
}

/// The daemon cannot send to the channel.
fn not_sent_at_all(
    name: &str,
    kind: &'static str,
    answer: &str,
    advice: (&'static str, &'static str),
    values: Option<Differing>,
) -> Finding {
    Finding {
        channel: name.to_owned(),
        kind,
        yes: false,
        outcome: "not_sent".to_owned(),
        answer: answer.to_owned(),
        refused: Vec::new(),
        sent_by: None,
        sent: None,
        values,
        advice: Some(advice),
        clock_ahead: None,
    }
}

fn show(finding: &Finding) -> String {
    let Finding { channel: name, kind, answer, .. } = finding;
    let verdict = match &finding.values {
        _ if !finding.yes => "no",
        None => "yes, but it is not known with which values",
        Some(_) if finding.differs() => "yes, but not with the values here",
        Some(_) => "yes",
    };
    let mut text = format!("{name} ({kind}): {verdict}\n");
    let mut add = |line: String| text.push_str(&format!("    {line}\n"));
    if let Some(sent) = finding.sent {
        add(format!("sent:   {sent}"));
    }
    match &finding.values {
        Some(values) => values.lines().into_iter().for_each(&mut add),
        None => add(format!("values: {}", test_values::NOT_SAID)),
    }
    for refused in &finding.refused {
        add(format!("but not for all: {refused}"));
    }
    if let Some((cause, change)) = finding.advice {
        add(format!("cause:  {cause}"));
        add(format!("change: {change}"));
        add(format!("answer: {}", kinds::said_beside(kind, answer)));
    }
    if let Some(clock) = finding.clock_ahead.map(clock) {
        add(format!("clock:  {clock}"));
    }
    text
}

fn clock(far_ahead: SignedDuration) -> String {
    let seconds = far_ahead.as_secs().unsigned_abs();
    let side = if far_ahead.is_negative() { "behind" } else { "ahead of" };
    match far_ahead.abs() {
        apart if apart < CLOCKS_AGREE => "the receiver's and this machine's agree".to_owned(),
        apart if apart < CLOCK_IS_WRONG => format!("the receiver's is {seconds} s {side} this machine's"),
        _ => format!(
            "the receiver's is {seconds} s {side} this machine's: set this machine's clock (`timedatectl`), or signatures fail"
        ),
    }
}

fn as_json(finding: &Finding) -> Value {
    json!({
        "channel": finding.channel, "kind": finding.kind, "yes": finding.yes,
        "outcome": finding.outcome, "answer": finding.answer, "refused": finding.refused,
        "sent_by": finding.sent_by,
        "differs": finding.values.as_ref().map(Differing::differs_as_json),
        "not_compared": finding.values.as_ref().map(Differing::not_compared_as_json),
        "cause": finding.advice.map(|(cause, _)| cause), "change": finding.advice.map(|(_, change)| change),
        "far_clock_ahead_s": finding.clock_ahead.map(|ahead| ahead.as_secs()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_said_in_words() {
        let said = |seconds| clock(SignedDuration::from_secs(seconds));
        assert_eq!(said(-2), "the receiver's and this machine's agree");
        assert_eq!(said(-7), "the receiver's is 7 s behind this machine's");
        assert!(said(3600).starts_with("the receiver's is 3600 s ahead of this machine's: set"));
    }
}
