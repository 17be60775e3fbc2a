//! What the page of a first start asks for and does: a draft of a configuration in memory, without any store, until a person
//! has it written.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::BoxFuture;
use serde::Serialize;

use crate::flow::resources::channel::TestOutcome;

/// Makes a configuration with a person, step by step. There is one draft for the process; it is lost when that ends.
pub trait SetupAssistant: Send + Sync {
    /// The draft and how it stands, without any secret.
    fn view(&self) -> SetupView;

    /// Takes the settings of the file as a whole.
    fn set_general(&self, general: GeneralValues);

    /// Takes a source or a channel into the draft, at its place among those of its family or behind the last. Where a secret is
    /// empty, the one that was given before stays, unless it is to be forgotten.
    ///
    /// # Errors
    /// [`SetupError::Refused`] where there is no such kind, or the name cannot be one.
    fn set_table(&self, family: Family, place: usize, given: GivenTable) -> Result<(), SetupError>;

    /// Takes one out of the draft. One that is not there is no error.
    fn remove_table(&self, family: Family, place: usize);

    /// Takes who is notified of Orderbell itself, when the report is sent, and where the secrets are to stand.
    fn set_ending(&self, ending: EndingValues);

    /// What the source at this place makes of a sample webhook that is signed with its values. Nothing is sent.
    ///
    /// # Errors
    /// [`SetupError::Wrong`] where its table is not right yet.
    fn try_sample(&self, place: usize) -> Result<SampleRead, SetupError>;

    /// Sends a test message to the channel at this place, on the way of real messages.
    ///
    /// # Errors
    /// [`SetupError`]: its table is not right yet, another test is under way, or nothing can be sent now.
    fn test(&self, place: usize) -> BoxFuture<'_, Result<TestOutcome, SetupError>>;

    /// The file as it may be shown: secrets are in environment variables.
    fn text(&self) -> String;

    /// Writes the file, which must not be there yet.
    ///
    /// # Errors
    /// [`SetupError::Wrong`] with what keeps the daemon from starting by it; [`SetupError::Refused`] where a file is there, or it
    /// cannot be written.
    fn save(&self) -> Result<(), SetupError>;

    /// Ends the first start: the process goes on as the daemon by the configuration on disk.
    ///
    /// # Errors
    /// [`SetupError::Wrong`] with what keeps it from that; [`SetupError::Refused`] where an address cannot be used.
    fn start(&self) -> BoxFuture<'_, Result<(), SetupError>>;
}

/// Why a step is not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// Of which a person can mend each.
    #[error("{} things are wrong", .0.len())]
    Wrong(Vec<SetupFinding>),
    #[error("{0}")]
    Refused(String),
    /// Somebody does the same at this moment.
    #[error("{0}")]
    Busy(String),
}

/// Something wrong or odd with the draft or with the file; without any secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupFinding {
    /// `error`, `warning` or `note`.
    pub severity: String,
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
    /// The key of the field that it belongs to, where that is to be seen.
    pub key: Option<String>,
    /// The line of the file on disk.
    pub line: Option<usize>,
}

/// A source or a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    Source,
    Channel,
}

/// What holds for the file as a whole, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GeneralValues {
    pub language: String,
    pub timezone: String,
    /// Empty where it is to follow from the time zone.
    pub currency: String,
    /// How the internet reaches the daemon; may be empty.
    pub public_url: String,
    /// Where webhooks come in on this machine.
    pub listen: String,
}

/// A table as it was typed.
#[derive(Clone, Default)]
pub struct GivenTable {
    pub kind: String,
    /// May be empty: then it is called as its kind.
    pub name: String,
    /// By key.
    pub values: BTreeMap<String, String>,
    /// The keys of secrets that were given before and are to be none.
    pub forgotten: BTreeSet<String>,
}

/// What is decided at the end, as it was typed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EndingValues {
    /// Names of channels; those for people where it is empty.
    pub operator: Vec<String>,
    /// A time of day; no report where it is empty.
    pub report_at: String,
    pub secrets: SecretsPlace,
}

/// Where the secrets of the saved file are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SecretsPlace {
    /// In the file itself, which only its owner may read.
    #[default]
    File,
    /// In environment variables.
    Variables,
}

/// How far the first start has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "name")]
pub enum SetupStage {
    /// There is no file.
    Draft,
    /// There is a file, and nothing is known to be wrong with it.
    Saved,
    /// There is a file that the daemon does not start by.
    Broken { findings: Vec<SetupFinding> },
}

/// The draft as it is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SetupView {
    pub stage: SetupStage,
    /// The file that is to be written, with its path.
    pub file: String,
    /// The command that starts the daemon by it.
    pub command: String,
    pub general: GeneralValues,
    /// Whether a person has given those; else they are what most would choose.
    pub is_touched: bool,
    /// What is wrong with those.
    pub general_findings: Vec<SetupFinding>,
    pub sources: Vec<TableDraft>,
    pub channels: Vec<TableDraft>,
    /// The kinds that can be chosen.
    pub platforms: Vec<KindView>,
    pub channel_kinds: Vec<KindView>,
    pub ending: EndingValues,
    /// Everything that is wrong or odd with the draft as it is.
    pub findings: Vec<SetupFinding>,
    /// Whether the daemon would start by it.
    pub is_right: bool,
}

/// A kind of source or channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct KindView {
    pub kind: String,
    /// What it is to people, in English.
    pub what: String,
    /// Where its values come from, in English.
    pub before: String,
    pub fields: Vec<FieldView>,
}

/// A source or a channel of the draft.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TableDraft {
    pub kind: KindView,
    pub name: String,
    /// The address to register at the platform; of a source, where the public address is known.
    pub address: Option<String>,
    pub findings: Vec<SetupFinding>,
    pub is_right: bool,
    /// What its last test came to, as long as its values are those.
    pub tested: Option<TestView>,
}

/// A value that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldView {
    pub key: String,
    /// `text`, `secret`, `number`, `list` or `switch`.
    pub form: String,
    pub optional: bool,
    pub sample: String,
    /// Whether there is a value. That of a secret is not said.
    pub is_given: bool,
    pub value: String,
}

/// What a test message came to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TestView {
    pub accepted: bool,
    pub outcome: String,
    pub answer: String,
    pub cause: Option<String>,
    pub change: Option<String>,
    pub receiver_clock_ahead_s: Option<i64>,
}

impl From<&TestOutcome> for TestView {
    fn from(outcome: &TestOutcome) -> Self {
        Self {
            accepted: outcome.accepted,
            outcome: outcome.outcome.clone(),
            answer: outcome.answer.clone(),
            cause: outcome.cause.clone(),
            change: outcome.change.clone(),
            receiver_clock_ahead_s: outcome.receiver_clock_ahead_s,
        }
    }
}

/// What a source makes of a sample webhook.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SampleRead {
    pub kind: String,
    pub order: Option<String>,
    pub total: Option<String>,
    pub lines: Vec<String>,
}
