//! What the pages for contributors, and the one about installing, name is there: files, rooms, and names of the code.

use std::collections::BTreeSet;
use std::path::Path;

use crate::tidy::{ROOMS, read, rust_files};

const PAGES: [&str; 3] = ["CONTRIBUTING.md", "docs/ARCHITECTURE.md", "docs/install.md"];
const FOLDERS: [&str; 6] = ["benches/", "docs/", "packaging/", "src/", "templates/", "tests/"];

fn page(path: &str) -> String {
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join(path))
}

/// The paths that a line names. Of one with a place to fill in, such as `src/channel/<kind>/`, the part before that.
fn paths(line: &str) -> Vec<String> {
    let is_of_path = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/');
    let mut paths = Vec::new();
    for folder in FOLDERS {
        for (at, _) in line.match_indices(folder) {
            let before = &line[..at];
            if before.ends_with(is_of_path) && !before.ends_with("../") {
                continue;
            }
            let path: String = line[at..].chars().take_while(|letter| is_of_path(*letter)).collect();
            paths.push(path.trim_end_matches('.').to_owned());
        }
    }
    paths
}

/// The names of the code that a line has in back-quotes, taken apart: `Intake::receive` is two.
fn names(line: &str) -> Vec<&str> {
    let is_name = |name: &&str| {
        name.starts_with(|letter: char| letter.is_ascii_alphabetic())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
    };
    let quoted = line.split('`').skip(1).step_by(2);
    let whole = quoted.filter(|quoted| quoted.trim_end_matches('!').split("::").all(|name| is_name(&name)));
    whole.flat_map(|quoted| quoted.trim_end_matches('!').split("::")).collect()
}

#[test]
fn every_path_that_a_page_for_contributors_names_is_there() {
    let (top, mut named, mut gone) = (Path::new(env!("CARGO_MANIFEST_DIR")), 0, Vec::new());
    for name in PAGES {
        for (number, line) in page(name).lines().enumerate() {
            for path in paths(line) {
                named += 1;
                if !top.join(&path).exists() {
                    gone.push(format!("{name}:{}: {path} is not there", number + 1));
                }
            }
        }
    }
    assert!(gone.is_empty(), "{}", gone.join("\n"));
    assert!(named > 50, "only {named} paths are found");
}

#[test]
fn the_rule_sees_a_path_in_code_and_in_links_and_no_part_of_another() {
    assert_eq!(paths("`src/flow/mod.rs` and [lib](../src/lib.rs)."), ["src/flow/mod.rs", "src/lib.rs"]);
    assert_eq!(paths("a folder `src/channel/<kind>/`, see tests/it."), ["src/channel/", "tests/it"]);
    assert_eq!(paths("https://example.com/docs/page"), Vec::<String>::new());
}

#[test]
fn every_name_of_the_code_in_the_architecture_is_there() {
    let sources = ["src", "tests", "benches"].iter().flat_map(|folder| rust_files(folder));
    let text: String = sources.map(|path| read(&path)).collect();
    let known: BTreeSet<&str> = text.split(|letter: char| !letter.is_alphanumeric() && letter != '_').collect();
    let page = page("docs/ARCHITECTURE.md");
    let (described, not_used) = page.split_once("## 6. Words that are not used").expect("the last section");
    let mut gone = Vec::new();
    for (number, line) in described.lines().enumerate() {
        let unknown = names(line).into_iter().filter(|name| !known.contains(name));
        gone.extend(unknown.map(|name| format!("{}: `{name}` stands nowhere in the code", number + 1)));
    }
    // What stands instead of a word is there, too.
    for row in not_used.lines().filter(|line| line.starts_with("| ")) {
        let instead = row.split('|').nth(2).unwrap_or_default();
        let unknown = names(instead).into_iter().filter(|name| !known.contains(name));
        gone.extend(unknown.map(|name| format!("{row}: `{name}` stands nowhere in the code")));
    }
    assert!(gone.is_empty(), "{}", gone.join("\n"));
}

#[test]
fn every_room_has_its_row_in_the_architecture() {
    let page = page("docs/ARCHITECTURE.md");
    for (room, _) in ROOMS {
        assert!(page.lines().any(|line| line.starts_with(&format!("| `{room}` | `src/"))), "no row for {room}");
    }
}
