//! Masks the values of key-like names in a JSON body, so that no licence key or password is ever stored; and, in [`known`], the
//! secrets of a channel wherever they stand in what its receiver says.

mod address;
mod forms;
pub mod known;
pub mod tokens;
mod traces;
mod views;

use crate::domain::json::{Inside, Node};
use crate::domain::mask::traces::has_trace;
use std::borrow::Cow;

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

/// JSON in a string in JSON, deeper than this, is masked whole instead of being searched.
const MAX_DEPTH: usize = 64;

/// The body with the values under key-like names, and under `also`, replaced by `"***"`. All else stays byte for byte. JSON
/// inside a string is searched too. A body that cannot be read as JSON, however leniently, comes back as it is.
pub fn mask<'a>(body: &'a [u8], also: &[&str]) -> Cow<'a, [u8]> {
    if also.is_empty() && !has_trace(body) {
        return Cow::Borrowed(body);
    }
    let root = std::str::from_utf8(body).ok().and_then(Node::read);
    match root.and_then(|root| masked(&root, also, 0)) {
        Some(masked) => Cow::Owned(masked.into_bytes()),
        None => Cow::Borrowed(body),
    }
}

fn is_secret(name: &str, also: &[&str]) -> bool {
    let folded: String =
        name.chars().filter(|letter| !matches!(letter, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect();
    NAMES.contains(&folded.as_str()) || ENDINGS.iter().any(|ending| folded.ends_with(ending)) || also.contains(&name)
}

/// The text of a root with its secrets masked; `None` when there is none in it.
fn masked(root: &Node, also: &[&str], depth: usize) -> Option<String> {
    let whole = root.whole_text();
    let mut out = String::new();
    let mut copied = 0;
    root.walk(|name, value| {
        let other = match name {
            Some(name) if is_secret(&name, also) => Some(MASKED.to_owned()),
            _ => inside(value, also, depth),
        };
        let Some(other) = other else { return Inside::Enter };
        let (start, end) = value.span();
        out.push_str(&whole[copied..start]);
        out.push_str(&other);
        copied = end;
        Inside::Skip
    });
    if copied == 0 {
        return None;
    }
    out.push_str(&whole[copied..]);
    Some(out)
}

/// A string in which JSON has secrets, with those masked.
fn inside(value: &Node, also: &[&str], depth: usize) -> Option<String> {
    let text = value.text().filter(|text| text.trim_start_matches('\u{feff}').trim_start().starts_with(['{', '[']))?;
    if depth >= MAX_DEPTH {
        let suspicious = has_trace(text.as_bytes()) || also.iter().any(|name| text.contains(name));
        return suspicious.then(|| MASKED.to_owned());
    }
    let masked = masked(&Node::read(&text)?, also, depth + 1)?;
    Some(serde_json::Value::from(masked).to_string())
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
    fn a_secret_is_masked_however_deep_it_stands_and_what_is_no_json_stays() {
        let nested = |inner: &str| format!("{{\"key\":1,\"a\":{}{inner}{}}}", "[".repeat(200_000), "]".repeat(200_000));
        let masked = nested("{\"cdkey\":\"***\"}").replace("\"key\":1", "\"key\":\"***\"");
        assert!(shown(&nested("{\"cdkey\":\"AAAA\"}")) == masked);
        assert_eq!(shown("key=abc"), "key=abc");
    }

    #[test]
    fn what_is_read_leniently_is_masked_too() {
        let body = "{\"inner\":\"{\\\"password\\\":\\\"p\\\",\\n}\",\"cdkey\":NaN,\"key\":\"a\nb\",\"x\":\"\\ud83c\",}";
        let expected =
            "{\"inner\":\"{\\\"password\\\":\\\"***\\\",\\n}\",\"cdkey\":\"***\",\"key\":\"***\",\"x\":\"\\ud83c\",}";
        assert_eq!(shown(body), expected);
    }
}
