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
mod sample;
mod settings;
mod totals;
mod values;
mod verify;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::domain::event::Kind;
use crate::domain::secret::Secret;
use crate::domain::settings::InvalidValue;
use crate::domain::{apsdai, duration};
use crate::platform::apsdai::fields::Fields;
use crate::platform::sample::{SampleContent, SampleError};
use crate::platform::{GeneralSettings, Incoming, Platform, PlatformReply, Refusal, SampleWebhook, WebhookRequest};

/// One shop at APSDAI. It has one of `secret` and `password`: its token mode.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("oneOf" = [{ "required": ["secret"] }, { "required": ["password"] }]))]
pub struct Apsdai {
    /// For the token mode "signature".
    pub secret: Option<Secret>,
    /// For the token mode "password".
    pub password: Option<Secret>,
    /// Older or future timestamps are refused; zero switches the check off.
    #[serde(default = "default_max_age", deserialize_with = "crate::domain::duration::deserialize")]
    #[schemars(with = "duration::DurationText", extend("default" = "5m"))]
    pub max_age: SignedDuration,
    /// What a whole number means, in whatever spelling, and a text without a decimal point.
    #[serde(default)]
    #[schemars(extend("default" = "major"))]
    pub amount_unit: AmountUnit,
    /// The zone of times written as text, by its IANA name.
    #[serde(default = "default_timezone", deserialize_with = "deserialize_zone")]
    #[schemars(with = "String", extend("default" = "Asia/Shanghai"))]
    pub timezone: TimeZone,
    /// Where details stand in this shop's bodies, as JSON pointers: `"order.number" = "/data/orderNo"`. A pointer goes
    /// before the table of likely names, which still serves where it leads nowhere. Pointers of `product.*` and `day.*`
    /// begin at the item where there is a list of them.
    #[serde(default)]
    #[schemars(schema_with = "fields::schema")]
    pub fields: Fields,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AmountUnit {
    /// 1250 and 1250.0 are 1250.00; 12.5 and the text "12.50" are 12.50.
    #[default]
    Major,
    /// 1250 and 1250.0 are 12.50; so are 12.5 and the text "12.50".
    Minor,
}

const TOKEN: &str = "x-apsdai-token";
const TIMESTAMP: &str = "x-apsdai-timestamp";
const EVENT: &str = "x-apsdai-event";

fn default_max_age() -> SignedDuration {
    SignedDuration::from_mins(5)
}

fn default_timezone() -> TimeZone {
    TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::fixed(jiff::tz::offset(8)))
}

fn deserialize_zone<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TimeZone, D::Error> {
    let name = String::deserialize(deserializer)?;
    let wrong =
        || D::Error::custom(format!("\"{name}\" is not the IANA name of a time zone; such as \"Asia/Shanghai\""));
    TimeZone::get(&name).map_err(|_| wrong())
}

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
