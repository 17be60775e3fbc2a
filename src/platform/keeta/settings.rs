//! An application at Keeta as the table of a source has it, what that must look like, and what it needs beside it.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::duration;
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, SettingsTable, web_url};
use crate::platform::{FromSource, GeneralSettings, PlatformKind};

/// One application at Keeta.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Keeta {
    /// The application's id, as the developer portal shows it.
    #[schemars(example = 3762772727_u64)]
    pub app_id: u64,
    /// The application's secret, which ends every signature.
    pub app_secret: Secret,
    /// What to do with a webhook whose signature matches no recipe.
    #[serde(default)]
    #[schemars(extend("default" = "enforce"))]
    pub verify: Verify,
    /// The address as registered at Keeta, where it is not `public_url` + `/hooks/<source>`.
    pub registered_url: Option<String>,
    /// Names for shop ids.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "145541": "Harbour Noodle House" }))]
    pub shops: BTreeMap<String, String>,
    /// Older or future timestamps are refused; zero switches the check off.
    #[serde(default = "default_max_age", deserialize_with = "crate::domain::duration::deserialize")]
    #[schemars(with = "duration::DurationText", extend("default" = "24h"))]
    pub max_age: SignedDuration,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verify {
    /// Refused.
    #[default]
    Enforce,
    /// Recorded, marked, and sent to nobody.
    Observe,
}

fn default_max_age() -> SignedDuration {
    SignedDuration::from_hours(24)
}

impl FromSource for Keeta {
    const KIND: PlatformKind =
        PlatformKind { name: "keeta", schema: Keeta::json_schema, setup: include_str!("setup.toml") };

    fn check(table: &mut dyn SettingsTable) {
        table.check(&["registered_url"], &registered_url);
    }

    fn check_whole(&self, table: &mut dyn SettingsTable) {
        if self.app_id == 0 {
            table.warn_of_placeholder("app_id");
        }
    }
}

/// Judges an address of ours as Keeta knows it.
fn registered_url(text: &str) -> Result<(), InvalidValue> {
    match web_url(text) {
        Some(_) => Ok(()),
        None => Err(InvalidValue::new(
            format!("\"{text}\" is not a web address"),
            "such as \"https://bell.example.com/hooks/keeta-hk\", letter by letter as it is registered at Keeta",
        )),
    }
}

/// Keeta signs the address that is registered there, so it has to be known.
pub(super) fn lacks(keeta: &Keeta, name: &str, general: GeneralSettings) -> Option<InvalidValue> {
    let is_known = keeta.registered_url.is_some() || general.has_public_url;
    (!is_known).then(|| {
        InvalidValue::new(
            format!("\"{name}\" cannot check signatures: Keeta signs the address that it knows us by"),
            "add `public_url = \"https://bell.example.com\"` in [server], or registered_url here",
        )
    })
}
