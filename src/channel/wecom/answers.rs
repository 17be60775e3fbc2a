//! What a WeCom robot's answer means: the table of its error codes.
//!
//! Errors come as HTTP 200 with an `errcode`; the vendor says to judge by the code and not by the words, so words are asked
//! for only where one code means several things. Letters before the sources: M a mirror of the vendor's list of codes
//! (developer.work.weixin.qq.com, path 90313, as public code generated it in April 2024), L reports of operators.

use jiff::SignedDuration;

use crate::channel::advice::Advice;
use crate::channel::advice::advice;
use crate::channel::errcode;
use crate::channel::errcode::Means;
use crate::channel::errcode::Row;
use crate::channel::errcode::Table;
use crate::channel::errcode::row;
use crate::domain::retry::Answer;

/// A block lasts about as long as the window that was exceeded (M); the robot's is a minute.
const BLOCKED: SignedDuration = SignedDuration::from_mins(1);
/// Too many calls at the same time: the next moment will do.
const CROWDED: SignedDuration = SignedDuration::from_secs(5);

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // M: "ok".
    row(0, 0, &[], Means::Delivered),
    // M: system busy; at most three tries at once.
    row(-1, -1, &[], Means::Retry),
    // M: over the robot's 20 messages a minute.
    row(45009, 45009, &[], Means::Throttled(BLOCKED)),
    // M: too many calls at the same time.
    row(45033, 45033, &[], Means::Throttled(CROWDED)),
    // M: the address is wrong, or the robot was taken out of the group.
    row(93000, 93000, &[], Means::Misconfigured),
    // M: the robot is disabled; it is not in the group.
    row(93004, 93004, &[], Means::Misconfigured),
    row(93008, 93008, &[], Means::Misconfigured),
    // L: a bad parameter, which a text over the limit is too: "markdown.content exceed max length 4096".
    row(40058, 40058, &["exceed max length", "too long", "exceed"], Means::TooLong),
    row(40058, 40058, &[], Means::Bug),
    // M: the content is too large.
    row(45002, 45002, &[], Means::TooLong),
    // M: the text is empty.
    row(44004, 44004, &[], Means::Rejected),
    // M: the message type is unknown.
    row(40008, 40008, &[], Means::Bug),
    // M: an address over 1024 bytes; one without a scheme.
    row(40039, 40039, &[], Means::Rejected),
    row(45034, 45034, &[], Means::Rejected),
    // M: a picture or file is too big, of the wrong size, of an unknown kind, empty.
    row(45001, 45001, &[], Means::Rejected),
    row(40006, 40007, &[], Means::Rejected),
    row(40009, 40009, &[], Means::Rejected),
    row(44001, 44001, &[], Means::Rejected),
    // M: wrong credential of any sort; no right; no address that is allowed to call. A robot has none of these today.
    row(40001, 40001, &[], Means::Misconfigured),
    row(40014, 40014, &[], Means::Misconfigured),
    row(42001, 42001, &[], Means::Misconfigured),
    row(48002, 48002, &[], Means::Misconfigured),
    row(60020, 60020, &[], Means::Misconfigured),
    row(301002, 301002, &[], Means::Misconfigured),
];

const COPY: &str = "copy `webhook` anew from the robot's card in the group; if it is gone, make another robot";

/// Causes, and what to change.
#[rustfmt::skip]
pub const ADVICE: &[Advice] = &[
    advice(&["errcode 93000"], "there is no robot with this key: it was removed, or the address is not whole", COPY),
    advice(&["errcode 93004"], "the robot is disabled", "enable it in the group's settings"),
    advice(&["errcode 93008"], "the robot is not in the group any more", COPY),
    advice(&["errcode 45009"], "more than 20 messages came within a minute", "wait a minute"),
    advice(&["errcode 45033"], "too many messages came at the same time", "try again"),
    advice(&["errcode 60020"], "this machine's address may not call WeCom's interface",
        "add its public address in WeCom's administration"),
    advice(&["errcode 40058", "exceed"], "the message is too long for the robot", "look for a template that makes it so"),
];

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

    fn answer(errcode: i64, errmsg: &str) -> Answer {
        judge(200, serde_json::json!({ "errcode": errcode, "errmsg": errmsg }).to_string().as_bytes())
    }

    #[test]
    fn a_yes_is_only_errcode_zero() {
        let outcome = |status, body: &str| judge(status, body.as_bytes()).outcome;
        assert_eq!(outcome(200, r#"{"errcode":0,"errmsg":"ok"}"#), Outcome::Delivered);
        assert_eq!(outcome(502, r#"{"errcode":0,"errmsg":"ok"}"#), Outcome::Retry { after: None });
        assert_eq!(outcome(200, "ok"), Outcome::Retry { after: None });
        assert_eq!(outcome(200, ""), Outcome::Retry { after: None });
        assert_eq!(outcome(200, "<html>"), Outcome::Retry { after: None });
        assert_eq!(outcome(200, "{}"), Outcome::Unknown);
        assert_eq!(outcome(429, ""), Outcome::Throttled { wait: BLOCKED });
        assert_eq!(answer(987_654, "new one").outcome, Outcome::Unknown);
    }

    #[test]
    fn every_documented_code_has_its_outcome() {
        let table = [
            (-1, Outcome::Retry { after: None }),
            (45_009, Outcome::Throttled { wait: SignedDuration::from_mins(1) }),
            (45_033, Outcome::Throttled { wait: SignedDuration::from_secs(5) }),
            (93_000, Outcome::Misconfigured),
            (93_004, Outcome::Misconfigured),
            (93_008, Outcome::Misconfigured),
            (60_020, Outcome::Misconfigured),
            (45_002, Outcome::TooLong),
            (44_004, Outcome::Rejected),
            (40_008, Outcome::Bug),
            (40_039, Outcome::Rejected),
            (45_034, Outcome::Rejected),
            (40_007, Outcome::Rejected),
        ];
        for (errcode, expected) in table {
            assert_eq!(answer(errcode, "").outcome, expected, "{errcode}");
        }
        let too_long = "markdown.content exceed max length 4096. invalid Request Parameter";
        assert_eq!(answer(40_058, too_long).outcome, Outcome::TooLong);
        assert_eq!(answer(40_058, "invalid Request Parameter").outcome, Outcome::Bug);
    }

    #[test]
    fn each_advice_is_found_again_in_the_words_that_it_is_part_of() {
        for known in ADVICE {
            let code: i64 = known.says[0].trim_start_matches("errcode ").parse().unwrap();
            let answer = answer(code, known.says.get(1).unwrap_or(&""));
            assert!(answer.own_words().contains(known.cause), "{}", answer.words);
            assert_eq!(find(ADVICE, &answer.words), Some(known), "{}", answer.words);
        }
    }
}
