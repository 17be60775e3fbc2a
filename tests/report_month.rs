//! A month of orders at two platforms: every figure of every report is counted once more out of the webhooks as they came,
//! by code that shares nothing with the product, both when a report is made and when everything has come.
//!
//! `ORDERBELL_MONTH_ORDERS` sets how many orders there are; 40 000 without it. `ORDERBELL_MONTH_SEED` draws another month.

#[path = "report_month"]
mod month {
    pub mod chance;
    pub mod compare;
    pub mod count;
    pub mod expected;
    pub mod house;
    pub mod judge;
    #[allow(clippy::module_inception, reason = "it is the month")]
    pub mod month;
}

use std::collections::BTreeMap;
use std::time::Duration;
use std::time::Instant;

use orderbell::domain::report::Report;

use crate::month::count::About;
use crate::month::count::Count;
use crate::month::house::House;
use crate::month::house::civil;
use crate::month::house::day_of;
use crate::month::house::reports;
use crate::month::judge::Judge;
use crate::month::judge::Told;
use crate::month::month::Arrival;
use crate::month::month::BEGIN;
use crate::month::month::DAY;
use crate::month::month::DAYS;
use crate::month::month::HOUR;
use crate::month::month::MIDNIGHTS;
use crate::month::month::MINUTE;
use crate::month::month::arrivals;

/// For so many days after the month something of it may come.
const AFTERMATH: i64 = 15;
const END: i64 = BEGIN + (DAYS + AFTERMATH) * DAY;

/// By report.
type Tellings = BTreeMap<&'static str, Told>;

#[tokio::test]
async fn every_figure_of_a_month_is_that_of_an_independent_count_and_nothing_changes_silently() {
    let (orders, seed) = (number("ORDERBELL_MONTH_ORDERS", 40_000), number("ORDERBELL_MONTH_SEED", 20_251_001));
    let begin = Instant::now();
    let arrivals = arrivals(seed, orders);
    println!("seed {seed}: {} webhooks of {orders} orders, drawn in {:.1?}", arrivals.len(), begin.elapsed());
    let (mut house, mut count, mut judge) = (House::new(), Count::default(), Judge::default());

    let (told, corrections) = live(&mut house, &arrivals, &mut count, &mut judge).await;
    let at_first = judge.differences.len();
    let begin = Instant::now();
    look_back(&house, &count, &mut judge, &told).await;
    println!(
        "{} reports compared, {} figures, {corrections} corrections told; the last in {:.1?}; totals {:?}",
        judge.reports,
        judge.figures,
        begin.elapsed(),
        judge.reasons
    );

    let shown: Vec<&String> = judge.differences.iter().take(30).collect();
    assert!(judge.differences.is_empty(), "{} differences, {at_first} at first: {shown:#?}", judge.differences.len());
    assert!(corrections > 1000, "hardly anything came late");
    assert_eq!(judge.reasons.len(), 7, "each way to differ from a platform's totals: {:?}", judge.reasons);
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

/// Lives through the month and what comes after it, from one midnight of any place to the next. Each report is compared when
/// it is made.
async fn live(house: &mut House, arrivals: &[Arrival], count: &mut Count, judge: &mut Judge) -> (Tellings, usize) {
    let (mut told, mut made, mut corrections, mut rest) = (Tellings::new(), 0, 0, arrivals);
    let [mut receiving, mut counting, mut looking] = [Duration::ZERO; 3];
    let hours = 0..(DAYS + AFTERMATH) * 24;
    for hour in hours.filter(|hour| MIDNIGHTS.contains(&((hour + BEGIN / HOUR) % 24))) {
        let now = BEGIN + hour * HOUR + 6 * MINUTE;
        let (batch, later) = rest.split_at(rest.partition_point(|arrival| arrival.at < now));
        rest = later;
        let times = [Instant::now(), {
            house.receive(batch).await;
            Instant::now()
        }];
        receiving += times[1] - times[0];
        batch.iter().for_each(|arrival| count.hear(arrival));
        counting += times[1].elapsed();
        let begin = Instant::now();
        let new = house.look(now).await;
        looking += begin.elapsed();
        let begin = Instant::now();
        for report in &new {
            let (name, about) = about(report);
            judge.compare(report, count, &about, now, "when it is made");
            let told = told.entry(name).or_default();
            told.tell(report);
            corrections += told.correct(report);
            judge.compare_standing(told, report, count, &about);
            made += 1;
        }
        counting += begin.elapsed();
    }
    assert!(rest.is_empty(), "{} webhooks have not come", rest.len());
    println!("received in {receiving:.1?}, {made} reports made in {looking:.1?}, counted in {counting:.1?}");
    (told, corrections)
}

/// What a report is about that a schedule has made.
fn about(report: &Report) -> (&'static str, About) {
    let (name, about) = reports().into_iter().find(|(name, _)| *name == report.name).expect("configured");
    (name, About { from: day_of(report.from), to: day_of(report.to), ..about })
}

/// Makes the reports of all days again when everything has come, and compares them with the count, and with what was told.
async fn look_back(house: &House, count: &Count, judge: &mut Judge, told: &Tellings) {
    let mut wanted: Vec<(&str, About)> = Vec::new();
    for (name, about) in reports() {
        let (first, last) = (about.place.day(BEGIN), about.place.day(BEGIN + DAYS * DAY));
        wanted.extend((first..=last).map(|day| (name, About { from: day, to: day, ..about.clone() })));
        // Three days, and over the change of the clocks.
        let three = [first + 3, first + 24, first + 28];
        wanted.extend(three.map(|day| (name, About { from: day, to: day + 2, ..about.clone() })));
    }
    let readers = [house.reader(), house.reader()];
    for pair in wanted.chunks(2) {
        let made = readers.iter().zip(pair).map(|(reader, (name, about))| house.report(reader, name, about));
        let made = futures_util::future::join_all(made).await;
        for (report, (name, about)) in made.iter().zip(pair) {
            judge.compare(report, count, about, END, "in the end");
            match told.get(name).filter(|told| about.from == about.to && told.has(civil(about.to))) {
                Some(told) => judge.compare_told(told, report),
                // The first report begins with the day after the first look.
                None => assert!(about.from < about.to || about.to == about.place.day(BEGIN), "{name}: {}", report.to),
            }
        }
    }
    for name in ["hong-kong", "london"] {
        let (_, about) = reports().into_iter().find(|(own, _)| *own == name).expect("configured");
        let day = about.place.day(BEGIN) + 25;
        let about = About { from: day, to: day, ..about };
        judge.compare(&house.printed(name, day), count, &about, END, "as it is printed");
    }
}
