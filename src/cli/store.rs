//! The store as the commands use it beside a daemon, and its times as they are printed.

use std::path::Path;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::failure::Failure;
use crate::config::store::{Store, StoreUrl};
use crate::store::StoreError;

/// Where the store is.
///
/// # Errors
/// [`Failure::Failed`] when there is none yet.
pub fn path(store: &Store) -> Result<&Path, Failure> {
    let StoreUrl::Sqlite(path) = &store.url;
    match path.exists() {
        true => Ok(path),
        false => {
            Err(Failure::Failed(format!("there is no store at {} yet; `orderbell serve` makes it", path.display())))
        }
    }
}

pub fn failed(error: StoreError) -> Failure {
    Failure::Failed(error.to_string())
}

/// `2025-06-04 11:35`
pub fn minute(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string()
}

/// `2025-06-04 11:35:08`
pub fn second(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
