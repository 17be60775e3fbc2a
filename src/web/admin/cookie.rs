//! The cookie in which a browser keeps its session: never sent by a page of another site, and never seen by a script.

use http::{HeaderMap, HeaderName, header};

use crate::domain::session::{LONGEST, SessionKey};
use crate::web::admin::same_site;

/// Behind https: no other host and no unencrypted page can plant it.
const ENCRYPTED: &str = "__Host-orderbell";
const PLAIN: &str = "orderbell";
/// So many are looked at: a neighbour in the same domain may have planted some beside the own one.
const LOOKED_AT: usize = 4;

/// How a browser reaches the listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Encrypted,
    /// As far as is known: a proxy need not say otherwise.
    Plain,
}

impl Transport {
    /// As the browser itself says by the `Origin` of what it posts, else as a proxy says. So nobody is given a cookie that their
    /// browser does not send back.
    pub fn of(headers: &HeaderMap) -> Self {
        let origin = same_site::one(headers, &header::ORIGIN).and_then(Result::ok).unwrap_or_default();
        match origin.split_once("://") {
            Some(("https", _)) => Transport::Encrypted,
            Some(_) => Transport::Plain,
            None => {
                let proto = headers.get(HeaderName::from_static("x-forwarded-proto"));
                let proto = proto.and_then(|proto| proto.to_str().ok()).unwrap_or_default();
                let first = proto.split(',').next().unwrap_or_default().trim();
                if first.eq_ignore_ascii_case("https") { Transport::Encrypted } else { Transport::Plain }
            }
        }
    }
}

/// What a browser proves its session with; more than one where several cookies are there that may be it.
pub fn keys(headers: &HeaderMap) -> Vec<SessionKey> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs: Vec<(&str, &str)> =
        values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('=')).collect();
    let named = |wanted| pairs.iter().filter(move |(name, _)| *name == wanted).map(|(_, value)| *value);
    named(ENCRYPTED).chain(named(PLAIN)).filter_map(SessionKey::read).take(LOOKED_AT).collect()
}

/// The `Set-Cookie` by which a browser keeps its session.
pub fn kept(key: &SessionKey, transport: Transport) -> String {
    let age = LONGEST.as_secs();
    match transport {
        Transport::Encrypted => {
            format!("{ENCRYPTED}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict; Secure", key.expose())
        }
        Transport::Plain => format!("{PLAIN}={}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict", key.expose()),
    }
}

/// Those by which it forgets its session.
pub fn forgotten() -> [String; 2] {
    [
        format!("{ENCRYPTED}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict; Secure"),
        format!("{PLAIN}=; Path=/; Max-Age=0; HttpOnly; SameSite=Strict"),
    ]
}

#[cfg(test)]
mod tests {
    use poem::Request;

    use super::*;

    fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
        let request = lines.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        request.finish().headers().clone()
    }

    #[test]
    fn a_session_is_found_among_whatever_else_is_sent() {
        let (own, other) = (SessionKey::of(&[1; 32]), SessionKey::of(&[2; 32]));
        let found = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|line| ("cookie", *line)).collect();
            keys(&headers(&lines)).iter().map(SessionKey::digest).collect::<Vec<_>>()
        };
        let (one, two) = (own.expose(), other.expose());
        assert_eq!(found(&[&format!("a=b; orderbell={one};c")]), [own.digest()]);
        assert_eq!(
            found(&[&format!("orderbell={one}"), &format!("__Host-orderbell={two}")]),
            [other.digest(), own.digest()],
            "the one that nobody can plant comes first"
        );
        let planted = vec![format!("orderbell={two}"); 100].join("; ");
        assert_eq!(found(&[&format!("{planted}; __Host-orderbell={one}")])[0], own.digest());
        assert_eq!(found(&[&planted]).len(), LOOKED_AT);
        for none in ["", "orderbell", "orderbell=", "Orderbell=x", &format!("orderbell={}", "a".repeat(10_000))] {
            assert_eq!(found(&[none]), [], "{none}");
        }
    }

    #[test]
    fn only_a_browser_that_asks_by_https_is_given_a_cookie_for_https() {
        let (origin, proto) = ("origin", "x-forwarded-proto");
        for (lines, wanted) in [
            (&[][..], Transport::Plain),
            (&[(proto, "https")], Transport::Encrypted),
            (&[(proto, "HTTPS, http")], Transport::Encrypted),
            (&[(proto, "http, https")], Transport::Plain),
            (&[(origin, "https://bell.example.com")], Transport::Encrypted),
            (&[(origin, "http://10.0.0.7:8788"), (proto, "https")], Transport::Plain),
            (&[(origin, "null"), (proto, "https")], Transport::Encrypted),
        ] {
            assert_eq!(Transport::of(&headers(lines)), wanted, "{lines:?}");
        }
    }
}
