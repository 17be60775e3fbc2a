//! The store in a PostgreSQL database, which several instances and commands use at the same time: each has one thread that
//! writes, and connections on which it looks.

pub mod address;
pub mod connect;
mod failure;
mod lease_store;
mod leases;
mod listen;
pub mod moving;
pub mod opening;
mod read;
pub mod schema;
pub mod session;
pub mod statement;
mod tls;
mod transaction;
mod value;
mod writer;

use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use tokio::runtime::Builder;
use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;
use crate::store::health::{CommitStats, Loss, Status};
use crate::store::ingest::{Record, Recorded};
use crate::store::postgres::address::PostgresUrl;
use crate::store::postgres::connect::Connector;
use crate::store::postgres::listen::{WakeUps, listen};
use crate::store::postgres::opening::{OpenedBy, Opener};
use crate::store::postgres::read::ReadPool;
use crate::store::postgres::schema::Migrations;
use crate::store::postgres::writer::PostgresWriter;
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::sql;
use crate::store::sql::database::Database;
use crate::store::sql::jobs::{Jobs, stopped};

/// One database, as an instance or a command uses it.
pub struct Postgres {
    /// The number of the newest migration that it knows.
    schema: i64,
    reader: ReadPool,
    jobs: Jobs,
    status: watch::Receiver<Status>,
    commits: Arc<CommitStats>,
    /// Of others that have committed something.
    wake_ups: Arc<WakeUps>,
    /// Of an instance.
    listener: Option<AbortHandle>,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Postgres {
    /// Opens the store for the daemon, or makes it; brings its schema up to date, and takes up what a crash left under way.
    ///
    /// # Errors
    /// [`StoreError::Refused`] when it was written by a newer version, when the database's text is not UTF-8, or when the file
    /// of `sslrootcert` cannot be used. What passes by itself, or when somebody mends the database, is no error here: until
    /// then each request to the store fails.
    pub async fn open(url: &PostgresUrl, now: Timestamp) -> Result<Self, StoreError> {
        Self::open_with(url, Migrations::built_in(), now).await
    }

    /// As [`Postgres::open`], by the migrations of another version.
    ///
    /// # Errors
    /// As [`Postgres::open`].
    pub async fn open_with(url: &PostgresUrl, migrations: Migrations, now: Timestamp) -> Result<Self, StoreError> {
        Self::start(url, OpenedBy::Daemon, migrations, now).await
    }

    /// Opens an existing store for a command, also beside instances that run on it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the database cannot be reached; [`StoreError::Refused`] when there is no store in it, or
    /// another version's.
    pub async fn open_beside(url: &PostgresUrl) -> Result<Self, StoreError> {
        Self::start(url, OpenedBy::Command, Migrations::built_in(), Timestamp::UNIX_EPOCH).await
    }

    /// Whether an instance runs on it, whatever its version.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: that cannot be seen.
    pub async fn is_used_by_instances(url: &PostgresUrl) -> Result<bool, StoreError> {
        let reader = ReadPool::new(&Connector::new(url)?)?;
        let used = |connection: &dyn sql::Connection| match schema::is_there(connection, "instances")? {
            true => leases::is_any_listed(connection),
            false => Ok(false),
        };
        reader.look(used).await
    }

    async fn start(
        url: &PostgresUrl,
        opened_by: OpenedBy,
        migrations: Migrations,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let connector = Connector::new(url)?;
        let reader = ReadPool::new(&connector)?;
        let waker = own_name();
        let (status, seen) = watch::channel(Status::Ready(None));
        let ended = CancellationToken::new();
        let end = ended.clone().drop_guard();
        let (jobs, queue) = Jobs::new(ended);
        let schema = migrations.newest();
        let opener =
            Opener { connector: connector.clone(), opened_by, migrations, waker: waker.clone(), has_taken_up: false };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| StoreError::Unavailable(format!("no timer for the store: {error}")))?;
        let (open, opened) = oneshot::channel();
        let commits: Arc<CommitStats> = Arc::default();
        let counted = commits.clone();
        let write = move || {
            let mut writer = PostgresWriter::new(opener, status, counted, now);
            let has_opened = writer.open(&runtime);
            let goes_on = has_opened.is_ok();
            if open.send(has_opened).is_ok() && goes_on {
                writer.run(queue, &runtime);
            }
            drop(end);
        };
        let thread = thread::Builder::new().name("store-write".to_owned()).spawn(write);
        thread.map_err(|error| StoreError::Unavailable(format!("no thread for the store: {error}")))?;
        opened.await.map_err(|_| stopped())??;
        let wake_ups = Arc::<WakeUps>::default();
        let listener = match opened_by {
            OpenedBy::Daemon => Some(tokio::spawn(listen(connector, waker, wake_ups.clone())).abort_handle()),
            OpenedBy::Command => None,
        };
        Ok(Self { schema, reader, jobs, status: seen, commits, wake_ups, listener })
    }

    fn let_go(&self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
        self.reader.close();
    }
}

/// A name that no other store has: nothing hangs on it but that one's own commits do not wake it.
fn own_name() -> String {
    let [one, other] = [RandomState::new(), RandomState::new()].map(|random| random.build_hasher().finish());
    format!("{one:016x}{other:016x}")
}

impl Database for Postgres {
    async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        if let Status::Wrong(reason) = &*self.status.borrow() {
            return Err(StoreError::Unavailable(reason.clone()));
        }
        self.reader.look(read).await
    }

    async fn look_at_once<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.look(read).await
    }

    async fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.jobs.change(work).await
    }

    fn leave(&self, work: impl FnOnce(&dyn sql::Connection) -> sql::Result<()> + Send + 'static) -> bool {
        self.jobs.leave(work)
    }

    async fn record(&self, record: Record) -> Result<Recorded, StoreError> {
        self.jobs.record(record).await
    }

    async fn claim(&self, claim: Claim) -> Result<Claimed, StoreError> {
        self.jobs.claim(claim).await
    }

    async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        self.jobs.settle(settle).await
    }

    async fn version(&self) -> Result<i64, StoreError> {
        self.look(|connection| connection.one("SELECT number FROM store_version", &[], |row| row.get(0))).await
    }

    async fn time(&self) -> Result<Option<Timestamp>, StoreError> {
        let sql = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
        self.look(move |connection| connection.one(sql, &[], |row| row.get(0)).map(Some)).await
    }

    fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    fn commits(&self) -> Arc<CommitStats> {
        self.commits.clone()
    }

    async fn writer_answers(&self) -> bool {
        self.jobs.answers().await
    }

    /// A database that is restored from a backup says nothing of it.
    fn loss(&self) -> Option<Loss> {
        None
    }

    fn forget_loss(&self) {}

    async fn close(&self) {
        self.jobs.end().await;
        self.let_go();
    }
}
