//! What a DingTalk robot's answer means: the table of its error codes.
//!
//! Errors come as HTTP 200 with an `errcode`, and the codes have moved over the years, so a row may ask for words in
//! `errmsg` as well. Letters before the sources: O the vendor's own page, M a mirror of it or public code, C tried by public
//! code's authors, L reports of operators, 3 third parties only. Real answers of each row are in
//! `tests/answers/dingtalk.toml`.

use jiff::SignedDuration;

use crate::channel::Judged;
use crate::channel::advice::Advice;
use crate::channel::advice::advice;
use crate::channel::errcode;
use crate::channel::errcode::Frame;
use crate::channel::errcode::Means;
use crate::channel::errcode::Row;
use crate::channel::errcode::Shape;
use crate::channel::errcode::Table;
use crate::channel::errcode::any_code;
use crate::channel::errcode::frame;
use crate::channel::errcode::row;
use crate::channel::http::Response;

/// Going over 20 messages a minute blocks the robot for ten minutes (O: vendor's page on sending).
const BLOCKED: SignedDuration = SignedDuration::from_mins(10);

/// A quota that looks like one per day; asked again every hour.
const QUOTA_SPENT: SignedDuration = SignedDuration::from_hours(1);

/// Too many calls of the general interface from one application (O: vendor's page on limits); they are counted by the second
/// and by the minute.
const CALLED_TOO_OFTEN: SignedDuration = SignedDuration::from_mins(1);

/// Too many calls from one address: 10 000 in 20 seconds (O: vendor's page on limits).
const ADDRESS_SHUT: SignedDuration = SignedDuration::from_mins(5);

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // O: "ok".
    row("0", 0, &[], Means::Delivered),
    // M: system busy; the vendor says to try again.
    row("-1", -1, &[], Means::Retry),
    // L: over 20 a minute; "send too fast, exceed 20 times per minute".
    row("130101", 130101, &[], Means::Throttled(BLOCKED)),
    // O: the same, today's code.
    row("410100", 410100, &[], Means::Throttled(BLOCKED)),
    // 3: the same, seen once.
    row("302033", 302033, &[], Means::Throttled(BLOCKED)),
    // 3: the robot's quota is used up.
    row("90030", 90030, &[], Means::Throttled(QUOTA_SPENT)),
    // O: security check failed: keyword missing, sign wrong, time wrong, address not allowed. Told apart for the reader
    // by ADVICE; whichever it is, no message passes until a person changes a setting.
    row("310000", 310000, &[], Means::Misconfigured),
    // L: one code for an unknown token (2018) and for an empty title or text.
    row("300001, of the message", 300001, &["null", "empty", "title", "text"], Means::Rejected),
    row("300001, of the token", 300001, &[], Means::Misconfigured),
    // C: the token does not exist; L: also for external groups.
    row("300005", 300005, &[], Means::Misconfigured),
    // O: token unknown; robot disabled; robot not there; group dissolved.
    row("400101", 400101, &[], Means::Misconfigured),
    row("400102", 400102, &[], Means::Misconfigured),
    row("400106", 400106, &[], Means::Misconfigured),
    row("400013", 400013, &[], Means::Misconfigured),
    // O: message type not supported.
    row("400105", 400105, &[], Means::Rejected),
    // L: title missing; text missing.
    row("400402", 400402, &[], Means::Rejected),
    row("400403", 400403, &[], Means::Rejected),
    // C: a parameter is missing: the token, because the address is not whole, or one of the body, also for broken JSON.
    row("40035, of the token", 40035, &["access_token"], Means::Misconfigured),
    row("40035", 40035, &[], Means::Bug),
    // C: not POST; wrong content type.
    row("43002", 43002, &[], Means::Bug),
    row("43004", 43004, &[], Means::Bug),
    // O: unsafe link; unsuitable text; picture; content.
    row("430101", 430101, &[], Means::ContentRefused),
    row("430102", 430102, &[], Means::ContentRefused),
    row("430103", 430103, &[], Means::ContentRefused),
    row("430104", 430104, &[], Means::ContentRefused),
    // L: body over 20000 bytes; the older code after it.
    row("460101", 460101, &[], Means::TooLong),
    row("101002", 101002, &[], Means::TooLong),
    // O: error of the general interface; its second code says which: 90018, 90005, 90006 called too often, else no right.
    row("88, of the pace", 88, &["90018", "90005", "90006", "频"], Means::Throttled(CALLED_TOO_OFTEN)),
    row("88", 88, &[], Means::Misconfigured),
    // L: codes have moved before; the words have not. Length first: it is said to be exceeded too.
    any_code("any code, of the length", &["too long", "20000 bytes"], Means::TooLong),
    any_code("any code, of the pace", &["too fast", "太快", "限流", "exceed 20 times", "too many requests"],
        Means::Throttled(BLOCKED)),
    any_code("any code, of the protection", &["whitelist", "白名单", "keywords not in content", "关键词不匹配",
        "sign not match", "签名不匹配", "invalid timestamp", "token is not exist"], Means::Misconfigured),
];

#[rustfmt::skip]
const FRAMES: &[Frame] = &[
    // O: this machine's address called too often; no code then, but `{"status":1111,"wait":5,"source":"x5","punish":"deny"}`,
    // also within a page.
    frame("this address is shut", 0..=999, &[Shape::Json, Shape::Page], &["\"punish\""], Means::Throttled(ADDRESS_SHUT)),
];

const UNKNOWN: &str = "copy `webhook` anew; groups with people from outside take no robots";
const SHUT: &str = "wait ten minutes; the robot is shut until then";
const CONTENT: &str = "look for a template or an order with a link, a picture or a word that DingTalk may dislike";
const REPORT: &str = "please report it, with its words";

/// Which of the causes of one code it is, and what to change. The signature stands before the time: its words speak of both.
#[rustfmt::skip]
pub const ADVICE: &[Advice] = &[
    advice(&["errcode 310000", "keyword"], "the robot demands a keyword",
        "set `keyword` to one of those in its security settings"),
    advice(&["errcode 310000", "关键词"], "the robot demands a keyword",
        "set `keyword` to one of those in its security settings"),
    advice(&["errcode 310000", "sign not match"], "the robot demands a signature", SIGN),
    advice(&["errcode 310000", "签名不匹配"], "the robot demands a signature", SIGN),
    advice(&["errcode 310000", "timestamp"], "the robot finds our time wrong", CLOCK),
    advice(&["errcode 310000", "时间戳"], "the robot finds our time wrong", CLOCK),
    advice(&["errcode 310000", "签名"], "the robot demands a signature", SIGN),
    advice(&["errcode 310000", "whitelist"], "the robot does not allow this machine's address", ADDRESS),
    advice(&["errcode 310000", "白名单"], "the robot does not allow this machine's address", ADDRESS),
    advice(&["errcode 310000"], "the robot's protection refuses us",
        "compare it in DingTalk with this channel's table"),
    advice(&["errcode 300001", "token"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 300001"], "the robot finds something missing in the message",
        "make a robot of the kind \"custom\", or look for a template that leaves title or text empty"),
    advice(&["errcode 300005"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 400101"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 400106"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 40035", "access_token"], "the address has no token on its way to the robot",
        "copy `webhook` anew; look at what `base_url` leads to"),
    advice(&["errcode 400102"], "the robot is disabled", "enable it in the group's settings"),
    advice(&["errcode 400013"], "the group is dissolved", "make a robot in another group and set `webhook`"),
    advice(&["errcode 130101"], "more than 20 messages came within a minute", SHUT),
    advice(&["errcode 410100"], "more than 20 messages came within a minute", SHUT),
    advice(&["errcode 302033"], "more than 20 messages came within a minute", SHUT),
    advice(&["errcode 90030"], "the robot's quota is used up", "wait, or ask DingTalk for more"),
    advice(&["errcode 4301"], "DingTalk dislikes something in the message", CONTENT),
    advice(&["errcode 460101"], "the message is too long for the robot", LONG),
    advice(&["errcode 101002"], "the message is too long for the robot", LONG),
    advice(&["errcode 40040"], "the message has no title or no text", "look for a template that leaves them empty"),
    advice(&["errcode 400105"], "the robot does not take this type of message", REPORT),
    advice(&["errcode 40035"], "the robot finds something missing in the request", REPORT),
    advice(&["errcode 4300"], "the robot finds the request malformed", REPORT),
    advice(&["errcode 88 "], "DingTalk gives us no right to call it", "copy `webhook` anew from a custom robot"),
    advice(&["(this address is shut)"], "too many requests come from this machine's address",
        "wait; look for other programs behind the same address"),
];

const SIGN: &str = "set `secret`: it is missing, or another robot's";
const CLOCK: &str = "set this machine's clock (`timedatectl`); it may be an hour off at most";
const ADDRESS: &str = "add its public address to the robot's list, or take the list away";
const LONG: &str = "look for a template that makes it so";

const TABLE: Table = Table { rows: ROWS, frames: FRAMES, shut: BLOCKED, advice: ADVICE };

/// Judges an answer.
pub fn judge(response: &Response) -> Judged {
    errcode::judge(response, &TABLE)
}

/// What the rows of the table are called.
pub fn rows() -> Vec<&'static str> {
    TABLE.names().collect()
}
