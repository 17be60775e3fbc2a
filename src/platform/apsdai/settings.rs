//! What the table of a source of APSDAI's must look like, and what it needs beside it.

use schemars::JsonSchema;

use crate::domain::settings::{InvalidValue, SettingsTable};
use crate::platform::apsdai::Apsdai;
use crate::platform::{FromSource, GeneralSettings, PlatformKind};

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
