//! A shop at APSDAI as the table of a source has it, what that must look like, and what it needs beside it.

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::domain::duration;
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, SettingsTable};
use crate::platform::apsdai::fields;
use crate::platform::apsdai::fields::Fields;
use crate::platform::{FromSource, GeneralSettings, PlatformKind};

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

impl FromSource for Apsdai {
    const KIND: PlatformKind =
        PlatformKind { name: "apsdai", schema: Apsdai::json_schema, setup: include_str!("setup.toml") };

    fn check(table: &mut dyn SettingsTable) {
        table.check_zone("timezone");
    }

    fn check_whole(&self, table: &mut dyn SettingsTable) {
        let help = "secret = … for the token mode \"signature\", password = … for the token mode \"password\"";
        let is_reported = table.is_reported("secret") || table.is_reported("password") || table.is_broken();
        match (&self.secret, &self.password) {
            (Some(_), Some(_)) => {
                table.error(&["password"], InvalidValue::new("a source has one token mode, with one secret", help));
            }
            (None, None) if !is_reported => {
                let message = format!("the secret is missing {}", table.place());
                table.error(&[], InvalidValue::new(message, help));
            }
            _ => {}
        }
    }
}

/// APSDAI may send amounts without a currency.
pub(super) fn lacks(name: &str, general: GeneralSettings) -> Option<InvalidValue> {
    (!general.has_currency).then(|| {
        InvalidValue::new(
            format!("\"{name}\" may send amounts without a currency, and none is configured"),
            "add `currency = \"CNY\"`, or yours, at the top of the file",
        )
    })
}
