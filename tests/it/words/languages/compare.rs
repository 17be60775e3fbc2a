//! What one language says otherwise than English, or not at all.

use std::collections::BTreeSet;

use orderbell::domain::bidi::is_isolate;
use orderbell::domain::compose::Composed;
use orderbell::domain::language;
use orderbell::domain::language::Language;
use orderbell::domain::language::folders::{Sources, WORDS};
use orderbell::domain::picture;
use orderbell::domain::picture::sheet::{Bar, Panel, Sheet, Unit};
use orderbell::domain::picture::theme::Theme;
use orderbell::domain::picture::{MAX_BARS, MAX_PANELS};
use orderbell::domain::remedy::localized;
use orderbell::domain::template::Templates;

use crate::words::{digests, reports, samples};

/// Every difference between the files of a language, by name, and the English ones.
pub fn differences(tag: &str, files: &Sources) -> Vec<String> {
    let english = super::files("en");
    let mut found = Vec::new();
    for name in english.keys().filter(|name| !files.contains_key(*name)) {
        found.push(format!("{name} is missing"));
    }
    for name in files.keys().filter(|name| !english.contains_key(*name)) {
        found.push(format!("{name} is not in English"));
    }
    let words = |tag: &str, files: &Sources, found: &mut Vec<String>| {
        let mut words = Language::new(tag);
        for name in WORDS {
            if let Err(error) = files.get(name).map_or(Ok(()), |source| words.read(source)) {
                found.push(format!("{name} cannot be read: {error}"));
            }
        }
        words
    };
    let (own, other) = (words(tag, files, &mut found), words("en", &english, &mut found));
    found.extend(of_words(&own, &other));
    found.extend(of_plurals(&own, &other));
    found.extend(of_letters(&own));
    for (name, source) in files.iter().filter(|(name, _)| name.ends_with(".md")) {
        let Some(other) = english.get(name) else { continue };
        let (own, other) = (read(source), read(other));
        found.extend(other.names.difference(&own.names).map(|lost| format!("{name} lacks {lost}")));
        found.extend(own.names.difference(&other.names).map(|added| format!("{name} adds {added}")));
        let left: Vec<&str> = other.runs.iter().filter(|run| own.runs.contains(*run)).map(String::as_str).collect();
        if !left.is_empty() {
            found.push(format!("{name} has English: {}", left.join(" / ")));
        }
    }
    found.extend(of_facts(tag, files));
    found
}

/// Words under the same keys, in a language of their own, with the same places.
fn of_words(own: &Language, english: &Language) -> Vec<String> {
    let compared = |words: &Language| -> BTreeSet<String> {
        words
            .keys()
            .filter(|key| !["plural.", "language.", "month.", "currency."].iter().any(|prefix| key.starts_with(prefix)))
            .map(str::to_owned)
            .collect()
    };
    let (keys, others) = (compared(own), compared(english));
    let mut found: Vec<String> = others.difference(&keys).map(|key| format!("{key} is missing")).collect();
    found.extend(keys.difference(&others).map(|key| format!("{key} is not in English")));
    let names_months = |key: &str| own.word(key).is_some_and(|pattern| pattern.contains("%b"));
    if names_months("format.date") || names_months("format.day") {
        let months = english.keys().filter(|key| key.starts_with("month.") && own.word(key).is_none());
        found.extend(months.map(|month| format!("{month} is missing")));
    }
    for key in keys.intersection(&others).filter(|key| !key.starts_with("format.")) {
        let (word, other) = (own.word(key).unwrap_or_default(), english.word(key).unwrap_or_default());
        if places(word) != places(other) {
            found.push(format!("{key} has other places: {word}"));
        }
        if is_left(own, word, other) {
            found.push(format!("{key} is left in English: {word}"));
        }
    }
    found
}

/// Whether a word is the English one. Languages with letters of their own must use them; in others a single word may be the
/// same, such as "Total".
fn is_left(own: &Language, word: &str, english: &str) -> bool {
    let says = |text: &str| text.chars().any(char::is_alphabetic);
    let has_own_letters =
        own.word("language.name").is_some_and(|name| name.chars().all(|letter| !letter.is_ascii_alphabetic()));
    let (plain, other) = (without_quoted(word), without_quoted(english));
    match has_own_letters {
        true => says(&other) && plain.chars().all(|letter| letter.is_ascii() || !letter.is_alphabetic()),
        false => plain == other && plain.split_whitespace().filter(|word| says(word)).count() > 1,
    }
}

/// A text without its places, and without what stands in backquotes: keys, commands and addresses.
fn without_quoted(text: &str) -> String {
    let text: String = text.split('`').step_by(2).collect();
    text.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest)).collect()
}

/// `{count}` and the like.
fn places(text: &str) -> BTreeSet<&str> {
    text.split('{').skip(1).filter_map(|piece| piece.split_once('}')).map(|(name, _)| name).collect()
}

/// Every form that the language has, for each word that changes with the number; the number may be left out of those that
/// say it in words.
fn of_plurals(own: &Language, english: &Language) -> Vec<String> {
    let forms = |words: &Language, word: &str| -> BTreeSet<String> {
        let prefix = format!("plural.{word}.");
        words.keys().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned).collect()
    };
    let word_of =
        |key: &str| key.strip_prefix("plural.").and_then(|key| key.split_once('.')).map(|(word, _)| word.to_owned());
    let of = |words: &Language| words.keys().filter_map(word_of).collect::<BTreeSet<String>>();
    let (all, others) = (of(own), of(english));
    let mut found: Vec<String> =
        all.difference(&others).map(|word| format!("plural.{word} is not in English")).collect();
    let wanted: BTreeSet<String> = own.plural_forms().into_iter().map(str::to_owned).collect();
    for word in &others {
        let has = forms(own, word);
        let never_changes = forms(english, word).len() == 1 && has.len() == 1 && has.contains("other");
        let missing = wanted.iter().filter(|form| !has.contains(*form) && !never_changes);
        found.extend(missing.map(|form| format!("plural.{word}.{form} is missing")));
        let surplus = has.difference(&wanted);
        found.extend(surplus.map(|form| format!("plural.{word}.{form} is no form of this language")));
        let key = format!("plural.{word}.other");
        let (form, other) = (own.word(&key).unwrap_or_default(), english.word(&key).unwrap_or_default());
        if has.contains("other") && places(form) != places(other) {
            found.push(format!("{key} has other places: {form}"));
        }
        for form in &has {
            let (key, text) =
                (format!("plural.{word}.{form}"), own.word(&format!("plural.{word}.{form}")).unwrap_or_default());
            if !places(text).is_subset(&places(other)) {
                found.push(format!("{key} has other places: {text}"));
            }
            if is_left(own, text, english.word(&key).unwrap_or(other)) {
                found.push(format!("{key} is left in English: {text}"));
            }
        }
    }
    found
}

/// Every word as it would stand in a picture, but those of the page, which browsers draw.
fn of_letters(own: &Language) -> Vec<String> {
    let is_drawn = |key: &&str| !["language.", "page."].iter().any(|prefix| key.starts_with(prefix));
    let words: Vec<&str> = own.keys().filter(is_drawn).filter_map(|key| own.word(key)).collect();
    let panel = |words: &[&str]| {
        let bars = words.iter().map(|word| Bar { label: (*word).to_owned(), value: 1 }).collect();
        Panel { title: String::new(), figure: String::new(), unit: Unit::Count, bars, highlight: None }
    };
    let sheets = words.chunks(MAX_PANELS * MAX_BARS).map(|words| Sheet {
        language: own,
        title: String::new(),
        subtitle: String::new(),
        panels: words.chunks(MAX_BARS).map(panel).collect(),
        theme: Theme::Light,
    });
    sheets.filter_map(|sheet| picture::png(&sheet).err()).map(|error| error.to_string()).collect()
}

/// What a template asks for, and what it says itself.
struct Read {
    /// `order.total`, `line.name`.
    names: BTreeSet<String>,
    /// Three words of English in a row.
    runs: BTreeSet<String>,
}

fn read(source: &str) -> Read {
    let mut read = Read { names: BTreeSet::new(), runs: BTreeSet::new() };
    let mut said = String::new();
    let mut rest = source;
    while let Some(at) = rest.find('{') {
        let (before, tag) = rest.split_at(at);
        said.push_str(before);
        let end = match tag.as_bytes().get(1) {
            Some(b'{') => "}}",
            Some(b'%') => "%}",
            Some(b'#') => "#}",
            _ => "{",
        };
        let (inside, after) = tag[1..].split_once(end).unwrap_or((tag, ""));
        rest = after;
        said.push('\n');
        if end != "#}" {
            let code: String = inside.split('"').step_by(2).collect::<Vec<_>>().join(" ");
            let is_part = |character: char| character.is_ascii_alphanumeric() || "._".contains(character);
            let names = code.split(|character| !is_part(character)).filter(|name| name.contains('.') && name.len() > 1);
            read.names.extend(names.map(str::to_owned));
        }
    }
    said.push_str(rest);
    for line in said.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_word = |word: &&str| {
            word.trim_matches(|c: char| c.is_ascii_punctuation()).bytes().all(|byte| byte.is_ascii_alphabetic())
                && word.bytes().any(|byte| byte.is_ascii_alphabetic())
        };
        // Commands are the same everywhere.
        let is_command = |words: &[&str]| words.iter().any(|word| word.contains("orderbell") || word.starts_with("--"));
        let runs = words.windows(3).filter(|run| run.iter().all(is_word) && !is_command(run));
        read.runs.extend(runs.map(|run| run.join(" ").to_lowercase()));
    }
    read
}

/// A currency's code and digits, such as `SAR 46.00`.
fn is_amount(value: &str) -> bool {
    value.split_once(' ').is_some_and(|(code, number)| {
        code.len() == 3
            && code.bytes().all(|byte| byte.is_ascii_uppercase())
            && number.contains('.')
            && number.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte))
    })
}

/// Whatever of an event's own values English says, and every time and amount.
fn of_facts(tag: &str, files: &Sources) -> Vec<String> {
    let overlay: Sources = files.iter().map(|(name, text)| (format!("{tag}/{name}"), text.clone())).collect();
    let templates = match Templates::with_overlay(&overlay) {
        Ok(templates) => templates.strict(),
        Err(errors) => {
            return errors.0.iter().map(|error| format!("{} cannot be rendered: {error}", error.template)).collect();
        }
    };
    // Answers of receivers are said in the reader's words.
    let words = language::built_in(tag).expect("a built-in language");
    let mut found = Vec::new();
    let mut compare = |name: &str, values: &BTreeSet<String>, own: Composed, english: Composed| {
        let (own, english) = (shown(&own), shown(&english));
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        // A language may write the decimals of an amount behind another sign.
        let has = |amount: &str| own.lines().any(|line| digits(line).contains(&digits(amount)));
        let said = |value: &&String| {
            own.contains(&without_isolates(&localized(value, words))) || is_amount(value) && has(value)
        };
        let values = values.iter().filter(|value| english.contains(value.as_str()) && !said(value));
        found.extend(values.map(|value| format!("{name} does not say {value}")));
        let times = english
            .split(|c: char| !c.is_ascii_digit() && c != ':')
            .filter(|text| text.len() == 5 && text.as_bytes()[2] == b':');
        found.extend(times.filter(|time| !own.contains(time)).map(|time| format!("{name} does not say {time}")));
        let amounts = english.match_indices('.').filter_map(|(at, _)| amount_around(&english, at));
        let count = |amount: &str| own.lines().map(|line| digits(line).matches(&digits(amount)).count()).sum::<usize>();
        let is_said = |amount: &&str| count(amount) >= english.matches(amount).count();
        found.extend(amounts.filter(|amount| !is_said(amount)).map(|amount| format!("{name} does not say {amount}")));
    };
    for sample in samples::all() {
        let timezone = samples::riyadh();
        let rendered = |language| templates.compose(&sample.view(language, &timezone));
        let own = match rendered(tag) {
            Ok(own) => own,
            Err(error) => return vec![format!("{} cannot be rendered: {error}", error.template)],
        };
        compare(&sample.name, &values(&sample), own, rendered("en").expect("English is right"));
    }
    let (own, english) = (digests::mixed(&templates, tag), digests::mixed(&templates, "en"));
    compare("digest", &BTreeSet::new(), own, english);
    let (own, english) = (reports::day(&templates, tag), reports::day(&templates, "en"));
    compare("report", &BTreeSet::new(), own, english);
    found
}

/// `SAR 46.00`, where a point stands in an amount.
fn amount_around(text: &str, point: usize) -> Option<&str> {
    let is_part = |character: char| character.is_ascii_digit() || character == ',';
    let start = text[..point].rfind(|character| !is_part(character)).map_or(0, |at| at + 1);
    let end = point + 1 + text[point + 1..].find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len() - point - 1);
    let code = text.get(start.checked_sub(4)?..start)?;
    let is_code = code.ends_with(' ') && code[..3].bytes().all(|byte| byte.is_ascii_uppercase());
    (is_code && start < point && end > point + 1).then(|| &text[start - 4..end])
}

fn shown(composed: &Composed) -> String {
    let text = format!("{}\n{}", composed.title, composed.document.plain_text());
    without_isolates(&text)
}

fn without_isolates(text: &str) -> String {
    text.replace(is_isolate, "")
}

/// The texts that an event and its order hold, as a template would show them.
fn values(sample: &samples::Sample) -> BTreeSet<String> {
    fn collect(value: &serde_json::Value, values: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::String(text) => drop(values.insert(orderbell::domain::text::one_line(text))),
            serde_json::Value::Array(items) => items.iter().for_each(|item| collect(item, values)),
            // Words of ours, which another test holds.
            serde_json::Value::Object(entries) => {
                entries.iter().filter(|(key, _)| *key != "detail").for_each(|(_, value)| collect(value, values));
            }
            _ => {}
        }
    }
    let mut values = BTreeSet::new();
    collect(&serde_json::to_value(&sample.event).unwrap(), &mut values);
    collect(&serde_json::to_value(&sample.order).unwrap(), &mut values);
    // Words of ours that templates translate, and times.
    values.retain(|value| value.len() > 2 && !value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'));
    values
}
