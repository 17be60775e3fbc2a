//! Signatures as pure functions: how DingTalk, APSDAI, Keeta and Standard Webhooks prove who sent something.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// What the text form of a Standard Webhooks key begins with; base64 of the key follows.
const STANDARD_WEBHOOKS_PREFIX: &str = "whsec_";

/// The `sign` of a DingTalk robot in signed mode: base64 of HMAC-SHA256 over `<timestamp>\n<secret>`, keyed with the
/// secret. `timestamp_ms` is Unix time in milliseconds, the value that goes into the query beside it. Not
/// percent-encoded: whoever builds the query encodes it, once.
///
/// Source: help.dingtalk.io, "Customize robot security settings".
pub fn dingtalk(secret: &str, timestamp_ms: i64) -> String {
    STANDARD.encode(hmac_sha256(secret.as_bytes(), &[timestamp_ms.to_string().as_bytes(), b"\n", secret.as_bytes()]))
}

/// The value of `X-Apsdai-Token` in signature mode: DingTalk's rule, percent-encoded (`+` as `%2B`, `/` as `%2F`, `=` as
/// `%3D`). `timestamp_ms` is the value of `X-Apsdai-Timestamp`. It does not cover the body.
///
/// Source: apsd.ai/help/api-key-config.html.
pub fn apsdai_token(secret: &str, timestamp_ms: i64) -> String {
    percent_encode(&dingtalk(secret, timestamp_ms))
}

/// The value of `webhook-signature`: `v1,` and base64 of HMAC-SHA256 over `<id>.<timestamp>.<body>`. `timestamp_s` is
/// Unix time in seconds, the value of `webhook-timestamp`. For the key see [`standard_webhooks_key`].
///
/// Source: standardwebhooks.com, specification, "Signature scheme".
pub fn standard_webhooks(secret: &str, id: &str, timestamp_s: i64, body: &[u8]) -> String {
    let key = standard_webhooks_key(secret).unwrap_or_else(|| secret.as_bytes().to_vec());
    let timestamp = timestamp_s.to_string();
    let signature = hmac_sha256(&key, &[id.as_bytes(), b".", timestamp.as_bytes(), b".", body]);
    format!("v1,{}", STANDARD.encode(signature))
}

/// The key in a Standard Webhooks secret: the decoded base64 after `whsec_`, else the text's own bytes. None when what
/// follows `whsec_` is not base64, which is a typing error; [`standard_webhooks`] then signs with the text's bytes.
pub fn standard_webhooks_key(secret: &str) -> Option<Vec<u8>> {
    match secret.strip_prefix(STANDARD_WEBHOOKS_PREFIX) {
        Some(encoded) => STANDARD.decode(encoded).ok(),
        None => Some(secret.as_bytes().to_vec()),
    }
}

/// The text of a Standard Webhooks secret without what it begins with.
pub fn without_prefix(secret: &str) -> &str {
    secret.strip_prefix(STANDARD_WEBHOOKS_PREFIX).unwrap_or(secret)
}

/// Keeta's `sig`: plain SHA-256 over address, parameters and secret with nothing between them, as 64 lower-case hex
/// digits. `url` ends with `?` where the recipe has one; `parameters` is `k=v` joined by `&`, sorted by key, without
/// `sig` and without any encoding.
///
/// Source: api-docs.mykeeta.com/apis/standard/docs/author.
pub fn keeta(url: &str, parameters: &str, secret: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(url);
    hash.update(parameters);
    hash.update(secret);
    hex::encode(hash.finalize())
}

/// Whether two texts are equal, in a time that tells nothing about where they differ or how long they are.
pub fn same(a: &[u8], b: &[u8]) -> bool {
    Sha256::digest(a).ct_eq(&Sha256::digest(b)).into()
}

/// Percent-encoding for a query value: all but the unreserved characters of RFC 3986.
pub fn percent_encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len() + 8);
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => {
                encoded.push('%');
                encoded.push_str(&hex::encode_upper([byte]));
            }
        }
    }
    encoded
}

/// HMAC-SHA256 over the pieces, with nothing between them.
pub fn hmac_sha256(key: &[u8], pieces: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    for piece in pieces {
        mac.update(piece);
    }
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dingtalk_signs_as_its_robots_expect() {
        // Cross-checked with `openssl dgst -sha256 -hmac`.
        assert_eq!(dingtalk("this is secret", 1_700_000_000_000), "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0=");
    }

    #[test]
    fn apsdai_tokens_are_percent_encoded_once() {
        assert_eq!(apsdai_token("this is secret", 1_700_000_000_000), "sSFWELbV2YwjdDQhWZwTcWlX5BWUx5J6TPpsZmuPii0%3D");
        let (plus_and_slash, encoded) = (1..200)
            .map(|ms| (dingtalk("k", ms), apsdai_token("k", ms)))
            .find(|(plain, _)| plain.contains('+') && plain.contains('/'))
            .expect("one of two hundred signatures holds both signs");
        assert_eq!(encoded, plus_and_slash.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D"));
    }

    #[test]
    fn standard_webhooks_gives_its_published_signature() {
        let signature = standard_webhooks(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_plain_standard_webhooks_secret_is_used_as_it_is() {
        assert_eq!(standard_webhooks_key("plain"), Some(b"plain".to_vec()));
        assert_eq!(standard_webhooks_key("whsec_cGxhaW4="), Some(b"plain".to_vec()));
        assert_eq!(standard_webhooks("plain", "a", 1, b"b"), standard_webhooks("whsec_cGxhaW4=", "a", 1, b"b"));
        assert_eq!(standard_webhooks_key("whsec_not base64"), None);
    }

    #[test]
    fn keeta_gives_its_published_signature() {
        let parameters = concat!(
            r#"accessToken=abc&appId=123&shopCategory={"id":123,"name":"test","type":0,"description":null}"#,
            "&shopId=123&timestamp=1682566749",
        );
        assert_eq!(
            keeta("https://open.mykeeta.com/api/open/product/shopcategory/update?", parameters, "abc"),
            "48eb6d562bb0673e3db753831f032be237fc19d1e5c33fcb5386d89c0eebca86",
        );
    }

    #[test]
    fn only_equal_texts_are_the_same() {
        assert!(same(b"token", b"token"));
        assert!(!same(b"token", b"tokeN"));
        assert!(!same(b"token", b"token "));
        assert!(!same(b"", b"token"));
    }

    #[test]
    fn percent_encoding_leaves_only_unreserved_characters() {
        assert_eq!(percent_encode("aZ09-._~"), "aZ09-._~");
        assert_eq!(percent_encode("a b&c=d%/单"), "a%20b%26c%3Dd%25%2F%E5%8D%95");
    }
}
