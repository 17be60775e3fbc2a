//! What a WeCom robot's answer means: the table of its error codes.
//!
//! Errors come as HTTP 200 with an `errcode`; the vendor says to judge by the code and not by the words, so words are asked
//! for only where one code means several things. Letters before the sources: M a mirror of the vendor's list of codes
//! (developer.work.weixin.qq.com, path 90313, as public code generated it in April 2024), L reports of operators. Real
//! answers of each row are in `tests/answers/wecom.toml`.

use jiff::SignedDuration;

use crate::channel::errcode::{AnswerRow, AnswerTable, Classification, always, row};
use crate::channel::http::Response;
use crate::channel::{Judged, errcode};
use crate::domain::remedy::Remedy;

/// A block lasts about as long as the window that was exceeded (M); the robot's is a minute.
const BLOCKED: SignedDuration = SignedDuration::from_mins(1);
/// Too many calls at the same time: the next moment will do.
const CROWDED: SignedDuration = SignedDuration::from_secs(5);

/// What the robot says of a text over its limit.
const TOO_LONG: &[&str] = &["exceed max length", "too long"];

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[AnswerRow] = &[
    // M: "ok".
    row("0", 0, &[], Classification::Delivered, &[]),
    // M: system busy; at most three tries at once.
    row("-1", -1, &[], Classification::Retry, &[]),
    // M: over the robot's 20 messages a minute.
    row("45009", 45009, &[], Classification::Throttled(BLOCKED), &[always("wecom.too_many")]),
    // M: too many calls at the same time.
    row("45033", 45033, &[], Classification::Throttled(CROWDED), &[always("wecom.crowded")]),
    // L: in 2019 the code of a wrong address was also that of a text over the limit.
    row("93000, of the length", 93000, TOO_LONG, Classification::TooLong, &[always("wecom.too_long")]),
    // M: the address is wrong, or the robot was taken out of the group.
    row("93000", 93000, &[], Classification::Misconfigured, &[always("wecom.unknown_key")]),
    // M: the robot is disabled; it is not in the group.
    row("93004", 93004, &[], Classification::Misconfigured, &[always("wecom.disabled")]),
    row("93008", 93008, &[], Classification::Misconfigured, &[always("wecom.removed")]),
    // L: a bad parameter, which a text over the limit is too: "markdown.content exceed max length 4096".
    row("40058, of the length", 40058, TOO_LONG, Classification::TooLong, &[always("wecom.too_long")]),
    row("40058", 40058, &[], Classification::Bug, &[always("wecom.parameter")]),
    // M: the content is too large.
    row("45002", 45002, &[], Classification::TooLong, &[always("wecom.too_long")]),
    // M: the text is empty.
    row("44004", 44004, &[], Classification::Rejected, &[always("wecom.empty")]),
    // M: the message type is unknown.
    row("40008", 40008, &[], Classification::Bug, &[always("wecom.type")]),
    // M: an address over 1024 bytes; one without a scheme.
    row("40039", 40039, &[], Classification::Rejected, &[always("wecom.long_link")]),
    row("45034", 45034, &[], Classification::Rejected, &[always("wecom.bare_link")]),
    // M: a picture or file is too big, of the wrong size, unknown, of the wrong size in pixels, empty.
    row("45001", 45001, &[], Classification::Rejected, &[]),
    row("40006", 40006, &[], Classification::Rejected, &[]),
    row("40007", 40007, &[], Classification::Rejected, &[]),
    row("40009", 40009, &[], Classification::Rejected, &[]),
    row("44001", 44001, &[], Classification::Rejected, &[]),
    // M: wrong credential of any sort; a wrong application; no right; no address that is allowed to call; nobody to whom
    // it could go. A robot has none of these today; whatever stands in its place may.
    row("40001", 40001, &[], Classification::Misconfigured, &[always("wecom.key")]),
    row("40014", 40014, &[], Classification::Misconfigured, &[always("wecom.key")]),
    row("42001", 42001, &[], Classification::Misconfigured, &[always("wecom.expired")]),
    row("40056", 40056, &[], Classification::Misconfigured, &[always("wecom.application")]),
    row("48002", 48002, &[], Classification::Misconfigured, &[always("wecom.no_right")]),
    row("301002", 301002, &[], Classification::Misconfigured, &[always("wecom.no_right")]),
    row("60020", 60020, &[], Classification::Misconfigured, &[always("wecom.address")]),
    row("81013", 81013, &[], Classification::Misconfigured, &[always("wecom.nobody")]),
];

const TABLE: AnswerTable = AnswerTable { rows: ROWS, http_rules: &[], blocked: BLOCKED };

/// Judges an answer.
pub fn judge(response: &Response) -> Judged {
    errcode::judge(response, &TABLE)
}

/// What an answer comes from, by its words as they were stored.
pub fn remedy(words: &str) -> Option<Remedy> {
    TABLE.remedy(words)
}

/// What the rows of the table are called.
pub fn rows() -> Vec<&'static str> {
    TABLE.names().collect()
}
