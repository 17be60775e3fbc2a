//! The orders of a sample's days, and what the store would know of them.

use std::collections::BTreeMap;

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::domain::figures;
use crate::domain::figures::csv;
use crate::domain::figures::facts::{Facts, Scope, Sum};
use crate::domain::figures::sample::fixture::{FIXTURE, SampleShop};
use crate::domain::figures::sums::divided;
use crate::domain::ledger::Figure;
use crate::domain::money::Money;
use crate::domain::order::{Counted, Order, OrderLine, OrderState, RefundStatus};
use crate::domain::report::calendar::LocalDay;
use crate::domain::report::{LastAccepted, Report, ServiceHealth};

/// Of so many orders, one is refunded, and some are cancelled.
const EVERY: i64 = 31;
const REFUNDED: i64 = 5;

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct SampleData {
    pub scope: Scope,
    pub facts: Facts,
    pub made_at: Timestamp,
}

impl SampleData {
    pub fn report(&self) -> Report {
        figures::report(&self.scope, &self.facts, self.made_at)
    }

    /// Its orders as a table.
    pub fn table(&self) -> String {
        csv::orders(&self.scope, &self.facts)
    }
}

/// The last so many days of these shops.
pub fn made(name: &str, days: i64, houses: &[SampleShop]) -> SampleData {
    let zone = TimeZone::get(&FIXTURE.zone).unwrap_or(TimeZone::UTC);
    let to = FIXTURE.day;
    let from = to.checked_sub(jiff::Span::new().days(days - 1)).unwrap_or(to);
    let scope = Scope { name: name.to_owned(), from, to, zone, sources: None, shops: None, late: false };
    let mut facts = Facts::default();
    let known = scope.known_days();
    facts.begun_at = known.first().map(|day| day.from);
    let mut lasts: Vec<Totals> = Vec::new();
    for ((day, busy), back) in known.iter().rev().zip(FIXTURE.busy.iter().rev().cycle()).zip(0..) {
        for (house, place) in houses.iter().zip(0..) {
            let count = divided(house.orders * busy, 100).unwrap_or_default();
            match lasts.get(place).filter(|_| day.day < from) {
                Some(last) => facts.sums.extend(earlier(house, day.day, last, busy * (100 - back * 5 % 7))),
                None => {
                    let number = i64::try_from(place).unwrap_or_default() + 1;
                    let orders: Vec<Order> = (0..count).map(|order| one(house, day, number, order, count)).collect();
                    note(&mut facts, house, day, orders);
                }
            }
        }
        if day.day == to {
            lasts = houses.iter().map(|house| totals(&facts, house)).collect();
        }
    }
    facts.orders.sort_by_key(|(_, order)| order.placed_at);
    facts.arrivals = facts.orders.iter().flat_map(|(source, order)| arrivals(source, order)).collect();
    facts.arrivals.sort_by_key(|(_, at)| *at);
    let made_at =
        known.last().map_or(Timestamp::UNIX_EPOCH, |day| day.until + FIXTURE.made_at.duration_since(Time::midnight()));
    let received = i64::try_from(facts.arrivals.len()).unwrap_or_default();
    let accepted = FIXTURE.accepted.iter().map(|last| LastAccepted {
        channel: last.channel.clone(),
        at: made_at - SignedDuration::from_mins(last.minutes_before),
    });
    facts.service = ServiceHealth { delivered: received * 2, channels: accepted.collect(), ..FIXTURE.health.clone() };
    SampleData { scope, facts, made_at }
}

/// The orders of a day in a shop, and what they come to.
fn note(facts: &mut Facts, house: &SampleShop, day: &LocalDay, orders: Vec<Order>) {
    for order in &orders {
        let minor = order.total.as_ref().map_or(0, |total| total.minor);
        facts.sums.push(sum(day.day, house, Figure::Orders, 1, minor));
        if order.is_cancelled() {
            facts.sums.push(sum(day.day, house, Figure::Cancelled, 1, minor));
        }
        for refund in order.refunds.values() {
            facts.sums.push(sum(
                day.day,
                house,
                Figure::Refunded,
                1,
                refund.amount.as_ref().map_or(0, |amount| amount.minor),
            ));
        }
    }
    facts.orders.extend(orders.into_iter().map(|order| (house.source.clone(), order)));
}

/// What the last day of a house comes to: count and amount of each figure.
type Totals = Vec<(Figure, i64, i64)>;

fn totals(facts: &Facts, house: &SampleShop) -> Totals {
    let of = |figure: Figure| {
        let own = facts.sums.iter().filter(|sum| sum.shop.as_ref() == Some(&house.shop.id) && sum.figure == figure);
        own.fold((figure, 0, 0), |(figure, count, minor), sum| (figure, count + sum.count, minor + sum.minor))
    };
    Figure::ALL.map(of).to_vec()
}

/// An earlier day is like the last one, as busy as it was, in ten thousandths.
fn earlier(house: &SampleShop, day: Date, last: &Totals, busy: i64) -> Vec<Sum> {
    let scaled = |value: i64| divided(value * busy, 10_000).unwrap_or_default();
    last.iter().map(|(figure, count, minor)| sum(day, house, *figure, scaled(*count), scaled(*minor))).collect()
}

fn sum(day: Date, house: &SampleShop, figure: Figure, count: i64, minor: i64) -> Sum {
    Sum {
        day,
        source: house.source.clone(),
        shop: Some(house.shop.id.clone()),
        figure,
        currency: Some(house.currency.clone()),
        count,
        minor,
    }
}

/// The order of this number among those of a day.
fn one(house: &SampleShop, day: &LocalDay, shop: i64, order: i64, of: i64) -> Order {
    let placed_at = day.from + SignedDuration::from_secs(second(order, of) + shop);
    let dish = |at: i64| house.menu.get(usize::try_from(at).unwrap_or_default() % house.menu.len().max(1));
    let lines = [dish(order), dish(order + 1 + order % 2)].into_iter().flatten().zip([1 + order % 2, 1]);
    let lines: Vec<OrderLine> = lines
        .map(|((name, price), quantity)| OrderLine {
            name: name.clone(),
            quantity: u64::try_from(quantity).ok(),
            unit_price: Some(Money::new(*price, &house.currency)),
            ..OrderLine::default()
        })
        .collect();
    let price = |line: &OrderLine| line.unit_price.as_ref().and_then(|price| price.times(line.quantity?));
    let total = lines.iter().filter_map(price).fold(Money::new(0, &house.currency), |sum, price| {
        let minor = sum.minor + price.minor;
        Money { minor, ..sum }
    });
    let gone = FIXTURE.cancelled.iter().find(|cancelled| cancelled.order == order % EVERY);
    let later = |minutes: i64| placed_at + SignedDuration::from_mins(minutes);
    let mut counted = Counted { first_at: Some(placed_at), placed_at: Some(placed_at), ..Counted::default() };
    let is_refunded = order % EVERY == REFUNDED;
    match gone {
        Some(gone) => {
            counted.cancelled_at = Some(later(gone.after_minutes));
            counted.cancelled_by = Some(gone.by.clone());
            counted.cancel_reason = Some(gone.reason.clone());
        }
        None => {
            let seconds = 34 + order * 37 % 90 + if order == 13 { 452 } else { 0 };
            counted.accepted_at = Some(placed_at + SignedDuration::from_secs(seconds));
            counted.completed_at = Some(later(35));
        }
    }
    let number = format!("{}", 756_823_000_000_000 + placed_at.as_second() % 1_000_000 * 1_000 + shop);
    let amount = lines.first().and_then(|line| line.unit_price.clone()).filter(|_| is_refunded);
    let refund = |amount| RefundStatus {
        amount: Some(amount),
        assumes_currency: false,
        at: later(70),
        effect_at: Some(later(70)),
    };
    Order {
        short_number: Some(number.chars().skip(11).collect()),
        number,
        shop: Some(house.shop.clone()),
        state: if gone.is_some() { OrderState::Cancelled } else { OrderState::Completed },
        revision: 3,
        placed_at: Some(placed_at),
        latest_at: Some(later(35)),
        as_of: None,
        total: Some(total),
        total_is_approximate: false,
        lines,
        unreadable: Vec::new(),
        counted,
        refunds: amount.into_iter().map(|amount| ("r-1".to_owned(), refund(amount))).collect::<BTreeMap<_, _>>(),
    }
}

/// The second of the day in which it comes.
fn second(order: i64, of: i64) -> i64 {
    let all: i64 = FIXTURE.hours.iter().sum();
    // Between those orders that come before it and those that come after it.
    let mut rest = (2 * order + 1) * all * 1_800 / of.max(1);
    for (weight, hour) in FIXTURE.hours.iter().zip(0..) {
        if rest < weight * 3_600 {
            return hour * 3_600 + rest / weight;
        }
        rest -= weight * 3_600;
    }
    24 * 3_600 - 1
}

/// When the webhooks of an order came.
fn arrivals(source: &str, order: &Order) -> Vec<(String, Timestamp)> {
    let Counted { placed_at, accepted_at, completed_at, cancelled_at, .. } = &order.counted;
    let moments = [placed_at, accepted_at, completed_at, cancelled_at].into_iter().flatten();
    moments.map(|at| (source.to_owned(), *at + SignedDuration::from_secs(2))).collect()
}
