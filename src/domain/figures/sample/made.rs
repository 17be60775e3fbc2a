//! The orders of a sample's days, and what the store would know of them.

use std::collections::BTreeMap;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::domain::coded::Coded;
use crate::domain::figures;
use crate::domain::figures::csv;
use crate::domain::figures::facts::{Facts, Scope, Sum};
use crate::domain::figures::sums::divided;
use crate::domain::ledger::Figure;
use crate::domain::money::Money;
use crate::domain::order::{Counted, Order, OrderLine, OrderState, RefundStatus};
use crate::domain::report::calendar::LocalDay;
use crate::domain::report::{LastAccepted, Report, ServiceHealth};
use crate::domain::shop::Shop;

/// Tuesday, 3 June 2025: the last day that every sample covers.
pub const DAY: Date = jiff::civil::date(2025, 6, 3);
const ZONE: &str = "Asia/Hong_Kong";
/// When a sample is made: at 08:57 on the day after.
const MADE_AFTER: SignedDuration = SignedDuration::from_secs((8 * 60 + 57) * 60 + 3);

/// How many of a hundred orders come in each hour.
const HOURS: [i64; 24] = [1, 0, 0, 0, 0, 0, 0, 1, 2, 3, 5, 10, 15, 9, 4, 3, 4, 7, 13, 11, 6, 3, 2, 1];
/// How busy each of the days before was, in percent, the day itself last.
const BUSY: [i64; 29] = [
    90, 84, 80, 86, 112, 131, 120, 88, 86, 84, 93, 116, 134, 118, 92, 95, 85, 90, 118, 139, 124, 93, 89, 87, 96, 121,
    142, 91, 100,
];

/// What a report is made of.
#[derive(Clone, Debug)]
pub struct SampleData {
    pub scope: Scope,
    pub facts: Facts,
    pub made_at: Timestamp,
}

/// A shop, what it sells in the smallest unit of its currency, and how much of it in a day.
#[derive(Clone, Debug)]
pub struct SampleShop {
    pub source: String,
    pub shop: Shop,
    pub currency: String,
    pub menu: Vec<(String, i64)>,
    pub orders: i64,
}

impl SampleShop {
    pub fn new(source: &str, id: &str, name: &str, currency: &str, menu: &[(&str, i64)], orders: i64) -> Self {
        Self {
            source: source.to_owned(),
            shop: Shop { id: id.to_owned(), name: Some(name.to_owned()) },
            currency: currency.to_owned(),
            menu: menu.iter().map(|(dish, price)| ((*dish).to_owned(), *price)).collect(),
            orders,
        }
    }
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
    let zone = TimeZone::get(ZONE).unwrap_or(TimeZone::UTC);
    let from = DAY.checked_sub(jiff::Span::new().days(days - 1)).unwrap_or(DAY);
    let scope = Scope { name: name.to_owned(), from, to: DAY, zone, sources: None, shops: None, late: false };
    let mut facts = Facts::default();
    let known = scope.known_days();
    facts.begun_at = known.first().map(|day| day.from);
    let mut lasts: Vec<Totals> = Vec::new();
    for ((day, busy), back) in known.iter().rev().zip(BUSY.iter().rev().cycle()).zip(0..) {
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
        if day.day == DAY {
            lasts = houses.iter().map(|house| totals(&facts, house)).collect();
        }
    }
    facts.orders.sort_by_key(|(_, order)| order.placed_at);
    facts.arrivals = facts.orders.iter().flat_map(|(source, order)| arrivals(source, order)).collect();
    facts.arrivals.sort_by_key(|(_, at)| *at);
    let made_at = known.last().map_or(Timestamp::UNIX_EPOCH, |day| day.until + MADE_AFTER);
    let received = i64::try_from(facts.arrivals.len()).unwrap_or_default();
    let last = |channel: &str, minutes: i64| LastAccepted {
        channel: channel.to_owned(),
        at: made_at - SignedDuration::from_mins(minutes),
    };
    facts.bell = ServiceHealth {
        repeats: 2,
        delivered: received * 2,
        late: 1,
        channels: vec![last("kitchen", 31), last("owner", 92)],
        ..ServiceHealth::default()
    };
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
    let gone = match order % 31 {
        11 => Some((10, "customer", "ordered twice", 3)),
        19 => Some((0, "system", "not accepted in time", 15)),
        27 => Some((20, "merchant", "sold out", 6)),
        _ => None,
    };
    let later = |minutes: i64| placed_at + SignedDuration::from_mins(minutes);
    let mut counted = Counted { first_at: Some(placed_at), placed_at: Some(placed_at), ..Counted::default() };
    let is_refunded = order % 31 == 5;
    match gone {
        Some((code, who, why, minutes)) => {
            counted.cancelled_at = Some(later(minutes));
            counted.cancelled_by = Some(Coded { code, word: Some(who.to_owned()) });
            counted.cancel_reason = Some(why.to_owned());
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
    let all: i64 = HOURS.iter().sum();
    // Between those orders that come before it and those that come after it.
    let mut rest = (2 * order + 1) * all * 1_800 / of.max(1);
    for (weight, hour) in HOURS.iter().zip(0..) {
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
