//! Masks the values of key-like names in a JSON body, so that no licence key or password is ever stored.

use std::borrow::Cow;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;
use serde::de::Deserializer;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

/// What stands in the place of a masked value.
const MASKED: &str = "\"***\"";

/// Names whose values are masked, in lower case without `_` and `-`.
const NAMES: [&str; 16] = [
    "key",
    "keys",
    "license",
    "licenses",
    "licence",
    "licences",
    "licensekey",
    "licensekeys",
    "cdkey",
    "apikey",
    "secret",
    "appsecret",
    "password",
    "passwd",
    "token",
    "accesstoken",
];

/// A body without one of these, in whatever case, holds none of the names. The last one begins an escape, which may hide a
/// letter of a name.
const TRACES: [&str; 6] = ["key", "licen", "secret", "passw", "token", r"\u"];

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(TRACES)
        .expect("a few short texts always make an automaton")
});

/// Deeper than this, a value is masked whole instead of being searched.
const MAX_DEPTH: usize = 64;

/// The body with the values under key-like names, and under `also`, replaced by `"***"`. Numbers, blanks and the sequence
/// of members stay as they came. JSON inside a string is searched too. A body that does not parse comes back as it is.
pub fn mask<'a>(body: &'a [u8], also: &[&str]) -> Cow<'a, [u8]> {
    if also.is_empty() && !SEARCH.is_match(body) {
        return Cow::Borrowed(body);
    }
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else { return Cow::Borrowed(body) };
    let mut out = String::with_capacity(body.len());
    write_value(&mut out, raw, also, 0);
    Cow::Owned(out.into_bytes())
}

fn is_secret(name: &str, also: &[&str]) -> bool {
    let folded: String =
        name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect();
    NAMES.contains(&folded.as_str()) || also.contains(&name)
}

fn write_value(out: &mut String, raw: &RawValue, also: &[&str], depth: usize) {
    let text = raw.get();
    if depth > MAX_DEPTH {
        out.push_str(MASKED);
        return;
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Ok(Members(members)) = serde_json::from_str(text) else {
                out.push_str(MASKED);
                return;
            };
            out.push('{');
            for (index, (name, value)) in members.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&serde_json::Value::from(name.as_str()).to_string());
                out.push(':');
                if is_secret(&name, also) {
                    out.push_str(MASKED);
                } else {
                    write_value(out, value, also, depth + 1);
                }
            }
            out.push('}');
        }
        Some(b'[') => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) else {
                out.push_str(MASKED);
                return;
            };
            out.push('[');
            for (index, item) in items.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(out, item, also, depth + 1);
            }
            out.push(']');
        }
        Some(b'"') => match serde_json::from_str::<String>(text) {
            Ok(inner) if inner.trim_start().starts_with(['{', '[']) => {
                match serde_json::from_str::<&RawValue>(&inner) {
                    Ok(value) => {
                        let mut masked = String::with_capacity(inner.len());
                        write_value(&mut masked, value, also, depth + 1);
                        out.push_str(&serde_json::Value::from(masked).to_string());
                    }
                    Err(_) => out.push_str(text),
                }
            }
            _ => out.push_str(text),
        },
        _ => out.push_str(text),
    }
}

/// The members of an object in their sequence, duplicates included.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect).map(Members)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn masked(body: &str) -> String {
        String::from_utf8(mask(body.as_bytes(), &[]).into_owned()).expect("JSON stays text")
    }

    #[test]
    fn values_under_key_like_names_are_masked_wherever_they_stand() {
        let body = r#"{"order_no":1e2,"License_Key":"AAAA-BBBB","items":[{"cdKey":["x"]}],"inner":"{\"password\":\"p\",\"n\":12.10}"}"#;
        let expected = r#"{"order_no":1e2,"License_Key":"***","items":[{"cdKey":"***"}],"inner":"{\"password\":\"***\",\"n\":12.10}"}"#;
        assert_eq!(masked(body), expected);
    }

    #[test]
    fn a_name_written_with_escapes_is_masked_all_the_same() {
        assert_eq!(masked(r#"{"\u006bey":"AAAA"}"#), r#"{"key":"***"}"#);
    }

    #[test]
    fn a_body_without_such_names_stays_byte_for_byte() {
        let body = r#"{ "a" : 1.50, "b": [ true ] }"#;
        assert_eq!(masked(body), body);
    }

    #[test]
    fn what_is_nested_too_deep_is_masked_whole_and_what_is_no_json_stays() {
        let deep = format!("{{\"key\":1,\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
        assert!(masked(&deep).contains("***"));
        assert_eq!(masked("key=abc"), "key=abc");
    }
}
