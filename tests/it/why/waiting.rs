//! Deliveries that wait, are carried by others or are dead, as `orderbell why` shows them.

use rusqlite::params;
use uuid::Uuid;

use crate::why::{CONFIGURATION, ORDER, Scene, at, golden};

#[tokio::test]
async fn a_digest_is_shown_by_those_inside_and_by_the_one_that_carries_them() {
    let mut scene = Scene::new();
    let leader = scene.placed(ORDER, 2).await;
    let members = [scene.placed("756823020260001", 3).await, scene.placed("756823020260002", 4).await];
    scene.step(leader, 5, "held", &at(60).to_string());
    for member in members {
        scene.step(member, 60, "gathered", &leader.to_string());
        scene.inside(member, leader);
    }
    let waiting = scene.shown(&members[0].to_string(), 30).await;
    scene.tried(leader, 60, "retry", "not connected: connection refused");
    scene.tried(leader, 65, "delivered", "errcode 0");
    scene.stands(leader, "delivered", 66);
    members.iter().for_each(|member| scene.stands(*member, "merged", 66));
    let (inside, carrying) = (scene.shown("756823020260001", 400).await, scene.shown(&leader.to_string(), 400).await);
    golden("digest", &format!("{waiting}\n---\n\n{inside}\n---\n\n{carrying}"));
}

#[tokio::test]
async fn a_parked_channel_is_shown_with_its_cause_and_the_next_try() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    let answer = "errcode 310000: “keywords not in content”";
    scene.tried(kitchen, 2, "misconfigured", answer);
    scene.tried(kitchen, 602, "misconfigured", answer);
    scene.stands(kitchen, "waiting", 1802);
    scene.park("kitchen", 3, answer, 1802);
    let waiting_behind = scene.placed("756823020260001", 700).await;
    scene.stands(waiting_behind, "waiting", 700);
    let (first, second) = (scene.shown(ORDER, 900).await, scene.shown("756823020260001", 900).await);
    golden("parked", &format!("{first}\n---\n\n{second}"));
}

#[tokio::test]
async fn a_paused_channel_is_shown_with_who_paused_it_whether_it_is_parked_or_not() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    scene.stands(kitchen, "waiting", 2);
    scene.park("kitchen", 3, "errcode 310000", 1802);
    scene.store.pause("kitchen", "ann", at(60)).await.unwrap();
    golden("paused", &scene.shown(ORDER, 900).await);
}

#[tokio::test]
async fn a_fallback_is_shown_on_both_sides_before_and_after_the_channel_is_resumed() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    scene.tried(kitchen, 2, "misconfigured", "errcode 300005: “token is not exist”");
    scene.stands(kitchen, "waiting", 602);
    scene.park("kitchen", 3, "errcode 300005", 602);
    scene.step(kitchen, 3, "fell_back", "owner");
    let unreached = format!("[{{\"channel\":\"kitchen\",\"since\":\"{}\"}}]", at(3));
    let owner = scene.falls_back(kitchen, "owner", &unreached, 3);
    scene.tried(owner, 4, "delivered", "250 2.0.0 Ok: queued");
    scene.stands(owner, "delivered", 5);
    let before = scene.shown(ORDER, 100).await;
    scene.connection().execute("DELETE FROM parked_channels", []).unwrap();
    scene.inside(kitchen, owner);
    scene.stands(kitchen, "merged", 700);
    let after = scene.shown(ORDER, 800).await;
    golden("fallback", &format!("{before}\n---\n\n{after}"));
}

#[tokio::test]
async fn a_dead_delivery_is_shown_with_every_try_and_what_to_do() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    for second in [2, 7, 37] {
        scene.tried(kitchen, second, "retry", "not connected: connection refused");
    }
    scene.tried(kitchen, 160, "unknown", "timed out");
    scene.tried_as(kitchen, 760, (0, "full"), "content_refused", "errcode 430104: “unsuitable content”");
    scene.tried_as(kitchen, 761, (0, "reduced"), "content_refused", "errcode 430104: “unsuitable content”");
    scene.stands(kitchen, "dead", 762);
    golden("dead", &scene.shown(ORDER, 900).await);
}

#[tokio::test]
async fn holds_changes_by_people_and_what_comes_next_are_shown() {
    let mut scene = Scene::new();
    let kitchen = scene.placed(ORDER, 2).await;
    let leader = Uuid::from_u128(7);
    scene.step(kitchen, 3, "held", &at(3600).to_string());
    scene.step(kitchen, 3600, "gathered", &leader.to_string());
    scene.step(kitchen, 3610, "returned", "");
    scene.tried_as(kitchen, 3620, (0, "halved1"), "delivered", "errcode 0");
    scene.tried_as(kitchen, 3621, (1, "halved1"), "throttled", "errcode 130101: “send too fast”");
    scene.stands(kitchen, "waiting", 4221);
    let waiting = scene.shown(ORDER, 3630).await;
    scene.step(kitchen, 3640, "cancelled", "");
    scene.step(kitchen, 3650, "redelivered", "");
    scene.step(kitchen, 3660, "told_elsewhere", "the page");
    scene.step(kitchen, 3670, "frozen", "of a later version");
    scene.stands(kitchen, "waiting", 3650);
    let due = scene.shown(ORDER, 3700).await;
    golden("holds", &format!("{waiting}\n---\n\n{due}"));
}

#[tokio::test]
async fn a_used_up_allowance_is_shown_with_the_time_when_a_message_may_go() {
    let mut scene = Scene::new();
    let routed = CONFIGURATION.replace("to = [\"kitchen\"]", "to = [\"office\"]");
    std::fs::write(scene.folder.path().join("orderbell.toml"), routed).unwrap();
    let placed = scene.placed(ORDER, 2).await;
    let part = scene.part();
    let credential = part.channels["office"].channel.as_ref().unwrap().way.channel().credential();
    let mut sent = 0;
    let mut send = |scene: &Scene, count: i64| {
        for _ in 0..count {
            scene.tried(Uuid::from_u128(7), sent, "delivered", "errcode 0");
            sent += 1;
            let sql = "INSERT INTO pacing_slots (credential, attempt, free_at) SELECT ?1, max(seq), 0 FROM attempts";
            scene.connection().execute(sql, [&credential]).unwrap();
        }
    };
    let connection = scene.connection();
    let urgent = |urgent: bool| {
        connection
            .execute("UPDATE deliveries SET urgent = ?2 WHERE id = ?1", params![placed.as_bytes(), urgent])
            .unwrap();
    };
    connection.pragma_update(None, "foreign_keys", false).unwrap();
    send(&scene, 12);
    urgent(false);
    let held = scene.shown(ORDER, 30).await;
    let next = "2026-11-22 19:55:01  Next: office waits for its rate limit: its 18 messages in 1m are used up but for 6, kept for urgent ones.";
    assert!(held.contains(next), "{held}");
    assert!(held.contains("waits for office: rate limit: its 18 messages in 1m are used up but for 6"), "{held}");
    urgent(true);
    let free = scene.shown(ORDER, 30).await;
    assert!(free.contains("Next: it is due; it goes out as soon as the daemon runs"), "{free}");
    send(&scene, 6);
    let full = scene.shown(ORDER, 30).await;
    assert!(
        full.contains("2026-11-22 19:55:01  Next: office waits for its rate limit: its 18 messages in 1m are used up."),
        "{full}"
    );
    // Once its minute is over, a slot is free.
    let later = scene.shown(ORDER, 62).await;
    assert!(later.contains("Next: it is due"), "{later}");
}

#[tokio::test]
async fn a_delivery_that_was_made_to_try_a_channel_is_said_to_be_cancelled_for_that() {
    let mut scene = Scene::new();
    let placed = scene.placed(ORDER, 2).await;
    scene.stands(placed, "cancelled", 4);
    scene.step(placed, 4, "cancelled", "it was made to try the channel");
    let shown = scene.shown(ORDER, 10).await;
    assert!(shown.contains("It was cancelled: it was made to try the channel."), "{shown}");
    assert!(!shown.contains("message of"), "{shown}");
}

#[tokio::test]
async fn a_rate_limited_credential_is_shown_where_the_channel_can_be_read() {
    let mut scene = Scene::new();
    let routed = CONFIGURATION.replace("to = [\"kitchen\"]", "to = [\"office\"]");
    std::fs::write(scene.folder.path().join("orderbell.toml"), routed).unwrap();
    scene.placed(ORDER, 2).await;
    let part = scene.part();
    let credential = part.channels["office"].channel.as_ref().unwrap().way.channel().credential();
    let sql = "INSERT INTO credentials (credential, closed_until, reason) VALUES (?1, ?2, 'errcode 45009')";
    scene.connection().execute(sql, params![credential, at(60).as_millisecond()]).unwrap();
    let shut = scene.shown(ORDER, 10).await;
    assert!(
        shut.contains("  2026-11-22 19:55:00  Next: the receiver of office takes nothing until 2026-11-22 19:55:00."),
        "{shut}"
    );
    assert!(shut.contains("cause:  errcode 45009"), "{shut}");
    let open = scene.shown(ORDER, 61).await;
    assert!(open.contains("Next: it is due; it goes out as soon as the daemon runs"), "{open}");
    // Another configuration has no such channel.
    std::fs::write(scene.folder.path().join("orderbell.toml"), CONFIGURATION.replace("office", "bureau")).unwrap();
    let gone = scene.shown(ORDER, 61).await;
    assert!(gone.contains("there is no channel \"office\" in the configuration"), "{gone}");
}
