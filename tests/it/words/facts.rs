//! Every sample in every language through every channel: within the limits, and with each word of its document in what readers
//! see. The words themselves are held by the snapshots of documents, each dialect by those of a few.

use std::slice;

use orderbell::channel::Channel;
use orderbell::channel::email::html;
use orderbell::channel::email::look::Look;
use orderbell::domain::document::Document;
use orderbell::domain::language::folders::built_in_folders;
use orderbell::domain::mail;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::template::Templates;
use serde_json::Value;

use crate::words::channels::{Writer, writers};
use crate::words::golden::{mailbox, message, robot, texts};
use crate::words::walk::{addresses, walk};

/// The words of a document in the sequence in which one reads them.
fn words(document: &Document) -> Vec<String> {
    let mut words = Vec::new();
    walk(document, &mut |sort, piece| {
        if sort == "text" {
            words.extend(plain(piece).split_whitespace().map(str::to_owned));
        }
    });
    words
}

/// Look-alikes of marks, which some dialects write for want of an escape, as what they look like.
fn plain(text: &str) -> String {
    let narrow = |character| match character {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(character) - 0xfee0).expect("a mark of ASCII"),
        '\u{a0}' => ' ',
        _ => character,
    };
    text.chars().map(narrow).collect()
}

/// What readers see of all parts, one behind the other.
fn shown(writer: &Writer, parts: &[Part]) -> String {
    let shown = parts.iter().map(|part| (writer.shown)(part).plain_text());
    plain(&shown.collect::<Vec<_>>().join("\n"))
}

/// What a mail program shows of HTML.
fn shown_of_html(html: &str) -> String {
    let tags = html.split('<').map(|piece| piece.split_once('>').map_or(piece, |(_, text)| text));
    let text = tags.collect::<Vec<_>>().join(" ");
    let entities = [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    plain(&entities.iter().fold(text, |text, (entity, character)| text.replace(entity, character)))
}

/// The first word that is not where it should be: behind the words before it.
fn lost<'a>(words: &'a [String], shown: &str) -> Option<&'a str> {
    let mut rest = shown;
    for word in words {
        match rest.find(word.as_str()) {
            Some(at) => rest = &rest[at + word.len()..],
            None => return Some(word),
        }
    }
    None
}

#[test]
fn every_channel_says_every_word_of_every_sample_in_every_language_within_its_limit() {
    let templates = Templates::built_in().unwrap();
    let mut messages = 0;
    for writer in writers() {
        for language in built_in_folders() {
            for (name, composed, sample) in texts(&templates, language, writer.channel.kind()) {
                let place = format!("{}, {language}, {name}", writer.name);
                let (words, addresses) = (words(&composed.document), addresses(slice::from_ref(&composed.document)));
                let message = message(&sample, composed);
                for form in [PartForm::Full, PartForm::Halved(1), PartForm::Reduced] {
                    let limit = (writer.limit)(u8::from(form == PartForm::Halved(1)));
                    let parts = writer.channel.write(&message, form);
                    for part in &parts {
                        let size = (writer.size)(part);
                        assert!(size <= limit, "{place}, {form:?}: {size} of {limit}: {}", part.body);
                        assert_eq!((writer.faults)(part), [""; 0], "{place}, {form:?}: {}", part.body);
                    }
                    // The reduced form leaves out what buyers and templates say beside the facts.
                    if form != PartForm::Reduced {
                        let shown = shown(&writer, &parts);
                        assert_eq!(lost(&words, &shown), None, "{place}, {form:?}:\n{shown}");
                        let is_shown = |address: &String| shown.contains(address);
                        assert!(addresses.iter().all(is_shown), "{place}, {form:?}: {addresses:?}\n{shown}");
                    }
                    messages += 1;
                }
            }
        }
    }
    assert!(messages > 2_000, "{messages}");
}

#[test]
fn the_html_of_every_mail_says_every_word_in_every_language() {
    let templates = Templates::built_in().unwrap();
    for language in built_in_folders() {
        for (name, composed, sample) in texts(&templates, language, "email") {
            let look = Look::of(&message(&sample, composed.clone()));
            let html = html::content(look, &composed.document.blocks);
            let shown = shown_of_html(&html);
            // In the head a line ends where a dot stands.
            let words: Vec<String> = words(&composed.document).into_iter().filter(|word| word != "·").collect();
            assert_eq!(lost(&words, &shown), None, "{language}, {name}:\n{shown}");
            for address in addresses(slice::from_ref(&composed.document)) {
                assert!(html.contains(&address.replace('&', "&amp;")), "{language}, {name}: {address}\n{html}");
            }
        }
    }
}

#[test]
fn every_title_is_the_line_of_a_chat_list_and_the_subject_of_a_mail_that_is_of_no_order() {
    let templates = Templates::built_in().unwrap();
    let robot = robot("");
    for language in built_in_folders() {
        let mailbox = mailbox(language);
        for (name, composed, sample) in texts(&templates, language, "dingtalk") {
            let (title, message) = (composed.title.clone(), message(&sample, composed));
            let body: Value = serde_json::from_str(&robot.write(&message, PartForm::Full)[0].body).unwrap();
            let line = body["markdown"]["title"].as_str().unwrap();
            // A longer one is cut.
            let begins = line.strip_suffix('…').is_some_and(|line| title.starts_with(line) && line.len() > 60);
            assert!(line == title || begins, "{language}, {name}: {line} of {title}");
            if sample.order.is_none() {
                let mail = &mailbox.write(&message, PartForm::Full)[0].body;
                let opened = mail::open(mail.split_once("\r\n").unwrap().1);
                let subject = opened.header("subject").unwrap();
                assert_eq!(subject.strip_suffix(" · Orderbell").unwrap_or(subject), title, "{language}, {name}");
                let is_shouted = !subject.contains(|letter: char| letter.is_ascii_lowercase());
                assert!(!is_shouted || !subject.contains(|letter: char| letter.is_ascii_uppercase()), "{subject}");
            }
        }
    }
}

#[test]
fn a_word_that_is_left_out_or_stands_elsewhere_is_missed() {
    let words = ["SAR", "46.00", "no", "peanuts"].map(str::to_owned);
    assert_eq!(lost(&words, "SAR 46.00, no peanuts"), None);
    assert_eq!(lost(&words, "SAR 46.0, no peanuts"), Some("46.00"));
    assert_eq!(lost(&words, "no peanuts, SAR 46.00"), Some("no"));
    assert_eq!(shown_of_html("<p class=\"a\">fish&nbsp;&amp; <b>chips</b> &amp;lt;</p>"), " fish &  chips  &lt; ");
}
