//! *Orders*: found by number, short number and shop, shown with their whole story; new ones appear by themselves.

use jiff::Timestamp;
use orderbell::sandbox::rules::Rules;
use serde_json::json;

use crate::logging_in::Browser as Client;
use crate::page::browser::Browser;
use crate::support::keeta::Envelope;
use crate::support::{Scene, keeta};

const SCRIPT: &str = "<script>alert(1)</script>";

/// An order whose buyer writes what a page had better not run.
fn hostile(number: u64, note: &str, at: Timestamp) -> Vec<u8> {
    let mut message = keeta::order(number);
    message["orderInfo"]["products"][0]["remark"] = json!(note);
    message["orderInfo"]["products"][0]["name"] = json!(format!("Ribs {SCRIPT}"));
    message["orderInfo"]["merchantOrder"]["seqNoStr"] = json!("7\"<b>");
    Envelope::new(1001, &format!("m1001-{number}"), &message.to_string(), at).body()
}

fn configured(scene: &Scene) -> String {
    format!("[admin]\n{}[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\"]\n", scene.robot("kitchen", ""))
}

#[tokio::test]
async fn an_order_is_found_by_what_people_call_it_and_shown_whole() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&configured(&scene)).await;
    for number in 1..=3 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    daemon.until_done().await;
    let client = Client::at(daemon.admin());
    let found = async |query: &str| {
        let answer = client.get(&format!("/orders?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        answer.body.matches("<article").count()
    };
    for (query, orders) in [
        ("", 3),
        ("number=2", 1),
        ("number=%2329332222", 3),
        ("number=29332222&shop=466663", 3),
        ("shop=1", 0),
        ("number=nothing", 0),
        ("source=keeta", 3),
        ("source=other", 0),
    ] {
        assert_eq!(found(query).await, orders, "{query}");
    }
    assert!(client.get("/orders?number=nothing").await.body.contains("No order fits."));
    let order = client.get("/orders/keeta/2").await;
    assert_eq!(order.status, 200, "{order:?}");
    for shown in [
        "Apple Pay",
        "no onion 不要葱",
        "Harbour Noodle House",
        "Delivery",
        "SAR",
        "was proved genuine",
        "Try 1: accepted.",
        "Now, after 1 event, the order is placed",
    ] {
        assert!(order.body.contains(shown), "{shown}: {}", order.body);
    }
    let link = order.body.split("href=\"/deliveries/").nth(1).and_then(|rest| rest.split('"').next());
    let delivery = client.get(&format!("/deliveries/{}", link.expect("its delivery is linked"))).await;
    assert!(delivery.status == 200 && delivery.body.contains("href=\"/orders/keeta/2#event-"), "{delivery:?}");
    for (path, status) in [
        ("/orders/keeta/99", 404),
        ("/orders/nowhere/2", 404),
        ("/orders/keeta/%3Cscript%3E", 404),
        ("/orders?cursor=x", 400),
        (&*format!("/orders?number={}", "9".repeat(201)), 400),
        ("/orders?number=%00", 400),
    ] {
        let answer = client.get(path).await;
        assert!(answer.status == status && answer.body.contains("<h1>"), "{path}: {answer:?}");
        assert!(!answer.body.contains("<script>"), "{answer:?}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn lists_page_by_key_and_keep_what_was_asked() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&configured(&scene)).await;
    for number in 1..=35 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    let client = Client::at(daemon.admin());
    for list in ["/orders?number=29332222", "/deliveries?channel=kitchen"] {
        let first = client.get(list).await.body;
        let next = first.split("rel=\"next\" href=\"").nth(1).and_then(|rest| rest.split('"').next());
        let next = next.unwrap_or_else(|| panic!("{list}: {first}")).replace("&amp;", "&");
        assert!(next.starts_with(&format!("{list}&cursor=")), "{next}");
        let second = client.get(&next).await.body;
        assert_eq!((first.matches("<article").count(), second.matches("<article").count()), (30, 5), "{list}");
        assert!(first.contains("hx-get") && !second.contains("hx-get"), "only the first page changes by itself");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn whatever_a_buyer_writes_is_shown_inert() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&configured(&scene)).await;
    let long = format!("{SCRIPT}\" onload=\"alert(2)\u{202e}{}", "x".repeat(100_000));
    daemon.acknowledged(&hostile(5, &long, scene.hands.now())).await;
    daemon.until_done().await;
    let client = Client::at(daemon.admin());
    for path in ["/orders", "/orders/keeta/5", "/orders?number=%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"] {
        let page = client.get(path).await;
        assert_eq!(page.status, 200, "{page:?}");
        assert!(!page.body.contains("<script>") && !page.body.contains("\" onload"), "{path}: {}", page.body);
        assert!(!page.body.contains("7\"<b>"), "{path}: {}", page.body);
    }
    assert!(client.get("/orders/keeta/5").await.body.contains("Ribs &lt;script&gt;"));
    daemon.stop().await;
}

#[tokio::test]
async fn in_a_browser_a_new_order_appears_and_is_found_and_read() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&configured(&scene)).await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/orders").await;
    browser.sees("No order has come yet.").await;
    browser.is_readable().await;
    daemon.acknowledged(&keeta::placed_now(1, scene.hands.now())).await;
    browser.sees("#29332222").await;
    daemon.until_done().await;
    browser.is_readable().await;
    browser.pictures("orders-en").await;
    browser.write("#number", "29332222").await;
    browser.press("form[role=search] button").await;
    browser.press("article a").await;
    browser.sees("Try 1: accepted.").await;
    browser.is_readable().await;
    browser.pictures("order-en").await;
    for (language, words) in [("ar", "ما حدث"), ("zh-HK", "經過")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(words).await;
        browser.is_readable().await;
        browser.pictures(&format!("order-{language}")).await;
    }
    browser.close().await;
    daemon.stop().await;
}
