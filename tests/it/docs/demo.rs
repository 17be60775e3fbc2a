//! The demo as the first page promises it: short, beginning with the message that stands there, ending with what to do next.

use std::process::{Command, Output};

use crate::docs::page::Page;

fn demo(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.arg("demo").args(arguments).current_dir(folder.path());
    for name in ["ORDERBELL_CONFIG", "ORDERBELL_LOG", "ORDERBELL_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn printed(done: &Output) -> String {
    assert!(
        done.status.success(),
        "{}{}",
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    String::from_utf8(done.stdout.clone()).unwrap()
}

/// Numbers and times differ each time; blanks at the end of a line are DingTalk's marks for line breaks.
fn without_numbers(text: &str) -> Vec<String> {
    let lines = text.lines().map(|line| {
        let letters: String =
            line.trim_end().chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
        letters
    });
    lines.collect()
}

#[test]
fn the_demo_is_short_and_begins_with_the_message_of_the_first_page() {
    let shown = printed(&demo(&["--once"]));
    let readme = Page::read("README.md");
    let promised = readme.fences().into_iter().find(|fence| fence.text.starts_with("── ")).expect("its beginning");
    let (promised, all) = (without_numbers(&promised.text), without_numbers(&shown));
    let first = all.iter().position(|line| line.starts_with("── ")).expect("a webhook");
    assert_eq!(all[first..first + promised.len()], promised, "{shown}");

    assert!(all.len() < 150, "{} lines:\n{shown}", all.len());
    assert!(!shown.contains("\": "), "no JSON without --verbose:\n{shown}");
    assert!(shown.contains("新订单 #"), "{shown}");
    let (_, end) = shown.split_once("Every webhook has reached every channel that it should.").expect("its result");
    for next in ["demo --verbose", "init --source keeta=keeta-hk", "docs/getting-started.md"] {
        assert!(end.contains(next), "{next} is not said at the end:\n{end}");
    }
}

#[test]
fn the_demo_shows_every_message_whole_when_asked() {
    let shown = printed(&demo(&["--once", "--verbose"]));
    assert!(shown.contains("\"kind\": \"order.placed\"") && shown.contains("── WebHook receiver till"), "{shown}");
    assert!(shown.contains("── Mailbox accounts@example.com"), "{shown}");
    assert!(shown.lines().count() > 2_000, "{} lines", shown.lines().count());
}
