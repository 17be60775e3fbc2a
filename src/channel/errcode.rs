//! Robots that answer with an `errcode`: how such an answer is judged by a robot's table of codes.
//!
//! Errors come as HTTP 200 as well, so only `errcode` 0 is a yes. Codes have moved over the years, so a row may ask for
//! words in `errmsg` too.

use jiff::SignedDuration;
use serde::Deserialize;

use crate::channel::advice;
use crate::channel::advice::Advice;
use crate::channel::http::Response;
use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::quoted;
use crate::domain::text::cap;
use crate::domain::text::one_line;

const WORDS_GRAPHEMES: usize = 200;

/// What a row of the table leads to.
#[derive(Clone, Copy)]
pub enum Means {
    Delivered,
    Retry,
    Throttled(SignedDuration),
    Misconfigured,
    TooLong,
    ContentRefused,
    Rejected,
    Bug,
}

/// One meaning of some codes.
pub struct Row {
    codes: std::ops::RangeInclusive<i64>,
    /// Any of these in `errmsg`, in small letters; none asked for when empty.
    words: &'static [&'static str],
    means: Means,
}

pub const fn row(first: i64, last: i64, words: &'static [&'static str], means: Means) -> Row {
    Row { codes: first..=last, words, means }
}

/// What one vendor's answers mean.
pub struct Table {
    /// The first row that fits counts.
    pub rows: &'static [Row],
    /// How long the robot is shut when HTTP itself says "too many requests".
    pub shut: SignedDuration,
    /// Causes, told apart for whoever reads the answer.
    pub advice: &'static [Advice],
}

#[derive(Deserialize)]
struct Body {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

/// Judges an answer by status and body.
pub fn judge(status: u16, body: &[u8], table: &Table) -> Answer {
    let outcome_by_status = match status {
        429 => Some(Outcome::Throttled { wait: table.shut }),
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
    let found = table.rows.iter().find(|row| {
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
    let head = match advice::find(table.advice, &format!("errcode {errcode}: {lower}")) {
        Some(Advice { cause, change, .. }) => format!("errcode {errcode} ({cause}: {change})"),
        None => format!("errcode {errcode}"),
    };
    let said = words(&errmsg);
    // The vendor's texts of the codes we know quote nothing of a message.
    let words = if found.is_some() && !said.is_empty() { format!("{head}: {said}") } else { quoted(&head, &said) };
    Answer { outcome, words }
}

/// What the answer's frame adds to its words: how long to wait, and whether we have seen the whole of it.
pub fn weighed(answer: Answer, response: &Response) -> Answer {
    let outcome = match answer.outcome {
        Outcome::Retry { after: None } if response.truncated && response.status < 300 => Outcome::Unknown,
        Outcome::Retry { after: None } => Outcome::Retry { after: response.retry_after },
        Outcome::Throttled { wait } => Outcome::Throttled { wait: wait.max(response.retry_after.unwrap_or(wait)) },
        outcome => outcome,
    };
    Answer { outcome, ..answer }
}

/// The far side's words, short, on one line, without what could be a credential.
fn words(said: &str) -> String {
    cap(&without_tokens(&one_line(said)), WORDS_GRAPHEMES).into_owned()
}

/// Takes out the values of `access_token=`, `key=`, `sign=` and `secret=`, and any run that looks like a token.
fn without_tokens(text: &str) -> String {
    let in_run = |character: char| character.is_ascii_alphanumeric() || "-_%+.~".contains(character);
    let in_value = |character: char| !character.is_whitespace() && !"&,;\"')]}".contains(character);
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let named = ["token=", "sign=", "secret=", "key="].iter().any(|name| out.ends_with(name));
        let end = match named {
            true => rest.find(|character| !in_value(character)),
            false => rest.find(|character| !in_run(character)),
        };
        let (run, after) = rest.split_at(end.unwrap_or(rest.len()).max(if named { 0 } else { first.len_utf8() }));
        if (named && !run.is_empty()) || looks_like_a_token(run) {
            out.push_str("***");
        } else {
            out.push_str(run);
        }
        rest = after;
        if named && let Some(separator) = rest.chars().next() {
            out.push(separator);
            rest = &rest[separator.len_utf8()..];
        }
    }
    out
}

/// As long as a robot's token: in one piece, or with dashes as a UUID is written.
fn looks_like_a_token(run: &str) -> bool {
    const TOKEN: usize = 32;
    let letters = run.bytes().filter(u8::is_ascii_alphanumeric).count();
    let in_one_piece =
        run.split(|character: char| !character.is_ascii_alphanumeric()).any(|piece| piece.len() >= TOKEN);
    in_one_piece || (letters >= TOKEN && run.bytes().any(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Table = Table { rows: &[], shut: SignedDuration::ZERO, advice: &[] };

    #[test]
    fn no_token_is_in_the_words_and_they_are_short() {
        let token = "a1".repeat(32);
        let uuid = "693a91f6-7abc-4bc4-97a0-0ec2sifa5aaa";
        let page = format!(
            "no route for /robot/send?access_token={token}&sign=Ab%2B1/x= /send?key={uuid}, \"key={uuid}\" {uuid} {}",
            "x ".repeat(400)
        );
        let answer = judge(404, page.as_bytes(), &NOTHING);
        for secret in [token.as_str(), "Ab%2B1", "2B1", uuid, "7abc", "4bc4"] {
            assert!(!answer.words.contains(secret), "{secret} is in {}", answer.words);
        }
        assert!(answer.words.contains("no route for /robot/send?access_token=***&sign=*** /send?key=***, "));
        assert!(answer.words.chars().count() <= 300);
    }

    #[test]
    fn an_address_that_explains_stays_readable() {
        let help = "https://open.dingtalk.com/document/robots/customize-robot-security-settings";
        assert_eq!(without_tokens(help), help);
        assert_eq!(without_tokens("関 key= next 中"), "関 key= next 中");
    }
}
