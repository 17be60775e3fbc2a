//! What a request costs at most: what is not there is looked for by its key, or among so many, and what is costly is read once
//! for all who ask.

use jiff::SignedDuration;
use orderbell::sandbox::rules::Rules;
use poem::http::StatusCode;

use crate::api::Api;
use crate::api::reading::{items, received, running};
use crate::support::{Scene, keeta};

const NOBODY: &str = "00000000-0000-7000-8000-000000000000";

/// Makes the first event one that was not proven, and that nobody can unpack.
const SPOIL: &str = "UPDATE events SET unproven = 1, packed = x'00' WHERE order_number = '1'";

/// Newer events that were not proven, of another source.
const MORE: &str =
    "WITH RECURSIVE more (number) AS (SELECT 1 UNION ALL SELECT number + 1 FROM more WHERE number < 10000)
    INSERT INTO events (seq, id, received_at, kind, source, order_number, unproven, routes, packed)
    SELECT (SELECT max(seq) FROM events) + number, randomblob(16), received_at + 1000, kind, 'other', 'x' || number, 1,
        routes, packed
    FROM events, more WHERE order_number = '2' AND kind = 'order.placed'";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_is_looked_for_by_its_key_or_among_so_many() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    received(&scene, &daemon).await;
    let api = Api::beside(&scene, &text);
    assert_eq!(daemon.connection().execute(SPOIL, []), Ok(1));
    assert_eq!(
        api.get("/why?about=nothing").await.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "it comes to the spoilt one"
    );
    for path in [format!("/events/{NOBODY}"), format!("/deliveries/{NOBODY}"), "/orders/keeta/nothing".to_owned()] {
        let answer = api.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}: {}", answer.text);
    }
    assert_eq!(daemon.connection().execute(MORE, []), Ok(10_000));
    let answer = api.get("/why?about=nothing").await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.text);
    let why = api.found("/why?about=keeta").await;
    let words = "None was believed among the newest 10000 webhooks of all sources; older ones were not looked at.";
    assert!(why["text"].as_str().is_some_and(|text| text.contains(words)), "{}", why["text"]);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_came_of_sources_is_counted_once_for_all_who_ask_within_two_seconds() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    let api = Api::going(&scene, &text);
    let mut number = 0;
    loop {
        scene.forward(SignedDuration::from_secs(3));
        let begun = scene.hands.now();
        let before = api.found("/sources").await;
        assert_eq!(items(&before)[0]["signatures"]["believed"], number, "{before}");
        number += 1;
        daemon.acknowledged(&keeta::placed(number, scene.hands.now())).await;
        let again = api.found("/sources").await;
        // On a slow machine it took longer, and says nothing.
        if scene.hands.now().duration_since(begun) < SignedDuration::from_secs(2) {
            assert_eq!(again, before);
            break;
        }
    }
    scene.forward(SignedDuration::from_secs(3));
    let later = api.found("/sources").await;
    assert_eq!(items(&later)[0]["signatures"]["believed"], number, "{later}");
    daemon.stop().await;
}
