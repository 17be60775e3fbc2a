//! What Orderbell remembers: the contract of the stores, in the words of the flow, and the one place that opens a store.
//!
//! A store is one folder that implements the seven traits of [`Store`]. Each trait stands in a file with what it is asked and
//! what it answers: [`ingest`], [`queue`], [`history`], [`reports`], [`sessions`], [`health`], [`leases`]. Nobody outside of
//! this room knows which store it is.

pub mod address;
pub mod contents;
pub mod fencing;
pub mod health;
pub mod history;
pub mod ingest;
pub mod leases;
pub mod moving;
pub mod postgres;
pub mod queue;
pub mod recording;
pub mod reports;
pub mod restoring;
pub mod sessions;
pub mod sql;
pub mod sqlite;

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use jiff::Timestamp;

use crate::store::address::StoreUrl;
use crate::store::contents::StoreContents;
use crate::store::health::Health;
use crate::store::history::History;
use crate::store::ingest::Ingest;
use crate::store::leases::Leases;
use crate::store::postgres::Postgres;
use crate::store::queue::Queue;
use crate::store::reports::Reports;
use crate::store::sessions::Sessions;
use crate::store::sqlite::{Sqlite, backup, lock};

/// A store: everything that is acknowledged, owed and known.
pub trait Store: Ingest + Queue + History + Reports + Sessions + Health + Leases {}

impl<S: Ingest + Queue + History + Reports + Sessions + Health + Leases> Store for S {}

/// What a store is about to answer. What it is asked about by reference it has copied when it returns this.
pub type StoreFuture<'a, T> = BoxFuture<'a, Result<T, StoreError>>;

/// Why the store did not do what it was asked. Nothing of the request was kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// It cannot now and may later: the disk is full, read-only or gone, or the daemon is stopping.
    #[error("the store cannot be used now: {0}")]
    Unavailable(String),
    /// It cannot as things stand, and a person must act.
    #[error("{0}")]
    Refused(String),
    /// It was asked under a lease that another instance has acquired since, or that has ended; whoever asked works the channel
    /// no more.
    #[error("another instance works the channel")]
    NotLeased,
}

/// Opens a store for the daemon, or makes it; brings its schema up to date, and takes up what a crash left under way.
///
/// # Errors
/// [`StoreError::Refused`] when another daemon holds the store, when it is damaged, or when it was written by a newer version;
/// [`StoreError::Unavailable`] when it cannot be opened or made. What passes by itself, such as a full disk, is no error
/// here: until then each request to the store fails.
pub async fn open(url: &StoreUrl, now: Timestamp) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Arc::new(Sqlite::open(path, now)?)),
        StoreUrl::Postgres(url) => Ok(Arc::new(Postgres::open(url, now).await?)),
    }
}

/// Opens an existing store for a command, also beside the daemon that holds it: to look, and to change something in short
/// transactions of its own, which the daemon sees at its next look.
///
/// # Errors
/// [`StoreError::Unavailable`] when there is none or it cannot be opened; [`StoreError::Refused`] when it is another version's.
pub async fn open_beside(url: &StoreUrl) -> Result<Arc<dyn Store>, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(Arc::new(Sqlite::open_beside(path)?)),
        StoreUrl::Postgres(url) => Ok(Arc::new(Postgres::open_beside(url).await?)),
    }
}

/// Whether a daemon holds the store, of whichever version.
///
/// # Errors
/// [`StoreError::Unavailable`]: that cannot be seen.
pub async fn is_held_by_daemon(url: &StoreUrl) -> Result<bool, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => Ok(lock::is_held(path)),
        StoreUrl::Postgres(url) => Postgres::is_used_by_instances(url).await,
    }
}

/// Copies a store as it is at one moment, also beside the daemon that holds it, into a file that is not there yet, for its
/// owner alone. Answers what stands in it. The file is there only when all of it is on disk, and whole.
///
/// # Errors
/// [`StoreError::Unavailable`] when the store cannot be read or the copy cannot be written; then there is none.
/// [`StoreError::Refused`] when there is such a file already, or when what was written is damaged.
pub async fn back_up(url: &StoreUrl, to: &Path) -> Result<StoreContents, StoreError> {
    match url {
        StoreUrl::Sqlite(path) => backup::copy_quietly(path, to).await,
        StoreUrl::Postgres(_) => Err(StoreError::Refused(
            "a store on PostgreSQL is backed up by its own tools: `pg_dump --format=custom --file=FILE URL`, and put back by `pg_restore --clean --if-exists --dbname=URL FILE`".to_owned(),
        )),
    }
}
