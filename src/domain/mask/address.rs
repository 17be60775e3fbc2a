//! What is secret of an address and of a header.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use url::Url;

use crate::domain::mask::views::resolved;

/// Parts of paths that are the providers' own, or that anybody would choose.
const OPEN: [&str; 24] = [
    "api",
    "callback",
    "cgi-bin",
    "dingtalk",
    "event",
    "events",
    "hook",
    "hooks",
    "http",
    "https",
    "in",
    "incoming",
    "notify",
    "order",
    "orderbell",
    "orders",
    "relay",
    "robot",
    "send",
    "v1",
    "v2",
    "webhook",
    "webhooks",
    "wecom",
];

/// Shorter parts of a path are only secret where a digit stands in them.
const SHORTEST_WORD: usize = 6;

/// Names of the schemes of `Authorization` and its like; what follows them is the secret.
const SCHEMES: [&str; 8] = ["apikey", "basic", "bearer", "digest", "hmac", "key", "negotiate", "token"];

/// The secrets of an address: the user, the password, the path and its parts, the query and its values, the fragment.
pub fn of_url(address: &str) -> Vec<String> {
    let Ok(url) = Url::parse(address) else { return vec![address.to_owned()] };
    let mut secrets = Vec::new();
    let mut add = |secret: &str| secrets.push(secret.to_owned());
    let plain = |text: &str| String::from_utf8_lossy(&resolved(text.as_bytes())).into_owned();
    let (user, password) = (url.username(), url.password().unwrap_or_default());
    if !password.is_empty() {
        add(password);
        add(&format!("{user}:{password}"));
        add(&format!("{}:{}", plain(user), plain(password)));
    } else {
        add(user);
    }
    // As it is requested, and as it is written.
    let written = address.split_once("://").map_or("", |(_, rest)| rest);
    let written = written.find(['/', '?', '#']).map_or("", |at| &written[at..]);
    let (beyond, fragment) = written.split_once('#').unwrap_or((written, ""));
    let (path, query) = beyond.split_once('?').unwrap_or((beyond, ""));
    for path in [url.path(), path] {
        let parts: Vec<&str> = path.split('/').filter(|part| is_secret(part)).collect();
        if !parts.is_empty() {
            add(path.trim_end_matches('/'));
            parts.into_iter().for_each(&mut add);
        }
    }
    for query in [url.query().unwrap_or_default(), query] {
        add(query);
        query.split('&').for_each(|pair| add(pair.split_once('=').map_or(pair, |(_, value)| value)));
    }
    for fragment in [url.fragment().unwrap_or_default(), fragment] {
        add(fragment);
    }
    secrets.retain(|secret| !secret.is_empty());
    secrets
}

fn is_secret(part: &str) -> bool {
    let is_version = part.strip_prefix('v').is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    let is_long = part.chars().count() >= SHORTEST_WORD || part.bytes().any(|byte| byte.is_ascii_digit());
    !part.is_empty() && is_long && !is_version && !OPEN.contains(&part.to_lowercase().as_str())
}

/// The secrets of a header's value.
pub fn of_header(value: &str) -> Vec<String> {
    let mut secrets = vec![value.to_owned()];
    if let Some((scheme, rest)) = value.trim().split_once(' ')
        && SCHEMES.contains(&scheme.to_lowercase().as_str())
    {
        secrets.push(rest.trim().to_owned());
        let login = BASE64_STANDARD.decode(rest.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        if let Some((user, password)) = login.as_deref().and_then(|login| login.split_once(':')) {
            secrets.extend([password.to_owned(), format!("{user}:{password}")]);
        }
    }
    // Of a cookie, or of a scheme with parameters.
    let values = value.split([';', ',', ' ']).filter_map(|piece| piece.split_once('='));
    let values = values.map(|(_, value)| value.trim().trim_matches('"'));
    secrets.extend(values.filter(|value| value.chars().count() >= SHORTEST_WORD).map(str::to_owned));
    secrets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_secret_of_an_address_is_what_hangs_on_its_owner() {
        assert_eq!(
            of_url("https://oapi.dingtalk.com/robot/send?access_token=abc"),
            ["access_token=abc", "abc", "access_token=abc", "abc"]
        );
        assert_eq!(of_url("https://relay.example.com/"), Vec::<String>::new());
        let all = of_url("http://u:p%2Fw@h.example/hush-path/v1/x7?key=k#part");
        for secret in ["p%2Fw", "u:p/w", "/hush-path/v1/x7", "hush-path", "x7", "k", "key=k", "part"] {
            assert!(all.iter().any(|one| one == secret), "{secret}: {all:?}");
        }
        assert!(!all.iter().any(|one| one == "v1" || one.contains("h.example")), "{all:?}");
    }

    #[test]
    fn what_is_secret_of_a_header_is_its_value_with_and_without_what_stands_before() {
        assert_eq!(of_header("Bearer abc"), ["Bearer abc", "abc"]);
        assert_eq!(of_header("Basic dXNlcjpwdw=="), ["Basic dXNlcjpwdw==", "dXNlcjpwdw==", "pw", "user:pw"]);
        assert_eq!(of_header("a=1234567; b=x; c=\"7654321\""), ["a=1234567; b=x; c=\"7654321\"", "1234567", "7654321"]);
        assert_eq!(of_header("two words"), ["two words"]);
    }
}
