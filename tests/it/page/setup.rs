//! *Set-up*: a browser leads a folder with nothing in it to a delivered message, reading only what stands on the page.

use std::process::{Command, Stdio};

use fantoccini::Locator;
use orderbell::domain::secret::Secret;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::inbox::MockVerdict;
use orderbell::sandbox::rules::{RobotRules, Rules};
use tokio::net::TcpListener;

use crate::admin::ask;
use crate::page::browser::Browser;
use crate::support::address::own_address;
use crate::support::running::Running;
use crate::support::{Scene, TOO_LONG, in_time};

/// Somebody who goes by what is to be read on the page, and knows no address and no name of a field.
struct Newcomer(Browser);

impl Newcomer {
    /// Writes into the field of this label.
    async fn fill(&self, label: &str, text: &str) {
        let path = format!("//label[starts-with(normalize-space(.), {label:?})]");
        let found = self.0.client.wait().at_most(TOO_LONG).for_element(Locator::XPath(&path)).await;
        let field = in_time(found.expect(label).attr("for")).await.unwrap().expect("whose label it is");
        self.0.write(&format!("[id='{field}']"), text).await;
    }

    /// Presses the button or the link with this text.
    async fn press(&self, text: &str) {
        let path = format!(
            "//main//*[(self::button or self::a or self::label) and normalize-space(.) = {text:?} and not(@tabindex)]"
        );
        let found = self.0.client.wait().at_most(TOO_LONG).for_element(Locator::XPath(&path)).await;
        in_time(found.unwrap_or_else(|error| panic!("{text}: {error}")).click()).await.unwrap();
    }

    /// Reads a step in languages of both directions, and keeps pictures of it.
    async fn looks_at(&self, step: &str) {
        self.0.is_readable().await;
        self.0.pictures(&format!("setup-{step}-en")).await;
        for (language, title) in [("ar", "من ومتى"), ("zh-HK", "設定精靈")] {
            self.0.press(&format!("button[lang={language}]")).await;
            self.0.sees(title).await;
            self.0.is_readable().await;
            self.0.pictures(&format!("setup-{step}-{language}")).await;
        }
        self.0.press("button[lang=en]").await;
        self.0.sees("Set-up").await;
        self.0.width(390).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_gets_from_an_empty_folder_to_a_delivered_message_by_the_page_alone() {
    let (folder, page, hooks) = (tempfile::tempdir().unwrap(), own_address(), own_address().to_string());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let rules = RobotRules { secret: Some(Secret::new("SEC-5f1c77")), keyword: None };
    let sandbox = Sandbox::start(listener, Rules::new().robot("kitchen", rules));
    let mut serve = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    serve.args(["serve", &format!("--setup={page}")]).current_dir(folder.path()).stdin(Stdio::null());
    serve.env_remove("ORDERBELL_CONFIG").env_remove("ORDERBELL_LOG").env_remove("ORDERBELL_LOG_FORMAT");
    let program = Running::start(serve);
    program.until(&format!("http://{page}/"));
    let Some(browser) = Browser::of(format!("http://{page}"), "en").await else { return };
    browser.width(390).await;
    browser.open("/").await;
    let newcomer = Newcomer(browser);

    newcomer.0.sees("Five short steps lead to your first message").await;
    let zone = newcomer
        .0
        .run("return [document.querySelector('#timezone').value, Intl.DateTimeFormat().resolvedOptions().timeZone]");
    let zone = zone.await;
    assert!(zone[0] == zone[1] || !zone[1].as_str().unwrap_or_default().contains('/'), "{zone}");
    newcomer.looks_at("general").await;
    newcomer.fill("Time zone", "Asia/Hong_Kong").await;
    newcomer.fill("How the internet reaches Orderbell", "https://bell.example.com").await;
    newcomer.fill("Where webhooks come in on this machine", &hooks).await;
    newcomer.press("Save and go on").await;

    newcomer.0.sees("Where do orders come from?").await;
    newcomer.press("Keeta").await;
    newcomer.fill("Id of the application", "77").await;
    newcomer.press("Save and go on").await;
    newcomer.0.sees("app_secret").await;
    newcomer.fill("Secret of the application", "5f1c78").await;
    newcomer.press("Save and try a sample order").await;
    newcomer.0.sees("was believed and read").await;
    newcomer.0.sees("https://bell.example.com/hooks/keeta").await;
    newcomer.0.is_readable().await;
    newcomer.0.pictures("setup-sample-en").await;
    newcomer.0.width(390).await;
    newcomer.press("Save and go on").await;

    newcomer.0.sees("Where should messages go?").await;
    newcomer.looks_at("channel").await;
    newcomer.press("A DingTalk group").await;
    newcomer.fill("Address of the robot", &sandbox.robot_url("kitchen")).await;
    newcomer.fill("Secret of the signed mode", "SEC-wrong").await;
    newcomer.press("The address is on this machine or in my own network").await;
    newcomer.press("Save and send a test message").await;
    newcomer.0.sees("The test message was not accepted").await;
    newcomer.0.sees("What to do").await;
    newcomer.looks_at("refused").await;
    newcomer.fill("Secret of the signed mode", "SEC-5f1c77").await;
    newcomer.press("Save and send a test message").await;
    newcomer.0.sees("The test message was accepted").await;
    assert_eq!(sandbox.counts().accepted, 1, "it was delivered");
    newcomer.press("Save and go on").await;

    newcomer.0.sees("Daily report").await;
    newcomer.looks_at("ending").await;
    newcomer.press("Save and go on").await;
    newcomer.0.sees("Everything is there").await;
    newcomer.looks_at("file").await;
    newcomer.press("Save to this file").await;
    newcomer.0.sees("The configuration is saved").await;
    newcomer.0.is_readable().await;
    newcomer.press("Start Orderbell").await;
    newcomer.0.sees("Today so far").await;
    let mut news = sandbox.subscribe();
    newcomer.press("Sources").await;
    newcomer.press("Send a signed sample through").await;
    newcomer.0.sees("It was believed and recorded.").await;
    let received = in_time(news.recv()).await.unwrap();
    assert_eq!(received.verdict, MockVerdict::Accepted, "the daemon that goes on delivers as well");
    newcomer.0.close().await;
}

#[tokio::test]
async fn with_a_configuration_the_setup_says_what_there_is() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&format!("[admin]\n{}", scene.robot("kitchen", ""))).await;
    let answer = ask(daemon.admin(), "GET /setup", &[("Host", "localhost"), ("Accept", "text/html")], b"").await;
    assert!(answer.status == 200 && answer.body.contains("<bdi>kitchen</bdi>"), "{}", answer.body);
    assert!(answer.body.contains("There is a configuration already"), "{}", answer.body);
    daemon.stop().await;
}
