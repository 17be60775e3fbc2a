//! A store that an earlier version wrote: opened, it says the same as before, whatever its schema was.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use orderbell::domain::figures::facts::{Scope, Sum};
use orderbell::store::sqlite::Sqlite;
use orderbell::store::sqlite::read::Reader;

use crate::support::snapshots::Snapshots;

/// Written by the last version of schema 7: every kind of both platforms, repeats, a changed order, one that nobody proved,
/// deliveries in every state, and a report.
const SCHEMA_7: &[u8] = include_bytes!("../../stored/schema7.db.gz");

/// A store as it was written, in a file of its own.
pub fn stored(folder: &Path) -> PathBuf {
    let path = folder.join("bell.db");
    let mut bytes = Vec::new();
    GzDecoder::new(SCHEMA_7).read_to_end(&mut bytes).expect("the stored database");
    std::fs::write(&path, bytes).expect("a file");
    path
}

/// A moment after everything that the stored database has.
pub fn after() -> Timestamp {
    "2026-11-29T15:00:00Z".parse().expect("a time")
}

/// Everything that a store says of its past, as text that only its content changes.
pub async fn everything_known(reader: &Reader) -> String {
    let mut text = String::new();
    let (mut events, mut orders) = (BTreeSet::new(), BTreeSet::new());
    for row in reader.deliveries(None).await.expect("deliveries") {
        events.insert(row.event);
        orders.extend(row.order.clone().map(|number| (row.source.clone(), number)));
        writeln!(
            text,
            "{} of {} ({} {} {}) to {}: {} {} {} {} {} {}",
            row.id,
            row.event,
            row.source,
            row.kind,
            row.order.unwrap_or_default(),
            row.channel,
            row.state,
            row.attempts,
            row.created_at,
            row.due_at,
            row.answer.unwrap_or_default(),
            row.digest.map(|digest| digest.to_string()).unwrap_or_default(),
        )
        .expect("text");
    }
    let facts = reader.report_facts(scope()).await.expect("facts");
    orders.extend(facts.orders.iter().map(|(source, order)| (source.clone(), order.number.clone())));
    for event in events {
        let repeats = reader.duplicates(event).await.expect("repeats").expect("the event");
        let event = reader.event(event).await.expect("an event").expect("the event");
        writeln!(text, "{} {repeats}", serde_json::to_string(&event).expect("JSON")).expect("text");
    }
    for (source, number) in orders {
        let order = reader.order(&source, &number).await.expect("an order");
        writeln!(text, "{source} {}", serde_json::to_string(&order).expect("JSON")).expect("text");
    }
    let line = |text: &mut String, sum: &Sum| {
        let Sum { day, source, shop, figure, currency, count, minor } = sum;
        let (shop, currency) = (shop.as_deref().unwrap_or("-"), currency.as_deref().unwrap_or("-"));
        writeln!(text, "{day} {source} {shop} {} {count} {minor} {currency}", figure.as_str()).expect("text");
    };
    facts.sums.iter().for_each(|sum| line(&mut text, sum));
    for (source, at) in &facts.arrivals {
        writeln!(text, "{source} {at}").expect("text");
    }
    for (source, order) in &facts.orders {
        writeln!(text, "{source} {}", order.number).expect("text");
    }
    writeln!(text, "first {:?}, ledger {}", facts.begun_at, facts.ledger_seq).expect("text");
    text
}

fn scope() -> Scope {
    let day = "2026-11-29".parse().expect("a day");
    let zone = TimeZone::get("Asia/Hong_Kong").expect("a zone");
    Scope { name: "daily".to_owned(), from: day, to: day, zone, sources: None, shops: None, late: false }
}

#[tokio::test]
async fn a_store_of_the_version_before_says_the_same_as_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = stored(folder.path());
    let store = Sqlite::open(&path, after()).expect("the store opens");
    let mut snapshots = Snapshots::of("stored");
    snapshots.assert("schema7", &everything_known(store.reader()).await);
    snapshots.end();
}
