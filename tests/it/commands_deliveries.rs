//! `orderbell deliveries` with its short ids and filters, and what `cancel` and `redeliver` do with orders and with many.

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::commands_store::{Done, orderbell, refusing, to};
use crate::support::watching::{NEVER, Watching};
use crate::support::{Scene, keeta};

/// A daemon whose only channel refuses for good, with so many orders that are dead.
async fn with_dead(scene: &Scene, orders: u64) -> Watching {
    let daemon = scene.start_watching(NEVER, "", &(scene.hook("erp", "") + &to("erp"))).await;
    scene.sandbox.order("erp", refusing(422), Times::Always);
    for number in 1..=orders {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    daemon.until(|all| all.len() as u64 == orders && all.iter().all(|one| one.state == "dead")).await;
    scene.sandbox.clear_faults("erp");
    daemon
}

fn listed(daemon: &Watching, filters: &[&str]) -> Vec<Value> {
    let done = orderbell(daemon, &[&["deliveries", "--format", "json"], filters].concat());
    assert_eq!(done.code, Some(0), "{filters:?}: {}", done.err);
    done.json().as_array().expect("a list").clone()
}

/// The first word of each row of the table.
fn short_ids(table: &str) -> Vec<String> {
    table.lines().skip(1).map(|line| line.split_whitespace().next().expect("a word").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_as_short_as_can_be_and_every_command_takes_them() {
    let scene = Scene::new(Rules::new()).await;
    let text = scene.hook("erp", "") + &scene.hook("till", "") + &to("erp") + &to("till");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    for number in 1..=3 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    let rows = daemon.until(|all| all.len() == 6 && all.iter().all(|one| one.state == "delivered")).await;
    let table = orderbell(&daemon, &["deliveries"]);
    assert_eq!(table.code, Some(0), "{}", table.err);
    let short = short_ids(&table.out);
    assert_eq!(short.len(), 6, "{}", table.out);
    for (short, row) in short.iter().zip(&rows) {
        let whole = row.id.to_string();
        assert!(whole.starts_with(short.as_str()) && short.len() <= 18, "{short} of {whole}");
        // No shorter one would do, and no other one begins so.
        assert_eq!(rows.iter().filter(|row| row.id.to_string().starts_with(short.as_str())).count(), 1);
        let why = orderbell(&daemon, &["why", short, "--format", "json"]);
        assert_eq!(why.code, Some(0), "{}", why.err);
        assert_eq!(why.json()["events"][0]["deliveries"][0]["id"], whole.as_str(), "{}", why.out);
        let render = orderbell(&daemon, &["render", "--event", short, "--channel", "erp"]);
        let number = row.order.as_deref().expect("an order");
        assert!(render.out.contains(&format!("\"number\": \"{number}\"")), "{}{}", render.out, render.err);
        let again = orderbell(&daemon, &["redeliver", short]);
        assert!(again.code == Some(0) && again.out.starts_with(&whole), "{}{}", again.out, again.err);
    }
    let unknown = orderbell(&daemon, &["render", "--event", "01234567", "--channel", "erp"]);
    assert!(unknown.code == Some(1) && unknown.err.contains("`orderbell deliveries` shows those"), "{}", unknown.err);
    let common = &rows[0].id.to_string()[..8];
    let several = orderbell(&daemon, &["render", "--event", common, "--channel", "erp"]);
    assert!(several.code == Some(1) && several.err.contains(&rows[5].id.to_string()), "{}", several.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_is_narrowed_by_order_kind_and_time() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start_watching(NEVER, "", &(scene.hook("erp", "") + &to("erp"))).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.acknowledged(&keeta::placed(2, scene.hands.now())).await;
    daemon.acknowledged(&keeta::stepped(1002, 1, scene.hands.now())).await;
    let rows = daemon.until(|all| all.len() == 3).await;
    let ids = |filters: &[&str]| -> Vec<String> {
        listed(&daemon, filters).iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
    };
    let [first, second, third] = [0, 1, 2].map(|index| rows[index].id.to_string());
    assert_eq!(ids(&["--order", "1"]), [first.clone(), third.clone()]);
    assert_eq!(ids(&["--order", "keeta/2"]), std::slice::from_ref(&second));
    assert_eq!(ids(&["--kind", "order.accepted"]), std::slice::from_ref(&third));
    assert_eq!(ids(&["--kind", "order.*", "--order", "1", "--limit", "1"]), std::slice::from_ref(&third));
    assert_eq!(ids(&["--kind", "stock.*"]), [""; 0]);
    let keys: Vec<&str> = vec!["answer", "attempts", "channel", "digest", "due_at", "event", "id", "kind", "order"];
    let row = &listed(&daemon, &["--order", "2"])[0];
    assert!(keys.into_iter().chain(["source", "state"]).all(|key| row.get(key).is_some()), "{row}");
    assert_eq!(row.as_object().expect("an object").len(), 11);

    // The first one was made long ago.
    let long_ago = (Timestamp::now() - SignedDuration::from_hours(50)).as_millisecond();
    let sql = "UPDATE deliveries SET created_at = ?1 WHERE id = ?2";
    daemon.connection().execute(sql, rusqlite::params![long_ago, rows[0].id.0.as_bytes()]).expect("set");
    let now = Timestamp::now().as_millisecond();
    for row in &rows[1..] {
        daemon.connection().execute(sql, rusqlite::params![now, row.id.0.as_bytes()]).expect("set");
    }
    for since in ["2d", "1h", "49h"] {
        assert_eq!(ids(&["--since", since]), [second.clone(), third.clone()], "{since}");
    }
    let day_before = (Timestamp::now() - SignedDuration::from_hours(72)).to_string();
    for since in ["3d", "51h", &day_before[..10], &day_before] {
        assert_eq!(ids(&["--since", since]).len(), 3, "{since}");
    }

    let refused = |filters: &[&str]| -> Done { orderbell(&daemon, &[&["deliveries"], filters].concat()) };
    for (filters, code, says) in [
        (["--order", "99"], 1, "there is no order \"99\""),
        (["--kind", "order.plcaed"], 2, "there is no kind \"order.plcaed\"; did you mean \"order.placed\"?"),
        (["--kind", "ordre.*"], 2, "there is no kind \"ordre.*\""),
        (["--since", "last week"], 2, "\"last week\" is no time; write how long ago"),
    ] {
        let done = refused(&filters);
        assert!(done.code == Some(code) && done.err.contains(says), "{filters:?}: {}{}", done.out, done.err);
    }
    assert_eq!(refused(&["--state", "dead"]).out, "no such deliveries; there are 3 others\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_cancelled_and_sent_once_more_by_its_number() {
    let scene = Scene::new(Rules::new()).await;
    let text = scene.hook("erp", "") + &scene.hook("till", "") + &to("erp") + &to("till");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    scene.sandbox.order("erp", refusing(422), Times::Always);
    let order = keeta::order(75_682_302);
    let body = keeta::Envelope::new(1001, "m1", &order.to_string(), scene.hands.now()).body();
    daemon.acknowledged(&body).await;
    daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.state != "waiting")).await;

    let cancelled = orderbell(&daemon, &["cancel", "75682302", "--format", "json"]);
    let rows = cancelled.json();
    assert_eq!((cancelled.code, rows.as_array().map(Vec::len)), (Some(0), Some(1)), "{}", cancelled.out);
    assert_eq!((&rows[0]["channel"], &rows[0]["done"]), (&Value::from("erp"), &Value::from(true)));
    let nothing = orderbell(&daemon, &["cancel", "75682302"]);
    assert!(nothing.code == Some(1), "{}", nothing.out);
    assert!(nothing.out.contains("not cancelled: of this order nothing waits and nothing is dead"), "{}", nothing.out);

    // What was cancelled stays so, as long as there is anything else.
    let again = orderbell(&daemon, &["redeliver", "keeta/75682302"]);
    assert!(again.code == Some(0) && again.out.contains(" to till): goes out once more"), "{}", again.out);
    assert_eq!(again.out.lines().count(), 1, "{}", again.out);
    scene.until_came("till", 2).await;
    daemon.until(|all| all.iter().all(|one| one.state != "waiting")).await;
    scene.sandbox.clear_faults("erp");
    let sql = "UPDATE deliveries SET state = 'cancelled'";
    daemon.connection().execute(sql, []).expect("set");
    let all = orderbell(&daemon, &["redeliver", "75682302"]);
    assert_eq!((all.code, all.out.lines().count()), (Some(0), 2), "{}{}", all.out, all.err);
    scene.until_came("erp", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_ten_are_changed_only_when_that_is_confirmed() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = with_dead(&scene, 11).await;
    let states = || -> Vec<Value> { listed(&daemon, &[]).iter().map(|row| row["state"].clone()).collect() };
    let ids: Vec<String> = listed(&daemon, &[]).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    let numbers: Vec<String> = (1..=11).map(|number| number.to_string()).collect();
    let numbers: Vec<&str> = numbers.iter().map(String::as_str).collect();
    for (command, says) in [
        ([&["cancel"], &ids[..]].concat(), "this cancels 11 deliveries; add --yes if that is meant"),
        ([&["cancel"], &numbers[..]].concat(), "this cancels 11 deliveries; add --yes"),
        ([&["redeliver"], &ids[..]].concat(), "this sends 11 messages once more; add --yes"),
        (vec!["redeliver", "--dead"], "this sends 11 messages once more; add --yes"),
    ] {
        let refused = orderbell(&daemon, &command);
        assert!(refused.code == Some(2) && refused.err.contains(says), "{command:?}: {}", refused.err);
        assert_eq!(states(), vec!["dead"; 11], "nothing is changed");
    }
    let ten = orderbell(&daemon, &[&["cancel"], &ids[..10]].concat());
    assert_eq!(ten.code, Some(0), "{}", ten.err);
    let all = orderbell(&daemon, &[&["redeliver", "--yes"], &numbers[..]].concat());
    assert_eq!((all.code, all.out.lines().count()), (Some(0), 11), "{}{}", all.out, all.err);
    scene.until_received("erp", 11).await;
}
