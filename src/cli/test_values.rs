//! What `orderbell test` says of values that differ from those that the message was sent with: their keys and never they.

use std::path::Path;

use serde_json::{Value, json};

use crate::app::test_send::{Sender, TestSender};
use crate::domain::effective::{DifferenceCause, SettingDifference, SettingsComparison, ValueOrigin};

/// Where the daemon did not answer what it was asked.
pub const NOT_SAID: &str = "the running daemon did not say with which it sends; its log may say why";

const RESTART: &str =
    "a daemon keeps the environment that it was started with: restart it with this environment, then test again";
const READS_AGAIN: &str =
    "the daemon reads changed files again by itself, within seconds: test again; if it stays so, its log says why";
const MAY_READ: &str =
    "the daemon reads changed files again by itself, within seconds; if it stays so, its user may not read this one";

/// What differs, in words.
pub struct Differing {
    pub differs: Vec<DifferingValue>,
    not_compared: Vec<(String, String)>,
}

/// One key, how its value differs, and what to do about it.
pub struct DifferingValue {
    key: String,
    cause: String,
    change: String,
}

impl Differing {
    pub fn lines(&self) -> Vec<String> {
        let differs = self
            .differs
            .iter()
            .map(|DifferingValue { key, cause, change }| format!("differs: {key}: {cause}; {change}"));
        let not_compared = self.not_compared.iter().map(|(key, cause)| format!("not compared: {key}: {cause}"));
        differs.chain(not_compared).collect()
    }

    pub fn differs_as_json(&self) -> Value {
        let each = |DifferingValue { key, cause, change }: &DifferingValue| json!({ "key": key, "cause": cause, "change": change });
        self.differs.iter().map(each).collect()
    }

    pub fn not_compared_as_json(&self) -> Value {
        self.not_compared.iter().map(|(key, cause)| json!({ "key": key, "cause": cause })).collect()
    }
}

/// Says what a comparison came to.
pub fn differing(comparison: &SettingsComparison, tester: &TestSender<'_>, file: &Path) -> Differing {
    let difference = |SettingDifference { key, cause }: &SettingDifference| DifferingValue {
        key: key.clone(),
        cause: words(cause, &tester.sender, file),
        change: change(cause, tester, file),
    };
    let not_compared = |(key, origin): &(String, ValueOrigin)| {
        let cause = match origin {
            ValueOrigin::Env(name) => format!("the environment variable {name} has no value here that can be used"),
            ValueOrigin::File(path) => format!("the file {path} cannot be used here"),
            ValueOrigin::Configuration => "it cannot be read here".to_owned(),
        };
        (key.clone(), cause)
    };
    Differing {
        differs: comparison.differing.iter().map(difference).collect(),
        not_compared: comparison.not_compared.iter().map(not_compared).collect(),
    }
}

fn words(cause: &DifferenceCause, sender: &Sender, file: &Path) -> String {
    let name = file.file_name().unwrap_or(file.as_os_str()).display();
    let goes_by = match sender {
        Sender::Daemon(_) => "the configuration that the daemon goes by",
        Sender::Command => "the configuration last in force",
    };
    match cause {
        DifferenceCause::Env(name) => {
            format!("the environment variable {name} has another value here than in the daemon")
        }
        DifferenceCause::EnvOnlyHere(name) => {
            format!("the environment variable {name} is set here, and not in the daemon")
        }
        DifferenceCause::File(path) => format!("the file {path} has another content than the daemon read"),
        DifferenceCause::FileOnlyHere(path) => format!("the file {path} can be read here, and could not by the daemon"),
        DifferenceCause::Configuration => format!("{name} says something else than {goes_by}"),
        DifferenceCause::OnlyHere => format!("it is set here, and not in {goes_by}"),
        DifferenceCause::OnlyThere => format!("it is set in {goes_by}, and not here"),
        DifferenceCause::Unreadable => format!("what {name} says of this channel cannot be read, and was not tested"),
    }
}

fn change(cause: &DifferenceCause, tester: &TestSender<'_>, file: &Path) -> String {
    match cause {
        DifferenceCause::Env(_) | DifferenceCause::EnvOnlyHere(_) => RESTART.to_owned(),
        _ if tester.file.is_some() => {
            format!("`orderbell check` says what is wrong with {}: mend it, then test again", file.display())
        }
        DifferenceCause::FileOnlyHere(_) => MAY_READ.to_owned(),
        _ => READS_AGAIN.to_owned(),
    }
}
