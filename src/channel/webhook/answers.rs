//! What a receiver's answer means: the table of its statuses. The body says nothing; what stands in it is for people.
//!
//! The contract is our own (`docs/channels/webhook.md`); sources of the rows: RFC 9110, section 15, for the statuses, the
//! Standard Webhooks specification for what a sender does about them. Answers of each row are in
//! `tests/answers/webhook.toml`.

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use crate::channel::Judged;
use crate::domain::remedy::Remedy;
use crate::domain::retry::{Answer, Outcome, quoted, redacted};

#[derive(Clone, Copy)]
enum Class {
    Delivered,
    Misconfigured,
    Rejected,
    /// When the receiver says, or by the schedule.
    Retry,
}

struct Row {
    name: &'static str,
    statuses: RangeInclusive<u16>,
    class: Class,
    remedy: Option<Remedy>,
}

const fn row(name: &'static str, statuses: RangeInclusive<u16>, class: Class, key: &'static str) -> Row {
    Row { name, statuses, class, remedy: Some(Remedy::of(key)) }
}

const OTHERS: &str = "anything else";

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: [Row; 14] = [
    // RFC 9110, section 15.3: received, whatever the receiver does with it.
    Row { name: "2xx", statuses: 200..=299, class: Class::Delivered, remedy: None },
    // Sections 15.5.2 and 15.5.4: it does not believe us, or does not let us in.
    row("401", 401..=401, Class::Misconfigured, "webhook.unproven"),
    row("403", 403..=403, Class::Misconfigured, "webhook.forbidden"),
    // Section 15.5.11; Standard Webhooks: the endpoint is to be switched off.
    row("410", 410..=410, Class::Misconfigured, "webhook.gone"),
    // Sections 15.5.1, 15.5.14, 15.5.16 and 15.5.21: the same bytes will never be taken.
    row("400", 400..=400, Class::Rejected, "webhook.unreadable"),
    row("413", 413..=413, Class::Rejected, "webhook.too_large"),
    row("415", 415..=415, Class::Rejected, "webhook.no_json"),
    row("422", 422..=422, Class::Rejected, "webhook.unreadable"),
    // Section 15.5.5: so does a receiver that is being deployed.
    row("404", 404..=404, Class::Retry, "webhook.path"),
    row("405", 405..=405, Class::Retry, "webhook.method"),
    // RFC 6585, section 4. No rate is shared with other channels, so it blocks nothing but the message.
    row("429", 429..=429, Class::Retry, "webhook.too_many"),
    // Section 15.4: redirects are not followed.
    row("3xx", 300..=399, Class::Retry, "webhook.redirect"),
    // Section 15.6, with their `Retry-After`.
    row("5xx", 500..=599, Class::Retry, "webhook.server_error"),
    Row { name: OTHERS, statuses: 0..=999, class: Class::Retry, remedy: None },
];

/// What an answer comes from, by its words as they were stored.
pub fn remedy(words: &str) -> Option<Remedy> {
    let status = redacted(words).strip_prefix("HTTP ")?.split([' ', ':']).next()?.parse().ok()?;
    ROWS.iter().find(|row| row.statuses.contains(&status))?.remedy
}

/// Judges an answer. What was said stands in the words as it came.
pub fn judge(status: u16, retry_after: Option<SignedDuration>, said: &str) -> Judged {
    let found = ROWS.iter().find(|row| row.statuses.contains(&status));
    let (row, class) = found.map_or((OTHERS, Class::Retry), |row| (row.name, row.class));
    let (outcome, said) = match class {
        Class::Delivered => (Outcome::Delivered, ""),
        Class::Misconfigured => (Outcome::Misconfigured, said),
        Class::Rejected => (Outcome::Rejected, said),
        Class::Retry => (Outcome::Retry { after: retry_after }, said),
    };
    Judged { row, answer: Answer { outcome, detail: quoted(&format!("HTTP {status}"), said) } }
}

/// What the rows of the table are called.
pub fn rows() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.name).collect()
}
