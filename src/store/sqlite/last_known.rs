//! The last sequence numbers known, kept beside the database under its name: by them a start sees that something is missing.

use std::fs::File;
use std::io;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::store::health::Loss;
use crate::store::sql;
use crate::store::sqlite::wal;

/// A later format may mean something else by the same names.
const FORMAT: u32 = 1;

/// What is newest in a store.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Newest {
    /// The number of the newest event; 0 where there is none.
    event: i64,
    event_at: Option<Timestamp>,
    first_at: Option<Timestamp>,
    /// The number of the newest attempt.
    attempt: i64,
    attempt_at: Option<Timestamp>,
}

/// The file.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Note {
    format: u32,
    #[serde(flatten)]
    newest: Newest,
    /// The operator is to be notified of it still.
    loss: Option<Loss>,
}

/// How the database was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatabaseState {
    Missing,
    Empty,
    /// With something in it.
    There,
}

impl Newest {
    /// Of a store. It goes down when retention removes the newest.
    ///
    /// # Errors
    /// As SQLite says it.
    pub fn of(connection: &Connection) -> sql::Result<Self> {
        let connection: &dyn sql::Connection = connection;
        let row = |sql: &str| connection.optional(sql, &[], |row| Ok((row.get::<i64>(0)?, row.get::<Timestamp>(1)?)));
        let event = row("SELECT seq, received_at FROM events ORDER BY seq DESC LIMIT 1")?;
        let first = row("SELECT seq, received_at FROM events ORDER BY seq LIMIT 1")?;
        let attempt = row("SELECT seq, started_at FROM attempts ORDER BY seq DESC LIMIT 1")?;
        Ok(Self {
            event: event.map_or(0, |(seq, _)| seq),
            event_at: event.map(|(_, at)| at),
            first_at: first.map(|(_, at)| at),
            attempt: attempt.map_or(0, |(seq, _)| seq),
            attempt_at: attempt.map(|(_, at)| at),
        })
    }
}

/// Keeps the file.
pub struct LastKnown {
    path: PathBuf,
    /// As it stands in the file; `None` where there is none that could be read.
    kept: Option<Note>,
    has_failed: bool,
}

impl LastKnown {
    /// Of a database; one that cannot be read is as good as none.
    pub fn read(database: &Path) -> Self {
        let path = wal::beside(database, ".last");
        let kept = match std::fs::read(&path) {
            Ok(bytes) => {
                let note = serde_json::from_slice::<Note>(&bytes).ok().filter(|note| note.format == FORMAT);
                if note.is_none() {
                    tracing::warn!(
                        "{} cannot be understood, so it is not known whether something is missing",
                        path.display()
                    );
                }
                note
            }
            Err(_) => None,
        };
        Self { path, kept, has_failed: false }
    }

    /// What is missing in a store, as it was found.
    pub fn compare(&self, newest: &Newest, found: DatabaseState, log: wal::Inspection) -> Option<Loss> {
        let pending = self.kept.as_ref().and_then(|note| note.loss.clone());
        let known = self.kept.as_ref().map(|note| &note.newest);
        let lacks_events = known.is_some_and(|known| known.event > newest.event);
        let lacks_attempts = known.is_some_and(|known| known.attempt > newest.attempt);
        if !lacks_events && !lacks_attempts && !log.is_damaged {
            return pending;
        }
        let cause = match found {
            DatabaseState::Missing => "the database was not there, and an empty one was made",
            DatabaseState::Empty => "the database was empty",
            DatabaseState::There if log.is_damaged => "the write-ahead log was damaged, cut short or removed",
            DatabaseState::There => "the database is older than what is known of it, as a backup is",
        };
        let what = match known {
            Some(known) if lacks_events => format!("events {} to {} are not in it", newest.event + 1, known.event),
            Some(_) if lacks_attempts => "what became of the last messages is not in it".to_owned(),
            _ => "what was stored last may not be in it".to_owned(),
        };
        let until = known.and_then(|known| known.event_at.max(known.attempt_at));
        let until = until.max(log.written_at.filter(|_| log.is_damaged));
        let from = newest.event_at.or(known.and_then(|known| known.first_at));
        // The earlier one may have begun before.
        let from = match pending.and_then(|pending| pending.from) {
            Some(before) => from.map(|from| from.min(before)),
            None => from,
        };
        Some(Loss { found: format!("{cause}: {what}"), from: from.min(until.or(from)), until })
    }

    /// Renews the file, where there is something new. That it cannot be written is said once.
    pub fn renew(&mut self, newest: Newest, loss: Option<Loss>) {
        let note = Note { format: FORMAT, newest, loss };
        if self.kept.as_ref() == Some(&note) {
            return;
        }
        match write(&self.path, &note) {
            Ok(()) => {
                self.kept = Some(note);
                self.has_failed = false;
            }
            Err(error) if !self.has_failed => {
                tracing::warn!(%error, "{} cannot be written; a loss in the database may not be noticed", self.path.display());
                self.has_failed = true;
            }
            Err(_) => {}
        }
    }

    /// Whether a loss stands in the file of which the operator was notified since, or one that does not stand there yet.
    pub fn differs(&self, loss: Option<&Loss>) -> bool {
        self.kept.as_ref().and_then(|note| note.loss.as_ref()) != loss
    }
}

/// All or nothing: what is there before stays until the new one is on disk.
fn write(path: &Path, note: &Note) -> io::Result<()> {
    let beside = wal::beside(path, ".new");
    let mut file = File::options().create(true).write(true).truncate(true).mode(0o600).open(&beside)?;
    serde_json::to_writer(&mut file, note)?;
    file.write_all(b"\n")?;
    file.sync_data()?;
    std::fs::rename(&beside, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Option<Timestamp> {
        Some(Timestamp::from_second(second).unwrap())
    }

    fn newest(event: i64, attempt: i64) -> Newest {
        let event_at = at(1000 + event).filter(|_| event > 0);
        let first_at = at(1001).filter(|_| event > 0);
        let attempt_at = at(1000 + attempt).filter(|_| attempt > 0);
        Newest { event, event_at, first_at, attempt, attempt_at }
    }

    fn known(folder: &Path, newest: Newest, loss: Option<Loss>) -> LastKnown {
        let database = folder.join("a.db");
        LastKnown::read(&database).renew(newest, loss);
        LastKnown::read(&database)
    }

    #[test]
    fn what_is_missing_is_said_with_its_numbers_and_times() {
        let folder = tempfile::tempdir().unwrap();
        let known = known(folder.path(), newest(57, 80), None);
        let none = wal::Inspection::default();
        let older = known.compare(&newest(40, 50), DatabaseState::There, none).unwrap();
        assert_eq!((older.from, older.until), (at(1040), at(1080)));
        assert!(older.found.contains("older") && older.found.contains("events 41 to 57"), "{}", older.found);
        let empty = known.compare(&newest(0, 0), DatabaseState::Missing, none).unwrap();
        assert_eq!((empty.from, empty.until), (at(1001), at(1080)), "all of it, from the first one on");
        let attempts = known.compare(&newest(57, 79), DatabaseState::There, none).unwrap();
        assert!(attempts.found.contains("what became of the last messages"), "{}", attempts.found);
        assert_eq!(known.compare(&newest(57, 80), DatabaseState::There, none), None);
        assert_eq!(known.compare(&newest(60, 90), DatabaseState::There, none), None, "the note is a second behind");
        let written_at = at(5000);
        let damaged = wal::Inspection { is_damaged: true, is_useless: false, written_at };
        let damaged = known.compare(&newest(57, 80), DatabaseState::There, damaged).unwrap();
        assert_eq!((damaged.from, damaged.until), (at(1057), at(5000)));
    }

    #[test]
    fn without_a_note_nothing_is_missing_and_what_was_not_reported_yet_is_reported_after_another_start() {
        let folder = tempfile::tempdir().unwrap();
        let none = wal::Inspection::default();
        let database = folder.path().join("a.db");
        assert_eq!(LastKnown::read(&database).compare(&newest(0, 0), DatabaseState::Missing, none), None);
        let loss = Loss { found: "something".to_owned(), from: at(1), until: at(2) };
        let pending = known(folder.path(), newest(3, 3), Some(loss.clone()));
        assert_eq!(pending.compare(&newest(3, 3), DatabaseState::There, none), Some(loss.clone()));
        assert!(pending.differs(None) && !pending.differs(Some(&loss)));
        std::fs::write(wal::beside(&database, ".last"), r#"{"format":2,"event":99,"attempt":0}"#).unwrap();
        assert_eq!(
            LastKnown::read(&database).compare(&newest(3, 3), DatabaseState::There, none),
            None,
            "a later format"
        );
    }
}
