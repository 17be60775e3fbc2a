//! A second order message that says something else is no duplicate: it is an event of its own, sent as changed, and booked.

mod waiting;

use crate::support::keeta::{self, Envelope};
use crate::support::{A_WHILE, Daemon, Scene, kept, of};
use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::inbox::Received;
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::list::DeliveryRow;
use serde_json::{Value, json};

const NUMBER: u64 = 7;

/// Early in an hour, in Hong Kong some minutes past noon.
fn noon() -> Timestamp {
    "2026-11-05T04:04:00Z".parse().expect("a time")
}

fn seconds(seconds: i64) -> SignedDuration {
    SignedDuration::from_secs(seconds)
}

fn to(channels: &[&str]) -> String {
    format!("[[route]]\nevents = [\"order.*\"]\nto = {channels:?}\n")
}

/// The order as the sample has it: ribs with a note, and two lemon teas, SAR 46.00.
fn first() -> Value {
    keeta::order(NUMBER)
}

/// The order with a value of the test's choice at a pointer below `orderInfo`.
fn with(mut order: Value, changes: &[(&str, Value)]) -> Value {
    for (path, value) in changes {
        *order.pointer_mut(&format!("/orderInfo{path}")).unwrap_or_else(|| panic!("no {path}")) = value.clone();
    }
    order
}

/// Three teas instead of two, a new note, and the total that follows.
fn second() -> Value {
    with(
        first(),
        &[
            ("/products/1/count", json!(3)),
            ("/products/0/remark", json!("NO PEANUTS, allergy")),
            ("/feeDtl/customerFee/productPrice", json!(5100)),
            ("/feeDtl/customerFee/payTotal", json!(5100)),
        ],
    )
}

/// Sends an order as event 1001, under a message id, as of a moment.
async fn send(daemon: &Daemon, id: &str, order: &Value, at: Timestamp) {
    daemon.acknowledged(&Envelope::new(1001, id, &order.to_string(), at).body()).await;
}

fn json_of(received: &Received) -> Value {
    serde_json::from_str(&received.body).expect("JSON")
}

/// What a person reads, without the marks that keep values from being markup.
fn text(received: &Received) -> String {
    let parts = [received.title.as_deref(), received.text.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n").replace(['\\', '*'], "")
}

fn count(daemon: &Daemon, sql: &str) -> i64 {
    daemon.connection().query_row(sql, [], |row| row.get(0)).expect("a number")
}

/// Recorded events, and how often one came again.
fn events_and_repeats(daemon: &Daemon) -> (i64, i64) {
    (
        count(daemon, "SELECT count(*) FROM events WHERE kind <> 'operator.notice'"),
        count(daemon, "SELECT sum(repeats) FROM events"),
    )
}

/// What the reports would count of the orders: their number and their total.
fn booked(daemon: &Daemon) -> (i64, i64) {
    let sum = |what: &str| count(daemon, &format!("SELECT sum({what}) FROM ledger WHERE figure = 'orders'"));
    (sum("count"), sum("minor"))
}

fn states(delivery_rows: &[DeliveryRow], channel: &str) -> Vec<String> {
    of(delivery_rows, channel).into_iter().map(|delivery_row| delivery_row.state.clone()).collect()
}

fn order_of(daemon: &Daemon) -> Value {
    kept::json(&daemon.connection(), "SELECT packed FROM orders", []).pop().expect("one order")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_order_is_an_event_of_its_own_that_says_what_was_and_what_is() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.hook("erp", ""), scene.robot("kitchen", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["erp", "kitchen"]))).await;
    let now = scene.hands.now();
    send(&daemon, "m-1", &first(), now).await;
    daemon.until_done().await;
    send(&daemon, "m-2", &second(), now).await;
    daemon.until_done().await;

    let taken = scene.until_received("erp", 2).await;
    let (before, after) = (json_of(&taken[0]), json_of(&taken[1]));
    assert_eq!(before["data"].get("changed"), None, "{before}");
    let line = |order: &Value, index: usize| order["order"]["lines"][index].clone();
    let expected = json!({
        "total": { "was": before["order"]["total"], "is": after["order"]["total"] },
        "lines": [
            { "was": line(&before, 0), "is": line(&after, 0) },
            { "was": line(&before, 1), "is": line(&after, 1) },
        ],
        "note": { "was": "no onion 不要葱", "is": "NO PEANUTS, allergy" },
    });
    assert_eq!(after["data"]["changed"], expected);
    assert_eq!((&after["kind"], &after["order"]["revision"]), (&json!("order.placed"), &json!(2)));
    assert_eq!(after["order"]["total"]["text"], "SAR 51.00");

    let kitchen = scene.until_received("kitchen", 2).await;
    let (new, changed) = (text(&kitchen[0]), text(&kitchen[1]));
    assert!(new.contains("New order #"), "{new}");
    assert!(changed.contains("Changed order #") && !changed.contains("New order"), "{changed}");
    for taken in ["2 × Lemon tea", "3 × Lemon tea", "NO PEANUTS, allergy", "no onion", "SAR 46.00", "SAR 51.00"] {
        assert!(changed.contains(taken), "{taken} is not in {changed}");
    }
    assert_eq!(booked(&daemon), (1, 5100), "one order, with the total that it has now");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_says_nothing_else_is_a_duplicate_however_it_is_written() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.hook("erp", ""), to(&["erp"]))).await;
    let now = scene.hands.now();
    send(&daemon, "m-0", &first(), now).await;

    let mut reordered = first();
    reordered["orderInfo"]["products"].as_array_mut().expect("products").reverse();
    let mut split = first();
    let tea = with(split.clone(), &[("/products/1/count", json!(1))])["orderInfo"]["products"][1].clone();
    split["orderInfo"]["products"][1] = tea.clone();
    split["orderInfo"]["products"].as_array_mut().expect("products").push(tea);
    let mut without_items = first();
    without_items["orderInfo"]["products"] = json!([]);
    let mut without_total = first();
    without_total["orderInfo"]["feeDtl"] = json!({});
    let no_quantity = with(first(), &[("/products/1/count", json!(null))]);
    let other_times = with(
        first(),
        &[("/baseOrder/ctime", json!(now.as_millisecond())), ("/merchantOrder/pushOrderResult", json!(2))],
    );
    let same = [first(), reordered, split, without_items, without_total, no_quantity, other_times];
    for (index, order) in same.iter().enumerate() {
        send(&daemon, &format!("m-{}", index + 1), order, now).await;
        assert_eq!(events_and_repeats(&daemon), (1, index as i64 + 1), "{index}");
    }
    daemon.until_done().await;
    scene.nothing_more(A_WHILE).await;
    assert_eq!(scene.received("erp").len(), 1);
    let order = order_of(&daemon);
    assert_eq!((&order["revision"], &order["total"]["minor"]), (&json!(1), &json!(4600)));
    assert_eq!(order["lines"][1]["quantity"], 2, "what was known stays known: {order}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_unknown_is_completed_without_a_message_and_what_differs_beside_it_is_sent() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.hook("erp", ""), to(&["erp"]))).await;
    let now = scene.hands.now();
    let mut few = with(first(), &[("/products/1/count", json!(null))]);
    few["orderInfo"]["feeDtl"] = json!({});
    send(&daemon, "m-1", &few, now).await;
    send(&daemon, "m-2", &first(), now).await;
    daemon.until_done().await;
    assert_eq!(events_and_repeats(&daemon), (1, 1));
    assert_eq!(order_of(&daemon)["lines"][1]["quantity"], 2);
    assert_eq!(booked(&daemon), (1, 4600));

    // The quantity of the tea cannot be read any more, which is no difference, and may be another all the same. The note is another.
    let noted = with(first(), &[("/products/1/count", json!({})), ("/products/0/remark", json!("NO PEANUTS"))]);
    send(&daemon, "m-3", &noted, now).await;
    daemon.until_done().await;
    let taken = scene.until_received("erp", 2).await;
    let changed = json_of(&taken[1])["data"]["changed"].clone();
    assert_eq!((changed.get("total"), changed["lines"].as_array().map(Vec::len)), (None, Some(1)), "{changed}");
    assert_eq!(changed["lines"][0]["is"]["note"], "NO PEANUTS");
    assert_eq!(order_of(&daemon)["lines"][1].get("quantity").filter(|quantity| !quantity.is_null()), None);
    assert_eq!(order_of(&daemon)["unreadable"], json!(["/lines/1/quantity"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_judged_by_what_is_known_now_and_an_older_envelope_changes_nothing() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.hook("erp", ""), to(&["erp"]))).await;
    let now = scene.hands.now();
    let total = |daemon: &Daemon| order_of(daemon)["total"]["minor"].clone();
    send(&daemon, "m-1", &first(), now - seconds(60)).await;
    send(&daemon, "m-2", &second(), now - seconds(40)).await;
    assert_eq!((events_and_repeats(&daemon), total(&daemon)), ((2, 0), json!(5100)));
    // Older than the second, and sent again under an id of its own and under the first one's.
    send(&daemon, "m-3", &first(), now - seconds(50)).await;
    send(&daemon, "m-1", &first(), now).await;
    assert_eq!((events_and_repeats(&daemon), total(&daemon)), ((2, 2), json!(5100)));
    // Back to what it was first, which is now something else.
    send(&daemon, "m-4", &first(), now - seconds(20)).await;
    assert_eq!((events_and_repeats(&daemon), total(&daemon)), ((3, 2), json!(4600)));
    send(&daemon, "m-4", &second(), now).await;
    assert_eq!((events_and_repeats(&daemon), total(&daemon)), ((3, 3), json!(4600)), "the same id is the same webhook");
    // An item that is gone, in the same second.
    let mut gone = first();
    gone["orderInfo"]["products"].as_array_mut().expect("products").pop();
    send(&daemon, "m-5", &gone, now - seconds(20)).await;
    daemon.until_done().await;
    let taken = scene.until_received("erp", 4).await;
    let changed = json_of(&taken[3])["data"]["changed"].clone();
    assert_eq!(changed["lines"][0]["was"]["name"], "Lemon tea", "{changed}");
    assert_eq!((changed["lines"][0].get("is"), changed.get("total")), (None, None), "{changed}");
    assert_eq!(booked(&daemon), (1, 4600));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_of_a_known_content_is_known_by_its_id_afterwards() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.hook("erp", ""), to(&["erp"]))).await;
    let now = scene.hands.now();
    for (id, order) in [("m-1", first()), ("m-2", first()), ("m-3", second()), ("m-2", first()), ("m-3", second())] {
        send(&daemon, id, &order, now).await;
    }
    assert_eq!(events_and_repeats(&daemon), (2, 3));
    assert_eq!(order_of(&daemon)["total"]["minor"], 5100);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_may_ask_whether_an_order_changed() {
    let scene = Scene::new(Rules::new()).await;
    let route = "[[route]]\nevents = [\"order.*\"]\nwhen = \"data.changed is defined\"\nto = [\"owner\"]\n";
    let channels = [scene.hook("erp", ""), scene.hook("owner", "")].concat();
    let daemon = scene.start(&format!("{channels}{}{route}", to(&["erp"]))).await;
    let now = scene.hands.now();
    send(&daemon, "m-1", &first(), now).await;
    send(&daemon, "m-2", &second(), now).await;
    let delivery_rows = daemon.until_done().await;
    assert_eq!((states(&delivery_rows, "erp").len(), states(&delivery_rows, "owner").len()), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_whose_condition_holds_only_now_gets_the_order_as_new() {
    let scene = Scene::new(Rules::new()).await;
    let route = "[[route]]\nevents = [\"order.*\"]\nwhen = \"order.total >= 50\"\nto = [\"owner\", \"erp\"]\n";
    let channels = [scene.robot("kitchen", ""), scene.robot("owner", ""), scene.hook("erp", "")].concat();
    let daemon = scene.start(&format!("{channels}{}{route}", to(&["kitchen"]))).await;
    let now = scene.hands.now();
    send(&daemon, "m-1", &first(), now).await;
    daemon.until_done().await;
    assert!(scene.received("owner").is_empty());
    send(&daemon, "m-2", &second(), now).await;
    daemon.until_done().await;
    let (owner, kitchen) =
        (text(&scene.until_received("owner", 1).await[0]), text(&scene.until_received("kitchen", 2).await[1]));
    assert!(owner.contains("New order #") && !owner.contains("hanged"), "{owner}");
    assert!(owner.contains("SAR 51.00") && !owner.contains("SAR 46.00"), "{owner}");
    assert!(kitchen.contains("Changed order #"), "{kitchen}");
    assert_eq!(
        json_of(&scene.until_received("erp", 1).await[0])["data"].get("changed"),
        None,
        "as new for a program too"
    );
    // From now on it knows the order.
    send(&daemon, "m-3", &with(second(), &[("/products/1/count", json!(4))]), now).await;
    daemon.until_done().await;
    let owner = text(&scene.until_received("owner", 2).await[1]);
    assert!(owner.contains("Changed order #"), "{owner}");
    assert_eq!(json_of(&scene.until_received("erp", 2).await[1])["data"]["changed"]["lines"][0]["is"]["quantity"], 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_an_order_that_is_over_is_sent_as_what_it_is_and_moves_nothing_back() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&format!("{}{}", scene.robot("kitchen", ""), to(&["kitchen"]))).await;
    let now = scene.hands.now();
    send(&daemon, "m-1", &first(), now).await;
    daemon.acknowledged(&keeta::stepped(1004, NUMBER, now)).await;
    daemon.until_done().await;
    let already = scene.received("kitchen").len();
    send(&daemon, "m-2", &second(), now + seconds(1)).await;
    daemon.until_done().await;
    let taken = scene.until_received("kitchen", already + 1).await;
    let taken = text(taken.last().expect("a message"));
    assert!(taken.contains("Changed order #") && taken.contains("already cancelled"), "{taken}");
    assert_eq!(order_of(&daemon)["state"], "cancelled");
    let cancelled = "SELECT sum(minor) FROM ledger WHERE figure = 'cancelled'";
    assert_eq!((booked(&daemon), count(&daemon, cancelled)), ((1, 5100), 5100));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_of_a_change_cannot_be_read_is_said_and_never_shown_as_it_was() {
    let scene = Scene::new(Rules::new()).await;
    let channels = [scene.hook("erp", ""), scene.robot("kitchen", "")].concat();
    let daemon = scene.start(&format!("{channels}{}", to(&["erp", "kitchen"]))).await;
    let now = scene.hands.now();
    let more_ribs = ("/products/0/count", json!(4));
    let (total, tea) = ("/feeDtl/customerFee/payTotal", "/products/1/count");
    for (step, (changes, unreadable)) in [
        (vec![], json!(null)),
        (vec![(total, json!("lots")), (tea, json!(5))], json!(["/total"])),
        (vec![(tea, json!("x")), more_ribs.clone()], json!(["/lines/1/quantity"])),
        (vec![("/products", json!("oops")), (total, json!(25_000))], json!(["/lines/1/quantity", "/lines"])),
        (vec![more_ribs, (total, json!(26_000))], json!(null)),
    ]
    .into_iter()
    .enumerate()
    {
        send(&daemon, &format!("m-{step}"), &with(first(), &changes), now).await;
        daemon.until_done().await;
        let taken = json_of(scene.until_received("erp", step + 1).await.last().expect("one"));
        assert_eq!(taken["order"]["unreadable"], unreadable, "step {step}: {taken}");
        let kitchen = text(scene.until_received("kitchen", step + 1).await.last().expect("one"));
        assert_eq!(kitchen.contains("ould not be read"), unreadable != json!(null), "step {step}: {kitchen}");
        if unreadable == json!(["/lines/1/quantity"]) {
            assert_eq!(taken["order"]["lines"][1].get("quantity"), None, "{taken}");
        }
    }
}
