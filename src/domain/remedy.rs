//! Why a message was refused and what to change, by keys of the language files; and an answer's own words in the reader's
//! language.
//!
//! An answer is kept in English, as logs and commands show it. Whoever reads a message gets the same in the language of the
//! channel: what stands in the answer under a key is put as that language has it, so that rows stored before say it too.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::domain::language;
use crate::domain::language::Language;
use crate::domain::language::folders::LAST_RESORT;
use crate::domain::retry::{CLOSES, OPENS};

/// The tables of the language files that these words stand in.
const REMEDIES: &str = "remedy.";
const HTTP_ANSWERS: &str = "answer.http.";
/// What we say ourselves, of an attempt or of our own state.
const OWN_WORDS: &str = "said.";

/// A cause and its cure: the key of both in the language files, such as `dingtalk.keyword`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Remedy {
    pub key: &'static str,
}

impl Remedy {
    pub const fn of(key: &'static str) -> Self {
        Self { key }
    }

    /// What is wrong, as the end of a sentence.
    pub fn cause(self) -> &'static str {
        english(&format!("{REMEDIES}{}.cause", self.key))
    }

    /// What to change, as an order.
    pub fn cure(self) -> &'static str {
        english(&format!("{REMEDIES}{}.cure", self.key))
    }

    /// The short form that stands in the answer to a mail; empty where there is none.
    pub fn hint(self) -> &'static str {
        english(&format!("{REMEDIES}{}.hint", self.key))
    }
}

/// A cause and what to change, as a reader of this language gets them; `None` where they stand under no key, or the language has
/// no words for it.
pub fn in_language<'a>(cause: &str, cure: &str, reader: &'a Language) -> Option<(&'a str, &'a str)> {
    let known = language::built_in(LAST_RESORT)?;
    let of_key = |remedy: &str, part: &str| format!("{REMEDIES}{remedy}.{part}");
    let keys = known.keys().filter_map(|key| key.strip_prefix(REMEDIES)?.strip_suffix(".cause"));
    let is_meant = |remedy: &&str| {
        known.word(&of_key(remedy, "cause")) == Some(cause) && known.word(&of_key(remedy, "cure")) == Some(cure)
    };
    let mut found = keys.filter(is_meant);
    found.find_map(|remedy| Some((reader.word(&of_key(remedy, "cause"))?, reader.word(&of_key(remedy, "cure"))?)))
}

fn english(key: &str) -> &'static str {
    let words = language::built_in(LAST_RESORT);
    words.and_then(|words| words.word(key)).unwrap_or_default()
}

/// Each phrase of the last resort with its key, the longest first: a shorter one may be a part of it.
static KNOWN: LazyLock<Vec<(&str, Pattern)>> = LazyLock::new(|| {
    let english = language::built_in(LAST_RESORT);
    let keys = english.into_iter().flat_map(|english| english.keys().map(move |key| (english, key)));
    let mut known: Vec<_> =
        keys.filter_map(|(english, key)| Some((key, Pattern::of(&phrase(english, key)?)))).collect();
    known.sort_by_key(|(_, pattern)| std::cmp::Reverse(pattern.length()));
    known
});

/// A phrase with places for values: `the environment variable {name} is not set`.
struct Pattern {
    /// What stands before, between and behind the places.
    literals: Vec<String>,
    places: Vec<String>,
}

impl Pattern {
    fn of(phrase: &str) -> Self {
        let (mut literals, mut places) = (Vec::new(), Vec::new());
        let mut rest = phrase;
        while let Some((before, (place, behind))) =
            rest.split_once('{').and_then(|(before, behind)| Some((before, behind.split_once('}')?)))
        {
            literals.push(before.to_owned());
            places.push(place.to_owned());
            rest = behind;
        }
        literals.push(rest.to_owned());
        Self { literals, places }
    }

    fn length(&self) -> usize {
        self.literals.iter().map(String::len).sum()
    }

    /// Where it stands in a text, and what stands in its places. Every phrase begins with words of its own.
    fn find<'a>(&self, text: &'a str) -> Option<(std::ops::Range<usize>, Vec<&'a str>)> {
        let (first, others) = self.literals.split_first()?;
        let start = text.find(first.as_str()).filter(|_| !first.is_empty())?;
        let (mut end, mut values) = (start + first.len(), Vec::new());
        for literal in others {
            let rest = &text[end..];
            // A value at the end of a phrase is a word.
            let at = end
                + match literal.is_empty() {
                    true => rest.find([' ', ';', ',']).unwrap_or(rest.len()),
                    false => rest.find(literal.as_str())?,
                };
            values.push(&text[end..at]);
            end = at + literal.len();
        }
        Some((start..end, values))
    }

    /// The text with this phrase as `said` puts it.
    fn replaced(&self, text: &str, said: &str) -> String {
        let (mut out, mut rest) = (String::with_capacity(text.len()), text);
        while let Some((range, values)) = self.find(rest) {
            out.push_str(&rest[..range.start]);
            let filled = self
                .places
                .iter()
                .zip(values)
                .fold(said.to_owned(), |said, (place, value)| said.replace(&format!("{{{place}}}"), value));
            out.push_str(&filled);
            rest = &rest[range.end..];
        }
        out + rest
    }
}

/// An answer's own words as a reader of this language gets them; what the receiver said, in quotes, is not touched. What
/// stands under no key stays as it is.
pub fn localized<'a>(words: &'a str, reader: &Language) -> Cow<'a, str> {
    if reader.tag == LAST_RESORT {
        return Cow::Borrowed(words);
    }
    let (mut out, mut rest) = (String::with_capacity(words.len()), words);
    while !rest.is_empty() {
        let (own, behind) = rest.split_at(rest.find(OPENS).unwrap_or(rest.len()));
        out.push_str(&translated(own, reader));
        let (said, next) = behind.split_at(behind.find(CLOSES).map_or(behind.len(), |at| at + CLOSES.len_utf8()));
        out.push_str(said);
        rest = next;
    }
    if out == words { Cow::Borrowed(words) } else { Cow::Owned(out) }
}

/// Words of our own, phrase by phrase.
fn translated(own: &str, reader: &Language) -> String {
    let said = KNOWN.iter().fold(own.to_owned(), |own, (key, pattern)| match phrase(reader, key) {
        Some(said) if pattern.find(&own).is_some() => pattern.replaced(&own, &said),
        _ => own,
    });
    let marks = [(": ", "format.colon"), ("; ", "answer.semicolon")];
    marks.iter().fold(said, |said, (mark, key)| said.replace(mark, reader.word(key).unwrap_or(mark)))
}

/// What stands beside a code for a key of the language files, in the form that this language gives it.
fn phrase(language: &Language, key: &str) -> Option<String> {
    let word = |key: &str| language.word(key);
    let inner = if let Some(remedy) = key.strip_prefix(REMEDIES).and_then(|key| key.strip_suffix(".cause")) {
        let (cause, cure) = (word(key)?, word(&format!("{REMEDIES}{remedy}.cure"))?);
        word("answer.remedy")?.replace("{cause}", cause).replace("{cure}", cure)
    } else if key.starts_with(OWN_WORDS) {
        return word(key).map(str::to_owned);
    } else if key.starts_with(HTTP_ANSWERS) || key.starts_with(REMEDIES) && key.ends_with(".hint") {
        word(key)?.to_owned()
    } else {
        return None;
    };
    Some(word("answer.beside")?.replace("{words}", &inner))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_said_in_the_readers_language_and_what_nobody_knows_stays() {
        let said = |words: &str, tag: &str| localized(words, language::built_in(tag).unwrap()).into_owned();
        let disabled = "order.placed 7: errcode 400102 (the robot is disabled: enable it in the group's settings)";
        assert_eq!(said(disabled, "zh-CN"), "order.placed 7：errcode 400102（机器人已被停用：在群设置里启用它）");
        assert_eq!(said(disabled, "en"), disabled);
        assert_eq!(said("HTTP 502 (trouble at the receiver)", "zh-CN"), "HTTP 502（对方服务器出错）");
        let mailbox = "RCPT TO c***@x.y: 552 5.2.2 (the mailbox is full)";
        assert_eq!(said(mailbox, "zh-CN"), "RCPT TO c***@x.y：552 5.2.2（收件箱已满）");
        assert_eq!(said("errcode 4 (something new)", "zh-CN"), "errcode 4 (something new)");
    }

    #[test]
    fn a_cause_and_its_cure_are_said_in_the_readers_language() {
        let (cause, cure) = (Remedy::of("dingtalk.keyword").cause(), Remedy::of("dingtalk.keyword").cure());
        let in_chinese = in_language(cause, cure, language::built_in("zh-CN").unwrap());
        assert_eq!(in_chinese.map(|(cause, _)| cause), Some("机器人要求消息中含有关键词"));
        assert_eq!(in_language(cause, cure, language::built_in("en").unwrap()), Some((cause, cure)));
        assert_eq!(in_language(cause, "pray", language::built_in("zh-CN").unwrap()), None);
    }

    #[test]
    fn what_we_say_ourselves_is_in_the_readers_language_and_what_the_receiver_said_is_not_touched() {
        let said = |words: &str| localized(words, language::built_in("zh-CN").unwrap()).into_owned();
        for (words, expected) in [
            ("not connected: timed out while connecting, by way of the proxy", "未连上：连接超时（经由代理）"),
            (
                "not connected: the connection failed: “timed out: connection refused”",
                "未连上：连接失败：“timed out: connection refused”",
            ),
            ("a: HTTP 503: “timed out”; b: no answer: timed out", "a：HTTP 503：“timed out”；b：没有应答：超时"),
            (
                "connecting: the server's certificate has expired on 2026-01-01",
                "连接时：服务器的证书已于 2026-01-01 过期",
            ),
            ("DATA, to c***@x.y: 451 4.3.0", "DATA（收件人 c***@x.y）：451 4.3.0"),
            (
                "nothing is sent without its secret: the environment variable OFFICE is not set",
                "缺少密钥，什么也不发送：环境变量 OFFICE 没有设置",
            ),
            ("owner: waiting; office: dead", "owner：等待中；office：已放弃"),
            ("", ""),
        ] {
            assert_eq!(said(words), expected);
        }
    }
}
