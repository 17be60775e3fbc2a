//! Where no token is configured: whether a request was meant for this machine, and comes neither by way of a proxy nor from a
//! page of another site. A page can have its own name resolved to this machine (DNS rebinding), but not the name that the
//! browser then sends. A proxy may send this machine's name, whoever asks it; most proxies say that they pass a request on.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, StatusCode, header};
use poem::Request;

use crate::web::admin::problem::Problem;

/// What a browser says of where a request comes from; other programs say nothing.
const SEC_FETCH_SITE: &str = "sec-fetch-site";

/// What proxies add to the requests that they pass on. One that adds nothing, as nginx by its defaults, asks by HTTP/1.0.
const ADDED_BY_PROXIES: [&str; 6] =
    ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via", "cf-connecting-ip"];

/// # Errors
/// 421 where the request names another host; 403 where a proxy has passed it on, or another site's page has made it.
pub fn check(request: &Request, bound: IpAddr) -> Result<(), Problem> {
    let is_old = request.version() < http::Version::HTTP_11;
    if is_old || ADDED_BY_PROXIES.iter().any(|name| request.headers().contains_key(*name)) {
        return Err(passed_on());
    }
    let host = one(request.headers(), &header::HOST).and_then(Result::ok);
    let target = request.uri().authority().map(|authority| authority.as_str());
    let Some(host) = host.filter(|host| is_of_this_machine(host, bound)) else { return Err(misdirected()) };
    if target.is_some_and(|target| !is_of_this_machine(target, bound)) {
        return Err(misdirected());
    }
    let origin = request.headers().get(header::ORIGIN).map(|origin| origin.to_str().unwrap_or_default());
    let fetched = request.headers().get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    if origin.is_some_and(|origin| !is_origin(origin, host))
        || fetched.is_some_and(|site| site != b"same-origin" && site != b"none")
    {
        let problem = Problem::new(StatusCode::FORBIDDEN, "another-site", "A page of another site may not ask");
        return Err(problem.detail("without an access token, no other site's page is answered"));
    }
    Ok(())
}

/// Whether what a browser posts comes from a page of this very listener. `Sec-Fetch-Site`, which no page can make up, decides
/// where it is there: a proxy may name another host than the browser has asked. Where it is not, as without encryption, `Origin`
/// does. A browser sends one of them.
///
/// # Errors
/// 403.
pub fn check_posted(headers: &HeaderMap) -> Result<(), Problem> {
    let title = "A page of another site may not change anything";
    let refused = |detail| Err(Problem::new(StatusCode::FORBIDDEN, "another-site", title).detail(detail));
    match one(headers, &HeaderName::from_static(SEC_FETCH_SITE)) {
        Some(Ok("same-origin")) => return Ok(()),
        Some(_) => return refused("what is posted comes from the page of another site"),
        None => {}
    }
    let Some(origin) = one(headers, &header::ORIGIN) else {
        return refused("the browser does not say from which page this comes (Sec-Fetch-Site or Origin)");
    };
    let forwarded = HeaderName::from_static("x-forwarded-host");
    let hosts = [one(headers, &header::HOST), one(headers, &forwarded)];
    let is_own = origin.is_ok_and(|origin| hosts.into_iter().flatten().flatten().any(|host| is_origin(origin, host)));
    match is_own {
        true => Ok(()),
        false => refused("Origin is another host than this one; a proxy is to pass on Host as the browser sends it"),
    }
}

/// The value of a header that stands there once; an error where it does not, or is no text.
pub fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<Result<&'a str, ()>> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    Some(match values.next() {
        None => first.to_str().map_err(|_| ()),
        Some(_) => Err(()),
    })
}

fn passed_on() -> Problem {
    let title = "A proxy has passed the request on";
    let detail =
        "without an access token, only what this machine itself asks is answered; behind a proxy, configure a token";
    Problem::new(StatusCode::FORBIDDEN, "behind-a-proxy", title).detail(detail)
}

fn misdirected() -> Problem {
    let title = "The request names another host";
    let detail = "without an access token, only requests to localhost, 127.0.0.1, [::1] or the address of admin.listen are \
        answered; behind a proxy, configure a token";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "wrong-host", title).detail(detail)
}

/// Whether a host, with or without a port, is this machine by a name that nobody else can give it.
fn is_of_this_machine(host: &str, bound: IpAddr) -> bool {
    let Some((name, port)) = split(host) else { return false };
    if port.is_some_and(|port| port.parse::<u16>().is_err() || !port.bytes().all(|byte| byte.is_ascii_digit())) {
        return false;
    }
    let ip = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
        Some(name) => name.parse().ok().map(IpAddr::V6),
        None => name.parse().ok().map(IpAddr::V4),
    };
    name.eq_ignore_ascii_case("localhost") || ip.is_some_and(|ip| ip.is_loopback() || ip == bound)
}

/// A host and its port. An IPv6 address stands in brackets.
fn split(host: &str) -> Option<(&str, Option<&str>)> {
    if host.starts_with('[') {
        let (name, rest) = host.split_at(host.find(']')? + 1);
        return match rest.strip_prefix(':') {
            None if !rest.is_empty() => None,
            port => Some((name, port)),
        };
    }
    Some(host.split_once(':').map_or((host, None), |(name, port)| (name, Some(port))))
}

/// Whether an origin is the one of this host.
fn is_origin(origin: &str, host: &str) -> bool {
    let own = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    own.is_some_and(|own| own.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(host: Option<&str>, more: &[(&'static str, &str)]) -> u16 {
        checked(host, more).map_or_else(|problem| problem.status.as_u16(), |()| 200)
    }

    fn checked(host: Option<&str>, more: &[(&'static str, &str)]) -> Result<(), Problem> {
        let mut request = Request::builder().uri_str("/readyz");
        for (name, value) in host.map(|host| ("host", host)).iter().chain(more) {
            request = request.header(*name, *value);
        }
        check(&request.finish(), "127.0.0.1".parse().unwrap())
    }

    #[test]
    fn only_what_a_page_of_this_host_posts_is_taken() {
        let posted = |more: &[(&'static str, &str)]| {
            let mut request = Request::builder().header("host", "bell.lan:8788");
            for (name, value) in more {
                request = request.header(*name, *value);
            }
            check_posted(request.finish().headers()).is_ok()
        };
        let (site, origin) = ("sec-fetch-site", "origin");
        for taken in [
            &[(site, "same-origin")][..],
            &[(origin, "http://bell.lan:8788")],
            &[(origin, "https://BELL.lan:8788")],
            // As nginx passes it on by its defaults.
            &[(site, "same-origin"), (origin, "https://bell.example.com")],
            &[(origin, "https://bell.example.com"), ("x-forwarded-host", "bell.example.com")],
        ] {
            assert!(posted(taken), "{taken:?}");
        }
        for refused in [
            &[][..],
            &[(site, "cross-site")],
            &[(site, "same-site"), (origin, "http://bell.lan:8788")],
            &[(site, "none")],
            &[(site, "same-origin"), (site, "same-origin")],
            &[(origin, "null")],
            &[(origin, "http://bell.lan")],
            &[(origin, "http://bell.lan:8788.example.com")],
            &[(origin, "https://bell.example.com")],
            &[(origin, "http://bell.lan:8788"), (origin, "http://bell.lan:8788")],
            &[("referer", "http://bell.lan:8788/")],
        ] {
            assert!(!posted(refused), "{refused:?}");
        }
    }

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in ["localhost", "LocalHost:8788", "127.0.0.1", "127.0.0.1:1", "127.9.9.9:80", "[::1]", "[::1]:8788"] {
            assert_eq!(asked(Some(host), &[]), 200, "{host}");
        }
        for host in [
            "",
            ":8788",
            "bell.example.com",
            "localhost.example.com",
            "127.0.0.1.nip.io:8788",
            "localhost:99999",
            "::1",
            "localhost:+1",
            "[::1",
            "[::1]x",
            "10.0.0.1",
            "0.0.0.0",
            "2130706433",
            "[::ffff:10.0.0.1]",
            "localhost:80:80",
            "evil@localhost",
        ] {
            assert_eq!(asked(Some(host), &[]), 421, "{host}");
        }
        assert_eq!(asked(None, &[]), 421);
        assert_eq!(asked(Some("localhost"), &[("host", "bell.example.com")]), 421, "two of them");
    }

    #[test]
    fn the_address_that_is_listened_at_is_one_of_them() {
        let bound: IpAddr = "192.0.2.7".parse().unwrap();
        assert!(is_of_this_machine("192.0.2.7:80", bound) && !is_of_this_machine("192.0.2.8:80", bound));
    }

    #[test]
    fn the_target_of_the_request_counts_as_well() {
        let request = Request::builder().uri_str("http://bell.example.com/readyz").header("host", "localhost").finish();
        let bound = "127.0.0.1".parse().unwrap();
        assert_eq!(check(&request, bound).unwrap_err().status.as_u16(), 421);
    }

    #[test]
    fn whatever_a_proxy_has_passed_on_is_refused() {
        for (name, value) in [
            ("forwarded", "for=192.0.2.7"),
            ("x-forwarded-for", "192.0.2.7"),
            ("x-forwarded-host", "localhost:8788"),
            ("x-real-ip", "127.0.0.1"),
            ("via", "1.1 bell"),
            ("cf-connecting-ip", ""),
        ] {
            let problem = checked(Some("127.0.0.1:8788"), &[(name, value)]).unwrap_err();
            assert_eq!(problem.status.as_u16(), 403, "{name}");
            let said = serde_json::to_string(&problem).unwrap();
            assert!(said.contains("behind a proxy, configure a token"), "{said}");
        }
        let nginx =
            Request::builder().uri_str("/readyz").version(http::Version::HTTP_10).header("host", "127.0.0.1:8788");
        let problem = check(&nginx.finish(), "127.0.0.1".parse().unwrap()).unwrap_err();
        assert_eq!(problem.kind, "urn:orderbell:problem:behind-a-proxy");
    }

    #[test]
    fn pages_of_other_sites_are_refused_and_the_own_one_and_programs_are_not() {
        let host = Some("localhost:8788");
        for site in ["cross-site", "same-site", "", "Same-Origin"] {
            assert_eq!(asked(host, &[("sec-fetch-site", site)]), 403, "{site}");
        }
        for site in ["same-origin", "none"] {
            assert_eq!(asked(host, &[("sec-fetch-site", site)]), 200, "{site}");
        }
        for origin in
            ["null", "http://localhost", "http://localhost:8787", "https://bell.example.com", "localhost:8788"]
        {
            assert_eq!(asked(host, &[("origin", origin)]), 403, "{origin}");
        }
        assert_eq!(asked(host, &[("origin", "http://localhost:8788")]), 200);
    }
}
