//! What can be tried before there is a configuration: a test message, on the way of real messages through a store that is thrown
//! away; and a sample webhook, read as a real one is.

use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use tempfile::TempDir;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::app::assistant::draft::finding;
use crate::app::test_send::{Fared, Sender, TestSender};
use crate::config::configured::ConfiguredChannel;
use crate::config::context::SecretReading;
use crate::config::parts;
use crate::config::parts::Parts;
use crate::diagnostic::Diagnostic;
use crate::domain::event::{Kind, SignatureCheck};
use crate::domain::rate_limit::RateLimit;
use crate::domain::template::Templates;
use crate::flow::resources::channel::TestOutcome;
use crate::flow::setup_assistant::{SampleRead, SetupError};
use crate::flow::{Clock, Current, samples};
use crate::platform::sample::SampleContent;
use crate::store::address::StoreUrl;

/// The daemon that follows knows nothing of these. It leaves two messages of a robot's minute to others, which are these.
const RATE: RateLimit = RateLimit { count: 2, per: SignedDuration::from_mins(1) };

/// The store of the tests, which is made with the first one. One test at a time.
#[derive(Default)]
pub struct Tests(Mutex<Option<TempDir>>);

impl Tests {
    /// Sends a test message to a channel.
    ///
    /// # Errors
    /// [`SetupError`].
    pub async fn send(&self, name: &str, channel: &ConfiguredChannel, clock: Clock) -> Result<TestOutcome, SetupError> {
        let busy = || SetupError::Busy("a test is under way; wait for its answer".to_owned());
        let mut folder = self.0.try_lock().map_err(|_| busy())?;
        let refused = |error: &dyn std::fmt::Display| SetupError::Refused(error.to_string());
        let folder = match &mut *folder {
            Some(folder) => folder.path(),
            none => none.insert(tempfile::tempdir().map_err(|error| refused(&error))?).path(),
        };
        let mut channel = channel.clone();
        if channel.allowance().is_some() {
            channel.settings.rate = Some(RATE);
        }
        let templates = Templates::built_in().map_err(|error| refused(&error))?;
        let sender = TestSender {
            store: &store(folder),
            clock,
            templates: Current::new(templates),
            sender: Sender::Command,
            file: None,
            stop: CancellationToken::new(),
        };
        let tested = sender.send(name, &channel).await.map_err(|error| refused(&error))?;
        match &tested.fared {
            Fared::Tried(trial) => Ok(TestOutcome::of(name, Some(channel.way.channel().kind()), trial)),
            Fared::Unready(reason) => Err(SetupError::Refused(reason.clone())),
            Fared::Unknown => Err(SetupError::Refused("there is no such channel".to_owned())),
        }
    }
}

fn store(folder: &Path) -> StoreUrl {
    StoreUrl::default().within(folder)
}

/// A channel of a text.
///
/// # Errors
/// [`SetupError::Wrong`] with what is wrong with its table.
pub fn channel(file: &Path, text: &str, name: &str) -> Result<ConfiguredChannel, SetupError> {
    let parts = parts(file, text)?;
    let channel = parts.channel(name).map_err(|problems| wrong(&problems, text))?;
    channel.cloned().ok_or_else(|| SetupError::Refused(format!("there is no channel \"{name}\"")))
}

/// What a source of a text makes of a new order that is signed with its values.
///
/// # Errors
/// As [`channel`]; [`SetupError::Refused`] where the platform sends none.
pub fn sample(file: &Path, text: &str, name: &str, now: Timestamp) -> Result<SampleRead, SetupError> {
    let parts = parts(file, text)?;
    let source = parts.source(name).map_err(|problems| wrong(&problems, text))?;
    let source = source.ok_or_else(|| SetupError::Refused(format!("there is no source \"{name}\"")))?;
    let address = parts.server().map_err(|problems| wrong(&problems, text))?.source_address(name);
    let platform = source.source.platform();
    let content =
        SampleContent { seed: samples::seed(), currency: Some(parts.currency.clone()), ..SampleContent::default() };
    let made = platform.samples_of(&Kind::OrderPlaced, &address, &content, now);
    let samples = made.map_err(|error| SetupError::Refused(error.to_string()))?;
    let read = samples.first().and_then(|sample| sample.parsed(platform, &address, &parts.currency, now));
    let read = read.filter(|webhook| webhook.signature != SignatureCheck::Invalid);
    let read = read.ok_or_else(|| SetupError::Refused("the sample was not believed".to_owned()))?;
    let order = read.order.as_ref();
    Ok(SampleRead {
        kind: read.kind.to_string(),
        order: order.map(|order| order.number.clone()),
        total: order.and_then(|order| order.total.as_ref()).map(ToString::to_string),
        lines: order.map(|order| order.lines.iter().map(|line| line.name.clone()).collect()).unwrap_or_default(),
    })
}

fn parts(file: &Path, text: &str) -> Result<Parts, SetupError> {
    let parts = parts::read(file, text, SecretReading::Read, Vec::new());
    parts.ok_or_else(|| SetupError::Refused("the draft cannot be read".to_owned()))
}

fn wrong(problems: &[Diagnostic], text: &str) -> SetupError {
    SetupError::Wrong(problems.iter().map(|problem| finding(problem, text)).collect())
}
