//! The sample of a day on which much went wrong: earlier days have changed, the platforms count otherwise, stock is low, and a
//! channel rests.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::data::{DayTotal, StockItem};
use crate::domain::event::{Event, EventId, Kind, SignatureCheck};
use crate::domain::figures::facts::Sum;
use crate::domain::figures::sample::made::{DAY, SampleData, SampleShop, made};
use crate::domain::figures::sums;
use crate::domain::ledger::Figure;
use crate::domain::money::Money;
use crate::domain::payload::{Data, Payload};
use crate::domain::report::{ParkedSince, ServiceHealth, Unproven};

/// What a platform says of the day, beside what we have of it.
struct Told {
    source: &'static str,
    /// So many more or fewer orders than we count, and so much more or less in amounts.
    orders: i64,
    minor: i64,
    /// How often the amount of what was cancelled is in it.
    cancelled: i64,
    /// Before the day was over.
    is_early: bool,
}

const fn told(source: &'static str, orders: i64, minor: i64) -> Told {
    Told { source, orders, minor, cancelled: 0, is_early: false }
}

/// A source for each way in which the figures of a platform and ours can stand to each other.
const TOLD: [Told; 7] = [
    told("agrees", 0, 0),
    Told { orders: -1, ..told("without-cancelled", 0, 0) },
    Told { cancelled: 1, ..told("with-cancelled", 0, 0) },
    Told { is_early: true, ..told("early", -4, -33_000) },
    told("missing", 3, 21_400),
    told("surplus", -5, -40_000),
    told("amount", 0, -1_250),
];

pub fn troubled(name: &str) -> SampleData {
    let menu = [("Licence, one year", 9_900), ("Licence, for good", 29_900)];
    let house = |(told, number): (&Told, i64)| {
        let name = format!("Software House {number}");
        SampleShop::new(told.source, &format!("7000{number}"), &name, "CNY", &menu, 14 + number)
    };
    let houses: Vec<SampleShop> = TOLD.iter().zip(1..).map(house).collect();
    let mut sample = made(name, 1, &houses);
    restate(&mut sample, &houses[0]);
    let totals: Vec<Event> = TOLD.iter().map(|told| total(&sample, told)).collect();
    sample.facts.told = totals;
    let at = sample.made_at - SignedDuration::from_hours(11);
    sample.facts.told.extend([
        low(Kind::StockLow, at, &[("Wall charger", Some(2)), ("Cable", Some(0)), ("Adapter", None)]),
        low(Kind::StockKeysLow, at - SignedDuration::from_hours(2), &[("Licence, one year", Some(5))]),
    ]);
    let parked = ParkedSince {
        channel: "office".to_owned(),
        since: sample.made_at - SignedDuration::from_mins(744),
        reason: "errcode 310000: keywords not in content".to_owned(),
    };
    let bell = sample.facts.bell.clone();
    let unproven = [("agrees", 0), ("missing", 3)];
    let unproven = unproven.map(|(source, webhooks)| Unproven { source: source.to_owned(), webhooks }).into();
    let parked = vec![parked];
    sample.facts.bell = ServiceHealth { refused: 3, unproven, late: 4, waiting: 12, dead: 2, parked, ..bell };
    sample
}

/// An order of the day before was cancelled since, another was refunded, and one came late.
fn restate(sample: &mut SampleData, house: &SampleShop) {
    let Ok(day) = DAY.yesterday() else { return };
    let sum = |figure, count, minor| Sum {
        day,
        source: house.source.clone(),
        shop: Some(house.shop.id.clone()),
        figure,
        currency: Some(house.currency.clone()),
        count,
        minor,
    };
    let facts = &mut sample.facts;
    facts.changes =
        vec![sum(Figure::Orders, 1, 29_900), sum(Figure::Cancelled, 1, 9_900), sum(Figure::Refunded, 1, 9_900)];
    facts.changed = facts.sums.iter().filter(|known| known.day == day).cloned().collect();
    facts.changed.extend(facts.changes.clone());
}

fn event(kind: Kind, source: &str, at: Timestamp, data: Data) -> Event {
    Event {
        id: EventId(Uuid::nil()),
        kind,
        source: source.to_owned(),
        occurred_at: Some(at),
        received_at: at,
        shop: None,
        order: None,
        data,
        proof: SignatureCheck::Own,
    }
}

fn low(kind: Kind, at: Timestamp, items: &[(&str, Option<i64>)]) -> Event {
    let item = |(name, left): &(&str, Option<i64>)| StockItem {
        name: Some((*name).to_owned()),
        left: *left,
        ..StockItem::default()
    };
    let stock = items.iter().map(item).collect();
    event(kind, "agrees", at, Payload::Stock(stock).into())
}

fn total(sample: &SampleData, told: &Told) -> Event {
    let own = |sum: &&Sum| sum.source == told.source && sum.day == DAY;
    let ours = sums::figures(sample.facts.sums.iter().filter(own));
    let cancelled = sample.facts.sums.iter().filter(own).filter(|sum| sum.figure == Figure::Cancelled);
    let cancelled: i64 = cancelled.map(|sum| sum.minor).sum();
    let gross = ours.amounts.first().map_or(0, |amounts| amounts.gross.minor);
    let at = sample.made_at - SignedDuration::from_hours(if told.is_early { 12 } else { 8 });
    let total = DayTotal {
        day: Some(DAY.to_string()),
        count: u64::try_from(ours.orders + told.orders).ok(),
        amount: Some(Money::new(gross + told.minor + told.cancelled * cancelled, "CNY")),
    };
    event(Kind::TotalsReported, told.source, at, Payload::Totals(vec![total]).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::report::Difference;

    #[test]
    fn a_day_of_troubles_has_all_of_them() {
        let report = troubled("daily").report();
        let differences: Vec<(&str, Difference)> =
            report.reconciled.iter().map(|beside| (beside.source.as_str(), beside.difference)).collect();
        let expected = [
            ("agrees", Difference::None),
            ("amount", Difference::Amount),
            ("early", Difference::Early),
            ("missing", Difference::Missing),
            ("surplus", Difference::Surplus),
            ("with-cancelled", Difference::WithCancelled),
            ("without-cancelled", Difference::WithoutCancelled),
        ];
        assert_eq!(differences, expected);
        let silent: Vec<&str> = report
            .reconciled
            .iter()
            .filter(|beside| beside.silence.is_some())
            .map(|beside| beside.source.as_str())
            .collect();
        assert_eq!(silent, ["amount", "missing"]);
        let [restated] = report.restated.as_slice() else { panic!("{:?}", report.restated) };
        assert!(restated.orders.is_some() && restated.cancelled.is_some());
        assert_eq!((restated.gross.len(), restated.refunded.len(), restated.net.len()), (1, 1, 1));
        assert_eq!((report.stock.len(), report.bell.parked.len()), (4, 1));
    }
}
