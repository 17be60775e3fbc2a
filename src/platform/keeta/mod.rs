//! Keeta Standard: orders, shops and menus of the food-delivery platform Keeta.
//!
//! source · api-docs.mykeeta.com, Standard: `docs/webhook`, `docs/author`, `webhook`, `order`; read in November 2026
//! proof  · `sig` in the body: SHA-256 hex of address, `?`, the members as sorted `k=v` joined by `&`, and the secret. How
//!          exactly the address enters is not documented: a fixed list of recipes (`verify`)
//! units  · money in integer minor units; envelope `timestamp` in seconds, times in the message in milliseconds, business
//!          hours in seconds of the day
//! reply  · HTTP 200 `{"code":0,"message":"success","data":{}}`; any other code, and presumably any other status, makes
//!          Keeta send it again: up to three times, a minute apart, event 1001 up to three more
//! limits · no time-out is stated; the authorisation hook of a sister API has 5 s
//! events · 1, 1001 to 1008, 1101, 1102, 1201, 1202, 1301 to 1303 (`parse`); 1008 was seen, but is not documented

mod bill;
mod members;
mod order;
mod parse;
pub mod register;
mod sample;
pub mod settings;
mod shop;
mod verify;

use jiff::Timestamp;

use crate::domain::event::Kind;
use crate::domain::settings::InvalidValue;
use crate::domain::simulated::{Addressee, Demands, Simulated};
use crate::platform::keeta::settings::{Keeta, Verify};
use crate::platform::sample::{SampleContent, SampleError};
use crate::platform::{GeneralSettings, Incoming, Platform, PlatformReply, Refusal, SampleWebhook, WebhookRequest};

impl Platform for Keeta {
    fn name(&self) -> &'static str {
        "keeta"
    }

    fn kinds(&self) -> Vec<Kind> {
        vec![
            Kind::OrderPlaced,
            Kind::OrderAccepted,
            Kind::OrderCompleted,
            Kind::OrderCancelled,
            Kind::OrderRefund,
            Kind::OrderPartialRefund,
            Kind::OrderDelivery,
            Kind::StoreHours,
            Kind::StoreStatus,
            Kind::MenuImages,
            Kind::MenuSync,
            Kind::AppAuthorised,
            Kind::AppDeauthorised,
            Kind::Unrecognised,
        ]
    }

    fn receive(&self, request: &WebhookRequest<'_>) -> Result<Incoming, Refusal> {
        let verified = verify::verify(self, request)?;
        Ok(parse::parse(self, &verified, request))
    }

    fn checked_address<'a>(&'a self, address: &'a str) -> &'a str {
        self.registered_url.as_deref().unwrap_or(address)
    }

    fn observes(&self, address: &str) -> Option<String> {
        let checked = || format!("app_id = {}, {}", self.app_id, self.checked_address(address));
        (self.verify == Verify::Observe).then(checked)
    }

    fn lacks(&self, name: &str, general: GeneralSettings) -> Option<InvalidValue> {
        settings::lacks(self, name, general)
    }

    fn simulated(&self) -> Option<Simulated> {
        let demands = Demands::default().with("app_secret", Some(self.app_secret.clone()));
        Some(Simulated { addressee: Addressee::Name(self.app_id.to_string()), demands })
    }

    fn reply(&self, reply: PlatformReply) -> &'static str {
        match reply {
            PlatformReply::Received => r#"{"code":0,"message":"success","data":{}}"#,
            PlatformReply::Refused => r#"{"code":1,"message":"not believed","data":{}}"#,
            PlatformReply::NotRemembered => {
                r#"{"code":2,"message":"cannot be stored now, please send it again","data":{}}"#
            }
        }
    }

    fn samples_of(
        &self,
        kind: &Kind,
        address: &str,
        content: &SampleContent,
        now: Timestamp,
    ) -> Result<Vec<SampleWebhook>, SampleError> {
        sample::samples(self, kind, address, content, now)
    }
}
