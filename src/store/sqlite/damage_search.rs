//! What a start has no time for: a large database is looked through beside the daemon, table by table.

use std::path::Path;
use std::sync::mpsc::{self, Receiver};

use rusqlite::{Connection, InterruptHandle, OpenFlags};

use crate::store::StoreError;
use crate::store::sqlite::{spawn, unopened};

/// A search under way. It ends when this is dropped.
pub struct DamageSearch {
    found: Receiver<String>,
    interrupt: InterruptHandle,
}

impl DamageSearch {
    /// Begins, on a connection of its own that changes nothing.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: the database cannot be opened once more.
    pub fn begin(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(|error| unopened(path, &error))?;
        connection.pragma_update(None, "query_only", true).map_err(|error| unopened(path, &error))?;
        let (report, found) = mpsc::channel();
        let interrupt = connection.get_interrupt_handle();
        spawn("store-check", move || {
            // What keeps it from reading keeps the writer from it too, and is said there.
            if let Ok(Some(damage)) = search(&connection) {
                let _ = report.send(damage);
            }
        })?;
        Ok(Self { found, interrupt })
    }

    /// The first damage, once it is found.
    pub fn found(&self) -> Option<String> {
        self.found.try_recv().ok()
    }
}

impl Drop for DamageSearch {
    fn drop(&mut self) {
        self.interrupt.interrupt();
    }
}

/// Each table is one look, so that the write-ahead log is not kept from being emptied for longer than that.
fn search(connection: &Connection) -> rusqlite::Result<Option<String>> {
    let mut select = connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY rootpage")?;
    let tables: Vec<String> = select.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    for table in tables {
        let check = format!("PRAGMA quick_check('{}')", table.replace('\'', "''"));
        let found: String = connection.query_row(&check, [], |row| row.get(0))?;
        if found != "ok" {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt;
    use std::time::Duration;

    use jiff::Timestamp;

    use crate::store::health::Status;
    use crate::store::sql::database::Database;
    use crate::store::sql::params;
    use crate::store::sqlite::Sqlite;
    use crate::store::sqlite::opening::StorePlace;

    #[tokio::test]
    async fn damage_that_a_start_had_no_time_to_see_is_found_beside_the_daemon_and_nothing_more_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db");
        let place = || StorePlace { path: path.clone(), max_pages: u32::MAX, check_for: Duration::ZERO, before: None };
        let whole = Sqlite::start(place(), Timestamp::UNIX_EPOCH).unwrap();
        assert!(whole.sign("keeta-hk").await.is_ok());
        whole.close().await;
        // The kind of a page that no start reads.
        let root = "SELECT rootpage FROM sqlite_schema WHERE name = 'sessions'";
        let connection = rusqlite::Connection::open(&path).unwrap();
        let root: u64 = connection.query_row(root, [], |row| row.get::<_, u32>(0)).unwrap().into();
        drop(connection);
        let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
        file.write_all_at(&[0xff], (root - 1) * 4096).unwrap();
        let store = Sqlite::start(place(), Timestamp::UNIX_EPOCH).unwrap();
        let mut status = store.status();
        let is_damaged = |status: &Status| matches!(status, Status::Wrong(reason) if reason.contains("is damaged") && reason.contains("backup"));
        tokio::time::timeout(Duration::from_secs(30), status.wait_for(is_damaged)).await.unwrap().unwrap();
        assert!(store.sign("keeta-hk").await.is_err());
        store.close().await;
    }

    impl Sqlite {
        async fn sign(&self, source: &'static str) -> Result<(), crate::store::StoreError> {
            let sql = "INSERT INTO signs_of_life (source, at) VALUES (?1, 0) ON CONFLICT DO NOTHING";
            self.change(move |connection| connection.execute(sql, params![source]).map(drop)).await
        }
    }
}
