//! Languages: which ones there are, what to fall back to, and their words and number forms.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fixed_decimal::Decimal;
use icu_decimal::DecimalFormatter;
use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules};

use crate::domain::money::Money;

/// The language that every chain of fallbacks ends in.
pub const LAST_RESORT: &str = "en";

/// Files under `templates/`, built into the program.
#[derive(rust_embed::Embed)]
#[folder = "templates/"]
struct BuiltIn;

/// Sources by path, such as `en/order.placed.md`.
pub type Sources = BTreeMap<String, String>;

/// A word, or a phrase. It is used again and again, also in pictures.
const WORD_BYTES: usize = 4 * 1024;

/// The files of a language that hold its words.
pub const WORDS: [&str; 2] = ["remedies.toml", "words.toml"];

/// Whether a file of a language's folder holds words.
pub fn holds_words(file: &str) -> bool {
    WORDS.contains(&file)
}

/// The built-in files under `templates/`.
pub fn built_in_sources() -> Sources {
    BuiltIn::iter()
        .filter_map(|path| {
            let file = BuiltIn::get(&path)?;
            String::from_utf8(file.data.into_owned()).ok().map(|source| (path.into_owned(), source))
        })
        .collect()
}

/// The languages that are built in. A file that does not parse is left out here; [`crate::domain::template::Templates`]
/// reports it.
pub fn built_in() -> &'static BTreeMap<String, Language> {
    static BUILT_IN: LazyLock<BTreeMap<String, Language>> = LazyLock::new(|| {
        let sources = built_in_sources();
        let folders = folders(&sources);
        folders
            .iter()
            .map(|folder| {
                let mut language = Language::new(folder);
                for fallback in chain(folder, &folders).iter().rev() {
                    for source in WORDS.iter().filter_map(|file| sources.get(&format!("{fallback}/{file}"))) {
                        let _ = language.read(source);
                    }
                }
                (folder.clone(), language)
            })
            .collect()
    });
    &BUILT_IN
}

/// The folders of languages among these paths, in alphabetical sequence: those whose names begin as language tags do.
pub fn folders(sources: &Sources) -> Vec<String> {
    let is_tag = |folder: &&str| {
        let primary = folder.split('-').next().unwrap_or_default();
        matches!(primary.len(), 2 | 3) && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    let found = sources.keys().filter_map(|path| path.split_once('/')).map(|(folder, _)| folder).filter(is_tag);
    let mut folders: Vec<String> = found.map(str::to_owned).collect();
    folders.dedup();
    folders
}

/// The folders to look in for a reader of this language, best first: the language itself, its wider forms (`zh` for
/// `zh-HK`), its sisters (`zh-CN`), and English.
pub fn chain(language: &str, folders: &[String]) -> Vec<String> {
    let mut chain: Vec<String> = Vec::new();
    let mut add = |wanted: &dyn Fn(&str) -> bool| {
        for folder in folders.iter().filter(|folder| wanted(folder)) {
            if !chain.contains(folder) {
                chain.push(folder.clone());
            }
        }
    };
    let mut wider = language;
    loop {
        add(&|folder| folder.eq_ignore_ascii_case(wider));
        match wider.rsplit_once('-') {
            Some((head, _)) => wider = head,
            None => break,
        }
    }
    add(&|folder| folder.split('-').next().is_some_and(|primary| primary.eq_ignore_ascii_case(wider)));
    add(&|folder| folder == LAST_RESORT);
    chain
}

/// The words and number forms of one language, those of its fallbacks included.
#[derive(Debug)]
pub struct Language {
    /// The tag, such as `zh-CN`.
    pub tag: String,
    /// By dotted key, such as `delivery.at_shop`.
    words: BTreeMap<String, String>,
    numbers: Option<DecimalFormatter>,
    plurals: Option<PluralRules>,
}

impl Language {
    /// A language without words. A tag that no locale data knows gets plain digits.
    pub fn new(tag: &str) -> Self {
        let locale = Locale::try_from_str(tag).ok();
        Self {
            tag: tag.to_owned(),
            words: BTreeMap::new(),
            numbers: locale.as_ref().and_then(|l| DecimalFormatter::try_new(l.into(), Default::default()).ok()),
            plurals: locale.as_ref().and_then(|l| PluralRules::try_new_cardinal(l.into()).ok()),
        }
    }

    /// Takes the words of a language file over those known before.
    ///
    /// # Errors
    /// The file is no TOML, or a word in it is no text.
    pub fn read(&mut self, source: &str) -> Result<(), WordsError> {
        let table: toml::Table = source.parse().map_err(|error: toml::de::Error| WordsError {
            line: error.span().map(|span| source[..span.start].matches('\n').count() + 1),
            span: error.span(),
            message: error.message().to_owned(),
        })?;
        self.take(&mut String::new(), table)
    }

    fn take(&mut self, prefix: &mut String, table: toml::Table) -> Result<(), WordsError> {
        for (key, value) in table {
            let length = prefix.len();
            if length > 0 {
                prefix.push('.');
            }
            prefix.push_str(&key);
            match value {
                toml::Value::String(word) if word.len() > WORD_BYTES => {
                    let message = format!("the word \"{prefix}\" is longer than {} KiB", WORD_BYTES / 1024);
                    return Err(WordsError { line: None, span: None, message });
                }
                toml::Value::String(word) => {
                    self.words.insert(prefix.clone(), word);
                }
                toml::Value::Table(table) => self.take(prefix, table)?,
                _ => {
                    let message = format!("the word \"{prefix}\" is no text");
                    return Err(WordsError { line: None, span: None, message });
                }
            }
            prefix.truncate(length);
        }
        Ok(())
    }

    /// The word under a dotted key.
    pub fn word(&self, key: &str) -> Option<&str> {
        self.words.get(key).map(String::as_str)
    }

    /// Every key that has a word.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.words.keys().map(String::as_str)
    }

    /// A whole number, grouped as this language groups. What is below zero has the minus sign of money and percentages.
    pub fn number(&self, number: i64) -> String {
        match &self.numbers {
            Some(numbers) => with_minus(&numbers.format(&Decimal::from(number)).to_string()),
            None => with_minus(&number.to_string()),
        }
    }

    /// A decimal number given as text, such as `1234.50`; its decimals stay.
    pub fn decimal(&self, number: &str) -> String {
        match (&self.numbers, Decimal::try_from_str(number)) {
            (Some(numbers), Ok(decimal)) => with_minus(&numbers.format(&decimal).to_string()),
            _ => number.to_owned(),
        }
    }

    /// `SAR 1,234.00`: the code first, which is never wrong, then the amount as this language writes it. A minus stands before
    /// both, as before a discount.
    pub fn money(&self, money: &Money) -> String {
        let amount = self.decimal(&money.major());
        match amount.strip_prefix(MINUS) {
            Some(amount) => format!("{MINUS}{} {amount}", money.currency),
            None => format!("{} {amount}", money.currency),
        }
    }

    /// The form of `plural.<word>` for a count, with `{count}` filled in; `None` without such a word.
    pub fn plural(&self, count: i64, word: &str) -> Option<String> {
        let category = match self.plurals.as_ref().map(|rules| rules.category_for(count)) {
            Some(PluralCategory::Zero) => "zero",
            Some(PluralCategory::One) => "one",
            Some(PluralCategory::Two) => "two",
            Some(PluralCategory::Few) => "few",
            Some(PluralCategory::Many) => "many",
            Some(PluralCategory::Other) | None => "other",
        };
        let form =
            self.word(&format!("plural.{word}.{category}")).or_else(|| self.word(&format!("plural.{word}.other")))?;
        Some(form.replace("{count}", &self.number(count)))
    }
}

/// One sort of it, in all messages.
const MINUS: char = '−';

fn with_minus(number: &str) -> String {
    number.replace('-', &MINUS.to_string())
}

/// A language file that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct WordsError {
    /// From 1.
    pub line: Option<usize>,
    /// Bytes of the file.
    pub span: Option<std::ops::Range<usize>>,
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_falls_back_to_its_sisters_and_then_to_english() {
        let folders: Vec<String> = ["ar", "en", "zh-CN", "zh-HK"].map(String::from).into();
        assert_eq!(chain("zh-HK", &folders), ["zh-HK", "zh-CN", "en"]);
        assert_eq!(chain("zh-Hant-HK", &folders), ["zh-CN", "zh-HK", "en"]);
        assert_eq!(chain("pt-BR", &folders), ["en"]);
        assert_eq!(chain("EN-gb", &folders), ["en"]);
    }

    #[test]
    fn numbers_are_grouped_as_the_reader_groups_them() {
        assert_eq!(Language::new("en").money(&Money::new(123_400, "SAR")), "SAR 1,234.00");
        assert_eq!(Language::new("pt-BR").money(&Money::new(123_400, "BRL")), "BRL 1.234,00");
        assert_eq!(Language::new("en").money(&Money::new(-1_234_567, "KWD")), "−KWD 1,234.567");
        assert_eq!(Language::new("zh-CN").money(&Money::new(123_400, "JPY")), "JPY 123,400");
        assert_eq!(Language::new("no such tag").number(1234), "1234");
    }

    #[test]
    fn a_count_takes_its_form() {
        let mut language = Language::new("en");
        language.read("[plural]\nitem = { one = \"{count} item\", other = \"{count} items\" }").unwrap();
        assert_eq!(language.plural(1, "item").as_deref(), Some("1 item"));
        assert_eq!(language.plural(1200, "item").as_deref(), Some("1,200 items"));
        assert_eq!(language.plural(1, "nothing"), None);
    }

    #[test]
    fn the_built_in_languages_have_words() {
        assert!(built_in()["en"].word("kind.order.placed").is_some());
        assert!(built_in()["zh-CN"].word("kind.order.placed").is_some());
    }
}
