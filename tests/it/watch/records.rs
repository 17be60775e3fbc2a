//! What is known of a trouble after a crash: all of it or nothing.

use orderbell::domain::event::{Event, Kind, SignatureCheck};
use orderbell::sandbox::rules::Rules;
use orderbell::store::health::{Incident, IncidentUpdate};
use orderbell::store::ingest::Recorded;
use rusqlite::Connection;

use crate::support::Scene;
use crate::support::stores;
use crate::watch::{House, OPERATOR, ORDERS, event, noon, recorded};

#[tokio::test(flavor = "multi_thread")]
async fn what_no_route_matched_before_a_crash_is_reported_after_it() {
    let scene = Scene::at(noon(), Rules::new()).await;
    // As a crash leaves it between the webhook's commit and the look.
    let store = stores::open(&scene.store(), noon()).expect("the store opens");
    for (kind, proof) in [
        (Kind::StoreHours, SignatureCheck::Valid("a recipe".to_owned())),
        (Kind::MenuSync, SignatureCheck::Invalid),
        (Kind::OrderPlaced, SignatureCheck::Valid("a recipe".to_owned())),
    ] {
        store.record(recorded(Event { proof, ..event(kind, "keeta") })).await.expect("recorded");
    }
    store.close().await;
    let channels = format!("{}{}", scene.hook("erp", ""), scene.robot("owner", ""));
    let mut house = House::new(&scene, format!("{channels}{ORDERS}{OPERATOR}")).await;
    house.until_received("unrouted", &["store.hours"]).await;
    house.crash().await;
    house.looked().await;
    assert_eq!(house.notices("unrouted"), ["store.hours", "store.status"], "the marker's, and no other");
}

#[tokio::test]
async fn an_incident_and_its_notice_are_kept_together_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let store = stores::open(&path, noon()).expect("the store opens");
    let incident = |detail: &str| Incident {
        topic: "disk".to_owned(),
        subject: "/var".to_owned(),
        since: noon(),
        detail: detail.to_owned(),
    };
    let telling = |before: Option<Incident>, after: Option<Incident>, event: Event| IncidentUpdate {
        before,
        after,
        notice: Some(recorded(event)),
    };
    let counts = || {
        let connection = Connection::open(&path).expect("the store opens");
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            connection.query_row(&sql, [], |row| row.get::<_, i64>(0)).expect("a count")
        };
        (count("troubles"), count("events"))
    };
    let known = event(Kind::OperatorNotice, "orderbell");
    store.record(recorded(known.clone())).await.expect("recorded");
    // The notice cannot be recorded: there is an event of this name.
    assert!(store.update_incident(telling(None, Some(incident("a")), known.clone())).await.is_err());
    assert_eq!(counts(), (0, 1));
    let fresh = || event(Kind::OperatorNotice, "orderbell");
    let new = store.update_incident(telling(None, Some(incident("a")), fresh())).await.expect("stored");
    assert!(matches!(new, Some(Recorded::New { .. })));
    assert_eq!(counts(), (1, 2));
    assert!(store.update_incident(telling(Some(incident("a")), None, known)).await.is_err());
    assert_eq!(counts(), (1, 2), "its end was not reported, so it has not ended");
    // Whoever goes by what is not so any more does nothing.
    for before in [None, Some(incident("b"))] {
        assert_eq!(store.update_incident(telling(before, Some(incident("c")), fresh())).await.expect("asked"), None);
    }
    assert_eq!(counts(), (1, 2));
    assert!(store.update_incident(telling(Some(incident("a")), None, fresh())).await.expect("stored").is_some());
    assert_eq!(counts(), (0, 3));
}
