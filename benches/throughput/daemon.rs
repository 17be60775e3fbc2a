//! The daemon under measurement, with a store of its own.

use std::fmt::Write;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::process::{Core, Running, pinned};
use crate::requests::{APP_ID, PUBLIC_URL, SECRET};

/// What does not happen within this time does not happen.
const PATIENCE: Duration = Duration::from_secs(120);

/// A channel of the configuration: a WebHook.
pub struct Erp {
    pub name: &'static str,
    pub receiver: SocketAddr,
    /// Sends under way at once; the default where absent.
    pub at_once: Option<u32>,
}

pub struct Daemon {
    pub running: Running,
    pub address: SocketAddr,
    /// From the start of the process to its first answer.
    pub started_in: Duration,
    binary: PathBuf,
    file: PathBuf,
}

impl Daemon {
    /// Starts it on whatever the folder has, and waits for its first answer.
    pub fn start(binary: &Path, folder: &Path, channels: &[Erp]) -> Self {
        Self::start_with(binary, folder, channels, "")
    }

    /// As [`Daemon::start`], on a store that is elsewhere.
    pub fn start_on(binary: &Path, folder: &Path, channels: &[Erp], store: Option<&str>) -> Self {
        let store = store.map(|url| format!("[store]\nurl = \"{url}\"\n")).unwrap_or_default();
        Self::start_with(binary, folder, channels, &store)
    }

    /// As [`Daemon::start`], with more in the configuration.
    pub fn start_with(binary: &Path, folder: &Path, channels: &[Erp], more: &str) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let file = folder.join("bench.toml");
        fs::write(&file, configuration(address, channels) + more).expect("the configuration");
        let log = File::create(folder.join("log")).expect("the log");
        let mut command = pinned(Core::Server, binary);
        command
            .arg("serve")
            .arg("--strict")
            .arg("--config")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        let begin = Instant::now();
        let running = Running::start(command);
        while get(address, "/healthz").is_none_or(|(status, _)| status != 200) {
            assert!(begin.elapsed() < PATIENCE, "the daemon does not answer: {}", last_lines(folder));
            std::thread::sleep(Duration::from_millis(1));
        }
        Self { running, address, started_in: begin.elapsed(), binary: binary.to_owned(), file }
    }

    /// Copies its store, as the command does that the merchant uses.
    pub fn back_up(&self, to: &Path) {
        let mut command = pinned(Core::Load, &self.binary);
        let output = command.arg("backup").arg(to).arg("--config").arg(&self.file).output().expect("the command runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// How many deliveries are in this state, but no more than `at_most`; as the command says that the merchant uses.
    pub fn deliveries(&self, state: &str, at_most: Option<usize>) -> usize {
        let mut command = pinned(Core::Load, &self.binary);
        command.args(["deliveries", "--state", state, "--format", "json", "--config"]).arg(&self.file);
        if let Some(at_most) = at_most {
            command.args(["--limit", &at_most.to_string()]);
        }
        let output = command.output().expect("the command runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let rows: Vec<serde::de::IgnoredAny> = serde_json::from_slice(&output.stdout).expect("an array");
        rows.len()
    }
}

/// Which daemon this is.
pub fn version(binary: &Path) -> String {
    let output = Command::new(binary).arg("--version").output().expect("the daemon says its version");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// Whether a channel may have sends under way by a setting, in this version.
pub fn knows_at_once(binary: &Path) -> bool {
    let schema = Command::new(binary).arg("schema").output().expect("the command runs");
    String::from_utf8_lossy(&schema.stdout).contains("\"at_once\"")
}

pub fn configuration(address: SocketAddr, channels: &[Erp]) -> String {
    let mut text = format!(
        "[server]\nlisten = \"{address}\"\npublic_url = \"{PUBLIC_URL}\"\n\
         [source.keeta-hk]\nplatform = \"keeta\"\napp_id = {APP_ID}\napp_secret = \"{SECRET}\"\n"
    );
    let mut add = |part: String| text.push_str(&part);
    for Erp { name, receiver, at_once } in channels {
        add(format!(
            "[channel.{name}]\nkind = \"webhook\"\nurl = \"http://{receiver}/{name}\"\nallow_private = true\n\
             signing = {{ scheme = \"standard-webhooks\", secret = \"{SECRET}\" }}\n"
        ));
        add(at_once.map_or(String::new(), |at_once| format!("at_once = {at_once}\n")));
    }
    if !channels.is_empty() {
        let names: Vec<&str> = channels.iter().map(|channel| channel.name).collect();
        writeln!(text, "[[route]]\nevents = [\"order.*\"]\nto = {names:?}").expect("memory");
    }
    text
}

/// One request on a connection of its own: status and body of the answer.
pub fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    get_with(address, path, "")
}

/// As [`get`], with more lines in the head.
pub fn get_with(address: SocketAddr, path: &str, more: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: bell\r\n{more}connection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    // The receiver does not close; its length is known.
    let mut bytes = [0; 4096];
    while !is_whole(&answer) {
        match stream.read(&mut bytes).ok()? {
            0 => break,
            read => answer.push_str(&String::from_utf8_lossy(&bytes[..read])),
        }
    }
    let status = answer.get(9..12)?.parse().ok()?;
    Some((status, answer.split_once("\r\n\r\n").map_or(String::new(), |(_, body)| body.to_owned())))
}

fn is_whole(answer: &str) -> bool {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.to_lowercase().strip_prefix("content-length:")?.trim().parse().ok());
    length.is_some_and(|length: usize| body.len() >= length)
}

fn last_lines(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(5)..].join("\n")
}
