//! What a mail server's reply means: one table, read from the top.
//!
//! Sources: RFC 5321 section 4.2 and RFC 3463 for the classes; RFC 4954 section 6 for log-ins; Amazon SES "SMTP response
//! codes", Google Workspace "SMTP errors and codes", NetEase "退信代码", Tencent Exmail "退信" for their own words; read in
//! November 2026.

use jiff::SignedDuration;

use crate::channel::advice::Advice;
use crate::channel::advice::advice;
use crate::channel::smtp::reply::Failure;
use crate::channel::smtp::reply::Phase;
use crate::channel::smtp::reply::Reply;
use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::quoted;
use crate::domain::text::clean_line;

/// Longest piece of a server's words that is kept, in characters.
const WORDS: usize = 300;

const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const TWO_MINUTES: SignedDuration = SignedDuration::from_mins(2);
const QUARTER: SignedDuration = SignedDuration::from_mins(15);
const SIX_HOURS: SignedDuration = SignedDuration::from_hours(6);

/// When a row holds.
struct Row {
    phases: &'static [Phase],
    /// The codes; none fits every code.
    codes: &'static [u16],
    /// Subject and detail of the enhanced code; none fits every one.
    enhanced: &'static [(u16, u16)],
    /// One of these must stand in the text, in lower case; none fits every text.
    says: &'static [&'static str],
    meaning: Meaning,
    /// What to do about it, for people.
    advice: &'static str,
}

#[derive(Clone, Copy)]
enum Meaning {
    Retry,
    Throttled(SignedDuration),
    Misconfigured,
    /// The recipient, or the mail for him, will never be taken.
    Rejected,
    /// The recipient's mailbox is full: one late retry.
    Full,
}

use Meaning::Full;
use Meaning::Misconfigured;
use Meaning::Rejected;
use Meaning::Retry;
use Meaning::Throttled;

const ANY: Row = Row { phases: &[], codes: &[], enhanced: &[], says: &[], meaning: Retry, advice: "" };
const LOG_IN: Row = Row { phases: &[Phase::Auth], ..ANY };
const AFTER: [Phase; 3] = [Phase::Data, Phase::Content, Phase::Answer];

const ROWS: [Row; 24] = [
    // NetEase counts connections, mails a connection, and mails in a quarter of an hour.
    Row { says: &["hl:icc"], meaning: Throttled(TWO_MINUTES), advice: "set connections = 1", ..ANY },
    Row { says: &["mi:sfq"], meaning: Throttled(QUARTER), ..ANY },
    Row { says: &["mi:dmc"], meaning: Retry, ..ANY },
    Row { says: &["dt:spm"], codes: &[450, 451], meaning: Throttled(TWO_MINUTES), ..ANY },
    // A full mailbox speaks of quota too, so it stands before the sender's own.
    Row { codes: &[452, 552, 422, 522], enhanced: &[(2, 2)], meaning: Full, advice: "the mailbox is full", ..ANY },
    Row { enhanced: &[(2, 2)], meaning: Full, advice: "the mailbox is full", ..ANY },
    // The sender's allowance, whatever the class: Google says no for a day's limit (550 5.4.5), Amazon for now (454).
    Row { enhanced: &[(4, 5)], meaning: Throttled(SIX_HOURS), advice: "the day's allowance is used up", ..ANY },
    Row {
        says: &["daily message quota", "daily user sending", "daily sending", "day limit", "per day"],
        meaning: Throttled(SIX_HOURS),
        advice: "the day's allowance is used up",
        ..ANY
    },
    Row {
        says: &["sending rate", "throttl", "too frequent", "frequency limit", "too many mess", "too many mail"],
        meaning: Throttled(MINUTE),
        ..ANY
    },
    Row {
        says: &["too many connections", "too many concurrent"],
        meaning: Throttled(MINUTE),
        advice: "set connections = 1",
        ..ANY
    },
    Row { enhanced: &[(7, 28)], meaning: Throttled(QUARTER), ..ANY },
    // The log-in. 454 there is a failure of the moment (RFC 4954).
    Row { codes: &[454, 421, 432, 451, 450], meaning: Retry, ..LOG_IN },
    Row { codes: &[534], meaning: Misconfigured, advice: "the provider wants an app password of its own", ..LOG_IN },
    Row { codes: &[538], meaning: Misconfigured, advice: "use smtps:// or smtp://", ..LOG_IN },
    Row {
        codes: &[535, 530, 550, 553, 500, 501, 502, 503, 504, 554, 525],
        meaning: Misconfigured,
        advice: "username or password is wrong; many providers want an app password",
        ..LOG_IN
    },
    Row { codes: &[530], says: &["starttls"], meaning: Misconfigured, advice: "use smtp:// or smtps://", ..ANY },
    Row {
        codes: &[530],
        meaning: Misconfigured,
        advice: "the server wants a log-in: set username and password",
        ..ANY
    },
    Row {
        codes: &[504, 501],
        says: &["fully-qualified", "fqdn", "helo", "ehlo"],
        meaning: Misconfigured,
        advice: "set hello_name to a name of this machine with a dot in it",
        ..ANY
    },
    // Tencent and others say so only after the whole mail.
    Row {
        phases: &AFTER,
        codes: &[550, 553, 554, 501],
        says: &["\"from\" header", "from header", "header from", "mail from must equal", "from address"],
        meaning: Misconfigured,
        advice: "from must be the address that logs in",
        ..ANY
    },
    Row {
        phases: &[Phase::Mail],
        codes: &[550, 553, 501, 554, 551],
        meaning: Misconfigured,
        advice: "from must be an address that this account may use",
        ..ANY
    },
    // Relaying and authorisation are no fault of the recipient.
    Row {
        phases: &[Phase::Recipient],
        codes: &[550, 551, 553, 554, 503, 535],
        enhanced: &[(7, 0), (7, 1), (7, 2), (7, 8)],
        says: &["relay", "authenticat", "authoriz", "authoris", "log in", "login"],
        meaning: Misconfigured,
        advice: "the server does not take mail from this account for others",
    },
    Row {
        phases: &[Phase::Recipient],
        codes: &[550, 551, 553, 554, 503],
        says: &["relay", "authentication required", "not authenticated"],
        meaning: Misconfigured,
        advice: "the server does not take mail from this account for others",
        ..ANY
    },
    Row { phases: &AFTER, codes: &[552], meaning: Rejected, advice: "the mail is too large for the server", ..ANY },
    Row { codes: &[421], meaning: Retry, ..ANY },
];

const LOG_IN_CHANGE: &str = "set `username` and `password` as the provider shows them; many want an app password";
const FROM_CHANGE: &str = "set `from` to the address that logs in, or to one that the provider lets it use";

/// Causes, and what to change, by our own words in [`answer`].
#[rustfmt::skip]
pub const ADVICE: &[Advice] = &[
    advice(&["username or password is wrong"], "the server does not accept username and password", LOG_IN_CHANGE),
    advice(&["wants an app password"], "the provider wants an app password of its own",
        "make one in the account's security settings and set `password` to it"),
    advice(&["use smtp"], "the server lets nobody log in without encryption",
        "write `smtp` with smtps:// or smtp://"),
    advice(&["the server wants a log-in"], "the server takes no mail without a log-in", LOG_IN_CHANGE),
    advice(&["set hello_name"], "the server does not like how we introduce ourselves",
        "set `hello_name` to a name of this machine with a dot in it"),
    advice(&["from must be"], "the server does not let this account write as `from`", FROM_CHANGE),
    advice(&["does not take mail from this account for others"], "the server does not relay for this account",
        LOG_IN_CHANGE),
    advice(&["the mailbox is full"], "the recipient's mailbox is full", "its owner must make room"),
    advice(&["allowance is used up"], "the day's allowance of the account is used up", "wait until tomorrow"),
    advice(&["set connections"], "the server finds that too many connections come", "set `connections = 1`"),
    advice(&["too large for the server"], "the mail is too large for the server", "look for a template that makes it so"),
];

/// What a server's reply means.
fn judge(phase: Phase, reply: &Reply) -> (Meaning, &'static str) {
    let said = reply.text.to_lowercase();
    let fits = |row: &Row| {
        (row.phases.is_empty() || row.phases.contains(&phase))
            && (row.codes.is_empty() || row.codes.contains(&reply.code))
            && (row.enhanced.is_empty()
                || reply.enhanced.is_some_and(|(_, subject, detail)| row.enhanced.contains(&(subject, detail))))
            && (row.says.is_empty() || row.says.iter().any(|word| said.contains(word)))
    };
    if let Some(row) = ROWS.iter().find(|row| reply.code >= 400 && fits(row)) {
        return (row.meaning, row.advice);
    }
    let meaning = match (reply.code, phase) {
        (500.., Phase::Recipient) => Rejected,
        (500.., Phase::Data | Phase::Content | Phase::Answer) => Rejected,
        (500.., _) => Misconfigured,
        _ => Retry,
    };
    (meaning, "")
}

/// What became of a mail to `recipient` (as it may be shown) as an answer.
pub fn answer(sent: Result<Reply, Failure>, recipient: &str) -> Answer {
    match sent {
        Ok(reply) => {
            Answer { outcome: Outcome::Delivered, words: quoted(&reply.codes(), &clean_line(&reply.text, WORDS)) }
        }
        Err(Failure::Unfit { phase, why }) => {
            Answer { outcome: Outcome::Misconfigured, words: format!("{phase}: {why}") }
        }
        Err(Failure::Lost { phase: Phase::Answer, why }) => {
            Answer { outcome: Outcome::Unknown, words: format!("{}: {why}", Phase::Answer) }
        }
        Err(Failure::Lost { phase, why }) => {
            Answer { outcome: Outcome::Retry { after: None }, words: format!("{phase}: {why}") }
        }
        Err(Failure::Refused { phase, reply }) => {
            let (meaning, advice) = judge(phase, &reply);
            let outcome = match meaning {
                // An answer to the dot that nobody knows: the mail may have been taken.
                Retry if phase == Phase::Answer && reply.code < 400 => Outcome::Unknown,
                Retry => Outcome::Retry { after: None },
                Throttled(wait) => Outcome::Throttled { wait },
                Misconfigured => Outcome::Misconfigured,
                Rejected => Outcome::Rejected,
                Full => Outcome::Full,
            };
            let place = match phase {
                Phase::Recipient => format!("{phase} {recipient}"),
                Phase::Data | Phase::Content | Phase::Answer => format!("{phase}, to {recipient}"),
                _ => phase.to_string(),
            };
            let advice = if advice.is_empty() { String::new() } else { format!(" ({advice})") };
            let own = format!("{place}: {}{advice}", reply.codes());
            Answer { outcome, words: quoted(&own, &clean_line(&reply.text, WORDS)) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::advice::find;

    #[test]
    fn each_hint_of_the_table_has_its_advice() {
        for row in ROWS.iter().filter(|row| !row.advice.is_empty()) {
            assert!(find(ADVICE, &format!("AUTH: 535 ({})", row.advice)).is_some(), "{}", row.advice);
        }
    }
}
