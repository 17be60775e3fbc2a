//! Names that mix scripts, turn the direction, stack marks or are emoji, in every language and on every channel: they can be
//! read, and they change nothing but themselves.

use orderbell::channel::Channel;
use orderbell::channel::email::html;
use orderbell::channel::email::look::Look;
use orderbell::domain::bidi::{is_isolate, paired};
use orderbell::domain::event::Kind;
use orderbell::domain::language::folders::built_in_folders;
use orderbell::domain::mail;
use orderbell::domain::message::{Message, PartForm};
use orderbell::domain::template::Templates;
use orderbell::domain::text::one_line;

use crate::words::channels::writers;
use crate::words::golden::{mailbox, message};
use crate::words::hostile::saying;
use crate::words::samples;

pub const TRICKS: [&str; 9] = [
    "Tea شاي 茶 тé",
    "\u{202e}gnp.exe\u{202c} \u{202d}x",
    "\u{2067}\u{2066}open \u{2068}isolates",
    "closed\u{2069}\u{2069}\u{2069} isolates",
    "marks \u{200f}\u{200e}\u{61c} a",
    "e\u{301}\u{301}\u{301} شُّكْرًا",
    "👨\u{200d}👩\u{200d}👧 🇸🇦 👍🏽",
    "(5-3) × 2 = 4 شاي, 10%",
    "שלום 12-3 world",
];

/// What no text may hold that is shown: whatever turns what stands behind it.
fn turns(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

fn subject(language: &str, message: &Message) -> String {
    let mail = &mailbox(language).write(message, PartForm::Full)[0].body;
    mail::open(mail.split_once("\r\n").unwrap().1).header("subject").unwrap().to_owned()
}

#[test]
fn a_name_that_turns_the_direction_is_read_as_it_is_and_changes_nothing_else() {
    let templates = Templates::built_in().unwrap();
    let timezone = samples::riyadh();
    let kinds = [Kind::OrderPlaced, Kind::OrderCancelled, Kind::OrderDelivery];
    for language in built_in_folders() {
        for (trick, kind) in TRICKS.iter().flat_map(|trick| kinds.iter().map(move |kind| (*trick, kind))) {
            let sample = saying(trick, kind.clone());
            let composed = templates.compose(&sample.view(language, &timezone)).unwrap();
            let place = format!("{trick:?} in {kind} in {language}");
            assert_eq!(paired(&composed.title), composed.title, "{place}");
            let page = html::page(language, Look::Good, &composed.document.blocks);
            let message = message(&sample, composed);
            let subject = subject(language, &message);
            assert!(!subject.contains(turns) && paired(&subject) == subject, "{place}: {subject}");
            let shown = writers().into_iter().flat_map(|writer| {
                let parts = writer.channel.write(&message, PartForm::Full);
                parts.iter().map(|part| (writer.name, (writer.shown)(part).plain_text())).collect::<Vec<_>>()
            });
            for (writer, text) in shown.chain([("HTML", page)]) {
                assert!(!text.contains(turns), "{place}, {writer}: {text}");
                for line in text.lines() {
                    assert_eq!(paired(line), line, "{place}, {writer}");
                }
                let text: String = text.chars().filter(|character| !is_isolate(*character)).collect();
                assert!(text.contains(&one_line(trick)), "{place}, {writer}: {text}");
            }
        }
    }
}
