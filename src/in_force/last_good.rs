//! The copies of the configuration last in force: where they lie, which of them are trusted, and how they are written.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::{File, OpenOptions, Permissions};
use std::io;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use rustix::fs::{Mode, OFlags};
use sha2::{Digest, Sha256};

/// A configuration has a few KiB.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// How a copy begins. What follows its head is the text of the file, byte by byte.
const HEAD: &str = "# Written by orderbell: the configuration last in force, used when the file cannot be. Edit the file, not this copy.";
const OF: &str = "# Copy of: ";
const SINCE: &str = "# In force since: ";

/// A copy that may be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    pub path: PathBuf,
    /// Since when it was in force.
    pub at: Timestamp,
    /// Its whole text, head included, so that its lines are those of the file on disk.
    pub text: String,
    /// Where the text of the original begins.
    body: usize,
}

impl Copy {
    /// The text of the original.
    pub fn body(&self) -> &str {
        &self.text[self.body..]
    }
}

/// What was found of one configuration file.
#[derive(Debug, Default)]
pub struct Found {
    /// The newest first.
    pub copies: Vec<Copy>,
    /// Those that must not be used, each with the reason.
    pub refused: Vec<(PathBuf, String)>,
}

/// Where the copies of one configuration file lie: beside it, and in folders that the daemon can write to.
#[derive(Clone, Debug)]
pub struct Places {
    /// The original, as every process names it.
    original: String,
    /// Folders, each with the names that a copy may have there, the preferred one first.
    folders: Vec<(PathBuf, Vec<String>)>,
}

impl Places {
    /// The places for `file`; besides its own folder that of the store and those of the service manager
    /// (`STATE_DIRECTORY`, several with colons).
    pub fn of(file: &Path, store: Option<&Path>, state: Option<OsString>) -> Self {
        let (beside, original) = identity(file);
        let name = name(file, "");
        // For a folder that another file of the same name uses already.
        let another = self::name(file, &format!("-{}", hex::encode(&Sha256::digest(original.as_bytes())[..4])));
        let mut folders = vec![(beside.clone(), vec![name.clone()])];
        let mut seen = BTreeSet::from([beside]);
        let state = state.unwrap_or_default();
        let others = store.map(Path::to_owned).into_iter().chain(std::env::split_paths(&state));
        for folder in others.filter(|folder| !folder.as_os_str().is_empty()) {
            let folder = folder.canonicalize().unwrap_or(folder);
            if seen.insert(folder.clone()) {
                folders.push((folder, vec![name.clone(), another.clone()]));
            }
        }
        Self { original, folders }
    }

    /// Looks for copies.
    pub fn find(&self) -> Found {
        let mut found = Found::default();
        for (number, (folder, names)) in self.folders.iter().enumerate() {
            for path in names.iter().map(|name| folder.join(name)) {
                match read(&path) {
                    Ok(None) => {}
                    Ok(Some((copy, of))) if self.is_of_this(of.as_deref(), number == 0) => found.copies.push(copy),
                    Ok(Some((_, of))) => {
                        let of = of.unwrap_or_default();
                        found.refused.push((path, format!("it is a copy of another file, {of}")));
                    }
                    Err(reason) => found.refused.push((path, reason)),
                }
            }
        }
        found.copies.sort_by_key(|copy| std::cmp::Reverse(copy.at));
        found
    }

    /// Beside the file its name is enough: the folder may have been moved, or be mounted elsewhere.
    fn is_of_this(&self, of: Option<&str>, beside: bool) -> bool {
        let name = |path: &str| path.rsplit('/').next().map(str::to_owned);
        of.is_none_or(|of| of == self.original || (beside && name(of) == name(&self.original)))
    }

    /// Writes the text that is in force now wherever that is possible, unless it is there already. Answers where it could
    /// not be written, and why.
    pub fn keep(&self, text: &str, now: Timestamp) -> Vec<(PathBuf, io::Error)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let Found { copies, refused } = self.find();
        let newest = copies.first();
        let is_newest = newest.is_some_and(|newest| newest.body() == text);
        // The clock may have been put back: what is written now is the newest all the same.
        let next = newest.and_then(|newest| newest.at.checked_add(SignedDuration::from_secs(1)).ok());
        let at = next.map_or(now, |next| next.max(now));
        let at = Timestamp::from_millisecond(at.as_millisecond()).unwrap_or(at);
        let whole = format!("{HEAD}\n{OF}{}\n{SINCE}{at}\n{text}", self.original);
        let mut failed = Vec::new();
        for (number, (folder, names)) in self.folders.iter().enumerate() {
            let here = copies.iter().find(|copy| copy.path.parent() == Some(folder));
            if is_newest && here.is_some_and(|here| here.body() == text) {
                continue;
            }
            let is_taken = |name: &&String| number > 0 && refused.iter().any(|(path, _)| *path == folder.join(name));
            let name = names.iter().find(|name| !is_taken(name)).or(names.last());
            if let Some(name) = name
                && let Err(error) = write(folder, name, &whole)
            {
                failed.push((folder.join(name), error));
            }
        }
        failed
    }

    /// In how many folders a copy could lie.
    pub fn count(&self) -> usize {
        self.folders.len()
    }
}

/// The folder of a file, and its path as every process has it: links in the path to it are followed, it itself is not.
fn identity(file: &Path) -> (PathBuf, String) {
    let absolute = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let folder = absolute.parent().unwrap_or(Path::new("/"));
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let path = folder.join(absolute.file_name().unwrap_or_default());
    // In one line, whatever the name holds.
    let path = path.to_string_lossy().replace(char::is_control, "?");
    (folder, path)
}

/// `.orderbell.last-good.toml` for `orderbell.toml`, `.bell.conf.last-good` for `bell.conf`: no two files of one folder have
/// the same.
fn name(file: &Path, mark: &str) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    match name.strip_suffix(".toml") {
        Some(stem) => format!(".{stem}{mark}.last-good.toml"),
        None => format!(".{name}{mark}.last-good"),
    }
}

/// Reads a copy, and of which file it says that it is one. `None` where there is none.
///
/// # Errors
/// Why it must not be used.
fn read(path: &Path) -> Result<Option<(Copy, Option<String>)>, String> {
    // Neither a link nor a pipe is followed or waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(rustix::io::Errno::LOOP) => return Err("it is a symbolic link".to_owned()),
        Err(error) => return Err(io::Error::from(error).to_string()),
    };
    let data = file.metadata().map_err(|error| error.to_string())?;
    let (own, owner) = (rustix::process::geteuid().as_raw(), data.uid());
    if !data.is_file() {
        return Err("it is no file".to_owned());
    }
    // Whoever owns the folder could change the file itself: an administrator's command goes by the daemon's copy.
    let is_the_folders =
        || path.parent().and_then(|folder| folder.metadata().ok()).is_some_and(|folder| folder.uid() == owner);
    if owner != own && owner != 0 && !(own == 0 && is_the_folders()) {
        return Err(format!("it belongs to another user (uid {owner})"));
    }
    if data.mode() & 0o022 != 0 {
        return Err(format!("others may write to it (mode {:o})", data.mode() & 0o777));
    }
    if data.size() > MAX_BYTES {
        return Err(format!("it is larger than {} MiB", MAX_BYTES / (1024 * 1024)));
    }
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(|error| error.to_string())?;
    let written = Timestamp::new(data.mtime(), i32::try_from(data.mtime_nsec()).unwrap_or(0)).unwrap_or_default();
    let (body, of, at) = head(&text).map_or((0, None, written), |(body, of, at)| (body, Some(of), at));
    Ok(Some((Copy { path: path.to_owned(), at, body, text }, of)))
}

/// Where the head of a copy ends, of which file it is, and since when that was in force.
fn head(text: &str) -> Option<(usize, String, Timestamp)> {
    let mut lines = text.split_inclusive('\n');
    let (first, of, since) = (lines.next()?, lines.next()?, lines.next()?);
    let length = first.len() + of.len() + since.len();
    let at = since.trim_end().strip_prefix(SINCE)?.parse().ok()?;
    let of = of.trim_end_matches(['\n', '\r']).strip_prefix(OF)?.to_owned();
    (first.trim_end() == HEAD).then_some((length, of, at))
}

/// Puts a file in its place as a whole; one that is there, and a link too, is replaced and not written to.
fn write(folder: &Path, name: &str, text: &str) -> io::Result<()> {
    let (new, path) = (folder.join(format!("{name}.new")), folder.join(name));
    match std::fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let written = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).and_then(|mut file| {
        file.set_permissions(Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)?;
        File::open(folder)?.sync_all()
    });
    written.inspect_err(|_| drop(std::fs::remove_file(&new)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + second).unwrap()
    }

    #[test]
    fn no_two_names_have_one_copy() {
        let files = ["orderbell.toml", "orderbell", "orderbell.conf", "orderbell.conf.toml", ".toml"];
        let names = files.map(|file| name(Path::new(file), ""));
        assert_eq!(names[0], ".orderbell.last-good.toml");
        assert_eq!(BTreeSet::from(names).len(), files.len());
    }

    #[test]
    fn what_is_written_last_is_the_newest_whatever_the_clock_says() {
        let folder = tempfile::tempdir().unwrap();
        let (file, store) = (folder.path().join("orderbell.toml"), folder.path().join("store"));
        std::fs::create_dir(&store).unwrap();
        let places = Places::of(&file, Some(&store), None);
        let newest = || places.find().copies.first().map(|copy| copy.body().to_owned());
        assert!(places.keep("first = 1\n", at(1_000)).is_empty());
        assert!(places.keep("second = 2\r\n", at(0)).is_empty());
        assert_eq!(newest().as_deref(), Some("second = 2\r\n"));
        // One place takes nothing any more, and what it has was in force longer ago.
        let beside = folder.path().join(".orderbell.last-good.toml");
        let kept = std::fs::read(&beside).unwrap();
        std::fs::remove_file(&beside).unwrap();
        std::fs::create_dir_all(beside.join("x")).unwrap();
        assert_eq!(places.keep("third = 3", at(-5_000)).len(), 1);
        std::fs::remove_dir_all(&beside).unwrap();
        std::fs::write(&beside, kept).unwrap();
        assert_eq!(newest().as_deref(), Some("third = 3"));
        assert_eq!(places.find().copies.len(), 2);
    }

    #[test]
    fn a_copy_whose_head_was_taken_off_is_as_old_as_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orderbell.toml");
        let (places, beside) = (Places::of(&file, None, None), folder.path().join(".orderbell.last-good.toml"));
        std::fs::write(&beside, "language = \"en\"\n").unwrap();
        std::fs::set_permissions(&beside, Permissions::from_mode(0o640)).unwrap();
        let found = places.find();
        assert_eq!(found.copies[0].body(), "language = \"en\"\n");
        let modified = std::fs::metadata(&beside).unwrap().mtime();
        assert_eq!((found.copies[0].at.as_second(), found.refused.len()), (modified, 0));
    }
}
