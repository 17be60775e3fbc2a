//! The commands as a shell sees them: what they print, where it goes, and the exit code.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use crate::support::stores;

const EXAMPLE: &str = include_str!("../../config.example.toml");

/// A command in a folder of its own, with nothing of ours in its environment.
pub fn orderbell(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null());
    let ours = ["COMMANDS_APP_SECRET", "COMMANDS_STORE", "COMMANDS_WEBHOOK"];
    for name in ["ORDERBELL_CONFIG", "ORDERBELL_LOG", "ORDERBELL_LOG_FORMAT"].iter().chain(&ours) {
        command.env_remove(name);
    }
    command
}

pub fn run(folder: &Path, arguments: &[&str]) -> Output {
    orderbell(folder, arguments).output().unwrap()
}

pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

pub fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn init_prints_the_example_byte_for_byte() {
    let done = run(folder().path(), &["init"]);
    assert!(done.status.success() && done.stderr.is_empty());
    assert!(text(&done.stdout) == EXAMPLE, "it differs from config.example.toml");
}

#[test]
fn init_writes_a_file_and_never_over_another_one() {
    let folder = folder();
    let missing = run(folder.path(), &["check"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(text(&missing.stdout).contains("`orderbell init --output orderbell.toml`"), "{}", text(&missing.stdout));

    let file = folder.path().join("orderbell.toml");
    let done = run(folder.path(), &["init", "--output", "orderbell.toml"]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    assert!(std::fs::read_to_string(&file).unwrap() == EXAMPLE);
    assert!(run(folder.path(), &["check"]).status.success(), "it starts as it is");

    std::fs::write(&file, "language = \"zh-CN\"\n").unwrap();
    let again = run(folder.path(), &["init", "--output", "orderbell.toml"]);
    assert_eq!(again.status.code(), Some(1));
    assert!(text(&again.stderr).contains("orderbell.toml is there already"), "{}", text(&again.stderr));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "language = \"zh-CN\"\n");

    let nowhere = run(folder.path(), &["init", "--output", "no/such/folder.toml"]);
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("cannot be written"), "{}", text(&nowhere.stderr));
}

/// The names of all commands, as `--help` lists them.
fn commands() -> Vec<String> {
    let help = run(folder().path(), &["--help"]);
    let help = text(&help.stdout).to_owned();
    let list = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let names = list.lines().filter_map(|line| line.strip_prefix("  ").filter(|line| !line.starts_with(' ')));
    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn completions_know_every_command_and_those_for_bash_are_bash() {
    let commands = commands();
    assert!(commands.len() >= 10 && commands.iter().any(|name| name == "completions"), "{commands:?}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(folder().path(), &["completions", shell]);
        assert!(script.status.success(), "{shell}");
        for command in &commands {
            assert!(text(&script.stdout).contains(command.as_str()), "{shell} does not know {command}");
        }
    }
    assert_eq!(run(folder().path(), &["completions", "tcsh"]).status.code(), Some(2));

    let folder = folder();
    let script = folder.path().join("orderbell.bash");
    std::fs::write(&script, run(folder.path(), &["completions", "bash"]).stdout).unwrap();
    let read = Command::new("bash").arg("-n").arg(&script).output().unwrap();
    assert!(read.status.success() && read.stderr.is_empty(), "{}", text(&read.stderr));
    let words = "COMP_WORDS=(orderbell ch); COMP_CWORD=1; _orderbell orderbell ch orderbell; echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(format!("source orderbell.bash; {words}")).current_dir(folder.path());
    let completed = bash.output().unwrap();
    assert_eq!(text(&completed.stdout).trim(), "check", "{}", text(&completed.stderr));
}

#[test]
fn the_manual_page_has_commands_exit_codes_variables_and_files() {
    let page = run(folder().path(), &["man"]);
    assert!(page.status.success());
    let page = text(&page.stdout).replace("\\-", "-");
    for heading in ["NAME", "SYNOPSIS", "OPTIONS", "SUBCOMMANDS", "\"EXIT STATUS\"", "ENVIRONMENT", "FILES"] {
        assert!(page.contains(&format!(".SH {heading}\n")), "no section {heading}:\n{page}");
    }
    for command in commands() {
        assert!(page.contains(&format!("\\fBorderbell {command}\\fR")), "no {command}:\n{page}");
    }
    for word in ["ORDERBELL_CONFIG", "ORDERBELL_LOG", "ORDERBELL_LOG_FORMAT", "NO_COLOR", "orderbell.toml", "--once"] {
        assert!(page.contains(word), "no {word}:\n{page}");
    }
    // In roff a line that begins with a dot or a quote is an order.
    let orders = [".ie", ".el", ".SH", ".SS", ".TH", ".TP", ".PP", ".br", ".RS", ".RE", ".IP"];
    for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
        assert!(orders.iter().any(|order| line.starts_with(order)), "{line}");
    }
}

#[test]
fn a_reader_who_leaves_early_is_no_failure() {
    let folder = folder();
    std::fs::write(folder.path().join("orderbell.toml"), EXAMPLE).unwrap();
    for arguments in [
        &["schema"][..],
        &["init"],
        &["man"],
        &["templates"],
        &["completions", "bash"],
        &["check"],
        &["check", "--format", "json"],
        &["simulate", "keeta-hk", "order.placed", "--print"],
        &["demo", "--once"],
    ] {
        let mut child =
            orderbell(folder.path(), arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // Its end of the pipe is closed before it has written anything.
        drop(child.stdout.take());
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        let status = child.wait().unwrap();
        assert!(status.success() && !said.contains("panic"), "{arguments:?}: {status}: {said}");
    }
    // What is wrong is still shown by the exit code.
    std::fs::write(folder.path().join("orderbell.toml"), "[sever]\n").unwrap();
    let mut child = orderbell(folder.path(), &["check"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn a_mistyped_log_variable_is_wrong_usage() {
    let folder = folder();
    std::fs::write(folder.path().join("orderbell.toml"), EXAMPLE).unwrap();
    for (name, value, shown) in [
        ("ORDERBELL_LOG", "inof", "\"inof\" is no level"),
        ("ORDERBELL_LOG", "warn,orderbell::flow=loud", "\"orderbell::flow=loud\" is no level"),
        ("ORDERBELL_LOG_FORMAT", "jsno", "ORDERBELL_LOG_FORMAT is \"jsno\"; it may be \"text\" or \"json\""),
    ] {
        for command in [&["serve"][..], &["sandbox", "--listen", "127.0.0.1:0"], &["demo", "--once"]] {
            let done = orderbell(folder.path(), command).env(name, value).output().unwrap();
            assert_eq!(done.status.code(), Some(2), "{name}={value} {command:?}");
            assert!(text(&done.stderr).contains(shown), "{}", text(&done.stderr));
        }
    }
}

pub const WITH_VARIABLES: &str = r#"
[source.keeta-hk]
platform = "keeta"
app_id = 1
app_secret = { env = "COMMANDS_APP_SECRET" }
[source.licences]
platform = "apsdai"
secret = { file = "nowhere" }
[channel.kitchen]
kind = "dingtalk"
webhook = { env = "COMMANDS_WEBHOOK" }
[[route]]
events = ["*"]
to = ["kitchen"]
"#;

#[test]
fn a_command_needs_no_secrets_that_it_does_not_use() {
    let folder = folder();
    std::fs::write(folder.path().join("orderbell.toml"), WITH_VARIABLES).unwrap();
    let mut serving = orderbell(folder.path(), &["serve"]);
    let refused = serving.output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "the daemon does not start without them");
    for name in ["COMMANDS_APP_SECRET", "COMMANDS_WEBHOOK", "nowhere"] {
        assert!(text(&refused.stderr).contains(name), "{}", text(&refused.stderr));
    }
    assert_eq!(run(folder.path(), &["check"]).status.code(), Some(2));

    let early = run(folder.path(), &["deliveries"]);
    assert_eq!(early.status.code(), Some(1));
    assert!(text(&early.stderr).contains("there is no store"), "{}", text(&early.stderr));
    drop(stores::open(&folder.path().join("orderbell.db"), jiff::Timestamp::now()).unwrap());
    let listed = run(folder.path(), &["deliveries"]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    assert_eq!(text(&listed.stdout), "no deliveries\n");
    let nobody = run(folder.path(), &["deliveries", "--channel", "bar"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("there are: kitchen"), "{}", text(&nobody.stderr));

    let simulate = ["simulate", "keeta-hk", "order.placed", "--print"];
    let unset = run(folder.path(), &simulate);
    assert_eq!(unset.status.code(), Some(2));
    assert!(text(&unset.stderr).contains("COMMANDS_APP_SECRET is not set"), "{}", text(&unset.stderr));
    let signed = orderbell(folder.path(), &simulate).env("COMMANDS_APP_SECRET", "hush").output().unwrap();
    assert!(signed.status.success(), "{}", text(&signed.stderr));
    let nobody = run(folder.path(), &["simulate", "keeta", "order.placed"]);
    assert_eq!(nobody.status.code(), Some(2));
    assert!(text(&nobody.stderr).contains("there are: keeta-hk, licences"), "{}", text(&nobody.stderr));

    std::fs::write(folder.path().join("orderbell.toml"), "[store]\nurl = { env = \"COMMANDS_STORE\" }\n").unwrap();
    let unset = run(folder.path(), &["deliveries"]);
    assert_eq!(unset.status.code(), Some(2), "what it uses must be there");
    assert!(text(&unset.stderr).contains("COMMANDS_STORE is not set"), "{}", text(&unset.stderr));
}

#[test]
fn behind_an_error_of_syntax_nothing_is_said_to_be_missing() {
    let folder = folder();
    let file =
        "[source.keeta-hk]\nplatform = \"keeta\"\napp_id: 1\n[channel.kitchen]\nkind = \"dingtalk\"\n[report.daily]\n";
    std::fs::write(folder.path().join("orderbell.toml"), file).unwrap();
    let commands: [&[&str]; 4] = [
        &["render", "order.placed", "--channel", "kitchen"],
        &["simulate", "keeta-hk", "order.placed", "--print"],
        &["report", "daily"],
        &["test", "kitchen"],
    ];
    for command in commands {
        let refused = run(folder.path(), command);
        assert_eq!(refused.status.code(), Some(2), "{command:?}");
        let said = text(&refused.stderr);
        assert!(said.contains("between a key and its value stands =, not :"), "{command:?}: {said}");
    }
}

#[test]
fn every_sample_of_a_kind_can_be_simulated() {
    let folder = folder();
    std::fs::write(folder.path().join("orderbell.toml"), EXAMPLE).unwrap();
    let simulate = |kind: &str, sample: &str| {
        let done = run(folder.path(), &["simulate", "keeta-hk", kind, "--print", "--sample", sample]);
        (done.status.code(), text(&done.stdout).to_owned() + text(&done.stderr))
    };
    let (first, second) = (simulate("order.cancelled", "1"), simulate("order.cancelled", "2"));
    assert!(first.0 == Some(0) && first.1.contains("\"eventId\":1004"), "{}", first.1);
    assert!(second.0 == Some(0) && second.1.contains("\"eventId\":1008"), "{}", second.1);
    let (code, said) = simulate("order.cancelled", "3");
    assert!(code == Some(2) && said.contains("there are 2 samples of order.cancelled"), "{said}");
    let (code, said) = simulate("order.placed", "2");
    assert!(code == Some(2) && said.contains("there is only one sample of order.placed"), "{said}");
    let (code, said) = simulate("order.placed", "0");
    assert!(code == Some(2) && said.contains("samples are numbered from 1"), "{said}");
}

/// Posts to the sandbox and reads the answer to its end.
fn exchange(address: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: sandbox\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn the_sandbox_calls_a_robot_as_its_channel_is_called_and_never_by_its_token() {
    let folder = folder();
    std::fs::write(folder.path().join("orderbell.toml"), WITH_VARIABLES).unwrap();
    let mut sandbox = orderbell(folder.path(), &["sandbox", "--listen", "127.0.0.1:0", "--mail", "127.0.0.1:0"])
        .env("COMMANDS_WEBHOOK", "https://oapi.dingtalk.com/robot/send?access_token=hush-token")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(sandbox.stdout.take().unwrap()).lines().map(Result::unwrap);
    let address = printed.next().unwrap().split_once("http://").unwrap().1.split_once(';').unwrap().0.to_owned();
    let message = r#"{"msgtype":"text","text":{"content":"order"}}"#;
    let answer = exchange(&address, "POST /robot/send?access_token=hush-token", message);
    assert!(answer.contains("\"errcode\":0"), "{answer}");
    exchange(&address, "POST /robot/send?access_token=hush-another-token", message);
    let shown: Vec<String> = printed.by_ref().take_while(|line| !line.contains("(not configured)")).collect();
    let messages = exchange(&address, "GET /control/messages", "");
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();
    let shown = shown.join("\n") + &printed.collect::<Vec<_>>().join("\n");
    assert!(shown.contains("DingTalk robot kitchen"), "{shown}");
    assert!(messages.contains("kitchen") && messages.contains("(not configured)"), "{messages}");
    assert!(!shown.contains("hush") && !messages.contains("hush"), "{shown}{messages}");
}

/// What the mail server answers to a log-in.
fn log_in(address: &str, user: &str, password: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    let proof = BASE64_STANDARD.encode(format!("\0{user}\0{password}"));
    stream.write_all(format!("EHLO test\r\nAUTH PLAIN {proof}\r\nQUIT\r\n").as_bytes()).unwrap();
    let answers = BufReader::new(stream).lines().map(Result::unwrap);
    answers.filter(|line| line.starts_with("235") || line.starts_with("535")).collect()
}

#[test]
fn the_sandbox_lets_each_mail_channel_log_in_as_it_is_configured_and_nobody_else() {
    let folder = folder();
    let channel = |name: &str, login: &str| {
        let smtp = format!("smtp = \"smtps://{name}.example.com\"\n{login}");
        format!("[channel.{name}]\nkind = \"email\"\n{smtp}\nfrom = \"a@example.com\"\nto = [\"b@example.com\"]\n")
    };
    let login = |user: &str, password: &str| format!("username = \"{user}\"\npassword = \"{password}\"");
    let one = [channel("one", &login("bell", "hush")), channel("two", &login("bell", "hash"))];
    let other = [channel("three", &login("other", "hush hush")), channel("four", "")];
    std::fs::write(folder.path().join("orderbell.toml"), one.concat() + &other.concat()).unwrap();
    let mut sandbox = orderbell(folder.path(), &["sandbox", "--listen", "127.0.0.1:0", "--mail", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut printed = BufReader::new(sandbox.stdout.take().unwrap()).lines().map(Result::unwrap);
    let mail = printed.nth(1).unwrap().split_once("smtp+plain://").unwrap().1.split_once(',').unwrap().0.to_owned();
    let known = [("bell", "hush"), ("bell", "hash"), ("other", "hush hush")];
    let unknown = [("bell", "hush hush"), ("other", "hash"), ("a@example.com", ""), ("bell", "")];
    let answers = |logins: &[(&str, &str)]| -> Vec<String> {
        logins.iter().map(|(user, password)| log_in(&mail, user, password)[..3].to_owned()).collect()
    };
    let (taken, refused) = (answers(&known), answers(&unknown));
    sandbox.kill().unwrap();
    sandbox.wait().unwrap();
    assert_eq!((taken, refused), (vec!["235".to_owned(); 3], vec!["535".to_owned(); 4]));
}

#[test]
fn check_says_when_a_variable_still_holds_a_sample() {
    let folder = folder();
    std::fs::write(folder.path().join("orderbell.toml"), WITH_VARIABLES).unwrap();
    std::fs::write(folder.path().join("nowhere"), "real-enough\n").unwrap();
    let check = |secret: &str| {
        let mut check = orderbell(folder.path(), &["check"]);
        check.env("COMMANDS_APP_SECRET", secret);
        check.env("COMMANDS_WEBHOOK", "https://oapi.dingtalk.com/robot/send?access_token=hush");
        let done = check.output().unwrap();
        assert!(done.status.success(), "{}", text(&done.stdout));
        text(&done.stdout).to_owned()
    };
    let sample = check("the secret of your application at Keeta");
    assert!(sample.contains("\"app_secret\" looks like a placeholder") && !sample.contains("at Keeta"), "{sample}");
    let real = check("hush");
    assert!(!real.contains("placeholder"), "{real}");
}
