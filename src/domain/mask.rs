//! Masks the values of key-like names in a JSON body, so that no licence key or password is ever stored; and, in [`known`], the
//! secrets of a channel wherever they stand in what its receiver says.

mod address;
mod forms;
pub mod known;
pub mod tokens;
mod views;

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
const NAMES: [&str; 9] = [
    "activationcode",
    "cdk",
    "keycode",
    "keylist",
    "licencecode",
    "licensecode",
    "passphrase",
    "pwd",
    "registrationcode",
];

/// And every name that ends like this: `key`, `license_key`, `cdkeys`, `app_secret`, `buyerPassword`. Not `key_stock`: how
/// many keys are left is no secret.
const ENDINGS: [&str; 18] = [
    "key",
    "keys",
    "licence",
    "licences",
    "license",
    "licenses",
    "passwd",
    "password",
    "passwords",
    "secret",
    "secrets",
    "token",
    "tokens",
    "密钥",
    "卡密",
    "密码",
    "激活码",
    "注册码",
];

/// A body without one of these, in whatever case, holds none of the names. The last one begins an escape, which may hide a
/// letter of a name.
const TRACES: [&str; 13] = [
    "key",
    "licen",
    "secret",
    "pass",
    "pwd",
    "cdk",
    "token",
    "activation",
    "registration",
    "密",
    "激活码",
    "注册码",
    r"\u",
];

static SEARCH: LazyLock<AhoCorasick> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .build(TRACES)
        .expect("a few short texts always make an automaton")
});

/// Deeper than this, a value is masked whole instead of being searched.
const MAX_DEPTH: usize = 64;

/// The body with the values under key-like names, and under `also`, replaced by `"***"`. All else stays byte for byte. JSON
/// inside a string is searched too. A body that does not parse comes back as it is.
pub fn mask<'a>(body: &'a [u8], also: &[&str]) -> Cow<'a, [u8]> {
    if also.is_empty() && !SEARCH.is_match(body) {
        return Cow::Borrowed(body);
    }
    let Ok(raw) = serde_json::from_slice::<&RawValue>(body) else { return Cow::Borrowed(body) };
    match masked(raw.get(), also, 0) {
        // What stands around the value is blanks.
        Some(masked) => Cow::Owned(masked.into_bytes()),
        None => Cow::Borrowed(body),
    }
}

fn is_secret(name: &str, also: &[&str]) -> bool {
    let folded: String =
        name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect();
    NAMES.contains(&folded.as_str()) || ENDINGS.iter().any(|ending| folded.ends_with(ending)) || also.contains(&name)
}

/// The text of a value with its secrets masked; `None` when there is none in it.
fn masked(text: &str, also: &[&str], depth: usize) -> Option<String> {
    if depth > MAX_DEPTH {
        let suspicious = SEARCH.is_match(text) || also.iter().any(|name| text.contains(name));
        return suspicious.then(|| MASKED.to_owned());
    }
    match text.as_bytes().first() {
        Some(b'{') => {
            let Ok(Members(members)) = serde_json::from_str(text) else { return Some(MASKED.to_owned()) };
            replaced(text, members.iter().map(|(name, value)| (value.get(), is_secret(name, also))), also, depth)
        }
        Some(b'[') => {
            let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) else { return Some(MASKED.to_owned()) };
            replaced(text, items.iter().map(|item| (item.get(), false)), also, depth)
        }
        Some(b'"') => {
            let inner = serde_json::from_str::<String>(text).ok()?;
            let value = inner.trim_start().starts_with(['{', '[']).then(|| serde_json::from_str::<&RawValue>(&inner));
            let masked = masked(value?.ok()?.get(), also, depth + 1)?;
            Some(serde_json::Value::from(masked).to_string())
        }
        _ => None,
    }
}

/// The text of an object or list with those of its values replaced that are secret or hold secrets. The values are slices
/// of the text, in their sequence.
fn replaced<'a>(
    text: &'a str,
    values: impl Iterator<Item = (&'a str, bool)>,
    also: &[&str],
    depth: usize,
) -> Option<String> {
    let mut out = String::new();
    let mut copied = 0;
    for (value, secret) in values {
        let other = if secret { Some(MASKED.to_owned()) } else { masked(value, also, depth + 1) };
        if let Some(other) = other {
            let at = value.as_ptr() as usize - text.as_ptr() as usize;
            out.push_str(&text[copied..at]);
            out.push_str(&other);
            copied = at + value.len();
        }
    }
    if copied == 0 {
        return None;
    }
    out.push_str(&text[copied..]);
    Some(out)
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

    fn shown(body: &str) -> String {
        String::from_utf8(mask(body.as_bytes(), &[]).into_owned()).expect("JSON stays text")
    }

    #[test]
    fn values_under_key_like_names_are_masked_wherever_they_stand() {
        let body = r#"{"order_no":1e2,"License_Key":"AAAA-BBBB","items":[{"cdKey":["x"]}],"inner":"{\"password\":\"p\",\"n\":12.10}"}"#;
        let expected = r#"{"order_no":1e2,"License_Key":"***","items":[{"cdKey":"***"}],"inner":"{\"password\":\"***\",\"n\":12.10}"}"#;
        assert_eq!(shown(body), expected);
    }

    #[test]
    fn every_name_under_which_a_licence_key_may_come_is_known_and_no_number_of_keys() {
        for name in [
            "key",
            "keys",
            "license",
            "Licences",
            "license_key",
            "licence-keys",
            "cdkey",
            "CD_KEYS",
            "cdk",
            "secret",
            "app_secret",
            "password",
            "buyerPassword",
            "access_token",
            "productKey",
            "serial_key",
            "activation_code",
            "registrationCode",
            "key_list",
            "pwd",
            "passphrase",
            "pass_word",
            "卡密",
            "产品密钥",
        ] {
            assert_eq!(shown(&format!(r#"{{"{name}":"AAAA"}}"#)), format!(r#"{{"{name}":"***"}}"#));
        }
        for name in ["key_stock", "key_count", "keyword", "order_no", "sn"] {
            let body = format!(r#"{{"{name}":"AAAA"}}"#);
            assert_eq!(shown(&body), body);
        }
    }

    #[test]
    fn a_name_written_with_escapes_is_masked_all_the_same() {
        assert_eq!(shown(r#"{"\u006bey":"AAAA"}"#), r#"{"\u006bey":"***"}"#);
    }

    #[test]
    fn a_body_without_such_names_stays_byte_for_byte() {
        let body = r#"{ "a" : 1.50, "b": [ true ] }"#;
        assert_eq!(shown(body), body);
    }

    #[test]
    fn blanks_and_numbers_stay_as_they_came_beside_a_masked_value() {
        let body = r#"{ "n" : 1.0e+400,	"inner": "{ \"a\" : [1, 2] }", "token" : 7 , "list": [ {"key":1}, -0 ] }"#;
        let expected =
            r#"{ "n" : 1.0e+400,	"inner": "{ \"a\" : [1, 2] }", "token" : "***" , "list": [ {"key":"***"}, -0 ] }"#;
        assert_eq!(shown(body), expected);
        let coded = br#"{ "message" : "{ \"odd\" : true }" }"#;
        assert_eq!(mask(coded, &["code"]).as_ref(), coded);
        assert_eq!(mask(br#"{ "code" : "c" }"#, &["code"]).as_ref(), br#"{ "code" : "***" }"#);
    }

    #[test]
    fn a_secret_nested_too_deep_is_masked_with_all_around_it_and_what_is_no_json_stays() {
        let nested = |inner: &str| format!("{{\"key\":1,\"a\":{}{inner}{}}}", "[".repeat(200), "]".repeat(200));
        let shown_deep = shown(&nested("{\"cdkey\":\"AAAA\"}"));
        assert!(shown_deep.contains("[[\"***\"]]") && !shown_deep.contains("AAAA"), "{shown_deep}");
        assert_eq!(shown(&nested("2")), nested("2").replace("\"key\":1", "\"key\":\"***\""));
        assert_eq!(shown("key=abc"), "key=abc");
    }
}
