//! The demo as the first page promises it: short, beginning with the message that stands there, ending with what to do next.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output};

use crate::docs::page::Page;
use crate::support::running::Running;

fn demo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.arg("demo").args(arguments);
    for name in ["ORDERBELL_CONFIG", "ORDERBELL_LOG", "ORDERBELL_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command
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

/// Numbers and times differ each time, and near midnight a time has its day; blanks at the end of a line are DingTalk's marks
/// for line breaks.
fn without_numbers(text: &str) -> Vec<String> {
    let month = |word: &str| word.len() == 3 && word.chars().all(|letter| letter.is_ascii_alphabetic());
    let lines = text.lines().map(|line| {
        let letters: String =
            line.trim_end().chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
        let words: Vec<&str> = letters.split(' ').collect();
        let is_day = |at: usize| {
            let next = |ahead: usize| words.get(at + ahead).copied().unwrap_or_default();
            matches!(next(0), "0" | "00") && month(next(1)) && next(2) == "00:00"
        };
        let kept = (0..words.len()).filter(|at| !is_day(*at) && (*at == 0 || !is_day(at - 1)));
        kept.map(|at| words[at]).collect::<Vec<_>>().join(" ")
    });
    lines.collect()
}

#[test]
fn a_time_of_the_next_day_counts_as_a_time() {
    assert_eq!(without_numbers("Expected 30 Nov 00:04"), without_numbers("Expected 12:30"));
    assert_ne!(without_numbers("Expected 30 Nov"), without_numbers("Expected 12:30"));
}

#[test]
fn the_demo_is_short_and_begins_with_the_message_of_the_first_page() {
    let shown = printed(&demo(&["--once"]).output().unwrap());
    let readme = Page::read("README.md");
    let promised = readme.fences().into_iter().find(|fence| fence.text.starts_with("── ")).expect("its beginning");
    let (promised, all) = (without_numbers(&promised.text), without_numbers(&shown));
    let first = all.iter().position(|line| line.starts_with("── ")).expect("a webhook");
    assert_eq!(all[first..first + promised.len()], promised, "{shown}");

    assert!(all.len() < 150, "{} lines:\n{shown}", all.len());
    assert!(!shown.contains("\": "), "no JSON without --verbose:\n{shown}");
    assert!(shown.contains("新订单 #"), "{shown}");
    assert!(shown.contains("HKD 46.00") && !shown.contains("SAR") && !shown.contains("CNY"), "{shown}");
    let (_, end) = shown.split_once("Every webhook has reached every channel that it should.").expect("its result");
    for next in ["demo --verbose", "init --source keeta=keeta-hk", "docs/getting-started.md"] {
        assert!(end.contains(next), "{next} is not said at the end:\n{end}");
    }
}

#[test]
fn the_demo_shows_every_message_whole_when_asked() {
    let shown = printed(&demo(&["--once", "--verbose"]).output().unwrap());
    assert!(shown.contains("\"kind\": \"order.placed\"") && shown.contains("── WebHook receiver till"), "{shown}");
    assert!(shown.contains("── Mailbox accounts@example.com"), "{shown}");
    assert!(shown.lines().count() > 2_000, "{} lines", shown.lines().count());
}

#[test]
fn the_demo_says_what_it_waits_for_when_that_takes_long() {
    let running = Running::start(demo(&["--once"]));
    let said = running.until("get the messages");
    let address = said.trim_start_matches("http://").split(' ').next().unwrap();
    let body = r#"{"fault":"delay","delay_ms":2600,"times":1}"#;
    let mut stream = TcpStream::connect(address).unwrap();
    let head =
        format!("POST /control/fault/till HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let waits = running.until("waiting until ");
    assert!(waits.ends_with(" has reached its channels …"), "{waits}");
    running.until("Every webhook has reached every channel that it should.");
}
