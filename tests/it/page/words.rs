//! The words of the page: every one that a template asks for is there, and every one that is there is asked for.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use orderbell::domain::language::built_in;
use orderbell::domain::language::folders::built_in_folders;
use orderbell::domain::template::pages::PageTemplates;

/// The keys between quotes that begin so.
fn keys(text: &str, found: &mut BTreeSet<String>) {
    for (place, _) in text.match_indices("\"page.") {
        let rest = &text[place + 1..];
        found.extend(rest.split_once('"').map(|(key, _)| key.to_owned()));
    }
}

#[test]
fn every_word_that_a_page_asks_for_is_there_and_asked_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut asked = BTreeSet::new();
    for folder in ["templates/page", "src/web/admin/page"] {
        for file in fs::read_dir(root.join(folder)).expect("a folder").flatten().filter(|file| file.path().is_file()) {
            keys(&fs::read_to_string(file.path()).expect("a text"), &mut asked);
        }
    }
    let english = built_in("en").expect("English");
    let known: BTreeSet<&str> = english.keys().filter(|key| key.starts_with("page.")).collect();
    // A key that ends in a dot is the beginning of several.
    let (begun, whole): (Vec<&String>, Vec<&String>) = asked.iter().partition(|key| key.ends_with('.'));
    let missing: Vec<_> = whole.iter().filter(|key| !known.contains(key.as_str())).collect();
    assert!(missing.is_empty(), "no words: {missing:#?}");
    let is_asked = |key: &str| asked.contains(key) || begun.iter().any(|begun| key.starts_with(begun.as_str()));
    let unused: Vec<_> = known.iter().filter(|key| !is_asked(key)).collect();
    assert!(unused.is_empty(), "nothing asks for: {unused:#?}");
}

#[test]
fn every_template_of_a_page_parses_in_every_language() {
    for language in built_in_folders() {
        PageTemplates::of(language).unwrap_or_else(|errors| panic!("{language}: {errors}"));
    }
}
