//! APSDAI: orders, stock and licence keys of a shop that sells software licences.
//!
//! source · apsd.ai/help/notification-config.html and apsd.ai/help/api-key-config.html, read in November 2026; the Chinese
//!          pages on apsdai.com say the same
//! proof  · `X-Apsdai-Token`. Token mode "signature": base64 of HMAC-SHA256 over `<X-Apsdai-Timestamp>\n<secret>`, keyed
//!          with the secret, percent-encoded. Token mode "password": the password. Neither covers the body or the event's
//!          name, so a proof is good for one body, and for others only while it is fresh (`verify`)
//! units  · header time in milliseconds. Bodies are not public: details are read by a table of likely names ([`fields`]),
//!          amounts as decimals in major units unless the source says otherwise
//! reply  · HTTP 200 `{"code":0,"message":"success"}`; what APSDAI makes of it, and whether it sends again, is not said
//! limits · none are stated
//! events · nine hooks, named by `X-Apsdai-Event` ([`apsdai::HOOKS`]); the test button sends a body that is not described

mod bill;
mod body;
pub mod fields;
mod parse;
mod reader;
mod sample;
pub mod settings;
mod totals;
mod values;
mod verify;

use jiff::Timestamp;

use crate::domain::apsdai;
use crate::domain::event::Kind;
use crate::domain::settings::InvalidValue;
use crate::platform::apsdai::settings::Apsdai;
use crate::platform::sample::{SampleContent, SampleError};
use crate::platform::{GeneralSettings, Incoming, Platform, PlatformReply, Refusal, SampleWebhook, WebhookRequest};

impl Platform for Apsdai {
    fn name(&self) -> &'static str {
        "apsdai"
    }

    fn kinds(&self) -> Vec<Kind> {
        let known = apsdai::HOOKS.iter().map(|(_, kind)| kind.clone());
        known.chain([Kind::Unrecognised]).collect()
    }

    fn receive(&self, request: &WebhookRequest<'_>) -> Result<Incoming, Refusal> {
        let verified = verify::verify(self, request)?;
        Ok(Incoming::Webhook(Box::new(parse::parse(self, &verified, request))))
    }

    fn lacks(&self, name: &str, general: GeneralSettings) -> Option<InvalidValue> {
        settings::lacks(name, general)
    }

    fn reply(&self, reply: PlatformReply) -> &'static str {
        match reply {
            PlatformReply::Received => r#"{"code":0,"message":"success"}"#,
            PlatformReply::Refused => r#"{"code":1,"message":"not believed"}"#,
            PlatformReply::NotRemembered => r#"{"code":2,"message":"cannot be stored now, please send it again"}"#,
        }
    }

    fn samples_of(
        &self,
        kind: &Kind,
        _address: &str,
        content: &SampleContent,
        now: Timestamp,
    ) -> Result<Vec<SampleWebhook>, SampleError> {
        Ok(sample::samples(self, kind, content, now))
    }
}
