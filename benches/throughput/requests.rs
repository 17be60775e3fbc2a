//! The webhooks that are sent: Keeta's own samples, each of an order of its own, signed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use orderbell::domain::event::Kind;
use orderbell::domain::sign;
use orderbell::platform::Platform;
use orderbell::platform::keeta::settings::Keeta;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub const PUBLIC_URL: &str = "https://bell.example.com";
pub const SECRET: &str = "a-secret-of-the-bench";
pub const APP_ID: u64 = 1;
const ADDRESS: &str = "https://bell.example.com/hooks/keeta-hk?";
/// Order numbers begin here; those of seeds have as many digits.
pub const FIRST_ORDER: u64 = 756_823_000_000_000;

/// What a webhook is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// An order is accepted (1002): 0.3 KB.
    Thin,
    /// An order is placed (1001): some 4 KB.
    Order,
    /// An order is completed (1003).
    Completed,
}

/// The whole requests of so many seeds.
pub fn make(content: Content, first: u64, count: usize) -> Vec<Vec<u8>> {
    let form = Form::of(content, Timestamp::now());
    (first..).take(count).map(|seed| request(&form.body(seed))).collect()
}

fn request(body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST /hooks/keeta-hk HTTP/1.1\r\nhost: bell\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// A sample of which only the names are changed: making each from its beginning takes longer than the daemon needs for it.
pub struct Form {
    members: BTreeMap<String, Value>,
    message: String,
}

impl Form {
    pub fn of(content: Content, now: Timestamp) -> Self {
        let source = json!({ "app_id": APP_ID, "app_secret": SECRET }).to_string();
        let keeta: Keeta = serde_json::from_str(&source).expect("a source");
        let kind = match content {
            Content::Thin => Kind::OrderAccepted,
            Content::Order => Kind::OrderPlaced,
            Content::Completed => Kind::OrderCompleted,
        };
        let samples = keeta.samples(&kind, ADDRESS, 0, now);
        let mut members: BTreeMap<String, Value> = serde_json::from_slice(&samples[0].body).expect("an envelope");
        members.remove("sig");
        let message = members["message"].as_str().expect("a text").to_owned();
        assert!(message.contains(&FIRST_ORDER.to_string()), "the sample of seed 0 is of the first order");
        Self { members, message }
    }

    pub fn body(&self, seed: u64) -> Vec<u8> {
        let order = FIRST_ORDER + seed;
        let message = self.message.replace(&FIRST_ORDER.to_string(), &order.to_string());
        let short = format!("\"seqNoStr\":\"{:04}\"", order % 10_000);
        let message = message.replace("\"seqNoStr\":\"0000\"", &short);
        let mut members = self.members.clone();
        members.insert("message".to_owned(), message.into());
        members.insert("messageId".to_owned(), format!("bench{}x{seed}", self.members["eventId"]).into());
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let pairs: Vec<String> = members.iter().map(|(name, value)| format!("{name}={}", text(value))).collect();
        members.insert("sig".to_owned(), sign::keeta(ADDRESS, &pairs.join("&"), SECRET).into());
        json!(members).to_string().into_bytes()
    }
}
