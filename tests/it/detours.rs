//! Ways by other machines: a proxy before the receiver, and a relay in the vendor's place. Messages arrive by them as they
//! would directly, what goes wrong there is distinguished, and nobody learns a password.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use orderbell::channel::http::failure::HttpFailure;
use orderbell::channel::http::{Http, Settings};
use orderbell::domain::retry::{Answer, Outcome};
use orderbell::domain::secret::Secret;
use orderbell::sandbox::rules::{RobotRules, Rules, WebhookRules};
use rcgen::generate_simple_self_signed;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::support::log::log;
use crate::support::proxy::{Manner, Proxy};
use crate::support::{Scene, in_time, keeta, of};

const TOKEN: &str = "a-token-that-nobody-may-read";
/// `p@ss:hush`, which the address of the proxy must write otherwise, and the header that comes of it.
const LOG_IN: &str = "bell:p%40ss%3Ahush";
const AUTHORIZATION: &str = "Basic YmVsbDpwQHNzOmh1c2g=";
const HUSH: [&str; 4] = ["p@ss", "p%40ss", "hush", "YmVsbDpwQHNzOmh1c2g"];

fn quiet(text: &str) {
    for secret in HUSH.into_iter().chain([TOKEN]) {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
}

/// A receiver with a certificate of its own for `upstream.example`. It answers each connection once and says what it was sent.
struct MockReceiver {
    address: SocketAddr,
    authority: PathBuf,
    _folder: TempDir,
    request: JoinHandle<String>,
}

async fn receiver() -> MockReceiver {
    let certified = generate_simple_self_signed(vec!["far.example".to_owned()]).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("ca.pem");
    let pem = BASE64_STANDARD.encode(certified.cert.der());
    std::fs::write(&authority, format!("-----BEGIN CERTIFICATE-----\n{pem}\n-----END CERTIFICATE-----\n")).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let request = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await.unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            request.push(stream.read_u8().await.unwrap());
        }
        let date = "Date: Sun, 06 Nov 1994 08:49:37 GMT";
        stream.write_all(format!("HTTP/1.1 200 OK\r\n{date}\r\nContent-Length: 2\r\n\r\nok").as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        String::from_utf8(request).unwrap()
    });
    MockReceiver { address, authority, _folder: folder, request }
}

fn by(proxy: &str, settings: Settings) -> Http {
    let http = Http::new(&Settings { proxy: Some(Secret::new(proxy)), ..settings }).unwrap();
    quiet(&format!("{http:?}"));
    http
}

fn quick() -> Settings {
    Settings { timeout: Duration::from_millis(900), ..Settings::default() }
}

async fn nowhere() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

async fn post(http: &Http, url: &str) -> HttpFailure {
    let failure = in_time(http.post(&format!("{url}?access_token={TOKEN}"), &[], "{}")).await.unwrap_err();
    quiet(&format!("{failure} {failure:?}"));
    failure
}

#[tokio::test]
async fn a_proxy_of_this_machine_leads_to_receivers_that_are_guarded_as_ever() {
    let upstream = receiver().await;
    let proxy = Proxy::start(upstream.address, Manner::Wants(AUTHORIZATION), "").await;
    for host in ["127.0.0.1", "localhost"] {
        let address = format!("http://{LOG_IN}@{host}:{}", proxy.address.port());
        let http = by(&address, Settings { ca_file: Some(upstream.authority.clone()), ..Settings::default() });
        for target in ["127.0.0.1", "localhost", "[::1]", "0x7f.1"] {
            let failure = post(&http, &format!("https://{target}:{}/", upstream.address.port())).await;
            assert!(
                matches!(&failure, HttpFailure::Refused(why) if why.contains("allow_private")),
                "{target}: {failure}"
            );
        }
        let failure = post(&http, "http://far.example/").await;
        assert!(matches!(failure, HttpFailure::Refused(_)), "without TLS: {failure}");
    }
    assert!(proxy.heads().is_empty(), "{:?}", proxy.heads());

    let address = format!("http://{LOG_IN}@localhost:{}", proxy.address.port());
    let http = by(&address, Settings { ca_file: Some(upstream.authority.clone()), ..Settings::default() });
    let response = http.post(&format!("https://far.example/send?access_token={TOKEN}"), &[], "{}").await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()));
    assert!(http.clock_ahead().is_some_and(|ahead| ahead.is_negative()), "the receiver's clock, not the proxy's");
    let [head] = proxy.heads().try_into().expect("one request");
    assert!(head.starts_with("CONNECT far.example:443 HTTP/1.1\r\n") && !head.contains(TOKEN), "{head}");
    let request = in_time(upstream.request).await.unwrap();
    assert!(request.starts_with(&format!("POST /send?access_token={TOKEN} HTTP/1.1\r\n")), "{request}");
    assert!(!request.to_lowercase().contains("proxy-"), "the receiver learns nothing of the proxy: {request}");
}

/// A proxy, whether what is asked for is encrypted, and what comes of it.
#[tokio::test]
async fn what_goes_wrong_at_a_proxy_is_distinguished_and_shows_no_password() {
    let wants = "not sent: the proxy wants a user and a password, or others";
    let unopened = "not connected: the proxy did not open the way to the receiver, by way of the proxy";
    let late = "not connected: timed out while connecting, by way of the proxy";
    let cases = [
        (Manner::Wants("Basic b3RoZXI6b25l"), "https", Outcome::Misconfigured, wants),
        (Manner::Wants("Basic b3RoZXI6b25l"), "http", Outcome::Misconfigured, wants),
        (Manner::Refuses(403), "https", Outcome::Retry { after: None }, unopened),
        (Manner::Refuses(502), "https", Outcome::Retry { after: None }, unopened),
        (Manner::Cuts, "https", Outcome::Retry { after: None }, unopened),
        (Manner::Hangs, "https", Outcome::Retry { after: None }, late),
        // What goes unencrypted is in the proxy's hands as soon as it is sent.
        (Manner::Hangs, "http", Outcome::Unknown, "no answer: timed out"),
        (Manner::Cuts, "http", Outcome::Unknown, "no answer: the connection"),
    ];
    for (manner, scheme, outcome, words) in cases {
        let proxy = Proxy::start(nowhere().await, manner, "").await;
        let settings = Settings { allow_private: scheme == "http", ..quick() };
        let http = by(&format!("http://{LOG_IN}@{}", proxy.address), settings);
        let begun = Instant::now();
        let failure = post(&http, &format!("{scheme}://far.example/")).await;
        let answer = Answer::from(failure);
        assert_eq!(answer.outcome, outcome, "{manner:?} {scheme}: {}", answer.detail);
        assert!(answer.redacted_detail().starts_with(words), "{manner:?} {scheme}: {}", answer.detail);
        assert!(begun.elapsed() < Duration::from_secs(5), "{manner:?} {scheme}: within the timeout");
        assert_eq!(http.clock_ahead(), None, "the proxy's clock is not the receiver's");
        assert!(!proxy.heads().is_empty());
    }
    let http = by(&format!("http://{LOG_IN}@{}", nowhere().await), quick());
    let failure = post(&http, "https://far.example/").await;
    assert_eq!(failure, HttpFailure::NotConnected("connection refused, by way of the proxy".to_owned()));
    let http = by(&format!("http://{LOG_IN}@{}.invalid:3128", "x".repeat(64)), quick());
    let failure = post(&http, "https://far.example/").await;
    assert!(matches!(&failure, HttpFailure::NotConnected(why) if why.contains("dns error")), "{failure}");
}

#[tokio::test]
async fn what_a_proxy_says_in_a_receivers_place_is_an_answer() {
    for status in [403, 503] {
        let proxy = Proxy::start(nowhere().await, Manner::Refuses(status), "").await;
        let http = by(&format!("http://{}", proxy.address), Settings { allow_private: true, ..quick() });
        assert_eq!(http.post("http://far.example/", &[], "{}").await.unwrap().status, status);
    }
    // Without a proxy, 407 is a status like any other.
    let upstream = Proxy::start(nowhere().await, Manner::Refuses(407), "").await;
    let http = Http::new(&Settings { allow_private: true, ..quick() }).unwrap();
    assert_eq!(http.post(&format!("http://{}/", upstream.address), &[], "{}").await.unwrap().status, 407);
}

fn orders(channels: &[&str]) -> String {
    format!("[[route]]\nevents = [\"order.*\"]\nto = {channels:?}\n[operator]\nto = [\"owner\"]\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_channel_sends_by_way_of_its_proxy_and_no_log_has_the_password() {
    let rules = Rules::new()
        .strict()
        .robot("kitchen", RobotRules { secret: Some(Secret::new("SEC-1")), keyword: None })
        .robot("owner", RobotRules::default())
        .robot("shut", RobotRules::default())
        .wecom("office")
        .hook("erp", WebhookRules::None);
    let scene = Scene::new(rules).await;
    let proxy = Proxy::start(scene.sandbox.address(), Manner::Wants(AUTHORIZATION), "").await;
    let by = format!("proxy = \"http://{LOG_IN}@{}\"", proxy.address);
    let wrong = format!("proxy = \"http://other:hush@{}\"", proxy.address);
    let text = [
        scene.robot("kitchen", &format!("secret = \"SEC-1\"\n{by}")),
        scene.wecom("office", &by),
        scene.hook("erp", &by),
        scene.robot("shut", &wrong),
        scene.robot("owner", ""),
        orders(&["kitchen", "office", "erp", "shut"]),
    ];
    let daemon = scene.start(&text.concat()).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    for name in ["kitchen", "office", "erp"] {
        scene.until_received(name, 1).await;
    }
    let notices = scene.until_received("owner", 1).await;
    assert!(notices[0].body.contains("shut") && notices[0].body.contains("the proxy wants a user"), "{notices:?}");
    let rows = daemon.until(|all| of(all, "shut").iter().any(|one| one.answer.is_some())).await;
    let shut = of(&rows, "shut")[0];
    assert_eq!(shut.state, "waiting", "a wrong setting is waited for: {shut:?}");
    assert!(scene.came_to("shut").is_empty());
    let heads = proxy.heads();
    for path in ["/robot/send?access_token=kitchen", "/cgi-bin/webhook/send?key=office", "/webhook/erp"] {
        let whole = format!("POST http://{}{path}", scene.sandbox.address());
        assert!(heads.iter().any(|head| head.starts_with(&whole)), "{whole}: {heads:#?}");
    }
    assert!(!heads.iter().any(|head| head.contains("access_token=owner")), "the owner's channel has no proxy");
    let shown = format!("{rows:?} {notices:?} {}", log());
    quiet(&shown);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_stands_in_the_vendors_place_with_the_robots_path_and_token_behind_it() {
    let rules = Rules::new()
        .strict()
        .robot("t+1", RobotRules { secret: Some(Secret::new("SEC-1")), keyword: None })
        .robot("owner", RobotRules::default())
        .wecom("office");
    let scene = Scene::new(rules).await;
    let relay = Proxy::start(scene.sandbox.address(), Manner::Opens, "/relayed/dingtalk").await;
    let wecom = Proxy::start(scene.sandbox.address(), Manner::Opens, "").await;
    let text = [
        format!(
            "[channel.kitchen]\nkind = \"dingtalk\"\nwebhook = \"https://oapi.dingtalk.com/robot/send?access_token=t%2B1\"\nsecret = \"SEC-1\"\nbase_url = \"http://{}/relayed/dingtalk/\"\nallow_private = true\n",
            relay.address
        ),
        format!(
            "[channel.office]\nkind = \"wecom\"\nwebhook = \"https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=office\"\nbase_url = \"http://{}\"\nallow_private = true\n",
            wecom.address
        ),
        scene.robot("owner", ""),
        orders(&["kitchen", "office"]),
    ];
    let daemon = scene.start(&text.concat()).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let rows = daemon.until_done().await;
    assert!(rows.iter().all(|one| one.state == "delivered"), "{rows:#?}");
    assert_eq!((scene.received("t+1").len(), scene.received("office").len()), (1, 1));
    let [head] = relay.heads().try_into().expect("one request");
    assert!(head.starts_with("POST /relayed/dingtalk/robot/send?access_token=t%2B1&timestamp="), "{head}");
    let [head] = wecom.heads().try_into().expect("one request");
    assert!(head.starts_with("POST /cgi-bin/webhook/send?key=office HTTP/1.1\r\n"), "{head}");
}

/// A receiver and its proxy as a merchant writes them, and what `orderbell test` says: the cause, the change.
#[tokio::test]
async fn a_merchant_reads_what_to_change_about_the_proxy() {
    let wants = Proxy::start(nowhere().await, Manner::Wants(AUTHORIZATION), "").await;
    let refuses = Proxy::start(nowhere().await, Manner::Refuses(403), "").await;
    let hangs = Proxy::start(nowhere().await, Manner::Hangs, "").await;
    let cases = [
        (
            format!("http://other:hush@{}", wants.address),
            "lets nobody through whom it does not know",
            "user and password",
        ),
        (format!("http://{}", refuses.address), "does not reach the receiver, or may not", "rules"),
        (format!("http://{}", hangs.address), "opens no way to the receiver in time", "whether the proxy runs"),
        (format!("http://{}", nowhere().await), "nothing listens at the proxy's address", "look at `proxy`"),
        (format!("http://{}.invalid", "x".repeat(64)), "the name of the proxy is not found", "typing error"),
    ];
    for (proxy, cause, change) in cases {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "[channel.c]\nkind = \"webhook\"\nurl = \"https://far.example/{TOKEN}\"\nproxy = \"{proxy}\"\ntimeout = \"1s\"\n"
        );
        std::fs::write(folder.path().join("orderbell.toml"), config).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
        let output = command.args(["test", "c"]).current_dir(folder.path()).env_remove("ORDERBELL_CONFIG").output();
        let output = in_time(output).await.unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        quiet(&said);
        let line = |head: &str| said.lines().find(|line| line.trim_start().starts_with(head)).unwrap_or_default();
        assert!(line("cause:").contains(cause) && line("change:").contains(change), "{said}");
        assert_eq!(output.status.code(), Some(1), "{said}");
    }
}
