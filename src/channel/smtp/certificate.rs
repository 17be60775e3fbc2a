//! What is wrong with a mail server's certificate, in plain words.

use std::io;

use jiff::Timestamp;
use rustls::CertificateError;
use rustls::pki_types::UnixTime;

use crate::domain::text::clean_line;

/// Names of a certificate that are shown, and characters of each.
const NAMES: usize = 3;
const NAME: usize = 80;

/// What is wrong with the server's certificate, where that is what went wrong.
pub fn fault(error: &io::Error) -> Option<String> {
    let inner = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(fault) = inner else { return None };
    Some(format!("the server's certificate {}", words(fault)))
}

fn words(fault: &CertificateError) -> String {
    use CertificateError as Wrong;
    match fault {
        Wrong::ExpiredContext { not_after, .. } => format!("has expired on {}", day(*not_after)),
        Wrong::Expired => "has expired".to_owned(),
        Wrong::NotValidYetContext { not_before, .. } => {
            format!("is not valid yet but from {} on; look at this machine's clock", day(*not_before))
        }
        Wrong::NotValidYet => "is not valid yet; look at this machine's clock".to_owned(),
        Wrong::NotValidForNameContext { presented, .. } if !presented.is_empty() => {
            let names: Vec<String> = presented.iter().take(NAMES).map(|name| plain(name)).collect();
            let more = if presented.len() > NAMES { " and others" } else { "" };
            format!("is of another name, {}{more}; write the name that the provider gives", names.join(", "))
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            "is of another name; write the name that the provider gives".to_owned()
        }
        Wrong::UnknownIssuer => {
            "is of an unknown authority; name the authority's file as ca_file if it is your own".to_owned()
        }
        Wrong::BadSignature => "is signed by another authority of the same name".to_owned(),
        Wrong::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => "is an authority's".to_owned(),
        _ => "cannot be trusted".to_owned(),
    }
}

/// The day of a time in UTC, as `2026-11-30`.
fn day(time: UnixTime) -> String {
    let time = i64::try_from(time.as_secs()).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "an unknown day".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// A name as rustls shows it, `DnsName("mail.example.com")`, without what is around it.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')'));
    clean_line(inner.trim_matches('"'), NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_days_are_shown_as_people_write_them() {
        assert_eq!(plain("DnsName(\"mail.example.com\")"), "mail.example.com");
        assert_eq!(plain("IpAddress(192.0.2.7)"), "192.0.2.7");
        assert_eq!(plain("odd\u{202e}\r\nname"), clean_line("odd\u{202e}\r\nname", NAME));
        let at = |seconds| UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds));
        assert_eq!(day(at(1_609_459_200)), "2021-01-01");
        assert_eq!(day(at(u64::MAX)), "an unknown day");
    }
}
