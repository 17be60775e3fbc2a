//! Which messages are being composed by a merchant's templates now, in a file beside the store: what stands in it at a start
//! was being composed when the process ended, and is composed without those templates.
//!
//! The file is written without waiting for the disk: it outlives the process, and it need not outlive the machine.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use crate::domain::event::DeliveryId;

/// An id as text and the end of its line: each place in the file holds one, or blanks.
const PLACE_BYTES: u64 = 37;

/// The messages that are being composed. Cloning shares it; by default they are remembered nowhere.
#[derive(Clone, Default)]
pub struct Composing(Arc<Mutex<Places>>);

#[derive(Default)]
struct Places {
    file: Option<File>,
    /// How many places the file has.
    count: u64,
    free: BTreeSet<u64>,
    taken: HashMap<DeliveryId, u64>,
    /// What was being composed when a process ended.
    interrupted: HashSet<DeliveryId>,
}

/// That a message is being composed, until this is dropped.
pub struct Mark {
    composing: Composing,
    ids: Vec<DeliveryId>,
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut places = self.composing.places();
        for id in &self.ids {
            places.interrupted.remove(id);
            if let Some(place) = places.taken.remove(id) {
                places.write(place, None);
                places.free.insert(place);
            }
        }
    }
}

impl Composing {
    /// Reads what the process before has left, and goes on in the same file. Where that cannot be used the log says so, and
    /// nothing is remembered.
    pub fn open(path: &Path) -> Self {
        let places = Places::read(path).unwrap_or_else(|error| {
            tracing::warn!(file = %path.display(), %error, "which messages are being composed cannot be noted");
            Places::default()
        });
        if !places.interrupted.is_empty() {
            let messages = places.interrupted.len();
            tracing::warn!(
                messages,
                "messages were being composed when the process ended; they go out in their plain form"
            );
        }
        Self(Arc::new(Mutex::new(places)))
    }

    /// Whether one of these was being composed when a process ended.
    pub fn was_interrupted(&self, ids: &[DeliveryId]) -> bool {
        let places = self.places();
        ids.iter().any(|id| places.interrupted.contains(id))
    }

    /// Notes that a message about these is composed from now on.
    pub fn begin(&self, ids: Vec<DeliveryId>) -> Mark {
        let mut places = self.places();
        for id in &ids {
            if places.taken.contains_key(id) {
                continue;
            }
            let place = places.free.pop_first().unwrap_or(places.count);
            places.count = places.count.max(place + 1);
            places.taken.insert(*id, place);
            places.write(place, Some(*id));
        }
        drop(places);
        Mark { composing: self.clone(), ids }
    }

    fn places(&self) -> MutexGuard<'_, Places> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn read(path: &Path) -> io::Result<Self> {
        let file = File::options().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
        let mut places = Self { count: file.metadata()?.len().div_ceil(PLACE_BYTES), ..Self::default() };
        for place in 0..places.count {
            let mut bytes = [b' '; PLACE_BYTES as usize];
            let read = file.read_at(&mut bytes, place * PLACE_BYTES)?;
            let id = std::str::from_utf8(&bytes[..read]).ok().and_then(|text| text.trim().parse::<Uuid>().ok());
            match id.map(DeliveryId) {
                Some(id) => {
                    places.taken.insert(id, place);
                    places.interrupted.insert(id);
                }
                None => {
                    places.free.insert(place);
                }
            }
        }
        Ok(Self { file: Some(file), ..places })
    }

    fn write(&self, place: u64, id: Option<DeliveryId>) {
        let Some(file) = &self.file else { return };
        let text = id.map(|id| id.0.to_string()).unwrap_or_default();
        if let Err(error) = file.write_all_at(format!("{text:36}\n").as_bytes(), place * PLACE_BYTES) {
            tracing::warn!(%error, "that a message is being composed cannot be noted");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u128) -> DeliveryId {
        DeliveryId(Uuid::from_u128(number))
    }

    #[test]
    fn what_was_being_composed_when_the_process_ended_is_known_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db.composing");
        let first = Composing::open(&path);
        drop(first.begin(vec![id(1), id(2)]));
        let (_kept, ended) = (first.begin(vec![id(3)]), first.begin(vec![id(4), id(5)]));
        drop(ended);
        assert!(!first.was_interrupted(&[id(3)]), "it is still being composed");
        // As it is when the process is killed.
        let second = Composing::open(&path);
        assert!(second.was_interrupted(&[id(9), id(3)]));
        for over in [1, 2, 4, 5] {
            assert!(!second.was_interrupted(&[id(over)]), "{over}");
        }
        drop(second.begin(vec![id(3)]));
        assert!(!second.was_interrupted(&[id(3)]) && !Composing::open(&path).was_interrupted(&[id(3)]));
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * PLACE_BYTES, "places are used again");
    }

    #[test]
    fn a_file_of_something_else_costs_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db.composing");
        std::fs::write(&path, b"\xff".repeat(100)).unwrap();
        let composing = Composing::open(&path);
        assert!(!composing.was_interrupted(&[id(1)]));
        std::mem::forget(composing.begin(vec![id(1)]));
        assert!(Composing::open(&path).was_interrupted(&[id(1)]));
        let nowhere = Composing::open(&folder.path().join("no/such/folder"));
        drop(nowhere.begin(vec![id(1)]));
    }
}
