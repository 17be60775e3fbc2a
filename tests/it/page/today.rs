//! *Today*: orders appear by themselves, and what has to be done stands at the top.

use std::net::SocketAddr;

use orderbell::sandbox::rules::Rules;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::admin::ask;
use crate::page::browser::Browser;
use crate::support::{Scene, in_time, keeta, of};

const HTML: [(&str, &str); 2] = [("Host", "localhost"), ("Accept", "text/html")];

#[tokio::test]
async fn a_new_order_appears_by_itself_and_nothing_is_wrong_with_the_page() {
    let scene = Scene::new(Rules::new().strict().robot("kitchen", Default::default())).await;
    let channels = [scene.robot("kitchen", ""), scene.robot("gone", "")].concat();
    let routes = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\", \"gone\"]\n";
    let daemon = scene.start(&format!("[admin]\n{channels}{routes}")).await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/").await;
    browser.sees("No order has come today.").await;
    browser.is_readable().await;
    daemon.acknowledged(&keeta::placed_now(1, scene.hands.now())).await;
    browser.sees("Orders by hour").await;
    daemon.until(|rows| of(rows, "kitchen").iter().all(|row| row.state == "delivered")).await;
    browser.sees("refused: act").await;
    browser.is_readable().await;
    browser.pictures("today-en").await;
    for (language, words) in [("ar", "الطلبات"), ("zh-HK", "今日至今")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(words).await;
        browser.is_readable().await;
        browser.pictures(&format!("today-{language}")).await;
    }
    browser.close().await;
    daemon.stop().await;
}

#[tokio::test]
async fn new_orders_are_rung_once_the_sound_is_switched_on() {
    let scene = Scene::new(Rules::new().robot("kitchen", Default::default())).await;
    let channels = scene.robot("kitchen", "");
    let daemon = scene.start(&format!("[admin]\n{channels}")).await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/").await;
    browser.sees("Sound off").await;
    browser.run("window.rang = 0; document.addEventListener('orderbell:rang', () => window.rang += 1)").await;
    browser.press("#bell").await;
    browser.sees("Sound on").await;
    // Switching it on lets it be heard once.
    let before = browser.run("return window.rang").await;
    daemon.acknowledged(&keeta::placed_now(1, scene.hands.now())).await;
    browser.sees("Orders by hour").await;
    let rang = browser.run("return window.rang").await;
    assert_eq!((before, rang), (1.into(), 2.into()));
    browser.close().await;
    daemon.stop().await;
}

#[tokio::test]
async fn a_page_loads_nothing_from_elsewhere_and_stands_in_no_other_page() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start("[admin]\n").await;
    for path in ["/", "/nothing"] {
        let answer = ask(daemon.admin(), &format!("GET {path}"), &HTML, b"").await;
        let head = answer.head.to_lowercase();
        assert!(
            head.contains("content-security-policy: default-src 'none'; script-src 'self'; style-src 'self';"),
            "{head}"
        );
        assert!(head.contains("x-frame-options: deny") && head.contains("cache-control: no-store"), "{head}");
        assert!(!answer.body.contains("<style") && !answer.body.contains(" style="), "{}", answer.body);
        assert!(!answer.body.contains(" onclick=") && !answer.body.contains("<script>"), "{}", answer.body);
    }
    let asset = bytes(daemon.admin(), "/assets/page.css").await;
    let head = String::from_utf8_lossy(&asset).to_lowercase();
    assert!(
        head.contains("content-encoding: gzip") && head.contains("immutable") && !head.contains("no-store"),
        "{head}"
    );
    assert!(asset.windows(6).any(|bytes| bytes == b"\r\n\r\n\x1f\x8b"));
    assert_eq!(ask(daemon.admin(), "GET /assets/../Cargo.toml", &HTML, b"").await.status, 404);
    daemon.stop().await;
}

/// The whole answer, as it is compressed.
async fn bytes(address: SocketAddr, path: &str) -> Vec<u8> {
    let mut stream = in_time(TcpStream::connect(address)).await.expect("it listens");
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAccept-Encoding: gzip\r\n\r\n");
    in_time(stream.write_all(head.as_bytes())).await.expect("the head is taken");
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer)).await.expect("an answer");
    answer
}
