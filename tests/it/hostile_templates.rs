//! Templates that would end whatever process renders them, with the real program: every order goes out, the operator is
//! notified once, and the daemon's process and memory stay what they were.

mod loading;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use orderbell::domain::language::folders::Sources;
use orderbell::render::Isolation;
use orderbell::sandbox::rules::Rules;
use tokio::net::TcpStream;

use crate::support;
use crate::support::address::own_address;
use crate::support::{Scene, keeta};

/// Longer than anything here takes on a busy machine.
const TOO_LONG: Duration = Duration::from_secs(120);
/// What a process may take in all before the system refuses it more: a failing test must not take the machine along.
const ADDRESS_SPACE_KIB: u32 = 6_000_000;
/// More than the daemon ever needs for these messages.
const RESIDENT_KIB: u64 = 300_000;

/// What becomes of a message that is made by such a template.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It goes out in its plain form.
    Plain,
    /// It goes out as the template says.
    AsWritten,
}

/// A template that would eat memory, stack or time when it is rendered, by the name of its channel.
fn at_rendering() -> Vec<(&'static str, Fate, String)> {
    let doubling =
        "{% set n = namespace(x=\"12345678\") %}{% for a in range(40) %}{% set n.x = n.x ~ n.x %}{% endfor %}";
    let captured = "{% set made %}{% for a in range(6000) %}{{ \"x\" * 200000 }}{% endfor %}{% endset %}{{ made }}";
    let nested = "{% set n = namespace(x=[]) %}{% for a in range(5000) %}{% set n.x = [n.x] %}{% endfor %}{% set y = n.x ~ \"\" %}{{ n.y.z }}";
    let written = |nesting: &str| format!("# No. {{{{ order.number }}}}\n\n{nesting}");
    vec![
        ("memory", Fate::Plain, format!("{doubling}{{{{ n.x | length }}}}")),
        ("list", Fate::Plain, "{{ ([1] * 100000000) | sort | length }}".to_owned()),
        ("replace", Fate::Plain, "{{ (\"x\" * 50000000) | replace(\"x\", \"y\" * 1000) | length }}".to_owned()),
        ("output", Fate::Plain, captured.to_owned()),
        ("nested", Fate::Plain, nested.to_owned()),
        ("macro", Fate::Plain, "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}".to_owned()),
        ("include", Fate::Plain, "{% include \"order.placed.include.md\" %}".to_owned()),
        (
            "loop",
            Fate::Plain,
            "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}".to_owned(),
        ),
        ("quotes", Fate::AsWritten, written(&format!("{} x", ">".repeat(200_000)))),
        ("lists", Fate::AsWritten, written(&format!("{}x", "- ".repeat(100_000)))),
        ("strong", Fate::AsWritten, written(&"*a **b ".repeat(2_000))),
        ("links", Fate::AsWritten, written(&"[".repeat(5_000))),
        ("tones", Fate::AsWritten, written(&"<font color=\"info\">a".repeat(400))),
    ]
}

/// Templates that would do so when they are parsed.
fn at_parsing() -> Vec<(&'static str, String)> {
    vec![
        ("chain", format!("{{{{ 1{} }}}}", "+1".repeat(120_000))),
        ("parens", format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000))),
        ("blocks", "{% if true %}".repeat(18_000)),
        ("negations", format!("{{{{ {}true }}}}", "not ".repeat(60_000))),
    ]
}

/// The program with a bounded address space, in a folder with its configuration.
fn orderbell(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit -v {ADDRESS_SPACE_KIB}; exec \"$0\" \"$@\""))
        .arg(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env("NO_COLOR", "1").env("ORDERBELL_LOG", "info");
    command.env_remove("ORDERBELL_CONFIG");
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// A running daemon; dropping it ends it.
struct Serving {
    child: Child,
    address: SocketAddr,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serving {
    async fn start(scene: &Scene, address: SocketAddr) -> Self {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(scene.folder.path().join("log"));
        let mut command = orderbell(scene.folder.path(), &["serve"]);
        let child = command.stdout(Stdio::null()).stderr(log.expect("a log")).spawn().expect("it starts");
        let mut serving = Self { child, address };
        until("it listens", async || {
            serving.assert_alive();
            TcpStream::connect(address).await.is_ok()
        })
        .await;
        serving
    }

    fn assert_alive(&mut self) {
        let ended = self.child.try_wait().expect("a child");
        assert!(ended.is_none(), "the daemon ended: {ended:?}");
    }

    async fn order(&self, number: u64) {
        let answer =
            support::request(self.address, "POST", "/hooks/keeta", &keeta::placed(number, Timestamp::now())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    /// The most that was ever resident, in KiB.
    fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }
}

async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + TOO_LONG;
    while !holds().await {
        assert!(Instant::now() < deadline, "it never came to that: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

fn template(scene: &Scene, file: &str, text: &str) {
    let path = scene.folder.path().join("mine/en").join(file);
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
    support::watching::replace(&path, text);
}

/// Writes a configuration in which robots of these names get new orders, and the owner what is wrong.
async fn configured(scene: &Scene, names: &[&str]) -> SocketAddr {
    let address = own_address();
    let robots: String = names.iter().map(|name| scene.robot(name, "")).collect();
    let route = format!(
        "[[route]]\nevents = [\"order.*\"]\nto = {names:?}\n[operator]\nto = [\"owner\"]\n[report.daily]\nat = \"09:00\"\nto = [\"owner\"]\n"
    );
    let text = support::whole("templates = \"mine\"", &format!("{robots}{}{route}", scene.robot("owner", "")));
    let text = text.replace("[server]\n", &format!("[server]\nlisten = \"{address}\"\n"));
    std::fs::write(scene.folder.path().join("orderbell.toml"), text).expect("written");
    std::fs::create_dir_all(scene.folder.path().join("mine/en")).expect("made");
    address
}

/// Whether a receiver got a message of an order.
fn knows(scene: &Scene, name: &str, number: u64) -> bool {
    let number = number.to_string();
    scene.received(name).iter().any(|received| received.text.as_ref().is_some_and(|text| text.contains(&number)))
}

/// What the owner got under a title.
fn notices(scene: &Scene, title: &str) -> Vec<String> {
    let texts =
        scene.received("owner").into_iter().filter_map(|received| received.text).map(|text| text.replace('\\', ""));
    texts.filter(|text| text.contains(title)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_a_template_does_the_order_goes_out_and_the_daemon_lives_on() {
    let scene = Scene::new(Rules::new().speed(1_000_000)).await;
    let templates = at_rendering();
    let names: Vec<&str> = templates.iter().map(|(name, ..)| *name).collect();
    let address = configured(&scene, &names).await;
    for (name, _, text) in &templates {
        template(&scene, &format!("order.placed.{name}.md"), text);
    }
    let mut serving = Serving::start(&scene, address).await;
    let before = serving.resident_kib();
    for number in [7_000_001, 7_000_002] {
        serving.order(number).await;
        for name in &names {
            until(&format!("{name} knows of order {number}"), async || {
                serving.assert_alive();
                knows(&scene, name, number)
            })
            .await;
        }
    }
    let failing: Vec<&str> =
        templates.iter().filter(|(_, fate, _)| *fate == Fate::Plain).map(|(name, ..)| *name).collect();
    until("the owner is notified", async || notices(&scene, "A template failed").len() >= failing.len()).await;
    // And once of what `check` would say of them, which a start tries behind the messages.
    until("the owner is notified of all", async || notices(&scene, "New templates are not used").len() == 1).await;
    scene.nothing_more(support::A_WHILE).await;
    let received = notices(&scene, "A template failed");
    println!(
        "resident before {before} KiB, at most {} KiB; notices:\n{}",
        serving.resident_kib(),
        received.join("\n---\n")
    );
    for name in failing {
        let about = received.iter().filter(|text| text.contains(&format!("order.placed.{name}.md"))).count();
        assert_eq!(about, 1, "{name}: one notice for each template: {received:#?}");
    }
    for (name, fate, _) in &templates {
        if *fate == Fate::AsWritten {
            let first = scene.received(name).remove(0).text.unwrap_or_default();
            assert!(first.contains("No."), "{name} goes out as it is written: {}", first.get(..200).unwrap_or(&first));
        }
    }
    assert!(serving.resident_kib() < RESIDENT_KIB, "{} KiB", serving.resident_kib());
    serving.assert_alive();

    // Another start, and nobody is notified again.
    drop(serving);
    let serving = Serving::start(&scene, address).await;
    serving.order(7_000_003).await;
    for name in &names {
        until(&format!("{name} knows of the third order"), async || knows(&scene, name, 7_000_003)).await;
    }
    assert_eq!(notices(&scene, "A template failed").len(), received.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_composing_ended_the_daemon_goes_out_plain_at_the_next_start() {
    let scene = Scene::new(Rules::new().speed(1_000_000)).await;
    let address = configured(&scene, &["kitchen"]).await;
    // It takes as long as it is let.
    let slow = "{% for a in range(9000) %}{% set x = order.number * 3000000 %}{% endfor %}# Mine";
    template(&scene, "order.placed.md", slow);
    let mut serving = Serving::start(&scene, address).await;
    serving.order(7_000_001).await;
    let composing = format!("{}.composing", scene.store().display());
    let noted = || std::fs::read_to_string(&composing).is_ok_and(|text| !text.trim().is_empty());
    until("the message is being composed", async || noted()).await;
    serving.child.kill().expect("killed");
    serving.child.wait().expect("gone");
    assert!(!knows(&scene, "kitchen", 7_000_001), "it was not sent before");

    template(&scene, "order.placed.md", "# Mine {{ order.number }}\n");
    let mut serving = Serving::start(&scene, address).await;
    until("the kitchen knows", async || knows(&scene, "kitchen", 7_000_001)).await;
    let received = scene.received("kitchen").remove(0);
    let title = received.title.unwrap_or_default();
    assert!(!title.starts_with("Mine"), "no template composes it again: {title}");
    until("the owner is notified", async || !notices(&scene, "A template failed").is_empty()).await;
    let notice = notices(&scene, "A template failed").remove(0);
    assert!(notice.contains("ended while it composed"), "{notice}");
    // Others are composed as ever.
    serving.order(7_000_002).await;
    until("the kitchen knows of the next", async || knows(&scene, "kitchen", 7_000_002)).await;
    let title = scene.received("kitchen").remove(1).title.unwrap_or_default();
    assert!(title.starts_with("Mine"), "{title}");
    serving.assert_alive();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_template_delays_no_other_channel() {
    let scene = Scene::new(Rules::new().speed(1_000_000)).await;
    let address = configured(&scene, &["slow", "own", "kitchen"]).await;
    // It takes as long as it is let.
    template(
        &scene,
        "order.placed.slow.md",
        "{% for a in range(9000) %}{% set x = order.number * 3000000 %}{% endfor %}# Mine",
    );
    template(&scene, "order.placed.own.md", "# Own {{ order.number }}\n");
    let serving = Serving::start(&scene, address).await;
    serving.order(7_000_001).await;
    for name in ["own", "kitchen", "slow"] {
        until(&format!("{name} knows"), async || knows(&scene, name, 7_000_001)).await;
    }
    let sequence: Vec<String> = scene.sandbox.messages().into_iter().map(|message| message.address.name).collect();
    let first = |name: &str| sequence.iter().position(|known| known == name).expect("it is there");
    assert!(first("own") < first("slow") && first("kitchen") < first("slow"), "{sequence:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_no_process_can_be_started_the_built_in_template_serves_and_the_operator_is_notified() {
    let scene = Scene::new(Rules::new().speed(1_000_000)).await;
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\"]\n[operator]\nto = [\"owner\"]\n";
    let text = [scene.robot("kitchen", ""), scene.robot("owner", ""), route.to_owned()].concat();
    for (program, number) in [("/no/such/program", 7_000_001), ("/bin/false", 7_000_002), ("/bin/cat", 7_000_003)] {
        let mut config = scene.config(&text);
        config.isolation = Isolation::Process(PathBuf::from(program));
        config.overlay = Sources::from([("en/order.placed.md".to_owned(), "# Mine {{ order.number }}".to_owned())]);
        let daemon = scene.start_with(config, scene.folder.path()).await;
        daemon.acknowledged(&keeta::placed(number, Timestamp::now())).await;
        until("the kitchen knows", async || knows(&scene, "kitchen", number)).await;
        let title = scene.received("kitchen").pop().and_then(|received| received.title).unwrap_or_default();
        assert!(title.starts_with("New order"), "{program}: {title}");
        daemon.stop().await;
    }
    until("the owner is notified", async || !notices(&scene, "A template failed").is_empty()).await;
    let received = notices(&scene, "A template failed");
    assert_eq!(received.len(), 1, "{received:#?}");
    assert!(received[0].contains("cannot be rendered now"), "{received:#?}");
}
