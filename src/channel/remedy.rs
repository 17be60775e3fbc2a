//! What can go wrong before a provider or receiver has read anything, and how a remedy stands beside an answer.

use crate::domain::remedy::Remedy;
use crate::domain::retry::redacted;

/// What stands in an answer's words, and what it comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemedyRule {
    /// All of these stand in the words, in small letters.
    says: &'static [&'static str],
    pub remedy: Remedy,
}

pub const fn rule(says: &'static [&'static str], key: &'static str) -> RemedyRule {
    RemedyRule { says, remedy: Remedy::of(key) }
}

/// The remedy of the first rule that fits these words.
pub fn find(rules: &[RemedyRule], words: &str) -> Option<Remedy> {
    let lower = words.to_lowercase();
    let found = rules.iter().find(|rule| rule.says.iter().all(|said| lower.contains(said)));
    found.map(|rule| rule.remedy)
}

/// An answer's words as they stand beside its remedy: that is not said a second time, in brackets.
pub fn beside(words: &str) -> String {
    let own = redacted(words);
    match own.split_once(" (").filter(|_| own.ends_with(')')) {
        Some((code, _)) => format!("{code}{}", &words[own.len()..]),
        None => words.to_owned(),
    }
}

/// What goes wrong on the way.
pub fn in_transit(words: &str) -> Option<Remedy> {
    find(IN_TRANSIT, words)
}

/// The words are those of rustls, of the resolver and of the operating system, as `channel::http` passes them on.
#[rustfmt::skip]
pub const IN_TRANSIT: &[RemedyRule] = &[
    rule(&["the proxy wants a user"], "transport.proxy_log_in"),
    rule(&["the proxy did not open"], "transport.proxy_refuses"),
    rule(&["connection refused, by way of the proxy"], "transport.no_proxy"),
    rule(&["timed out while connecting, by way of the proxy"], "transport.proxy_late"),
    rule(&["dns error", "by way of the proxy"], "transport.proxy_name"),
    rule(&["not the robot's answer"], "transport.elsewhere"),
    rule(&["certificate not valid for name"], "transport.other_name"),
    rule(&["notvalidforname"], "transport.other_name"),
    rule(&["certificate is of another name"], "transport.other_mail_name"),
    rule(&["certificate has expired"], "transport.expired"),
    rule(&["certificate is not valid yet"], "transport.not_yet_valid"),
    rule(&["another authority of the same name"], "transport.other_authority_file"),
    rule(&["badsignature"], "transport.other_authority"),
    rule(&["certificate is an authority's"], "transport.not_a_leaf"),
    rule(&["causedasendentity"], "transport.not_a_leaf"),
    rule(&["certificate is of an unknown authority"], "transport.unknown_authority_file"),
    rule(&["certificate expired"], "transport.expired"),
    rule(&["certificate: expired"], "transport.expired"),
    rule(&["certificate not valid yet"], "transport.not_yet_valid"),
    rule(&["notvalidyet"], "transport.not_yet_valid"),
    rule(&["unknownissuer"], "transport.unknown_authority"),
    rule(&["certificate"], "transport.certificate"),
    rule(&["does not speak tls"], "transport.no_tls"),
    rule(&["corrupt message"], "transport.no_https"),
    rule(&["failed to lookup address"], "transport.no_name"),
    rule(&["dns error"], "transport.no_name"),
    rule(&["connection refused"], "transport.refused"),
    rule(&["network cannot be reached"], "transport.unreachable"),
    rule(&["timed out while connecting"], "transport.connect_late"),
    rule(&["timed out"], "transport.late"),
    rule(&["allow_private"], "transport.private"),
    rule(&["no answer"], "transport.cut"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_remedy_says_does_not_stand_in_the_answer_beside_it() {
        assert_eq!(beside("errcode 310000 (no keyword: set it (`keyword`)): “a (b)”"), "errcode 310000: “a (b)”");
        assert_eq!(beside("RCPT TO c***@x.y: 535 (wrong password)"), "RCPT TO c***@x.y: 535");
        for whole in ["errcode 310000: “a (b)”", "no answer (yet) came: pass"] {
            assert_eq!(beside(whole), whole);
        }
    }

    #[test]
    fn the_first_sign_of_which_everything_is_said_counts() {
        const RULES: &[RemedyRule] = &[rule(&["a", "b"], "both"), rule(&["a"], "one")];
        let key = |words| find(RULES, words).map(|remedy| remedy.key);
        assert_eq!((key("A and B"), key("only A"), key("c")), (Some("both"), Some("one"), None));
    }

    #[test]
    fn what_tls_says_of_certificates_is_understood() {
        use std::time::Duration;

        use rustls::CertificateError;
        use rustls::pki_types::{ServerName, UnixTime};

        let at = |seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        let expected = ServerName::try_from("oapi.dingtalk.com").unwrap();
        let table = [
            (CertificateError::Expired, "has expired"),
            (CertificateError::ExpiredContext { time: at(9), not_after: at(5) }, "has expired"),
            (CertificateError::NotValidYet, "is not valid yet"),
            (CertificateError::NotValidYetContext { time: at(5), not_before: at(9) }, "is not valid yet"),
            (CertificateError::NotValidForName, "belongs to another name"),
            (
                CertificateError::NotValidForNameContext { expected, presented: vec!["proxy.example".to_owned()] },
                "belongs to another name",
            ),
            (CertificateError::UnknownIssuer, "nobody whom this machine trusts"),
            (CertificateError::Revoked, "is not accepted"),
        ];
        for (error, cause) in table {
            let words = format!("not connected: {}", rustls::Error::InvalidCertificate(error));
            let found = in_transit(&words).map(Remedy::cause).unwrap_or_default();
            assert!(found.contains(cause), "{words}: {found}");
        }
    }
}
