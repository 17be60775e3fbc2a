//! *Reports*: a day as its message says it, its picture, what became of it, and sent again once for each time that it is asked for.

use orderbell::sandbox::rules::Rules;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::admin::ask;
use crate::page::browser::Browser;
use crate::support::{Answer, Daemon, Scene, in_time, keeta, noon_zone, of};

async fn page(daemon: &Daemon, path: &str) -> Answer {
    ask(daemon.admin(), &format!("GET {path}"), &[("Host", "localhost"), ("Accept", "text/html")], b"").await
}

async fn send(daemon: &Daemon, path: &str, so_far: &str, more: &[(&str, &str)]) -> Answer {
    let own = daemon.admin().to_string();
    let mut headers = vec![("Host", own.as_str()), ("Accept", "text/html")];
    headers.push(("Content-Type", "application/x-www-form-urlencoded"));
    headers.extend(more);
    ask(daemon.admin(), &format!("POST {path}"), &headers, format!("so_far={so_far}").as_bytes()).await
}

/// A report that falls due at no time of the test.
fn report(scene: &Scene) -> String {
    let zone = noon_zone(scene.hands.now());
    format!("{}[report.daily]\nat = \"23:59\"\ntimezone = \"{zone}\"\nto = [\"owner\"]\n", scene.wecom("owner", ""))
}

fn so_far(body: &str) -> &str {
    body.split("name=\"so_far\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("the form")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_shown_and_sent_once_however_many_press_the_button() {
    let scene = Scene::new(Rules::new().wecom("owner")).await;
    let daemon = scene.start(&format!("[admin]\n{}", report(&scene))).await;
    daemon.acknowledged(&keeta::placed_now(1, scene.hands.now())).await;
    let list = page(&daemon, "/reports").await.body;
    assert!(list.contains("every day at 23:59") && list.contains("None was made yet."), "{list}");
    let today = page(&daemon, "/reports/daily/today").await;
    assert_eq!(today.status, 200, "{}", today.body);
    assert!(
        today.body.contains("1 order") && today.body.contains("Nothing was sent of this day yet."),
        "{}",
        today.body
    );
    let day =
        today.body.split("action=\"/reports/daily/").nth(1).and_then(|rest| rest.split('/').next()).expect("a day");
    for query in ["", "?theme=dark", "?theme=%22%3E"] {
        let (kind, bytes) = picture(&daemon, &format!("/reports/daily/{day}/picture{query}")).await;
        assert!(kind == "image/png" && bytes.starts_with(b"\x89PNG"), "{query}: {kind}");
    }
    let path = format!("/reports/daily/{day}/send");
    let known = so_far(&today.body);
    let answers = tokio::join!(send(&daemon, &path, known, &[]), send(&daemon, &path, known, &[]));
    let mut statuses = [answers.0.status, answers.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [303, 409]);
    let late = send(&daemon, &path, known, &[]).await;
    assert!(late.status == 409 && late.body.contains("nothing was sent now"), "{late:?}");
    let rows = daemon.until(|rows| of(rows, "owner").iter().any(|row| row.state == "delivered")).await;
    assert_eq!(of(&rows, "owner").len(), 1, "{rows:#?}");
    let after = page(&daemon, &format!("/reports/daily/{day}?sent=1")).await.body;
    assert!(
        after.contains("It is on its way") && after.contains("sent by a person") && after.contains("delivered"),
        "{after}"
    );
    assert_eq!(send(&daemon, &path, so_far(&after), &[]).await.status, 303, "whoever has seen that may send it again");
    daemon.stop().await;
}

/// The type and the bytes at an address.
async fn picture(daemon: &Daemon, path: &str) -> (String, Vec<u8>) {
    let mut stream = in_time(TcpStream::connect(daemon.admin())).await.expect("it listens");
    let head = format!("GET {path} HTTP/1.1\r\nConnection: close\r\nHost: localhost\r\n\r\n");
    in_time(stream.write_all(head.as_bytes())).await.expect("the head is taken");
    let mut answer = Vec::new();
    in_time(stream.read_to_end(&mut answer)).await.expect("the answer is readable to its end");
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
    let head = String::from_utf8_lossy(&answer[..at]).to_lowercase();
    let kind = head.lines().find_map(|line| line.strip_prefix("content-type: ").map(str::to_owned));
    (kind.unwrap_or_default(), answer[at + 4..].to_vec())
}

#[tokio::test]
async fn what_is_no_day_or_no_report_is_refused_and_so_is_who_may_only_look() {
    let scene = Scene::new(Rules::new().wecom("owner")).await;
    let tokens = "[admin]\ntoken = \"hush-owner\"\n[admin.tokens.wall]\ntoken = \"hush-wall\"\naccess = \"read\"\n";
    let daemon = scene.start(&format!("{tokens}{}", report(&scene))).await;
    let as_wall = ("Authorization", "Bearer hush-wall");
    let looked = async |path: &str| {
        ask(daemon.admin(), &format!("GET {path}"), &[("Host", "bell"), ("Accept", "text/html"), as_wall], b"").await
    };
    for (path, status) in [
        ("daily/2999-01-01", 404),
        ("daily/never", 404),
        ("daily/%3Cscript%3E", 404),
        ("nothing/today", 404),
        ("nothing/today/picture", 404),
        ("daily?day=never", 400),
        ("daily?day=2026-11-21", 303),
        ("daily%0d%0ax:y?day=2026-11-21", 303),
    ] {
        let answer = looked(&format!("/reports/{path}")).await;
        assert_eq!(answer.status, status, "{path}: {answer:?}");
        assert!(!answer.body.contains("<script>") && !answer.head.to_lowercase().contains("\nx:y"), "{answer:?}");
    }
    let day = looked("/reports/daily/today").await.body;
    assert!(!day.contains("name=\"so_far\"") && day.contains("No webhook had come"), "{day}");
    assert_eq!(send(&daemon, "/reports/daily/today/send", "none", &[as_wall]).await.status, 403);
    assert!(daemon.deliveries().await.is_empty());
    daemon.stop().await;
}

#[tokio::test]
async fn without_a_report_the_page_says_how_one_begins() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start("[admin]\n").await;
    assert!(page(&daemon, "/reports").await.body.contains("[report.daily]"));
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_looks_at_today_and_sends_it() {
    let scene = Scene::new(Rules::new().wecom("owner")).await;
    let daemon = scene.start(&format!("[admin]\n{}", report(&scene))).await;
    daemon.acknowledged(&keeta::placed_now(1, scene.hands.now())).await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/reports").await;
    browser.sees("Today so far").await;
    browser.is_readable().await;
    browser.press("a[href='/reports/daily/today']").await;
    browser.sees("Send it now").await;
    browser.press("form[action$='/send'] button").await;
    browser.sees("It is on its way").await;
    daemon.until(|rows| of(rows, "owner").iter().any(|row| row.state == "delivered")).await;
    browser.is_readable().await;
    browser.pictures("reports_day-en").await;
    browser.open("/reports").await;
    browser.sees("sent by a person").await;
    browser.is_readable().await;
    browser.pictures("reports-en").await;
    for (language, view, words) in [("ar", "التقارير", "الصورة"), ("zh-HK", "日報", "立即傳送")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(view).await;
        browser.open("/reports/daily/today").await;
        browser.sees(words).await;
        browser.is_readable().await;
        browser.pictures(&format!("reports_day-{language}")).await;
    }
    browser.close().await;
    daemon.stop().await;
}
