//! Reports: which days they have covered, and what they are made of.

use std::collections::BTreeMap;

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use orderbell::domain::event::{DedupeKey, Kind};
use orderbell::domain::figures::facts::Scope;
use orderbell::domain::ledger::Figure;
use orderbell::domain::money::Money;
use orderbell::domain::order::OrderState;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store::reports::{ReportRun, ReportStatus};

use crate::store::conformance::place::Place;
use crate::store::conformance::scene::{at, event, placed, tried};

/// The day of the suite's beginning in UTC.
const DAY: Date = date(2025, 6, 15);

/// A report of this day, to the owner.
fn run(day: Date) -> ReportRun {
    let mut record = event(Kind::Report("daily".to_owned()), "-", OrderState::Unknown, 0, "", &["owner"]);
    record.event.order = None;
    record.dedupe_keys = vec![DedupeKey::Once(format!("report:{day}:{}", record.event.id))];
    record.body = b"order,total\n1,46.00\n".to_vec();
    ReportRun { report: "daily".to_owned(), days: vec![day], ledger_seq: 0, record, picture: None }
}

pub async fn a_day_is_reported_once_however_many_ask_at_once(place: Place) {
    let store = place.open(0).await;
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.record_report(run(DAY)).await.expect("asked") })
        })
        .collect();
    let mut made = 0;
    for recorded in asked {
        made += usize::from(recorded.await.expect("no panic").is_some());
    }
    assert_eq!((made, store.deliveries(None).await.expect("reading").len()), (1, 1));
    let tomorrow = DAY.tomorrow().expect("a day");
    let both = ReportRun { days: vec![tomorrow, DAY], ..run(DAY) };
    assert!(store.record_report(both).await.expect("asked").is_none(), "one of its days is covered");
    assert!(store.record_report(run(tomorrow)).await.expect("asked").is_some(), "the other one was not, by that");
}

pub async fn a_report_is_missing_from_its_beginning_on_until_it_is_made(place: Place) {
    let store = place.open(0).await;
    let [yesterday, tomorrow] = [DAY.yesterday(), DAY.tomorrow()].map(|day| day.expect("a day"));
    let status = async |day| store.report_status("daily", day).await.expect("reading");
    let covered = async || store.report_past("daily").await.expect("reading").covered;
    assert_eq!((status(DAY).await, covered().await), (ReportStatus::NotBegun, None));
    store.begin_report("daily", yesterday).await.expect("begun");
    store.begin_report("daily", tomorrow).await.expect("begun");
    assert_eq!(covered().await, Some(yesterday), "it begins once");
    assert_eq!((status(yesterday).await, status(DAY).await), (ReportStatus::NotBegun, ReportStatus::Missing));
    let run = run(DAY);
    let (event, delivery) = (run.record.event.id, run.record.targets[0].1);
    store.record_report(run).await.expect("recorded");
    let ReportStatus::Made { event: made, undelivered } = status(DAY).await else { panic!("it is made") };
    assert_eq!((made, undelivered[0].channel.as_str(), undelivered[0].state.as_str()), (event, "owner", "waiting"));
    tried(&*store, delivery, 1, Outcome::Delivered, Step::Delivered).await;
    assert_eq!(status(DAY).await, ReportStatus::Made { event, undelivered: Vec::new() });
    let history = store.report_history("daily", 5).await.expect("reading");
    assert_eq!((history.count, history.runs[0].from, history.runs[0].event), (1, DAY, event));
    store.forget_report_days("daily", DAY).await.expect("forgotten");
    assert_eq!((covered().await, status(DAY).await), (Some(yesterday), ReportStatus::Missing));
}

pub async fn a_report_is_kept_with_its_table_and_its_picture_until_that_expires(place: Place) {
    let store = place.open(0).await;
    let with_picture = ReportRun { picture: Some(("token".to_owned(), at(100))), ..run(DAY) };
    let event = with_picture.record.event.id;
    store.record_report(with_picture).await.expect("recorded");
    assert_eq!(store.report_table(event).await.expect("reading").as_deref(), Some("order,total\n1,46.00\n"));
    let pictured =
        async |token: &str, now| store.pictured(token, at(now)).await.expect("reading").map(|event| event.id);
    assert_eq!(pictured("token", 99).await, Some(event));
    assert_eq!((pictured("token", 100).await, pictured("other", 1).await), (None, None));
    let order = placed("1", &[]);
    let id = order.event.id;
    store.record(order).await.expect("recorded");
    assert_eq!(store.report_table(id).await.expect("reading"), None, "what is no report has no table");
}

pub async fn the_facts_of_a_day_are_those_of_that_day(place: Place) {
    let store = place.open(0).await;
    assert_eq!(store.first_arrival().await.expect("reading"), None);
    let day = 24 * 3600;
    for (number, second) in [("1", 0), ("2", 60), ("3", day)] {
        let mut record = event(Kind::OrderPlaced, number, OrderState::Placed, second, number, &[]);
        if let Some(order) = &mut record.event.order {
            order.placed_at = Some(at(second));
            order.total = Some(Money::new(1000, "SAR"));
        }
        store.record(record).await.expect("recorded");
    }
    let cancelled = event(Kind::OrderCancelled, "2", OrderState::Cancelled, 120, "2 cancelled", &[]);
    store.record(cancelled).await.expect("recorded");
    assert_eq!(store.first_arrival().await.expect("reading"), Some(at(0)));
    let name = "daily".to_owned();
    let scope = Scope { name, from: DAY, to: DAY, zone: TimeZone::UTC, sources: None, shops: None, late: false };
    let facts = store.report_facts(scope).await.expect("reading");
    let sums = facts.sums.iter().filter(|sum| sum.day == DAY);
    let counted: BTreeMap<_, _> = sums.map(|sum| (sum.figure.as_str(), (sum.count, sum.minor))).collect();
    let [orders, cancelled] = [Figure::Orders, Figure::Cancelled].map(Figure::as_str);
    assert_eq!(counted.get(orders), Some(&(2, 2000)));
    assert_eq!(counted.get(cancelled), Some(&(1, 1000)));
    let numbers: Vec<_> = facts.orders.iter().map(|(source, order)| (source.as_str(), order.number.as_str())).collect();
    assert_eq!(numbers, [("s", "1"), ("s", "2")]);
    assert_eq!(facts.arrivals.iter().map(|(_, at)| *at).collect::<Vec<_>>(), [at(0), at(60), at(120)]);
    assert!(facts.ledger_seq > 0 && facts.changes.is_empty());
}
