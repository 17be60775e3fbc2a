//! A log that cannot be written loses lines and nothing else: webhooks are answered, messages go out, SIGTERM is obeyed.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use orderbell::sandbox::rules::Rules;

use crate::support::address::own_address;
use crate::support::{Answer, Scene, TOO_LONG, get, keeta, request, whole};

/// Bytes that a pipe of Linux holds when nobody has set it otherwise.
const PIPE_BYTES: usize = 64 * 1024;
const ORDERS: u64 = 10;

/// What the log is written to, and what must live as long as the daemon does.
enum Log {
    Closed,
    Full,
    ReaderGone,
    NeverRead,
}

impl Log {
    fn stdio(&self) -> (Stdio, Option<PipeReader>) {
        match self {
            Log::Closed => (Stdio::null(), None),
            Log::Full => (File::options().write(true).open("/dev/full").expect("a full device").into(), None),
            Log::ReaderGone => (std::io::pipe().expect("a pipe").1.into(), None),
            Log::NeverRead => {
                let (reader, writer) = full_pipe();
                (writer, Some(reader))
            }
        }
    }
}

/// A pipe into which nothing more goes until somebody reads.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(&vec![b'x'; PIPE_BYTES]).expect("the pipe takes as much");
    (reader, writer.into())
}

/// The real daemon; dropping it ends it.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Program {
    fn start(folder: &Path, log: &Log, stderr: Stdio, level: &str) -> Self {
        let redirect = if matches!(log, Log::Closed) { "exec \"$0\" \"$@\" 2>&-" } else { "exec \"$0\" \"$@\"" };
        let mut command = Command::new("sh");
        command.args(["-c", redirect, env!("CARGO_BIN_EXE_orderbell"), "--config", "orderbell.toml", "serve"]);
        command.current_dir(folder).env("ORDERBELL_LOG", level).stdout(Stdio::null()).stderr(stderr);
        Self(command.spawn().expect("the daemon starts"))
    }

    async fn until_it_listens(&mut self, address: SocketAddr) {
        let begin = Instant::now();
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(self.0.try_wait().expect("a child").is_none(), "the daemon ended by itself");
            assert!(begin.elapsed() < TOO_LONG, "the daemon does not listen");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Ends it as a supervisor does.
    async fn terminate(mut self) -> ExitStatus {
        let killed = Command::new("kill").args(["-TERM", &self.0.id().to_string()]).status().expect("kill");
        assert!(killed.success());
        let begin = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("a child") {
                return status;
            }
            assert!(begin.elapsed() < TOO_LONG, "SIGTERM is not obeyed");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

async fn configured(scene: &Scene) -> SocketAddr {
    let address = own_address();
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n";
    let text = whole("", &format!("{}{route}", scene.hook("erp", "")));
    let text = text.replace("[server]", &format!("[server]\nlisten = \"{address}\""));
    std::fs::write(scene.folder.path().join("orderbell.toml"), text).expect("written");
    address
}

async fn post(address: SocketAddr, number: u64, scene: &Scene) -> Answer {
    request(address, "POST", "/hooks/keeta", &keeta::placed(number, scene.hands.now())).await
}

async fn survives(log: Log) {
    let scene = Scene::new(Rules::new()).await;
    let address = configured(&scene).await;
    let (stderr, _reader) = log.stdio();
    let mut program = Program::start(scene.folder.path(), &log, stderr, "info");
    program.until_it_listens(address).await;
    for number in 1..=ORDERS {
        let answer = post(address, number, &scene).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED), "order {number}");
        // A refusal is a log line, too.
        assert_eq!(request(address, "POST", "/hooks/keeta", b"{\"a\":1}").await.status, 401);
    }
    scene.until_received("erp", usize::try_from(ORDERS).expect("few")).await;
    assert_eq!(get(address, "/healthz").await.status, 200);
    assert_eq!(program.terminate().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_log_stops_nothing() {
    survives(Log::Closed).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_on_a_full_disk_stops_nothing() {
    survives(Log::Full).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_whose_reader_is_gone_stops_nothing() {
    survives(Log::ReaderGone).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_nobody_reads_stops_nothing() {
    survives(Log::NeverRead).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_read_again_says_how_many_lines_it_lost() {
    let scene = Scene::new(Rules::new()).await;
    let address = configured(&scene).await;
    let (mut reader, stderr) = full_pipe();
    // Every step of every connection is a line: so many do not fit into the memory that is kept for them.
    let mut program = Program::start(scene.folder.path(), &Log::NeverRead, stderr, "trace");
    program.until_it_listens(address).await;
    let now = scene.hands.now();
    let ask = |sender: u64| async move {
        for number in 0..125 {
            let body = keeta::placed(sender * 1000 + number, now);
            assert_eq!(request(address, "POST", "/hooks/keeta", &body).await.status, 200);
        }
    };
    let asked: Vec<_> = (1..=8).map(|sender| tokio::spawn(ask(sender))).collect();
    for asked in asked {
        asked.await.expect("each is answered");
    }
    scene.until_received("erp", 1000).await;
    let reading = thread::spawn(move || {
        let mut text = Vec::new();
        reader.read_to_end(&mut text).expect("the pipe is readable");
        String::from_utf8_lossy(&text).into_owned()
    });
    assert_eq!(post(address, 1, &scene).await.status, 200);
    scene.until_received("erp", 1001).await;
    assert_eq!(program.terminate().await.code(), Some(0));
    let text = reading.join().expect("no panic");
    let lost = text.lines().find(|line| line.contains("log lines were lost"));
    assert!(lost.is_some_and(|line| line.contains("ERROR") && line.contains("lost=")), "{lost:?}");
    assert!(text.lines().last().is_some_and(|line| line.contains("stopped")), "the end is written");
}

/// Runs a command whose standard output is a full disk, or goes to a reader that is gone.
fn run(arguments: &[&str], stdout: Stdio) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    let output = command.args(arguments).stdin(Stdio::null()).stdout(stdout).stderr(Stdio::piped()).output();
    let output = output.expect("the command runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn a_command_whose_output_cannot_be_written_says_so_and_does_not_panic() {
    let full = || File::options().write(true).open("/dev/full").expect("a full device");
    for arguments in [["schema", ""], ["init", ""], ["completions", "bash"], ["man", ""]] {
        let arguments: Vec<&str> = arguments.into_iter().filter(|argument| !argument.is_empty()).collect();
        let (code, said) = run(&arguments, full().into());
        assert_eq!(
            (code, said.contains("standard output cannot be written")),
            (Some(1), true),
            "{arguments:?}: {said}"
        );
        let (code, said) = run(&arguments, std::io::pipe().expect("a pipe").1.into());
        assert_eq!((code, said.as_str()), (Some(0), ""), "{arguments:?}");
    }
    for arguments in [["--help"], ["--version"]] {
        let (code, said) = run(&arguments, full().into());
        assert!(code.is_some_and(|code| code < 100) && !said.contains("panicked"), "{arguments:?}: {code:?} {said}");
    }
}
