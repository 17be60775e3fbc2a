//! What a DingTalk robot's answer means: the table of its error codes.
//!
//! Errors come as HTTP 200 with an `errcode`, and the codes have moved over the years, so a row may ask for words in
//! `errmsg` as well. Letters before the sources: O the vendor's own page, M a mirror of it or
//! public code, C tried by public code's authors, L reports of operators, 3 third parties only.

use jiff::SignedDuration;
use serde::Deserialize;

use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::quoted;
use crate::domain::text::cap;
use crate::domain::text::one_line;

/// Going over 20 messages a minute blocks the robot for ten minutes (O: vendor's page on sending).
const BLOCKED: SignedDuration = SignedDuration::from_mins(10);

/// A quota that looks like one per day; asked again every hour.
const QUOTA_SPENT: SignedDuration = SignedDuration::from_hours(1);

const WORDS_GRAPHEMES: usize = 200;

/// What a row of the table leads to.
#[derive(Clone, Copy)]
enum Means {
    Delivered,
    Retry,
    Throttled(SignedDuration),
    Misconfigured,
    TooLong,
    ContentRefused,
    Rejected,
    Bug,
}

struct Row {
    codes: std::ops::RangeInclusive<i64>,
    /// Any of these in `errmsg`, in small letters; none asked for when empty.
    words: &'static [&'static str],
    means: Means,
}

const fn row(first: i64, last: i64, words: &'static [&'static str], means: Means) -> Row {
    Row { codes: first..=last, words, means }
}

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
    // by advice(); whichever it is, no message passes until a person changes a setting.
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

#[derive(Deserialize)]
struct Body {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

/// Judges an answer by status and body.
pub fn judge(status: u16, body: &[u8]) -> Answer {
    let outcome_by_status = match status {
        429 => Some(Outcome::Throttled { wait: BLOCKED }),
        500.. => Some(Outcome::Retry { after: None }),
        _ => None,
    };
    let Ok(Body { errcode, errmsg }) = serde_json::from_slice(body) else {
        // A page of a proxy or gateway: the robot has not been reached. JSON without a code is an answer nobody knows.
        let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok();
        let otherwise =
            if is_json && (200..300).contains(&status) { Outcome::Unknown } else { Outcome::Retry { after: None } };
        let page = String::from_utf8_lossy(&body[..body.len().min(2_000)]);
        let words = quoted(&format!("HTTP {status}"), &words(&page));
        return Answer { outcome: outcome_by_status.unwrap_or(otherwise), words };
    };
    let lower = errmsg.to_lowercase();
    let found = ROWS.iter().find(|row| {
        row.codes.contains(&errcode) && (row.words.is_empty() || row.words.iter().any(|w| lower.contains(w)))
    });
    let outcome = match found.map(|row| row.means) {
        Some(Means::Delivered) => outcome_by_status.unwrap_or(Outcome::Delivered),
        Some(Means::Retry) => Outcome::Retry { after: None },
        Some(Means::Throttled(wait)) => Outcome::Throttled { wait },
        Some(Means::Misconfigured) => Outcome::Misconfigured,
        Some(Means::TooLong) => Outcome::TooLong,
        Some(Means::ContentRefused) => Outcome::ContentRefused,
        Some(Means::Rejected) => Outcome::Rejected,
        Some(Means::Bug) => Outcome::Bug,
        None => outcome_by_status.unwrap_or(Outcome::Unknown),
    };
    let head = match advice(errcode, &lower) {
        Some(advice) => format!("errcode {errcode} ({advice})"),
        None => format!("errcode {errcode}"),
    };
    let said = words(&errmsg);
    // The vendor's texts of the codes we know quote nothing of a message.
    let words = if found.is_some() && !said.is_empty() { format!("{head}: {said}") } else { quoted(&head, &said) };
    Answer { outcome, words }
}

/// Which of the causes of one code it is, in words that say what to change.
fn advice(errcode: i64, errmsg: &str) -> Option<&'static str> {
    let says = |words: &[&str]| words.iter().any(|word| errmsg.contains(word));
    match errcode {
        310000 if says(&["keyword", "关键词"]) => Some("the robot demands a keyword: set `keyword`"),
        310000 if says(&["timestamp", "时间戳"]) => Some("the robot finds our time wrong: set this machine's clock"),
        310000 if says(&["sign", "签名"]) => Some("the robot demands signing: `secret` is missing or wrong"),
        310000 if says(&["ip", "whitelist", "白名单"]) => Some("the robot does not allow this machine's address"),
        310000 => Some("the robot's security setting refuses us"),
        300005 | 400101 | 400106 => Some("the robot's token is unknown: check `webhook`"),
        400102 => Some("the robot is disabled"),
        400013 => Some("the group is dissolved"),
        _ => None,
    }
}

/// The far side's words, short, on one line, without what could be a credential.
fn words(said: &str) -> String {
    cap(&without_tokens(&one_line(said)), WORDS_GRAPHEMES).into_owned()
}

/// Takes out the values of `access_token=`, `sign=` and `secret=`, and any run that looks like a token.
fn without_tokens(text: &str) -> String {
    let is_token = |character: char| character.is_ascii_alphanumeric();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.find(|character| !is_token(character)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(run);
        let named = ["access_token=", "sign=", "secret=", "token=", "key="].iter().any(|name| out.ends_with(name));
        out.push_str(if (named && !word.is_empty()) || word.len() >= 32 { "***" } else { word });
        let other = after.find(is_token).unwrap_or(after.len());
        // What follows a named value without a blank is still that value: percent signs, dashes.
        let (between, next) = after.split_at(other);
        out.push_str(between);
        rest = next;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn no_token_is_in_the_words_and_they_are_short() {
        let token = "a1".repeat(32);
        let answer = judge(
            404,
            format!("no route for /robot/send?access_token={token}&sign=Ab%2B1 {}", "x ".repeat(400)).as_bytes(),
        );
        assert!(!answer.words.contains(&token) && !answer.words.contains("Ab%2B1"), "{}", answer.words);
        assert!(answer.words.chars().count() <= 300);
    }
}
