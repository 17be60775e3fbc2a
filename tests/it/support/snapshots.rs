//! What leaves the daemon, held by snapshots: one that differs fails its test, and so does one that nothing asserts any more.
//!
//! `INSTA_UPDATE=always cargo test --test it` writes them anew and removes those without a test; look at what changed.

use crate::tidy::rust_files;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

/// The snapshots of one folder, which one test asserts all of.
pub struct Snapshots {
    folder: PathBuf,
    asserted: BTreeSet<String>,
    faults: Vec<String>,
}

impl Snapshots {
    /// Of a folder below `tests/golden`.
    pub fn of(folder: &str) -> Self {
        Self::at(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(folder))
    }

    pub fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), asserted: BTreeSet::new(), faults: Vec::new() }
    }

    /// Compares with the snapshot of this name. What differs is printed, and [`Snapshots::end`] fails for it.
    pub fn assert(&mut self, name: &str, text: &str) {
        let mut settings = insta::Settings::new();
        settings.set_snapshot_path(&self.folder);
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let assert = AssertUnwindSafe(|| settings.bind(|| insta::assert_snapshot!(name, text)));
        if catch_unwind(assert).is_err() {
            self.faults.push(format!("{name} differs, see above"));
        }
        assert!(self.asserted.insert(name.to_owned()), "two snapshots have the name {name}");
    }

    /// Fails where a snapshot differs, and where a file of the folder belongs to none.
    pub fn end(mut self) {
        let stale = self.stale();
        if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
            stale.iter().for_each(|file| fs::remove_file(self.folder.join(file)).expect("it is removed"));
        } else {
            self.faults.extend(stale.iter().map(|file| format!("no test asserts {file} any more")));
        }
        self.end_of_some();
    }

    /// As [`Snapshots::end`], where other tests assert other snapshots of the folder; one of them must see what is stale.
    pub fn end_of_some(self) {
        let faults = self.faults;
        assert!(faults.is_empty(), "INSTA_UPDATE=always writes {} anew: {faults:#?}", self.folder.display());
    }

    /// The files of the folder that belong to nothing that was asserted.
    pub fn stale(&self) -> BTreeSet<String> {
        let files = fs::read_dir(&self.folder).expect("a folder of snapshots");
        let files = files.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned());
        // Beside one that differs, insta puts what it would be: `.snap.new`.
        let is_known =
            |file: &str| file.ends_with(".snap.new") || self.asserted.contains(file.trim_end_matches(".snap"));
        files.filter(|file| !is_known(file)).collect()
    }
}

#[test]
fn files_that_belong_to_no_assertion_are_stale() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["one.snap", "one.snap.new", "two.snap", "three.md"] {
        fs::write(folder.path().join(file), "").unwrap();
    }
    let mut snapshots = Snapshots::at(folder.path());
    snapshots.asserted.insert("one".to_owned());
    assert_eq!(snapshots.stale(), ["three.md", "two.snap"].map(str::to_owned).into());
}

#[test]
fn every_folder_of_snapshots_is_one_that_a_test_asserts() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let texts: String = rust_files("tests").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    let entries = fs::read_dir(top.join("golden")).unwrap().map(Result::unwrap);
    for folder in entries.filter(|entry| entry.file_type().unwrap().is_dir()) {
        let name = folder.file_name().into_string().unwrap();
        let is_asserted = [format!("Snapshots::of(\"{name}\")"), format!("Snapshots::of(&format!(\"{name}/")];
        assert!(is_asserted.iter().any(|of| texts.contains(of)), "no test asserts tests/golden/{name}");
    }
}
