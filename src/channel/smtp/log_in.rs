//! Logging in: which of the mechanisms that a server offers is used, and what is remembered of one that it offers and does not
//! know.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use crate::channel::smtp::reply::SmtpReply;

/// A way to log in (RFC 4954; LOGIN is in no standard, and in nearly every server).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
}

/// What a server offers to log in with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Offer {
    plain: bool,
    login: bool,
    /// Those that we do not speak, of which the names are known.
    others: Vec<&'static str>,
    /// It offers more than these. Their names are the server's words and stand in none of ours.
    unnamed: bool,
}

const OTHERS: [&str; 10] = [
    "CRAM-MD5",
    "DIGEST-MD5",
    "NTLM",
    "GSSAPI",
    "SCRAM-SHA-1",
    "SCRAM-SHA-256",
    "EXTERNAL",
    "MSN",
    "XOAUTH2",
    "OAUTHBEARER",
];
const OAUTH: [&str; 2] = ["XOAUTH2", "OAUTHBEARER"];

/// How servers say that they do not know a mechanism, or that they know no log-in at all: a wrong password is
/// answered otherwise, and must not be tried twice, because too many failed log-ins shut an account.
pub const NO_MECHANISM: &[&str] = &[
    "mechanism",
    "auth type",
    "authentication type",
    "auth method",
    "authentication method",
    "unrecognized auth",
    "unrecognised auth",
    "unknown auth",
    "not implemented",
    "not supported",
    "unsupported",
    "use auth login",
    "认证方式",
    "验证方式",
    "不支持",
];

/// What is known of an account's log-ins, over all its connections and as long as the process runs.
#[derive(Debug, Default)]
pub struct LogIns {
    no_plain: AtomicBool,
    no_login: AtomicBool,
}

/// Kept for good: an account that is configured anew is the same account.
static KNOWN: LazyLock<Mutex<HashMap<String, Arc<LogIns>>>> = LazyLock::new(Mutex::default);

impl LogIns {
    /// What is known of the account of this name, which is a hash of server, user and password.
    pub fn of(account: &str) -> Arc<Self> {
        // Nothing under the lock can leave the table half changed.
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(account.to_owned()).or_default().clone()
    }

    /// Whether the server was found not to know a mechanism that it offers.
    pub fn is_refused(&self, mechanism: Mechanism) -> &AtomicBool {
        match mechanism {
            Mechanism::Plain => &self.no_plain,
            Mechanism::Login => &self.no_login,
        }
    }
}

impl Offer {
    /// Takes up a word of the line `AUTH`.
    pub fn add(&mut self, word: &str) {
        match word {
            "" => {}
            "PLAIN" => self.plain = true,
            "LOGIN" => self.login = true,
            _ => match OTHERS.iter().find(|other| **other == word) {
                Some(other) if !self.others.contains(other) => self.others.push(other),
                Some(_) => {}
                None => self.unnamed = true,
            },
        }
    }

    /// Those that are worth a try, in their sequence, by what is known of the account's log-ins.
    pub fn to_try(&self, known: &LogIns) -> Vec<Mechanism> {
        let offered = [(Mechanism::Plain, self.plain), (Mechanism::Login, self.login)];
        let offered: Vec<Mechanism> =
            offered.into_iter().filter(|(_, is)| *is).map(|(mechanism, _)| mechanism).collect();
        let is_known = |mechanism: &&Mechanism| !known.is_refused(**mechanism).load(Ordering::Relaxed);
        let mut left: Vec<Mechanism> = offered.iter().filter(is_known).copied().collect();
        if left.is_empty() {
            // It refuses all; the first one shows whether it still does.
            left.extend(offered.first());
        }
        left
    }

    /// Why nobody can log in, in words that hold none of the server's.
    pub fn lack(&self) -> String {
        let is_oauth = |name: &&str| OAUTH.contains(name);
        let names = self.others.join(", ");
        let names = match (self.others.is_empty(), self.others.iter().all(is_oauth)) {
            (true, _) if !self.unnamed => return "the server offers no log-in".to_owned(),
            (true, _) => "ways that few know".to_owned(),
            (false, true) if !self.unnamed => format!("OAuth ({names})"),
            (false, _) if self.unnamed => format!("{names} and another"),
            (false, _) => names,
        };
        format!("the server offers only {names} to log in with, and Orderbell knows PLAIN and LOGIN")
    }
}

/// Whether a refused log-in says that the server does not know the mechanism, and nothing of who we are (RFC 4954, section 4:
/// 504; other servers say so by other codes).
pub fn is_about_the_mechanism(reply: &SmtpReply) -> bool {
    let said = reply.text.to_lowercase();
    match reply.code {
        500..=504 => true,
        // A password of its own, encryption, a log-in before: another mechanism changes nothing.
        530 | 534 | 538 => false,
        505..=599 => NO_MECHANISM.iter().any(|word| said.contains(word)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_is_said_without_the_servers_words() {
        let lack = |words: &str| {
            let mut offer = Offer::default();
            words.split(' ').for_each(|word| offer.add(word));
            offer.lack()
        };
        assert_eq!(lack(""), "the server offers no log-in");
        let only =
            |names: &str| format!("the server offers only {names} to log in with, and Orderbell knows PLAIN and LOGIN");
        assert_eq!(lack("CRAM-MD5 NTLM CRAM-MD5"), only("CRAM-MD5, NTLM"));
        assert_eq!(lack("XOAUTH2"), only("OAuth (XOAUTH2)"));
        assert_eq!(lack("XOAUTH2 CRAM-MD5"), only("XOAUTH2, CRAM-MD5"));
        assert_eq!(lack("XOAUTH2 B3Jkcw"), only("XOAUTH2 and another"));
        assert_eq!(lack("B3Jkcw"), only("ways that few know"));
    }
}
