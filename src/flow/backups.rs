//! Backups as a habit: once a day a copy of the store is made beside the running daemon, by the same code as that of the
//! command, and the oldest ones are removed.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use crate::domain::backup::{BackupSettings, room_needed};
use crate::domain::pace::Elapsed;
use crate::flow::leadership::Leadership;
use crate::flow::notifier::Notifier;
use crate::flow::{Clock, Current};
use crate::store;
use crate::store::address::StoreUrl;
use crate::store::contents::HALF_COPY;

/// How often it is asked whether one is due.
const TICK: Duration = Duration::from_secs(1);
/// After one could not be made, it is tried again so much later.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_mins(15);
/// What a kill left behind goes after so long; a command may be writing what is younger.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_hours(24);

/// How much room there is where a folder lies, in bytes; `None` when that cannot be asked.
pub type FreeSpace = fn(&Path) -> Option<u64>;

/// How the last copy fared.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum BackupState {
    /// Nobody has looked yet, or one is being made.
    #[default]
    Unknown,
    /// None is asked for, or another instance makes them.
    Off,
    Made(String),
    Failed {
        folder: String,
        since: Timestamp,
        reason: String,
    },
}

/// How the last copy fared, for the watch. Cloning shares it.
#[derive(Clone, Default)]
pub struct BackupStatus(Arc<Mutex<BackupState>>);

impl BackupStatus {
    pub fn now(&self) -> BackupState {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, state: BackupState) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    fn failed(&self, folder: String, reason: String, now: Timestamp) {
        let since = match self.now() {
            BackupState::Failed { folder: before, since, .. } if before == folder => since,
            _ => now,
        };
        self.set(BackupState::Failed { folder, since, reason });
    }
}

/// What makes copies.
#[derive(Clone)]
pub struct BackupMaker {
    pub settings: Current<Option<BackupSettings>>,
    pub store: StoreUrl,
    /// Of several instances, the one that leads makes them.
    pub leadership: Leadership,
    pub status: BackupStatus,
    pub notifier: Notifier,
    pub free: FreeSpace,
    pub clock: Clock,
}

/// What it remembers between two looks.
#[derive(Default)]
struct Memory {
    /// With which settings the copy of which time is there.
    made: Option<(BackupSettings, Timestamp)>,
    /// With which settings none could be made, and when that is tried again.
    again: Option<(BackupSettings, Elapsed)>,
}

impl BackupMaker {
    /// Makes each copy when it is due, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut memory = Memory::default();
        loop {
            if shutdown.run_until_cancelled(self.look(&mut memory)).await.is_none()
                || shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_none()
            {
                return;
            }
        }
    }

    async fn look(&self, memory: &mut Memory) {
        let in_force = self.settings.get();
        let elapsed = self.clock.elapsed();
        let Some(settings) = in_force.as_ref().as_ref().filter(|_| self.leadership.leads(elapsed)) else {
            self.status.set(BackupState::Off);
            *memory = Memory::default();
            return;
        };
        let now = self.clock.now();
        let Some(due_at) = settings.latest(now) else { return };
        let is_made = memory.made.as_ref().is_some_and(|(made, at)| made == settings && *at == due_at);
        let is_late = |(tried, at): &(BackupSettings, Elapsed)| tried == settings && elapsed < *at;
        if is_made || memory.again.as_ref().is_some_and(is_late) {
            return;
        }
        let folder = settings.to.display().to_string();
        if !matches!(self.status.now(), BackupState::Failed { folder: before, .. } if before == folder) {
            self.status.set(BackupState::Unknown);
        }
        match self.make_if_due(settings, now).await {
            Ok(()) => {
                *memory = Memory { made: Some((settings.clone(), due_at)), again: None };
                self.status.set(BackupState::Made(folder));
            }
            Err(reason) => {
                tracing::error!(folder, reason, "no backup could be made; it is tried again in a quarter of an hour");
                memory.again = Some((settings.clone(), elapsed + AGAIN_AFTER));
                self.status.failed(folder, reason, now);
            }
        }
        self.notifier.watch().notify_one();
    }

    /// # Errors
    /// Why there is no copy, in one line.
    async fn make_if_due(&self, settings: &BackupSettings, now: Timestamp) -> Result<(), String> {
        let (maker, wanted) = (self.clone(), settings.clone());
        let prepared = tokio::task::spawn_blocking(move || maker.prepare(&wanted, now)).await;
        if !prepared.map_err(|error| error.to_string())?? {
            return Ok(());
        }
        let name = settings.name(now);
        let copied = store::back_up(&self.store, &settings.to.join(&name)).await;
        let contents = copied.map_err(|error| error.to_string())?;
        let (wanted, fresh) = (settings.clone(), name.clone());
        let removed = tokio::task::spawn_blocking(move || remove_outlived(&wanted, &fresh, now)).await;
        tracing::info!(
            folder = %settings.to.display(),
            name,
            kilobytes = contents.bytes.div_ceil(1_000),
            events = contents.events,
            waiting = contents.waiting,
            removed = removed.unwrap_or_default(),
            "a backup was made and looked through"
        );
        Ok(())
    }

    /// Makes the folder, and answers whether a copy is due.
    fn prepare(&self, settings: &BackupSettings, now: Timestamp) -> Result<bool, String> {
        let folder = settings.to.display();
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&settings.to)
            .map_err(|error| format!("the folder {folder} cannot be made: {error}"))?;
        let names = names(&settings.to).map_err(|error| format!("the folder {folder} cannot be read: {error}"))?;
        if settings.due(&names, now).is_none() {
            return Ok(false);
        }
        let length = |ending: &str| std::fs::metadata(self.store.beside(ending)).map_or(0, |found| found.len());
        let needed = room_needed(length("") + length("-wal"));
        match (self.free)(&settings.to) {
            Some(free) if free < needed => {
                let (needed, free) = (needed.div_ceil(1 << 20), free >> 20);
                Err(format!("there is no room for a copy: it needs {needed} MiB, and {free} MiB are free"))
            }
            _ => Ok(true),
        }
    }
}

/// Removes the copies that are outlived, and what a kill has left behind. Answers how many copies.
fn remove_outlived(settings: &BackupSettings, fresh: &str, now: Timestamp) -> usize {
    let Ok(names) = names(&settings.to) else { return 0 };
    let remove = |name: &String| {
        let removed = std::fs::remove_file(settings.to.join(name));
        removed.inspect_err(|error| tracing::warn!(name, %error, "an old backup cannot be removed")).is_ok()
    };
    for half in names.iter().filter(|name| name.starts_with(HALF_COPY)) {
        let written = std::fs::metadata(settings.to.join(half)).and_then(|found| found.modified());
        let written = written.ok().and_then(|written| Timestamp::try_from(written).ok());
        if written.is_some_and(|written| now.duration_since(written) > LEFT_BEHIND) {
            remove(half);
        }
    }
    settings.outlived(&names, fresh).iter().filter(|name| remove(name)).count()
}

/// The files of a folder whose names are text.
fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            names.extend(entry.file_name().into_string());
        }
    }
    Ok(names)
}
