//! The admin listener: who gets in, and what everybody else is answered.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use jiff::SignedDuration;
use orderbell::domain::access;
use orderbell::domain::secret::Secret;
use orderbell::sandbox::rules::Rules;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::support::binary::Program;
use crate::support::log::log;
use crate::support::watching::NEVER;
use crate::support::{Answer, Daemon, Scene, get, in_time, keeta, read, stores};

/// Without `Host` and credentials, unless they are given as headers.
pub async fn ask(address: SocketAddr, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = in_time(TcpStream::connect(address)).await.expect("it listens");
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head = format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    in_time(stream.write_all(head.as_bytes())).await.expect("the head is taken");
    let _ = in_time(stream.write_all(body)).await;
    read(&mut stream).await
}

async fn with(daemon: &Daemon, method: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    ask(daemon.admin(), &format!("{method} /nothing"), &[("Host", "bell"), ("Authorization", &bearer)], b"").await
}

/// The status, once it is sure that the rest is a problem document that says the same.
#[track_caller]
fn problem(answer: &Answer) -> (u16, Value) {
    let head = answer.head.to_lowercase();
    assert!(head.contains("content-type: application/problem+json"), "{answer:?}");
    let document: Value = serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
    assert_eq!(document["status"], answer.status, "{answer:?}");
    assert!(document["type"].is_string() && document["title"].is_string(), "{answer:?}");
    assert!(!head.contains("access-control-"), "{answer:?}");
    (answer.status, document)
}

#[track_caller]
fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn hashed(token: &str) -> String {
    access::hash(&Secret::new(token), &[7; 16]).expect("memory")
}

#[tokio::test]
async fn a_token_opens_what_it_may_and_nothing_else_does() {
    let scene = Scene::new(Rules::default()).await;
    let text = format!(
        "[admin]\ntoken = \"hush-owner\"\n[admin.tokens.prometheus]\ntoken = \"hush-reader\"\n\
         [admin.tokens.till]\ntoken_hash = \"{}\"\naccess = \"write\"\n",
        hashed("hush-till")
    );
    let daemon = scene.start(&text).await;
    for (method, token, status) in [
        ("GET", "hush-owner", 404),
        ("POST", "hush-owner", 404),
        ("GET", "hush-reader", 404),
        ("POST", "hush-reader", 403),
        ("DELETE", "hush-reader", 403),
        ("GET", "hush-till", 404),
        ("POST", "hush-till", 404),
    ] {
        // The second time a token is known without hashing it.
        for _ in 0..2 {
            assert_eq!(problem(&with(&daemon, method, token).await).0, status, "{method} {token}");
        }
    }
    let refused = with(&daemon, "POST", "hush-reader").await;
    assert!(header(&refused, "www-authenticate").is_some_and(|it| it.contains("insufficient_scope")), "{refused:?}");
    for credentials in
        [&[][..], &["Bearer hush-owne"], &["Bearer "], &["Basic aHVzaC1vd25lcg=="], &["Bearer hush-owner"; 2]]
    {
        let mut headers = vec![("Host", "localhost")];
        headers.extend(credentials.iter().map(|it| ("Authorization", *it)));
        let answer = ask(daemon.admin(), "GET /nothing", &headers, b"").await;
        assert_eq!(problem(&answer).0, 401, "{credentials:?}");
        let challenge = header(&answer, "www-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Bearer "), "{answer:?}");
        assert_eq!(challenge.contains("invalid_token"), !credentials.is_empty(), "{answer:?}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn whoever_guesses_waits_and_others_do_not() {
    let scene = Scene::still("2026-11-05T10:10:00Z".parse().expect("a time"), Rules::default()).await;
    let daemon = scene.start(&format!("[admin]\ntoken_hash = \"{}\"\n", hashed("hush-owner"))).await;
    for _ in 0..10 {
        assert_eq!(with(&daemon, "GET", "guess").await.status, 401);
    }
    let answer = with(&daemon, "GET", "guess").await;
    assert_eq!(problem(&answer).0, 429);
    assert_eq!(header(&answer, "retry-after"), Some("7"));
    assert_eq!(with(&daemon, "GET", "hush-owner").await.status, 429, "else the answer would say that it is right");
    scene.forward(SignedDuration::from_secs(7));
    assert_eq!(with(&daemon, "GET", "hush-owner").await.status, 404);
    daemon.stop().await;
}

#[tokio::test]
async fn a_known_token_is_let_in_however_often_its_address_was_wrong() {
    let scene = Scene::still("2026-11-05T10:10:00Z".parse().expect("a time"), Rules::default()).await;
    let text =
        format!("[admin]\ntoken = \"hush-owner\"\n[admin.tokens.till]\ntoken_hash = \"{}\"\n", hashed("hush-till"));
    let daemon = scene.start(&text).await;
    assert_eq!(with(&daemon, "GET", "hush-till").await.status, 404, "from now on it is known without hashing");
    for _ in 0..10 {
        assert_eq!(with(&daemon, "GET", "stale").await.status, 401);
    }
    for (token, status) in [("stale", 429), ("hush-owner", 404), ("hush-till", 404), ("stale", 429)] {
        assert_eq!(with(&daemon, "GET", token).await.status, status, "{token}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn without_a_token_only_this_machine_by_its_own_name_and_no_other_sites_page_is_answered() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start("[admin]\n").await;
    let own = daemon.admin().to_string();
    let origin = format!("http://{own}");
    for (headers, status) in [
        (&[("Host", own.as_str())][..], 404),
        (&[("Host", "localhost")], 404),
        (&[("Host", "rebound.example.com")], 421),
        (&[("Host", own.as_str()), ("Origin", "https://rebound.example.com")], 403),
        (&[("Host", own.as_str()), ("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Host", own.as_str()), ("X-Forwarded-For", "192.0.2.7")], 403),
        (&[("Host", own.as_str()), ("Origin", origin.as_str()), ("Sec-Fetch-Site", "same-origin")], 404),
    ] {
        for line in ["GET /nothing", "POST /nothing", "OPTIONS /nothing"] {
            assert_eq!(problem(&ask(daemon.admin(), line, headers, b"").await).0, status, "{line} {headers:?}");
        }
    }
    daemon.stop().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_and_a_path_that_climbs_are_problem_documents() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start("[admin]\ntoken = \"hush-owner\"\n").await;
    let headers = [("Host", "bell"), ("Authorization", "Bearer hush-owner")];
    let large = vec![b'x'; 10 << 20];
    assert_eq!(problem(&ask(daemon.admin(), "POST /nothing", &headers, &large).await).0, 413);
    for path in ["/../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//", "/hooks/keeta", "/%00"] {
        assert_eq!(problem(&ask(daemon.admin(), &format!("GET {path}"), &headers, b"").await).0, 404, "{path}");
    }
    assert_eq!(get(daemon.address, "/nothing").await.code(), 404, "the public listener answers as before");
    daemon.stop().await;
}

#[tokio::test]
async fn a_reload_takes_up_tokens_and_takes_them_back() {
    let scene = Scene::new(Rules::default()).await;
    let watching = scene.start_watching(NEVER, "", "[admin]\ntoken = \"hush-first\"\n").await;
    assert_eq!(with(&watching, "GET", "hush-first").await.status, 404);
    let second = "[admin]\nlisten = \"127.0.0.1:9\"\n[admin.tokens.second]\ntoken = \"hush-second\"\n";
    watching.reload("one", "", second).await;
    assert_eq!(with(&watching, "GET", "hush-first").await.status, 401);
    assert_eq!(with(&watching, "GET", "hush-second").await.status, 404);
    assert!(log().contains("this key needs a restart"), "{}", log());
    watching.reload("two", "", "").await;
    assert_eq!(problem(&with(&watching, "GET", "hush-second").await).0, 403, "nobody is configured");
    watching.daemon.stop().await;
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_keeps_its_token_out_and_no_other() {
    let scene = Scene::new(Rules::default()).await;
    let gone = "[admin]\ntoken = \"hush-owner\"\n[admin.tokens.gone]\ntoken = { file = \"gone\" }\n";
    let watching = scene.start_watching(NEVER, "", "[admin]\ntoken = \"hush-first\"\n").await;
    watching.reload("one", "", gone).await;
    assert_eq!(with(&watching, "GET", "hush-owner").await.status, 404);
    assert_eq!(with(&watching, "GET", "").await.status, 401);
    std::fs::write(scene.folder.path().join("gone"), "hush-found\n").expect("written");
    watching.reload("two", "", gone).await;
    assert_eq!(with(&watching, "GET", "hush-found").await.status, 404);
    watching.daemon.stop().await;
}

async fn readyz(daemon: &Daemon, headers: &[(&str, &str)]) -> (u16, Value) {
    let answer = ask(daemon.admin(), "GET /readyz", headers, b"").await;
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{answer:?}")))
}

#[tokio::test]
async fn readyz_says_to_everybody_whether_webhooks_can_be_recorded_and_to_a_token_what_waits_and_is_parked() {
    // Of this robot the receiver knows nothing.
    let scene = Scene::new(Rules::new().strict()).await;
    let text = scene.robot("kitchen", "") + "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\"]\n";
    let daemon = scene.start(&format!("[admin]\ntoken = \"hush-owner\"\n{text}")).await;
    let token = [("Host", "bell"), ("Authorization", "Bearer hush-owner")];
    let (status, empty) = readyz(&daemon, &token).await;
    assert_eq!((status, &empty["status"], &empty["waiting"]["count"]), (200, &"ready".into(), &0.into()), "{empty}");
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let parked = until(async || {
        let (_, full) = readyz(&daemon, &token).await;
        full["channels"][0]["parked_since"].is_string().then_some(full)
    });
    let full = parked.await;
    assert_eq!((&full["waiting"]["count"], &full["channels"][0]["channel"]), (&1.into(), &"kitchen".into()), "{full}");
    assert!(full["waiting"]["since"].is_string() && full["channels"][0]["parked_reason"].is_string(), "{full}");
    let beside = stores::open_beside(&scene.store()).expect("the store is there");
    beside.pause("kitchen", "ann", scene.hands.now()).await.expect("paused");
    let paused = until(async || {
        let (_, full) = readyz(&daemon, &token).await;
        full["channels"][0]["paused_since"].is_string().then_some(full)
    });
    let full = paused.await;
    assert_eq!(
        (&full["channels"][0]["paused_by"], &full["channels"][0]["waiting"]),
        (&"ann".into(), &1.into()),
        "{full}"
    );
    assert_eq!(readyz(&daemon, &[]).await, (200, serde_json::json!({ "status": "ready", "can_record": true })));
    assert_eq!(ask(daemon.admin(), "GET /readyz", &[("Authorization", "Bearer x")], b"").await.status, 401);
    let posted = ask(daemon.admin(), "POST /readyz", &token, b"").await;
    assert_eq!((problem(&posted).0, header(&posted, "allow")), (405, Some("GET, HEAD")));
    daemon.stop().await;
}

#[tokio::test]
async fn while_the_store_is_away_it_is_not_ready_and_the_command_says_so_with_its_exit_code() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start("[admin]\n").await;
    let file = scene.folder.path().join("asking.toml");
    std::fs::write(&file, format!("[admin]\nlisten = \"{}\"\n", daemon.admin())).expect("written");
    let health = async |more: &[&str]| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_orderbell"));
        let output = command.arg("health").args(more).arg("--config").arg(&file).output().await.expect("it runs");
        let text = |bytes| String::from_utf8(bytes).expect("text");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, said, _) = health(&[]).await;
    assert_eq!((code, said.as_str()), (Some(0), "ready: webhooks can be recorded\n"));
    std::fs::rename(scene.store(), scene.folder.path().join("away.db")).expect("moved");
    let local = [("Host", "localhost")];
    let full = until(async || Some(readyz(&daemon, &local).await).filter(|(status, _)| *status == 503)).await.1;
    assert_eq!((&full["status"], &full["can_record"]), (&"not_ready".into(), &false.into()), "{full}");
    assert!(full["reasons"][0].as_str().is_some_and(|reason| reason.contains("nothing can be stored")), "{full}");
    let (code, said, complaint) = health(&["--format", "json"]).await;
    let said: Value = serde_json::from_str(&said).expect("JSON");
    assert_eq!((code, &said["can_record"]), (Some(1), &false.into()), "{said} {complaint}");
    assert!(complaint.starts_with("error: not ready: "), "{complaint}");
    std::fs::write(&file, format!("[server]\nlisten = \"{}\"\n", daemon.address)).expect("written");
    assert_eq!(health(&[]).await.0, Some(0), "without [admin] it asks /healthz");
    std::fs::rename(scene.folder.path().join("away.db"), scene.store()).expect("moved back");
    until(async || Some(readyz(&daemon, &local).await).filter(|(status, _)| *status == 200)).await;
    daemon.stop().await;
}

#[tokio::test]
async fn where_its_address_is_taken_webhooks_are_taken_all_the_same_and_a_strict_start_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let taken = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let text = format!("[admin]\nlisten = \"{}\"\n", taken.local_addr().expect("an address"));
    let program = Program::start(folder.path(), "bell.db", &text).await;
    program.until_logged("webhooks are taken all the same").await;
    program.acknowledged(&keeta::placed(1, jiff::Timestamp::now())).await;
    drop(program);
    let mut strict = tokio::process::Command::new(env!("CARGO_BIN_EXE_orderbell"));
    let strict = strict.args(["--config", "orderbell.toml", "serve", "--strict"]).current_dir(folder.path());
    let ended = in_time(strict.output()).await.expect("it runs");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(ended.status.code() == Some(1) && said.contains("admin.listen = "), "{said}");
}

#[tokio::test]
async fn where_no_orderbell_answers_at_the_admin_address_the_command_goes_by_healthz_and_says_so() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start("").await;
    let file = scene.folder.path().join("asking.toml");
    let health = async |admin: SocketAddr, public: SocketAddr| {
        let text = format!("[server]\nlisten = \"{public}\"\n[admin]\nlisten = \"{admin}\"\n");
        std::fs::write(&file, text).expect("written");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_orderbell"));
        let command = command.args(["health", "--format", "json", "--config"]).arg(&file);
        let output = in_time(command.output()).await.expect("it runs");
        let said: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), said, String::from_utf8(output.stderr).expect("text"))
    };
    // Another program, which has no `/readyz`.
    let occupied = scene.sandbox.address();
    // No other test listens at this address of the machine, so the port stays free.
    let refusing = TcpListener::bind("127.0.0.2:0").await.expect("a port").local_addr().expect("an address");
    for admin in [refusing, occupied] {
        let (code, said, note) = health(admin, daemon.address).await;
        assert_eq!((code, &said["can_record"]), (Some(0), &true.into()), "{said} {note}");
        assert_eq!(said["asked"], format!("http://{}/healthz", daemon.address));
        assert!(note.starts_with("note: ") && note.contains(&format!("http://{admin}/readyz")), "{note}");
    }
    let (code, said, complaint) = health(refusing, refusing).await;
    assert_eq!((code, &said["can_record"]), (Some(1), &false.into()), "{said} {complaint}");
    daemon.stop().await;
}

/// Asks again and again: nothing says when it is so.
pub async fn until<T>(found: impl AsyncFn() -> Option<T>) -> T {
    in_time(async {
        loop {
            if let Some(found) = found().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await
}

#[test]
fn a_token_that_is_made_fits_its_hash_and_is_another_each_time() {
    let made = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_orderbell")).arg("token").args(arguments).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    let tokens = [0; 2].map(|_| {
        let (code, printed) = made(&["prometheus", "--format", "json"]);
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let (token, hash) = (printed["token"].as_str().unwrap(), printed["token_hash"].as_str().unwrap());
        assert_eq!((code, token.len()), (Some(0), 43));
        assert!(access::is_hashed(token, &Secret::new(hash)));
        assert_eq!((&printed["table"], &printed["access"]), (&"admin.tokens.prometheus".into(), &"read".into()));
        token.to_owned()
    });
    assert_ne!(tokens[0], tokens[1]);
    let (_, printed) = made(&["till", "--access", "write"]);
    let rest: Vec<&str> = printed.lines().skip(2).take_while(|line| !line.starts_with("# or")).collect();
    let rest: toml::Table = rest.join("\n").parse().unwrap();
    let own = &rest["admin"]["tokens"]["till"];
    assert!(access::judge_hash(own["token_hash"].as_str().unwrap()).is_ok(), "{printed}");
    assert_eq!(own["access"].as_str(), Some("write"));
    assert!(made(&[]).1.contains("\n[admin]\ntoken_hash = "));
    assert_eq!(made(&["a b"]).0, Some(2));
}
