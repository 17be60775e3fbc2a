//! Where a case has its store: an address of its own, and what goes with it at its end.

use std::any::Any;
use std::sync::Arc;

use orderbell::store;
use orderbell::store::Store;
use orderbell::store::address::StoreUrl;

use crate::postgres::cluster::Database;
use crate::store::conformance::scene::at;

/// A place for one store, in which there is none yet.
pub struct Place {
    url: StoreUrl,
    /// Goes at the end of the case.
    _holder: Box<dyn Any + Send>,
}

impl Place {
    /// As the daemon opens it, so many seconds after the suite's beginning.
    pub async fn open(&self, seconds: i64) -> Arc<dyn Store> {
        store::open(&self.url, at(seconds)).await.expect("the store opens")
    }

    /// As a command opens it, beside the daemon.
    pub async fn open_beside(&self) -> Arc<dyn Store> {
        store::open_beside(&self.url).await.expect("the store is there")
    }
}

/// A file in a folder of its own.
pub async fn sqlite() -> Option<Place> {
    let folder = tempfile::tempdir().expect("a folder");
    Some(Place { url: StoreUrl::Sqlite(folder.path().join("bell.db")), _holder: Box::new(folder) })
}

/// A database of its own; `None` where PostgreSQL is not installed.
pub async fn postgres() -> Option<Place> {
    let database = Database::make().await?;
    Some(Place { url: database.store_url(), _holder: Box::new(database) })
}
