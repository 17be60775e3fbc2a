//! What the mail server shares with the other receivers: faults on command, and the list of what came.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::mail::ParsedMail;
use crate::sandbox::answer::MockState;
use crate::sandbox::email;
use crate::sandbox::fault::{Fault, FaultRule, MailPhase};
use crate::sandbox::inbox::{MockAddress, MockVerdict, Received};

/// The name under which faults of the mail server as a whole are ordered.
const MAIL_SERVER: &str = "smtp";

/// What takes the place of a reply.
pub enum Strike {
    Say(String),
    SayLate(String, Duration),
    SayHalf(String),
    Cut,
    Silence,
}

fn yes() -> String {
    "250 2.0.0 Ok".to_owned()
}

impl MockState {
    /// Nobody needs to log in where there are no users.
    pub fn has_mail_users(&self) -> bool {
        self.rules.all_of(email::KIND).next().is_some()
    }

    /// A name may have several passwords: channels that log in at several real servers all come to this one.
    pub fn is_mail_user(&self, name: &str, password: &str) -> bool {
        self.rules
            .all_of(email::KIND)
            .any(|(user, demands)| user == name && demands.get(email::PASSWORD) == Some(password))
    }

    /// What strikes a mail at this step.
    pub fn mail_fault(&self, phase: MailPhase, recipient: &str) -> Option<Strike> {
        let mut memory = self.memory();
        let of_phase = |fault: &Fault| fault.phase() == Some(phase);
        let fault = [recipient, MAIL_SERVER].into_iter().find_map(|name| memory.faults.strike_if(name, of_phase))?;
        if matches!(fault, Fault::Silence { .. }) {
            return Some(Strike::Silence);
        }
        let (rule, fault) = fault.apart();
        let reply = match fault {
            Some(Fault::Smtp { reply, .. }) => reply,
            _ => None,
        };
        Some(match rule {
            None => reply.map_or(Strike::Cut, Strike::Say),
            Some(FaultRule::Lost) => Strike::Cut,
            Some(FaultRule::Late { delay_ms }) => {
                Strike::SayLate(reply.unwrap_or_else(yes), Duration::from_millis(delay_ms))
            }
            Some(FaultRule::Half) => Strike::SayHalf(reply.unwrap_or_else(yes)),
        })
    }

    /// Keeps a mail that was taken.
    pub fn take_mail(&self, recipient: &str, mail: &str, opened: &ParsedMail) {
        let address = MockAddress { kind: email::KIND, name: recipient.to_owned() };
        let key = opened.header("message-id").map(str::to_owned);
        let is_known = |key: &String| self.memory().keys.entry(address.clone()).or_default().meet(key);
        self.inbox.put(Received {
            at: Timestamp::now(),
            repeat: key.as_ref().is_some_and(is_known),
            address,
            title: opened.header("subject").map(str::to_owned),
            text: opened.shown(),
            body: mail.to_owned(),
            key,
            verdict: MockVerdict::Accepted,
            headers: opened.headers.clone(),
        });
    }

    /// Keeps that a mail, or the log-in of a user, was refused, of which no more is known.
    pub fn refuse_mail(&self, recipient: &str, why: &str) {
        self.keep_untaken(recipient, String::new(), MockVerdict::Refused(why.to_owned()));
    }

    /// Keeps the part of a mail that had come when it broke off.
    pub fn keep_fragment(&self, recipient: &str, fragment: &str) {
        self.keep_untaken(recipient, fragment.to_owned(), MockVerdict::Fault("broken off in the midst".to_owned()));
    }

    fn keep_untaken(&self, recipient: &str, body: String, verdict: MockVerdict) {
        self.inbox.put(Received {
            at: Timestamp::now(),
            address: MockAddress { kind: email::KIND, name: recipient.to_owned() },
            title: None,
            text: None,
            body,
            key: None,
            repeat: false,
            verdict,
            headers: Vec::new(),
        });
    }
}
