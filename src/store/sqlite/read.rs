//! Looking at the store without changing it: for the channel workers, for pages, and for commands beside a running daemon.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::domain::event::{DeliveryId, Event, EventId};
use crate::domain::order::Order;
use crate::domain::quiet::Quiet;
use crate::store::sqlite::{
    BUSY_MS, QUEUE, due, fallback, keep_statements, list, pacing, record, schema, spawn, stopped, test_send,
    unavailable, unopened,
};
use crate::store::{DeliveryRow, DueBatch, PacingState, ParkedState, PendingDelivery, StoreError, TestSend};

/// What the reader thread is asked for.
enum Reading {
    Look(Look),
    /// The files are not the right ones any more, or they are now.
    Close(oneshot::Sender<()>),
    Open(PathBuf, oneshot::Sender<Result<(), StoreError>>),
}

type Look = Box<dyn FnOnce(Result<&Connection, &StoreError>) + Send>;

/// A read-only connection with a thread of its own.
#[derive(Clone)]
pub struct Reader {
    readings: mpsc::Sender<Reading>,
}

impl Reader {
    /// Opens an existing store to read, also beside the daemon that holds it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file is missing or cannot be opened.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Self::start(Some(open(path)?))
    }

    /// As [`Reader::open`], of a store that cannot be opened yet.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: there is no thread.
    pub(super) fn closed() -> Result<Self, StoreError> {
        Self::start(None)
    }

    fn start(connection: Option<Connection>) -> Result<Self, StoreError> {
        let (readings, queue) = mpsc::channel(QUEUE);
        spawn("store-read", move || read(connection, queue))?;
        Ok(Self { readings })
    }

    /// Lets go of the files, for the writer thread.
    pub(super) fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.readings.blocking_send(Reading::Close(reply)).is_ok() {
            let _ = closed.blocking_recv();
        }
    }

    /// Opens the files, for the writer thread.
    ///
    /// # Errors
    /// As [`Reader::open`].
    pub(super) fn reopen(&self, path: &Path) -> Result<(), StoreError> {
        let (reply, opened) = oneshot::channel();
        self.readings.blocking_send(Reading::Open(path.to_owned(), reply)).map_err(|_| stopped())?;
        opened.blocking_recv().map_err(|_| stopped())?
    }

    /// What waits for a channel and could go now: at most `limit` urgent and as many ordinary deliveries, the longest due
    /// first. With `in_order`, those of one order come one after another: a later one stays back while an earlier one waits.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn due_batch(
        &self,
        channel: &str,
        now: Timestamp,
        limit: usize,
        in_order: bool,
    ) -> Result<DueBatch, StoreError> {
        let channel = channel.to_owned();
        self.look(move |connection| due::due_batch(connection, &channel, now, limit, in_order)).await
    }

    /// Everything that the messages of these deliveries are made from, and which of them only a newer version can read.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn load(
        &self,
        deliveries: Vec<DeliveryId>,
        now: Timestamp,
    ) -> Result<(Vec<PendingDelivery>, Vec<DeliveryId>), StoreError> {
        self.look(move |connection| due::load(connection, &deliveries, now)).await
    }

    /// What waits of each of these orders for a channel and may share a message, the earliest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn of_orders(
        &self,
        channel: &str,
        order_keys: Vec<String>,
    ) -> Result<BTreeMap<String, Vec<DeliveryId>>, StoreError> {
        let channel = channel.to_owned();
        self.look(move |connection| due::of_orders(connection, &channel, &order_keys)).await
    }

    /// What a delivery carries, the earliest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn carried(&self, leader: DeliveryId) -> Result<Vec<DeliveryId>, StoreError> {
        self.look(move |connection| due::carried(connection, leader)).await
    }

    /// Whether a channel's setting is wrong, as far as its receiver said.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn parked(&self, channel: &str) -> Result<Option<ParkedState>, StoreError> {
        let channel = channel.to_owned();
        self.look(move |connection| due::parked(connection, &channel)).await
    }

    /// Whether the fallback of a channel is to be asked for something that has waited since `before`; in `quiet` hours only
    /// for what passes them.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn wants_fallback(
        &self,
        channel: &str,
        before: Timestamp,
        now: Timestamp,
        quiet: Option<Quiet>,
    ) -> Result<bool, StoreError> {
        let channel = channel.to_owned();
        self.look(move |connection| fallback::is_wanted(connection, &channel, before, now, quiet.as_ref())).await
    }

    /// The slots that are taken and the credentials that are rate-limited.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn taken_slots(&self) -> Result<PacingState, StoreError> {
        self.look(pacing::taken).await
    }

    /// When the next delivery of a channel falls due.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn next_due(&self, channel: &str) -> Result<Option<Timestamp>, StoreError> {
        let channel = channel.to_owned();
        self.look(move |connection| due::next_due(connection, &channel)).await
    }

    /// The channels for which deliveries wait, configured or not, and how many.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn waiting(&self) -> Result<Vec<(String, u64)>, StoreError> {
        self.look(due::waiting).await
    }

    /// Whether the store holds a delivery to a channel of this name, in whatever state.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn knows_channel(&self, channel: &str) -> Result<bool, StoreError> {
        let channel = channel.to_owned();
        self.look(move |connection| due::knows(connection, &channel)).await
    }

    /// How a delivery that was made to try a channel fares; `None` when it is not there.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn test_send(&self, delivery: DeliveryId, credential: String) -> Result<Option<TestSend>, StoreError> {
        self.look(move |connection| test_send::test_send(connection, delivery, &credential)).await
    }

    /// All deliveries in the sequence of their making, or those in one state.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn deliveries(&self, state: Option<&str>) -> Result<Vec<DeliveryRow>, StoreError> {
        let state = state.map(str::to_owned);
        self.look(move |connection| list::in_state(connection, state.as_deref())).await
    }

    /// An event with the number of its repeats.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn duplicates(&self, event: EventId) -> Result<Option<u64>, StoreError> {
        self.look(move |connection| record::duplicates(connection, event)).await
    }

    /// An event as it was recorded.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn event(&self, event: EventId) -> Result<Option<Event>, StoreError> {
        self.look(move |connection| record::load_event(connection, event)).await
    }

    /// An order as it stands.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn order(&self, source: &str, number: &str) -> Result<Option<Order>, StoreError> {
        let (source, number) = (source.to_owned(), number.to_owned());
        self.look(move |connection| Ok(record::load_order(connection, &source, &number)?.map(|(_, order)| order))).await
    }

    pub(super) async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let look: Look = Box::new(move |connection| {
            let seen = connection.map_err(Clone::clone).and_then(|c| read(c).map_err(|error| unavailable(&error)));
            // Where the caller was stopped, nobody waits for the answer any more.
            let _ = reply.send(seen);
        });
        self.readings.send(Reading::Look(look)).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    // Reading a write-ahead log needs its shared memory file, so the connection is opened for writing, which is then switched off.
    let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    keep_statements(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let connection = connect(path).map_err(|error| unopened(path, &error))?;
    schema::refuse_other_version(&connection)?;
    Ok(connection)
}

/// The reader thread: ends when nobody can ask any more.
fn read(mut connection: Option<Connection>, mut readings: mpsc::Receiver<Reading>) {
    let closed = StoreError::Unavailable("it is not open".to_owned());
    while let Some(reading) = readings.blocking_recv() {
        match reading {
            Reading::Look(look) => {
                let connection = connection.as_ref().ok_or(&closed);
                // This caller gets an error in place of an answer; the next one is answered as ever.
                if std::panic::catch_unwind(AssertUnwindSafe(|| look(connection))).is_err() {
                    tracing::error!("a look into the store met an internal error");
                }
            }
            Reading::Close(reply) => {
                connection = None;
                let _ = reply.send(());
            }
            Reading::Open(path, reply) => {
                let opened = open(&path).map(|opened| connection = Some(opened));
                let _ = reply.send(opened);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::StatementStatus;

    use super::*;
    use crate::store::sqlite::Sqlite;

    #[tokio::test]
    async fn a_statement_is_prepared_once_whatever_is_bound() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db");
        let store = Sqlite::open(&path, Timestamp::UNIX_EPOCH).unwrap();
        for connection in
            [connect(&path).unwrap(), crate::store::sqlite::opening::connect(&path, Duration::ZERO).unwrap()]
        {
            // An index is partial by `urgent`, and the limit matters for how to search.
            let sql = "SELECT id FROM deliveries WHERE channel = ?1 AND urgent = ?2 AND state = 'waiting' LIMIT ?3";
            for times in 0..4 {
                let mut select = connection.prepare_cached(sql).unwrap();
                assert!(!select.exists(rusqlite::params![times.to_string(), times % 2, times]).unwrap());
                assert_eq!(select.get_status(StatementStatus::RePrepare), 0, "at the {times}th time");
            }
        }
        store.close().await;
    }
}
