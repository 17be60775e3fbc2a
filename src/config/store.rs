//! `[store]`: where events, orders and deliveries are kept, and for how long.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::Store;
use crate::config::StoreUrl;
use crate::config::Surroundings;
use crate::config::later;
use crate::config::later::Place;
use crate::config::problem::Problems;
use crate::config::secrets;
use crate::config::section::Complaint;
use crate::config::section::Section;
use crate::domain::duration;
use crate::domain::secret::Secret;

const SHORTEST_KEEP: SignedDuration = SignedDuration::from_hours(24);

/// Where events, orders and deliveries are kept.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Store")]
pub struct WrittenStore {
    /// The SQLite file, relative to the folder of the configuration.
    #[schemars(extend("default" = "sqlite:orderbell.db"))]
    url: Option<Secret>,
    /// Events and deliveries older than this are removed; undelivered ones never. At least one day.
    #[serde(default = "default_keep", deserialize_with = "crate::domain::duration::deserialize")]
    #[schemars(with = "duration::Written", extend("default" = "400d"))]
    keep: SignedDuration,
}

fn default_keep() -> SignedDuration {
    SignedDuration::from_hours(400 * 24)
}

pub fn read(mut section: Section<'_>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Option<Store> {
    let mark = problems.mark();
    secrets::resolve(&mut section, &["url"], surroundings, problems);
    if section.text(&["url"]).is_some_and(|url| url.starts_with("postgres://") || url.starts_with("postgresql://")) {
        later::note_kind("stores on PostgreSQL", Place::Store, section.at(&["url"]), problems);
        section.drop_wrong(&["url"]);
    }
    section.check(&["url"], problems, |url| sqlite(url).map(drop));
    // Another store in its place would know nothing of what was acknowledged.
    problems.insist(mark);
    let written: WrittenStore = section.read(problems)?;
    if written.keep < SHORTEST_KEEP {
        let help = "at least \"1d\": what is removed is no longer recognised when it is sent again";
        problems.error(section.at(&["keep"]), "keep is too short", help);
    }
    let path = written.url.as_ref().and_then(|url| sqlite(url.expose()).ok()).unwrap_or("orderbell.db");
    Some(Store { url: StoreUrl::Sqlite(surroundings.folder().join(path)), keep: written.keep })
}

/// The path in a store address.
fn sqlite(url: &str) -> Result<&str, Complaint> {
    let path = url.strip_prefix("sqlite:").map(|path| path.strip_prefix("//").unwrap_or(path));
    let help = "url = \"sqlite:orderbell.db\", with a path relative to the configuration's folder";
    match path {
        Some("" | ":memory:") => {
            Err(Complaint::new("the store needs a file, or nothing would survive a restart", help))
        }
        Some(path) if path.contains('?') => Err(Complaint::new("the store's address takes no parameters", help)),
        Some(path) => Ok(path),
        None => Err(Complaint::new("this is not the address of a store", help)),
    }
}
