//! The page of a first start: from an empty folder to a file that the daemon goes on by; what was typed wrong is said, what must
//! stay secret is not shown, and nobody else gets in.

mod hostile;
mod program;

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::{fs, io};

use orderbell::app::assistant::Assistant;
use orderbell::app::assistant::saving::Handover;
use orderbell::app::first_start;
use orderbell::domain::secret::Secret;
use orderbell::flow::Clock;
use orderbell::in_force::Errors;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::rules::{RobotRules, Rules};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::form_urlencoded::Serializer;

use crate::support::address::own_address;
use crate::support::{Answer, in_time, read};

/// In every secret here, and in nothing that the page answers.
const HUSH: &str = "hush";

/// A first start in a folder of its own.
pub struct FirstStart {
    folder: TempDir,
    address: SocketAddr,
    task: JoinHandle<io::Result<Option<(Handover, TcpListener)>>>,
    shutdown: CancellationToken,
    /// Everything that was answered.
    said: Arc<Mutex<String>>,
}

impl Drop for FirstStart {
    fn drop(&mut self) {
        self.shutdown.cancel();
    }
}

impl FirstStart {
    pub async fn begin() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (folder, address) = (tempfile::tempdir().unwrap(), listener.local_addr().unwrap());
        let assistant =
            Assistant::new(&folder.path().join("orderbell.toml"), address, Errors::GoAround, Clock::system());
        let shutdown = CancellationToken::new();
        let stop = shutdown.clone();
        let task = tokio::spawn(async move { first_start::run(assistant, listener, Clock::system(), &stop).await });
        Self { folder, address, task, shutdown, said: Arc::default() }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("orderbell.toml")
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, "", "").await
    }

    /// Presses a button.
    pub async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let origin = format!("Origin: http://{}\r\nSec-Fetch-Site: same-origin\r\n", self.address);
        self.ask("POST", path, &origin, &body).await
    }

    /// As a browser asks.
    pub async fn ask(&self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        let host = if more.contains("Host: ") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let head = format!(
            "{method} {path} HTTP/1.1\r\n{host}Accept: text/html\r\nContent-Type: application/x-www-form-urlencoded\r\n\
            Content-Length: {}\r\nConnection: close\r\n{more}\r\n{body}",
            body.len()
        );
        let mut stream = in_time(TcpStream::connect(self.address)).await.unwrap();
        in_time(stream.write_all(head.as_bytes())).await.unwrap();
        let mut answer = read(&mut stream).await;
        answer.body = answer.body.replace("&#x2f;", "/");
        self.said.lock().unwrap().push_str(&format!("{}\n{}\n", answer.head, answer.body));
        answer
    }

    /// Presses a button that leads on.
    async fn leads_on(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let answer = self.post(path, fields).await;
        assert_eq!(answer.status, 303, "{path}: {}", answer.body);
        let location =
            answer.head.lines().find_map(|line| line.to_lowercase().strip_prefix("location: ").map(str::to_owned));
        location.expect("where it leads")
    }

    async fn general(&self, listen: SocketAddr) {
        let listen = listen.to_string();
        let fields = [
            ("language", "en"),
            ("timezone", "Asia/Hong_Kong"),
            ("currency", "hkd"),
            ("public_url", "https://bell.example.com/"),
            ("listen", &listen),
        ];
        assert_eq!(self.leads_on("/setup/general", &fields).await, "/setup/source/0");
    }

    async fn keeta(&self) {
        let fields = [
            ("kind", "keeta"),
            ("name", "keeta-hk"),
            ("value.app_id", "77"),
            ("value.app_secret", "hush-app"),
            ("then", "next"),
        ];
        assert_eq!(self.leads_on("/setup/source/0", &fields).await, "/setup/channel/0");
    }

    /// A page whole, with this text somewhere in it.
    async fn shows(&self, path: &str, text: &str) -> String {
        let answer = self.get(path).await;
        assert!(answer.status == 200 && answer.body.contains(text), "{path} does not show {text:?}: {}", answer.body);
        answer.body
    }
}

/// A robot of DingTalk in signed mode.
async fn robot() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rules = RobotRules { secret: Some(Secret::new("SEC-hush-robot")), keyword: None };
    Sandbox::start(listener, Rules::new().robot("kitchen-hush", rules))
}

fn of_robot<'a>(url: &'a str, secret: &'a str, then: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("kind", "dingtalk"),
        ("name", "kitchen"),
        ("value.webhook", url),
        ("value.secret", secret),
        ("value.allow_private", "true"),
        ("then", then),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn five_steps_lead_from_an_empty_folder_to_a_daemon_that_goes_on() {
    let (start, sandbox) = (FirstStart::begin().await, robot().await);
    assert_eq!(start.get("/").await.status, 303);
    start.shows("/setup/general", "name=\"timezone\"").await;
    start.general(own_address()).await;
    start.shows("/setup/source/0", "/setup/source/0?kind=keeta").await;
    start.shows("/setup/source/0?kind=keeta", "name=\"value.app_secret\"").await;
    start.keeta().await;
    let source = start.shows("/setup/source/0", "https://bell.example.com/hooks/keeta-hk").await;
    assert!(source.contains("placeholder=\"given\"") && source.contains("value=\"77\""), "{source}");
    let sample = start
        .post("/setup/source/0", &[("kind", "keeta"), ("name", "keeta-hk"), ("value.app_id", "77"), ("then", "try")]);
    let sample = sample.await.body;
    assert!(sample.contains("was believed and read") && sample.contains("HKD"), "{sample}");

    let url = sandbox.robot_url("kitchen-hush");
    let refused = start.post("/setup/channel/0", &of_robot(&url, "SEC-hush-wrong", "try")).await.body;
    assert!(refused.contains("was not accepted") && refused.contains("errcode"), "{refused}");
    assert!(refused.contains("<dt>Why</dt>") && refused.contains("<dt>What to do</dt>"), "{refused}");
    let accepted = start.post("/setup/channel/0", &of_robot("", "SEC-hush-robot", "try")).await.body;
    assert!(accepted.contains("The test message was accepted"), "{accepted}");
    assert_eq!(sandbox.counts().accepted, 1);
    assert_eq!(start.leads_on("/setup/channel/0", &of_robot("", "", "next")).await, "/setup/ending");
    start.shows("/setup/channel/0", "The test message was accepted").await;

    start.shows("/setup/ending", "value=\"kitchen\"").await;
    let ending = [("operator", "kitchen"), ("report_at", "09:30"), ("secrets", "file")];
    assert_eq!(start.leads_on("/setup/ending", &ending).await, "/setup/file");
    let shown = start.shows("/setup/file", "action=\"/setup/save\"").await;
    assert!(shown.contains("KITCHEN_WEBHOOK") && shown.contains("09:30"), "{shown}");
    let download = start.get("/setup/orderbell.toml").await;
    assert!(
        download.head.to_lowercase().contains("filename=\"orderbell.toml\"")
            && download.body.contains("[channel.kitchen]")
    );
    assert_eq!(fs::read_dir(start.folder.path()).unwrap().count(), 0, "nothing is written before it is asked for");

    assert_eq!(start.leads_on("/setup/save", &[]).await, "/setup/file");
    let saved = fs::metadata(start.file()).unwrap();
    assert_eq!(saved.permissions().mode() & 0o777, 0o600);
    let text = fs::read_to_string(start.file()).unwrap();
    assert!(text.contains(&url) && text.contains("\"SEC-hush-robot\"") && text.contains("\"hush-app\""), "{text}");
    assert_eq!(fs::read_dir(start.folder.path()).unwrap().count(), 1, "the file alone");
    start.shows("/setup/file", "action=\"/setup/start\"").await;

    let said = start.said.clone();
    assert_eq!(start.leads_on("/setup/start", &[]).await, "/");
    assert!(!said.lock().unwrap().contains(HUSH), "{}", said.lock().unwrap());
    let (address, mut start) = (start.address, start);
    let (handover, listener) = in_time(&mut start.task).await.unwrap().unwrap().expect("a handover");
    let config = handover.started.read.config;
    assert_eq!(config.admin.map(|admin| admin.listen), Some(address));
    assert_eq!((listener.local_addr().unwrap(), handover.hooks.local_addr().unwrap()), (address, config.server.listen));
    assert_eq!((config.channels.len(), config.sources.len(), config.currency.as_str()), (1, 1, "HKD"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_is_said_as_check_says_it_and_leads_nowhere() {
    let start = FirstStart::begin().await;
    let general = [("language", "en"), ("timezone", "Beijing"), ("currency", "RMB"), ("listen", "127.0.0.1:8787")];
    let answer = start.post("/setup/general", &general).await;
    for said in [
        "is not the IANA name of a time zone",
        "did you mean &quot;Asia/Shanghai&quot;?",
        "did you mean &quot;CNY&quot;?",
    ] {
        assert!(answer.status == 200 && answer.body.contains(said), "{said}: {}", answer.body);
    }
    let keeta = [("kind", "keeta"), ("value.app_id", "x77"), ("then", "next")];
    let answer = start.post("/setup/source/0", &keeta).await;
    assert!(
        answer.status == 200 && answer.body.contains("app_secret") && answer.body.contains("app_id"),
        "{}",
        answer.body
    );
    assert!(answer.body.matches("class=\"error\"").count() >= 2, "{}", answer.body);
    let wecom = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush-key";
    let answer =
        start.post("/setup/channel/0", &[("kind", "dingtalk"), ("value.webhook", wecom), ("then", "try")]).await;
    assert!(
        answer.body.contains("this is the address of a WeCom robot") && !answer.body.contains(HUSH),
        "{}",
        answer.body
    );
    let answer =
        start.post("/setup/channel/0", &[("kind", "dingtalk"), ("name", "my kitchen"), ("then", "next")]).await;
    assert!(answer.body.contains("cannot be a name"), "{}", answer.body);
    start.shows("/setup/file", "Something is missing yet").await;
    let answer = start.post("/setup/save", &[]).await;
    assert!(answer.status == 200 && !start.file().exists(), "{}", answer.body);
    // There is nothing to start by either.
    assert_eq!(start.post("/setup/start", &[]).await.status, 200);
    assert!(!start.task.is_finished());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_there_is_never_overwritten_and_is_started_by_once_it_is_right() {
    let start = FirstStart::begin().await;
    fs::write(start.file(), "language = \"en\"\n[server\n").unwrap();
    assert_eq!(start.get("/setup").await.status, 303);
    let shown = start.shows("/setup/file", "Orderbell does not start by it").await;
    assert!(shown.contains("line 2") && !shown.contains("action=\"/setup/save\""), "{shown}");
    start.general(own_address()).await;
    start.keeta().await;
    let wecom = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush-key";
    start.leads_on("/setup/channel/0", &[("kind", "wecom"), ("value.webhook", wecom), ("then", "next")]).await;
    let refused = start.post("/setup/save", &[]).await;
    assert!(refused.body.contains("is there already and stays as it is"), "{}", refused.body);
    assert_eq!(fs::read_to_string(start.file()).unwrap(), "language = \"en\"\n[server\n");
    start.shows("/setup/file", "A file is never overwritten").await;
    assert_eq!(start.post("/setup/start", &[]).await.status, 200);

    let text = start.get("/setup/orderbell.toml").await.body;
    let text = text.replace("{ env = \"KEETA_HK_APP_SECRET\" }", "\"hush-app\"");
    fs::write(start.file(), text.replace("{ env = \"WECOM_WEBHOOK\" }", &format!("\"{wecom}\""))).unwrap();
    start.shows("/setup/file", "The configuration is saved").await;
    assert_eq!(start.leads_on("/setup/start", &[]).await, "/");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_was_given_stays_until_it_is_replaced_or_forgotten() {
    let start = FirstStart::begin().await;
    let press = async |fields: &[(&str, &str)]| {
        let fields = [&[("kind", "apsdai"), ("then", "stay")], fields].concat();
        start.post("/setup/source/0", &fields).await.body
    };
    let given = |page: &str| page.matches("placeholder=\"given\"").count();
    assert_eq!(given(&press(&[("value.secret", "hush-key")]).await), 1);
    assert_eq!(given(&press(&[]).await), 1);
    let both = press(&[("value.password", "hush-word")]).await;
    assert!(given(&both) == 2 && both.contains("a source has one token mode"), "{both}");
    let one = press(&[("forget", "secret")]).await;
    assert!(given(&one) == 1 && !one.contains("class=\"error\""), "{one}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_another_program_has_is_said_before_the_file_is_written() {
    let start = FirstStart::begin().await;
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    start.general(taken.local_addr().unwrap()).await;
    start.keeta().await;
    let wecom = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush-key";
    start.leads_on("/setup/channel/0", &[("kind", "wecom"), ("value.webhook", wecom), ("then", "next")]).await;
    let refused = start.post("/setup/save", &[]).await.body;
    assert!(refused.contains("choose another port") && !start.file().exists(), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn with_secrets_in_variables_the_file_has_none_and_the_page_says_what_is_missing() {
    let start = FirstStart::begin().await;
    start.general(own_address()).await;
    start.keeta().await;
    let wecom = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush-key";
    start.leads_on("/setup/channel/0", &[("kind", "wecom"), ("value.webhook", wecom), ("then", "next")]).await;
    start.leads_on("/setup/ending", &[("secrets", "variables")]).await;
    start.leads_on("/setup/save", &[]).await;
    let text = fs::read_to_string(start.file()).unwrap();
    assert!(
        !text.contains(HUSH) && text.contains("{ env = \"WECOM_WEBHOOK\" }") && !text.contains("[report"),
        "{text}"
    );
    let shown = start.shows("/setup/file", "WECOM_WEBHOOK is not set").await;
    assert!(shown.contains("<pre>orderbell serve</pre>"), "{shown}");
    assert_eq!(start.post("/setup/start", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_reads_in_the_readers_language_and_explains_a_refusal_in_it() {
    let (start, sandbox) = (FirstStart::begin().await, robot().await);
    let arabic = start.ask("GET", "/setup/general", "Accept-Language: ar\r\n", "").await.body;
    assert!(arabic.contains("lang=\"ar\" dir=\"rtl\"") && arabic.contains("المنطقة الزمنيّة"), "{arabic}");
    start.post("/setup/channel/0", &of_robot(&sandbox.robot_url("kitchen-hush"), "SEC-hush-wrong", "try")).await;
    let chinese = start.ask("GET", "/setup/channel/0", "Accept-Language: zh-CN\r\n", "").await.body;
    assert!(chinese.contains("测试消息没有被接收") && chinese.contains("机器人要求加签"), "{chinese}");
}
