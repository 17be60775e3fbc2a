//! The file's own keys, which hold where a table says nothing else.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::context::LoadContext;
use crate::config::section::Section;
use crate::config::values;
use crate::domain::language::folders::LanguageTag;
use crate::domain::local_time::Zone;
use crate::domain::settings::{ReadSettings, SettingsTable};

/// The configuration of Orderbell.
#[derive(Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Orderbell")]
pub struct Globals {
    /// The language of messages, where a channel sets none: a built-in one, such as "en", or one that the folder of templates brings.
    #[serde(default = "default_language")]
    #[schemars(with = "LanguageTag", example = &"zh-CN")]
    pub language: String,
    /// The time zone of times in messages, where a channel sets none; an IANA name.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = &"Asia/Hong_Kong", extend("default" = "UTC"))]
    pub timezone: Zone,
    /// The currency of amounts that come without one; an ISO 4217 code.
    #[schemars(regex(pattern = "^[A-Z]{3}$"), example = &"HKD")]
    pub currency: Option<String>,
    /// A folder whose templates, such as `en/order.placed.md`, take precedence over the built-in ones.
    #[schemars(example = &"templates")]
    pub templates: Option<PathBuf>,
}

fn default_language() -> String {
    "en".to_owned()
}

impl Globals {
    /// Of amounts that come without one; ISO's own word for none where it is not configured.
    pub fn currency(&self) -> &str {
        self.currency.as_deref().unwrap_or("XXX")
    }
}

/// Reads what stands at the top of the file; what is wrong in it is as if it were absent.
pub fn read(mut section: Section<'_>, context: &LoadContext<'_>) -> Globals {
    section.check(&["language"], &|name| values::language(name, context.languages));
    section.check(&["timezone"], &|name| values::zone(name).map(drop));
    section.check(&["currency"], &values::currency);
    let globals = section.read::<Globals>();
    globals.unwrap_or_else(|| Globals { language: default_language(), ..Globals::default() })
}
