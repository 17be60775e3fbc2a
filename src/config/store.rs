//! `[store]`: where events, orders and deliveries are kept, and for how long.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::context::{LoadContext, SecretReading};
use crate::config::secrets;
use crate::config::section::Section;
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::duration;
use crate::domain::secret::Secret;
use crate::domain::settings::{ReadSettings, SettingsTable};
use crate::store::address::StoreUrl;

const SHORTEST_KEEP: SignedDuration = SignedDuration::from_hours(24);

/// Where events, orders and deliveries are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
pub struct StoreConfig {
    /// The SQLite file, relative to the folder of the configuration; or a PostgreSQL database,
    /// `postgres://user:password@host/database`, which several instances share.
    #[serde(default)]
    #[schemars(with = "Option<Secret>", extend("default" = StoreUrl::DEFAULT))]
    pub url: StoreUrl,
    /// Events and deliveries older than this are removed; undelivered ones never. At least one day.
    #[serde(default = "default_keep", deserialize_with = "crate::domain::duration::deserialize")]
    #[schemars(with = "duration::DurationText", extend("default" = "400d"))]
    pub keep: SignedDuration,
}

fn default_keep() -> SignedDuration {
    SignedDuration::from_hours(400 * 24)
}

pub fn read(mut section: Section<'_>, context: &LoadContext<'_>, problems: &Diagnostics<'_>) -> Option<StoreConfig> {
    problems.enter(ConfigPart::Store);
    let mark = problems.mark();
    // Where the store is counts for every command, whatever other secrets it can do without.
    let reading = LoadContext { secrets: SecretReading::Read, ..*context };
    secrets::resolve(&mut section, StoreConfig::json_schema, &reading);
    if section.is_reported("url") {
        section.fill(&["url"], StoreUrl::UNKNOWN.to_owned());
    }
    section.check(&["url"], &|url| StoreUrl::parse(url).map(drop));
    // Another store in its place would know nothing of what was acknowledged.
    problems.insist(mark);
    let mut store: StoreConfig = section.read()?;
    if store.keep < SHORTEST_KEEP {
        let help = "at least \"1d\": what is removed is no longer recognised when it is sent again";
        problems.error(section.at(&["keep"]), "keep is too short", help);
    }
    store.url = store.url.within(context.folder());
    Some(store)
}
