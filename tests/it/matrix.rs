//! The fault matrix on real sockets: for each way out, each outcome that its receiver can cause, met by each mishap on the
//! way. What the receiver counted is what the store says, nothing is missing, and only a lost answer repeats a message.
//!
//! Each cell is a channel of its own, all of one daemon: so one channel in trouble is also tried beside two hundred others.

mod rows;

use std::fmt;
use std::time::Duration;

use orderbell::sandbox::fault::{Fault, FaultRule, MailPhase};

/// A way out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    DingTalk,
    WeCom,
    /// To two recipients; what happens, happens to the first, and the second shows that it is not held up.
    Mail,
    Standard,
    Apsdai,
}

const WAYS: [Way; 5] = [Way::DingTalk, Way::WeCom, Way::Mail, Way::Standard, Way::Apsdai];
const HOOKS: &[Way] = &[Way::Standard, Way::Apsdai];

/// What the receiver says, once, before it takes the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Delivered,
    Retry,
    Throttled,
    Misconfigured,
    TooLong,
    ContentRefused,
    Rejected,
    Bug,
    Unknown,
    Partial,
    Full,
}

const ENDS: [End; 11] = [
    End::Delivered,
    End::Retry,
    End::Throttled,
    End::Misconfigured,
    End::TooLong,
    End::ContentRefused,
    End::Rejected,
    End::Bug,
    End::Unknown,
    End::Partial,
    End::Full,
];

/// What befalls the first attempt. After it, the receiver says its word once without a mishap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// Nothing.
    Whole,
    /// The connection is refused.
    Refused,
    /// The connection is cut while we send the request.
    Request,
    /// The receiver has judged, and counted where it accepts; the connection is cut before it answers.
    Lost,
    /// The answer comes only when we have given up.
    Late,
    /// The connection is cut in the midst of the answer.
    Half,
}

const MOMENTS: [Moment; 6] =
    [Moment::Whole, Moment::Refused, Moment::Request, Moment::Lost, Moment::Late, Moment::Half];

/// What is not tried, because the receiver never says that.
const SENSELESS: [(&[Way], &[End], &str); 7] = [
    (&[Way::DingTalk, Way::WeCom, Way::Standard, Way::Apsdai], &[End::Partial], "one receiver takes all or nothing"),
    (&[Way::DingTalk, Way::WeCom, Way::Standard, Way::Apsdai], &[End::Full], "only mailboxes are full"),
    (
        &[Way::Mail],
        &[End::TooLong, End::ContentRefused],
        "a server's no to size or content is final: it is tried as rejected",
    ),
    (&[Way::WeCom], &[End::ContentRefused], "its list of codes has none for it"),
    (HOOKS, &[End::TooLong, End::ContentRefused], "an event has one form, so 413 and 422 are final: tried as rejected"),
    (HOOKS, &[End::Throttled, End::Unknown], "429 and every unknown status is a retry by the contract"),
    (&[Way::Mail, Way::Standard, Way::Apsdai], &[End::Bug], "no answer of theirs tells our fault from a refusal"),
];

/// How long a receiver is waited for where its answer comes late, and when it comes.
const GIVES_UP: Duration = Duration::from_secs(4);
const LATE_MS: u64 = 20_000;
/// So often the clock is moved at most.
const MOST_STEPS: u32 = 24;
const KEY: &str = "whsec_b3JkZXJiZWxsIHRlc3RzIGtleSAwMQ==";
/// The mark of a message that may be a repeat.
const MARK: &str = "(possibly a repeat)";
/// Channels in no trouble, one for each way.
const CALM: [&str; 5] = ["calm-dingtalk", "calm-wecom", "calm-mail", "calm-standard", "calm-apsdai"];

/// In the words of a list.
fn word(value: impl fmt::Debug) -> String {
    let mut out = String::new();
    for letter in format!("{value:?}").chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() && letter != 'T' && letter != 'C' {
            out.push('-');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

#[derive(Clone, Debug)]
struct Cell {
    way: Way,
    end: End,
    moment: Moment,
    name: String,
}

/// Why the two make no cell, when they do not.
fn why_not(way: Way, end: End) -> Option<&'static str> {
    SENSELESS.iter().find(|(ways, ends, _)| ways.contains(&way) && ends.contains(&end)).map(|(.., why)| *why)
}

fn cells() -> Vec<Cell> {
    let mut cells = Vec::new();
    for way in WAYS {
        for end in ENDS.into_iter().filter(|end| why_not(way, *end).is_none()) {
            for moment in MOMENTS {
                let name = format!("{}-{}-{}", word(way), word(end), word(moment));
                cells.push(Cell { way, end, moment, name });
            }
        }
    }
    cells
}

/// What the receiver says, as a fault; none where it takes the message.
fn said(way: Way, end: End) -> Option<Fault> {
    let errcode = |errcode, errmsg: &str| Fault::Errcode { errcode, errmsg: errmsg.to_owned() };
    let status = |status| Fault::Status { status, body: "not this one".to_owned() };
    let smtp = |phase, reply: &str| Fault::Smtp { phase, reply: Some(reply.to_owned()) };
    Some(match (way, end) {
        (_, End::Delivered) => return None,
        (Way::DingTalk, End::Retry) => status(503),
        (Way::DingTalk, End::Throttled) => errcode(410_100, "send too fast, exceed 20 times per minute"),
        (Way::DingTalk, End::Misconfigured) => errcode(300_005, "token is not exist"),
        (Way::DingTalk, End::TooLong) => errcode(460_101, "message body is too long, exceed 20000 bytes"),
        (Way::DingTalk, End::ContentRefused) => errcode(430_104, "content is not allowed"),
        (Way::DingTalk, End::Rejected) => errcode(400_105, "unsupported msgtype"),
        (Way::DingTalk, End::Bug) => errcode(40_035, "missing parameter msgtype"),
        (Way::DingTalk | Way::WeCom, End::Unknown) => errcode(987_654, "something new"),
        (Way::WeCom, End::Retry) => errcode(-1, "system busy"),
        (Way::WeCom, End::Throttled) => errcode(45_009, "api freq out of limit"),
        (Way::WeCom, End::Misconfigured) => errcode(93_000, "invalid webhook url"),
        (Way::WeCom, End::TooLong) => errcode(45_002, "content size out of limit"),
        (Way::WeCom, End::Rejected) => errcode(44_004, "empty content"),
        (Way::WeCom, End::Bug) => errcode(40_008, "invalid message type"),
        (Way::Mail, End::Retry) => smtp(MailPhase::Recipient, "451 4.7.1 greylisted, come again"),
        (Way::Mail, End::Throttled) => {
            smtp(MailPhase::Dot, "454 4.7.0 Throttling failure: Maximum sending rate exceeded")
        }
        (Way::Mail, End::Misconfigured) => smtp(MailPhase::Recipient, "554 5.7.1 Relay access denied"),
        (Way::Mail, End::Rejected) => smtp(MailPhase::Dot, "554 5.7.1 Message rejected as spam"),
        (Way::Mail, End::Unknown) => smtp(MailPhase::Dot, "354 nobody knows this"),
        (Way::Mail, End::Partial) => smtp(MailPhase::Recipient, "550 5.1.1 no such user"),
        (Way::Mail, End::Full) => smtp(MailPhase::Recipient, "552 5.2.2 the mailbox is full"),
        (Way::Standard | Way::Apsdai, End::Retry) => status(500),
        (Way::Standard | Way::Apsdai, End::Misconfigured) => status(401),
        (Way::Standard | Way::Apsdai, End::Rejected) => status(422),
        _ => panic!("{way:?} {end:?} is neither answered by its receiver nor senseless"),
    })
}

/// What becomes of an attempt that meets this word, as the store calls it.
fn outcome(end: End) -> &'static str {
    match end {
        End::Delivered => "delivered",
        End::Retry => "retry",
        End::Throttled => "throttled",
        End::Misconfigured => "misconfigured",
        End::TooLong => "too_long",
        End::ContentRefused => "content_refused",
        End::Rejected | End::Partial => "rejected",
        End::Bug => "bug",
        End::Unknown => "unknown",
        End::Full => "full",
    }
}

impl Cell {
    /// Where faults are ordered: those of a mail at its first recipient.
    fn place(&self) -> String {
        if self.way == Way::Mail { self.recipients()[0].clone() } else { self.name.clone() }
    }

    fn recipients(&self) -> [String; 2] {
        ["first", "second"].map(|which| format!("{which}.{}@orderbell.test", self.name))
    }

    /// What the receiver is to do, request by request.
    fn faults(&self) -> Vec<Fault> {
        let word = said(self.way, self.end);
        let taken = || Fault::Smtp { phase: MailPhase::Answer, reply: Some("250 2.0.0 Ok: queued".to_owned()) };
        let befalls = |mishap| {
            let answer = word.clone().or_else(|| (self.way == Way::Mail).then(taken)).map(Box::new);
            Some(Fault::Rule { rule: mishap, answer })
        };
        let first = match self.moment {
            Moment::Whole | Moment::Refused => None,
            Moment::Request if self.way == Way::Mail => Some(Fault::Smtp { phase: MailPhase::Content, reply: None }),
            Moment::Request => Some(Fault::CutRequest),
            Moment::Lost => befalls(FaultRule::Lost),
            Moment::Late => befalls(FaultRule::Late { delay_ms: LATE_MS }),
            Moment::Half => befalls(FaultRule::Half),
        };
        first.into_iter().chain(word.clone()).collect()
    }

    /// What the first attempt comes to.
    fn seen(&self) -> &'static str {
        let word = said(self.way, self.end);
        match (self.moment, self.way, word) {
            (Moment::Whole, ..) => outcome(self.end),
            (Moment::Refused, ..) => "retry",
            // Whether it is noticed before or after the final dot is a matter of microseconds; it counts nothing.
            (Moment::Request, Way::Mail, _) => "retry or unknown",
            // Before the mail was on its way, nothing of it can have arrived.
            (Moment::Lost | Moment::Late | Moment::Half, _, Some(Fault::Smtp { phase: MailPhase::Recipient, .. })) => {
                "retry"
            }
            // A status stands at the head of an answer, and says all that is needed.
            (Moment::Half, Way::Standard | Way::Apsdai, _) | (Moment::Half, _, Some(Fault::Status { .. })) => {
                outcome(self.end)
            }
            _ => "unknown",
        }
    }

    /// What the attempts come to, one after another, each with its part: by the rules of delivery, for what the receiver is
    /// to do.
    fn attempts(&self) -> Vec<(i64, &'static str)> {
        let is_final = |outcome: &str| ["delivered", "rejected", "bug"].contains(&outcome);
        let ended = |mut turns: Vec<&'static str>| {
            let end = turns.iter().position(|turn| is_final(turn)).map_or(turns.len(), |at| at + 1);
            turns.truncate(end);
            turns
        };
        let first = match self.moment {
            Moment::Whole => vec![outcome(self.end), "delivered"],
            _ => vec![self.seen(), outcome(self.end), "delivered"],
        };
        let second = match (self.moment, self.end) {
            (Moment::Refused, End::Rejected) => vec!["retry", "rejected"],
            (Moment::Refused, _) => vec!["retry", "delivered"],
            (_, End::Rejected) => vec!["rejected"],
            _ => vec!["delivered"],
        };
        let mut left = vec![(0, ended(first))];
        if self.way == Way::Mail {
            left.push((1, ended(second)));
        }
        let mut attempts: Vec<(i64, &'static str)> = Vec::new();
        while left.iter().any(|(_, turns)| !turns.is_empty()) {
            // Whoever had the fewest turns begins, the first of them; then the others, in their sequence.
            left.sort_by_key(|(part, _)| *part);
            let tried = |part: i64| attempts.iter().filter(|(of, _)| *of == part).count();
            let waiting = left.iter().filter(|(_, turns)| !turns.is_empty());
            let next = waiting.map(|(part, _)| *part).min_by_key(|part| tried(*part));
            left.sort_by_key(|(part, _)| Some(*part) < next);
            for (part, turns) in left.iter_mut().filter(|(_, turns)| !turns.is_empty()) {
                let outcome = turns.remove(0);
                attempts.push((*part, outcome));
                // The whole channel is rate-limited, so no other recipient is attempted now.
                if ["throttled", "misconfigured"].contains(&outcome) {
                    break;
                }
            }
        }
        attempts
    }

    /// Whether the receiver counts the message of which we do not learn it.
    fn is_counted_unseen(&self) -> bool {
        self.end == End::Delivered
            && matches!(self.moment, Moment::Lost | Moment::Late | Moment::Half)
            && self.seen() != "delivered"
    }
}
