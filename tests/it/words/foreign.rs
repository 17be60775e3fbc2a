//! That nothing of ours stays English in Chinese: each English word in what a Chinese reader gets is a value of the event, a
//! name, or the words of a command or a receiver in quotes.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use orderbell::channel::Channel;
use orderbell::domain::document::{Block, Document, inline_text};
use orderbell::domain::event::Kind;
use orderbell::domain::figures::sample;
use orderbell::domain::language;
use orderbell::domain::language::folders::WORDS;
use orderbell::domain::mail;
use orderbell::domain::message::PartForm;
use orderbell::domain::template::Templates;
use serde_json::Value;

use crate::words::golden::{mailbox, message, texts};
use crate::words::reports::report_text;
use crate::words::walk::walk;

const CHINESE: &str = "zh-CN";

/// Names that are the same in every language: products, keys of the configuration, codes, units, the channels of the samples.
#[rustfmt::skip]
const NAMES: [&str; 32] = [
    "Orderbell", "orderbell", "why", "Webhook", "OAuth", "errcode", "smtp", "smtps", "app_id", "app_secret", "public_url",
    "registered_url", "secret", "password", "verify", "allow_private", "silent_after", "fields", "route", "to", "cc", "from",
    "when", "ca_file", "gzip", "GiB", "MiB", "timedatectl", "owner", "token", "key", "custom",
];

/// The English words of a text: those with a small letter in them that stand outside of quotes and back-ticks, are no part of an
/// address, and are neither known nor a name.
pub fn english(text: &str, known: &BTreeSet<String>) -> Vec<String> {
    let mut shown = String::with_capacity(text.len());
    let mut within: Option<char> = None;
    // Addresses are written so that no reader makes links of them.
    for character in text.replace("：//", "://").chars() {
        match (within, character) {
            (None, '“') => within = Some('”'),
            (None, '`') => within = Some('`'),
            (None, other) => shown.push(other),
            (Some(end), other) if end == other => within = None,
            (Some(_), _) => {}
        }
    }
    let is_address = |word: &str| word.contains('/') || word.contains('@');
    let wide = |character: char| !character.is_ascii() || character.is_whitespace();
    let pieces = shown.split(wide).filter(|piece| !is_address(piece));
    let words = pieces.flat_map(words_of);
    words.filter(|word| !known.contains(word) && !is_name(word)).collect()
}

/// Also what the kinds of events are made of, and what the remedies have in back-ticks: keys and commands.
fn is_name(word: &str) -> bool {
    static OTHERS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
        let english = language::built_in("en").unwrap();
        let remedies = english.keys().filter(|key| key.starts_with("remedy.")).filter_map(|key| english.word(key));
        let code = remedies.flat_map(|remedy| remedy.split('`').skip(1).step_by(2)).flat_map(words_of);
        code.chain(Kind::ALL.iter().flat_map(|kind| words_of(&kind.to_string()))).collect()
    });
    NAMES.contains(&word) || OTHERS.contains(word)
}

fn words_of(text: &str) -> Vec<String> {
    let split = text.split(|character: char| !character.is_ascii_alphanumeric() && character != '_');
    let is_word = |word: &&str| {
        word.bytes().filter(u8::is_ascii_alphabetic).count() > 1 && word.bytes().any(|byte| byte.is_ascii_lowercase())
    };
    split.filter(is_word).map(str::to_owned).collect()
}

/// Every word of the values of an event, but for what is said of Orderbell itself: that is ours to put into Chinese.
fn values(value: &Value, known: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => known.extend(words_of(text)),
        Value::Array(items) => items.iter().for_each(|item| values(item, known)),
        Value::Object(members) => {
            let is_ours = |key: &str| {
                key == "detail" && members.contains_key("topic") || key == "reason" && members.contains_key("channel")
            };
            members.iter().filter(|(key, _)| !is_ours(key)).for_each(|(_, value)| values(value, known));
        }
        _ => {}
    }
}

fn values_of(of: &[&Value]) -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    of.iter().for_each(|value| values(value, &mut known));
    known
}

fn json<T: serde::Serialize>(of: &T) -> Value {
    serde_json::to_value(of).unwrap()
}

/// Diagnostics of commands are quoted in English, and said to be English.
fn without_diagnostics(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.trim_start_matches("> ").starts_with("检查结果（英文）"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Colons behind Chinese words and behind keys are wide ones, and no minus sign is a hyphen.
fn marks(document: &Document) -> Vec<String> {
    let mut wrong = Vec::new();
    for block in &document.blocks {
        if let Block::Fields(fields) = block {
            let narrow = fields.iter().filter(|field| field.colon.as_str() != "：");
            wrong.extend(narrow.map(|field| format!("{}:", inline_text(&field.key))));
        }
    }
    walk(document, &mut |sort, text| {
        let letters: Vec<char> = text.chars().collect();
        let is_han = |character: &char| matches!(character, '\u{4e00}'..='\u{9fff}');
        let narrow = letters.windows(2).any(|pair| is_han(&pair[0]) && pair[1] == ':');
        if sort == "text" && narrow {
            wrong.push(text.to_owned());
        }
    });
    wrong
}

#[test]
fn no_message_leaves_english_in_chinese() {
    let templates = Templates::built_in().unwrap();
    let mut faults = Vec::new();
    let samples = texts(&templates, CHINESE, "email");
    assert!(samples.len() > 100);
    for (name, composed, sample) in samples {
        // What no template of ours knows, and what stands for anything at all.
        if matches!(name.as_str(), "operator.notice.disc_full" | "order.placed.hostile") {
            continue;
        }
        let mut known = values_of(&[&json(&sample.event), &json(&sample.order)]);
        // The name of a source, of an encoding, or of an instance; a reason that is quoted, and said to be English.
        const NAMED: [&str; 6] = ["unrouted", "encoding", "configurations", "versions", "names", "backup"];
        let notice = sample.event.data.notice().into_iter().filter(|notice| NAMED.contains(&notice.topic.as_str()));
        known.extend(notice.filter_map(|notice| notice.detail.as_deref()).flat_map(words_of));
        let wrong = marks(&composed.document);
        let mail = &mailbox(CHINESE).write(&message(&sample, composed), PartForm::Full)[0].body;
        let opened = mail::open(mail.split_once("\r\n").unwrap().1);
        let text = without_diagnostics(&opened.text.unwrap());
        let left = english(&text, &known);
        if !left.is_empty() || !wrong.is_empty() {
            faults.push(format!("{name}: {left:?} {wrong:?}\n{text}\n"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn no_report_and_no_table_leaves_english_in_chinese() {
    let mut faults = Vec::new();
    for (name, sample) in sample::all("daily") {
        let report = sample.report();
        let known = values_of(&[&json(&report)]);
        let (text, table) = report_text(&mailbox(CHINESE), CHINESE, &report, &sample.table());
        let left = english(&text, &known);
        let table = english(&table, &known);
        if !left.is_empty() || !table.is_empty() {
            faults.push(format!("{name}: {left:?} {table:?}\n{text}\n"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn a_language_has_every_word_that_english_has() {
    let english = language::built_in("en").unwrap();
    let chinese = language::built_in(CHINESE).unwrap();
    let read = |file: &str| {
        let path = format!("{}/templates/{CHINESE}/{file}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).unwrap().parse::<toml::Table>().unwrap()
    };
    let own: toml::Table = WORDS.iter().flat_map(|file| read(file)).collect();
    let has = |key: &str| {
        let mut at = Some(&own);
        let mut path = key.split('.').peekable();
        while let Some(name) = path.next() {
            match at.and_then(|table| table.get(name)) {
                Some(toml::Value::Table(table)) => at = Some(table),
                Some(_) => return path.peek().is_none(),
                None => return false,
            }
        }
        false
    };
    // Chinese has one form for every count.
    let of_the_language = |key: &str| key.starts_with("language.") || key.starts_with("month.");
    let is_missing = |key: &&str| !key.ends_with(".one") && !of_the_language(key) && !has(key);
    let missing: Vec<&str> = english.keys().filter(is_missing).collect();
    assert!(missing.is_empty() && chinese.keys().count() > 300, "{missing:?}");
}

#[test]
fn an_english_word_is_found_unless_it_is_a_value_a_name_or_quoted() {
    let known = BTreeSet::from(["Lemon".to_owned(), "tea".to_owned()]);
    let found = english(
        "订单 Lemon tea：not connected，“orderbell check” `keyword` HKD errcode 7 https://a.b/x c***@x.y",
        &known,
    );
    assert_eq!(found, ["not", "connected"]);
}

/// Of these the code has the pieces, or they are the words of the resolver, of SQLite or of the operating system.
#[rustfmt::skip]
const COMPOSED: [&str; 20] = [
    "header_name", "header_value", "client_error", "lookup", "name_unknown", "name_later", "name_without_address",
    "fault_writing", "fault_sending", "ended_by_panic", "ended_by_itself", "database_cut", "log_damaged_events",
    "events_not_there", "disk_full", "read_only", "locked", "no_such_os_file", "os_denied", "os_full",
];

#[test]
fn what_is_put_into_chinese_is_what_the_code_says() {
    fn sources(folder: &std::path::Path, out: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => sources(&path, out),
                false => out.push_str(&std::fs::read_to_string(&path).unwrap_or_default()),
            }
        }
    }
    let mut code = String::new();
    sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut code);
    let code = code.replace("\\\"", "\"");
    let english = language::built_in("en").unwrap();
    let mut stale = Vec::new();
    for key in english.keys().filter_map(|key| key.strip_prefix("said.")).filter(|key| !COMPOSED.contains(key)) {
        let phrase = english.word(&format!("said.{key}")).unwrap();
        let phrase = phrase.strip_prefix("the server's certificate ").unwrap_or(phrase);
        let pieces = phrase.split('{').map(|piece| piece.split_once('}').map_or(piece, |(_, rest)| rest));
        let longest = pieces.max_by_key(|piece| piece.len()).unwrap().trim_matches([' ', ':', '(', ')']);
        if !code.contains(longest) {
            stale.push(format!("{key}: {longest}"));
        }
    }
    assert!(stale.is_empty(), "{stale:?}");
}
