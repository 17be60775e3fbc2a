//! What a receiver's answer means: the table of its statuses. The body says nothing; what stands in it is for people.
//!
//! The contract is our own (README, "What a WebHook posts"); sources of the rows: RFC 9110, section 15, for the statuses, the
//! Standard Webhooks specification for what a sender does about them. Answers of each row are in
//! `tests/answers/webhook.toml`.

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use crate::channel::Judged;
use crate::channel::advice::Advice;
use crate::channel::advice::advice;
use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::quoted;

#[derive(Clone, Copy)]
enum Means {
    Delivered,
    Misconfigured,
    Rejected,
    /// When the receiver says, or by the schedule.
    Retry,
}

struct Row {
    name: &'static str,
    statuses: RangeInclusive<u16>,
    means: Means,
}

const fn row(name: &'static str, statuses: RangeInclusive<u16>, means: Means) -> Row {
    Row { name, statuses, means }
}

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: [Row; 9] = [
    // RFC 9110, section 15.3: received, whatever the receiver does with it.
    row("2xx", 200..=299, Means::Delivered),
    // Sections 15.5.2 and 15.5.4: it does not believe us, or does not let us in.
    row("401", 401..=401, Means::Misconfigured),
    row("403", 403..=403, Means::Misconfigured),
    // Section 15.5.11; Standard Webhooks: the endpoint is to be switched off.
    row("410", 410..=410, Means::Misconfigured),
    // Sections 15.5.1, 15.5.14, 15.5.16 and 15.5.21: the same bytes will never be taken.
    row("400", 400..=400, Means::Rejected),
    row("413", 413..=413, Means::Rejected),
    row("415", 415..=415, Means::Rejected),
    row("422", 422..=422, Means::Rejected),
    // Redirects, which are not followed; 404, which a receiver that is being deployed answers; 429 and 5xx with their
    // `Retry-After`. No rate is shared with other channels, so 429 shuts nothing but the message.
    row("anything else", 0..=999, Means::Retry),
];

/// Causes, and what to change.
#[rustfmt::skip]
pub const ADVICE: &[Advice] = &[
    advice(&["http 401"], "the receiver does not believe that the message is ours",
        "compare `signing` with what the receiver expects, and both clocks"),
    advice(&["http 403"], "the receiver does not let us in", "compare `signing` and `headers` with what it expects"),
    advice(&["http 404"], "there is no receiver at this path", "look at `url`"),
    advice(&["http 405"], "the receiver takes no POST at this path", "look at `url`"),
    advice(&["http 410"], "the receiver says that it is gone", "set `url` to where it is now"),
    advice(&["http 413"], "the message is too large for the receiver", "raise the receiver's limit"),
    advice(&["http 400"], "the receiver cannot read the message", "look into its log"),
    advice(&["http 415"], "the receiver takes no JSON", "look into its log"),
    advice(&["http 422"], "the receiver cannot read the message", "look into its log"),
    advice(&["http 429"], "the receiver finds that too many messages come", "try again later"),
    advice(&["http 3"], "the receiver sends us elsewhere, and we do not follow", "set `url` to where it leads"),
    advice(&["http 5"], "the receiver has trouble of its own", "look into its log"),
];

/// Judges an answer. What was said stands in the words as it came.
pub fn judge(status: u16, retry_after: Option<SignedDuration>, said: &str) -> Judged {
    let found = ROWS.iter().find(|row| row.statuses.contains(&status));
    let (row, means) = found.map_or(("anything else", Means::Retry), |row| (row.name, row.means));
    let (outcome, said) = match means {
        Means::Delivered => (Outcome::Delivered, ""),
        Means::Misconfigured => (Outcome::Misconfigured, said),
        Means::Rejected => (Outcome::Rejected, said),
        Means::Retry => (Outcome::Retry { after: retry_after }, said),
    };
    Judged { row, answer: Answer { outcome, words: quoted(&format!("HTTP {status}"), said) } }
}

/// What the rows of the table are called.
pub fn rows() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.name).collect()
}
