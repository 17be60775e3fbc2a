//! Lists of deliveries: which kinds can be asked for, and what holds back one that is due.

use jiff::Timestamp;

use crate::domain::event::Kind;
use crate::domain::glob::Glob;
use crate::flow::why::setting::Setting;
use crate::store::history::found::FoundHistory;
use crate::store::history::list::DeliveryRow;
use crate::store::queue::pending::UNREADY;

/// What holds back a delivery that is due.
#[derive(Clone, Copy, Debug)]
pub struct RowHold {
    /// `the channel is parked`
    pub why: &'static str,
    pub until: Option<Timestamp>,
}

/// What holds a delivery back at its channel; without the channel's secrets, its receiver's limits are not known.
pub fn hold(row: &DeliveryRow, held: &FoundHistory, setting: &Setting<'_>) -> Option<RowHold> {
    let channel = &row.channel;
    if setting.paused(channel, held).is_some() {
        return Some(RowHold { why: "the channel is paused", until: None });
    }
    if let Some(parked) = setting.parked(channel, held) {
        return Some(match parked.reason.starts_with(UNREADY) {
            true => RowHold { why: "the channel waits for its secret", until: None },
            false => RowHold { why: "the channel is parked", until: Some(parked.next_probe_at) },
        });
    }
    if let Some(limit) = setting.rate_limited(channel, held) {
        return Some(RowHold { why: "its receiver takes nothing", until: Some(limit.until) });
    }
    let sending = setting.config.channels.get(channel)?.sending.as_ref()?;
    let is_urgent = row.kind == "test" || sending.urgent.iter().any(|glob| glob.matches(&row.kind));
    let used_up = setting.paced(channel, is_urgent, held)?;
    Some(RowHold { why: "rate limit used up", until: used_up.until })
}

/// A pattern that matches no kind that there may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoSuchKind {
    pub text: String,
    /// Those that there are.
    pub all: Vec<String>,
}

/// A pattern over kinds.
///
/// # Errors
/// [`NoSuchKind`] where it matches none that there may be.
pub fn kinds(text: &str) -> Result<Glob, NoSuchKind> {
    let glob = Glob::new(text);
    let all: Vec<String> = Kind::ALL.iter().map(Kind::to_string).collect();
    // What a report is called is the configuration's.
    if text.starts_with("report.") || all.iter().map(String::as_str).chain(["report."]).any(|kind| glob.matches(kind)) {
        return Ok(glob);
    }
    Err(NoSuchKind { text: text.to_owned(), all: all.into_iter().chain(["report.NAME".to_owned()]).collect() })
}
