//! The commands that talk to receivers, run as a merchant runs them: the real program, the sandbox as its receiver.

mod register;
mod render;

use std::path::Path;
use std::process::Output;

use orderbell::domain::secret::Secret;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{RobotRules, Rules, WebhookRules};
use orderbell::sandbox::smtp::MailServer;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::Command;

/// In every secret of these tests, and in nothing that a command prints.
const HUSH: &str = "hush";

/// Who sends a test where no daemon runs.
const SENT: &str = "    sent:   by this command, with the values here; no daemon runs\n";

async fn sandbox(rules: Rules) -> Sandbox {
    Sandbox::start(TcpListener::bind("127.0.0.1:0").await.unwrap(), rules)
}

/// A folder with a configuration.
fn folder(config: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orderbell.toml"), config).unwrap();
    folder
}

async fn orderbell(folder: &Path, arguments: &[&str]) -> Output {
    orderbell_with(folder, arguments, &[]).await
}

async fn orderbell_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).current_dir(folder).env_remove("ORDERBELL_CONFIG").envs(environment.iter().copied());
    let output = command.output().await.unwrap();
    assert!(!text(&output).contains(HUSH), "it gives a secret away: {}", text(&output));
    output
}

/// Everything that was printed.
fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn channel(name: &str, kind: &str, address: &str, more: &str) -> String {
    let key = if kind == "webhook" { "url" } else { "webhook" };
    format!("[channel.{name}]\nkind = \"{kind}\"\n{key} = \"{address}\"\nallow_private = true\n{more}\n")
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {}", text(output)))
}

#[tokio::test]
async fn a_test_message_goes_the_way_of_real_ones_to_every_kind_of_channel() {
    let rules = Rules::new()
        .robot("kitchen", RobotRules { secret: Some(Secret::new("SEChush")), keyword: Some("order".to_owned()) })
        .wecom("office")
        .hook("erp", WebhookRules::StandardWebhooks(Secret::new("hush")))
        .strict();
    let simulated = sandbox(rules).await;
    let config = [
        channel("kitchen", "dingtalk", &simulated.robot_url("kitchen"), "secret = \"SEChush\"\nkeyword = \"order\""),
        channel("office", "wecom", &simulated.wecom_url("office"), "language = \"zh-CN\"\nmention = { all = true }"),
        channel(
            "erp",
            "webhook",
            &simulated.hook_url("erp"),
            "signing = { scheme = \"standard-webhooks\", secret = \"hush\" }",
        ),
    ];
    let folder = folder(&format!("templates = \"own\"\n{}", config.concat()));
    std::fs::create_dir_all(folder.path().join("own/en")).unwrap();
    std::fs::write(folder.path().join("own/en/test.md"), "# My own words for {{ channel }}").unwrap();

    let output = orderbell(folder.path(), &["test", "--all"]).await;
    assert!(output.status.success(), "{}", text(&output));
    let agree = "    clock:  the receiver's and this machine's agree\n";
    let expected = format!(
        "erp (webhook): yes\n{SENT}{agree}kitchen (dingtalk): yes\n{SENT}{agree}office (wecom): yes\n{SENT}{agree}"
    );
    assert_eq!(text(&output), expected);
    let came: Vec<(String, String)> =
        simulated.messages().into_iter().map(|one| (one.address.name, one.text.unwrap_or_default())).collect();
    assert_eq!(came.len(), 4, "WeCom calls everyone by a second message: {came:?}");
    assert!(came[0].0 == "erp" && came[0].1.contains("My own words for erp"), "{came:?}");
    assert!(came[1].1.contains("My own words for kitchen") && came[1].1.ends_with("\n\norderbell · order"), "{came:?}");
    assert!(came[2].1.contains("office") && came[2].1.contains("Orderbell"), "{came:?}");
    assert_eq!(simulated.counts().refused, 0);

    let output = orderbell(folder.path(), &["test", "office"]).await;
    assert!(output.status.success() && text(&output).starts_with("office (wecom): yes\n"), "{}", text(&output));
    assert_eq!(simulated.messages().len(), 6, "only the channel that was named");
}

/// What a receiver does, and what a merchant must read then: the cause, the change, the receiver's own words.
#[tokio::test]
async fn a_refusal_is_said_with_its_cause_and_what_to_change() {
    let rules = Rules::new()
        .robot("signing-robot", RobotRules { secret: Some(Secret::new("SEChush")), keyword: None })
        .robot("keyword-robot", RobotRules { secret: None, keyword: Some("乌龙茶".to_owned()) })
        .robot("fine", RobotRules::default())
        .wecom("fine")
        .hook("token", WebhookRules::Apsdai(Secret::new("hush")))
        .strict();
    let simulated = sandbox(rules).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fault = |errcode, errmsg: &str| {
        simulated.order("fine", Fault::Errcode { errcode, errmsg: errmsg.to_owned() }, Times::Next(1));
    };
    let dingtalk = |name: &str| channel("c", "dingtalk", &simulated.robot_url(name), "");
    let wecom = |name: &str| channel("c", "wecom", &simulated.wecom_url(name), "");
    let webhook = |address: &str| channel("c", "webhook", address, "timeout = \"5s\"");
    let refused = format!("http://{closed}/hook");
    let plain_as_tls = simulated.hook_url("x").replace("http://", "https://");
    let cases: Vec<(String, &str, &str, &str)> = vec![
        (dingtalk("signing-robot"), "the robot demands a signature", "set `secret`", "sign not match"),
        (dingtalk("keyword-robot"), "the robot demands a keyword", "set `keyword`", "keywords not in content"),
        (dingtalk("fine"), "finds our time wrong", "clock", "timestamp is invalid"),
        (dingtalk("fine"), "does not allow this machine's address", "public address", "not in whitelist"),
        (dingtalk("nobody"), "token is unknown", "copy `webhook` anew", "token is not exist"),
        (wecom("nobody"), "there is no robot with this key", "copy `webhook` anew", "invalid webhook url"),
        (wecom("fine"), "is not in the group any more", "make another robot", "bot not in chat"),
        (wecom("fine"), "more than 20 messages", "wait a minute", "freq out of limit"),
        (wecom("fine"), "answers in the robot's place", "look at `webhook`", "HTTP 200 (not the robot's answer)"),
        (webhook(&simulated.hook_url("token")), "does not believe", "compare `signing`", "HTTP 401"),
        (webhook(&simulated.hook_url("nobody")), "no receiver at this path", "look at `url`", "HTTP 404"),
        (webhook(&refused), "nothing listens at this address", "look at the port", "connection refused"),
        (webhook("http://no-such-host.invalid/"), "name of the server is not found", "typing error", "not connected"),
        (webhook(&plain_as_tls), "does not speak TLS", "look at the port", "not connected"),
    ];
    for (config, cause, change, words) in cases {
        match words {
            "timestamp is invalid" => fault(310_000, "timestamp is invalid, more: [https://open.dingtalk.com]"),
            "not in whitelist" => fault(310_000, "ip 203.0.113.9 not in whitelist"),
            "bot not in chat" => fault(93_008, "bot not in chat"),
            "freq out of limit" => fault(45_009, "api freq out of limit"),
            "HTTP 200 (not the robot's answer)" => simulated.order("fine", Fault::Garbage, Times::Next(1)),
            _ => {}
        }
        let folder = folder(&config);
        let output = orderbell(folder.path(), &["test", "c"]).await;
        let said = text(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        let line = |head: &str| said.lines().find(|line| line.trim_start().starts_with(head)).unwrap_or_default();
        assert!(line("cause:").contains(cause) && line("change:").contains(change), "{said}");
        assert!(line("answer:").contains(words), "{said}");
        for once in [line("cause:"), line("change:")].map(|line| line.split_once(": ").unwrap().1.trim()) {
            assert_eq!(said.matches(once).count(), 1, "said once: {said}");
        }
        assert!(said.contains("): no\n") && said.ends_with("error: 1 of 1 channels did not accept it\n"), "{said}");
    }
}

#[tokio::test]
async fn a_certificate_of_another_name_is_distinguished_from_one_of_nobody() {
    let (port, server) = with_tls();
    let folder = folder(&channel("c", "webhook", &format!("https://127.0.0.1:{port}/"), ""));
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/authority.pem");
    let output = orderbell_with(folder.path(), &["test", "c"], &[("SSL_CERT_FILE", authority)]).await;
    assert!(text(&output).contains("cause:  the server's certificate belongs to another name"), "{}", text(&output));
    assert!(text(&output).contains("localhost"), "the receiver's own words: {}", text(&output));
    let output = orderbell(folder.path(), &["test", "c"]).await;
    assert!(text(&output).contains("cause:  nobody whom this machine trusts"), "{}", text(&output));
    server.join().unwrap();
}

/// A server with the test authority's certificate for `localhost`; it takes two connections.
fn with_tls() -> (u16, std::thread::JoinHandle<()>) {
    use rustls::pki_types::pem::PemObject;
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
    let certificates = rustls::pki_types::CertificateDer::pem_file_iter(format!("{tls}/localhost.pem")).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(format!("{tls}/localhost.key")).unwrap();
    let config =
        rustls::ServerConfig::builder_with_provider(std::sync::Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(certificates.map(Result::unwrap).collect(), key)
            .unwrap();
    let config = std::sync::Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        for _ in 0..2 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut connection = rustls::ServerConnection::new(config.clone()).unwrap();
            // The client goes away as soon as it has seen the certificate.
            let _ = connection.complete_io(&mut stream);
        }
    });
    (port, server)
}

#[tokio::test]
async fn a_mail_server_says_what_it_does_not_like() {
    let simulated = sandbox(Rules::new().mail_user("bell", Secret::new("hush"))).await;
    let address = simulated.serve_mail(TcpListener::bind("127.0.0.1:0").await.unwrap(), MailServer::default());
    let mail = |password: &str| {
        let login = format!("username = \"bell\"\npassword = \"{password}\"");
        let parties = "from = \"bell@orderbell.test\"\nto = [\"cook@orderbell.test\", \"owner@orderbell.test\"]";
        format!("[channel.c]\nkind = \"email\"\nsmtp = \"smtp+plain://{address}\"\n{login}\n{parties}\n")
    };
    let folder = folder(&mail("hush"));
    let output = orderbell(folder.path(), &["test", "c"]).await;
    assert!(output.status.success() && text(&output) == format!("c (email): yes\n{SENT}"), "{}", text(&output));
    assert_eq!(simulated.messages().len(), 2, "one for each recipient");
    std::fs::write(folder.path().join("orderbell.toml"), mail("hush-of-another")).unwrap();
    let output = orderbell(folder.path(), &["test", "c"]).await;
    let said = text(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cause:  the server does not accept username and password"), "{said}");
    assert!(
        said.contains("change: set `username` and `password`") && said.contains("answer: ") && said.contains("535")
    );
}

#[tokio::test]
async fn programs_read_what_a_test_found_as_json() {
    let simulated = sandbox(Rules::new().wecom("fine").strict()).await;
    let config =
        channel("a", "wecom", &simulated.wecom_url("fine"), "") + &channel("b", "wecom", &simulated.wecom_url("x"), "");
    let folder = folder(&config);
    let output = orderbell(folder.path(), &["test", "--all", "--format", "json"]).await;
    assert_eq!(output.status.code(), Some(1));
    let found = json(&output);
    assert_eq!((&found[0]["channel"], &found[0]["yes"], &found[0]["cause"]), (&"a".into(), &true.into(), &Value::Null));
    assert_eq!((&found[1]["channel"], &found[1]["yes"]), (&"b".into(), &false.into()));
    assert_eq!(found[1]["outcome"], "misconfigured");
    assert!(found[1]["change"].as_str().unwrap().contains("copy `webhook` anew"));
}

#[tokio::test]
async fn a_channel_that_is_not_there_is_wrong_usage() {
    let simulated = sandbox(Rules::new()).await;
    let folder = folder(&channel("office", "wecom", &simulated.wecom_url("fine"), ""));
    for arguments in [&["test", "offise"][..], &["test"], &["test", "office", "--all"]] {
        let output = orderbell(folder.path(), arguments).await;
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    }
    assert!(simulated.messages().is_empty());
}

#[tokio::test]
async fn who_has_no_channel_and_no_source_yet_reads_how_to_get_one() {
    let folder = folder("");
    for (arguments, what) in [
        (&["test", "--all"][..], "there is no channel to test in orderbell.toml; add a [channel.NAME]"),
        (&["test", "--all", "--format", "json"], "there is no channel to test in orderbell.toml; add a [channel.NAME]"),
        (&["test", "office"], "there is no channel \"office\"; nor any other: add a [channel.NAME]"),
        (&["render", "order.placed", "--channel", "office"], "nor any other: add a [channel.NAME]"),
        (&["simulate", "keeta", "order.placed"], "there is no source \"keeta\"; nor any other: add a [source.NAME]"),
    ] {
        let output = orderbell(folder.path(), arguments).await;
        let said = text(&output);
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: ") && said.contains(what) && said.contains("`orderbell init --"), "{said}");
    }
    assert!(!folder.path().join("orderbell.db").exists(), "nothing was tried");
}

/// Every secret of every kind as a variable or a file; none of them is set.
fn without_secrets(simulated: &Sandbox) -> String {
    let env = |name: &str| format!("{{ env = \"FAR_SIDES_{name}\" }}");
    let robot = |name: &str, kind: &str, more: &str| {
        channel(name, kind, "", more).replace("webhook = \"\"", &format!("webhook = {}", env(name)))
    };
    [
        "[server]\npublic_url = \"https://bell.example.com\"\n".to_owned(),
        format!("[source.keeta]\nplatform = \"keeta\"\napp_id = 1\napp_secret = {}\n", env("APP")),
        "[source.licences]\nplatform = \"apsdai\"\nsecret = { file = \"nowhere\" }\n".to_owned(),
        robot("kitchen", "dingtalk", &format!("secret = {}\nkeyword = \"order\"", env("SIGN"))),
        robot("office", "wecom", ""),
        channel("erp", "webhook", &simulated.hook_url("erp"), "headers = { X-Key = { file = \"nowhere\" } }")
            + &format!("signing = {{ scheme = \"standard-webhooks\", secret = {} }}\n", env("ERP")),
        format!(
            "[channel.owner]\nkind = \"email\"\nsmtp = \"smtps://smtp.example.com\"\nusername = \"a\"\n\
            password = {}\nfrom = \"a@b.example\"\nto = [\"c@d.example\"]\n",
            env("MAIL")
        ),
    ]
    .concat()
}

#[tokio::test]
async fn a_test_needs_the_secrets_of_its_channel_alone() {
    let simulated = sandbox(Rules::new().robot("kitchen", RobotRules::default()).wecom("office").strict()).await;
    let folder = folder(&without_secrets(&simulated));
    let url = simulated.robot_url("kitchen");
    let set = [("FAR_SIDES_kitchen", url.as_str()), ("FAR_SIDES_SIGN", "SECret")];
    let output = orderbell_with(folder.path(), &["test", "kitchen"], &set).await;
    assert!(output.status.success() && text(&output).starts_with("kitchen (dingtalk): yes\n"), "{}", text(&output));
    for (arguments, unset) in [
        (&["test", "kitchen", "office"][..], "FAR_SIDES_office is not set"),
        (&["test", "office"], "FAR_SIDES_office is not set"),
        (&["test", "--all"], "FAR_SIDES_MAIL is not set"),
        (&["test", "erp"], "nowhere cannot be read"),
    ] {
        let output = orderbell_with(folder.path(), arguments, &set).await;
        assert!(output.status.code() == Some(2) && text(&output).contains(unset), "{arguments:?}: {}", text(&output));
    }
    let wrong = orderbell(folder.path(), &["test", "kitchne"]).await;
    assert!(wrong.status.code() == Some(2), "{}", text(&wrong));
    let names = "there is no channel \"kitchne\"; there are: erp, kitchen, office, owner";
    assert!(text(&wrong).contains(names), "{}", text(&wrong));
    assert_eq!(simulated.messages().len(), 1);
}
