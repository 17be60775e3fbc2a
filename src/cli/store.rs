//! The store as the commands use it beside a daemon.

use std::sync::Arc;

use crate::cli::failure::Failure;
use crate::config::parts::Parts;
use crate::domain::settings::InvalidValue;
use crate::store::address::StoreUrl;
use crate::store::{self, Store, StoreError};

/// Where the store is.
///
/// # Errors
/// [`Failure::Failed`] when there is none yet.
pub fn url(part: &Parts) -> Result<&StoreUrl, Failure> {
    let url = &part.store().map_err(Failure::Configuration)?.url;
    match url.is_made() {
        true => Ok(url),
        false => Err(Failure::Failed(format!("there is no store at {url} yet; `orderbell serve` makes it"))),
    }
}

/// The store, also beside the daemon that holds it.
///
/// # Errors
/// [`Failure::Failed`] when there is none yet, or it cannot be opened.
pub async fn open(part: &Parts) -> Result<Arc<dyn Store>, Failure> {
    store::open_beside(url(part)?).await.map_err(failed)
}

/// An address that an option names. It may hold a password, and is not repeated.
///
/// # Errors
/// [`Failure::Misused`].
pub fn named(option: &str, text: &str) -> Result<StoreUrl, Failure> {
    StoreUrl::parse(text)
        .map_err(|InvalidValue { message, help }| Failure::Misused(format!("{option}: {message}; {help}")))
}

pub fn failed(error: StoreError) -> Failure {
    Failure::Failed(error.to_string())
}
