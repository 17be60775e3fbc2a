//! What a request looks like, for whoever asks why it was refused: its encodings and its form, in words of our own only.

use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};

/// The codings that are named; every other one is "another one".
const CODINGS: [&str; 6] = ["gzip", "deflate", "br", "zstd", "compress", "identity"];
const TYPES: [&str; 9] = [
    "application/json",
    "application/octet-stream",
    "application/x-www-form-urlencoded",
    "application/xml",
    "multipart/form-data",
    "text/html",
    "text/json",
    "text/plain",
    "text/xml",
];
const CHARSETS: [&str; 8] = ["gbk", "gb2312", "gb18030", "big5", "iso-8859-1", "utf-16", "utf-16le", "utf-16be"];

/// The coding of a body that was not undone on the way in, as the body or a header says; `None` when it came plain.
pub fn coding(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    match body {
        [] => return None,
        [0x1f, 0x8b, ..] => return Some("gzip"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Some("UTF-16"),
        _ => {}
    }
    let listed = headers.get_all(CONTENT_ENCODING).into_iter();
    let named = listed.flat_map(|value| value.as_bytes().split(|byte| *byte == b',')).map(<[u8]>::trim_ascii);
    let codings = named.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"));
    let known = |coding: &[u8]| CODINGS.into_iter().find(|known| coding.eq_ignore_ascii_case(known.as_bytes()));
    codings.map(|coding| known(coding).unwrap_or("another one")).next()
}

/// `application/json in gbk, begins like a JSON object`.
pub fn of_request(headers: &HeaderMap, body: &[u8]) -> String {
    format!("{}, {}", kind(headers), form(body))
}

fn kind(headers: &HeaderMap) -> String {
    let Some(value) = headers.get(CONTENT_TYPE) else { return "no Content-Type".to_owned() };
    let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
    let mut pieces = value.split(';').map(str::trim);
    let essence = pieces.next().unwrap_or_default();
    let kind = TYPES.into_iter().find(|known| *known == essence).unwrap_or("another Content-Type");
    let charset = pieces.find_map(|piece| piece.strip_prefix("charset=")).map(|charset| charset.trim_matches('"'));
    match charset {
        None | Some("utf-8" | "utf8") => kind.to_owned(),
        Some(charset) => {
            let known = CHARSETS.into_iter().find(|known| *known == charset).unwrap_or("another charset");
            format!("{kind} in {known}")
        }
    }
}

fn form(body: &[u8]) -> &'static str {
    match body.trim_ascii_start() {
        [] => "empty",
        [0x1f, 0x8b, ..] => "begins like gzip",
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "begins like UTF-16",
        [0xef, 0xbb, 0xbf, ..] => "begins with a byte order mark",
        [b'{', ..] => "begins like a JSON object",
        [b'[', ..] => "begins like a JSON list",
        [b'"', ..] => "begins like a JSON text",
        [b'<', ..] => "begins like XML or HTML",
        [b'-', b'-', ..] => "begins like a multipart form",
        other if other.iter().take(64).any(|byte| *byte == b'=') => "begins like a form",
        other if other.iter().take(64).all(u8::is_ascii) => "begins like plain text",
        _ => "begins with bytes that are no ASCII text",
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(name: http::HeaderName, value: &'static str) -> HeaderMap {
        [(name, HeaderValue::from_static(value))].into_iter().collect()
    }

    #[test]
    fn a_coding_is_named_in_words_of_our_own() {
        for (value, expected) in [
            ("br", Some("br")),
            ("GZIP", Some("gzip")),
            ("identity", None),
            ("", None),
            ("identity, zstd", Some("zstd")),
            ("<script>", Some("another one")),
        ] {
            assert_eq!(coding(&headers(CONTENT_ENCODING, value), b"x"), expected, "{value}");
        }
        assert_eq!(coding(&HeaderMap::new(), b"{}"), None);
        assert_eq!(coding(&HeaderMap::new(), b"\xff\xfe{\0"), Some("UTF-16"));
    }

    #[test]
    fn type_charset_and_form_are_named() {
        let gbk = headers(CONTENT_TYPE, "application/json; charset=GBK");
        assert_eq!(of_request(&gbk, b" {\xc4\xe3}"), "application/json in gbk, begins like a JSON object");
        let form = headers(CONTENT_TYPE, "application/x-www-form-urlencoded");
        assert_eq!(of_request(&form, b"a=1&b=2"), "application/x-www-form-urlencoded, begins like a form");
        let odd = headers(CONTENT_TYPE, "buyer/secret; charset=\"utf-8\"");
        assert_eq!(of_request(&odd, b""), "another Content-Type, empty");
        assert_eq!(of_request(&HeaderMap::new(), b"\x1f\x8b"), "no Content-Type, begins like gzip");
    }
}
