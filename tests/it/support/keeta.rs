//! Keeta's side: webhooks as it would sign them, and as it never would.

use jiff::Timestamp;
use orderbell::domain::sign;
use serde_json::{Value, json};

/// How the platform knows the daemon.
pub const PUBLIC: &str = "https://bell.example.com";
pub const SECRET: &str = "an-app-secret-of-the-tests-7b1f";
pub const APP: u64 = 3_762_772_727;
/// The acknowledgement, to the byte.
pub const RECEIVED: &str = r#"{"code":0,"message":"success","data":{}}"#;

/// The configuration of a source.
pub fn source(name: &str, more: &str) -> String {
    format!("[source.{name}]\nplatform = \"keeta\"\napp_id = {APP}\napp_secret = \"{SECRET}\"\n{more}\n")
}

/// An envelope: its members as raw JSON, in the sequence in which they are sent.
#[derive(Clone)]
pub struct Envelope {
    pub source: &'static str,
    pub members: Vec<(&'static str, String)>,
}

impl Envelope {
    pub fn new(event_id: u64, message_id: &str, message: &str, at: Timestamp) -> Self {
        let members = vec![
            ("eventId", event_id.to_string()),
            ("appId", APP.to_string()),
            ("messageId", json!(message_id).to_string()),
            ("shopId", "466663".to_owned()),
            ("message", json!(message).to_string()),
            ("timestamp", at.as_second().to_string()),
        ];
        Self { source: "keeta", members }
    }

    /// Event 1, which is flat.
    pub fn authorisation(code: &str, at: Timestamp) -> Self {
        let members = vec![
            ("code", json!(code).to_string()),
            ("appId", APP.to_string()),
            ("timestamp", at.as_second().to_string()),
        ];
        Self { source: "keeta", members }
    }

    /// With another raw value of a member, or one more member.
    pub fn with(mut self, name: &'static str, raw: impl Into<String>) -> Self {
        self.members.retain(|(known, _)| *known != name);
        self.members.push((name, raw.into()));
        self
    }

    pub fn without(mut self, name: &str) -> Self {
        self.members.retain(|(known, _)| *known != name);
        self
    }

    /// As the platform has it registered.
    pub fn address(&self) -> String {
        format!("{PUBLIC}/hooks/{}", self.source)
    }

    pub fn signature(&self) -> String {
        self.signature_for(&self.address())
    }

    fn signature_for(&self, address: &str) -> String {
        let text = |raw: &str| serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
        let mut sorted = self.members.clone();
        sorted.sort_unstable();
        let pairs: Vec<String> = sorted.iter().map(|(name, raw)| format!("{name}={}", text(raw))).collect();
        sign::keeta(&format!("{address}?"), &pairs.join("&"), SECRET)
    }

    pub fn body(&self) -> Vec<u8> {
        self.body_signed(&self.signature())
    }

    /// Signed for another spelling of the address.
    pub fn body_for(&self, address: &str) -> Vec<u8> {
        self.body_signed(&self.signature_for(address))
    }

    pub fn body_signed(&self, signature: &str) -> Vec<u8> {
        let members: Vec<String> = self.members.iter().map(|(name, raw)| format!("\"{name}\":{raw}")).collect();
        format!("{{{},\"sig\":\"{signature}\"}}", members.join(",")).into_bytes()
    }

    /// As the query of a GET.
    pub fn query(&self) -> String {
        let text = |raw: &str| serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned());
        let mut pairs = url::form_urlencoded::Serializer::new(String::new());
        self.members.iter().for_each(|(name, raw)| {
            pairs.append_pair(name, &text(raw));
        });
        pairs.append_pair("sig", &self.signature()).finish()
    }
}

/// The message of event 1001, with a number of the test's choice.
pub fn order(number: u64) -> Value {
    let mut message: Value = serde_json::from_str(include_str!("../../../src/platform/keeta/samples/1001.json"))
        .expect("the sample is JSON");
    for part in ["baseOrder", "merchantOrder"] {
        message["orderInfo"][part]["orderViewId"] = json!(number);
        message["orderInfo"][part]["orderViewIdStr"] = json!(number.to_string());
    }
    message
}

/// A new order, signed.
pub fn placed(number: u64, at: Timestamp) -> Vec<u8> {
    Envelope::new(1001, &format!("m1001-{number}"), &order(number).to_string(), at).body()
}

/// A new order, signed, that was placed at the moment of the webhook.
pub fn placed_now(number: u64, at: Timestamp) -> Vec<u8> {
    let mut message = order(number);
    for part in ["baseOrder", "merchantOrder"] {
        message["orderInfo"][part]["ctime"] = json!(at.as_millisecond());
    }
    Envelope::new(1001, &format!("m1001-{number}"), &message.to_string(), at).body()
}

/// An order that moved on: 1002 accepted, 1003 completed, 1004 cancelled.
pub fn stepped(event_id: u64, number: u64, at: Timestamp) -> Vec<u8> {
    let message = json!({ "orderViewId": number, "opTime": at.as_millisecond() }).to_string();
    Envelope::new(event_id, &format!("m{event_id}-{number}"), &message, at).body()
}
