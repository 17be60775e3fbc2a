//! The write-ahead log as a crash left it, looked at before SQLite does: SQLite takes a damaged log for a shorter one and says
//! nothing. How long it should be stands in its index (`-shm`), which is written after each commit is on disk.
//!
//! The layout is that of <https://sqlite.org/walformat.html>.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use jiff::Timestamp;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const FORMAT: u32 = 3_007_000;
/// Of both copies of the index's header, and how much of the log is in the main file.
const INDEX: usize = 100;

/// What the log is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Inspection {
    /// What was committed is not in it any more.
    pub is_damaged: bool,
    /// SQLite must not use it: the main file is newer, or it is not a log of this database.
    pub is_useless: bool,
    /// When it was written last.
    pub written_at: Option<Timestamp>,
}

/// A file beside the database.
pub fn beside(database: &Path, ending: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Looks at the log of a database that nobody has open.
///
/// # Errors
/// The files cannot be read.
pub fn inspect(database: &Path) -> io::Result<Inspection> {
    // The index first: whoever writes meanwhile makes the log longer than it says, never shorter.
    let index = Index::read(&beside(database, "-shm"))?;
    let path = beside(database, "-wal");
    let written_at = std::fs::metadata(&path).and_then(|found| found.modified()).ok();
    let written_at = written_at.and_then(|at| Timestamp::try_from(at).ok());
    Ok(Inspection { written_at, ..judge(&Log::read(&path)?, index.as_ref()) })
}

/// Renames the log, so that SQLite does not use it and a person may.
///
/// # Errors
/// As of `rename`.
pub fn set_aside(database: &Path) -> io::Result<()> {
    let log = beside(database, "-wal");
    match std::fs::metadata(&log) {
        Ok(found) if found.len() > 0 => std::fs::rename(log, beside(database, "-wal.aside")),
        _ => Ok(()),
    }
}

fn judge(log: &Log, index: Option<&Index>) -> Inspection {
    let of = |is_damaged, is_useless| Inspection { is_damaged, is_useless, written_at: None };
    match (log, index.filter(|index| index.frames > 0)) {
        (Log::Readable { salt, committed, .. }, Some(index)) if *salt == index.salt => {
            let is_short = *committed < index.frames;
            // Of what is in the main file already, nothing is lost; and what is older must not hide it.
            of(is_short && index.backfilled < index.frames, is_short && index.backfilled > *committed)
        }
        (Log::Readable { salt, .. }, Some(index)) if salt[..4] < index.salt[..4] => {
            of(index.backfilled < index.frames, true)
        }
        (Log::Readable { is_torn, .. }, _) => of(*is_torn, false),
        (Log::Nothing, Some(index)) => of(index.backfilled < index.frames, false),
        (Log::Nothing, None) => of(false, false),
        (Log::Unreadable, Some(index)) => of(index.backfilled < index.frames, true),
        (Log::Unreadable, None) => of(true, true),
    }
}

/// What the log holds.
enum Log {
    Nothing,
    /// Its own header is not that of a log.
    Unreadable,
    Readable {
        salt: [u8; 8],
        /// How many frames the last whole commit ends with.
        committed: u32,
        /// Behind the last good frame there are more of the same generation.
        is_torn: bool,
    },
}

impl Log {
    fn read(path: &Path) -> io::Result<Self> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::Nothing),
            Err(error) => return Err(error),
        };
        let mut file = BufReader::new(file);
        let mut header = [0; HEADER];
        if !fill(&mut file, &mut header)? {
            return Ok(Self::Nothing);
        }
        if header == [0; HEADER] {
            return Ok(Self::Nothing);
        }
        let page_size = big(&header[8..]) as usize;
        let is_log = big(&header) & !1 == 0x377f_0682 && big(&header[4..]) == FORMAT && page_size.is_power_of_two();
        let word: fn(&[u8]) -> u32 = if big(&header) & 1 == 1 { big } else { little };
        let mut sum = checksum((0, 0), &header[..24], word);
        if !is_log || !(512..=65_536).contains(&page_size) || sum != (big(&header[24..]), big(&header[28..])) {
            return Ok(Self::Unreadable);
        }
        let salt = eight(&header[16..]);
        let (mut frames, mut committed, mut is_good, mut is_torn) = (0, 0, true, false);
        let mut frame = vec![0; FRAME_HEADER + page_size];
        while fill(&mut file, &mut frame)? {
            let is_ours = eight(&frame[8..]) == salt;
            sum = checksum(checksum(sum, &frame[..8], word), &frame[FRAME_HEADER..], word);
            is_good &= is_ours && big(&frame) != 0 && sum == (big(&frame[16..]), big(&frame[20..]));
            is_torn |= is_ours && !is_good;
            frames += u32::from(is_good);
            if is_good && big(&frame[4..]) != 0 {
                committed = frames;
            }
        }
        Ok(Self::Readable { salt, committed, is_torn })
    }
}

/// What the index says of the log.
struct Index {
    salt: [u8; 8],
    /// How many frames were committed.
    frames: u32,
    /// How many of them are in the main file.
    backfilled: u32,
}

impl Index {
    /// `None` where there is none, or none that is whole.
    fn read(path: &Path) -> io::Result<Option<Self>> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let mut bytes = [0; INDEX];
        if !fill(&mut file, &mut bytes)? {
            return Ok(None);
        }
        let sum = checksum((0, 0), &bytes[..40], native);
        let is_whole = bytes[..48] == bytes[48..96]
            && native(&bytes) == FORMAT
            && bytes[12] == 1
            && sum == (native(&bytes[40..]), native(&bytes[44..]));
        Ok(is_whole.then(|| Self {
            salt: eight(&bytes[32..]),
            frames: native(&bytes[16..]),
            backfilled: native(&bytes[96..]),
        }))
    }
}

/// Fills the buffer; answers whether there was enough.
fn fill(file: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum(before: (u32, u32), bytes: &[u8], word: fn(&[u8]) -> u32) -> (u32, u32) {
    bytes.chunks_exact(8).fold(before, |(one, other), pair| {
        let one = one.wrapping_add(word(pair)).wrapping_add(other);
        (one, other.wrapping_add(word(&pair[4..])).wrapping_add(one))
    })
}

fn four(bytes: &[u8]) -> [u8; 4] {
    bytes.first_chunk().copied().unwrap_or_default()
}

fn eight(bytes: &[u8]) -> [u8; 8] {
    bytes.first_chunk().copied().unwrap_or_default()
}

fn big(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(four(bytes))
}

fn little(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(four(bytes))
}

fn native(bytes: &[u8]) -> u32 {
    u32::from_ne_bytes(four(bytes))
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;

    /// A database with some commits in its log, as it stands on disk while it is open.
    fn written(folder: &Path) -> (Connection, PathBuf) {
        let path = folder.join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        for number in 0..5 {
            let sql = format!("CREATE TABLE t{number} (x); INSERT INTO t{number} VALUES (randomblob(5000))");
            connection.execute_batch(&sql).unwrap();
        }
        (connection, path)
    }

    #[test]
    fn a_log_as_sqlite_writes_it_is_whole_and_each_cut_of_it_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (_connection, path) = written(folder.path());
        let whole = inspect(&path).unwrap();
        assert!(!whole.is_damaged && !whole.is_useless && whole.written_at.is_some(), "{whole:?}");
        let log = std::fs::read(beside(&path, "-wal")).unwrap();
        for length in (0..log.len()).step_by(1030) {
            std::fs::write(beside(&path, "-wal"), &log[..length]).unwrap();
            let found = inspect(&path).unwrap();
            assert!(found.is_damaged && !found.is_useless, "{length}: {found:?}");
        }
        std::fs::write(beside(&path, "-wal"), &log).unwrap();
        assert!(!inspect(&path).unwrap().is_damaged);
    }

    #[test]
    fn a_damaged_log_that_is_in_the_main_file_already_is_no_loss_and_must_not_hide_what_is_newer() {
        let folder = tempfile::tempdir().unwrap();
        let (connection, path) = written(folder.path());
        connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).unwrap();
        let log = std::fs::read(beside(&path, "-wal")).unwrap();
        std::fs::write(beside(&path, "-wal"), &log[..log.len() / 2]).unwrap();
        let found = inspect(&path).unwrap();
        assert!(!found.is_damaged && found.is_useless, "{found:?}");
    }

    #[test]
    fn without_its_index_a_flipped_bit_is_seen_where_more_frames_follow_or_the_frame_is_of_this_generation() {
        let folder = tempfile::tempdir().unwrap();
        let (_connection, path) = written(folder.path());
        let log = std::fs::read(beside(&path, "-wal")).unwrap();
        let other = folder.path().join("b.db");
        for at in [40, 32 + 24 + 7, log.len() - 9] {
            let mut flipped = log.clone();
            flipped[at] ^= 4;
            std::fs::write(beside(&other, "-wal"), &flipped).unwrap();
            assert!(inspect(&other).unwrap().is_damaged, "{at}");
        }
        let mut flipped = log.clone();
        flipped[17] ^= 4;
        std::fs::write(beside(&other, "-wal"), &flipped).unwrap();
        let found = inspect(&other).unwrap();
        assert!(found.is_damaged && found.is_useless, "its header is no log's: {found:?}");
        // What was never committed may end anywhere.
        std::fs::write(beside(&other, "-wal"), &log[..log.len() - 100]).unwrap();
        assert!(!inspect(&other).unwrap().is_damaged);
    }
}
