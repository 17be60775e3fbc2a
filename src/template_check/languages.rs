//! What the languages that readers get lack, and from which other language it comes.

use std::collections::BTreeSet;

use crate::diagnostic;
use crate::diagnostic::{Diagnostic, Severity, suggest};
use crate::domain::language::Language;
use crate::domain::language::folders;
use crate::domain::language::folders::{LAST_RESORT, WORDS};
use crate::domain::settings::InvalidValue;
use crate::template_check::overlay::Overlay;

/// A note for each of these languages that has not all words and templates of its own, and a warning where it names a language
/// to fall back on that there is not.
pub fn notes(overlay: &Overlay, used: &[&str]) -> Vec<Diagnostic> {
    let all = folders::all(overlay.files());
    let said = |severity, language: &str, said| diagnostic::in_file(severity, overlay.place(language), None, said);
    let mut found = Vec::new();
    for language in used.iter().filter(|language| **language != LAST_RESORT) {
        let chain = folders::chain(language, &all, overlay.files());
        let named = folders::declared(language, "fallback", overlay.files());
        if let Some(named) = named.filter(|named| !chain.contains(named)) {
            let known: Vec<&str> = all.iter().map(String::as_str).collect();
            let message = format!("language.fallback in words.toml is \"{named}\", which there is not");
            let help = suggest::language(&named, &known);
            found.push(said(Severity::Warning, language, InvalidValue::new(message, help)));
        }
        let (words, templates) = (missing_words(overlay, language), missing_templates(overlay, language));
        if words + templates > 0 {
            let message =
                format!("\"{language}\" has not all of its own: {words} words and {templates} templates are missing");
            let help = format!("they come from {}", chain[1..].join(", then from "));
            found.push(said(Severity::Note, language, InvalidValue::new(message, help)));
        }
    }
    found
}

fn missing_words(overlay: &Overlay, language: &str) -> usize {
    let own = words_of(overlay, language);
    // A word has other forms in another language, but always one.
    let word = |key: &str| match key.strip_prefix("plural.").and_then(|key| key.split_once('.')) {
        Some((word, _)) => format!("plural.{word}.other"),
        None => key.to_owned(),
    };
    let wanted: BTreeSet<String> = words_of(overlay, LAST_RESORT).iter().map(|key| word(key)).collect();
    // Not every language names its months; and the page is shown in the built-in languages alone.
    let is_wanted = |key: &&String| !["language.", "month.", "page."].iter().any(|prefix| key.starts_with(prefix));
    wanted.iter().filter(is_wanted).filter(|key| !own.contains(*key)).count()
}

fn words_of(overlay: &Overlay, language: &str) -> BTreeSet<String> {
    let mut words = Language::new(language);
    for path in WORDS.map(|file| format!("{language}/{file}")) {
        let own = overlay.files().get(&path).cloned();
        for source in folders::built_in_source(&path).map(|source| source.into_owned()).into_iter().chain(own) {
            // What does not parse is reported as such.
            let _ = words.read(&source);
        }
    }
    words.keys().map(str::to_owned).collect()
}

fn missing_templates(overlay: &Overlay, language: &str) -> usize {
    let english = folders::built_in_sources(&[LAST_RESORT.to_owned()]);
    let names = english.keys().filter_map(|path| path.split_once('/')).map(|(_, name)| name);
    let is_there = |path: &str| overlay.files().contains_key(path) || folders::is_built_in(path);
    names.filter(|name| name.ends_with(".md") && !is_there(&format!("{language}/{name}"))).count()
}
