//! What a mail server says: the reply as it stands on the wire, and why there is none.

use std::{fmt, io};

/// How far a mail has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SmtpPhase {
    Connect,
    Greeting,
    Hello,
    StartTls,
    Auth,
    Mail,
    Recipient,
    Data,
    /// The mail itself: not all of the final dot is sent.
    Content,
    /// The final dot is sent: from here on the server may have taken the mail.
    Answer,
}

impl fmt::Display for SmtpPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SmtpPhase::Connect => "connecting",
            SmtpPhase::Greeting => "greeting",
            SmtpPhase::Hello => "EHLO",
            SmtpPhase::StartTls => "STARTTLS",
            SmtpPhase::Auth => "AUTH",
            SmtpPhase::Mail => "MAIL FROM",
            SmtpPhase::Recipient => "RCPT TO",
            SmtpPhase::Data => "DATA",
            SmtpPhase::Content => "sending the mail",
            SmtpPhase::Answer => "after the mail",
        })
    }
}

/// A server's reply, all its lines in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpReply {
    pub code: u16,
    /// The enhanced status code of RFC 3463 that its text begins with, such as 5.7.8.
    pub enhanced: Option<(u16, u16, u16)>,
    /// Without codes; the lines are joined by blanks.
    pub text: String,
}

impl SmtpReply {
    /// Joins the texts of a reply's lines, each without its three digits.
    pub fn new(code: u16, lines: &[String]) -> Self {
        let enhanced = lines.first().and_then(|line| enhanced(line, code)).map(|(found, _)| found);
        let texts = lines.iter().map(|line| match enhanced.and(self::enhanced(line, code)) {
            Some((_, rest)) => rest.trim(),
            None => line.trim(),
        });
        Self { code, enhanced, text: texts.filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ") }
    }

    pub fn is_accepted(&self) -> bool {
        (200..300).contains(&self.code)
    }

    /// The codes alone: `550 5.1.1`.
    pub fn codes(&self) -> String {
        match self.enhanced {
            Some((class, subject, detail)) => format!("{} {class}.{subject}.{detail}", self.code),
            None => self.code.to_string(),
        }
    }
}

/// The enhanced code at the start of a line, where it is of the class of the reply's code (RFC 2034, section 4).
fn enhanced(line: &str, code: u16) -> Option<((u16, u16, u16), &str)> {
    let (word, rest) = line.trim_start().split_once(' ').unwrap_or((line.trim(), ""));
    let mut numbers = word.split('.').map(|number| number.parse::<u16>().ok().filter(|number| *number < 1000));
    let found = (numbers.next()??, numbers.next()??, numbers.next()??);
    (numbers.next().is_none() && found.0 == code / 100).then_some((found, rest))
}

/// Why a mail was not taken, or is not known to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SmtpFailure {
    /// The server did not accept.
    Refused { phase: SmtpPhase, reply: SmtpReply },
    /// No reply: too late, broken off, or none that is SMTP.
    Lost { phase: SmtpPhase, why: String },
    /// The server cannot be used as it is configured: its certificate, its log-in, its address.
    Unfit { phase: SmtpPhase, why: String },
}

/// What no further try would change.
pub fn unfit(phase: SmtpPhase, why: &str) -> SmtpFailure {
    SmtpFailure::Unfit { phase, why: why.to_owned() }
}

/// The connection broke, in words that hold none of the system's.
pub fn lost(phase: SmtpPhase, error: &io::Error) -> SmtpFailure {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "the connection was reset",
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the connection was closed"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "the network cannot be reached",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::InvalidData => "the server does not speak TLS there",
        _ => "the connection failed",
    };
    SmtpFailure::Lost { phase, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16, lines: &[&str]) -> SmtpReply {
        SmtpReply::new(code, &lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn the_enhanced_code_is_distinguished_from_the_text() {
        let refused = reply(550, &["5.1.1 no such", "5.1.1 user"]);
        assert_eq!((refused.codes().as_str(), refused.text.as_str()), ("550 5.1.1", "no such user"));
        for text in ["4.1.1 of another class", "5.1 too few", "5.1.1.1 too many", "10.0.0.1 an address", ""] {
            let plain = reply(550, &[text]);
            assert_eq!((plain.enhanced, plain.text.as_str()), (None, text));
        }
    }
}
