//! What a person asks for on the store beside the daemon: cancelling, and sending once more.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::event::{DeliveryId, Event, EventId, Kind, SignatureCheck};
use orderbell::domain::payload::Data;
use orderbell::domain::route::Target;
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::store::Store;
use orderbell::store::history::change::{Applied, ChangeRequest, ChangeResult, Meant, Obstacle};
use orderbell::store::history::found::IdMatch;
use orderbell::store::ingest::Record;
use rusqlite::{Connection, params};
use tempfile::TempDir;
use uuid::Uuid;

use crate::support::stores;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_750_000_000 + seconds).unwrap()
}

struct Scene {
    folder: TempDir,
    store: Arc<dyn Store>,
}

/// A delivery as it stands in the table.
#[derive(Debug, PartialEq)]
struct Row {
    state: String,
    due_at: Timestamp,
    digest: Option<Vec<u8>>,
    form: String,
    spent: u32,
    attempts: u32,
    round: u32,
    answer: Option<String>,
    parts: u32,
    steps: Vec<String>,
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = stores::open(&folder.path().join("bell.db"), at(0)).unwrap();
        Self { folder, store }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("bell.db")
    }

    fn connection(&self) -> Connection {
        Connection::open(self.path()).unwrap()
    }

    fn changes(&self) -> Arc<dyn Store> {
        stores::open_beside(&self.path()).unwrap()
    }

    /// An event with so many deliveries to the kitchen.
    async fn deliveries(&self, count: usize) -> Vec<DeliveryId> {
        let ids: Vec<DeliveryId> = (0..count).map(|_| DeliveryId(Uuid::now_v7())).collect();
        let event = Event {
            id: EventId(Uuid::now_v7()),
            kind: Kind::StoreHours,
            source: "s".to_owned(),
            occurred_at: None,
            received_at: at(0),
            shop: None,
            order: None,
            data: Data::default(),
            proof: SignatureCheck::Valid("test".to_owned()),
        };
        let targets = ids.iter().map(|id| (Target::always("kitchen"), *id)).collect();
        let record = Record {
            event,
            body: Vec::new(),
            dedupe_keys: Vec::new(),
            targets,
            urgent: Vec::new(),
            decisions: RouteDecisions::default(),
        };
        self.store.record(record).await.unwrap();
        ids
    }

    fn set(&self, id: DeliveryId, columns: &str) {
        let sql = format!("UPDATE deliveries SET {columns} WHERE id = ?1");
        assert_eq!(self.connection().execute(&sql, [id.0.as_bytes()]).unwrap(), 1);
    }

    fn inside(&self, members: &[DeliveryId], leader: DeliveryId) {
        for member in members {
            let sql = "UPDATE deliveries SET digest = ?2 WHERE id = ?1";
            self.connection().execute(sql, params![member.0.as_bytes(), leader.0.as_bytes()]).unwrap();
        }
    }

    /// It is being sent, and its lease ends at a moment.
    fn under_way(&self, id: DeliveryId, lease: Timestamp) {
        let sql = "INSERT INTO attempts (delivery, part, form, started_at) VALUES (?1, 0, 'full', 0)";
        self.connection().execute(sql, [id.0.as_bytes()]).unwrap();
        self.set(id, &format!("attempts = attempts + 1, due_at = {}", lease.as_millisecond()));
    }

    fn row(&self, id: DeliveryId) -> Row {
        let connection = self.connection();
        let sql = "SELECT state, due_at, digest, form, spent, attempts, round, answer,
            (SELECT count(*) FROM parts WHERE delivery = id) FROM deliveries WHERE id = ?1";
        let mut row = connection
            .query_row(sql, [id.0.as_bytes()], |row| {
                Ok(Row {
                    state: row.get(0)?,
                    due_at: Timestamp::from_millisecond(row.get(1)?).unwrap(),
                    digest: row.get(2)?,
                    form: row.get(3)?,
                    spent: row.get(4)?,
                    attempts: row.get(5)?,
                    round: row.get(6)?,
                    answer: row.get(7)?,
                    parts: row.get(8)?,
                    steps: Vec::new(),
                })
            })
            .unwrap();
        let mut steps = connection.prepare("SELECT step FROM steps WHERE delivery = ?1 ORDER BY seq").unwrap();
        let found = steps.query_map([id.0.as_bytes()], |row| row.get(0)).unwrap();
        row.steps = found.collect::<Result<_, _>>().unwrap();
        row
    }

    async fn make(&self, wish: ChangeRequest, id: DeliveryId) -> Result<Applied, Obstacle> {
        let made = self.changes().make_changes(wish, &[Meant::Delivery(id)], at(100)).await.unwrap();
        let [ChangeResult { delivery: Some(named), result, .. }] = &made[..] else { panic!("{made:?}") };
        assert_eq!((named.id, named.channel.as_str()), (id, "kitchen"));
        result.clone()
    }
}

#[tokio::test]
async fn what_is_sent_once_more_is_due_at_once_and_composed_anew() {
    let scene = Scene::new();
    let [dead, delivered, waiting, crashed] = scene.deliveries(4).await[..] else { panic!("four") };
    scene.set(dead, "state = 'dead', form = 'reduced', spent = 3, attempts = 5, answer = 'no', returned = 1");
    scene.set(delivered, "state = 'delivered', attempts = 1");
    scene.set(waiting, &format!("due_at = {}", at(9000).as_millisecond()));
    scene.under_way(crashed, at(99));
    let sql = "INSERT INTO parts (delivery, form, part, body) VALUES (?1, 'reduced', 0, 'as it was')";
    scene.connection().execute(sql, [dead.0.as_bytes()]).unwrap();
    for id in [dead, delivered, waiting, crashed] {
        assert_eq!(scene.make(ChangeRequest::Redeliver, id).await, Ok(Applied::Plainly));
        let row = scene.row(id);
        assert_eq!((row.state.as_str(), row.due_at, row.form.as_str()), ("waiting", at(100), "full"));
        assert_eq!((row.spent, row.round, row.parts, row.digest), (0, 1, 0, None));
        assert_eq!(row.steps, ["redelivered"]);
    }
    let row = scene.row(dead);
    assert_eq!((row.attempts, row.answer.as_deref()), (5, Some("no")), "its past is still to be seen");
    let returned: i64 =
        scene.connection().query_row("SELECT sum(returned) FROM deliveries", [], |row| row.get(0)).unwrap();
    assert_eq!(returned, 0);
    let found = scene.store.due_batch("kitchen", at(100), 10, false).await.unwrap().candidates;
    assert_eq!(found.len(), 4, "the worker's next look finds them");
    let ids = found.iter().map(|candidate| candidate.id).collect();
    let (due, _) = scene.store.load(ids, at(100)).await.unwrap();
    assert!(due.iter().all(|due| due.parts.is_empty()));
    assert_eq!(scene.make(ChangeRequest::Redeliver, dead).await, Ok(Applied::Plainly));
    assert_eq!(scene.row(dead).round, 2);
}

#[tokio::test]
async fn a_delivery_is_cancelled_unless_it_has_arrived() {
    let scene = Scene::new();
    let [waiting, dead, delivered, merged, under_way] = scene.deliveries(5).await[..] else { panic!("five") };
    scene.set(dead, "state = 'dead'");
    scene.set(delivered, &format!("state = 'delivered', due_at = {}", at(7).as_millisecond()));
    scene.set(merged, "state = 'merged'");
    scene.inside(&[merged], delivered);
    scene.under_way(under_way, at(130));
    assert_eq!(scene.make(ChangeRequest::Cancel, waiting).await, Ok(Applied::Plainly));
    assert_eq!(scene.make(ChangeRequest::Cancel, waiting).await, Ok(Applied::Already));
    assert_eq!(scene.row(waiting).steps, ["cancelled"]);
    assert_eq!(scene.make(ChangeRequest::Cancel, dead).await, Ok(Applied::Plainly));
    assert_eq!(scene.make(ChangeRequest::Cancel, delivered).await, Err(Obstacle::Delivered(at(7))));
    assert_eq!(scene.make(ChangeRequest::Cancel, merged).await, Err(Obstacle::Carried(Some(delivered))));
    assert_eq!(scene.make(ChangeRequest::Redeliver, under_way).await, Err(Obstacle::UnderWay));
    assert_eq!(scene.make(ChangeRequest::Cancel, under_way).await, Ok(Applied::WhileUnderWay));
    let states: Vec<String> =
        [waiting, dead, delivered, merged, under_way].iter().map(|id| scene.row(*id).state).collect();
    assert_eq!(states, ["cancelled", "cancelled", "delivered", "merged", "cancelled"]);
    assert!(scene.store.due_batch("kitchen", at(9000), 10, false).await.unwrap().candidates.is_empty());
}

#[tokio::test]
async fn what_was_to_go_out_in_the_message_of_another_goes_by_itself_when_that_is_taken_back() {
    for wish in [ChangeRequest::Cancel, ChangeRequest::Redeliver] {
        let scene = Scene::new();
        let [leader, one, two, accepted, other] = scene.deliveries(5).await[..] else { panic!("five") };
        scene.inside(&[one, two, accepted], leader);
        scene.set(accepted, "state = 'cancelled'");
        let later = format!("due_at = {}", at(9000).as_millisecond());
        [one, two, other].iter().for_each(|id| scene.set(*id, &later));
        assert_eq!(scene.make(wish, leader).await, Ok(Applied::Releasing(2)));
        for member in [one, two] {
            let row = scene.row(member);
            assert_eq!((row.state.as_str(), row.due_at, row.digest, row.round), ("waiting", at(100), None, 0));
            assert_eq!(row.steps, ["released"]);
        }
        assert_eq!((scene.row(accepted).state.as_str(), scene.row(other).due_at), ("cancelled", at(9000)));

        let scene = Scene::new();
        let [leader, member] = scene.deliveries(2).await[..] else { panic!("two") };
        scene.inside(&[member], leader);
        match wish {
            ChangeRequest::Cancel => assert_eq!(scene.make(wish, member).await, Ok(Applied::Inside(leader))),
            ChangeRequest::Redeliver => assert_eq!(scene.make(wish, member).await, Err(Obstacle::Inside(leader))),
        }
        assert_eq!(scene.row(leader).state, "waiting");
        scene.inside(&[member], leader);
        scene.set(member, "state = 'waiting'");
        scene.under_way(leader, at(130));
        assert_eq!(
            scene.make(wish, leader).await,
            Err(Obstacle::UnderWay),
            "{wish:?}: the others may be arriving with it"
        );
        assert_eq!(scene.row(member).digest, Some(leader.0.as_bytes().to_vec()));
    }
}

#[tokio::test]
async fn an_id_may_be_shortened_as_long_as_it_fits_one_delivery_only() {
    let scene = Scene::new();
    let ids = scene.deliveries(2).await;
    let id = |text: &str| DeliveryId(text.parse().unwrap());
    let [first, second] = [id("01aaaaaa-1111-7000-8000-000000000001"), id("01aaaaaa-1122-7000-8000-000000000002")];
    for (old, new) in ids.iter().zip([first, second]) {
        let sql = "UPDATE deliveries SET id = ?2 WHERE id = ?1";
        scene.connection().execute(sql, params![old.0.as_bytes(), new.0.as_bytes()]).unwrap();
    }
    let given = ["01aaaaaa", "01aaaaaa-11", "01AAAAAA-112", "01aaaaa", "01aaaaaa1111", "01bbbbbb", "no id at all"];
    let changes = scene.changes();
    let meant = changes.resolve(ChangeRequest::Cancel, &given.map(str::to_owned)).await.unwrap();
    let made = changes.make_changes(ChangeRequest::Cancel, &meant, at(1)).await.unwrap();
    let results: Vec<_> = made.iter().map(|change| change.result.clone()).collect();
    let both = [first, second].map(|id| IdMatch {
        id: id.to_string(),
        kind: "store.hours".to_owned(),
        order: None,
        channel: Some("kitchen".to_owned()),
    });
    let wanted = [
        Err(Obstacle::Ambiguous(both.to_vec())),
        Err(Obstacle::Ambiguous(both.to_vec())),
        Ok(Applied::Plainly),
        Err(Obstacle::NoId),
        Ok(Applied::Plainly),
        Err(Obstacle::Unknown),
        Err(Obstacle::NoId),
    ];
    assert_eq!(results, wanted);
    assert_eq!(made[2].delivery.as_ref().unwrap().id, second);
    assert_eq!((scene.row(first).state.as_str(), scene.row(second).state.as_str()), ("cancelled", "cancelled"));
}

#[tokio::test]
async fn what_was_found_is_changed_and_nothing_else_and_finding_it_needs_no_lock() {
    let scene = Scene::new();
    let ordered = async |count| {
        let ids = scene.deliveries(count).await;
        let sql = "UPDATE events SET order_number = '7' WHERE id = (SELECT event FROM deliveries WHERE id = ?1)";
        assert_eq!(scene.connection().execute(sql, [ids[0].0.as_bytes()]).unwrap(), 1);
        ids
    };
    let [first, gone] = ordered(2).await[..] else { panic!("two") };
    let changes = scene.changes();
    let other = scene.connection();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let meant = changes.resolve(ChangeRequest::Cancel, &["7".to_owned()]).await.unwrap();
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(meant, [first, gone].map(Meant::Delivery));

    // Meanwhile the order has more, and one is pruned.
    let later = ordered(1).await[0];
    other.execute("DELETE FROM deliveries WHERE id = ?1", [gone.0.as_bytes()]).unwrap();
    let made = changes.make_changes(ChangeRequest::Cancel, &meant, at(1)).await.unwrap();
    let results: Vec<_> = made.iter().map(|change| (change.given.clone(), change.result.clone())).collect();
    let wanted = [(first.to_string(), Ok(Applied::Plainly)), (gone.to_string(), Err(Obstacle::Unknown))];
    assert_eq!(results, wanted);
    assert_eq!((scene.row(first).state.as_str(), scene.row(later).state.as_str()), ("cancelled", "waiting"));
}

#[tokio::test]
async fn the_dead_are_sent_once_more_and_what_lives_is_left_alone() {
    let scene = Scene::new();
    let ids = scene.deliveries(700).await;
    let sql = "UPDATE deliveries SET state = 'dead', channel = CASE WHEN id > ?1 THEN 'owner' ELSE 'kitchen' END WHERE id <> ?2";
    scene.connection().execute(sql, params![ids[599].0.as_bytes(), ids[0].0.as_bytes()]).unwrap();
    let changes = scene.changes();
    let dead = changes.dead(Some("kitchen")).await.unwrap();
    assert_eq!(dead, ids[1..600], "in the sequence of their making");
    assert_eq!(changes.dead(None).await.unwrap().len(), 699);
    scene.set(ids[1], "state = 'cancelled'");
    assert_eq!(changes.revive(&dead[..500], at(5)).await.unwrap(), 499, "one of them is dead no more");
    assert_eq!(changes.revive(&dead, at(6)).await.unwrap(), 99);
    assert_eq!(changes.dead(None).await.unwrap().len(), 100);
    assert_eq!((scene.row(ids[0]).round, scene.row(ids[1]).state.as_str()), (0, "cancelled"));
    assert_eq!((scene.row(ids[2]).round, scene.row(ids[2]).due_at), (1, at(5)));
}

#[tokio::test]
async fn what_happened_to_a_delivery_goes_with_it() {
    let scene = Scene::new();
    let [id] = scene.deliveries(1).await[..] else { panic!("one") };
    scene.make(ChangeRequest::Cancel, id).await.unwrap();
    let (removed, _) = scene.store.prune(at(0) + SignedDuration::from_secs(1), 0, 50).await.unwrap();
    let left: i64 = scene.connection().query_row("SELECT count(*) FROM steps", [], |row| row.get(0)).unwrap();
    assert_eq!((removed, left), (1, 0));
}

#[tokio::test]
async fn a_store_that_is_not_there_or_not_up_to_date_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bell.db");
    assert!(stores::open_beside(&path).is_err() && !path.exists(), "it makes none");
    drop(stores::open(&path, at(0)).unwrap());
    Connection::open(&path).unwrap().execute("DELETE FROM refinery_schema_history WHERE version > 1", []).unwrap();
    let refused = stores::open_beside(&path).err().expect("refused").to_string();
    assert!(refused.contains("`orderbell serve` of this version brings it up to date"), "{refused}");
}
