//! What receivers say back: a secret that a receiver repeats, in whatever form, is in no file, no log and no list.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use orderbell::config;
use orderbell::sandbox::rules::Rules;
use serde_json::json;

use crate::support::log::log;
use crate::support::{Scene, echo, keeta, kept, of, whole};

const PASSWORD: &str = "s3cr+t/Pa\"ss\\w%rd?>~&;x9'Qü ends";
const USER: &str = "bell@orderbell.test";
const TOKEN: &str = "t0ken4c1ffe0099aabbcc";
const KEY: &str = "693a91f6-7abc-4bc4-97a0-0ec2a1fa5aaa";
const SEC: &str = "SEC9a3e07robotsigning";
const RELAY: &str = "relay-Path_77b0aa";
const HOOK: &str = "hook-Path_5d8c21xyz";
const QUERY: &str = "query.Value~4f5e6d7c";
const BEARER: &str = "eyJhbGciOi.J9_e0-d17f";
const COOKIE: &str = "c00kie+value/31f9c4==";
const STANDARD: &str = "whsec_c3RhbmRhcmRrZXkwOWYzYjdlMTIzNDU2";
const SIGNING: &str = "hook signing+pass/word";
const PROXY: &str = "proxyPass%2Fw0rd8a";

fn refusing(said: &str) -> String {
    let head = "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n";
    format!(
        "{head}Location: {}\r\nContent-Length: {}\r\n\r\n{said}",
        said.lines().next().unwrap_or_default(),
        said.len()
    )
}

fn unknown_code(said: &str) -> String {
    let body = json!({ "errcode": 987_654, "errmsg": said }).to_string();
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn orderbell(file: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).arg("--config").arg(file).env("ORDERBELL_LOG", "trace").stdin(Stdio::null());
    let output = command.output().expect("it runs");
    [output.stdout, output.stderr].concat()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_that_a_receiver_says_back_is_stored_logged_or_shown_in_any_form() {
    let robots = echo::http(&[], unknown_code).await;
    let relay = echo::http(&[], refusing).await;
    let hooks = echo::http(&["authorization", "cookie", "x-apsdai-token"], refusing).await;
    let standard = echo::http(&["webhook-signature"], refusing).await;
    let proxy = echo::http(&["proxy-authorization"], refusing).await;
    let plain = echo::mail("PLAIN", USER, PASSWORD).await;
    let login = echo::mail("LOGIN", USER, PASSWORD).await;

    let times = echo::all_turns(4);
    let retry = format!("retry = [{}]", vec!["\"0s\""; times].join(", "));
    let rate = "rate = { per = \"1s\", count = 10000 }";
    let mail = |name: &str, server: &echo::Echo| {
        let password = json!(PASSWORD);
        format!(
            "[channel.{name}]\nkind = \"email\"\nsmtp = \"smtp+plain://{}\"\nfrom = \"{USER}\"\nto = [\"cook@orderbell.test\"]\nusername = \"{USER}\"\npassword = {password}\n{retry}\n",
            server.address
        )
    };
    let text = [
        mail("plain", &plain),
        mail("login", &login),
        format!("[channel.robot]\nkind = \"dingtalk\"\nwebhook = \"http://{}/robot/send?access_token={TOKEN}\"\nsecret = \"{SEC}\"\nallow_private = true\n{rate}\n{retry}\n", robots.address),
        format!("[channel.relayed]\nkind = \"wecom\"\nwebhook = \"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={KEY}\"\nbase_url = \"http://{}/{RELAY}\"\nallow_private = true\n{rate}\n{retry}\n", relay.address),
        format!("[channel.hook]\nkind = \"webhook\"\nurl = \"http://{}/{HOOK}/in?t={QUERY}\"\nallow_private = true\nsigning = {{ scheme = \"apsdai-password\", secret = \"{SIGNING}\" }}\nheaders = {{ Authorization = \"Bearer {BEARER}\", Cookie = \"session={COOKIE}; theme=dark\" }}\n{retry}\n", hooks.address),
        format!("[channel.sworn]\nkind = \"webhook\"\nurl = \"http://{}/{HOOK}\"\nallow_private = true\nsigning = {{ scheme = \"standard-webhooks\", secret = \"{STANDARD}\" }}\n{retry}\n", standard.address),
        format!("[channel.proxied]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/{HOOK}\"\nproxy = \"http://user:{PROXY}@{}\"\nallow_private = true\n{retry}\n", proxy.address),
        "[[route]]\nevents = [\"order.placed\"]\nto = [\"plain\", \"login\", \"robot\", \"relayed\", \"hook\", \"sworn\", \"proxied\"]\n".to_owned(),
    ]
    .concat();
    let scene = Scene::new(Rules::new()).await;
    let file = scene.folder.path().join("orderbell.toml");
    std::fs::write(&file, whole("", &text)).expect("a file");
    let config = config::read(&file).unwrap_or_else(|problems| panic!("{problems:#?}")).config;
    let daemon = scene.start_with(config, scene.folder.path()).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let begin = Instant::now();
    let mut rows = daemon.deliveries().await;
    while rows.iter().any(|one| one.state == "waiting") {
        assert!(begin.elapsed() < Duration::from_secs(240), "it takes too long: {rows:#?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
        rows = daemon.deliveries().await;
    }
    assert_eq!(rows.len(), 7);
    for name in ["plain", "login", "robot", "relayed", "hook", "sworn", "proxied"] {
        let tries = of(&rows, name)[0].attempts;
        assert!(tries as usize > times, "{name} was tried {tries} times");
    }
    let answers: Vec<String> = daemon
        .connection()
        .prepare("SELECT answer FROM attempts WHERE answer IS NOT NULL")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .expect("the answers");
    assert!(answers.iter().filter(|answer| answer.contains("***")).count() > times, "what is left of them is kept");
    daemon.stop().await;

    let decoded = "standardkey09f3b7e123456";
    let bare = &STANDARD["whsec_".len()..];
    let proxied = "proxyPass/w0rd8a";
    let secrets = [
        PASSWORD, TOKEN, KEY, SEC, RELAY, HOOK, QUERY, BEARER, COOKIE, STANDARD, bare, decoded, SIGNING, PROXY, proxied,
    ];
    for answer in &answers {
        assert_eq!(echo::leak(answer.as_bytes(), &secrets), None, "{answer}");
    }
    assert_eq!(echo::leak(&kept::readable(&scene.store()), &secrets), None, "the store");
    assert_eq!(echo::leak(log().as_bytes(), &secrets), None, "the log");
    for arguments in [
        &["why", "1"][..],
        &["deliveries"],
        &["deliveries", "--format", "json"],
        &["test", "--all"],
        &["test", "--all", "--format", "json"],
    ] {
        let shown = orderbell(&file, arguments);
        let text = String::from_utf8_lossy(&shown);
        assert!(text.contains("plain"), "{arguments:?}: {text}");
        assert_eq!(echo::leak(&shown, &secrets), None, "{arguments:?}: {text}");
    }
}
