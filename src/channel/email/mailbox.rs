//! A mail address with its name, as the configuration writes it: `Name <address>`, or the address alone.

use std::fmt;
use std::str::FromStr;

use lettre::Address;
use serde::Deserialize;
use url::Host;

use crate::domain::text::clean_line;

/// Longest name that is shown, in characters.
const NAME: usize = 100;

/// A name that is one clean line, and an address in ASCII.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mailbox {
    name: Option<String>,
    address: Address,
}

/// A text that is no mail address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidMailbox {
    #[error("this is not a mail address")]
    Malformed,
    #[error("the part before the @ has letters beyond a to z, which many servers do not take")]
    NotAscii,
}

impl FromStr for Mailbox {
    type Err = InvalidMailbox;

    fn from_str(text: &str) -> Result<Self, InvalidMailbox> {
        let text = text.trim();
        let (name, address) = match text.strip_suffix('>').map(|rest| rest.rsplit_once('<')) {
            Some(Some((name, address))) => (name.trim(), address),
            Some(None) => return Err(InvalidMailbox::Malformed),
            None => ("", text),
        };
        let (user, domain) = address.rsplit_once('@').ok_or(InvalidMailbox::Malformed)?;
        if !user.is_ascii() {
            return Err(InvalidMailbox::NotAscii);
        }
        let odd =
            |part: &str| part.contains(|c: char| c.is_whitespace() || c.is_control() || "<>(),;\"\\@".contains(c));
        let domain = match Host::parse(domain) {
            Ok(Host::Domain(domain)) => domain,
            _ => return Err(InvalidMailbox::Malformed),
        };
        if odd(user) || odd(&domain) {
            return Err(InvalidMailbox::Malformed);
        }
        let address = Address::new(user, domain).map_err(|_| InvalidMailbox::Malformed)?;
        // The message builder panics at a line break in a name.
        let name = clean_line(name.trim_matches('"'), NAME);
        Ok(Self { name: (!name.is_empty()).then_some(name), address })
    }
}

impl TryFrom<String> for Mailbox {
    type Error = InvalidMailbox;

    fn try_from(text: String) -> Result<Self, InvalidMailbox> {
        text.parse()
    }
}

impl Mailbox {
    pub fn address(&self) -> &str {
        self.address.as_ref()
    }

    pub fn domain(&self) -> &str {
        self.address.domain()
    }

    pub fn to_lettre(&self) -> lettre::message::Mailbox {
        lettre::message::Mailbox::new(self.name.clone(), self.address.clone())
    }
}

/// An address as it may stand in logs and notices: `o***@example.com`.
pub fn masked(address: &str) -> impl fmt::Display {
    let (user, domain) = address.rsplit_once('@').unwrap_or((address, ""));
    format!("{}***@{domain}", user.chars().next().unwrap_or('*'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_party_is_a_name_and_an_address_or_the_address_alone() {
        let mailbox: Mailbox = "Harbour \u{202e}Noodle\r\nBcc: x@y.z House <orders@example.com>".parse().unwrap();
        assert_eq!(mailbox.to_lettre().to_string(), "\"Harbour Noodle Bcc: x@y.z House\" <orders@example.com>");
        let mailbox: Mailbox = "\"海港 面馆\" <orders@例え.jp>".parse().unwrap();
        assert_eq!((mailbox.address(), mailbox.domain()), ("orders@xn--r8jz45g.jp", "xn--r8jz45g.jp"));
        assert_eq!("cook@example.com".parse::<Mailbox>().unwrap().to_lettre().to_string(), "cook@example.com");
        assert_eq!(masked("owner@example.com").to_string(), "o***@example.com");
    }

    #[test]
    fn what_is_no_single_address_is_refused() {
        for wrong in [
            "",
            "cook",
            "a@b@c.d",
            "a@b,c@d",
            "<a@b.c",
            "a b@c.d",
            "a@[127.0.0.1]",
            "a@b.c>\r\nRCPT TO:<x@y.z",
            "\"x\"@b.c",
        ] {
            assert_eq!(wrong.parse::<Mailbox>(), Err(InvalidMailbox::Malformed), "{wrong:?}");
        }
        assert_eq!("köchin@example.com".parse::<Mailbox>(), Err(InvalidMailbox::NotAscii));
    }
}
