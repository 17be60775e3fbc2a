//! The thread that writes: whatever is queued goes into one transaction. It keeps its connection, makes it anew when it is
//! lost, and says whether the database can be used.

#![expect(clippy::disallowed_methods, reason = "how long ago this thread looked at its database")]

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};
use tokio_postgres::Client;

use crate::store::StoreError;
use crate::store::health::{CommitStats, Status};
use crate::store::postgres::failure::Outage;
use crate::store::postgres::opening::{OpenedBy, Opener, OpeningFailure};
use crate::store::postgres::session::{Driver, Session};
use crate::store::postgres::transaction::PostgresTransactions;
use crate::store::sql::commit;
use crate::store::sql::commit::{Ended, Transactions, WriterJob};

/// How many jobs share a transaction at most.
const GROUP: usize = 1024;
/// When nothing was asked for so long, the database is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A database that is away is tried again after so long at first, and after twice as long each time, up to the longest.
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LONGEST_RETRY: Duration = Duration::from_secs(2);

/// What the writer thread has and knows.
pub struct PostgresWriter {
    opener: Opener,
    /// `None` while the database is away, with the reason in the status.
    client: Option<Client>,
    status: watch::Sender<Status>,
    commits: Arc<CommitStats>,
    /// What time it was, and since when it passes.
    now: (Timestamp, Instant),
    looked_at: Instant,
    /// How long to wait until the next try.
    retry: Duration,
    /// The disk of the database was full when it was last written to.
    is_full: bool,
}

impl PostgresWriter {
    pub fn new(opener: Opener, status: watch::Sender<Status>, commits: Arc<CommitStats>, now: Timestamp) -> Self {
        let begun = Instant::now();
        let now = (now, begun);
        Self { opener, client: None, status, commits, now, looked_at: begun, retry: FIRST_RETRY, is_full: false }
    }

    /// Makes the first connection, and the store where there is none.
    ///
    /// # Errors
    /// What never passes by itself; and for a command, also what may.
    pub fn open(&mut self, runtime: &Runtime) -> Result<(), StoreError> {
        let opened = self.opener.open(runtime, self.time());
        match opened {
            Ok(client) => self.client = Some(client),
            Err(OpeningFailure::Later(reason)) if self.opener.opened_by == OpenedBy::Daemon => {
                tracing::error!(
                    "the database cannot be used yet, so webhooks are answered 503; it is tried again and again: {reason}"
                );
                self.status.send_replace(Status::Wrong(reason));
            }
            Err(error) => return Err(error.into_error()),
        }
        Ok(())
    }

    /// Ends when nobody can ask any more.
    pub fn run(mut self, mut jobs: mpsc::Receiver<WriterJob>, runtime: &Runtime) {
        loop {
            let patience = if self.is_wrong() { self.retry } else { LOOK_EVERY };
            match runtime.block_on(async { tokio::time::timeout(patience, jobs.recv()).await }) {
                Ok(Some(first)) => {
                    let mut group = vec![first];
                    while group.len() < GROUP
                        && let Ok(job) = jobs.try_recv()
                    {
                        group.push(job);
                    }
                    self.commit(group, runtime);
                }
                Ok(None) => break,
                Err(_) => {}
            }
            if self.looked_at.elapsed() >= patience {
                self.look(runtime);
            }
        }
    }

    fn commit(&mut self, group: Vec<WriterJob>, runtime: &Runtime) {
        // It was closed while nothing was asked: the server was started anew, or somebody in between closes what is idle.
        if self.client.as_ref().is_some_and(Client::is_closed) {
            self.look(runtime);
        }
        let status = self.status.borrow().clone();
        let (Some(client), Status::Ready(_)) = (&self.client, &status) else {
            let reason = match status {
                Status::Wrong(reason) => reason,
                Status::Ready(_) => "the database is away".to_owned(),
            };
            return commit::refuse(group, &StoreError::Unavailable(reason));
        };
        let driver = Driver::Own(runtime);
        let transactions = PostgresTransactions::new(Session::new(client, driver), driver, &self.opener);
        // Each job has caught its own panic. One elsewhere takes the group along: its senders get the error that the store is
        // unavailable, and nothing is kept.
        let committed = std::panic::catch_unwind(AssertUnwindSafe(|| {
            commit::commit(&transactions, group, &self.commits, || Ok(()))
        }));
        if committed.is_err() {
            tracing::error!("the store met an internal error; a group of changes was taken back");
            let _ = transactions.roll_back();
        }
        if matches!(committed, Ok(Ended::Committed)) {
            self.looked_at = Instant::now();
        }
        let (outage, is_usable) = (transactions.session().outage(), transactions.session().is_usable());
        self.note(outage, is_usable, runtime);
    }

    /// What a connection has come to.
    fn note(&mut self, outage: Option<Outage>, is_usable: bool, runtime: &Runtime) {
        if !is_usable {
            self.client = None;
            // Mostly the server was started anew and is there already, or the way to it was cut and is open again.
            return self.look(runtime);
        }
        if let Some(Outage { reason, is_disk_full }) = outage {
            self.is_full = is_disk_full;
            self.say(Err(reason));
        }
    }

    /// Whether the database can be used, or can be reached again.
    fn look(&mut self, runtime: &Runtime) {
        self.looked_at = Instant::now();
        self.client = self.client.take().filter(|client| !client.is_closed());
        let found = match &self.client {
            Some(client) => {
                let session = Session::new(client, Driver::Own(runtime));
                let found = self.opener.look(&session, self.is_full).map_err(OpeningFailure::reason);
                if !session.is_usable() {
                    self.client = None;
                }
                found
            }
            None => {
                let opened = self.opener.open(runtime, self.time());
                opened.map(|client| self.client = Some(client)).map_err(OpeningFailure::reason)
            }
        };
        self.retry = match found {
            Ok(()) => FIRST_RETRY,
            Err(_) => self.retry.saturating_mul(2).min(LONGEST_RETRY),
        };
        self.is_full &= found.is_err();
        self.say(found);
    }

    fn is_wrong(&self) -> bool {
        matches!(&*self.status.borrow(), Status::Wrong(_))
    }

    fn time(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.now.1.elapsed()).unwrap_or_default();
        self.now.0.checked_add(passed).unwrap_or(self.now.0)
    }

    /// Says in the log what has changed, once.
    fn say(&self, found: Result<(), String>) {
        let before = self.status.borrow().clone();
        let status = match (found, before) {
            (Ok(()), Status::Ready(_)) => return,
            (Err(reason), Status::Wrong(before)) if reason == before => return,
            (Ok(()), Status::Wrong(reason)) => Status::Ready(Some(reason)),
            (Err(reason), _) => Status::Wrong(reason),
        };
        match &status {
            Status::Ready(_) => tracing::info!("the database is right again; webhooks are taken and messages go out"),
            Status::Wrong(reason) => {
                tracing::error!("nothing can be stored, so webhooks are answered 503 and no message goes out: {reason}")
            }
        }
        self.status.send_replace(status);
    }
}
