//! *Deliveries*: filtered, read, sent once more and cancelled, one or all; whoever comes second reads what holds now.

use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;

use crate::logging_in::{Browser as Client, OWNER, TOKENS, header};
use crate::page::browser::Browser;
use crate::support::{Daemon, Scene, keeta, of};

/// What `erp` says to everything.
const ANSWER: &str = "<img src=x onerror=alert(1)> unknown till";

/// A daemon with so many orders, each delivered to the kitchen and dead for `erp`.
async fn dead(scene: &Scene, admin: &str, orders: u64) -> Daemon {
    let channels = [scene.robot("kitchen", ""), scene.hook("erp", "retry = [\"0s\"]")].concat();
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\", \"erp\"]\n";
    let daemon = scene.start(&format!("{admin}{channels}{route}")).await;
    scene.sandbox.order("erp", Fault::Status { status: 400, body: ANSWER.to_owned() }, Times::Always);
    for number in 1..=orders {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    let count = usize::try_from(orders).expect("few");
    daemon.until(|rows| of(rows, "erp").iter().filter(|row| row.state == "dead").count() == count).await;
    daemon.until(|rows| of(rows, "kitchen").iter().filter(|row| row.state == "delivered").count() == count).await;
    daemon
}

async fn first_dead(daemon: &Daemon) -> String {
    let rows = daemon.deliveries().await;
    of(&rows, "erp").iter().find(|row| row.state == "dead").expect("one is dead").id.to_string()
}

fn hidden<'b>(body: &'b str, name: &str) -> &'b str {
    let found = body.split(&format!("name=\"{name}\" value=\"")).nth(1).and_then(|rest| rest.split('"').next());
    found.unwrap_or_else(|| panic!("no {name}: {body}"))
}

#[tokio::test]
async fn deliveries_are_filtered_by_state_channel_kind_and_time() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = dead(&scene, "[admin]\n", 2).await;
    let client = Client::at(daemon.admin());
    for (query, shown) in [
        ("", 4),
        ("state=dead", 2),
        ("state=delivered&channel=kitchen&kind=order.*", 2),
        ("state=delivered&channel=erp", 0),
        ("kind=stock.*", 0),
        ("since=2026-01-01T00%3A00&until=", 4),
        ("until=2020-01-01T00%3A00%3A00Z", 0),
        ("channel=gone", 0),
    ] {
        let list = client.get(&format!("/deliveries?{query}")).await;
        assert_eq!((list.status, list.body.matches("<article").count()), (200, shown), "{query}: {list:?}");
    }
    for wrong in ["state=broken", "since=yesterday", "cursor=x", "kind=%00"] {
        let answer = client.get(&format!("/deliveries?{wrong}")).await;
        assert!(answer.status == 400 && answer.body.contains("<h1>"), "{wrong}: {answer:?}");
    }
    for unknown in ["/deliveries/1", "/deliveries/%3Cscript%3E", "/deliveries/00000000-0000-7000-8000-000000000000"] {
        assert_eq!(client.get(unknown).await.status, 404, "{unknown}");
    }
    let list = client.get("/deliveries?state=dead").await.body;
    assert!(list.contains("Send all these once more") && list.contains("Cancel all these"), "{list}");
    assert!(!client.get("/deliveries").await.body.contains("Send all these once more"));
    daemon.stop().await;
}

#[tokio::test]
async fn a_delivery_shows_what_was_sent_and_each_answer_inert() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = dead(&scene, "[admin]\n", 1).await;
    let client = Client::at(daemon.admin());
    let page = client.get(&format!("/deliveries/{}", first_dead(&daemon).await)).await.body;
    assert!(page.contains("unknown till") && !page.contains("<img src=x"), "{page}");
    assert!(page.contains("Try 1: refused for good.") && page.contains("What was sent"), "{page}");
    assert!(page.contains("orderbell.order.placed") || page.contains("order.placed"), "its JSON: {page}");
    daemon.stop().await;
}

#[tokio::test]
async fn of_two_who_press_at_once_the_second_reads_what_holds_now() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = dead(&scene, TOKENS, 2).await;
    let (mut ann, mut bob) = (Client::logged_in(&daemon, OWNER).await, Client::logged_in(&daemon, OWNER).await);
    let path = format!("/deliveries/{}", first_dead(&daemon).await);
    scene.sandbox.clear_faults("erp");
    let page = ann.get(&path).await.body;
    let body = format!("round={}", hidden(&page, "round"));
    let first = ann.post(&format!("{path}/redeliver"), &body).await;
    let done = format!("{path}?did=redelivered");
    assert_eq!((first.status, header(&first, "location")), (303, Some(done.as_str())), "{first:?}");
    let second = bob.post(&format!("{path}/redeliver"), &body).await;
    assert!(second.status == 409 && second.body.contains("Somebody else was faster"), "{second:?}");
    daemon.until(|rows| of(rows, "erp").iter().any(|row| row.state == "delivered")).await;
    assert_eq!(scene.received("erp").len(), 1, "two presses are one message");
    let late = bob.post(&format!("{path}/cancel"), "").await;
    assert!(late.status == 409 && late.body.contains("not cancelled: it arrived on"), "{late:?}");
    let early = bob.post(&format!("{path}/redeliver"), "round=7").await;
    assert_eq!(early.status, 409, "{early:?}");
    assert_eq!(bob.post(&format!("{path}/redeliver"), "round=x").await.status, 400);
    let other = format!("/deliveries/{}", first_dead(&daemon).await);
    assert_eq!(ann.post(&format!("{other}/cancel"), "").await.status, 303);
    let again = bob.post(&format!("{other}/cancel"), "").await;
    assert!(again.status == 409 && again.body.contains("Somebody else was faster"), "{again:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn all_that_a_filter_matches_are_changed_after_a_count_and_only_those() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = dead(&scene, TOKENS, 3).await;
    let (mut ann, mut bob) = (Client::logged_in(&daemon, OWNER).await, Client::logged_in(&daemon, OWNER).await);
    let counted = ann.get("/deliveries/all?state=dead&channel=erp&act=redeliver").await;
    assert!(counted.status == 200 && counted.body.contains("Deliveries that fit: 3"), "{counted:?}");
    let body = |body: &str| {
        let (expected, token) = (hidden(body, "expected"), hidden(body, "token"));
        format!("state=dead&channel=erp&act=redeliver&expected={expected}&token={token}")
    };
    let body = body(&counted.body);
    let wrong = ann.post("/deliveries/all", &body.replace("expected=3", "expected=2")).await;
    assert!(wrong.status == 409 && wrong.body.contains("Nothing was changed"), "{wrong:?}");
    scene.sandbox.clear_faults("erp");
    let done = ann.post("/deliveries/all", &body).await;
    let list = "/deliveries?state=dead&channel=erp&changed=3&matched=3";
    assert_eq!((done.status, header(&done, "location")), (303, Some(list)), "{done:?}");
    assert!(ann.get(list).await.body.contains("Changed: 3 of 3."));
    let second = bob.post("/deliveries/all", &body).await;
    assert!(second.status == 409 && second.body.contains("None fits any more."), "{second:?}");
    daemon.until(|rows| of(rows, "erp").iter().all(|row| row.state == "delivered")).await;
    assert_eq!(scene.received("erp").len(), 3);
    for senseless in ["act=redeliver", "act=cancel&state=delivered", "state=dead", "act=erase&state=dead"] {
        assert_eq!(ann.get(&format!("/deliveries/all?{senseless}")).await.status, 400, "{senseless}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn whoever_may_only_read_is_shown_no_button_and_changes_no_delivery() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = dead(&scene, TOKENS, 1).await;
    let mut till = Client::logged_in(&daemon, "hush-till").await;
    let path = format!("/deliveries/{}", first_dead(&daemon).await);
    let page = till.get(&path).await;
    assert!(page.status == 200 && !page.body.contains("/redeliver") && !page.body.contains("/cancel"), "{page:?}");
    assert!(!till.get("/deliveries?state=dead").await.body.contains("/deliveries/all"));
    assert_eq!(till.get("/deliveries/all?state=dead&act=cancel").await.status, 403);
    for (path, body) in [
        (format!("{path}/redeliver"), "round=0"),
        (format!("{path}/cancel"), ""),
        ("/deliveries/all".to_owned(), "state=dead&act=cancel&expected=1&token=x"),
    ] {
        assert_eq!(till.post(&path, body).await.status, 403, "{path}");
    }
    daemon.until(|rows| of(rows, "erp").iter().all(|row| row.state == "dead")).await;
    daemon.stop().await;
}

#[tokio::test]
async fn in_a_browser_somebody_logs_in_and_sends_a_dead_delivery_once_more_until_it_arrives() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = dead(&scene, TOKENS, 2).await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/deliveries?state=dead").await;
    browser.sees("Access token").await;
    browser.is_readable().await;
    browser.pictures("login-en").await;
    browser.write("#token", "wrong").await;
    browser.press("main button").await;
    browser.sees("This token is not known.").await;
    // The browser notes that a page came with 401.
    browser.expects("401").await;
    browser.write("#token", OWNER).await;
    browser.press("main button").await;
    browser.sees("Send all these once more").await;
    browser.is_readable().await;
    browser.pictures("deliveries-en").await;
    browser.press("article a").await;
    browser.sees("Next: nothing, until a person asks for it once more.").await;
    browser.is_readable().await;
    browser.pictures("delivery-en").await;
    scene.sandbox.clear_faults("erp");
    browser.press("form[action$=redeliver] button").await;
    browser.sees("It goes out once more.").await;
    browser.sees("Try 2: accepted.").await;
    browser.open("/deliveries/all?state=dead&act=redeliver").await;
    browser.sees("Deliveries that fit: 1").await;
    browser.is_readable().await;
    browser.press("main form button").await;
    browser.sees("Changed: 1 of 1.").await;
    daemon.until(|rows| rows.iter().all(|row| row.state == "delivered")).await;
    for (language, words) in [("ar", "التسليمات"), ("zh-HK", "狀態")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(words).await;
        browser.is_readable().await;
        browser.pictures(&format!("deliveries-{language}")).await;
    }
    browser.open("/sessions").await;
    browser.is_readable().await;
    browser.pictures("sessions-zh-HK").await;
    browser.press("main form[action='/logout'] button").await;
    browser.sees("你已登出。").await;
    // The stream of the page that was left ended with its session.
    browser.expects("[object Event]").await;
    browser.is_readable().await;
    browser.close().await;
    daemon.stop().await;
}
