//! With whose values a test is sent, and that each one that differs from the daemon's is named.

use std::time::Instant;

use orderbell::sandbox::fault::Times;
use rusqlite::Connection;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{TOO_LONG, kept, whole};
use crate::test_send::{Found, KEY, Place, Side, refused, until_parked};

/// How the values here became others than the daemon's; the key of which that is said, and in which words.
type Change = (&'static str, fn(&mut Side), fn(&mut Side), &'static str, &'static str);

/// The first function changes what the daemon reads, the second what the command reads.
const CHANGES: [Change; 9] = [
    (
        "another value in the environment",
        |_| {},
        |here| here.key = Some("hush-other"),
        "channel.erp.headers.X-Key",
        "the environment variable ORDERBELL_TEST_SEND_KEY has another value here than in the daemon",
    ),
    (
        "another length in the environment",
        |daemon| daemon.key = Some("hush"),
        |_| {},
        "channel.erp.headers.X-Key",
        "restart it with this environment",
    ),
    (
        "another content of a file",
        |_| {},
        |here| here.secret = Some("hush-mended"),
        "channel.erp.signing.secret",
        "the file signing has another content than the daemon read",
    ),
    (
        "another setting",
        |_| {},
        |here| here.text = here.text.replace("timeout = \"5s\"", "timeout = \"6s\""),
        "channel.erp.timeout",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
    (
        "a plain secret",
        |_| {},
        |here| here.text = here.text.replace("hush-plain", "hush-mended"),
        "channel.erp.headers.X-Plain",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
    (
        "a key that the daemon does not know",
        |_| {},
        |here| here.text = here.text.replace("timeout = \"5s\"", "timeout = \"5s\"\nurgent = [\"stock.*\"]"),
        "channel.erp.urgent",
        "it is set here, and not in the configuration that the daemon goes by",
    ),
    (
        "a key that is here no more",
        |_| {},
        |here| here.text = here.text.replace("timeout = \"5s\"\n", ""),
        "channel.erp.timeout",
        "it is set in the configuration that the daemon goes by, and not here",
    ),
    (
        "the language of all channels",
        |_| {},
        |here| here.text = format!("language = \"zh-CN\"\n{}", here.text),
        "language",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
    (
        "another variable",
        |daemon| {
            daemon.text = daemon.text.replace("X-Key = { env = \"ORDERBELL_TEST_SEND_KEY\" }", "X-Key = \"hush-x\"")
        },
        |_| {},
        "channel.erp.headers.X-Key",
        "orderbell.toml says something else than the configuration that the daemon goes by",
    ),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_test_names_each_value_that_differs_from_the_daemons_and_is_no_plain_yes() {
    // Each has a daemon of its own.
    let cases: JoinSet<()> = CHANGES.into_iter().map(differs).collect();
    cases.join_all().await;
}

async fn differs((kind, changes_daemon, changes_here, key, words): Change) {
    let place = Place::new().await;
    let (mut daemon, mut here) = (place.side(), place.side());
    changes_daemon(&mut daemon);
    changes_here(&mut here);
    let running = place.daemon(&daemon).await;
    let found = place.test(&here).await;
    let Found { code, json, text } = &found;
    assert_eq!((found.differs(), *code), (vec![key], Some(1)), "{kind}: {text}");
    assert!(text.starts_with("erp (webhook): yes, but not with the values here\n"), "{kind}: {text}");
    assert!(text.contains("    sent:   by the running daemon, with its values\n"), "{kind}: {text}");
    assert!(text.contains(&format!("    differs: {key}: ")) && text.contains(words), "{kind}: {text}");
    assert!(text.ends_with("error: 1 of 1 channels was tested with other values than those here\n"), "{text}");
    assert_eq!((&json[0]["yes"], &json[0]["sent_by"]), (&true.into(), &"daemon".into()), "{kind}");
    // A refusal says it as well: the receiver has not seen the values here.
    place.scene.sandbox.order("erp", refused(401), Times::Always);
    let refusal = place.test(&here).await;
    assert_eq!((refusal.differs(), refusal.code), (vec![key], Some(1)), "{kind}: {}", refusal.text);
    assert!(refusal.text.starts_with("erp (webhook): no\n"), "{kind}: {}", refusal.text);
    running.stop().await;
    nothing_is_kept(&place, &[&daemon, &here]);
}

/// Of what was compared nothing is left in the store, and never was a value in it.
fn nothing_is_kept(place: &Place, sides: &[&Side]) {
    let connection = Connection::open(place.scene.store()).expect("the store opens");
    let left: i64 =
        connection.query_row("SELECT count(*) FROM settings_inquiries", [], |row| row.get(0)).expect("readable");
    assert_eq!(left, 0);
    drop(connection);
    let bytes = kept::readable(&place.scene.store());
    for value in sides.iter().flat_map(|side| [side.key, side.secret]).flatten() {
        let is_there = bytes.windows(value.len()).any(|window| window == value.as_bytes());
        assert!(!is_there, "{value} is in the store");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_values_that_differ_are_each_named() {
    let place = Place::new().await;
    let running = place.daemon(&place.side()).await;
    let here = Side { key: Some("hush-other"), secret: Some("hush-mended"), ..place.side() };
    let found = place.test(&here).await;
    assert_eq!(found.differs(), ["channel.erp.headers.X-Key", "channel.erp.signing.secret"], "{}", found.text);
    let kitchen = place.test_of(&here, "kitchen").await;
    assert!(kitchen.code == Some(0) && kitchen.differs().is_empty(), "another channel: {}", kitchen.text);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unset_here_is_sent_with_the_daemons_value_and_said_to_be_not_compared() {
    for change in [(|side| side.key = None) as fn(&mut Side), |side| side.secret = None] {
        let place = Place::new().await;
        let mut here = place.side();
        change(&mut here);
        place.lay(&here);
        let (code, stdout, stderr) = place.run(&here, &["test", "erp"]).await;
        assert_eq!(code, Some(2), "without a daemon it is needed: {stdout}{stderr}");
        let running = place.daemon(&place.side()).await;
        let found = place.test(&here).await;
        let key = if here.key.is_none() { "channel.erp.headers.X-Key" } else { "channel.erp.signing.secret" };
        assert_eq!((found.code, found.differs(), found.keys("not_compared")), (Some(0), vec![], vec![key]));
        assert!(found.text.starts_with("erp (webhook): yes\n"), "{}", found.text);
        assert!(found.text.contains(&format!("    not compared: {key}: ")), "{}", found.text);
        place.scene.sandbox.order("erp", refused(401), Times::Always);
        let found = place.test(&here).await;
        assert!(
            found.code == Some(1) && found.text.contains("cause:  the receiver does not believe"),
            "{}",
            found.text
        );
        running.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unset_in_the_daemon_and_set_here_is_named_and_nothing_is_sent() {
    let by_env = |side: &mut Side| side.key = None;
    let by_file = |side: &mut Side| side.secret = None;
    for (key, change, reference, cure) in [
        ("channel.erp.headers.X-Key", by_env as fn(&mut Side), "", "restart it with this environment"),
        ("channel.erp.signing.secret", by_file, KEY, "reads changed files again by itself"),
    ] {
        let place = Place::new().await;
        // Where it is about the file, nothing refers to the environment.
        let text = place.side().text.replace(&format!("{{ env = \"{reference}\" }}"), "\"hush-key\"");
        let here = Side { text, ..place.side() };
        let mut daemon = here.clone();
        change(&mut daemon);
        let running = place.daemon(&daemon).await;
        until_parked(&place.scene.store()).await;
        let found = place.test(&here).await;
        assert_eq!((found.code, found.differs()), (Some(1), vec![key]), "{}", found.text);
        assert!(found.text.starts_with("erp (webhook): no\n"), "{}", found.text);
        assert!(found.text.contains(cure), "{}", found.text);
        assert_eq!((&found.json[0]["sent_by"], &found.json[0]["outcome"]), (&Value::Null, &"not_sent".into()));
        assert!(place.scene.came_to("erp").is_empty());
        // Another channel is tested all the same.
        let (code, stdout, _) = place.run(&here, &["test", "--all"]).await;
        assert!(code == Some(1) && stdout.contains("kitchen (dingtalk): yes\n"), "{stdout}");
        running.stop().await;
    }
}

/// However the file is written anew: another value, and the same value in other words.
#[tokio::test(flavor = "multi_thread")]
async fn once_the_daemon_has_read_a_changed_file_a_test_is_of_that() {
    let place = Place::new().await;
    let text = place.scene.hook("erp", "timeout = \"5s\"");
    let daemon = place.scene.start_probed(std::sync::Arc::new(|_: &str| {}), &text).await;
    for timeout in ["60s", "1m"] {
        let text = whole("", &text.replace("5s", timeout));
        std::fs::write(&place.file, &text).expect("written");
        let side = Side { text, key: None, secret: None };
        let deadline = Instant::now() + TOO_LONG;
        loop {
            let (code, stdout, stderr) = place.run(&side, &["test", "erp"]).await;
            if code == Some(0) {
                break;
            }
            assert!(stdout.contains("differs: channel.erp.timeout: "), "{stdout}{stderr}");
            assert!(Instant::now() < deadline, "{timeout} is never in force: {stdout}{stderr}");
        }
    }
    daemon.stop().await;
}
