//! Robots that answer with an `errcode`: how such an answer is judged by a robot's table of codes.
//!
//! Errors come as HTTP 200 as well, so only `errcode` 0 is a yes. Codes have moved over the years, so a row may ask for
//! words in `errmsg` too.

mod read;

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use crate::channel::Judged;
use crate::channel::advice;
use crate::channel::advice::Advice;
use crate::channel::errcode::read::Reading;
use crate::channel::errcode::read::read;
use crate::channel::http::Response;
use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::quoted;
use crate::domain::retry::within_bounds;

/// What is looked at of an answer that is not an `errcode`, in bytes.
const PAGE_BYTES: usize = 2_000;

/// What a row of a table leads to.
#[derive(Clone, Copy)]
pub enum Means {
    Delivered,
    Retry,
    Unknown,
    Throttled(SignedDuration),
    /// Throttled for as long as this vendor shuts a robot.
    Shut,
    Misconfigured,
    TooLong,
    ContentRefused,
    Rejected,
    Bug,
}

/// One meaning of a code.
pub struct Row {
    /// Says which row it is; each has its own.
    pub name: &'static str,
    codes: RangeInclusive<i64>,
    /// Any of these in `errmsg`, in small letters; none asked for when empty.
    words: &'static [&'static str],
    means: Means,
}

/// A row for one code.
pub const fn row(name: &'static str, code: i64, words: &'static [&'static str], means: Means) -> Row {
    Row { name, codes: code..=code, words, means }
}

/// A row for every code.
pub const fn any_code(name: &'static str, words: &'static [&'static str], means: Means) -> Row {
    Row { name, codes: i64::MIN..=i64::MAX, words, means }
}

/// What stands in an answer's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// JSON with an `errcode` that no row knows.
    Code,
    /// It speaks of an `errcode`, and which one cannot be told: two of them, or none that is a whole number.
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
pub struct Frame {
    /// Says which row it is, and stands in the answer's words.
    pub name: &'static str,
    statuses: RangeInclusive<u16>,
    /// Any shape when empty.
    shapes: &'static [Shape],
    /// Any of these at the beginning of the body, in small letters; none asked for when empty.
    words: &'static [&'static str],
    means: Means,
}

pub const fn frame(
    name: &'static str,
    statuses: RangeInclusive<u16>,
    shapes: &'static [Shape],
    words: &'static [&'static str],
    means: Means,
) -> Frame {
    Frame { name, statuses, shapes, words, means }
}

/// The same for all such robots; the first that fits counts. Where a yes cannot be ruled out, the answer is unknown, and
/// the repeat is marked as one.
#[rustfmt::skip]
const FRAMES: &[Frame] = &[
    // RFC 6585, section 4. Robots say so by a code; whatever stands before them may say it so.
    frame("too many requests", 429..=429, &[], &[], Means::Shut),
    // It may be a yes or a refusal, whatever the status says.
    frame("an errcode that cannot be read", 0..=999, &[Shape::Doubtful], &[], Means::Unknown),
    // RFC 9110, section 15.5.14: a relay or a gateway has a limit of its own.
    frame("too large on the way", 413..=413, &[], &[], Means::TooLong),
    // RFC 9110, section 15.6; also with an `errcode` of 0.
    frame("trouble at the far side", 500..=999, &[], &[], Means::Retry),
    // Codes have moved and have become more over the years: a failure, never a success.
    frame("a code that nobody knows", 0..=499, &[Shape::Code], &[], Means::Unknown),
    frame("JSON without a code", 200..=299, &[Shape::Json], &[], Means::Unknown),
    frame("an answer that is not whole", 200..=299, &[Shape::Cut], &[], Means::Unknown),
    frame("an empty answer", 200..=299, &[Shape::Nothing], &[], Means::Unknown),
    frame("an answer that cannot be read", 200..=299, &[Shape::Binary], &[], Means::Unknown),
    // A page of a proxy or gateway, a redirect, a path that is not there: the robot has not been reached.
    frame("not the robot's answer", 0..=999, &[], &[], Means::Retry),
];

/// What one vendor's answers mean.
pub struct Table {
    /// The first row that fits counts.
    pub rows: &'static [Row],
    /// The vendor's own answers without an `errcode`, before those that all have in common.
    pub frames: &'static [Frame],
    /// How long the robot is shut when HTTP itself says "too many requests".
    pub shut: SignedDuration,
    /// Causes, told apart for whoever reads the answer.
    pub advice: &'static [Advice],
}

impl Table {
    /// What the rows are called, those included that all robots have in common.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let frames = self.frames.iter().chain(FRAMES);
        self.rows.iter().map(|row| row.name).chain(frames.map(|frame| frame.name))
    }
}

/// Judges an answer. What was said stands in the words as it came.
pub fn judge(response: &Response, table: &Table) -> Judged {
    let Response { status, body, retry_after, truncated, .. } = response;
    let is_yes = (200..300).contains(status);
    let (reading, text) = read(body, *truncated);
    let (row, means, answered) = match reading {
        Reading::Code { errcode, errmsg } => {
            let lower = errmsg.to_lowercase();
            let found = table.rows.iter().find(|row| {
                row.codes.contains(&errcode)
                    && (row.words.is_empty() || row.words.iter().any(|word| lower.contains(word)))
                    && (is_yes || !matches!(row.means, Means::Delivered))
            });
            let head = match advice::find(table.advice, &format!("errcode {errcode} {lower}")) {
                Some(Advice { cause, change, .. }) => format!("errcode {errcode} ({cause}: {change})"),
                None => format!("errcode {errcode}"),
            };
            let (row, means) = match found {
                Some(row) => (row.name, row.means),
                None => framed(table, *status, Shape::Code, &lower),
            };
            let head = if is_yes { head } else { format!("HTTP {status}, {head}") };
            (row, means, quoted(&head, &errmsg))
        }
        other => {
            let page = &text[..text.floor_char_boundary(PAGE_BYTES)];
            let (row, means) = framed(table, *status, shape(&other), &page.to_lowercase());
            (row, means, quoted(&format!("HTTP {status} ({row})"), &text))
        }
    };
    // The far side may ask for a longer rest than the vendor's rules do.
    let at_least = |wait: SignedDuration| wait.max(retry_after.map_or(wait, within_bounds));
    let outcome = match means {
        Means::Delivered => Outcome::Delivered,
        Means::Retry => Outcome::Retry { after: *retry_after },
        Means::Unknown => Outcome::Unknown,
        Means::Throttled(wait) => Outcome::Throttled { wait: at_least(wait) },
        Means::Shut => Outcome::Throttled { wait: at_least(table.shut) },
        Means::Misconfigured => Outcome::Misconfigured,
        Means::TooLong => Outcome::TooLong,
        Means::ContentRefused => Outcome::ContentRefused,
        Means::Rejected => Outcome::Rejected,
        Means::Bug => Outcome::Bug,
    };
    Judged { row, answer: Answer { outcome, words: answered } }
}

fn shape(reading: &Reading) -> Shape {
    match reading {
        Reading::Code { .. } => Shape::Code,
        Reading::Doubtful => Shape::Doubtful,
        Reading::Json => Shape::Json,
        Reading::Cut => Shape::Cut,
        Reading::Nothing => Shape::Nothing,
        Reading::Binary => Shape::Binary,
        Reading::Page => Shape::Page,
    }
}

fn framed(table: &Table, status: u16, shape: Shape, beginning: &str) -> (&'static str, Means) {
    let fits = |frame: &&Frame| {
        frame.statuses.contains(&status)
            && (frame.shapes.is_empty() || frame.shapes.contains(&shape))
            && (frame.words.is_empty() || frame.words.iter().any(|word| beginning.contains(word)))
    };
    let found = table.frames.iter().chain(FRAMES).find(fits);
    found.map_or(("not the robot's answer", Means::Retry), |frame| (frame.name, frame.means))
}
