//! Two instances on one store watch: each its own machine, the one that leads what is common.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::SignedDuration;
use orderbell::flow::backups::BackupStatus;
use orderbell::flow::clock_skew::ClockSkews;
use orderbell::flow::instance::Instance;
use orderbell::flow::leadership::Leadership;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::reports::ReportFailures;
use orderbell::flow::routing::RoutingSnapshot;
use orderbell::flow::source_activity::SourceActivity;
use orderbell::flow::watch::conditions::Space;
use orderbell::flow::watch::mistakes::Mistakes;
use orderbell::flow::watch::scope::Company;
use orderbell::flow::watch::{Instruments, SelfWatch};
use orderbell::flow::{Clock, Current};
use orderbell::store::Store;
use orderbell::store::leases::{ListedInstance, Roster};
use rusqlite::Connection;
use uuid::Uuid;

use crate::support::stores;
use crate::watch::{minutes, noon};

fn watch(
    store: &Arc<dyn Store>,
    clock: &Clock,
    instance: Instance,
    leadership: Leadership,
    roster: &Current<Roster>,
) -> SelfWatch {
    let (routing, notifier) = (Current::new(RoutingSnapshot::default()), Notifier::default());
    let notices = Notices::new(store.clone(), routing.clone(), notifier.clone()).of_instance(instance.name.clone());
    SelfWatch::new(Instruments {
        failures: ReportFailures::default(),
        backups: BackupStatus::default(),
        mistakes: Mistakes::default(),
        store: store.clone(),
        notices,
        routing,
        notifier,
        source_activity: SourceActivity::default(),
        clock_skews: ClockSkews::default(),
        leadership,
        company: Some(Company { instance, roster: roster.clone() }),
        clock: clock.clone(),
        disk: ("/var".to_owned(), Arc::new(|| Some(Space { free: 1 << 20, total: 40 << 30 }))),
    })
}

#[tokio::test]
async fn each_instance_tells_of_its_own_machine_and_the_leader_of_what_is_common() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("bell.db");
    let minute: Arc<AtomicI64> = Arc::default();
    let hands = minute.clone();
    let clock = Clock::new(move || noon() + minutes(hands.load(Ordering::Acquire)));
    let store = stores::open(&path, noon()).expect("the store opens");
    let instance = |name: &str, fingerprint: &str| Instance::new(name, 1, fingerprint.to_owned(), Uuid::now_v7());
    let (one, two) = (instance("one", "x"), instance("two", "y"));
    let listed = |instance: &Instance| ListedInstance {
        announcement: instance.announcement(Vec::new()),
        schema: 1,
        began_ago: SignedDuration::from_mins(1),
        seen_ago: SignedDuration::ZERO,
    };
    let roster = Current::new(Roster { instances: [&one, &two].map(listed).into(), ..Roster::default() });
    let mut leader = watch(&store, &clock, one.clone(), Leadership::alone(), &roster);
    let mut other = watch(&store, &clock, two.clone(), Leadership::among_others(), &roster);
    let look = async |watch: &mut SelfWatch, at: i64| {
        minute.store(at, Ordering::Release);
        watch.look().await;
    };
    let incidents = || {
        let connection = Connection::open(&path).expect("the store opens");
        let sql = "SELECT topic || ' ' || subject FROM troubles ORDER BY 1";
        let mut select = connection.prepare(sql).expect("a statement");
        let rows = select.query_map([], |row| row.get::<_, String>(0)).expect("rows");
        rows.map(Result::unwrap).collect::<Vec<_>>()
    };
    for at in [0, 2, 3] {
        look(&mut other, at).await;
    }
    assert_eq!(incidents(), ["disk /var @ two:1"], "what is common is not this one's to tell");
    for at in [3, 5, 6] {
        look(&mut leader, at).await;
        look(&mut other, at).await;
    }
    assert_eq!(incidents(), ["configurations ", "disk /var @ one:1", "disk /var @ two:1"]);
    // The other one has the same configuration now, and is gone for good a little later.
    two.fingerprint.replace("x".to_owned());
    roster.replace(Roster { instances: [&one, &two].map(listed).into(), ..Roster::default() });
    look(&mut other, 7).await;
    assert_eq!(incidents(), ["configurations ", "disk /var @ one:1", "disk /var @ two:1"], "nor is its end");
    look(&mut leader, 7).await;
    assert_eq!(incidents(), ["disk /var @ one:1", "disk /var @ two:1"]);
    roster.replace(Roster { instances: vec![listed(&one)], ..Roster::default() });
    for at in [8, 13, 18] {
        look(&mut leader, at).await;
    }
    assert_eq!(incidents(), ["disk /var @ one:1"], "nobody else could end it");
}
