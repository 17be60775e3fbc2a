//! On a terminal it asks what nobody has said, and does only what the answers say.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use orderbell::sandbox::rules::Rules;
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::restore::{backed_up, beside, path, text};
use crate::support::Scene;
use crate::support::binary::orders;

const WAITING: &str = "Send it, or cancel it? [send/cancel] ";
const PUT: &str = "? [y/N] ";

/// A program at a terminal.
struct AtTerminal {
    child: Child,
    /// The other side of the terminal: what is written there was typed.
    hands: File,
    shown: String,
}

impl AtTerminal {
    fn run(command: &mut Command) -> Self {
        let hands = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&hands).and_then(|()| unlockpt(&hands)).expect("it is ours");
        let name = ptsname(&hands, Vec::new()).expect("it has a name");
        let side =
            || Stdio::from(rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it opens"));
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().expect("it starts");
        // The command holds ends of the terminal, which the reader would wait for.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self { child, hands: File::from(hands), shown: String::new() }
    }

    /// Types an answer when it is asked for.
    fn answer(&mut self, question: &str, answer: &str) {
        while !self.shown.ends_with(question) {
            let mut byte = [0];
            let read = self.hands.read(&mut byte).unwrap_or(0);
            assert_eq!(read, 1, "{question} is not asked: {}", self.shown);
            self.shown.extend(byte.map(char::from));
        }
        self.hands.write_all(format!("{answer}\n").as_bytes()).expect("typed");
    }

    /// Its exit code, and what the terminal showed.
    fn ended(mut self) -> (Option<i32>, String) {
        let mut rest = Vec::new();
        // Where nobody holds the terminal any more, reading is an error.
        let _ = self.hands.read_to_end(&mut rest);
        let code = self.child.wait().expect("it ends").code();
        (code, self.shown + &String::from_utf8_lossy(&rest))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nobody_has_said_is_asked_and_only_a_clear_answer_changes_anything() {
    let scene = Scene::new(Rules::new()).await;
    backed_up(&scene).await.daemon.stop().await;
    let (copy, configuration) = (path(&scene, "copy.db"), path(&scene, "orderbell.toml"));
    let restore = |more: &[&str], answers: &[(&str, &str)]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
        command.args(["restore", text(&copy), "--config", text(&configuration)]).args(more);
        let mut program = AtTerminal::run(&mut command);
        answers.iter().for_each(|(question, answer)| program.answer(question, answer));
        program.ended()
    };
    for (more, answers) in [
        (&[][..], &[(WAITING, "perhaps")][..]),
        (&[], &[(WAITING, "")]),
        (&[], &[(WAITING, "send"), (PUT, "")]),
        (&[], &[(WAITING, "cancel"), (PUT, "no")]),
        (&["--waiting", "send"], &[(PUT, "n")]),
    ] {
        let (code, shown) = restore(more, answers);
        assert_eq!(code, Some(1), "{answers:?}: {shown}");
        assert!(shown.contains("nothing was changed"), "{answers:?}: {shown}");
        assert_eq!((orders(&scene.store()), beside(&scene, ".orderbell-")), (vec![1, 2], vec![]), "{answers:?}");
    }
    let (code, shown) = restore(&[], &[(WAITING, " Cancel "), (PUT, "Yes")]);
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("1 delivery was cancelled"), "{shown}");
    assert_eq!(orders(&scene.store()), [1]);
}
