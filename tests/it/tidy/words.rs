//! The words of the field: private ones of this code's past do not come back, and a public type name means one thing.

use std::collections::BTreeMap;
use std::path::Path;

use crate::tidy::source::Source;
use crate::tidy::{read, rust_files};

/// Names of types that are not used. `docs/ARCHITECTURE.md` says what stands instead.
const TYPES: [&str; 41] = [
    "Advice",
    "Bell",
    "Bundle",
    "Chapter",
    "Complaint",
    "Deaths",
    "Desk",
    "Entrance",
    "FarClocks",
    "FarSide",
    "Filling",
    "Footprint",
    "Gallery",
    "Heard",
    "Hearer",
    "Hearing",
    "Inlet",
    "Lane",
    "Lanes",
    "LastYes",
    "Letter",
    "Means",
    "Mishap",
    "NoParty",
    "NoServer",
    "OrderNews",
    "Party",
    "Reception",
    "RefundNews",
    "RepeatKey",
    "Sight",
    "Signs",
    "Surroundings",
    "Telling",
    "Tester",
    "Ticket",
    "Trial",
    "Trouble",
    "Unheard",
    "Wake",
    "Wish",
];

/// Words that are no part of an identifier, and stand in no comment. In quotes they may stand where they are stored.
const WORDS: [&str; 20] = [
    "absorb",
    "desk",
    "far_clock",
    "far_clocks",
    "far_side",
    "far_sides",
    "gallery",
    "gathers",
    "hearer",
    "hearers",
    "inlet",
    "inlets",
    "mailroom",
    "outlook",
    "own_words",
    "reception",
    "repeat_keys",
    "said_yes",
    "to_each_his_own",
    "unheard",
];

/// Words that are no part of an identifier, though a comment may have them in another sense, as in "to tell one from another".
const NAMES: [&str; 9] = ["bell", "bundle", "bundles", "hears", "ticket", "tickets", "told", "untold", "verdicts"];

/// A whole identifier that is not used; `standing_in` is another word.
const IDENTIFIERS: [&str; 1] = ["standing"];

/// What no comment says, and no text for people either.
const PHRASES: [&str; 6] =
    ["far side", "far sides", "fault of its own", "means nothing any more", "nobody hears", "play-acting"];

/// What stands in `text` before and behind which no letter, digit or — for a whole identifier — underscore stands.
fn stands(text: &str, word: &str, is_of_word: fn(char) -> bool) -> bool {
    text.match_indices(word)
        .any(|(at, _)| !text[..at].ends_with(is_of_word) && !text[at + word.len()..].starts_with(is_of_word))
}

fn is_of_identifier(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// What a line has of these words that it should not have.
fn not_used(code: &str, comment: &str, quoted: &str) -> Vec<&'static str> {
    let (low_comment, low_quoted) = (comment.to_lowercase(), quoted.to_lowercase());
    let anywhere = |word: &str, is_of_word| stands(code, word, is_of_word) || stands(comment, word, is_of_word);
    let types = TYPES.into_iter().filter(|word| anywhere(word, is_of_identifier));
    let words = WORDS.into_iter().filter(|word| anywhere(word, char::is_alphanumeric));
    let phrases = PHRASES.into_iter().filter(|phrase| {
        stands(&low_comment, phrase, char::is_alphanumeric) || stands(&low_quoted, phrase, char::is_alphanumeric)
    });
    types.chain(words).chain(phrases).collect()
}

fn found_in(text: &str) -> Vec<(usize, &'static str)> {
    let Source { code, comments, strings } = Source::of(text);
    let lines = code.lines().zip(comments.lines()).zip(strings.lines()).zip(1..);
    lines
        .flat_map(|(((code, comment), quoted), line)| {
            not_used(code, comment, quoted).into_iter().map(move |word| (line, word))
        })
        .collect()
}

#[test]
fn words_that_are_not_used_stand_nowhere_in_the_source() {
    let mut found = Vec::new();
    for path in rust_files("src") {
        for (line, word) in found_in(&read(&path)) {
            found.push(format!("{}:{line}: `{word}`; docs/ARCHITECTURE.md says what stands instead", path.display()));
        }
    }
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

/// The names that are not used in a line of code.
fn names_in(code: &str) -> impl Iterator<Item = &'static str> {
    let parts = NAMES.into_iter().filter(|word| stands(code, word, char::is_alphanumeric));
    parts.chain(IDENTIFIERS.into_iter().filter(|word| stands(code, word, is_of_identifier)))
}

#[test]
fn names_are_the_words_of_the_field_in_source_tests_and_benchmarks() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for path in ["src", "tests/it", "benches"].into_iter().flat_map(rust_files) {
        let below = path.strip_prefix(top).expect("a file of the project").display().to_string();
        for (code, line) in Source::of(&read(&path)).code.lines().zip(1..) {
            found.extend(names_in(code).map(|name| format!("{below}:{line}: `{name}`")));
        }
    }
    assert!(
        found.is_empty(),
        "{} places; docs/ARCHITECTURE.md says what stands instead:\n{}",
        found.len(),
        found.join("\n")
    );
}

#[test]
fn the_rule_on_names_sees_parts_of_identifiers() {
    let found = |code| names_in(code).collect::<Vec<_>>();
    assert_eq!(found("let told_at = bundle.ticket(standing);"), ["bundle", "ticket", "told", "standing"]);
    assert_eq!(found("orderbell::bellow(standing_in, folded)"), [""; 0]);
}

/// What is said of a person, or in private words, where it is said of a program.
const PROSE: [&str; 9] = ["are told", "he", "hears", "him", "his", "is told", "last yes", "says yes", "was told"];

fn prose_in(text: &str) -> impl Iterator<Item = &'static str> {
    let text = text.to_lowercase();
    PROSE.into_iter().filter(move |phrase| stands(&text, phrase, char::is_alphanumeric))
}

/// In the source, comments and texts; in tests, whose texts are also what people and other programs write, the comments.
#[test]
fn comments_and_texts_speak_of_programs_in_the_words_of_the_field() {
    let mut found = Vec::new();
    for (folder, with_texts) in [("src", true), ("tests/it", false), ("benches", false)] {
        for path in rust_files(folder) {
            let Source { comments, strings, .. } = Source::of(&read(&path));
            for ((comment, quoted), line) in comments.lines().zip(strings.lines()).zip(1..) {
                let phrases = prose_in(comment).chain(prose_in(if with_texts { quoted } else { "" }));
                found.extend(phrases.map(|phrase| format!("{}:{line}: `{phrase}`", path.display())));
            }
        }
    }
    assert!(found.is_empty(), "{} places:\n{}", found.len(), found.join("\n"));
}

#[test]
fn the_rule_on_prose_sees_words_and_not_their_parts() {
    let found = |text| prose_in(text).collect::<Vec<_>>();
    assert_eq!(found("He is told what this server hears; his own."), ["he", "hears", "his", "is told"]);
    assert_eq!(found("The theme, this history, whispers"), [""; 0]);
}

#[test]
fn the_rule_sees_whole_words_in_code_comments_and_texts() {
    assert_eq!(found_in("let lane: Lane = of(far_side_gone);"), [(1, "Lane"), (1, "far_side")]);
    assert_eq!(found_in("\n// The `Reception`, and its reception."), [(2, "Reception"), (2, "reception")]);
    assert_eq!(found_in("say(\"the Far side; a reception\")"), [(1, "far side")]);
    assert_eq!(found_in("let x: PlaneLanes = Planes; // far sideways"), []);
}

/// The name that a line makes public outside of its module and crate.
fn public_type(line: &str) -> Option<&str> {
    let item = line.trim_start().strip_prefix("pub ")?;
    let item = item.strip_prefix("unsafe ").unwrap_or(item);
    let name = ["struct ", "enum ", "trait ", "type ", "union "].iter().find_map(|kind| item.strip_prefix(kind))?;
    name.split(|letter: char| !is_of_identifier(letter)).next().filter(|name| !name.is_empty())
}

#[test]
fn a_public_type_name_stands_once() {
    let mut places: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    for path in rust_files("src") {
        let source = Source::of(&read(&path));
        for (number, line) in source.code.lines().enumerate() {
            if let Some(name) = public_type(line) {
                let place = format!("{}:{}", path.strip_prefix(top).expect("a file of src").display(), number + 1);
                places.entry(name.to_owned()).or_default().push(place);
            }
        }
    }
    assert!(places.len() > 300, "only {} public types are found", places.len());
    let twice = places.iter().filter(|(_, places)| places.len() > 1);
    let twice: Vec<String> = twice.map(|(name, places)| format!("{name}: {}", places.join(", "))).collect();
    assert!(twice.is_empty(), "{} names mean several things:\n{}", twice.len(), twice.join("\n"));
}

#[test]
fn the_rule_sees_every_sort_of_public_type() {
    assert_eq!(public_type("pub struct Pace<'a> {"), Some("Pace"));
    assert_eq!(public_type("    pub enum Kind {"), Some("Kind"));
    assert_eq!(public_type("pub type Elapsed = SignedDuration;"), Some("Elapsed"));
    assert_eq!(public_type("pub(super) struct Inner;"), None);
    assert_eq!(public_type("pub fn structure() {}"), None);
}
