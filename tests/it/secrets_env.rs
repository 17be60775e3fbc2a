//! Secrets as they come from files that a Windows editor wrote: sourced by a shell as docs/getting-started.md says, handed over by a
//! container's `--env-file`, or named as a file. The real program takes a genuine webhook with each.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use jiff::Timestamp;

use crate::support;
use crate::support::{keeta, request};

/// A running daemon; dropping it ends it.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the daemon and reads where it listens.
fn serve(mut command: Command) -> (Serving, SocketAddr) {
    let child = command.env("ORDERBELL_LOG", "info").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().expect("it starts");
    let outputs: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().expect("a pipe")), Box::new(child.stderr.take().expect("a pipe"))];
    let serving = Serving(child);
    let (tell, address) = std::sync::mpsc::channel();
    for output in outputs {
        let tell = tell.clone();
        std::thread::spawn(move || {
            let mut lines = BufReader::new(output).lines().map_while(Result::ok);
            let port = |line: String| {
                let port =
                    line.split("127.0.0.1:").nth(1)?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
                Some(SocketAddr::from(([127, 0, 0, 1], port)))
            };
            if let Some(address) = lines.find_map(port) {
                let _ = tell.send(address);
            }
            lines.for_each(drop);
        });
    }
    let address = address.recv_timeout(support::TOO_LONG).expect("it says where it listens");
    (serving, address)
}

fn configuration(folder: &Path, secret: &str) {
    let source = keeta::source("keeta", "").replace(&format!("\"{}\"", keeta::SECRET), secret);
    let server = format!("[server]\nlisten = \"127.0.0.1:0\"\npublic_url = \"{}\"\n", keeta::PUBLIC);
    let store = "[store]\nurl = \"sqlite:bell.db\"\n";
    std::fs::write(folder.join("orderbell.toml"), format!("{server}{store}{source}")).expect("a file");
}

fn orderbell(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).current_dir(folder).env_remove("ORDERBELL_CONFIG");
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn a_genuine_webhook_is_taken_with_a_secret_from_a_file_that_windows_wrote() {
    let program = env!("CARGO_BIN_EXE_orderbell");
    let lines = format!("\r\nKEETA_APP_SECRET={}\r\n\r\n", keeta::SECRET);
    let by_environment = "{ env = \"KEETA_APP_SECRET\" }";
    for way in ["sourced", "handed over", "a file"] {
        let folder = tempfile::tempdir().expect("a folder");
        let folder = folder.path();
        let command = match way {
            "sourced" => {
                configuration(folder, by_environment);
                std::fs::write(folder.join("secrets.env"), &lines).expect("a file");
                let mut shell = Command::new("sh");
                shell.args(["-c", &format!("set -a; . ./secrets.env; set +a; exec {program} serve")]);
                shell.current_dir(folder).env_remove("ORDERBELL_CONFIG");
                shell
            }
            "handed over" => {
                configuration(folder, by_environment);
                // As `docker --env-file` splits it: at each line feed.
                let value =
                    lines.split('\n').find_map(|line| line.strip_prefix("KEETA_APP_SECRET=")).expect("the line");
                let mut command = orderbell(folder, &["serve"]);
                command.env("KEETA_APP_SECRET", value);
                command
            }
            _ => {
                configuration(folder, "{ file = \"secret.txt\" }");
                std::fs::write(folder.join("secret.txt"), format!("\u{feff}{}\r\n\r\n", keeta::SECRET))
                    .expect("a file");
                orderbell(folder, &["serve"])
            }
        };
        let (_serving, address) = serve(command);
        let answer = request(address, "POST", "/hooks/keeta", &keeta::placed(1, Timestamp::now())).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED), "{way}");
    }
}

#[test]
fn check_warns_of_quotes_that_a_container_left_around_a_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    configuration(folder.path(), "{ env = \"KEETA_APP_SECRET\" }");
    let output = orderbell(folder.path(), &["check"])
        .env("KEETA_APP_SECRET", format!("'{}'\r", keeta::SECRET))
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let wanted = "warning: \"app_secret\" begins or ends with a quote";
    assert!(said.contains(wanted) && said.contains("KEETA_APP_SECRET"), "{said}");
    assert!(!said.contains(keeta::SECRET), "{said}");
}
