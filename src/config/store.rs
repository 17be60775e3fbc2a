//! `[store]`: where events, orders and deliveries are kept, and for how long.

use std::path::PathBuf;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::context::{LoadContext, SecretReading};
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::unsupported::POSTGRES;
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::duration;
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, ReadSettings, SettingsTable};

const SHORTEST_KEEP: SignedDuration = SignedDuration::from_hours(24);

/// Where events, orders and deliveries are kept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// The SQLite file, relative to the folder of the configuration.
    #[serde(default)]
    #[schemars(with = "Option<Secret>", extend("default" = "sqlite:orderbell.db"))]
    pub url: StoreUrl,
    /// Events and deliveries older than this are removed; undelivered ones never. At least one day.
    #[serde(default = "default_keep", deserialize_with = "crate::domain::duration::deserialize")]
    #[schemars(with = "duration::DurationText", extend("default" = "400d"))]
    pub keep: SignedDuration,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub enum StoreUrl {
    Sqlite(PathBuf),
}

impl Default for StoreUrl {
    fn default() -> Self {
        StoreUrl::Sqlite(PathBuf::from("orderbell.db"))
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        sqlite(&url).map(|path| StoreUrl::Sqlite(PathBuf::from(path))).map_err(|invalid| invalid.message)
    }
}

fn default_keep() -> SignedDuration {
    SignedDuration::from_hours(400 * 24)
}

pub fn read(mut section: Section<'_>, context: &LoadContext<'_>, problems: &Diagnostics<'_>) -> Option<Store> {
    problems.enter(ConfigPart::Store);
    let mark = problems.mark();
    // Where the store is counts for every command, whatever other secrets it can do without.
    let reading = LoadContext { secrets: SecretReading::Read, ..*context };
    secrets::resolve(&mut section, Store::json_schema, &reading);
    if section.is_reported("url") {
        section.fill(&["url"], "sqlite:unknown.db".to_owned());
    }
    if section.text(&["url"]).is_some_and(|url| url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        POSTGRES.refuse(section.at(&["url"]), problems);
        section.drop_wrong(&["url"]);
    }
    section.check(&["url"], &|url| sqlite(url).map(drop));
    // Another store in its place would know nothing of what was acknowledged.
    problems.insist(mark);
    let mut store: Store = section.read()?;
    if store.keep < SHORTEST_KEEP {
        let help = "at least \"1d\": what is removed is no longer recognised when it is sent again";
        problems.error(section.at(&["keep"]), "keep is too short", help);
    }
    let StoreUrl::Sqlite(path) = &mut store.url;
    *path = context.folder().join(&*path);
    Some(store)
}

/// The path in a store address.
fn sqlite(url: &str) -> Result<&str, InvalidValue> {
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let help = "url = \"sqlite:orderbell.db\", with a path relative to the configuration's folder";
    match path {
        Some("" | ":memory:") => {
            Err(InvalidValue::new("the store needs a file, or nothing would survive a restart", help))
        }
        Some(path) if path.contains('?') => Err(InvalidValue::new("the store's address takes no parameters", help)),
        Some(path) => Ok(path),
        None => Err(InvalidValue::new("this is not the address of a store", help)),
    }
}
