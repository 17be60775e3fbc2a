//! The house rules that a reader can rely on: who may import whom, how files open, how long they are, that docs name what
//! is there.

mod circles;
mod docs;
mod source;
mod words;

use std::fs;
use std::path::{Path, PathBuf};

use crate::docs::page::first_pages;
use crate::tidy::source::Source;

/// The rooms from top to bottom, and the rooms that each may enter.
const ROOMS: [(&str, &[&str]); 15] = [
    ("main", &["cli"]),
    (
        "cli",
        &[
            "app",
            "channel",
            "cli",
            "config",
            "diagnostic",
            "domain",
            "flow",
            "in_force",
            "platform",
            "render",
            "sandbox",
            "store",
            "template_check",
        ],
    ),
    (
        "app",
        &["app", "channel", "config", "diagnostic", "domain", "flow", "in_force", "platform", "render", "store", "web"],
    ),
    ("web", &["domain", "flow", "platform", "web"]),
    ("flow", &["channel", "domain", "flow", "platform", "render", "store"]),
    ("platform", &["domain", "platform"]),
    ("channel", &["channel", "domain"]),
    ("store", &["domain", "store"]),
    ("render", &["domain", "render"]),
    ("domain", &["domain"]),
    ("config", &["channel", "config", "diagnostic", "domain", "platform", "render", "store", "template_check"]),
    ("in_force", &["config", "diagnostic", "domain", "in_force", "store", "template_check"]),
    ("template_check", &["diagnostic", "domain", "platform", "render", "template_check"]),
    ("diagnostic", &["diagnostic", "domain"]),
    ("sandbox", &["domain", "sandbox"]),
];

const MAX_LINES: usize = 400;

pub fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the project") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no Rust files below {folder}");
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).expect("a readable file")
}

/// The room that a file of `src/` lies in.
fn room(path: &Path) -> String {
    let below = path.strip_prefix(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).expect("a file of src");
    let first = below.iter().next().expect("a name").to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The rooms that a line names by `crate::room::…` or, in `main.rs`, `orderbell::room::…`.
fn entered(line: &str) -> Vec<String> {
    let code = line.split("//").next().unwrap_or_default();
    let mut rooms = Vec::new();
    for prefix in ["crate::", "orderbell::"] {
        for (at, _) in code.match_indices(prefix) {
            let room: String = code[at + prefix.len()..]
                .chars()
                .take_while(|letter| letter.is_ascii_alphanumeric() || *letter == '_')
                .collect();
            rooms.push(room);
        }
    }
    rooms
}

#[test]
fn each_room_enters_only_the_rooms_below_it() {
    let mut faults = Vec::new();
    for path in rust_files("src") {
        let room = room(&path);
        if room == "lib" {
            continue;
        }
        let (_, allowed) =
            ROOMS.iter().find(|(name, _)| *name == room).unwrap_or_else(|| panic!("no rule for room {room}"));
        for (number, line) in read(&path).lines().enumerate() {
            for entered in entered(line) {
                if !allowed.contains(&entered.as_str()) {
                    faults.push(format!("{}:{}: {room} enters {entered}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_rule_sees_every_way_to_name_a_room() {
    assert_eq!(entered("use crate::store::Record;"), ["store"]);
    assert_eq!(entered("    let x = crate::web::server::serve(y); // crate::cli"), ["web"]);
    assert_eq!(entered("orderbell::cli::main()"), ["cli"]);
}

/// The lines of a source that name a database.
fn databases_named(text: &str) -> Vec<usize> {
    let code = Source::of(text).code.to_lowercase();
    code.lines().zip(1..).filter(|(line, _)| line.contains("sqlite")).map(|(_, number)| number).collect()
}

#[test]
fn nothing_outside_of_the_store_names_a_database() {
    let mut faults = Vec::new();
    for path in rust_files("src").into_iter().filter(|path| room(path) != "store") {
        let lines = databases_named(&read(&path));
        faults.extend(
            lines.into_iter().map(|line| format!("{}:{line}: only `store` knows which database", path.display())),
        );
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_rule_on_databases_sees_code_and_no_text() {
    let text = "use rusqlite::Connection; // SQLite\nlet url = \"sqlite:bell.db\";\nmatch url { StoreUrl::Sqlite(path) => path }\n";
    assert_eq!(databases_named(text), [1, 3]);
}

#[test]
fn every_file_opens_with_what_it_is_for() {
    for folder in ["src", "tests", "benches"] {
        for path in rust_files(folder) {
            let text = read(&path);
            let first = text.lines().next().unwrap_or_default();
            let sentence =
                first.strip_prefix("//! ").unwrap_or_else(|| panic!("{} opens with no `//!` line", path.display()));
            assert!(sentence.len() > 15, "{}: `{first}` says too little", path.display());
        }
    }
}

#[test]
fn every_file_of_tests_is_compiled_into_the_one_binary() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    for path in rust_files("tests") {
        let below = path.strip_prefix(&top).expect("a file of tests");
        assert!(below.starts_with("it"), "tests/{}: a binary of its own; it belongs below tests/it", below.display());
        let (folder, name) = (path.parent().expect("a folder"), path.file_stem().expect("a name").to_string_lossy());
        if folder == top.join("it") && name == "main" {
            continue;
        }
        // Whose module it is: `it/main.rs`, or for `it/a/b.rs` either `it/a.rs` or `it/a/mod.rs`.
        let folder = if name == "mod" { folder.parent().expect("a folder") } else { folder };
        let name = if name == "mod" {
            path.parent().and_then(Path::file_name).expect("a name").to_string_lossy()
        } else {
            name
        };
        let parents = [folder.join("main.rs"), folder.join("mod.rs"), folder.with_extension("rs")];
        let named = parents
            .iter()
            .filter_map(|parent| fs::read_to_string(parent).ok())
            .any(|parent| parent.lines().any(|line| line.trim_start_matches("pub ") == format!("mod {name};")));
        assert!(named, "tests/{}: no `mod {name};` brings it in", below.display());
    }
}

#[test]
fn no_file_of_the_source_or_the_tests_is_too_long() {
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = read(&path).lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines; split it along its subjects", path.display());
    }
}

#[test]
fn imports_are_grouped_by_module_at_most_and_name_what_they_bring() {
    for path in rust_files("src") {
        for (number, line) in read(&path).lines().enumerate() {
            let own = line.trim_start().starts_with("use crate::") || line.trim_start().starts_with("pub use ");
            // A group stands behind its module, and within it are names.
            let grouped = line.split_once('{').is_some_and(|(module, names)| {
                !module.trim_start().trim_start_matches("use crate::").contains("::") || names.contains("::")
            });
            let blurred = line.contains("::*") || line.contains("pub use ") && line.contains('{') || grouped;
            assert!(!(own && blurred), "{}:{}: `{line}` hides where a thing lives", path.display(), number + 1);
        }
    }
}

#[test]
fn nothing_is_left_for_later_in_the_source() {
    for path in rust_files("src") {
        for (number, line) in read(&path).lines().enumerate() {
            let left = ["TODO", "FIXME", "todo!(", "unimplemented!("].iter().any(|mark| line.contains(mark));
            assert!(!left, "{}:{}: {line}", path.display(), number + 1);
        }
    }
}

#[test]
fn every_promise_names_the_tests_that_prove_it_and_they_exist() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let front = read(&top.join("src/lib.rs"));
    let rows: Vec<&str> = front.lines().filter(|line| line.starts_with("//! | ") && line.contains('`')).collect();
    let tests: String = ["src", "tests"].iter().flat_map(|folder| rust_files(folder)).map(|path| read(&path)).collect();
    for (row, number) in rows.iter().zip(1..) {
        assert!(row.starts_with(&format!("//! | {number} | ")), "promise {number} has a row: {row}");
        let names = row.split('`').skip(1).step_by(2).filter(|name| name.contains('_') && !name.contains('.'));
        let names: Vec<&str> = names.collect();
        assert!(!names.is_empty(), "promise {number} names no test");
        for name in names {
            assert!(tests.contains(&format!("fn {name}(")), "lib.rs names the test {name}, which is not there");
        }
    }
    // The first page, in whatever language, promises neither more nor less.
    for page in first_pages() {
        let promised = page.text.lines().filter_map(|line| line.split_once(". ")?.0.parse::<usize>().ok());
        assert_eq!(promised.collect::<Vec<_>>(), (1..=rows.len()).collect::<Vec<_>>(), "{}", page.path.display());
    }
    assert_eq!(rows.len(), 10);
}
