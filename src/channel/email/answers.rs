//! What a mail server's reply means: one table, read from the top.
//!
//! Sources: RFC 5321, section 4.2, and RFC 3463 for the classes; RFC 4954, section 6, for log-ins; Amazon SES "SMTP response
//! codes", Google Workspace "Gmail SMTP errors and codes", NetEase "退信代码说明", Tencent "退信", Alibaba DirectMail, Postfix
//! for their own words; read in November 2026. Real replies of each row are in `tests/answers/email.toml`.

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use crate::channel::Judged;
use crate::channel::advice::Advice;
use crate::channel::advice::advice;
use crate::channel::smtp::log_in::NO_MECHANISM;
use crate::channel::smtp::reply::Failure;
use crate::channel::smtp::reply::Phase;
use crate::channel::smtp::reply::Reply;
use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::quoted;

const SECONDS: SignedDuration = SignedDuration::from_secs(10);
const MINUTE: SignedDuration = SignedDuration::from_mins(1);
const TWO_MINUTES: SignedDuration = SignedDuration::from_mins(2);
const QUARTER: SignedDuration = SignedDuration::from_mins(15);
const SIX_HOURS: SignedDuration = SignedDuration::from_hours(6);

/// When a row holds.
struct Row {
    /// Says which row it is; each has its own.
    name: &'static str,
    /// None fits every phase.
    phases: &'static [Phase],
    /// None fits every code.
    codes: &'static [RangeInclusive<u16>],
    /// Subject and details of the enhanced code; none fits every one.
    enhanced: &'static [(u16, RangeInclusive<u16>)],
    /// One of these must stand in the text, in lower case; none fits every text.
    says: &'static [&'static str],
    meaning: Meaning,
    /// What to do about it, for people.
    hint: &'static str,
}

#[derive(Clone, Copy)]
enum Meaning {
    Retry,
    /// The mail may have been taken.
    Unknown,
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
use Meaning::Unknown;

const FOR_NOW: &[RangeInclusive<u16>] = &[400..=499];
const FOR_GOOD: &[RangeInclusive<u16>] = &[500..=599];

const BEFORE: &[Phase] = &[Phase::Connect, Phase::Greeting, Phase::Hello, Phase::StartTls, Phase::Auth, Phase::Mail];
const BEFORE_DATA: &[Phase] =
    &[Phase::Connect, Phase::Greeting, Phase::Hello, Phase::StartTls, Phase::Auth, Phase::Mail, Phase::Recipient];
const RECIPIENT: &[Phase] = &[Phase::Recipient];
const AFTER: &[Phase] = &[Phase::Data, Phase::Content, Phase::Answer];
const RECIPIENT_AND_AFTER: &[Phase] = &[Phase::Recipient, Phase::Data, Phase::Content, Phase::Answer];

const ANY: Row = Row { name: "", phases: &[], codes: &[], enhanced: &[], says: &[], meaning: Retry, hint: "" };
const LOG_IN: Row = Row { phases: &[Phase::Auth], ..ANY };

/// How servers say that a mailbox has no room.
const NO_ROOM: &[&str] = &[
    "mailbox full",
    "mailbox is full",
    "inbox is full",
    "over quota",
    "overquota",
    "quota exceeded",
    "exceeded storage allocation",
    "空间不足",
];

const DAY: &str = "the day's allowance is used up";
const ONE_CONNECTION: &str = "set connections = 1";
const NO_LOG_IN: &str = "username or password is wrong; many providers want an app password";
const NO_WAY: &str = "the server refuses the ways to log in that it offers";
const NO_EHLO: &str = "the server does not know EHLO";
const NO_RELAY: &str = "the server does not take mail from this account for others";
const OTHER_FROM: &str = "from must be an address that this account may use";
const FULL: &str = "the mailbox is full";
const LARGE: &str = "the mail is too large for the server";

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // NetEase: connections at once; mails in a quarter of an hour; mails and recipients over one connection; what it does
    // not like for now; mails, recipients and connections of a day; another address in the mail than in the envelope.
    Row { name: "NetEase, connections", says: &["hl:icc"], meaning: Throttled(TWO_MINUTES), hint: ONE_CONNECTION, ..ANY },
    Row { name: "NetEase, quarter", codes: FOR_NOW, says: &["mi:sfq", "hl:ifc", "rp:qrc"], meaning: Throttled(QUARTER), ..ANY },
    Row { name: "NetEase, one connection", codes: FOR_NOW, says: &["mi:dmc", "rp:drc"], meaning: Retry, ..ANY },
    Row { name: "NetEase, later", codes: FOR_NOW, says: &["dt:spm"], meaning: Throttled(TWO_MINUTES), ..ANY },
    Row { name: "NetEase, day", codes: FOR_GOOD, says: &["mi:stc", "rp:trc"], meaning: Throttled(SIX_HOURS), hint: DAY, ..ANY },
    Row { name: "NetEase, From", codes: FOR_GOOD, says: &["dt:sum"], meaning: Misconfigured, hint: OTHER_FROM, ..ANY },
    // The sender's allowance, whatever the class: Google says no for a day's limit (550 5.4.5, and 421 4.4.5 for being busy),
    // Alibaba too (552); Amazon for now (454).
    Row { name: "the day's mails", says: &["daily message quota", "daily user sending", "daily sending", "sending quota",
        "email quota exceeded", "daily smtp relay", "day limit", "per day"], meaning: Throttled(SIX_HOURS), hint: DAY, ..ANY },
    Row { name: "the day's mails, by code", codes: FOR_GOOD, enhanced: &[(4, 5..=5)], meaning: Throttled(SIX_HOURS), hint: DAY, ..ANY },
    // Amazon's rate is one of seconds.
    Row { name: "mails a second", says: &["maximum sending rate"], meaning: Throttled(SECONDS), ..ANY },
    // Google: it is the recipient who gets too much, so nobody else has to wait.
    Row { name: "the recipient's pace", codes: FOR_NOW, enhanced: &[(2, 1..=1)], meaning: Retry, ..ANY },
    // RFC 3463, section 3.3. It speaks of quota too, but that is not ours.
    Row { name: "no room", codes: FOR_GOOD, enhanced: &[(2, 2..=2)], meaning: Full, hint: FULL, ..ANY },
    Row { name: "no room now", codes: FOR_NOW, enhanced: &[(2, 2..=2)], meaning: Retry, hint: FULL, ..ANY },
    Row { name: "no room, by its words", phases: RECIPIENT_AND_AFTER, codes: FOR_GOOD, says: NO_ROOM, meaning: Full, hint: FULL, ..ANY },
    Row { name: "no room now, by its words", phases: RECIPIENT_AND_AFTER, codes: FOR_NOW, says: NO_ROOM, meaning: Retry, hint: FULL, ..ANY },
    // Postfix and others.
    Row { name: "connections", says: &["too many connections", "too many concurrent"], meaning: Throttled(MINUTE), hint: ONE_CONNECTION, ..ANY },
    // Google: an unusual rate of mails that nobody asked for.
    Row { name: "an unusual rate", enhanced: &[(7, 28..=28)], meaning: Throttled(QUARTER), ..ANY },
    // Tencent ("frequency limited", a 550), Exchange ("submission rate", "throttled"), Google ("unusual rate", "peak"), Sina.
    Row { name: "the pace", says: &["sending rate", "submission rate", "unusual rate", "rate limit", "throttl", "too frequent",
        "frequency limit", "peak smtp relay", "too many mess", "too many mail"], meaning: Throttled(MINUTE), ..ANY },
    // RFC 4954, section 6, for the codes. Google counts log-ins; NetEase shuts out who failed too often.
    Row { name: "log-ins", codes: FOR_NOW, says: &["too many"], meaning: Throttled(QUARTER), ..LOG_IN },
    Row { name: "log-ins that failed", codes: FOR_NOW, says: &["fail authentication"], meaning: Misconfigured, hint: NO_LOG_IN, ..LOG_IN },
    Row { name: "no log-in now", codes: FOR_NOW, meaning: Retry, ..LOG_IN },
    Row { name: "app password", codes: &[534..=534], meaning: Misconfigured, hint: "the provider wants an app password of its own", ..LOG_IN },
    Row { name: "log-in without TLS", codes: &[538..=538], meaning: Misconfigured, hint: "use smtps:// or smtp://", ..LOG_IN },
    Row { name: "mechanism, by code", codes: &[500..=504], meaning: Misconfigured, hint: NO_WAY, ..LOG_IN },
    Row { name: "mechanism, by its words", codes: FOR_GOOD, says: NO_MECHANISM, meaning: Misconfigured, hint: NO_WAY, ..LOG_IN },
    Row { name: "log-in", codes: FOR_GOOD, meaning: Misconfigured, hint: NO_LOG_IN, ..LOG_IN },
    // Speaks of a rate or a quota, and no row above knows whose.
    Row { name: "a rate or a quota", codes: FOR_NOW, says: &["quota", "too many", "too quickly", "too fast", "limit exceeded"],
        meaning: Throttled(MINUTE), ..ANY },
    // RFC 3207, section 4; RFC 4954, section 6.
    Row { name: "no TLS", codes: &[530..=530], says: &["starttls"], meaning: Misconfigured, hint: "use smtp:// or smtps://", ..ANY },
    Row { name: "no log-in", codes: &[530..=530], meaning: Misconfigured, hint: "the server wants a log-in: set username and password", ..ANY },
    // RFC 5321, section 4.2.4: the command itself is not known; a name that is not liked is told by other codes.
    Row { name: "no EHLO", phases: &[Phase::Hello], codes: &[500..=500, 502..=502], meaning: Misconfigured, hint: NO_EHLO, ..ANY },
    // Postfix, often only at RCPT.
    Row { name: "our name", phases: BEFORE_DATA, codes: FOR_GOOD, says: &["fully-qualified", "fqdn", "helo", "ehlo"],
        meaning: Misconfigured, hint: "set hello_name to a name of this machine with a dot in it", ..ANY },
    // Tencent, Exchange and Amazon say so only after the whole mail.
    Row { name: "the From header", phases: AFTER, codes: FOR_GOOD, says: &["\"from\" header", "from header", "header from",
        "mail from must equal", "from address", "sendasdenied", "send as this sender", "address is not verified"],
        meaning: Misconfigured, hint: "from must be the address that logs in", ..ANY },
    // RFC 1870, section 6.1: the size was announced.
    Row { name: "the announced size", phases: BEFORE_DATA, codes: &[552..=552], says: &["size"], meaning: Rejected, hint: LARGE, ..ANY },
    Row { name: "the sender", phases: &[Phase::Mail], codes: FOR_GOOD, meaning: Misconfigured, hint: OTHER_FROM, ..ANY },
    // RFC 3463, section 3.2. Postfix judges the sender at RCPT too, and has a "relay recipient table" of those who exist.
    Row { name: "the sender, at RCPT", phases: RECIPIENT, codes: FOR_GOOD, enhanced: &[(1, 7..=8)], meaning: Misconfigured, hint: OTHER_FROM, ..ANY },
    Row { name: "the address", phases: RECIPIENT, codes: FOR_GOOD, enhanced: &[(1, 0..=999)], meaning: Rejected, hint: "there is no such address", ..ANY },
    // RFC 3463, section 3.8: relaying and authorisation are no fault of the recipient.
    Row { name: "no right", phases: RECIPIENT, codes: FOR_GOOD, enhanced: &[(7, 0..=999)], says: &["relay", "authenticat", "authoriz",
        "authoris", "log in", "login", "permission", "client host", "sender address"], meaning: Misconfigured, hint: NO_RELAY },
    Row { name: "no right, by its words", phases: RECIPIENT, codes: FOR_GOOD, says: &["relay", "rcpthosts", "authentication required",
        "authentication is required", "requires authentication", "not authenticated", "smtp authentication", "auth first"],
        meaning: Misconfigured, hint: NO_RELAY, ..ANY },
    Row { name: "the size", phases: AFTER, codes: &[552..=552], meaning: Rejected, hint: LARGE, ..ANY },
    // RFC 5321, section 4.2.1: what no row above knows, by class and phase.
    Row { name: "5xx, of the channel", phases: BEFORE, codes: FOR_GOOD, meaning: Misconfigured, ..ANY },
    Row { name: "5xx, of the recipient", phases: RECIPIENT, codes: FOR_GOOD, meaning: Rejected, ..ANY },
    Row { name: "5xx, of the mail", phases: AFTER, codes: FOR_GOOD, meaning: Rejected, ..ANY },
    Row { name: "4xx", codes: FOR_NOW, meaning: Retry, ..ANY },
    Row { name: "an odd reply to the mail", phases: &[Phase::Answer], meaning: Unknown, ..ANY },
    Row { name: ODD, meaning: Retry, ..ANY },
];

const ODD: &str = "an odd reply";

// What becomes of a mail without a reply that could be judged.
const TAKEN: &str = "taken";
const UNFIT: &str = "unfit";
const LOST: &str = "lost before the final dot";
const LOST_ANSWER: &str = "lost after the final dot";

const LOG_IN_CHANGE: &str = "set `username` and `password` as the provider shows them; many want an app password";
const SUBMISSION: &str =
    "write `smtp` with the provider's server and port for submission (465 with smtps://, 587 with smtp://)";
const FROM_CHANGE: &str = "set `from` to the address that logs in, or to one that the provider lets it use";

/// Causes, and what to change, by our own words in an answer.
#[rustfmt::skip]
pub const ADVICE: &[Advice] = &[
    advice(&["username or password is wrong"], "the server does not accept username and password", LOG_IN_CHANGE),
    advice(&["offers only oauth"], "the server logs in by OAuth alone, which Orderbell does not do",
        "make an app password if the provider has them, or send by way of another mail server; the password is not the matter"),
    advice(&["offers only"], "the server offers no way to log in that Orderbell knows",
        "enable PLAIN or LOGIN on the server, or send by way of another one; the password is not the matter"),
    advice(&["offers no log-in"], "the server lets nobody log in at this port, or not so", SUBMISSION),
    advice(&["refuses the ways to log in"], "the server refuses the ways to log in that it offers",
        "enable PLAIN or LOGIN on the server, or look into its log; the password is not the matter"),
    advice(&["does not know ehlo"], "the server is too old to encrypt and to log in, or a firewall on the way hides that it can",
        SUBMISSION),
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
    advice(&["there is no such address"], "the server does not know the recipient", "correct `to` or `cc`"),
    advice(&["the mailbox is full"], "the recipient's mailbox is full", "its owner must make room"),
    advice(&["allowance is used up"], "the day's allowance of the account is used up", "wait until tomorrow"),
    advice(&["set connections"], "the server finds that too many connections come", "set `connections = 1`"),
    advice(&["too large for the server"], "the mail is too large for the server", "look for a template that makes it so"),
];

/// What the rows of the table are called, and what becomes of a mail without a reply.
pub fn rows() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.name).chain([TAKEN, UNFIT, LOST, LOST_ANSWER]).collect()
}

/// The row for a server's reply. The last one fits whatever it says.
fn find_row(phase: Phase, reply: &Reply) -> &'static Row {
    let said = reply.text.to_lowercase();
    let fits_code = |(subject, details): &(u16, RangeInclusive<u16>)| {
        reply.enhanced.is_some_and(|(_, found, detail)| found == *subject && details.contains(&detail))
    };
    let fits = |row: &&Row| {
        (row.phases.is_empty() || row.phases.contains(&phase))
            && (row.codes.is_empty() || row.codes.iter().any(|codes| codes.contains(&reply.code)))
            && (row.enhanced.is_empty() || row.enhanced.iter().any(fits_code))
            && (row.says.is_empty() || row.says.iter().any(|word| said.contains(word)))
    };
    const LAST: &Row = &Row { name: ODD, ..ANY };
    ROWS.iter().find(fits).unwrap_or(LAST)
}

/// What became of a mail to `recipient` (as it may be shown). What was said stands in the words as it came.
pub fn judge(sent: Result<Reply, Failure>, recipient: &str) -> Judged {
    let judged = |row, outcome, words| Judged { row, answer: Answer { outcome, words } };
    match sent {
        Ok(reply) => judged(TAKEN, Outcome::Delivered, quoted(&reply.codes(), &reply.text)),
        Err(Failure::Unfit { phase, why }) => judged(UNFIT, Outcome::Misconfigured, format!("{phase}: {why}")),
        Err(Failure::Lost { phase: Phase::Answer, why }) => {
            judged(LOST_ANSWER, Outcome::Unknown, format!("{}: {why}", Phase::Answer))
        }
        Err(Failure::Lost { phase, why }) => judged(LOST, Outcome::Retry { after: None }, format!("{phase}: {why}")),
        Err(Failure::Refused { phase, reply }) => {
            let row = find_row(phase, &reply);
            let outcome = match row.meaning {
                Retry => Outcome::Retry { after: None },
                Unknown => Outcome::Unknown,
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
            let hint = if row.hint.is_empty() { String::new() } else { format!(" ({})", row.hint) };
            let own = format!("{place}: {}{hint}", reply.codes());
            judged(row.name, outcome, quoted(&own, &reply.text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::channel::advice::find;

    #[test]
    fn each_hint_of_the_table_has_its_advice() {
        for row in ROWS.iter().filter(|row| !row.hint.is_empty()) {
            assert!(find(ADVICE, &format!("AUTH: 535 ({})", row.hint)).is_some(), "{}", row.hint);
        }
    }
}
