//! What to do about an answer: the cause in plain words and what to change, found by what stands in the answer's words.

use crate::domain::retry::own_words;

/// One cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Advice {
    /// All of these stand in the answer's words, in small letters.
    pub says: &'static [&'static str],
    /// What is wrong, as the end of a sentence.
    pub cause: &'static str,
    /// What to change, as an order.
    pub change: &'static str,
}

pub const fn advice(says: &'static [&'static str], cause: &'static str, change: &'static str) -> Advice {
    Advice { says, cause, change }
}

/// The first row of a table that fits these words.
pub fn find(table: &'static [Advice], words: &str) -> Option<&'static Advice> {
    let lower = words.to_lowercase();
    table.iter().find(|advice| advice.says.iter().all(|said| lower.contains(said)))
}

/// An answer's words as they stand beside what a channel's table says of them: that is not said a second time, in brackets.
pub fn said_beside(table: &'static [Advice], words: &str) -> String {
    let own = own_words(words);
    match own.split_once(" (").filter(|_| own.ends_with(')') && find(table, words).is_some()) {
        Some((code, _)) => format!("{code}{}", &words[own.len()..]),
        None => words.to_owned(),
    }
}

/// What can go wrong before a far side has read anything, whatever its kind. The words are those of rustls, of the resolver
/// and of the operating system, as `channel::http` passes them on.
#[rustfmt::skip]
pub const ON_THE_WAY: &[Advice] = &[
    advice(&["the proxy wants a user"], "the proxy lets nobody through whom it does not know",
        "write user and password in `proxy`, as in \"http://user:password@host:3128\"; @ in them as %40, : as %3A"),
    advice(&["the proxy did not open"], "the proxy does not reach the far side, or may not",
        "look at the proxy's rules and into its log"),
    advice(&["connection refused, by way of the proxy"], "nothing listens at the proxy's address",
        "look at `proxy`, and whether the proxy runs"),
    advice(&["timed out while connecting, by way of the proxy"], "the proxy opens no way to the far side in time",
        "look at `proxy`, whether the proxy runs, and into its log"),
    advice(&["dns error", "by way of the proxy"], "the name of the proxy is not found",
        "look for a typing error in `proxy`"),
    advice(&["not the robot's answer"], "something on the way answers in the robot's place: a proxy, a firewall, a page to log in at",
        "look at `webhook`, at `base_url` or `proxy` if there is one, and at what this machine may reach"),
    advice(&["certificate not valid for name"], "the server's certificate belongs to another name", OTHER_NAME),
    advice(&["notvalidforname"], "the server's certificate belongs to another name", OTHER_NAME),
    advice(&["certificate is of another name"], "the server's certificate belongs to another name",
        "write `smtp` with the name that the provider gives, or with the one that the certificate has"),
    advice(&["certificate has expired"], "the server's certificate has expired", EXPIRED),
    advice(&["certificate is not valid yet"], "the server's certificate is not valid yet", CLOCK),
    advice(&["another authority of the same name"], SAME_NAME, "set `ca_file` to the present certificate of the authority"),
    advice(&["badsignature"], SAME_NAME, "install the present certificate of the authority on this machine"),
    advice(&["certificate is an authority's"], AUTHORITYS, LEAF),
    advice(&["causedasendentity"], AUTHORITYS, LEAF),
    advice(&["certificate is of an unknown authority"], "nobody whom this machine trusts has signed the server's certificate",
        "set `ca_file` to the authority's certificate, if it is your own"),
    advice(&["certificate expired"], "the server's certificate has expired", EXPIRED),
    advice(&["certificate: expired"], "the server's certificate has expired", EXPIRED),
    advice(&["certificate not valid yet"], "the server's certificate is not valid yet", CLOCK),
    advice(&["notvalidyet"], "the server's certificate is not valid yet", CLOCK),
    advice(&["unknownissuer"], "nobody whom this machine trusts has signed the server's certificate",
        "install the authority's certificate on this machine; if a firewall opens the traffic, its certificate"),
    advice(&["certificate"], "the server's certificate is not accepted",
        "look at the words below, and at what `openssl s_client -connect HOST:443` shows"),
    advice(&["does not speak tls"], "the server does not speak TLS at this port",
        "look at the port: 465 goes with smtps://, 587 with smtp://"),
    advice(&["corrupt message"], "the server does not speak TLS at this port",
        "look at the port, and at `https://` or `http://` in the address"),
    advice(&["failed to lookup address"], "the name of the server is not found",
        "look for a typing error in the address, and whether this machine can look up names (`getent hosts NAME`)"),
    advice(&["dns error"], "the name of the server is not found",
        "look for a typing error in the address, and whether this machine can look up names (`getent hosts NAME`)"),
    advice(&["connection refused"], "nothing listens at this address and port",
        "look at the port, and whether the server runs"),
    advice(&["network cannot be reached"], "this machine has no way to that network",
        "look at its connection, or set the way out in the firewall"),
    advice(&["timed out while connecting"], "the server does not take the connection",
        "a firewall on the way may swallow it: allow this machine to reach the address"),
    advice(&["timed out"], "the server took the message and did not answer in time",
        "try again; raise `timeout` if it is known to be slow"),
    advice(&["allow_private"], "the address is on this machine or in a private network, or without TLS",
        "set `allow_private = true` if that is meant"),
    advice(&["no answer"], "the connection ended before the server had answered",
        "try again; a proxy on the way may have cut it"),
];

const SAME_NAME: &str =
    "the server's certificate is signed by another authority of the same name as one that is trusted";
const AUTHORITYS: &str = "the server shows an authority's certificate as its own";
const LEAF: &str =
    "give the server a certificate that is no authority's (made with CA:FALSE), or one that an authority has signed";
const OTHER_NAME: &str = "write the address with the name that the certificate has, as the words below show it";
const EXPIRED: &str =
    "its owner must renew it; if you know that it is fresh, look at this machine's clock (`timedatectl`)";
const CLOCK: &str = "look at this machine's clock (`timedatectl`)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_row_says_does_not_stand_in_the_answer_beside_it() {
        const TABLE: &[Advice] = &[advice(&["310000"], "no keyword", "set it (`keyword`)"), advice(&["pass"], "", "")];
        let said = |words| said_beside(TABLE, words);
        assert_eq!(said("errcode 310000 (no keyword: set it (`keyword`)): “a (b)”"), "errcode 310000: “a (b)”");
        assert_eq!(said("RCPT TO c***@x.y: 535 (wrong password)"), "RCPT TO c***@x.y: 535");
        for whole in
            ["errcode 310000: “a (b)”", "HTTP 502 (trouble at the far side): “a”", "no answer (yet) came: pass"]
        {
            assert_eq!(said(whole), whole);
        }
    }

    #[test]
    fn the_first_row_of_which_everything_is_said_counts() {
        const TABLE: &[Advice] = &[advice(&["a", "b"], "both", ""), advice(&["a"], "one", "")];
        assert_eq!(find(TABLE, "A and B").map(|advice| advice.cause), Some("both"));
        assert_eq!(find(TABLE, "only A").map(|advice| advice.cause), Some("one"));
        assert_eq!(find(TABLE, "c"), None);
    }

    #[test]
    fn what_tls_says_of_certificates_is_understood() {
        use std::time::Duration;

        use rustls::CertificateError;
        use rustls::pki_types::ServerName;
        use rustls::pki_types::UnixTime;

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
            let found = find(ON_THE_WAY, &words).map(|advice| advice.cause).unwrap_or_default();
            assert!(found.contains(cause), "{words}: {found}");
        }
    }
}
