//! The sample of a day on which much went wrong: earlier days have changed, the platforms count otherwise, stock is low, and a
//! channel is parked.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::data::DayTotal;
use crate::domain::event::{Event, EventId, Kind, SignatureCheck};
use crate::domain::figures::facts::Sum;
use crate::domain::figures::sample::fixture::{
    ChannelMoment, FIXTURE, Incidents, PlatformTotal, SampleShop, StockEvent,
};
use crate::domain::figures::sample::made::{SampleData, made};
use crate::domain::figures::sums;
use crate::domain::ledger::Figure;
use crate::domain::money::Money;
use crate::domain::payload::Payload;
use crate::domain::report::{ParkedSince, ServiceHealth};
use crate::domain::shop::Shop;

pub fn troubled(name: &str) -> SampleData {
    let Incidents { currency, menu, totals, stock, health, parked, .. } = &FIXTURE.incidents;
    let shop = |(total, number): (&PlatformTotal, i64)| SampleShop {
        source: total.source.clone(),
        shop: Shop { id: format!("7000{number}"), name: Some(format!("Software House {number}")) },
        currency: currency.clone(),
        menu: menu.clone(),
        orders: 14 + number,
    };
    let shops: Vec<SampleShop> = totals.iter().zip(1..).map(shop).collect();
    let mut sample = made(name, 1, &shops);
    restate(&mut sample, &shops[0]);
    let stated: Vec<Event> = totals.iter().map(|one| total(&sample, one)).collect();
    sample.facts.totals_and_stock = stated;
    sample.facts.totals_and_stock.extend(stock.iter().map(|one| low(&sample.made_at, one)));
    let parked = parked.iter().map(|ChannelMoment { channel, minutes_before, reason }| ParkedSince {
        channel: channel.clone(),
        since: sample.made_at - SignedDuration::from_mins(*minutes_before),
        reason: reason.clone(),
    });
    let ServiceHealth { repeats, delivered, channels, .. } = sample.facts.service;
    sample.facts.service = ServiceHealth { repeats, delivered, channels, parked: parked.collect(), ..health.clone() };
    sample
}

/// An order of the day before was cancelled since, another was refunded, and one came late.
fn restate(sample: &mut SampleData, shop: &SampleShop) {
    let Ok(day) = FIXTURE.day.yesterday() else { return };
    let facts = &mut sample.facts;
    facts.changes = FIXTURE
        .incidents
        .restated
        .iter()
        .filter_map(|restated| {
            Some(Sum {
                day,
                source: shop.source.clone(),
                shop: Some(shop.shop.id.clone()),
                figure: Figure::ALL.into_iter().find(|figure| figure.as_str() == restated.figure)?,
                currency: Some(shop.currency.clone()),
                count: 1,
                minor: restated.minor,
            })
        })
        .collect();
    facts.changed = facts.sums.iter().filter(|known| known.day == day).cloned().collect();
    facts.changed.extend(facts.changes.clone());
}

fn event(kind: Kind, source: &str, at: Timestamp, payload: Payload) -> Event {
    Event {
        id: EventId(Uuid::nil()),
        kind,
        source: source.to_owned(),
        occurred_at: Some(at),
        received_at: at,
        shop: None,
        order: None,
        data: payload.into(),
        proof: SignatureCheck::Own,
    }
}

fn low(made_at: &Timestamp, StockEvent { kind, hours_before, items }: &StockEvent) -> Event {
    let at = *made_at - SignedDuration::from_hours(*hours_before);
    event(kind.clone(), &FIXTURE.incidents.totals[0].source, at, Payload::Stock(items.clone()))
}

fn total(sample: &SampleData, stated: &PlatformTotal) -> Event {
    let own = |sum: &&Sum| sum.source == stated.source && sum.day == FIXTURE.day;
    let ours = sums::figures(sample.facts.sums.iter().filter(own));
    let cancelled = sample.facts.sums.iter().filter(own).filter(|sum| sum.figure == Figure::Cancelled);
    let cancelled: i64 = cancelled.map(|sum| sum.minor).sum();
    let gross = ours.amounts.first().map_or(0, |amounts| amounts.gross.minor);
    let total = DayTotal {
        day: Some(FIXTURE.day.to_string()),
        count: u64::try_from(ours.orders + stated.orders).ok(),
        amount: Some(Money::new(gross + stated.minor + stated.cancelled * cancelled, &FIXTURE.incidents.currency)),
    };
    let at = sample.made_at - SignedDuration::from_hours(stated.hours_before);
    event(Kind::TotalsReported, &stated.source, at, Payload::Totals(vec![total]))
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
        assert_eq!((report.stock.len(), report.service.parked.len()), (4, 1));
    }
}
