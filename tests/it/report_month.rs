//! A month of orders at two platforms: every figure of every report is counted once more out of the webhooks as they came,
//! by code that shares nothing with the product, both when a report is made and when everything has come.
//!
//! `ORDERBELL_MONTH_ORDERS` sets how many orders there are; 10 000 without it. `ORDERBELL_MONTH_SEED` draws another month.

mod chance;
mod compare;
mod count;
mod expected;
mod house;
mod judge;
mod licences;
mod meals;
mod month;
mod place;
mod tally;

use std::sync::mpsc;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use crate::report_month::house::{House, reports};
use crate::report_month::month::{Arrival, BEGIN, DAY, DAYS, HOUR, MIDNIGHTS, MINUTE, arrivals};
use crate::report_month::place::About;
use crate::report_month::tally::{Tally, TallyStep};

/// For so many days after the month something of it may come.
const AFTERMATH: i64 = 15;
const END: i64 = BEGIN + (DAYS + AFTERMATH) * DAY;

#[test]
fn every_figure_of_a_month_is_that_of_an_independent_count_and_nothing_changes_silently() {
    let (orders, seed) = (number("ORDERBELL_MONTH_ORDERS", 10_000), number("ORDERBELL_MONTH_SEED", 20_251_001));
    let begin = Instant::now();
    let arrivals = arrivals(seed, orders);
    println!("seed {seed}: {} webhooks of {orders} orders, drawn in {:.1?}", arrivals.len(), begin.elapsed());
    let Tally { judge, corrections, .. } = std::thread::scope(|scope| {
        let (steps, received) = mpsc::channel();
        let tally = scope.spawn(|| Tally::of(received));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let mut house = House::new();
            live(&mut house, &arrivals, &steps).await;
            look_back(&house, &steps).await;
        });
        drop(steps);
        tally.join().expect("counted to the end")
    });
    println!(
        "{} reports compared, {} figures, {corrections} corrections reported; totals {:?}",
        judge.reports, judge.figures, judge.reasons
    );
    let shown: Vec<&String> = judge.differences.iter().take(30).collect();
    assert!(judge.differences.is_empty(), "{} differences: {shown:#?}", judge.differences.len());
    assert!(corrections > 1000, "hardly anything came late");
    assert_eq!(judge.reasons.len(), 7, "each way to differ from a platform's totals: {:?}", judge.reasons);
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).map_or(otherwise, |text| text.parse().expect("a number"))
}

fn pass<'a>(tally: &Sender<TallyStep<'a>>, steps: TallyStep<'a>) {
    tally.send(steps).expect("somebody counts");
}

/// Lives through the month and what comes after it, from one midnight of any place to the next. Each report is sent when it is
/// made.
async fn live<'a>(house: &mut House, arrivals: &'a [Arrival], tally: &Sender<TallyStep<'a>>) {
    let (mut made, mut rest) = (0, arrivals);
    let [mut receiving, mut looking] = [Duration::ZERO; 2];
    let hours = 0..(DAYS + AFTERMATH) * 24;
    for hour in hours.filter(|hour| MIDNIGHTS.contains(&((hour + BEGIN / HOUR) % 24))) {
        let now = BEGIN + hour * HOUR + 6 * MINUTE;
        let (batch, later) = rest.split_at(rest.partition_point(|arrival| arrival.at < now));
        rest = later;
        pass(tally, TallyStep::Came(batch));
        let begin = Instant::now();
        house.receive(batch).await;
        receiving += begin.elapsed();
        let begin = Instant::now();
        for report in house.look(now).await {
            pass(tally, TallyStep::Made(Box::new(report), now));
            made += 1;
        }
        looking += begin.elapsed();
    }
    assert!(rest.is_empty(), "{} webhooks have not come", rest.len());
    println!("received in {receiving:.1?}, {made} reports made in {looking:.1?}");
}

/// Makes the reports of all days again when everything has come.
async fn look_back(house: &House, tally: &Sender<TallyStep<'_>>) {
    let begin = Instant::now();
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
        let made = readers.iter().zip(pair).map(|(reader, (name, about))| house.report(&**reader, name, about));
        let made = futures_util::future::join_all(made).await;
        for (report, (_, about)) in made.into_iter().zip(pair) {
            pass(tally, TallyStep::Again(Box::new(report), about.clone(), END, "in the end"));
        }
    }
    for name in ["hong-kong", "london"] {
        let (_, about) = reports().into_iter().find(|(own, _)| *own == name).expect("configured");
        let day = about.place.day(BEGIN) + 25;
        let about = About { from: day, to: day, ..about };
        pass(tally, TallyStep::Again(Box::new(house.printed(name, day)), about, END, "as it is printed"));
    }
    println!("{} reports made again in {:.1?}", wanted.len(), begin.elapsed());
}
