//! The thread that writes: whatever is queued goes into one transaction. In between it sees to it that the store's files are
//! the right ones, and in a quiet moment it empties the write-ahead log, so that the main file holds almost everything.

#![expect(clippy::disallowed_methods, reason = "how long ago this thread looked at its files")]

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use rusqlite::config::DbConfig;
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

use crate::store::StoreError;
use crate::store::health::{CommitStats, Loss, Status};
use crate::store::sql::commit;
use crate::store::sql::commit::{Ended, WriterJob};
use crate::store::sqlite::conversion::Progress;
use crate::store::sqlite::damage_search::DamageSearch;
use crate::store::sqlite::files::FileFault;
use crate::store::sqlite::group::Grouping;
use crate::store::sqlite::last_known::Newest;
use crate::store::sqlite::opening::{
    CONVERTING, ConvertingStore, LookedThrough, OpenError, OpenStore, Opened, PATIENCE, SHORT_PATIENCE, StorePlace,
};
use crate::store::sqlite::read::Readers;
use crate::store::sqlite::{opening, schema, wal};

/// The files are looked at before and after each commit, and at least this often.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// When nothing was asked for so long, it is quiet.
const QUIET: Duration = Duration::from_millis(200);
/// How far a conversion has come is said so often.
const SAY_EVERY: Duration = Duration::from_secs(2);

/// What the writer thread has and knows.
pub struct Writer {
    place: StorePlace,
    /// `None` while the store could not be opened yet, with the reason in the status.
    opened: Option<OpenStore>,
    /// While the store of an older version is being converted.
    converting: Option<ConvertingStore>,
    /// When it was last said how far that has come.
    said_at: Instant,
    readers: Readers,
    status: watch::Sender<Status>,
    /// What time it was, and since when it passes.
    now: (Timestamp, Instant),
    looked_at: Instant,
    /// When it was last tried to take up a log that was removed.
    tried_at: Option<Instant>,
    /// Something was committed since the log was emptied.
    has_news: bool,
    emptied_at: Instant,
    /// Another program holds the write lock.
    is_locked: bool,
    /// What may be missing, as far as the operator was not notified of it.
    loss: Arc<Mutex<Option<Loss>>>,
    /// Something was committed since the last sequence numbers were noted.
    is_unnoted: bool,
    /// Of a database that is too large for a start.
    search: Option<DamageSearch>,
    /// What it has found: then nothing more is written.
    damage: Option<String>,
    pub commits: Arc<CommitStats>,
}

impl Writer {
    pub fn new(
        place: StorePlace,
        (opened, converting): (Option<OpenStore>, Option<ConvertingStore>),
        readers: Readers,
        status: watch::Sender<Status>,
        loss: Arc<Mutex<Option<Loss>>>,
        now: Timestamp,
    ) -> Self {
        let begun = Instant::now();
        let search = opened.as_ref().and_then(search);
        Self {
            place,
            // What a crash left in the log goes to the main file, too.
            has_news: opened.is_some(),
            opened,
            converting,
            said_at: begun,
            readers,
            status,
            now: (now, begun),
            looked_at: begun,
            tried_at: None,
            emptied_at: begun,
            is_locked: false,
            loss,
            is_unnoted: true,
            search,
            damage: None,
            commits: Arc::default(),
        }
    }

    /// Ends when nobody can ask any more.
    pub fn run(mut self, mut jobs: mpsc::Receiver<WriterJob>, runtime: &Runtime) {
        let mut grouping = Grouping::default();
        loop {
            let patience = match &self.converting {
                Some(_) => Duration::ZERO,
                None if self.has_news => QUIET,
                None => LOOK_EVERY,
            };
            match runtime.block_on(async { tokio::time::timeout(patience, jobs.recv()).await }) {
                Ok(Some(first)) => {
                    let group = grouping.group(first, &mut jobs, WriterJob::is_of_sending, std::thread::sleep);
                    self.commit(group);
                }
                Ok(None) => break,
                Err(_) => self.rest(),
            }
            if self.converting.is_some() {
                self.convert();
            } else if self.looked_at.elapsed() >= LOOK_EVERY {
                self.look();
            }
        }
        self.note();
        self.search = None;
        let is_wrong = matches!(&*self.status.borrow(), Status::Wrong(_));
        if let Some(opened) = self.opened.take() {
            if is_wrong {
                // What stands in the log may be the only good copy.
                let _ = opened.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
                return;
            }
            // Then a copy of the one file is a copy of everything. An error leaves the log in place, where it is just as safe.
            let _ = opening::checkpoint(&opened.connection, PATIENCE);
        }
    }

    fn commit(&mut self, group: Vec<WriterJob>) {
        if let Err(error) = self.check() {
            return commit::refuse(group, &error);
        }
        let Some(OpenStore { connection, files, lock, .. }) = &mut self.opened else { return };
        let confirm = || files.check(lock).map_err(|wrong| StoreError::Unavailable(reason(wrong)));
        // Each job has caught its own panic. One elsewhere takes the group along: its senders get the error that the store is
        // unavailable, and nothing is kept.
        let committed =
            std::panic::catch_unwind(AssertUnwindSafe(|| commit::commit(connection, group, &self.commits, confirm)));
        let is_locked = match committed {
            Ok(ended) => {
                self.has_news |= ended == Ended::Committed;
                self.is_unnoted |= ended == Ended::Committed;
                ended == Ended::Locked
            }
            Err(_) => {
                tracing::error!("the store met an internal error; a group of changes was taken back");
                if !connection.is_autocommit() {
                    let _ = connection.execute_batch("ROLLBACK");
                }
                false
            }
        };
        self.note_lock(is_locked);
    }

    /// While another program holds the write lock, the first group waits for it, and those behind do not.
    fn note_lock(&mut self, is_locked: bool) {
        let Some(opened) = &self.opened else { return };
        if is_locked == self.is_locked {
            return;
        }
        self.is_locked = is_locked;
        let _ = opened.connection.busy_timeout(if is_locked { SHORT_PATIENCE } else { PATIENCE });
        match is_locked {
            true => tracing::error!(
                "another program has locked the database, so nothing can be stored; webhooks are answered 503 until it lets go"
            ),
            false => tracing::info!("the database is no longer locked by another program"),
        }
    }

    /// Nothing was asked for a moment.
    fn rest(&mut self) {
        if !self.has_news || self.is_locked || self.emptied_at.elapsed() < LOOK_EVERY || self.check().is_err() {
            return;
        }
        let Some(opened) = &self.opened else { return };
        self.emptied_at = Instant::now();
        // Somebody who reads at this moment, or a full disk, leaves it for the next time.
        match opening::checkpoint(&opened.connection, Duration::ZERO) {
            Ok(emptied) => self.has_news = !emptied,
            Err(error) => tracing::debug!(%error, "the write-ahead log could not be emptied"),
        }
    }

    /// Once a second: whether the store is still what it was, or can be opened now.
    fn look(&mut self) {
        self.looked_at = Instant::now();
        if let Some(found) = self.search.as_ref().and_then(DamageSearch::found) {
            self.damage = Some(opening::damaged(&self.place.path, &found).to_string());
        }
        let Some(opened) = &mut self.opened else { return self.open() };
        let checked = match (opened.lock.renew(), opened.files.check(&opened.lock)) {
            _ if let Some(damage) = &self.damage => Err(damage.clone()),
            (Err(error), _) => Err(format!("{error}; nothing more is stored here")),
            (Ok(()), Ok(())) => {
                self.has_news |= opened.files.log_size > 0;
                Ok(())
            }
            (Ok(()), Err(FileFault::Log)) => self.take_up_log(),
            (Ok(()), Err(wrong)) => Err(reason(wrong)),
        };
        self.say(checked);
        self.note();
    }

    /// Notes the last sequence numbers beside the database, once a second at most.
    fn note(&mut self) {
        let is_ready = matches!(&*self.status.borrow(), Status::Ready(_));
        let Some(opened) = self.opened.as_mut().filter(|_| is_ready) else { return };
        let loss = self.loss.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !self.is_unnoted && !opened.last_known.differs(loss.as_ref()) {
            return;
        }
        match Newest::of(&opened.connection) {
            Ok(newest) => {
                opened.last_known.renew(newest, loss);
                self.is_unnoted = false;
            }
            Err(error) => tracing::debug!(%error, "the last sequence numbers cannot be read"),
        }
    }

    /// Whether something can be stored now.
    fn check(&mut self) -> Result<(), StoreError> {
        if let Some(opened) = &mut self.opened {
            let was_ready = matches!(&*self.status.borrow(), Status::Ready(_));
            match opened.files.check(&opened.lock) {
                Ok(()) if was_ready => {}
                // That takes a moment, and whoever is queued waits for it.
                Err(FileFault::Log) if !was_ready && self.tried_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) => {}
                _ => self.look(),
            }
        }
        match &*self.status.borrow() {
            Status::Ready(_) => Ok(()),
            Status::Wrong(reason) => Err(StoreError::Unavailable(reason.clone())),
        }
    }

    /// Opens the store, which could not be opened before.
    fn open(&mut self) {
        match self.place.open(self.time(), SHORT_PATIENCE) {
            Ok(Opened::Ready(opened)) => self.take(Ok(opened)),
            Ok(Opened::Converting(converting)) => {
                self.converting = Some(converting);
                self.say(Err(CONVERTING.to_owned()));
            }
            Err(failure) => self.take(Err(failure)),
        }
    }

    fn time(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.now.1.elapsed()).unwrap_or_default();
        self.now.0.checked_add(passed).unwrap_or(self.now.0)
    }

    fn take(&mut self, opened: Result<OpenStore, OpenError>) {
        let opened = opened.and_then(|opened| {
            self.readers.reopen(&opened.lock.path).map_err(OpenError::Never)?;
            let _ = opened.connection.busy_timeout(PATIENCE);
            self.loss.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&opened.loss);
            Ok(opened)
        });
        let opened = opened.map(|opened| {
            self.search = search(&opened);
            self.opened = Some(opened);
        });
        self.has_news |= opened.is_ok();
        self.say(opened.map_err(|failure| failure.into_error().to_string()));
    }

    /// Converts some more of the store of an older version.
    fn convert(&mut self) {
        let Some(mut converting) = self.converting.take() else { return };
        match schema::step(&mut converting.connection, &self.place.path) {
            Ok(Some(Progress { done, all })) => {
                self.converting = Some(converting);
                if self.said_at.elapsed() >= SAY_EVERY {
                    self.said_at = Instant::now();
                    tracing::info!("the store is being converted: event {done} of {all}");
                }
            }
            Ok(None) => {
                tracing::info!("the store is converted");
                let opened = self.place.finish(converting, self.time());
                self.take(opened);
            }
            // It is opened anew in a second, and goes on where it was.
            Err(failure) => {
                self.looked_at = Instant::now();
                self.say(Err(format!("it cannot be converted: {}", failure.into_error())));
            }
        }
    }

    /// The write-ahead log was removed or replaced. What was committed is in the one that is still open, and goes to the main
    /// file; then the files are opened anew.
    fn take_up_log(&mut self) -> Result<(), String> {
        self.tried_at = Some(Instant::now());
        // It would read a log that nobody writes any more.
        self.search = None;
        let Some(opened) = &self.opened else { return Ok(()) };
        let path = self.place.path.display().to_string();
        let stuck = |why: &str| {
            format!("the write-ahead log {path}-wal or its index {path}-shm was removed or replaced, {why}")
        };
        match opening::checkpoint(&opened.connection, SHORT_PATIENCE) {
            Ok(true) => {}
            Ok(false) => return Err(stuck("and another program uses the database; end that one")),
            Err(error) => {
                return Err(stuck(&format!("and what it held cannot be taken over ({error}); restart orderbell")));
            }
        }
        self.readers.close();
        let Some(OpenStore { connection, files, lock, last_known, loss, looked }) = self.opened.take() else {
            return Ok(());
        };
        drop((connection, files));
        // What stands there when nobody has it open is no log of this store, and would be taken for it.
        wal::set_aside(&lock.path).map_err(|error| stuck(&format!("and cannot be set aside: {error}")))?;
        let reopened = self.place.reopen(&lock).map_err(|failure| failure.into_error().to_string());
        let (connection, files) = reopened.map_err(|error| stuck(&error))?;
        self.readers.reopen(&lock.path).map_err(|error| stuck(&error.to_string()))?;
        self.opened = Some(OpenStore { connection, files, lock, last_known, loss, looked });
        tracing::warn!(
            "the write-ahead log of {path} was removed or replaced under the daemon; nothing was lost, and it was made anew"
        );
        Ok(())
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

/// Looks on where the start had to stop.
fn search(opened: &OpenStore) -> Option<DamageSearch> {
    let path = &opened.lock.path;
    let begin =
        || DamageSearch::begin(path).inspect_err(|error| tracing::warn!("it is not looked through: {error}")).ok();
    (opened.looked == LookedThrough::Partly).then(begin).flatten()
}

fn reason(wrong: FileFault) -> String {
    match wrong {
        FileFault::Database(reason) => reason,
        FileFault::Log => "the write-ahead log was removed or replaced at this moment".to_owned(),
    }
}
