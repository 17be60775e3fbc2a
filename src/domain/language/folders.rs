//! Which languages there are, and where each finds what it lacks: a language is a folder, and its `words.toml` may say in
//! `[language]` what it falls back on and by which other names it is meant.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

/// The language that every chain of fallbacks ends in.
pub const LAST_RESORT: &str = "en";

/// Files under `templates/`, built into the program.
#[derive(rust_embed::Embed)]
#[folder = "templates/"]
struct BuiltIn;

/// Sources by path, such as `en/order.placed.md`.
pub type Sources = BTreeMap<String, String>;

/// The files of a language that hold its words.
pub const WORDS: [&str; 3] = ["page.toml", "remedies.toml", "words.toml"];

/// The file that says in `[language]` what a language falls back on.
const OWN: &str = "words.toml";

/// Whether a file of a language's folder holds words.
pub fn holds_words(file: &str) -> bool {
    WORDS.contains(&file)
}

/// A built-in file under `templates/`.
pub fn built_in_source(path: &str) -> Option<Cow<'static, str>> {
    match BuiltIn::get(path)?.data {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).ok().map(Cow::Borrowed),
        Cow::Owned(bytes) => String::from_utf8(bytes).ok().map(Cow::Owned),
    }
}

/// The built-in files of these folders under `templates/`.
pub fn built_in_sources(folders: &[String]) -> Sources {
    let is_wanted =
        |path: &str| path.split_once('/').is_some_and(|(folder, _)| folders.iter().any(|own| own == folder));
    let wanted = BuiltIn::iter().filter(|path| is_wanted(path));
    wanted.filter_map(|path| Some((path.to_string(), built_in_source(&path)?.into_owned()))).collect()
}

/// Whether there is such a built-in file.
pub fn is_built_in(path: &str) -> bool {
    BuiltIn::iter().any(|known| known == path)
}

/// The languages that are built in, in alphabetical sequence.
pub fn built_in_folders() -> &'static [String] {
    static FOLDERS: LazyLock<Vec<String>> = LazyLock::new(|| of_paths(BuiltIn::iter()));
    &FOLDERS
}

/// The folders of languages among these paths, in alphabetical sequence: those whose names begin as language tags do.
pub fn folders(sources: &Sources) -> Vec<String> {
    of_paths(sources.keys())
}

fn of_paths(paths: impl Iterator<Item = impl AsRef<str>>) -> Vec<String> {
    let is_tag = |folder: &str| {
        let primary = primary(folder);
        matches!(primary.len(), 2 | 3) && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let folder = |path: &str| path.split_once('/').map(|(folder, _)| folder.to_owned()).filter(|folder| is_tag(folder));
    let mut folders: Vec<String> = paths.filter_map(|path| folder(path.as_ref())).collect();
    folders.sort();
    folders.dedup();
    folders
}

/// The built-in languages and those of a merchant's files.
pub fn all(overlay: &Sources) -> Vec<String> {
    let mut all = [built_in_folders(), &folders(overlay)].concat();
    all.sort();
    all.dedup();
    all
}

/// The folder that serves a reader of this language: its own, else that of its wider form, of a sister, or English.
pub fn serving<'a>(language: &str, folders: &'a [String]) -> Option<&'a str> {
    let own = wider(language).find_map(|tag| folders.iter().find(|folder| folder.eq_ignore_ascii_case(tag)));
    let sister = || folders.iter().find(|folder| primary(folder).eq_ignore_ascii_case(primary(language)));
    own.or_else(sister).or_else(|| folders.iter().find(|folder| *folder == LAST_RESORT)).map(String::as_str)
}

/// The folders to look in for a reader of this language, best first: that which serves it, its wider forms (`zh` for
/// `zh-HK`), what it says that it falls back on, or else its sisters (`zh-CN`), and English.
pub fn chain(language: &str, folders: &[String], overlay: &Sources) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    let mut next = serving(language, folders).map(str::to_owned);
    while let Some(folder) = next.take().filter(|folder| !chain.contains(folder)) {
        let wider = wider(&folder).filter_map(|tag| folders.iter().find(|known| known.eq_ignore_ascii_case(tag)));
        chain.extend(wider.cloned());
        next = declared(&folder, "fallback", overlay).filter(|declared| folders.contains(declared));
    }
    let sisters = folders.iter().filter(|folder| chain.len() == 1 && primary(folder) == primary(&chain[0]));
    let rest: Vec<&String> = sisters.chain(folders.iter().filter(|folder| *folder == LAST_RESORT)).collect();
    for folder in rest {
        if !chain.contains(folder) {
            chain.push(folder.clone());
        }
    }
    chain
}

/// What a folder says of its language under this key of `[language]`: a merchant's file before the built-in one. A file that
/// cannot be read is reported where its words are.
pub fn declared(folder: &str, key: &str, overlay: &Sources) -> Option<String> {
    let path = format!("{folder}/{OWN}");
    let own = overlay.get(&path).map(|source| Cow::Borrowed(source.as_str()));
    own.into_iter().chain(built_in_source(&path)).find_map(|source| {
        let table: toml::Table = source.parse().ok()?;
        Some(table.get("language")?.get(key)?.as_str()?.to_owned())
    })
}

/// The one of these languages that is probably meant by a tag that none of them has: by another way to write it, by a name
/// that the language's `also` lists, or as its nearest relative.
pub fn meant<'a>(tag: &str, known: &[&'a str]) -> Option<&'a str> {
    let tag = tag.trim().to_lowercase().replace('_', "-");
    let is_also = |folder: &str, tag: &str| {
        let also = declared(folder, "also", &Sources::new()).unwrap_or_default();
        also.split_whitespace().any(|also| also.eq_ignore_ascii_case(tag))
    };
    let named = |tag: &str| {
        let same = known.iter().find(|folder| folder.eq_ignore_ascii_case(tag));
        same.or_else(|| known.iter().find(|folder| is_also(folder, tag)))
    };
    let relative = || known.iter().find(|folder| primary(folder).eq_ignore_ascii_case(primary(&tag)));
    wider(&tag).find_map(named).or_else(relative).copied()
}

/// A tag and its wider forms: `zh-Hant-HK`, `zh-Hant`, `zh`.
fn wider(tag: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(tag), |tag| tag.rsplit_once('-').map(|(head, _)| head))
}

fn primary(tag: &str) -> &str {
    tag.split('-').next().unwrap_or_default()
}

/// The tag of a language, for the schema: the built-in ones to choose from, and any that a folder of templates brings.
pub struct LanguageTag;

impl JsonSchema for LanguageTag {
    fn schema_name() -> Cow<'static, str> {
        "LanguageTag".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "anyOf": [{ "enum": built_in_folders() }, { "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$" }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(texts: &[&str]) -> Vec<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_language_falls_back_to_its_sisters_and_then_to_english() {
        let folders = texts(&["aa", "en", "zz-CN", "zz-HK"]);
        let chain = |language| chain(language, &folders, &Sources::new());
        assert_eq!(chain("zz-HK"), ["zz-HK", "zz-CN", "en"]);
        assert_eq!(chain("zz-Hant-HK"), ["zz-CN", "zz-HK", "en"]);
        assert_eq!(chain("pt-BR"), ["en"]);
        assert_eq!(chain("EN-gb"), ["en"]);
    }

    #[test]
    fn a_language_falls_back_on_what_it_names() {
        let folders = texts(&["en", "gl", "pt-BR", "pt-PT", "zz"]);
        let overlay = |files: &[(&str, &str)]| -> Sources {
            let file = |(folder, fallback): &(&str, &str)| {
                (format!("{folder}/words.toml"), format!("[language]\nfallback = \"{fallback}\""))
            };
            files.iter().map(file).collect()
        };
        let named = overlay(&[("gl", "pt-PT"), ("pt-PT", "pt-BR")]);
        assert_eq!(chain("gl", &folders, &named), ["gl", "pt-PT", "pt-BR", "en"]);
        assert_eq!(chain("zz", &folders, &overlay(&[("zz", "pt-BR"), ("pt-BR", "zz")])), ["zz", "pt-BR", "en"]);
        assert_eq!(chain("gl", &folders, &overlay(&[("gl", "nowhere")])), ["gl", "en"]);
        assert_eq!(chain("gl", &folders, &overlay(&[("gl", "en")])), ["gl", "en"]);
    }

    #[test]
    fn the_mainland_borrows_nothing_of_hong_kong_which_borrows_of_it() {
        let chain = |language| chain(language, built_in_folders(), &Sources::new());
        assert_eq!(chain("zh-CN"), ["zh-CN", "en"]);
        assert_eq!(chain("zh-HK"), ["zh-HK", "zh-CN", "en"]);
    }

    #[test]
    fn a_tag_that_nobody_has_means_the_nearest() {
        let known: Vec<&str> = built_in_folders().iter().map(String::as_str).collect();
        for (tag, near) in [
            ("EN", "en"),
            ("en_GB", "en"),
            ("english", "en"),
            ("chinese", "zh-CN"),
            ("zh-hans", "zh-CN"),
            ("zh_Hans_SG", "zh-CN"),
            ("cn", "zh-CN"),
        ] {
            assert_eq!(meant(tag, &known), Some(near), "{tag}");
        }
        assert_eq!(meant("klingon", &known), None);
        assert_eq!(meant("", &known), None);
    }
}
