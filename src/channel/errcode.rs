//! Robots that answer with an `errcode`: how such an answer is judged by a robot's table of codes.
//!
//! Errors come as HTTP 200 as well, so only `errcode` 0 is an acceptance. Codes have moved over the years, so a row may ask for
//! words in `errmsg` too.

mod read;

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use crate::channel::Judged;
use crate::channel::errcode::read::{AnswerReading, read};
use crate::channel::http::Response;
use crate::domain::remedy::Remedy;
use crate::domain::retry::{Answer, Outcome, quoted, redacted, said_words, within_bounds};

/// What is looked at of an answer that is not an `errcode`, in bytes.
const PAGE_BYTES: usize = 2_000;

/// What an answer is taken for.
#[derive(Clone, Copy)]
pub enum Classification {
    Delivered,
    Retry,
    Unknown,
    Throttled(SignedDuration),
    /// Throttled for as long as this vendor blocks a robot.
    Blocked,
    Misconfigured,
    TooLong,
    ContentRefused,
    Rejected,
    Bug,
}

/// One meaning of a code.
pub struct AnswerRow {
    /// Says which row it is; each has its own.
    pub name: &'static str,
    codes: RangeInclusive<i64>,
    /// Any of these in `errmsg`, in small letters; none asked for when empty.
    words: &'static [&'static str],
    class: Classification,
    /// The first that fits counts.
    causes: &'static [Cause],
}

/// A row for one code.
pub const fn row(
    name: &'static str,
    code: i64,
    words: &'static [&'static str],
    class: Classification,
    causes: &'static [Cause],
) -> AnswerRow {
    AnswerRow { name, codes: code..=code, words, class, causes }
}

/// A row for every code.
pub const fn any_code(name: &'static str, words: &'static [&'static str], class: Classification) -> AnswerRow {
    AnswerRow { name, codes: i64::MIN..=i64::MAX, words, class, causes: &[] }
}

/// What a code comes from, where one has several causes.
pub struct Cause {
    /// Any of these in `errmsg`, in small letters; none asked for when empty.
    words: &'static [&'static str],
    remedy: Remedy,
}

/// A cause that is known by words.
pub const fn where_said(words: &'static [&'static str], key: &'static str) -> Cause {
    Cause { words, remedy: Remedy::of(key) }
}

/// The cause whatever is said.
pub const fn always(key: &'static str) -> Cause {
    Cause { words: &[], remedy: Remedy::of(key) }
}

/// What stands in an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// JSON with an `errcode` that no row knows.
    Code,
    /// It speaks of an `errcode`, and which one is not certain: two of them, or none that is a whole number.
    Doubtful,
    /// JSON without an `errcode`.
    Json,
    /// The beginning of JSON.
    Cut,
    Nothing,
    /// Bytes that are no text.
    Binary,
    /// Anything else: HTML of a proxy or a gateway.
    Page,
}

/// One meaning of an answer that is not an `errcode` we know.
pub struct HttpRule {
    /// Says which row it is, and stands in the answer's words; the language files have it under `answer.http`.
    pub name: &'static str,
    statuses: RangeInclusive<u16>,
    /// Any shape when empty.
    shapes: &'static [Shape],
    /// Any of these at the beginning of the body, in small letters; none asked for when empty.
    words: &'static [&'static str],
    class: Classification,
    remedy: Option<Remedy>,
}

pub const fn http_rule(
    name: &'static str,
    statuses: RangeInclusive<u16>,
    shapes: &'static [Shape],
    words: &'static [&'static str],
    class: Classification,
) -> HttpRule {
    HttpRule { name, statuses, shapes, words, class, remedy: None }
}

impl HttpRule {
    /// The rule with what to do about it.
    pub const fn with(self, key: &'static str) -> Self {
        Self { remedy: Some(Remedy::of(key)), ..self }
    }
}

/// The same for all such robots; the first that fits counts. Where acceptance cannot be ruled out, the answer is unknown, and
/// the repeat is marked as one.
#[rustfmt::skip]
const HTTP_RULES: &[HttpRule] = &[
    // RFC 6585, section 4. Robots say so by a code; whatever stands before them may say it so.
    http_rule("too many requests", 429..=429, &[], &[], Classification::Blocked),
    // It may be acceptance or refusal, whatever the status says.
    http_rule("an errcode that cannot be read", 0..=999, &[Shape::Doubtful], &[], Classification::Unknown),
    // RFC 9110, section 15.5.14: a relay or a gateway has a limit of its own.
    http_rule("too large on the way", 413..=413, &[], &[], Classification::TooLong),
    // RFC 9110, section 15.6; also with an `errcode` of 0.
    http_rule("trouble at the receiver", 500..=999, &[], &[], Classification::Retry),
    // Codes have moved and have become more over the years: a failure, never a success.
    http_rule("a code that nobody knows", 0..=499, &[Shape::Code], &[], Classification::Unknown),
    http_rule("JSON without a code", 200..=299, &[Shape::Json], &[], Classification::Unknown),
    http_rule("an answer that is not whole", 200..=299, &[Shape::Cut], &[], Classification::Unknown),
    http_rule("an empty answer", 200..=299, &[Shape::Nothing], &[], Classification::Unknown),
    http_rule("an answer that cannot be read", 200..=299, &[Shape::Binary], &[], Classification::Unknown),
    // A page of a proxy or gateway, a redirect, a path that is not there: the robot has not been reached.
    http_rule("not the robot's answer", 0..=999, &[], &[], Classification::Retry),
];

/// What one vendor's answers mean.
pub struct AnswerTable {
    /// The first row that fits counts.
    pub rows: &'static [AnswerRow],
    /// The vendor's own answers without an `errcode`, before those that all have in common.
    pub http_rules: &'static [HttpRule],
    /// How long the robot is blocked when HTTP itself says "too many requests".
    pub blocked: SignedDuration,
}

impl AnswerTable {
    /// What the rows are called, those included that all robots have in common.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let http_rules = self.http_rules.iter().chain(HTTP_RULES);
        self.rows.iter().map(|row| row.name).chain(http_rules.map(|rule| rule.name))
    }

    /// The row for a code, with `errmsg` in small letters.
    fn row(&self, errcode: i64, errmsg: &str) -> Option<&AnswerRow> {
        self.rows.iter().find(|row| row.codes.contains(&errcode) && holds_any(errmsg, row.words))
    }

    /// What an answer comes from, by its words as they were stored.
    pub fn remedy(&self, words: &str) -> Option<Remedy> {
        let own = redacted(words);
        match errcode_in(own) {
            Some(errcode) => {
                let errmsg = said_words(words).to_lowercase();
                self.row(errcode, &errmsg)?.remedy(&errmsg)
            }
            None => self.http_rules.iter().find(|rule| own.contains(&format!("({})", rule.name)))?.remedy,
        }
    }
}

impl AnswerRow {
    fn remedy(&self, errmsg: &str) -> Option<Remedy> {
        self.causes.iter().find(|cause| holds_any(errmsg, cause.words)).map(|cause| cause.remedy)
    }
}

/// Whether one of these words stands in a text, or none is asked for.
fn holds_any(text: &str, words: &[&str]) -> bool {
    words.is_empty() || words.iter().any(|word| text.contains(word))
}

/// The code in an answer's own words.
fn errcode_in(own: &str) -> Option<i64> {
    let (_, behind) = own.split_once("errcode ")?;
    behind.split([' ', ':']).next()?.parse().ok()
}

/// Judges an answer. What was said stands in the words as it came.
pub fn judge(response: &Response, table: &AnswerTable) -> Judged {
    let Response { status, body, retry_after, truncated, .. } = response;
    let is_yes = (200..300).contains(status);
    let (reading, text) = read(body, *truncated);
    let (row, class, answered) = match reading {
        AnswerReading::Code { errcode, errmsg } => {
            let lower = errmsg.to_lowercase();
            let found = table.row(errcode, &lower);
            let head = match found.and_then(|row| row.remedy(&lower)) {
                Some(remedy) => format!("errcode {errcode} ({}: {})", remedy.cause(), remedy.cure()),
                None => format!("errcode {errcode}"),
            };
            let found = found.filter(|row| is_yes || !matches!(row.class, Classification::Delivered));
            let (row, class) = match found {
                Some(row) => (row.name, row.class),
                None => by_http(table, *status, Shape::Code, &lower),
            };
            let head = if is_yes { head } else { format!("HTTP {status}, {head}") };
            (row, class, quoted(&head, &errmsg))
        }
        other => {
            let page = &text[..text.floor_char_boundary(PAGE_BYTES)];
            let (row, class) = by_http(table, *status, shape(&other), &page.to_lowercase());
            (row, class, quoted(&format!("HTTP {status} ({row})"), &text))
        }
    };
    // The receiver may ask for a longer rest than the vendor's rules do.
    let at_least = |wait: SignedDuration| wait.max(retry_after.map_or(wait, within_bounds));
    let outcome = match class {
        Classification::Delivered => Outcome::Delivered,
        Classification::Retry => Outcome::Retry { after: *retry_after },
        Classification::Unknown => Outcome::Unknown,
        Classification::Throttled(wait) => Outcome::Throttled { wait: at_least(wait) },
        Classification::Blocked => Outcome::Throttled { wait: at_least(table.blocked) },
        Classification::Misconfigured => Outcome::Misconfigured,
        Classification::TooLong => Outcome::TooLong,
        Classification::ContentRefused => Outcome::ContentRefused,
        Classification::Rejected => Outcome::Rejected,
        Classification::Bug => Outcome::Bug,
    };
    Judged { row, answer: Answer { outcome, detail: answered } }
}

fn shape(reading: &AnswerReading) -> Shape {
    match reading {
        AnswerReading::Code { .. } => Shape::Code,
        AnswerReading::Doubtful => Shape::Doubtful,
        AnswerReading::Json => Shape::Json,
        AnswerReading::Cut => Shape::Cut,
        AnswerReading::Nothing => Shape::Nothing,
        AnswerReading::Binary => Shape::Binary,
        AnswerReading::Page => Shape::Page,
    }
}

fn by_http(table: &AnswerTable, status: u16, shape: Shape, beginning: &str) -> (&'static str, Classification) {
    let fits = |rule: &&HttpRule| {
        rule.statuses.contains(&status)
            && (rule.shapes.is_empty() || rule.shapes.contains(&shape))
            && holds_any(beginning, rule.words)
    };
    let found = table.http_rules.iter().chain(HTTP_RULES).find(fits);
    found.map_or(("not the robot's answer", Classification::Retry), |rule| (rule.name, rule.class))
}
