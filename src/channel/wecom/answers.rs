//! What a WeCom robot's answer means: the table of its error codes.
//!
//! Errors come as HTTP 200 with an `errcode`; the vendor says to judge by the code and not by the words, so words are asked
//! for only where one code means several things. Letters before the sources: M a mirror of the vendor's list of codes
//! (developer.work.weixin.qq.com, path 90313, as public code generated it in April 2024), L reports of operators. Real
//! answers of each row are in `tests/answers/wecom.toml`.

use jiff::SignedDuration;

use crate::channel::Judged;
use crate::channel::advice::Advice;
use crate::channel::advice::advice;
use crate::channel::errcode;
use crate::channel::errcode::Means;
use crate::channel::errcode::Row;
use crate::channel::errcode::Table;
use crate::channel::errcode::row;
use crate::channel::http::Response;

/// A block lasts about as long as the window that was exceeded (M); the robot's is a minute.
const BLOCKED: SignedDuration = SignedDuration::from_mins(1);
/// Too many calls at the same time: the next moment will do.
const CROWDED: SignedDuration = SignedDuration::from_secs(5);

/// What the robot says of a text over its limit.
const TOO_LONG: &[&str] = &["exceed max length", "too long"];

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // M: "ok".
    row("0", 0, &[], Means::Delivered),
    // M: system busy; at most three tries at once.
    row("-1", -1, &[], Means::Retry),
    // M: over the robot's 20 messages a minute.
    row("45009", 45009, &[], Means::Throttled(BLOCKED)),
    // M: too many calls at the same time.
    row("45033", 45033, &[], Means::Throttled(CROWDED)),
    // L: in 2019 the code of a wrong address was also that of a text over the limit.
    row("93000, of the length", 93000, TOO_LONG, Means::TooLong),
    // M: the address is wrong, or the robot was taken out of the group.
    row("93000", 93000, &[], Means::Misconfigured),
    // M: the robot is disabled; it is not in the group.
    row("93004", 93004, &[], Means::Misconfigured),
    row("93008", 93008, &[], Means::Misconfigured),
    // L: a bad parameter, which a text over the limit is too: "markdown.content exceed max length 4096".
    row("40058, of the length", 40058, TOO_LONG, Means::TooLong),
    row("40058", 40058, &[], Means::Bug),
    // M: the content is too large.
    row("45002", 45002, &[], Means::TooLong),
    // M: the text is empty.
    row("44004", 44004, &[], Means::Rejected),
    // M: the message type is unknown.
    row("40008", 40008, &[], Means::Bug),
    // M: an address over 1024 bytes; one without a scheme.
    row("40039", 40039, &[], Means::Rejected),
    row("45034", 45034, &[], Means::Rejected),
    // M: a picture or file is too big, of the wrong size, unknown, of the wrong size in pixels, empty.
    row("45001", 45001, &[], Means::Rejected),
    row("40006", 40006, &[], Means::Rejected),
    row("40007", 40007, &[], Means::Rejected),
    row("40009", 40009, &[], Means::Rejected),
    row("44001", 44001, &[], Means::Rejected),
    // M: wrong credential of any sort; a wrong application; no right; no address that is allowed to call; nobody who could
    // hear. A robot has none of these today; whatever stands in its place may.
    row("40001", 40001, &[], Means::Misconfigured),
    row("40014", 40014, &[], Means::Misconfigured),
    row("42001", 42001, &[], Means::Misconfigured),
    row("40056", 40056, &[], Means::Misconfigured),
    row("48002", 48002, &[], Means::Misconfigured),
    row("301002", 301002, &[], Means::Misconfigured),
    row("60020", 60020, &[], Means::Misconfigured),
    row("81013", 81013, &[], Means::Misconfigured),
];

const COPY: &str = "copy `webhook` anew from the robot's card in the group; if it is gone, make another robot";
const LONG: &str = "look for a template that makes it so";
const REPORT: &str = "please report it, with its words";

/// Causes, and what to change.
#[rustfmt::skip]
pub const ADVICE: &[Advice] = &[
    advice(&["errcode 93000", "exceed max length"], "the message is too long for the robot", LONG),
    advice(&["errcode 93000"], "there is no robot with this key: it was removed, or the address is not whole", COPY),
    advice(&["errcode 93004"], "the robot is disabled", "enable it in the group's settings"),
    advice(&["errcode 93008"], "the robot is not in the group any more", COPY),
    advice(&["errcode 45009"], "more than 20 messages came within a minute", "wait a minute"),
    advice(&["errcode 45033"], "too many messages came at the same time", "try again"),
    advice(&["errcode 60020"], "this machine's address may not call WeCom's interface",
        "add its public address in WeCom's administration, or send by way of a machine with a fixed one (`proxy`, `base_url`)"),
    advice(&["errcode 40058", "exceed max length"], "the message is too long for the robot", LONG),
    advice(&["errcode 40058"], "the robot finds a parameter wrong", REPORT),
    advice(&["errcode 45002"], "the message is too long for the robot", LONG),
    advice(&["errcode 44004"], "the message is empty", "look for a template that makes it so"),
    advice(&["errcode 40008"], "the robot does not know this type of message", REPORT),
    advice(&["errcode 40039"], "a link in the message is too long", LONG),
    advice(&["errcode 45034"], "a link in the message has no https:// before it", LONG),
    advice(&["errcode 40001"], "WeCom does not accept the key", COPY),
    advice(&["errcode 40014"], "WeCom does not accept the key", COPY),
    advice(&["errcode 42001"], "WeCom does not accept the key any more", COPY),
    advice(&["errcode 40056"], "WeCom does not know this application", COPY),
    advice(&["errcode 48002"], "WeCom gives us no right to call it", COPY),
    advice(&["errcode 301002"], "WeCom gives us no right to call it", COPY),
    advice(&["errcode 81013"], "nobody in the group could hear the message", "look at the group and at `mention`"),
];

const TABLE: Table = Table { rows: ROWS, frames: &[], shut: BLOCKED, advice: ADVICE };

/// Judges an answer.
pub fn judge(response: &Response) -> Judged {
    errcode::judge(response, &TABLE)
}

/// What the rows of the table are called.
pub fn rows() -> Vec<&'static str> {
    TABLE.names().collect()
}
