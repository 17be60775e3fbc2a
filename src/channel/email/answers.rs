//! What a mail server's reply means: one table, read from the top.
//!
//! Sources: RFC 5321, section 4.2, and RFC 3463 for the classes; RFC 4954, section 6, for log-ins; Amazon SES "SMTP response
//! codes", Google Workspace "Gmail SMTP errors and codes", NetEase "退信代码说明", Tencent "退信", Alibaba DirectMail, Postfix
//! for their own words; read in November 2026. Real replies of each row are in `tests/answers/email.toml`.

use std::ops::RangeInclusive;

use jiff::SignedDuration;

use crate::channel::remedy::{RemedyRule, rule};
use crate::channel::smtp::log_in::NO_MECHANISM;
use crate::channel::smtp::reply::{SmtpFailure, SmtpPhase, SmtpReply};
use crate::channel::{Judged, remedy};
use crate::domain::remedy::Remedy;
use crate::domain::retry::{Answer, Outcome, quoted, redacted};

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
    phases: &'static [SmtpPhase],
    /// None fits every code.
    codes: &'static [RangeInclusive<u16>],
    /// Subject and details of the enhanced code; none fits every one.
    enhanced: &'static [(u16, RangeInclusive<u16>)],
    /// One of these must stand in the text, in lower case; none fits every text.
    says: &'static [&'static str],
    class: Class,
    /// What it comes from and what to change; its hint stands in the answer.
    remedy: Option<Remedy>,
}

#[derive(Clone, Copy)]
enum Class {
    Retry,
    /// The mail may have been taken.
    Unknown,
    Throttled(SignedDuration),
    Misconfigured,
    /// The recipient, or a mail to it, will never be taken.
    Rejected,
    /// The recipient's mailbox is full: one late retry.
    Full,
}

use Class::{Full, Misconfigured, Rejected, Retry, Throttled, Unknown};

const FOR_NOW: &[RangeInclusive<u16>] = &[400..=499];
const FOR_GOOD: &[RangeInclusive<u16>] = &[500..=599];

const BEFORE: &[SmtpPhase] =
    &[SmtpPhase::Connect, SmtpPhase::Greeting, SmtpPhase::Hello, SmtpPhase::StartTls, SmtpPhase::Auth, SmtpPhase::Mail];
const BEFORE_DATA: &[SmtpPhase] = &[
    SmtpPhase::Connect,
    SmtpPhase::Greeting,
    SmtpPhase::Hello,
    SmtpPhase::StartTls,
    SmtpPhase::Auth,
    SmtpPhase::Mail,
    SmtpPhase::Recipient,
];
const RECIPIENT: &[SmtpPhase] = &[SmtpPhase::Recipient];
const AFTER: &[SmtpPhase] = &[SmtpPhase::Data, SmtpPhase::Content, SmtpPhase::Answer];
const RECIPIENT_AND_AFTER: &[SmtpPhase] =
    &[SmtpPhase::Recipient, SmtpPhase::Data, SmtpPhase::Content, SmtpPhase::Answer];

const ANY: Row = Row { name: "", phases: &[], codes: &[], enhanced: &[], says: &[], class: Retry, remedy: None };
const fn of(key: &'static str) -> Option<Remedy> {
    Some(Remedy::of(key))
}
const LOG_IN: Row = Row { phases: &[SmtpPhase::Auth], ..ANY };

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

/// The first row that fits counts.
#[rustfmt::skip]
const ROWS: &[Row] = &[
    // NetEase: connections at once; mails in a quarter of an hour; mails and recipients over one connection; what it does
    // not like for now; mails, recipients and connections of a day; another address in the mail than in the envelope.
    Row { name: "NetEase, connections", says: &["hl:icc"], class: Throttled(TWO_MINUTES), remedy: of("email.connections"), ..ANY },
    Row { name: "NetEase, quarter", codes: FOR_NOW, says: &["mi:sfq", "hl:ifc", "rp:qrc"], class: Throttled(QUARTER), ..ANY },
    Row { name: "NetEase, one connection", codes: FOR_NOW, says: &["mi:dmc", "rp:drc"], class: Retry, ..ANY },
    Row { name: "NetEase, later", codes: FOR_NOW, says: &["dt:spm"], class: Throttled(TWO_MINUTES), ..ANY },
    Row { name: "NetEase, day", codes: FOR_GOOD, says: &["mi:stc", "rp:trc"], class: Throttled(SIX_HOURS), remedy: of("email.day"), ..ANY },
    Row { name: "NetEase, From", codes: FOR_GOOD, says: &["dt:sum"], class: Misconfigured, remedy: of("email.sender"), ..ANY },
    // The sender's allowance, whatever the class: Google says no for a day's limit (550 5.4.5, and 421 4.4.5 for being busy),
    // Alibaba too (552); Amazon for now (454).
    Row { name: "the day's mails", says: &["daily message quota", "daily user sending", "daily sending", "sending quota",
        "email quota exceeded", "daily smtp relay", "day limit", "per day"], class: Throttled(SIX_HOURS), remedy: of("email.day"), ..ANY },
    Row { name: "the day's mails, by code", codes: FOR_GOOD, enhanced: &[(4, 5..=5)], class: Throttled(SIX_HOURS), remedy: of("email.day"), ..ANY },
    // Amazon's rate is one of seconds.
    Row { name: "mails a second", says: &["maximum sending rate"], class: Throttled(SECONDS), ..ANY },
    // Google: it is the recipient who gets too much, so nobody else has to wait.
    Row { name: "the recipient's pace", codes: FOR_NOW, enhanced: &[(2, 1..=1)], class: Retry, ..ANY },
    // RFC 3463, section 3.3. It speaks of quota too, but that is not ours.
    Row { name: "no room", codes: FOR_GOOD, enhanced: &[(2, 2..=2)], class: Full, remedy: of("email.full"), ..ANY },
    Row { name: "no room now", codes: FOR_NOW, enhanced: &[(2, 2..=2)], class: Retry, remedy: of("email.full"), ..ANY },
    Row { name: "no room, by its words", phases: RECIPIENT_AND_AFTER, codes: FOR_GOOD, says: NO_ROOM, class: Full, remedy: of("email.full"), ..ANY },
    Row { name: "no room now, by its words", phases: RECIPIENT_AND_AFTER, codes: FOR_NOW, says: NO_ROOM, class: Retry, remedy: of("email.full"), ..ANY },
    // Postfix and others.
    Row { name: "connections", says: &["too many connections", "too many concurrent"], class: Throttled(MINUTE), remedy: of("email.connections"), ..ANY },
    // Google: an unusual rate of mails that nobody asked for.
    Row { name: "an unusual rate", enhanced: &[(7, 28..=28)], class: Throttled(QUARTER), ..ANY },
    // Tencent ("frequency limited", a 550), Exchange ("submission rate", "throttled"), Google ("unusual rate", "peak"), Sina.
    Row { name: "the pace", says: &["sending rate", "submission rate", "unusual rate", "rate limit", "throttl", "too frequent",
        "frequency limit", "peak smtp relay", "too many mess", "too many mail"], class: Throttled(MINUTE), ..ANY },
    // RFC 4954, section 6, for the codes. Google counts log-ins; NetEase shuts out who failed too often.
    Row { name: "log-ins", codes: FOR_NOW, says: &["too many"], class: Throttled(QUARTER), ..LOG_IN },
    Row { name: "log-ins that failed", codes: FOR_NOW, says: &["fail authentication"], class: Misconfigured, remedy: of("email.log_in"), ..LOG_IN },
    Row { name: "no log-in now", codes: FOR_NOW, class: Retry, ..LOG_IN },
    Row { name: "app password", codes: &[534..=534], class: Misconfigured, remedy: of("email.app_password"), ..LOG_IN },
    Row { name: "log-in without TLS", codes: &[538..=538], class: Misconfigured, remedy: of("email.log_in_unencrypted"), ..LOG_IN },
    Row { name: "mechanism, by code", codes: &[500..=504], class: Misconfigured, remedy: of("email.mechanism"), ..LOG_IN },
    Row { name: "mechanism, by its words", codes: FOR_GOOD, says: NO_MECHANISM, class: Misconfigured, remedy: of("email.mechanism"), ..LOG_IN },
    Row { name: "log-in", codes: FOR_GOOD, class: Misconfigured, remedy: of("email.log_in"), ..LOG_IN },
    // Speaks of a rate or a quota, and no row above knows whose.
    Row { name: "a rate or a quota", codes: FOR_NOW, says: &["quota", "too many", "too quickly", "too fast", "limit exceeded"],
        class: Throttled(MINUTE), ..ANY },
    // RFC 3207, section 4; RFC 4954, section 6.
    Row { name: "no TLS", codes: &[530..=530], says: &["starttls"], class: Misconfigured, remedy: of("email.unencrypted"), ..ANY },
    Row { name: "no log-in", codes: &[530..=530], class: Misconfigured, remedy: of("email.wants_log_in"), ..ANY },
    // RFC 5321, section 4.2.4: the command itself is not known; a name that is not liked has other codes.
    Row { name: "no EHLO", phases: &[SmtpPhase::Hello], codes: &[500..=500, 502..=502], class: Misconfigured, remedy: of("email.no_ehlo"), ..ANY },
    // Postfix, often only at RCPT.
    Row { name: "our name", phases: BEFORE_DATA, codes: FOR_GOOD, says: &["fully-qualified", "fqdn", "helo", "ehlo"],
        class: Misconfigured, remedy: of("email.hello_name"), ..ANY },
    // Tencent, Exchange and Amazon say so only after the whole mail.
    Row { name: "the From header", phases: AFTER, codes: FOR_GOOD, says: &["\"from\" header", "from header", "header from",
        "mail from must equal", "from address", "sendasdenied", "send as this sender", "address is not verified"],
        class: Misconfigured, remedy: of("email.from_header"), ..ANY },
    // RFC 1870, section 6.1: the size was announced.
    Row { name: "the announced size", phases: BEFORE_DATA, codes: &[552..=552], says: &["size"], class: Rejected, remedy: of("email.too_large"), ..ANY },
    Row { name: "the sender", phases: &[SmtpPhase::Mail], codes: FOR_GOOD, class: Misconfigured, remedy: of("email.sender"), ..ANY },
    // RFC 3463, section 3.2. Postfix judges the sender at RCPT too, and has a "relay recipient table" of those who exist.
    Row { name: "the sender, at RCPT", phases: RECIPIENT, codes: FOR_GOOD, enhanced: &[(1, 7..=8)], class: Misconfigured, remedy: of("email.sender"), ..ANY },
    Row { name: "the address", phases: RECIPIENT, codes: FOR_GOOD, enhanced: &[(1, 0..=999)], class: Rejected, remedy: of("email.no_address"), ..ANY },
    // RFC 3463, section 3.8: relaying and authorisation are no fault of the recipient.
    Row { name: "no right", phases: RECIPIENT, codes: FOR_GOOD, enhanced: &[(7, 0..=999)], says: &["relay", "authenticat", "authoriz",
        "authoris", "log in", "login", "permission", "client host", "sender address"], class: Misconfigured, remedy: of("email.relay") },
    Row { name: "no right, by its words", phases: RECIPIENT, codes: FOR_GOOD, says: &["relay", "rcpthosts", "authentication required",
        "authentication is required", "requires authentication", "not authenticated", "smtp authentication", "auth first"],
        class: Misconfigured, remedy: of("email.relay"), ..ANY },
    Row { name: "the size", phases: AFTER, codes: &[552..=552], class: Rejected, remedy: of("email.too_large"), ..ANY },
    // RFC 5321, section 4.2.1: what no row above knows, by class and phase.
    Row { name: "5xx, of the channel", phases: BEFORE, codes: FOR_GOOD, class: Misconfigured, ..ANY },
    Row { name: "5xx, of the recipient", phases: RECIPIENT, codes: FOR_GOOD, class: Rejected, ..ANY },
    Row { name: "5xx, of the mail", phases: AFTER, codes: FOR_GOOD, class: Rejected, ..ANY },
    Row { name: "4xx", codes: FOR_NOW, class: Retry, ..ANY },
    Row { name: "an odd reply to the mail", phases: &[SmtpPhase::Answer], class: Unknown, ..ANY },
    Row { name: ODD, class: Retry, ..ANY },
];

const ODD: &str = "an odd reply";

// What becomes of a mail without a reply that could be judged.
const TAKEN: &str = "taken";
const UNFIT: &str = "unfit";
const LOST: &str = "lost before the final dot";
const LOST_ANSWER: &str = "lost after the final dot";

/// Why a server cannot be used as it is configured, by what stands in our own words for it.
const UNUSABLE: &[RemedyRule] = &[
    rule(&["offers only oauth"], "email.oauth"),
    rule(&["offers only"], "email.no_mechanism"),
    rule(&["offers no log-in"], "email.no_log_in"),
    rule(&["use smtp"], "email.log_in_unencrypted"),
];

/// What an answer comes from, by its words as they were stored.
pub fn remedy(words: &str) -> Option<Remedy> {
    let own = redacted(words);
    let mut hinted = ROWS.iter().filter_map(|row| row.remedy);
    hinted.find(|remedy| own.contains(remedy.hint())).or_else(|| remedy::find(UNUSABLE, own))
}

/// What the rows of the table are called, and what becomes of a mail without a reply.
pub fn rows() -> Vec<&'static str> {
    ROWS.iter().map(|row| row.name).chain([TAKEN, UNFIT, LOST, LOST_ANSWER]).collect()
}

/// The row for a server's reply. The last one fits whatever it says.
fn find_row(phase: SmtpPhase, reply: &SmtpReply) -> &'static Row {
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
pub fn judge(sent: Result<SmtpReply, SmtpFailure>, recipient: &str) -> Judged {
    let judged = |row, outcome, words| Judged { row, answer: Answer { outcome, detail: words } };
    match sent {
        Ok(reply) => judged(TAKEN, Outcome::Delivered, quoted(&reply.codes(), &reply.text)),
        Err(SmtpFailure::Unfit { phase, why }) => judged(UNFIT, Outcome::Misconfigured, format!("{phase}: {why}")),
        Err(SmtpFailure::Lost { phase: SmtpPhase::Answer, why }) => {
            judged(LOST_ANSWER, Outcome::Unknown, format!("{}: {why}", SmtpPhase::Answer))
        }
        Err(SmtpFailure::Lost { phase, why }) => {
            judged(LOST, Outcome::Retry { after: None }, format!("{phase}: {why}"))
        }
        Err(SmtpFailure::Refused { phase, reply }) => {
            let row = find_row(phase, &reply);
            let outcome = match row.class {
                Retry => Outcome::Retry { after: None },
                Unknown => Outcome::Unknown,
                Throttled(wait) => Outcome::Throttled { wait },
                Misconfigured => Outcome::Misconfigured,
                Rejected => Outcome::Rejected,
                Full => Outcome::Full,
            };
            let place = match phase {
                SmtpPhase::Recipient => format!("{phase} {recipient}"),
                SmtpPhase::Data | SmtpPhase::Content | SmtpPhase::Answer => format!("{phase}, to {recipient}"),
                _ => phase.to_string(),
            };
            let hint = row.remedy.map(|remedy| format!(" ({})", remedy.hint())).unwrap_or_default();
            let own = format!("{place}: {}{hint}", reply.codes());
            judged(row.name, outcome, quoted(&own, &reply.text))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hint_of_the_table_leads_back_to_its_remedy() {
        for of_row in ROWS.iter().filter_map(|row| row.remedy) {
            let found = remedy(&format!("AUTH: 535 ({})", of_row.hint()));
            assert!(!of_row.hint().is_empty() && found == Some(of_row), "{}: {found:?}", of_row.key);
        }
    }
}
