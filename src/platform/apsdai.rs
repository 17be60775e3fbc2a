//! APSDAI: what the configuration says of a source of this platform, which sends orders and stock of a licence shop.

use jiff::SignedDuration;
use serde::Deserialize;

use crate::domain::secret::Secret;

/// One shop at APSDAI.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Apsdai {
    /// For the token mode "signature".
    pub secret: Option<Secret>,
    /// For the token mode "password".
    pub password: Option<Secret>,
    /// Older or future timestamps are refused; zero switches the check off.
    #[serde(default = "default_max_age", deserialize_with = "crate::domain::duration::deserialize")]
    pub max_age: SignedDuration,
    /// What a number without a decimal point means.
    #[serde(default)]
    pub amount_unit: AmountUnit,
    /// IANA name of the zone of times written as text.
    #[serde(default = "default_timezone")]
    pub timezone: String,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AmountUnit {
    /// 12.5 is twelve and a half.
    #[default]
    Major,
    /// 1250 is twelve and a half.
    Minor,
}

fn default_max_age() -> SignedDuration {
    SignedDuration::from_mins(5)
}

fn default_timezone() -> String {
    "Asia/Shanghai".to_owned()
}
