//! *Templates*: each file beside the message that it makes, and tried with another text that is written nowhere.

use std::net::SocketAddr;
use std::path::PathBuf;

use orderbell::domain::language::folders::Sources;
use orderbell::render::Isolation;
use orderbell::sandbox::rules::Rules;
use url::form_urlencoded;

use crate::admin::ask;
use crate::page::browser::Browser;
use crate::support::{Answer, Daemon, Scene, keeta, of};

const FORM: &str = "application/x-www-form-urlencoded";
/// Each step of it takes its time, and there are many.
const SLOW: &str = "{% for a in range(4000) %}{% set x = (\"a\" * 1000000) | upper | length %}{% endfor %}";

async fn page(daemon: &Daemon, path: &str) -> Answer {
    ask(daemon.admin(), &format!("GET {path}"), &[("Host", "localhost"), ("Accept", "text/html")], b"").await
}

async fn post(address: SocketAddr, path: &str, fields: &[(&str, &str)], more: &[(&str, &str)]) -> Answer {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let own = address.to_string();
    let mut headers = vec![("Host", own.as_str()), ("Accept", "text/html"), ("Content-Type", FORM)];
    headers.extend(more);
    ask(address, &format!("POST {path}"), &headers, body.as_bytes()).await
}

async fn tried(daemon: &Daemon, name: &str, source: &str) -> Answer {
    let fields = [("source", source), ("channel", "kitchen"), ("sample", "1"), ("event", "")];
    post(daemon.admin(), &format!("/templates/en/{name}/try"), &fields, &[]).await
}

/// With three channels, and a template of the merchant's own.
async fn started(scene: &Scene, admin: &str) -> Daemon {
    let mail = scene.mailbox("owner", Default::default(), "[\"owner@orderbell.test\"]", "").await;
    let channels = [scene.robot("kitchen", ""), scene.hook("erp", ""), mail].concat();
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\", \"owner\"]\n";
    let mut config = scene.config(&format!("{admin}{channels}{route}"));
    config.isolation = Isolation::Process(PathBuf::from(env!("CARGO_BIN_EXE_orderbell")));
    config.overlay = Sources::from([("en/order.accepted.md".to_owned(), "# Mine {{ order.number }} <b>".to_owned())]);
    config.templates = Some(scene.folder.path().join("templates"));
    scene.start_with(config, scene.folder.path()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_template_stands_beside_the_message_that_it_makes() {
    let scene = Scene::new(Rules::new().robot("kitchen", Default::default())).await;
    let daemon = started(&scene, "[admin]\n").await;
    let table = page(&daemon, "/templates").await;
    for piece in [
        "href=\"/templates/en/order.placed\"",
        "href=\"/templates/ar/_order\"",
        "href=\"/templates/zh-HK/words.toml\"",
        "yours",
    ] {
        assert!(table.body.contains(piece), "{piece}: {}", table.body);
    }
    assert!(!table.body.contains("page.toml"), "the words of the page are none of a message's");

    let placed = page(&daemon, "/templates/en/order.placed").await.body;
    assert!(placed.contains("built in") && placed.contains("<p class=\"h1\" dir=\"auto\">New order"), "{placed}");
    assert!(placed.contains("{% ") && placed.contains("<textarea id=\"source\""), "{placed}");
    let file = scene.folder.path().join("templates/en/order.placed.md").display().to_string();
    assert!(placed.contains(&file.replace('/', "&#x2f;")), "it says where to copy it: {placed}");

    let own = page(&daemon, "/templates/en/order.accepted").await.body;
    assert!(own.contains("yours") && own.contains("# Mine {{ order.number }} &lt;b&gt;"), "{own}");
    assert!(own.contains("class=\"h1\" dir=\"auto\">Mine") && own.contains("The built-in one"), "{own}");

    let json = page(&daemon, "/templates/zh-HK/order.cancelled?channel=erp&sample=2").await.body;
    assert!(json.contains("&quot;kind&quot;: &quot;order.cancelled&quot;"), "{json}");
    let mail = page(&daemon, "/templates/en/order.placed?channel=owner").await.body;
    let address = mail.split("src=\"/frames/").nth(1).and_then(|rest| rest.split('"').next()).expect("a frame");
    let frame = page(&daemon, &format!("/frames/{address}")).await;
    let head = frame.head.to_lowercase();
    assert!(head.contains("sandbox; base-uri 'none'") && head.contains("x-frame-options: sameorigin"), "{head}");
    assert!(!head.contains("script-src") && frame.body.contains("<!doctype html>"), "{}", frame.body);

    let partial = page(&daemon, "/templates/en/_stock").await.body;
    assert!(partial.contains("No sample leads to this file") && partial.contains("macro"), "{partial}");
    for path in [
        "en/nothing",
        "xx/order.placed",
        "en/page.toml",
        "en/..%2Forder.placed",
        "page/layout.html",
        "en/%00",
        "en/%3Cb%3E",
    ] {
        assert_eq!(page(&daemon, &format!("/templates/{path}")).await.status, 404, "{path}");
    }
    assert_eq!(page(&daemon, "/frames/00").await.status, 404);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_real_event_is_shown_with_whatever_a_buyer_wrote_as_text() {
    let scene = Scene::new(Rules::new().robot("kitchen", Default::default())).await;
    let daemon = started(&scene, "[admin]\n").await;
    let newest = "/templates/en/order.placed?event=newest";
    assert!(page(&daemon, newest).await.body.contains("No such event is among the newest ones."));
    daemon.acknowledged(&keeta::placed(7_000_001, scene.hands.now())).await;
    let shown = page(&daemon, newest).await.body;
    assert!(shown.contains("class=\"h1\" dir=\"auto\">New order") && shown.contains("7000001"), "{shown}");
    let rows = daemon.until(|rows| of(rows, "owner").iter().any(|row| row.state == "delivered")).await;
    let delivery = of(&rows, "owner")[0].id;
    let mail = page(&daemon, &format!("/frames/{delivery}/0")).await;
    assert!(mail.head.to_lowercase().contains("style-src 'unsafe-inline'; sandbox") && mail.body.contains("New order"));
    for path in [format!("/frames/{delivery}/7"), "/frames/00000000-0000-0000-0000-000000000000/0".to_owned()] {
        assert_eq!(page(&daemon, &path).await.status, 404, "{path}");
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_tried_within_limits_and_nothing_of_it_is_kept() {
    let scene = Scene::new(Rules::new().robot("kitchen", Default::default())).await;
    let daemon = started(&scene, "[admin]\n").await;
    let said = async |source: &str| {
        let answer = tried(&daemon, "order.placed", source).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    };
    let mine = said("# Mine\r\n\r\n{{ shop.name }} <script>alert(1)</script>").await;
    assert!(mine.contains("class=\"h1\" dir=\"auto\">Mine</p>") && !mine.contains("<script>alert"), "{mine}");
    assert!(!mine.contains("The template fails"), "{mine}");
    for (source, words) in [
        ("# a\n\n{% if %}", ":3</code> "),
        ("# a\n{{ order.nothing.more }}", ":2</code> "),
        ("{{ 1 | no_such }}", "no_such"),
        ("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}", "ran out of fuel"),
        ("{{ ([1] * 100000000) | sort | length }}", "256 MiB of memory"),
        ("{% include \"order.placed.md\" %}", "recursion limit exceeded"),
        (SLOW, "more than 2 seconds"),
    ] {
        let body = said(source).await;
        assert!(body.contains("The template fails") && body.contains(words), "{source}: {words}\n{body}");
    }
    let doubtful = said("# a {% if order.nothing %}b{% endif %}").await;
    assert!(doubtful.contains("does not have"), "{doubtful}");
    let long = tried(&daemon, "order.placed", &"x".repeat(70_000)).await;
    assert_eq!(long.status, 200, "{}", long.body);
    let long = tried(&daemon, "order.placed", &"x".repeat(300_000)).await;
    assert!(long.status == 400 && long.body.contains("at most 256 KiB"), "{}", long.body);
    assert!(!page(&daemon, "/templates/en/order.placed").await.body.contains("Mine"));
    assert!(!scene.folder.path().join("templates").exists());
    assert_eq!(tried(&daemon, "nothing", "x").await.status, 404);
    // What was tried leaves the messages alone.
    daemon.acknowledged(&keeta::placed(7_000_001, scene.hands.now())).await;
    daemon.until(|rows| of(rows, "kitchen").iter().any(|row| row.state == "delivered")).await;
    let title = scene.received("kitchen").into_iter().find_map(|message| message.title).unwrap_or_default();
    assert!(title.starts_with("New order"), "{title}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_tries_one_text_at_a_time_and_who_may_only_look_tries_none() {
    let scene = Scene::new(Rules::new().robot("kitchen", Default::default())).await;
    let tokens = "[admin]\ntoken = \"hush-owner\"\n[admin.tokens.wall]\ntoken = \"hush-wall\"\naccess = \"read\"\n";
    let daemon = started(&scene, tokens).await;
    let fields = [("source", SLOW), ("channel", "kitchen"), ("sample", "1"), ("event", "")];
    let (path, owner) = ("/templates/en/order.placed/try", [("Authorization", "Bearer hush-owner")]);
    let answers = tokio::join!(
        post(daemon.admin(), path, &fields, &owner),
        post(daemon.admin(), path, &fields, &owner),
        post(daemon.admin(), path, &fields, &owner),
    );
    let mut answers = [answers.0, answers.1, answers.2];
    answers.sort_by_key(|answer| answer.status);
    assert_eq!(answers.each_ref().map(|answer| answer.status), [200, 503, 503], "{answers:#?}");
    assert!(answers[1].body.contains("you try another template just now"), "{}", answers[1].body);
    let wall = [("Authorization", "Bearer hush-wall")];
    assert_eq!(post(daemon.admin(), path, &fields, &wall).await.status, 403);
    let headers = [("Host", "localhost"), ("Accept", "text/html"), wall[0]];
    let looked = ask(daemon.admin(), "GET /templates/en/order.placed", &headers, b"").await.body;
    assert!(looked.contains("readonly") && !looked.contains(">Try</button>"), "{looked}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_changes_a_text_and_sees_the_message_that_it_makes() {
    let scene = Scene::new(Rules::new().robot("kitchen", Default::default())).await;
    let daemon = started(&scene, "[admin]\n").await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/templates").await;
    browser.is_readable().await;
    browser.pictures("templates-en").await;
    browser.press("a[href='/templates/en/order.placed']").await;
    browser.sees("As its reader sees it").await;
    browser.is_readable().await;
    browser.pictures("templates_file-en").await;
    browser.write("#source", "# Come quickly").await;
    browser.press("form[action$='/try'] button").await;
    browser.sees("Come quickly").await;
    browser.write("#source", "{% if %}").await;
    browser.press("form[action$='/try'] button").await;
    browser.sees("The template fails").await;
    browser.is_readable().await;
    browser.pictures("templates_try-en").await;
    browser.open("/templates/en/order.placed?channel=owner").await;
    browser.is_readable().await;
    browser.pictures("templates_mail-en").await;
    for (language, words) in [("ar", "كما يراها قارئها"), ("zh-HK", "收件人看到的樣子")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(words).await;
        browser.open(&format!("/templates/{language}/order.placed?channel=kitchen")).await;
        browser.sees(words).await;
        browser.is_readable().await;
        browser.pictures(&format!("templates_file-{language}")).await;
    }
    browser.close().await;
    daemon.stop().await;
}
