//! What a DingTalk robot's answer means: the table of its error codes.
//!
//! Errors come as HTTP 200 with an `errcode`, and the codes have moved over the years, so a row may ask for words in
//! `errmsg` as well. Letters before the sources: O the vendor's own page, M a mirror of it or public code, C tried by public
//! code's authors, L reports of operators, 3 third parties only. Real answers of each row are in
//! `tests/answers/dingtalk.toml`.

use jiff::SignedDuration;

use crate::channel::errcode::{
    AnswerRow, AnswerTable, Classification, HttpRule, Shape, always, any_code, http_rule, row, where_said,
};
use crate::channel::http::Response;
use crate::channel::{Judged, errcode};
use crate::domain::remedy::Remedy;

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
const ROWS: &[AnswerRow] = &[
    // O: "ok".
    row("0", 0, &[], Classification::Delivered, &[]),
    // M: system busy; the vendor says to try again.
    row("-1", -1, &[], Classification::Retry, &[]),
    // L: over 20 a minute; "send too fast, exceed 20 times per minute".
    row("130101", 130101, &[], Classification::Throttled(BLOCKED), &[always("dingtalk.too_many")]),
    // O: the same, today's code.
    row("410100", 410100, &[], Classification::Throttled(BLOCKED), &[always("dingtalk.too_many")]),
    // 3: the same, seen once.
    row("302033", 302033, &[], Classification::Throttled(BLOCKED), &[always("dingtalk.too_many")]),
    // 3: the robot's quota is used up.
    row("90030", 90030, &[], Classification::Throttled(QUOTA_SPENT), &[always("dingtalk.quota")]),
    // O: security check failed: keyword missing, sign wrong, time wrong, address not allowed. The words tell them apart;
    // whichever it is, no message passes until a person changes a setting.
    row("310000", 310000, &[], Classification::Misconfigured, &[
        where_said(&["keyword", "关键词"], "dingtalk.keyword"),
        // Before the time: its words speak of both.
        where_said(&["sign not match", "签名不匹配"], "dingtalk.signature"),
        where_said(&["timestamp", "时间戳"], "dingtalk.clock"),
        where_said(&["签名"], "dingtalk.signature"),
        where_said(&["whitelist", "白名单"], "dingtalk.address"),
        always("dingtalk.protection"),
    ]),
    // L: one code for an unknown token (2018) and for an empty title or text.
    row("300001, of the message", 300001, &["null", "empty", "title", "text"], Classification::Rejected,
        &[where_said(&["token"], "dingtalk.unknown_token"), always("dingtalk.incomplete")]),
    row("300001, of the token", 300001, &[], Classification::Misconfigured,
        &[where_said(&["token"], "dingtalk.unknown_token"), always("dingtalk.incomplete")]),
    // C: the token does not exist; L: also for external groups.
    row("300005", 300005, &[], Classification::Misconfigured, &[always("dingtalk.unknown_token")]),
    // O: token unknown; robot disabled; robot not there; group dissolved.
    row("400101", 400101, &[], Classification::Misconfigured, &[always("dingtalk.unknown_token")]),
    row("400102", 400102, &[], Classification::Misconfigured, &[always("dingtalk.disabled")]),
    row("400106", 400106, &[], Classification::Misconfigured, &[always("dingtalk.unknown_token")]),
    row("400013", 400013, &[], Classification::Misconfigured, &[always("dingtalk.dissolved")]),
    // O: message type not supported.
    row("400105", 400105, &[], Classification::Rejected, &[always("dingtalk.type")]),
    // L: title missing; text missing.
    row("400402", 400402, &[], Classification::Rejected, &[always("dingtalk.empty")]),
    row("400403", 400403, &[], Classification::Rejected, &[always("dingtalk.empty")]),
    // C: a parameter is missing: the token, because the address is not whole, or one of the body, also for broken JSON.
    row("40035, of the token", 40035, &["access_token"], Classification::Misconfigured, &[always("dingtalk.no_token")]),
    row("40035", 40035, &[], Classification::Bug, &[always("dingtalk.parameter")]),
    // C: not POST; wrong content type.
    row("43002", 43002, &[], Classification::Bug, &[always("dingtalk.malformed")]),
    row("43004", 43004, &[], Classification::Bug, &[always("dingtalk.malformed")]),
    // O: unsafe link; unsuitable text; picture; content.
    row("430101", 430101, &[], Classification::ContentRefused, &[always("dingtalk.disliked")]),
    row("430102", 430102, &[], Classification::ContentRefused, &[always("dingtalk.disliked")]),
    row("430103", 430103, &[], Classification::ContentRefused, &[always("dingtalk.disliked")]),
    row("430104", 430104, &[], Classification::ContentRefused, &[always("dingtalk.disliked")]),
    // L: body over 20000 bytes; the older code after it.
    row("460101", 460101, &[], Classification::TooLong, &[always("dingtalk.too_long")]),
    row("101002", 101002, &[], Classification::TooLong, &[always("dingtalk.too_long")]),
    // O: error of the general interface; its second code says which: 90018, 90005, 90006 called too often, else no right.
    row("88, of the pace", 88, &["90018", "90005", "90006", "频"], Classification::Throttled(CALLED_TOO_OFTEN),
        &[always("dingtalk.no_right")]),
    row("88", 88, &[], Classification::Misconfigured, &[always("dingtalk.no_right")]),
    // L: codes have moved before; the words have not. Length first: it is said to be exceeded too.
    any_code("any code, of the length", &["too long", "20000 bytes"], Classification::TooLong),
    any_code("any code, of the pace", &["too fast", "太快", "限流", "exceed 20 times", "too many requests"],
        Classification::Throttled(BLOCKED)),
    any_code("any code, of the protection", &["whitelist", "白名单", "keywords not in content", "关键词不匹配",
        "sign not match", "签名不匹配", "invalid timestamp", "token is not exist"], Classification::Misconfigured),
];

#[rustfmt::skip]
const HTTP_RULES: &[HttpRule] = &[
    // O: this machine's address called too often; no code then, but `{"status":1111,"wait":5,"source":"x5","punish":"deny"}`,
    // also within a page.
    http_rule("this address is shut", 0..=999, &[Shape::Json, Shape::Page], &["\"punish\""], Classification::Throttled(ADDRESS_SHUT))
        .with("dingtalk.address_shut"),
];

const TABLE: AnswerTable = AnswerTable { rows: ROWS, http_rules: HTTP_RULES, blocked: BLOCKED };

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
