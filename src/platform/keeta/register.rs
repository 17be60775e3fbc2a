//! Registering a webhook address at Keeta: one signed call per event id, and what its answer means.
//!
//! Source: api-docs.mykeeta.com, Standard, `docs/author` (the signature) and `base/callback/url/set`, read in November 2026.
//! `isTest` says for which stores the address is, and means test stores when it is left out; so it never is.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::mask::known::{Mask, Secrets};
use crate::domain::sign;
use crate::domain::text::clean_line;
use crate::platform::keeta::Keeta;
use crate::platform::keeta::verify::default_address;

/// Where Keeta's API is.
pub const API_BASE: &str = "https://open.mykeeta.com/api/open";
const PATH: &str = "/base/callback/url/set";

/// The event ids that are understood. 1008 was seen to come, but Keeta does not document it.
pub const EVENTS: [u64; 16] =
    [1, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1101, 1102, 1201, 1202, 1301, 1302, 1303];

/// For which stores an address is; Keeta keeps the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    Formal,
    Test,
}

/// One call, ready to be posted as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterCall {
    pub address: String,
    pub body: String,
}

/// The call that registers `url` for one event id. `api_base` is [`API_BASE`], or what stands in its place.
pub fn call(keeta: &Keeta, api_base: &str, event_id: u64, url: &str, stores: Stores, now: Timestamp) -> RegisterCall {
    let address = format!("{}{PATH}", api_base.trim_end_matches('/'));
    let is_test = match stores {
        Stores::Formal => 0,
        Stores::Test => 1,
    };
    let mut members: BTreeMap<&str, Value> = BTreeMap::from([
        ("appId", json!(keeta.app_id)),
        ("eventId", json!(event_id)),
        ("isTest", json!(is_test)),
        ("timestamp", json!(now.as_second())),
        ("url", json!(url)),
    ]);
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let parameters: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
    let signature = sign::keeta(&default_address(&address), &parameters.join("&"), keeta.app_secret.expose());
    members.insert("sig", json!(signature));
    RegisterCall { address, body: json!(members).to_string() }
}

#[derive(Deserialize)]
struct Answer {
    code: Value,
    #[serde(default)]
    message: Option<String>,
}

/// What masks the secrets of a call in what Keeta says back.
pub fn mask(keeta: &Keeta) -> Mask {
    Secrets::default().text(keeta.app_secret.expose()).guessing().mask()
}

/// What Keeta said to a call. Only HTTP 200 with `code` 0 is a yes.
///
/// # Errors
/// Why it is not, with Keeta's own words, masked.
pub fn judge(status: u16, body: &[u8], mask: &Mask) -> Result<(), String> {
    let Ok(Answer { code, message }) = serde_json::from_slice::<Answer>(body) else {
        return Err(format!("HTTP {status}, without an answer that can be read"));
    };
    let code = code.as_str().map_or_else(|| code.to_string(), str::to_owned);
    if status == 200 && code == "0" {
        return Ok(());
    }
    let said = mask.said(message.as_deref().unwrap_or_default());
    Err(format!("code {} {said}", clean_line(&mask.text(&code), 20)).trim_end().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::secret::Secret;

    #[test]
    fn a_call_is_signed_by_the_app_and_always_says_for_which_stores() {
        let keeta: Keeta = toml::from_str("app_id = 3084446411\napp_secret = \"x\"").unwrap();
        let keeta = Keeta { app_secret: Secret::new("SEKRET"), ..keeta };
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let url = "https://bell.example.com/hooks/keeta";
        for (stores, is_test) in [(Stores::Formal, 0), (Stores::Test, 1)] {
            let RegisterCall { address, body } = call(&keeta, API_BASE, 1001, url, stores, now);
            assert_eq!(address, "https://open.mykeeta.com/api/open/base/callback/url/set");
            let signed = format!("appId=3084446411&eventId=1001&isTest={is_test}&timestamp=1700000000&url={url}");
            let signature = sign::keeta(&format!("{address}?"), &signed, "SEKRET");
            let expected = json!({ "appId": 3_084_446_411_u64, "eventId": 1001, "isTest": is_test, "sig": signature,
                "timestamp": 1_700_000_000, "url": url });
            assert_eq!(serde_json::from_str::<Value>(&body).unwrap(), expected);
        }
    }

    #[test]
    fn only_code_zero_is_acceptance() {
        let keeta: Keeta = toml::from_str("app_id = 1\napp_secret = \"SEKRET-7\"").unwrap();
        let mask = mask(&keeta);
        let judge = |status, body: &[u8]| judge(status, body, &mask);
        assert_eq!(judge(200, br#"{"code":0,"message":"success"}"#), Ok(()));
        assert_eq!(judge(200, br#"{"code":"0"}"#), Ok(()));
        assert_eq!(judge(500, br#"{"code":0}"#), Err("code 0".to_owned()));
        let refused = judge(200, "{\"code\":1002,\"message\":\"sig\\ninvalid\"}".as_bytes());
        assert_eq!(refused, Err("code 1002 sig invalid".to_owned()));
        assert_eq!(judge(502, b"<html>"), Err("HTTP 502, without an answer that can be read".to_owned()));
        assert!(judge(200, b"{}").is_err());
        let echo = judge(400, br#"{"code":"SEKRET-7","message":"of SEKRET-7 and U0VLUkVULTc="}"#);
        assert_eq!(echo, Err("code *** of *** and ***".to_owned()));
    }
}
