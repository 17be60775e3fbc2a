//! `orderbell simulate`: a sample order of any number, total, shop and items, to try routes with.

use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::commands_store::{Done, orderbell};
use crate::support::Scene;
use crate::support::watching::{NEVER, Watching};

const LICENCES: &str = "[source.licences]\nplatform = \"apsdai\"\nsecret = \"hush\"\n";
const SHOPS: &str = "[source.hk]\nplatform = \"keeta\"\napp_id = 1\napp_secret = \"hush\"\n\
    shops = { 145541 = \"Harbour Noodle House\", 466663 = \"Peak Noodle House\" }\n";

async fn start(scene: &Scene) -> Watching {
    let routes = "[[route]]\nevents = [\"order.*\"]\nto = [\"erp\"]\n\
        [[route]]\nevents = [\"order.placed\"]\nwhen = \"order.total >= 500\"\nto = [\"till\"]\n";
    let text = scene.hook("erp", "") + &scene.hook("till", "") + LICENCES + SHOPS + routes;
    let daemon = scene.start_watching(NEVER, "", &text).await;
    // Another currency than that of the samples as they are kept.
    let written = std::fs::read_to_string(&daemon.file).unwrap();
    std::fs::write(&daemon.file, written.replace("currency = \"SAR\"", "currency = \"HKD\"")).unwrap();
    daemon
}

fn simulate(daemon: &Watching, source: &str, kind: &str, flags: &[&str]) -> Done {
    let to = format!("http://{}/hooks/{source}", daemon.address);
    orderbell(daemon, &[&["simulate", source, kind, "--to", &to], flags].concat())
}

/// The order as a receiver gets it.
fn ordered(scene: &Scene, number: &str) -> Value {
    let received = scene.came_to("erp");
    let mut bodies = received.iter().map(|one| serde_json::from_str::<Value>(&one.body).unwrap());
    bodies.rfind(|body| body["order"]["number"] == number).unwrap_or_else(|| panic!("no order {number}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_the_order_and_where_to_look_and_each_is_another_order() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = start(&scene).await;
    let mut numbers = Vec::new();
    for source in ["hk", "hk", "licences", "licences"] {
        let done = simulate(&daemon, source, "order.placed", &[]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let lines: Vec<&str> = done.out.lines().collect();
        assert!(lines[0].starts_with("acknowledged: {\"code\":0,"), "{}", done.out);
        let number = lines[1].split_once("order.placed, order ").unwrap().1.split(',').next().unwrap().to_owned();
        assert!(lines[1].contains(", total HKD "), "{}", done.out);
        let short = format!(", short number {}, ", &number[number.len() - 4..]);
        assert_eq!(lines[1].contains(&short), source == "hk", "{}", done.out);
        assert!(done.out.contains(&format!(" why {number}` says")), "{}", done.out);
        assert!(done.out.contains(&format!(" deliveries --order {number}` lists")), "{}", done.out);
        numbers.push(number);
    }
    daemon.until(|all| all.len() == 4 && all.iter().all(|one| one.state == "delivered")).await;
    let standings = daemon.deliveries().await;
    let known: Vec<&str> = standings.iter().filter_map(|one| one.order.as_deref()).collect();
    assert_eq!(known, numbers, "each is an order of its own");
    let body = ordered(&scene, &numbers[0]);
    assert_eq!(body["shop"], serde_json::json!({ "id": "145541", "name": "Harbour Noodle House" }));

    let hours = simulate(&daemon, "hk", "store.hours", &[]);
    assert!(hours.out.contains("store.hours, shop 145541 (Harbour Noodle House)\n"), "{}{}", hours.out, hours.err);
    assert!(hours.out.contains(" deliveries --kind store.hours --since 1m`"), "{}", hours.out);
    let printed = orderbell(&daemon, &["simulate", "hk", "order.placed", "--order", "42", "--print"]);
    assert!(printed.out.starts_with("curl ") && printed.out.lines().count() == 1, "{}", printed.out);
    assert!(printed.err.starts_with("order.placed, order 42, short number 0042, total HKD 46.00"), "{}", printed.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_as_it_is_asked_for_and_adds_up() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = start(&scene).await;
    let flags = ["--total", "612.51", "--item", "2 × Tea", "--item", "Bun", "--note", "no sugar", "--shop", "466663"];
    for (source, number) in [("hk", "29332222"), ("licences", "AB/2026-0007"), ("licences", "7")] {
        let flags = if source == "hk" { &flags[..] } else { &flags[..6] };
        let done = simulate(&daemon, source, "order.placed", &[&["--order", number][..], flags].concat());
        assert_eq!(done.code, Some(0), "{source}: {}", done.err);
        assert!(done.out.contains(&format!("order.placed, order {number}, ")), "{}", done.out);
        daemon.until(|all| all.iter().all(|one| one.state == "delivered")).await;
        let body = ordered(&scene, number);
        assert_eq!(body["order"]["total"]["text"], "HKD 612.51");
        let lines = body["order"]["lines"].as_array().unwrap();
        let sum: i64 = lines
            .iter()
            .map(|line| line["unit_price"]["minor"].as_i64().unwrap() * line["quantity"].as_i64().unwrap())
            .sum();
        assert_eq!(sum, 61_251, "{body:#}");
        let tea: u64 =
            lines.iter().filter(|line| line["name"] == "Tea").map(|line| line["quantity"].as_u64().unwrap()).sum();
        assert_eq!((tea, &lines.last().unwrap()["name"]), (2, &Value::from("Bun")), "{body:#}");
        if source == "hk" {
            assert_eq!((&lines[0]["note"], &body["shop"]["name"]), (&"no sugar".into(), &"Peak Noodle House".into()));
        }
    }
    // A total alone, and a currency of other decimals.
    for (currency, total, text) in
        [("KWD", "1.234", "KWD 1.234"), ("JPY", "1200", "JPY 1200"), ("SAR", "0.01", "SAR 0.01")]
    {
        let order = format!("9{}", total.replace('.', ""));
        let flags = ["--order", &order, "--currency", currency, "--total", total];
        let done = simulate(&daemon, "hk", "order.placed", &flags);
        assert!(done.out.contains(&format!("total {text}, ")), "{}{}", done.out, done.err);
        let licence = simulate(&daemon, "licences", "order.placed", &["--currency", currency, "--total", total]);
        assert!(licence.out.contains(&format!("total {text}\n")), "{}{}", licence.out, licence.err);
    }
    // The same number is the same order.
    let cancelled = simulate(&daemon, "hk", "order.cancelled", &["--order", "29332222"]);
    assert_eq!(cancelled.code, Some(0), "{}", cancelled.err);
    daemon.until(|all| all.iter().filter(|one| one.order.as_deref() == Some("29332222")).count() >= 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_is_tried_by_the_total() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = start(&scene).await;
    for (order, total, reaches_till) in [("1", "499.99", false), ("2", "500", true), ("3", "612.50", true)] {
        let done = simulate(&daemon, "hk", "order.placed", &["--order", order, "--total", total]);
        assert_eq!(done.code, Some(0), "{}", done.err);
        let all = daemon.until(|all| all.iter().any(|one| one.order.as_deref() == Some(order))).await;
        let to_till = all.iter().any(|one| one.order.as_deref() == Some(order) && one.channel == "till");
        assert_eq!(to_till, reaches_till, "{total}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_is_refused_and_nothing_is_sent() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = start(&scene).await;
    for (source, kind, flags, says) in [
        ("hk", "order.placed", ["--total", "612.505"], "\"612.505\" has 3 decimals, and HKD has 2"),
        ("hk", "order.placed", ["--total", "-5"], "\"-5\" is less than nothing"),
        ("hk", "order.placed", ["--total", "abc"], "\"abc\" is no amount"),
        ("licences", "order.paid", ["--total", "1.5e3"], "is no amount"),
        ("hk", "order.placed", ["--currency", "HKX"], "\"HKX\" is no ISO 4217 code"),
        ("hk", "order.placed", ["--order", "ABC-1"], "at Keeta, an order's number is a whole number"),
        ("hk", "order.placed", ["--order", "007"], "\"007\" is none"),
        ("hk", "order.placed", ["--order", ""], "--order is empty"),
        ("hk", "order.placed", ["--shop", "Peak"], "at Keeta, a shop's id is a whole number"),
        ("hk", "order.placed", ["--item", "0 × Tea"], "0 is no quantity"),
        ("hk", "store.hours", ["--total", "5"], "a sample of store.hours of hk cannot have a total of HKD 5.00"),
        ("hk", "store.hours", ["--order", "5"], "cannot have an order"),
        ("hk", "order.cancelled", ["--item", "Tea"], "cannot have the item \"Tea\""),
        ("licences", "order.placed", ["--shop", "145541"], "of licences cannot have the shop 145541"),
        (
            "hk",
            "order.plced",
            ["--total", "5"],
            "keeta sends no \"order.plced\"; did you mean \"order.placed\"? it sends",
        ),
        ("licences", "order.placed", ["--note", "quick"], "of licences cannot have a note"),
    ] {
        let done = simulate(&daemon, source, kind, &flags);
        assert!(done.code == Some(2) && done.err.contains(says), "{kind} {flags:?}: {}{}", done.out, done.err);
    }
    let events: i64 = daemon.connection().query_row("SELECT count(*) FROM events", [], |row| row.get(0)).unwrap();
    assert_eq!(events, 0);
}
