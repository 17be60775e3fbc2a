//! `orderbell deliveries` with its short ids and filters, and what `cancel` and `redeliver` do with orders and with many.

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::Times;
use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::commands_store::{Done, orderbell, refusing, to};
use crate::support::watching::{NEVER, Watching};
use crate::support::{Scene, keeta};

/// The short number of every order of these tests.
const SHORT: &str = "29332222";

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
    assert!(nothing.out.ends_with(" to erp): was cancelled already\n"), "{}", nothing.out);
    assert_eq!((nothing.code, nothing.out.lines().count()), (Some(0), 1), "{}", nothing.out);
    set(&daemon, "state = 'delivered'", "state = 'cancelled'");
    let nothing = orderbell(&daemon, &["cancel", "75682302"]);
    assert!(nothing.code == Some(1), "{}", nothing.out);
    assert!(nothing.out.contains("not cancelled: of this order nothing waits and nothing is dead"), "{}", nothing.out);
    set(&daemon, "state = 'cancelled'", "channel = 'erp'");

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

/// A daemon with one order, delivered to both channels, and what sets a column of its delivery to one of them.
async fn with_one_order(scene: &Scene) -> Watching {
    let text = scene.hook("erp", "") + &scene.hook("till", "") + &to("erp") + &to("till");
    let daemon = scene.start_watching(NEVER, "", &text).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.state == "delivered")).await;
    daemon
}

fn set(daemon: &Watching, columns: &str, which: &str) {
    let sql = format!("UPDATE deliveries SET {columns} WHERE {which}");
    assert!(daemon.connection().execute(&sql, []).expect("set") > 0, "{sql}");
}

/// So late that it stays as it is.
const FAR: &str = "due_at = 4000000000000";

#[tokio::test(flavor = "multi_thread")]
async fn every_order_of_a_short_number_is_listed() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start_watching(NEVER, "", &(scene.hook("erp", "") + &to("erp"))).await;
    for number in 1..=8 {
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
    }
    daemon.until(|all| all.len() == 8).await;
    for order in [SHORT, &format!("#{SHORT}")] {
        assert_eq!(listed(&daemon, &["--order", order]).len(), 8, "{order}");
    }
    let twice = orderbell(&daemon, &["deliveries", "--order", &format!("##{SHORT}")]);
    assert!(twice.code == Some(1) && twice.err.contains("there is no order"), "{}{}", twice.out, twice.err);
    let several = orderbell(&daemon, &["cancel", SHORT]);
    assert!(several.code == Some(1) && several.out.contains("and 3 older ones"), "{}", several.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_that_is_named_several_times_is_changed_once() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = with_one_order(&scene).await;
    let short = format!("#{SHORT}");
    let ids: Vec<String> = daemon.deliveries().await.iter().map(|row| row.id.to_string()).collect();
    let names = ["1", &short, "keeta/1", &ids[0], &ids[0].to_uppercase()];
    let run = |command| {
        let done = orderbell(&daemon, &[&[command, "--format", "json"], &names[..]].concat());
        assert_eq!(done.code, Some(0), "{}{}", done.out, done.err);
        let rows = done.json().as_array().expect("a list").clone();
        let mut of: Vec<_> = rows.iter().map(|row| row["id"].as_str().expect("an id").to_owned()).collect();
        of.sort();
        assert_eq!(of, ids, "{}", done.out);
        rows
    };
    run("redeliver");
    daemon.until(|all| all.iter().all(|one| one.state == "delivered")).await;
    set(&daemon, "state = 'dead'", "1");
    let rounds: i64 =
        daemon.connection().query_row("SELECT sum(round) FROM deliveries", [], |row| row.get(0)).expect("read");
    assert_eq!(rounds, 2);
    assert!(run("cancel").iter().all(|row| row["says"] == "cancelled"));
    assert!(run("cancel").iter().all(|row| row["says"] == "was cancelled already"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_sent_once_more_to_a_channel_whose_fallback_got_it() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = with_one_order(&scene).await;
    let till = "(SELECT id FROM deliveries WHERE channel = 'till')";
    set(&daemon, &format!("state = 'merged', digest = {till}"), "channel = 'erp'");
    let done = orderbell(&daemon, &["redeliver", "1"]);
    assert_eq!((done.code, done.out.matches(": goes out once more\n").count()), (Some(0), 2), "{}", done.out);
    scene.until_came("erp", 2).await;
    scene.until_came("till", 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_another_message_to_the_same_channel_holds_is_left_out_with_a_line() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start_watching(NEVER, "", &(scene.hook("erp", "") + &to("erp"))).await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.acknowledged(&keeta::stepped(1002, 1, scene.hands.now())).await;
    let rows = daemon.until(|all| all.len() == 2 && all.iter().all(|one| one.state == "delivered")).await;
    let first = "(SELECT min(id) FROM deliveries)";
    let carry = || set(&daemon, &format!("state = 'merged', digest = {first}"), &format!("id <> {first}"));
    carry();
    let done = orderbell(&daemon, &["redeliver", "1"]);
    let left = format!("left out; it went out in the message of {}, which goes out once more", rows[0].id);
    assert!(done.code == Some(0) && done.out.contains(&left), "{}{}", done.out, done.err);
    assert_eq!((done.out.lines().count(), done.out.matches(": goes out once more\n").count()), (2, 1), "{}", done.out);

    // A carrier that does not go out holds nothing back.
    daemon.until(|all| all[0].state == "delivered").await;
    set(&daemon, "state = 'cancelled'", &format!("id = {first}"));
    let done = orderbell(&daemon, &["redeliver", "1"]);
    let id = rows[1].id.to_string();
    assert!(done.out.starts_with(&id) && done.out.ends_with(": goes out once more\n"), "{}", done.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_an_order_what_waits_is_not_begun_anew() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = with_one_order(&scene).await;
    let stored = || -> (i64, i64, Option<Vec<u8>>) {
        let sql = "SELECT round, due_at, digest FROM deliveries WHERE channel = 'erp'";
        daemon.connection().query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).expect("read")
    };
    // By itself, and inside the message of another.
    for digest in ["NULL", "(SELECT id FROM deliveries WHERE channel = 'till')"] {
        set(&daemon, &format!("state = 'waiting', digest = {digest}, {FAR}"), "channel = 'erp'");
        set(&daemon, &format!("state = 'waiting', {FAR}"), "channel = 'till'");
        let before = stored();
        let done = orderbell(&daemon, &["redeliver", "1"]);
        assert_eq!((done.code, done.out.matches(": it waits already\n").count()), (Some(0), 2), "{}", done.out);
        assert_eq!(stored(), before);
    }
    // Beside something that does not wait, and by its id.
    set(&daemon, "digest = NULL", "channel = 'erp'");
    set(&daemon, "state = 'dead'", "channel = 'till'");
    let done = orderbell(&daemon, &["redeliver", "1"]);
    assert!(done.out.contains("to erp): it waits already\n"), "{}", done.out);
    assert!(done.out.contains("to till): goes out once more\n"), "{}", done.out);
    let rows = daemon.deliveries().await;
    let erp = rows.iter().find(|row| row.channel == "erp").expect("one").id.to_string();
    let done = orderbell(&daemon, &["redeliver", "1", &erp]);
    assert!(done.out.contains("to erp): goes out once more\n"), "what is named by its id is meant: {}", done.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_and_a_number_are_that_order_whatever_else_is_called_so() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = with_dead(&scene, 3).await;
    let rename = |source: &str, number: &str, old: &str| {
        let sql = "UPDATE events SET source = ?1, order_number = ?2 WHERE order_number = ?3";
        assert_eq!(daemon.connection().execute(sql, [source, number, old]).expect("set"), 1);
    };
    rename("apsdai", "keeta/1", "2");
    // Nobody else has this one, and it looks like a number of its own source.
    rename("keeta", "keeta/7", "3");
    for (name, source, number) in
        [("keeta/1", "keeta", "1"), ("apsdai/keeta/1", "apsdai", "keeta/1"), ("keeta/7", "keeta", "keeta/7")]
    {
        let rows = listed(&daemon, &["--order", name]);
        assert_eq!(rows.len(), 1, "{name}");
        assert_eq!((&rows[0]["source"], &rows[0]["order"]), (&source.into(), &number.into()), "{name}");
        let done = orderbell(&daemon, &["cancel", name]);
        assert!(done.code == Some(0) && done.out.ends_with(": cancelled\n"), "{name}: {}", done.out);
    }
}
