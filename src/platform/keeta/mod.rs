//! Keeta Standard: orders, shops and menus of the food-delivery platform Keeta.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::domain::secret::Secret;

/// One application at Keeta.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Keeta {
    /// The application's id, as the developer portal shows it.
    pub app_id: u64,
    /// The application's secret, which ends every signature.
    pub app_secret: Secret,
    /// What to do with a webhook whose signature matches no recipe.
    #[serde(default)]
    pub verify: Verify,
    /// The address as registered at Keeta, where it is not `public_url` + `/hooks/<source>`.
    pub registered_url: Option<String>,
    /// Names for shop ids.
    #[serde(default)]
    pub shops: BTreeMap<String, String>,
    /// Older or future timestamps are refused; zero switches the check off.
    #[serde(default = "default_max_age")]
    pub max_age: SignedDuration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Refused.
    #[default]
    Enforce,
    /// Recorded, marked, and told to nobody.
    Observe,
}

fn default_max_age() -> SignedDuration {
    SignedDuration::from_hours(24)
}

impl crate::platform::Platform for Keeta {
    fn name(&self) -> &'static str {
        "keeta"
    }
    fn kinds(&self) -> Vec<crate::domain::event::Kind> {
        todo!()
    }
    fn hear(&self, _: &crate::platform::Request<'_>) -> Result<crate::platform::Heard, crate::platform::Refusal> {
        todo!()
    }
    fn reply(&self, _: crate::platform::Reply) -> &'static str {
        todo!()
    }
    fn samples(
        &self,
        _: &crate::domain::event::Kind,
        _: &str,
        _: u64,
        _: jiff::Timestamp,
    ) -> Vec<crate::platform::Sample> {
        todo!()
    }
}
