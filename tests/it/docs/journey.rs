//! Whoever follows the first page alone, from a bare checkout, gets an order in the simulated robot: in every language, by
//! the commands that stand there and no other.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::docs::page::{Fence, Page, at, first_pages};
use crate::support::address::own_address;
use crate::support::running::Running;

/// Longer than anything here takes.
const TOO_LONG: Duration = Duration::from_secs(60);

/// Stands for the compiler and for the administrator: the program is built already, and is installed into the test's folder.
const CARGO: &str = "#!/bin/sh
[ \"$*\" = 'build --release' ] || { echo \"no such build: $*\" >&2; exit 1; }
mkdir -p target/release && ln -sf \"$BUILT\" target/release/orderbell
";
const SUDO: &str = "#!/bin/sh
[ \"$*\" = 'install -m 755 target/release/orderbell /usr/local/bin/' ] || { echo \"not allowed: $*\" >&2; exit 1; }
ln -sf \"$(readlink target/release/orderbell)\" \"$TOOLS/orderbell\"
";

/// The blocks to type of the chapter that has the simulated robot.
fn steps(page: &Page) -> Vec<Fence> {
    let fences = page.fences();
    let robot = fences.iter().find(|fence| fence.language == "sh" && fence.text.contains("orderbell sandbox\n"));
    let robot = robot.expect("the simulated robot").line;
    let headings = || page.text.lines().zip(1..).filter(|(line, _)| line.starts_with("## ")).map(|(_, number)| number);
    let begin = headings().filter(|line| *line < robot).max().expect("a chapter");
    let end = headings().find(|line| *line > robot).unwrap_or(usize::MAX);
    fences.into_iter().filter(|fence| fence.language == "sh" && (begin..end).contains(&fence.line)).collect()
}

/// Types each block in a terminal of its own, in the checkout, and reads on until the robot has got this.
fn follow(page: &Page, expected: &str) {
    let home = tempfile::tempdir().unwrap();
    let tools = home.path().join("bin");
    let checkout = home.path().join("checkout");
    for folder in [&tools, &checkout] {
        std::fs::create_dir(folder).unwrap();
    }
    for (name, script) in [("cargo", CARGO), ("sudo", SUDO)] {
        std::fs::write(tools.join(name), script).unwrap();
        std::fs::set_permissions(tools.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    // The ports of the page may be taken on this machine.
    let (daemon, robots, mail) = (own_address().to_string(), own_address().to_string(), own_address().to_string());
    let terminal = |script: &str| {
        let mut bash = Command::new("bash");
        bash.args(["-e", "-c", script]).current_dir(&checkout).stdin(Stdio::null());
        let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
        bash.env("PATH", path)
            .env("HOME", home.path())
            .env("TOOLS", &tools)
            .env("BUILT", env!("CARGO_BIN_EXE_orderbell"));
        bash.env_remove("ORDERBELL_CONFIG").env_remove("ORDERBELL_LOG").env_remove("ORDERBELL_LOG_FORMAT");
        bash
    };
    let mut running: Vec<(&str, Running)> = Vec::new();
    for step in steps(page) {
        let script = step.text.replace("127.0.0.1:8789", &robots);
        let stays =
            ["orderbell sandbox", "orderbell serve"].into_iter().find(|command| script.trim().ends_with(command));
        match stays {
            Some("orderbell sandbox") => {
                let script = script
                    .replace("orderbell sandbox", &format!("exec orderbell sandbox --listen {robots} --mail {mail}"));
                let sandbox = Running::start(terminal(&script));
                sandbox.until("listening on");
                running.push(("sandbox", sandbox));
            }
            Some(_) => {
                let serving = Running::start(terminal(&script.replace("orderbell serve", "exec orderbell serve")));
                serving.until("webhooks are taken at");
                until_it_answers(&daemon);
                running.push(("serve", serving));
            }
            None => {
                let done = terminal(&script).output().unwrap();
                let said =
                    format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
                assert!(done.status.success(), "{}: {script}\n{said}", at(page, step.line));
            }
        }
        let file = home.path().join("orderbell/orderbell.toml");
        if let Ok(text) = std::fs::read_to_string(&file) {
            std::fs::write(&file, text.replace("127.0.0.1:8787", &daemon)).unwrap();
        }
    }
    assert_eq!(running.iter().map(|(name, _)| *name).collect::<Vec<_>>(), ["sandbox", "serve"]);
    running[0].1.until(expected);
}

/// It says where it listens, and then opens its store; a person types the next command later than that.
fn until_it_answers(address: &str) {
    let begun = Instant::now();
    let is_alive = || {
        let mut answer = String::new();
        let mut stream = TcpStream::connect(address)?;
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: bell\r\nConnection: close\r\n\r\n")?;
        stream.read_to_string(&mut answer)?;
        Ok::<bool, std::io::Error>(answer.starts_with("HTTP/1.1 200"))
    };
    while !is_alive().unwrap_or_default() {
        assert!(begun.elapsed() < TOO_LONG, "the daemon does not answer at {address}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn whoever_follows_the_first_page_gets_an_order_in_any_language() {
    for page in first_pages() {
        let expected = match page.path.to_str() {
            Some("README.md") => "# New order #",
            Some("README.zh-CN.md") => "# 新订单 #",
            // What was ordered is the same in every language.
            _ => "糖醋排骨",
        };
        follow(&page, expected);
    }
}
