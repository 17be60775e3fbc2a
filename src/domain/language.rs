//! Languages: their words and number forms.

pub mod folders;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::{LazyLock, OnceLock};

use fixed_decimal::Decimal;
use icu_decimal::DecimalFormatter;
use icu_locale_core::Locale;
use icu_plurals::{PluralCategory, PluralRules};
use jiff::civil::Date;

use crate::domain::bidi::Direction;
use crate::domain::language::folders::{WORDS, built_in_folders, built_in_source, chain};
use crate::domain::money::Money;

/// A word, or a phrase. It is used again and again, also in pictures.
const WORD_BYTES: usize = 4 * 1024;

/// The patterns of amounts, by the ISO 4217 codes of their currencies.
const CURRENCY: &str = "currency.";

/// Where the number stands in the pattern of a currency.
const AMOUNT: &str = "{amount}";

/// A built-in language, read when it is first asked for. A file that does not parse is left out here;
/// [`crate::domain::template::Templates`] reports it.
pub fn built_in(tag: &str) -> Option<&'static Language> {
    static BUILT_IN: LazyLock<BTreeMap<&'static str, OnceLock<Language>>> =
        LazyLock::new(|| built_in_folders().iter().map(|folder| (folder.as_str(), OnceLock::new())).collect());
    let language = BUILT_IN.get(tag)?;
    Some(language.get_or_init(|| {
        let mut language = Language::new(tag);
        let chain = chain(tag, built_in_folders(), &BTreeMap::new());
        for path in chain.iter().rev().flat_map(|folder| WORDS.map(|file| format!("{folder}/{file}"))) {
            if let Some(source) = built_in_source(&path) {
                let _ = language.read(&source);
            }
        }
        language
    }))
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
        // Western digits everywhere, as the platforms write them.
        let digits = Locale::try_from_str(&format!("{tag}-u-nu-latn")).ok().or(locale.clone());
        Self {
            tag: tag.to_owned(),
            words: BTreeMap::new(),
            numbers: digits.as_ref().and_then(|l| DecimalFormatter::try_new(l.into(), Default::default()).ok()),
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
                toml::Value::String(word) if prefix.starts_with(CURRENCY) && word.matches(AMOUNT).count() != 1 => {
                    let message = format!("the word \"{prefix}\" needs {AMOUNT} once, where the number stands");
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

    /// In which direction it is written.
    pub fn direction(&self) -> Direction {
        match self.word("language.direction") {
            Some("rtl") => Direction::RightToLeft,
            _ => Direction::LeftToRight,
        }
    }

    /// A day by the pattern under `format.date` or `format.day`, with the month in its own words where that names it (`%b`).
    pub fn date(&self, day: Date, format: DayFormat) -> String {
        let (key, or) = match format {
            DayFormat::Whole => ("format.date", "%Y-%m-%d"),
            DayFormat::WithoutYear => ("format.day", "%m-%d"),
        };
        let month = format!("month.{}", day.strftime("%b").to_string().to_lowercase());
        let pattern = self.word(key).unwrap_or(or);
        let pattern = self.word(&month).map_or(pattern.to_owned(), |month| pattern.replace("%b", month));
        day.strftime(&pattern).to_string()
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

    /// An amount as this language writes it: by the pattern under `currency.<code>`, `R$ 1.234,00`; without one with the code
    /// first, which is never wrong, `SAR 1,234.00`. A minus stands before both, as before a discount.
    pub fn money(&self, money: &Money) -> String {
        let amount = self.decimal(&money.major());
        let (minus, amount) = match amount.strip_prefix(MINUS) {
            Some(amount) => (MINUS, amount),
            None => ("", amount.as_str()),
        };
        match self.word(&format!("{CURRENCY}{}", money.currency)) {
            Some(pattern) => format!("{minus}{}", pattern.replace(AMOUNT, amount)),
            None => format!("{minus}{} {amount}", money.currency),
        }
    }

    /// What stands for a currency beside amounts that have no sign of their own: `R$`, or the code.
    pub fn currency_sign<'a>(&'a self, code: &'a str) -> Cow<'a, str> {
        match self.word(&format!("{CURRENCY}{code}")) {
            Some(pattern) => Cow::Owned(pattern.replace(AMOUNT, "").trim().to_owned()),
            None => Cow::Borrowed(code),
        }
    }

    /// The forms that its plurals may have, by the names of CLDR; `other` is always one.
    pub fn plural_forms(&self) -> Vec<&'static str> {
        self.plurals.as_ref().map_or(vec!["other"], |rules| rules.categories().map(name_of).collect())
    }

    /// The form of `plural.<word>` for a count, with `{count}` filled in; `None` without such a word.
    pub fn plural(&self, count: i64, word: &str) -> Option<String> {
        let category = self.plurals.as_ref().map_or("other", |rules| name_of(rules.category_for(count)));
        let form =
            self.word(&format!("plural.{word}.{category}")).or_else(|| self.word(&format!("plural.{word}.other")))?;
        Some(form.replace("{count}", &self.number(count)))
    }
}

/// One sort of it, in all messages.
const MINUS: &str = "−";

/// Without the marks of direction that the locale data of Arabic has beside it: values stand between isolates.
fn with_minus(number: &str) -> String {
    number.replace(['\u{200e}', '\u{200f}', '\u{61c}'], "").replace('-', MINUS)
}

/// How a day is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DayFormat {
    Whole,
    WithoutYear,
}

fn name_of(category: PluralCategory) -> &'static str {
    match category {
        PluralCategory::Zero => "zero",
        PluralCategory::One => "one",
        PluralCategory::Two => "two",
        PluralCategory::Few => "few",
        PluralCategory::Many => "many",
        PluralCategory::Other => "other",
    }
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
    fn numbers_are_grouped_as_the_reader_groups_them() {
        assert_eq!(Language::new("en").money(&Money::new(123_400, "SAR")), "SAR 1,234.00");
        assert_eq!(Language::new("pt-BR").money(&Money::new(123_400, "BRL")), "BRL 1.234,00");
        assert_eq!(Language::new("en").money(&Money::new(-1_234_567, "KWD")), "−KWD 1,234.567");
        assert_eq!(Language::new("zh-CN").money(&Money::new(123_400, "JPY")), "JPY 123,400");
        assert_eq!(Language::new("ar").money(&Money::new(1_234_567, "KWD")), "KWD 1,234.567");
        assert_eq!(Language::new("ar").money(&Money::new(-1_234_567, "KWD")), "−KWD 1,234.567");
        assert_eq!(Language::new("ar").number(-5), "−5");
        assert_eq!(Language::new("no such tag").number(1234), "1234");
    }

    #[test]
    fn an_amount_follows_the_pattern_of_its_currency_and_keeps_its_decimals() {
        let mut language = Language::new("pt-BR");
        let patterns = "BRL = \"R$ {amount}\"\nKWD = \"{amount} د.ك\"\nJPY = \"¥{amount}\"";
        language.read(&format!("[currency]\n{patterns}")).unwrap();
        let money = |minor, currency: &str| language.money(&Money::new(minor, currency));
        assert_eq!(money(123_456, "BRL"), "R$ 1.234,56");
        assert_eq!(money(-5, "BRL"), "−R$ 0,05");
        assert_eq!(money(1_234_567, "KWD"), "1.234,567 د.ك");
        assert_eq!(money(1_234_567, "JPY"), "¥1.234.567");
        assert_eq!(money(1_200, "USD"), "USD 12,00");
        assert_eq!(["BRL", "KWD", "USD"].map(|code| language.currency_sign(code).into_owned()), ["R$", "د.ك", "USD"]);
    }

    #[test]
    fn a_pattern_that_would_lose_the_amount_or_say_it_twice_is_refused() {
        for pattern in ["R$", "R$ {count}", "{amount} = {amount}"] {
            let read = Language::new("pt-BR").read(&format!("[currency]\nBRL = \"{pattern}\""));
            let error = read.unwrap_err().to_string();
            assert_eq!(error, "the word \"currency.BRL\" needs {amount} once, where the number stands");
        }
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
    fn a_month_has_its_own_name() {
        let mut language = Language::new("en");
        let day = Date::constant(2025, 6, 4);
        assert_eq!(language.date(day, DayFormat::Whole), "2025-06-04");
        language.read("[format]\ndate = \"%-d de %b de %Y\"\nday = \"%-d/%-m\"\n[month]\njun = \"jun.\"").unwrap();
        assert_eq!(language.date(day, DayFormat::Whole), "4 de jun. de 2025");
        assert_eq!(language.date(day, DayFormat::WithoutYear), "4/6");
    }

    #[test]
    fn the_built_in_languages_have_words() {
        for folder in built_in_folders() {
            assert!(built_in(folder).is_some_and(|language| language.word("kind.order.placed").is_some()), "{folder}");
        }
        assert!(built_in("no-such").is_none());
    }
}
