//! What the files of a configuration look like from outside, to see whether any of them has changed.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use crate::template_check::folder;

/// The configuration file, the files with secrets that it names and those of its folder of templates, each with what the
/// file system says of it. Two are equal when nothing was written in between, except within one tick of the file system's
/// clock: so two looks must be further apart than that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fingerprint(BTreeMap<PathBuf, Option<Mark>>);

/// What changes with a file; times in seconds and nanoseconds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mark {
    file: (u64, u64),
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl From<Metadata> for Mark {
    fn from(data: Metadata) -> Self {
        Self {
            file: (data.dev(), data.ino()),
            bytes: data.size(),
            modified: (data.mtime(), data.mtime_nsec()),
            changed: (data.ctime(), data.ctime_nsec()),
        }
    }
}

impl Fingerprint {
    /// Looks at a configuration file and what it names. It need not be right, nor there.
    pub fn of(file: &Path) -> Self {
        Self::with(file, "")
    }

    /// As [`Fingerprint::of`], and at what the text in force names, which may be another than that of the file.
    pub fn with(file: &Path, in_force: &str) -> Self {
        let mut paths = vec![file.to_owned()];
        let folder = file.parent().unwrap_or(Path::new(""));
        let text = std::fs::read_to_string(file).unwrap_or_default();
        for text in [text.as_str(), in_force] {
            let (root, _) = DeTable::parse_recoverable(text);
            let root = root.into_inner();
            if let Some(templates) = root.get("templates").and_then(|value| value.get_ref().as_str()) {
                // The folder itself may appear or vanish.
                paths.extend(folder::paths(&folder.join(templates)));
            }
            secrets(&root, &mut |path| paths.push(folder.join(path)));
        }
        // Links are followed: a mounted secret may be one.
        Self(paths.into_iter().map(|path| (path.clone(), std::fs::metadata(path).ok().map(Mark::from))).collect())
    }
}

/// Every `{ file = "…" }` and `ca_file`, wherever they stand.
fn secrets(table: &DeTable<'_>, found: &mut impl FnMut(&str)) {
    for (key, value) in table {
        secrets_in(value.get_ref(), found);
        if let ("ca_file", Some(path)) = (key.get_ref().as_ref(), value.get_ref().as_str()) {
            found(path);
        }
        if let (1, "file", Some(path)) = (table.len(), key.get_ref().as_ref(), value.get_ref().as_str()) {
            found(path);
        }
    }
}

fn secrets_in(value: &DeValue<'_>, found: &mut impl FnMut(&str)) {
    match value {
        DeValue::Table(table) => secrets(table, found),
        DeValue::Array(list) => list.iter().for_each(|value| secrets_in(value.get_ref(), found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_that_a_configuration_is_made_of_shows_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(path("mine/en")).unwrap();
        let file = path("orderbell.toml");
        let text = "templates = \"mine\"\n[source.a]\nsecret = { file = \"secret\" }\n[[route]]\nx = [{ file = \"other\" }]\nca_file = \"ca\"\n";
        let mut seen = vec![Fingerprint::of(&file)];
        for (name, content) in [
            ("orderbell.toml", text),
            ("secret", "1"),
            ("other", "1"),
            ("ca", "1"),
            ("mine/en/test.md", "# x"),
            ("mine/en/test.md", "# xy"),
            ("secret", "12"),
            ("orderbell.toml", &format!("{text}broken =")),
            ("secret", "123"),
        ] {
            std::fs::write(path(name), content).unwrap();
            let now = Fingerprint::of(&file);
            assert!(!seen.contains(&now), "{name} has changed");
            assert_eq!(now, Fingerprint::of(&file), "and nothing since");
            seen.push(now);
        }
        std::fs::write(path("mine/en/.test.md.swp"), "an editor's").unwrap();
        std::fs::write(path("beside"), "not ours").unwrap();
        assert_eq!(seen.last(), Some(&Fingerprint::of(&file)));
        std::fs::remove_file(path("secret")).unwrap();
        assert_ne!(seen.last(), Some(&Fingerprint::of(&file)));
        std::fs::remove_dir_all(path("mine")).unwrap();
        assert!(!seen.contains(&Fingerprint::of(&file)));
    }
}
