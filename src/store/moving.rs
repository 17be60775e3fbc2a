//! A whole store moved from one place to another, whatever databases they are: copied while nobody may change it, and proved to
//! be the same before the new one counts. However a move ends, the store that it came from is as it was.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::store::StoreError;
use crate::store::address::StoreUrl;
use crate::store::postgres::moving::MovingStore;
use crate::store::sql::transfer::{self, TABLES};
use crate::store::sql::{self, Connection};
use crate::store::sqlite::moving::{HalfStore, StillStore};

/// How far a move has come, for whoever watches it.
#[derive(Clone, Debug, Default)]
pub struct MoveProgress(Arc<[AtomicU64; 2]>);

impl MoveProgress {
    /// How many rows have been copied, and how many there are; 0 until they are counted.
    pub fn rows(&self) -> (u64, u64) {
        (self.0[0].load(Ordering::Relaxed), self.0[1].load(Ordering::Relaxed))
    }
}

/// What was moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// How many rows each table has, but those that have none.
    pub tables: Vec<(&'static str, u64)>,
    /// How many deliveries wait in the new store.
    pub waiting: u64,
}

/// Moves a store. Nothing of the new one is there before all of it is.
///
/// # Errors
/// [`StoreError::Refused`] when a daemon uses the store, when something is at the new place already, when the store is another
/// version's, or when the copy is not the same; [`StoreError::Unavailable`] when one of the two cannot be read or written.
pub async fn move_store(from: &StoreUrl, to: &StoreUrl, progress: MoveProgress) -> Result<Moved, StoreError> {
    if from == to {
        return Err(StoreError::Refused("the new place is the old one".to_owned()));
    }
    let (from, to) = (from.clone(), to.clone());
    off_thread(move || run(&from, &to, &progress)).await
}

/// Sees to it that nothing is at a place where a store is to be made that will be thrown away.
///
/// # Errors
/// [`StoreError::Refused`] when something is there; [`StoreError::Unavailable`] when that cannot be seen.
pub async fn refuse_taken(place: &StoreUrl) -> Result<(), StoreError> {
    let place = place.clone();
    off_thread(move || Target::begin(&place).map(drop)).await
}

/// Throws away a store that was made at a place where nothing was, when nobody uses it any more.
///
/// # Errors
/// [`StoreError::Refused`] when a daemon uses it; [`StoreError::Unavailable`] when it cannot be written.
pub async fn throw_away(place: &StoreUrl) -> Result<(), StoreError> {
    let place = place.clone();
    off_thread(move || match Source::open(&place)? {
        Source::Sqlite(store) => store.remove(),
        Source::Postgres(store) => {
            for table in TABLES {
                store.execute(&format!("DELETE FROM {}", table.name), &[])?;
            }
            store.finish()
        }
    })
    .await
}

async fn off_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Refused(format!("an internal error: {error}"))))
}

fn run(from: &StoreUrl, to: &StoreUrl, progress: &MoveProgress) -> Result<Moved, StoreError> {
    let source = Source::open(from)?;
    let target = Target::begin(to)?;
    let moved = copy((source.connection(), target.connection()), progress).map_err(failed)??;
    target.finish()?;
    Ok(moved)
}

/// The inner result is that of the comparison.
fn copy(
    (from, to): (&dyn Connection, &dyn Connection),
    MoveProgress(progress): &MoveProgress,
) -> sql::Result<Result<Moved, StoreError>> {
    let [done, all] = &**progress;
    all.store(transfer::rows(from)?, Ordering::Relaxed);
    let (mut tables, mut before) = (Vec::new(), 0);
    for table in TABLES {
        let read = transfer::copy(table, (from, to), &mut |rows| done.store(before + rows, Ordering::Relaxed))?;
        if transfer::holding(table, to)? != read {
            let text =
                format!("the copy of the table {} is not the same as what was read; nothing was moved", table.name);
            return Ok(Err(StoreError::Refused(text)));
        }
        before += read.rows;
        if read.rows > 0 {
            tables.push((table.name, read.rows));
        }
    }
    let sql = "SELECT count(*) FROM deliveries WHERE state = 'waiting'";
    let waiting = to.one(sql, &[], |row| row.get(0))?;
    Ok(Ok(Moved { tables, waiting }))
}

fn failed(error: sql::Error) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

enum Source {
    Sqlite(StillStore),
    Postgres(MovingStore),
}

impl Source {
    fn open(url: &StoreUrl) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => StillStore::open(path).map(Self::Sqlite),
            StoreUrl::Postgres(url) => MovingStore::still(url).map(Self::Postgres),
        }
    }

    fn connection(&self) -> &dyn Connection {
        match self {
            Self::Sqlite(store) => &store.connection,
            Self::Postgres(store) => store,
        }
    }
}

enum Target {
    Sqlite(HalfStore),
    Postgres(MovingStore),
}

impl Target {
    fn begin(url: &StoreUrl) -> Result<Self, StoreError> {
        match url {
            StoreUrl::Sqlite(path) => HalfStore::begin(path).map(Self::Sqlite),
            StoreUrl::Postgres(url) => MovingStore::begun(url).map(Self::Postgres),
        }
    }

    fn connection(&self) -> &dyn Connection {
        match self {
            Self::Sqlite(store) => &store.connection,
            Self::Postgres(store) => store,
        }
    }

    fn finish(self) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(store) => store.finish(),
            Self::Postgres(store) => store.finish(),
        }
    }
}
