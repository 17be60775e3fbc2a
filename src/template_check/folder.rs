//! The folder of a merchant's own templates, read into memory within limits: `<language>/<file>` → its text.

use std::io;
use std::path::{Path, PathBuf};

use crate::diagnostic;
use crate::diagnostic::encoding;
use crate::diagnostic::encoding::WrongEncoding;
use crate::domain::language::folders::Sources;

/// The built-in templates are some sixty files of a few hundred bytes.
pub const MAX_FILES: usize = 2_000;
pub const MAX_FILE_BYTES: u64 = 256 * 1024;
pub const MAX_TOTAL_BYTES: u64 = 8 * 1024 * 1024;

/// How files end that may be part of a message or of its layout.
const ENDINGS: [&str; 4] = ["md", "toml", "html", "txt"];

/// Why a folder cannot be used, or one of its files.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FolderError {
    #[error("{} cannot be read: {reason}", path.display())]
    Unreadable { path: PathBuf, reason: String },
    #[error("{} cannot be read: {reason}", path.display())]
    Encoding { path: PathBuf, reason: String },
    #[error("{} is larger than {} KiB", path.display(), MAX_FILE_BYTES / 1024)]
    TooLarge { path: PathBuf },
    #[error("{} holds more than {MAX_FILES} files, or more than {} MiB", path.display(), MAX_TOTAL_BYTES / (1024 * 1024))]
    TooMuch { path: PathBuf },
}

/// Everything in a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FolderContent {
    pub sources: Sources,
    /// Files that are in no subfolder, too deep, or of an ending that no template has.
    pub ignored: Vec<String>,
    /// Why files are not among the sources that should be.
    pub unusable: Vec<FolderError>,
}

/// Reads a folder of templates as an overlay for [`crate::domain::template::Templates::with_overlay`]. Hidden files and
/// an editor's copies are passed over.
///
/// # Errors
/// [`FolderError`], at the first file that cannot be used.
pub fn read(folder: &Path) -> Result<Sources, FolderError> {
    let content = content(folder)?;
    content.unusable.into_iter().next().map_or(Ok(content.sources), Err)
}

/// Reads a folder with the names of the files that are not taken, and what is wrong with those that cannot be.
///
/// # Errors
/// [`FolderError`], when nothing of the folder can be used.
pub fn content(folder: &Path) -> Result<FolderContent, FolderError> {
    let mut content = FolderContent::default();
    let (mut files, mut total_bytes) = (0, 0);
    for (name, path) in entries(folder)? {
        if !path.is_dir() {
            content.ignored.push(name);
            continue;
        }
        let within = match entries(&path) {
            Ok(within) => within,
            Err(error) => {
                content.unusable.push(error);
                continue;
            }
        };
        for (file, path) in within {
            files += 1;
            if files > MAX_FILES || total_bytes > MAX_TOTAL_BYTES {
                return Err(FolderError::TooMuch { path: folder.to_owned() });
            }
            let below = format!("{name}/{file}");
            let ending = Path::new(&file).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
            if path.is_dir() || !ENDINGS.contains(&ending) {
                content.ignored.push(below);
                continue;
            }
            match text(&path) {
                Ok(source) => {
                    total_bytes += source.len() as u64;
                    content.sources.insert(below, source);
                }
                Err(error) => content.unusable.push(error),
            }
        }
    }
    Ok(content)
}

/// The files that would be read, as far as they can be found: to see whether anything has changed.
pub fn paths(folder: &Path) -> Vec<PathBuf> {
    let below = |folder: &Path| entries(folder).unwrap_or_default().into_iter().map(|(_, path)| path);
    below(folder).flat_map(|path| if path.is_dir() { below(&path).collect() } else { vec![path] }).collect()
}

fn text(path: &Path) -> Result<String, FolderError> {
    let unreadable = |error: io::Error| unreadable(path, &error);
    let length = std::fs::metadata(path).map_err(unreadable)?.len();
    if length > MAX_FILE_BYTES {
        return Err(FolderError::TooLarge { path: path.to_owned() });
    }
    let text = encoding::read(std::fs::read(path).map_err(unreadable)?);
    let wrong = |wrong: WrongEncoding| FolderError::Encoding { path: path.to_owned(), reason: wrong.reason };
    let text = text.map_err(wrong)?;
    // An editor's mark of UTF-8 is no part of the text.
    Ok(text.strip_prefix('\u{feff}').map_or(text.clone(), str::to_owned))
}

/// What lies in a folder, by name and in alphabetical sequence. Links are followed: a mounted folder may consist of them.
fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, FolderError> {
    let unreadable = |error: io::Error| unreadable(folder, &error);
    let mut entries = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)?.take(MAX_FILES + 1) {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if !(name.starts_with(['.', '#']) || name.ends_with('~')) {
            entries.push((name, path));
        }
    }
    entries.sort();
    Ok(entries)
}

fn unreadable(path: &Path, error: &io::Error) -> FolderError {
    let reason = match error.kind() {
        io::ErrorKind::NotFound => "there is no such folder".to_owned(),
        io::ErrorKind::NotADirectory => "it is no folder".to_owned(),
        _ => diagnostic::reason(error),
    };
    FolderError::Unreadable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, bytes) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_is_read_by_language_and_file() {
        let folder = folder(&[
            ("en/order.placed.md", "\u{feff}# x".as_bytes()),
            ("zh-CN/words.toml", b""),
            ("en/.order.placed.md.swp", b"\xff"),
            ("en/order.placed.md~", b"\xff"),
            ("README.md", b"\xff"),
            ("en/deep/order.md", b"\xff"),
            ("en/logo.png", b"\xff"),
        ]);
        let found = content(folder.path()).unwrap();
        let sources: Vec<_> = found.sources.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        assert_eq!(sources, [("en/order.placed.md", "# x"), ("zh-CN/words.toml", "")]);
        assert_eq!(found.ignored, ["README.md", "en/deep", "en/logo.png"]);
        assert_eq!(read(folder.path()), Ok(found.sources));
    }

    #[test]
    fn what_cannot_be_used_is_named() {
        let large = vec![b'x'; usize::try_from(MAX_FILE_BYTES).unwrap() + 1];
        let said = |files: &[(&str, &[u8])]| {
            let folder = folder(files);
            let error = read(folder.path()).unwrap_err().to_string();
            error.replace(&folder.path().display().to_string(), "folder")
        };
        assert_eq!(said(&[("en/test.md", &large)]), "folder/en/test.md is larger than 256 KiB");
        assert_eq!(said(&[("en/test.md", b"\xff")]), "folder/en/test.md cannot be read: it is not UTF-8 text");
        let most = vec![b'x'; usize::try_from(MAX_FILE_BYTES).unwrap()];
        let names: Vec<String> = (0..40).map(|number| format!("en/{number}.md")).collect();
        let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), most.as_slice())).collect();
        assert!(said(&files).starts_with("folder holds more than"));
        let nowhere = read(Path::new("tests/config/nowhere")).unwrap_err().to_string();
        assert_eq!(nowhere, "tests/config/nowhere cannot be read: there is no such folder");
    }
}
