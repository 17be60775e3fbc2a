//! What the table of a source of Keeta's must look like, and what it needs beside it.

use schemars::JsonSchema;

use crate::domain::settings::{InvalidValue, SettingsTable, web_url};
use crate::platform::keeta::Keeta;
use crate::platform::{FromSource, GeneralSettings, PlatformKind};

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
