//! Ways in: what a platform is. Which kinds there are stands in `kinds.rs`.
//!
//! A kind is one folder: its settings with how they are judged (`settings.rs`), how it proves a webhook and how that is read,
//! its samples, and what `orderbell init` writes for it (`setup.toml`). It is listed by its module here and its line in
//! `platforms!` there.

pub mod apsdai;
pub mod field;
pub mod keeta;
pub mod kinds;
pub mod sample;
pub mod scenes;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::domain::event::{DedupeKey, Kind, SignatureCheck};
use crate::domain::order::OrderUpdate;
use crate::domain::payload::Data;
use crate::domain::settings::{InvalidValue, SettingsTable};
use crate::domain::shop::Shop;
use crate::domain::simulated::Simulated;
use crate::platform::sample::{SampleContent, SampleError};

/// A request to a source's address, as it came.
pub struct WebhookRequest<'a> {
    pub method: Method,
    /// The part of the address after the `?`.
    pub query: Option<&'a str>,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
    /// The address under which the platform knows this source, unless the source's own configuration says otherwise:
    /// `server.public_url` + `/hooks/` + its name.
    pub address: &'a str,
    /// ISO 4217 code for amounts that come without one.
    pub currency: &'a str,
    pub now: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    Get,
    Post,
}

/// What a believed request turned out to be.
#[derive(Debug)]
pub enum Incoming {
    /// An empty packet that asks whether we live: acknowledged, not recorded.
    Heartbeat,
    Webhook(Box<ParsedWebhook>),
}

/// A believed webhook in our words, ready to be routed and recorded.
#[derive(Debug)]
pub struct ParsedWebhook {
    pub kind: Kind,
    pub occurred_at: Option<Timestamp>,
    pub shop: Option<Shop>,
    pub order: Option<OrderUpdate>,
    pub data: Data,
    pub signature: SignatureCheck,
    /// Any of these known already: a repeat.
    pub dedupe_keys: Vec<DedupeKey>,
    /// The body as it may be stored: values under key-like names are masked.
    pub body: Vec<u8>,
}

/// Why a request is not believed. The sender learns only that it is not; the log and the operator learn which.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Refusal {
    #[error(
        "the signature does not fit; usually the address registered at the platform is not the configured one, or the secret is another application's"
    )]
    Signature,
    #[error("the token is not what the configured secret or password makes; usually it is another source's")]
    Token,
    /// Right signature, wrong time: the operator is notified about clocks.
    #[error(
        "the signature is right, but its time is {off_by_seconds} s behind this machine's clock (negative: ahead), beyond max_age"
    )]
    Stale { off_by_seconds: i64 },
    #[error("it is signed for application {0}, not for the configured app_id")]
    AnotherApp(String),
    #[error("its shape is not this platform's: {0}")]
    Shape(String),
    /// Its body came in a `Content-Encoding` that was not undone; the text names it and is none of the sender's own.
    #[error("its body is encoded as {0}, which cannot be undone")]
    Encoding(&'static str),
    #[error("this address takes POST")]
    Method,
}

/// The mark that some systems put before UTF-8.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A body without the mark before it, which is no part of what a platform says or signs.
pub fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// What is answered to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlatformReply {
    /// Believed and remembered (or a repeat, or a heartbeat).
    Received,
    /// Not believed.
    Refused,
    /// Cannot be remembered now; the platform should send it again.
    NotRemembered,
}

/// A sample webhook, signed as the platform would sign it.
pub struct SampleWebhook {
    /// The shop that it speaks of.
    pub shop: Option<String>,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl SampleWebhook {
    /// What the source makes of it; `None` where it is no event.
    pub fn parsed(
        &self,
        platform: &dyn Platform,
        address: &str,
        currency: &str,
        now: Timestamp,
    ) -> Option<ParsedWebhook> {
        let mut headers = HeaderMap::new();
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
        let (method, headers, body) = (Method::Post, &headers, self.body.as_slice());
        match platform.receive(&WebhookRequest { method, query: None, headers, body, address, currency, now }) {
            Ok(Incoming::Webhook(webhook)) => Some(*webhook),
            Ok(Incoming::Heartbeat) | Err(_) => None,
        }
    }
}

/// A kind of system that sends webhooks.
pub trait Platform: Send + Sync {
    /// The platform's name in the configuration.
    fn name(&self) -> &'static str;

    /// The kinds that it can send.
    fn kinds(&self) -> Vec<Kind>;

    /// Verifies a request, and parses what was verified.
    ///
    /// # Errors
    /// A [`Refusal`] when the request is not believed. What is believed but cannot be read is no error: it becomes an
    /// event of kind `unrecognised`.
    fn receive(&self, request: &WebhookRequest<'_>) -> Result<Incoming, Refusal>;

    /// The address that its signatures are checked against, where `address` is the one that it should know.
    fn checked_address<'a>(&'a self, address: &'a str) -> &'a str {
        address
    }

    /// Where it only observes, which is to acknowledge what is not proven, and to deliver it nowhere: what its signatures are
    /// checked with, as it is configured, without the secret.
    fn observes(&self, _address: &str) -> Option<String> {
        None
    }

    /// What the source called `name` cannot do, because the rest of the configuration lacks something.
    fn lacks(&self, _name: &str, _general: GeneralSettings) -> Option<InvalidValue> {
        None
    }

    /// How the platform's own API can be simulated, where it has one that is called.
    fn simulated(&self) -> Option<Simulated> {
        None
    }

    /// The body of the platform's own answer; JSON.
    fn reply(&self, reply: PlatformReply) -> &'static str;

    /// Sample webhooks of a kind, signed at `now` for `address`, as far as the platform can say what `content` has.
    ///
    /// # Errors
    /// What of `content` it cannot send.
    fn samples_of(
        &self,
        kind: &Kind,
        address: &str,
        content: &SampleContent,
        now: Timestamp,
    ) -> Result<Vec<SampleWebhook>, SampleError>;

    /// As [`Platform::samples_of`], with nothing in particular: `seed` is that of [`SampleContent`].
    fn samples(&self, kind: &Kind, address: &str, seed: u64, now: Timestamp) -> Vec<SampleWebhook> {
        self.samples_of(kind, address, &SampleContent { seed, ..SampleContent::default() }, now).unwrap_or_default()
    }
}

/// What a source may need from the rest of the configuration.
#[derive(Clone, Copy, Debug)]
pub struct GeneralSettings {
    /// Or it is not certain whether there is one.
    pub has_public_url: bool,
    pub has_currency: bool,
}

/// What is known of a kind of platform without a configured source.
pub struct PlatformKind {
    /// As the configuration calls it.
    pub name: &'static str,
    /// What may be written beside the keys that every source takes.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Its `setup.toml`, a [`Scaffold`](crate::domain::scaffold::Scaffold).
    pub setup: &'static str,
}

/// How a source of one kind is read from its table of the configuration.
pub trait FromSource: DeserializeOwned + JsonSchema {
    const KIND: PlatformKind;

    /// Judges single values before the table is read.
    fn check(_: &mut dyn SettingsTable) {}

    /// Judges what was read.
    fn check_whole(&self, _: &mut dyn SettingsTable) {}
}
