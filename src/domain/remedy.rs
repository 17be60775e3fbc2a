//! Why a message was refused and what to change, by keys of the language files; and an answer's own words in the reader's
//! language.
//!
//! An answer is kept in English, as logs and commands show it. Whoever reads a message gets the same in the language of the
//! channel: what stands in the answer under a key is put as that language has it, so that rows stored before say it too.

use std::borrow::Cow;
use std::sync::LazyLock;

use crate::domain::language;
use crate::domain::language::Language;

/// The tables of the language files that these words stand in.
const REMEDIES: &str = "remedy.";
const HTTP_ANSWERS: &str = "answer.http.";

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

fn english(key: &str) -> &'static str {
    let words = language::built_in().get(language::LAST_RESORT);
    words.and_then(|words| words.word(key)).unwrap_or_default()
}

/// Each phrase of the last resort with its key, the longest first: a shorter one may be a part of it.
static KNOWN: LazyLock<Vec<(&str, String)>> = LazyLock::new(|| {
    let english = language::built_in().get(language::LAST_RESORT);
    let keys = english.into_iter().flat_map(|english| english.keys().map(move |key| (english, key)));
    let mut known: Vec<_> = keys.filter_map(|(english, key)| Some((key, phrase(english, key)?))).collect();
    known.sort_by_key(|(_, phrase)| std::cmp::Reverse(phrase.len()));
    known
});

/// An answer's own words as a reader of this language gets them. What stands under no key stays as it is.
pub fn localized<'a>(words: &'a str, reader: &Language) -> Cow<'a, str> {
    let found = KNOWN.iter().filter(|(_, known)| words.contains(known));
    found.fold(Cow::Borrowed(words), |words, (key, known)| match phrase(reader, key) {
        Some(said) if words.contains(known) => Cow::Owned(words.replace(known, &said)),
        _ => words,
    })
}

/// What stands beside a code for a key of the language files, in the form that this language gives it.
fn phrase(language: &Language, key: &str) -> Option<String> {
    let word = |key: &str| language.word(key);
    let inner = if let Some(remedy) = key.strip_prefix(REMEDIES).and_then(|key| key.strip_suffix(".cause")) {
        let (cause, cure) = (word(key)?, word(&format!("{REMEDIES}{remedy}.cure"))?);
        word("answer.remedy")?.replace("{cause}", cause).replace("{cure}", cure)
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
        let said = |words: &str, tag: &str| localized(words, &language::built_in()[tag]).into_owned();
        let disabled = "order.placed 7: errcode 400102 (the robot is disabled: enable it in the group's settings)";
        assert_eq!(said(disabled, "zh-CN"), "order.placed 7: errcode 400102（机器人已被停用：在群设置里启用它）");
        assert_eq!(said(disabled, "en"), disabled);
        assert_eq!(said("HTTP 502 (trouble at the receiver)", "zh-CN"), "HTTP 502（对方服务器出错）");
        let mailbox = "RCPT TO c***@x.y: 552 5.2.2 (the mailbox is full)";
        assert_eq!(said(mailbox, "zh-CN"), "RCPT TO c***@x.y: 552 5.2.2（收件箱已满）");
        assert_eq!(said("errcode 4 (something new)", "zh-CN"), "errcode 4 (something new)");
    }
}
