//! What a DingTalk robot's answer means: the table of its error codes.
//!
//! Errors come as HTTP 200 with an `errcode`, and the codes have moved over the years, so a row may ask for words in
//! `errmsg` as well. Letters before the sources: O the vendor's own page, M a mirror of it or
//! public code, C tried by public code's authors, L reports of operators, 3 third parties only.

use jiff::SignedDuration;

use crate::channel::advice::Advice;
use crate::channel::advice::advice;
use crate::channel::errcode;
use crate::channel::errcode::Means;
use crate::channel::errcode::Row;
use crate::channel::errcode::Table;
use crate::channel::errcode::row;
use crate::domain::retry::Answer;

/// Going over 20 messages a minute blocks the robot for ten minutes (O: vendor's page on sending).
const BLOCKED: SignedDuration = SignedDuration::from_mins(10);

/// A quota that looks like one per day; asked again every hour.
const QUOTA_SPENT: SignedDuration = SignedDuration::from_hours(1);

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // O: "ok".
    row(0, 0, &[], Means::Delivered),
    // M: system busy; the vendor says to try again.
    row(-1, -1, &[], Means::Retry),
    // L: over 20 a minute; "send too fast, exceed 20 times per minute".
    row(130101, 130101, &[], Means::Throttled(BLOCKED)),
    // M: the same, today's code.
    row(410100, 410100, &[], Means::Throttled(BLOCKED)),
    // 3: the same, seen once.
    row(302033, 302033, &[], Means::Throttled(BLOCKED)),
    // 3: the robot's quota is used up.
    row(90030, 90030, &[], Means::Throttled(QUOTA_SPENT)),
    // L: security check failed: keyword missing, sign wrong, time wrong, address not allowed. Told apart for the reader
    // by ADVICE; whichever it is, no message passes until a person changes a setting.
    row(310000, 310000, &[], Means::Misconfigured),
    // L: one code for an unknown token (2018) and for an empty title or text.
    row(300001, 300001, &["null", "empty", "title", "text"], Means::Rejected),
    row(300001, 300001, &[], Means::Misconfigured),
    // L: the token does not exist; also for external groups.
    row(300005, 300005, &[], Means::Misconfigured),
    // M: token unknown; robot disabled; robot not there.
    row(400101, 400102, &[], Means::Misconfigured),
    row(400106, 400106, &[], Means::Misconfigured),
    // M: the group is dissolved.
    row(400013, 400013, &[], Means::Misconfigured),
    // M: message type not supported.
    row(400105, 400105, &[], Means::Rejected),
    // L: title missing (400402), text missing (400403), and their neighbours for other message types.
    row(400400, 400499, &[], Means::Rejected),
    // L: parameter missing, also for broken JSON.
    row(40035, 40035, &[], Means::Bug),
    // C: not POST; wrong content type.
    row(43002, 43002, &[], Means::Bug),
    row(43004, 43004, &[], Means::Bug),
    // M: unsafe link; unsuitable text, picture, content.
    row(430101, 430104, &[], Means::ContentRefused),
    // L: body over 20000 bytes; the older code after it.
    row(460101, 460101, &[], Means::TooLong),
    row(101002, 101002, &[], Means::TooLong),
    // M: authorisation error of the general API.
    row(88, 88, &[], Means::Misconfigured),
    // L: codes have moved before; the words have not.
    row(i64::MIN, i64::MAX, &["too fast", "限流", "exceed 20", "too many requests"], Means::Throttled(BLOCKED)),
    row(i64::MIN, i64::MAX, &["whitelist", "白名单", "keywords not in content", "关键词", "sign not match", "签名不匹配",
        "invalid timestamp", "token is not exist"], Means::Misconfigured),
];

/// Which of the causes of one code it is, and what to change.
#[rustfmt::skip]
pub const ADVICE: &[Advice] = &[
    advice(&["errcode 310000", "keyword"], "the robot demands a keyword",
        "set `keyword` to one of those in its security settings"),
    advice(&["errcode 310000", "关键词"], "the robot demands a keyword",
        "set `keyword` to one of those in its security settings"),
    advice(&["errcode 310000", "timestamp"], "the robot finds our time wrong",
        "set this machine's clock (`timedatectl`); it may be an hour off at most"),
    advice(&["errcode 310000", "时间戳"], "the robot finds our time wrong",
        "set this machine's clock (`timedatectl`); it may be an hour off at most"),
    advice(&["errcode 310000", "sign"], "the robot demands a signature",
        "set `secret`: it is missing, or another robot's"),
    advice(&["errcode 310000", "签名"], "the robot demands a signature",
        "set `secret`: it is missing, or another robot's"),
    advice(&["errcode 310000", "whitelist"], "the robot does not allow this machine's address",
        "add its public address to the robot's list, or take the list away"),
    advice(&["errcode 310000", "白名单"], "the robot does not allow this machine's address",
        "add its public address to the robot's list, or take the list away"),
    advice(&["errcode 310000", "ip"], "the robot does not allow this machine's address",
        "add its public address to the robot's list, or take the list away"),
    advice(&["errcode 310000"], "the robot's protection refuses us",
        "compare it in DingTalk with this channel's table"),
    advice(&["errcode 300001", "token"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 300005"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 400101"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 400106"], "the robot's token is unknown", UNKNOWN),
    advice(&["errcode 400102"], "the robot is disabled", "enable it in the group's settings"),
    advice(&["errcode 400013"], "the group is dissolved", "make a robot in another group and set `webhook`"),
    advice(&["errcode 130101"], "more than 20 messages came within a minute", SHUT),
    advice(&["errcode 410100"], "more than 20 messages came within a minute", SHUT),
    advice(&["errcode 302033"], "more than 20 messages came within a minute", SHUT),
    advice(&["errcode 90030"], "the robot's quota is used up", "wait, or ask DingTalk for more"),
];

const UNKNOWN: &str = "copy `webhook` anew; groups with people from outside take no robots";
const SHUT: &str = "wait ten minutes; the robot is shut until then";

const TABLE: Table = Table { rows: ROWS, shut: BLOCKED, advice: ADVICE };

/// Judges an answer by status and body.
pub fn judge(status: u16, body: &[u8]) -> Answer {
    errcode::judge(status, body, &TABLE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::advice::find;
    use crate::domain::retry::Outcome;

    fn outcome(status: u16, body: &str) -> Outcome {
        judge(status, body.as_bytes()).outcome
    }

    fn code(errcode: i64, errmsg: &str) -> Outcome {
        outcome(200, &serde_json::json!({ "errcode": errcode, "errmsg": errmsg }).to_string())
    }

    #[test]
    fn a_yes_is_only_errcode_zero() {
        assert_eq!(outcome(200, r#"{"errcode":0,"errmsg":"ok"}"#), Outcome::Delivered);
        assert_eq!(outcome(200, "ok"), Outcome::Retry { after: None });
        assert_eq!(outcome(200, ""), Outcome::Retry { after: None });
        assert_eq!(outcome(200, "{}"), Outcome::Unknown);
        assert_eq!(code(987_654, "new one"), Outcome::Unknown);
        assert_eq!(outcome(502, r#"{"errcode":0}"#), Outcome::Retry { after: None });
    }

    #[test]
    fn every_documented_code_has_its_outcome() {
        let throttled = Outcome::Throttled { wait: SignedDuration::from_mins(10) };
        let table = [
            (-1, Outcome::Retry { after: None }),
            (130_101, throttled.clone()),
            (410_100, throttled.clone()),
            (302_033, throttled.clone()),
            (90_030, Outcome::Throttled { wait: SignedDuration::from_hours(1) }),
            (310_000, Outcome::Misconfigured),
            (300_005, Outcome::Misconfigured),
            (400_101, Outcome::Misconfigured),
            (400_102, Outcome::Misconfigured),
            (400_106, Outcome::Misconfigured),
            (400_013, Outcome::Misconfigured),
            (400_105, Outcome::Rejected),
            (400_402, Outcome::Rejected),
            (400_403, Outcome::Rejected),
            (40_035, Outcome::Bug),
            (43_002, Outcome::Bug),
            (43_004, Outcome::Bug),
            (430_101, Outcome::ContentRefused),
            (430_104, Outcome::ContentRefused),
            (460_101, Outcome::TooLong),
            (101_002, Outcome::TooLong),
            (88, Outcome::Misconfigured),
        ];
        for (errcode, expected) in table {
            assert_eq!(code(errcode, ""), expected, "{errcode}");
        }
        assert_eq!(code(300_001, "title or text is null"), Outcome::Rejected);
        assert_eq!(code(300_001, "token is not exist"), Outcome::Misconfigured);
        assert_eq!(code(999_999, "send too fast, exceed 20 times per minute"), throttled);
        assert_eq!(outcome(429, "<html>slow down</html>"), throttled);
        assert_eq!(outcome(503, "<html>maintenance</html>"), Outcome::Retry { after: None });
        assert_eq!(outcome(404, "<html>gateway</html>"), Outcome::Retry { after: None });
    }

    #[test]
    fn the_words_say_what_to_change() {
        let words = |errmsg: &str| {
            judge(200, serde_json::json!({ "errcode": 310_000, "errmsg": errmsg }).to_string().as_bytes()).words
        };
        assert!(words("keywords not in content").contains("`keyword`"));
        assert!(words("invalid timestamp").contains("clock"));
        assert!(words("sign not match").contains("`secret`"));
        assert!(words("ip 203.0.113.9 not in whitelist").contains("address"));
        assert!(words("错误描述:关键词不匹配").contains("`keyword`"));
    }

    #[test]
    fn each_advice_is_found_again_in_the_words_that_it_is_part_of() {
        for known in ADVICE {
            let code: i64 = known.says[0].trim_start_matches("errcode ").parse().unwrap();
            let said = known.says.get(1).unwrap_or(&"");
            let body = serde_json::json!({ "errcode": code, "errmsg": said }).to_string();
            let answer = judge(200, body.as_bytes());
            assert!(answer.own_words().contains(known.cause), "{}", answer.words);
            assert_eq!(find(ADVICE, &answer.words).map(|found| found.cause), Some(known.cause), "{}", answer.words);
        }
    }
}
