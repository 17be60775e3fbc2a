//! Registering a webhook address at Keeta: one signed call per event id, and what its answer means.
//!
//! Source: api-docs.mykeeta.com, Standard, `docs/author` (the signature) and `base/callback/url/set`, read in November 2026.
//! `isTest` says for which stores the address is, and means test stores when it is left out; so it never is.

use std::collections::BTreeMap;
use std::fmt;

use clap::ValueEnum;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::domain::mask::known::{Mask, Secrets};
use crate::domain::sign;
use crate::domain::text::clean_line;
use crate::platform::Platform;
use crate::platform::keeta::settings::Keeta;
use crate::platform::keeta::verify::default_address;

/// Where Keeta's API is, unless another is named.
const API_BASE: &str = "https://open.mykeeta.com/api/open";
const PATH: &str = "/base/callback/url/set";

/// The event ids that are understood. 1008 was seen to come, but Keeta does not document it.
pub const EVENTS: [u64; 16] =
    [1, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1101, 1102, 1201, 1202, 1301, 1302, 1303];

/// For which stores an address is; Keeta keeps the two apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Stores {
    /// Stores that sell
    Formal,
    /// Stores for tests
    Test,
}

/// What is to be registered: an address of ours, for each event id.
pub struct Registration<'a> {
    keeta: &'a Keeta,
    /// Where Keeta's API is, or what stands in its place.
    api_base: &'a str,
    pub url: &'a str,
    stores: Stores,
    mask: Mask,
}

/// Keeta can only reach what the internet reaches.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("Keeta cannot reach {0}: set public_url in [server] to how the internet reaches this daemon, with https://")]
pub struct Unreachable(String);

/// One call, ready to be posted as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegisterCall {
    pub address: String,
    pub body: String,
}

/// What came of one event id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registered {
    Yes,
    /// With Keeta's own words, or why there was no answer; masked.
    No(String),
    NotTried,
}

impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Yes => "registered",
            Self::No(why) => why,
            Self::NotTried => "not tried",
        })
    }
}

impl<'a> Registration<'a> {
    /// Of the address by which the daemon checks signatures, where `own` is that of the configuration.
    ///
    /// # Errors
    /// [`Unreachable`] for an address without TLS.
    pub fn new(keeta: &'a Keeta, own: &'a str, stores: Stores, api_base: Option<&'a str>) -> Result<Self, Unreachable> {
        let url = keeta.checked_address(own);
        if !url.starts_with("https://") {
            return Err(Unreachable(url.to_owned()));
        }
        let mask = Secrets::default().text(keeta.app_secret.expose()).guessing().mask();
        Ok(Self { keeta, api_base: api_base.unwrap_or(API_BASE), url, stores, mask })
    }

    /// The call that registers the address for one event id.
    pub fn call(&self, event_id: u64, now: Timestamp) -> RegisterCall {
        let address = format!("{}{PATH}", self.api_base.trim_end_matches('/'));
        let is_test = match self.stores {
            Stores::Formal => 0,
            Stores::Test => 1,
        };
        let mut members: BTreeMap<&str, Value> = BTreeMap::from([
            ("appId", json!(self.keeta.app_id)),
            ("eventId", json!(event_id)),
            ("isTest", json!(is_test)),
            ("timestamp", json!(now.as_second())),
            ("url", json!(self.url)),
        ]);
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let parameters: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
        let secret = self.keeta.app_secret.expose();
        let signature = sign::keeta(&default_address(&address), &parameters.join("&"), secret);
        members.insert("sig", json!(signature));
        RegisterCall { address, body: json!(members).to_string() }
    }

    /// What Keeta answered to a call. Only HTTP 200 with `code` 0 is an acceptance.
    pub fn judge(&self, status: u16, body: &[u8]) -> Registered {
        let Ok(Answer { code, message }) = serde_json::from_slice::<Answer>(body) else {
            return Registered::No(format!("HTTP {status}, without an answer that can be read"));
        };
        let code = code.as_str().map_or_else(|| code.to_string(), str::to_owned);
        if status == 200 && code == "0" {
            return Registered::Yes;
        }
        let said = self.mask.said(message.as_deref().unwrap_or_default());
        Registered::No(format!("code {} {said}", clean_line(&self.mask.text(&code), 20)).trim_end().to_owned())
    }

    /// A call got no answer.
    pub fn unanswered(&self, failure: &str) -> Registered {
        Registered::No(self.mask.text(failure))
    }
}

#[derive(Deserialize)]
struct Answer {
    code: Value,
    #[serde(default)]
    message: Option<String>,
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
            let registration = Registration::new(&keeta, url, stores, None).unwrap();
            let RegisterCall { address, body } = registration.call(1001, now);
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
        let registration = Registration::new(&keeta, "https://bell.example.com", Stores::Formal, None).unwrap();
        let judge = |status, body: &[u8]| registration.judge(status, body);
        let no = |why: &str| Registered::No(why.to_owned());
        assert_eq!(judge(200, br#"{"code":0,"message":"success"}"#), Registered::Yes);
        assert_eq!(judge(200, br#"{"code":"0"}"#), Registered::Yes);
        assert_eq!(judge(500, br#"{"code":0}"#), no("code 0"));
        let refused = judge(200, "{\"code\":1002,\"message\":\"sig\\ninvalid\"}".as_bytes());
        assert_eq!(refused, no("code 1002 sig invalid"));
        assert_eq!(judge(502, b"<html>"), no("HTTP 502, without an answer that can be read"));
        assert_ne!(judge(200, b"{}"), Registered::Yes);
        let echo = judge(400, br#"{"code":"SEKRET-7","message":"of SEKRET-7 and U0VLUkVULTc="}"#);
        assert_eq!(echo, no("code *** of *** and ***"));
        assert_eq!(registration.unanswered("no route to SEKRET-7"), no("no route to ***"));
    }

    #[test]
    fn only_an_address_with_tls_is_registered_and_that_which_signatures_are_checked_with() {
        let keeta: Keeta = toml::from_str("app_id = 1\napp_secret = \"x\"").unwrap();
        let refused = Registration::new(&keeta, "http://bell.example.com", Stores::Test, None).err().unwrap();
        assert!(refused.to_string().contains("cannot reach http://bell.example.com: set public_url"));
        let keeta = Keeta { registered_url: Some("https://other.example.com/hook".to_owned()), ..keeta };
        let registration = Registration::new(&keeta, "http://bell.example.com", Stores::Test, None).unwrap();
        assert_eq!(registration.url, "https://other.example.com/hook");
    }
}
