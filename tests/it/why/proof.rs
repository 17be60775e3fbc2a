//! What was refused or not proved, as `orderbell why` shows it.

use orderbell::cli::config_summary;
use orderbell::domain::event::{Event, Kind, SignatureCheck};
use orderbell::domain::order::OrderState;
use orderbell::flow::why;
use orderbell::flow::why::setting::Setting;
use orderbell::flow::why::timeline;
use orderbell::flow::why::timeline::Verbosity;
use orderbell::store::history::found::FoundHistory;
use orderbell::store::ingest::RefusedWebhook;

use crate::why::{ORDER, Scene, at, golden};

#[tokio::test]
async fn a_refused_signature_is_found_by_source_and_time() {
    let mut scene = Scene::new();
    scene.placed(ORDER, 2).await;
    let refused = |second: i64, reason: &str| RefusedWebhook {
        source: "keeta-hk".to_owned(),
        at: at(second),
        reason: reason.to_owned(),
        bytes: 3742,
        count: 1,
    };
    let signature = "its signature does not fit the address https://bell.example.com/hooks/keeta-hk";
    let late = "its proof is right, but its time is 93600 s (26 h) behind this machine's clock";
    let mut all = vec![refused(-90_000, late)];
    all.extend((0..4).map(|minute| refused(600 + 60 * minute, signature)));
    all.push(refused(7200, "and 12 more in that minute"));
    all.push(RefusedWebhook { source: "licences".to_owned(), ..refused(7200, "another source's") });
    scene.store.note_refusals(all).await.unwrap();
    let part = scene.part();
    let setting = Setting { config: &config_summary::of(&part), now: at(9000) };
    let text =
        |history: &FoundHistory| timeline::text(&why::story(history, &setting), &part.timezone, Verbosity::Brief);
    let around = scene.ask_around("keeta-hk", Some(at(650)), 3).await;
    golden("refused", &text(&around));
    golden("refused-newest", &text(&scene.ask("keeta-hk").await));
    // A source that only the store knows.
    assert!(text(&scene.ask("licences").await).contains("no source licences in the configuration any more"));
}

#[tokio::test]
async fn what_nobody_proved_is_shown_of_its_source_whatever_was_believed_since() {
    let mut scene = Scene::new();
    for number in 0..7 {
        let number = format!("22051780000000000{number}");
        let order = scene.event(Kind::OrderPlaced, &number, OrderState::Placed, 4600, 2 + 60 * i64::from(scene.ids));
        scene.record(Event { proof: SignatureCheck::Invalid, ..order }, &number).await;
    }
    let part = scene.part();
    let setting = Setting { config: &config_summary::of(&part), now: at(9000) };
    let text =
        |history: &FoundHistory| timeline::text(&why::story(history, &setting), &part.timezone, Verbosity::Brief);
    let alone = text(&scene.ask("keeta-hk").await);
    assert!(alone.contains("Some came whose signature fits none"), "{alone}");
    scene.placed(ORDER, 8000).await;
    let shown = text(&scene.ask("keeta-hk").await);
    assert!(shown.contains("Before it came some whose signature fits none"), "{shown}");
    assert_eq!(shown.matches("Another of them came").count(), 4, "the newest few: {shown}");
}
