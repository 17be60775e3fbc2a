//! From what the store knows to the figures of a report: pure arithmetic, by the definitions at the head of
//! [`crate::domain::report`].

mod compare;
mod details;
mod service_health;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::event::Shop;
use crate::domain::ledger::Figure;
use crate::domain::money::Money;
use crate::domain::report::calendar::LocalDay;
use crate::domain::report::facts::{Facts, HISTORY_DAYS, Scope, Sum};
use crate::domain::report::{Amounts, DayFigures, Figures, PastDay, Report, ShopFigures};

/// Makes the report of a scope.
pub fn report(scope: &Scope, facts: &Facts, as_of: Timestamp) -> Report {
    let sums: Vec<&Sum> = facts.sums.iter().filter(|sum| scope.has(&sum.source, sum.shop.as_deref())).collect();
    let covered: Vec<&Sum> = sums.iter().copied().filter(|sum| (scope.from..=scope.to).contains(&sum.day)).collect();
    let orders = facts
        .orders
        .iter()
        .filter(|(source, order)| scope.has(source, order.shop.as_ref().map(|shop| shop.id.as_str())));
    let orders: Vec<_> = orders.collect();
    let by_day = by_day(&sums);
    let shops = shops(&covered, &orders);
    Report {
        name: scope.name.clone(),
        timezone: scope.zone.iana_name().unwrap_or("UTC").to_owned(),
        from: scope.from,
        to: scope.to,
        as_of,
        late: scope.late,
        so_far: scope.days().last().is_some_and(|last| last.until > as_of),
        total: figures(covered.iter().copied()),
        sources_differ: shops.iter().any(|shop| shop.source != shops[0].source),
        shops,
        days: days(scope, facts, &by_day, as_of),
        hours: details::hours(scope, &orders),
        cancellations: details::cancellations(&orders),
        products: details::products(&orders),
        acceptance: details::acceptance(&orders),
        stock: details::stock(scope, &facts.told),
        restated: compare::restated(scope, facts),
        reconciled: compare::reconciled(scope, facts, &covered),
        bell: service_health::service_health(scope, facts),
        history: history(scope, &by_day),
        ..Report::default()
    }
}

/// What sums come to together.
pub fn figures<'a>(sums: impl IntoIterator<Item = &'a Sum>) -> Figures {
    let mut figures = Figures::default();
    let mut amounts: BTreeMap<&str, Amounts> = BTreeMap::new();
    for sum in sums {
        match sum.figure {
            Figure::Orders => figures.orders += sum.count,
            Figure::Cancelled => figures.cancelled += sum.count,
            Figure::Refunded => figures.refunds += sum.count,
        }
        let Some(currency) = &sum.currency else {
            match sum.figure {
                Figure::Orders => figures.without_total += sum.count,
                Figure::Cancelled => figures.without_total -= sum.count,
                Figure::Refunded => figures.refunds_without_amount += sum.count,
            }
            continue;
        };
        let zero = || Money::new(0, currency);
        let amounts = amounts.entry(currency).or_insert_with(|| Amounts {
            currency: currency.clone(),
            orders: 0,
            gross: zero(),
            refunded: zero(),
            net: zero(),
            average: None,
        });
        match sum.figure {
            Figure::Orders => add(&mut amounts.orders, &mut amounts.gross, sum.count, sum.minor),
            Figure::Cancelled => add(&mut amounts.orders, &mut amounts.gross, -sum.count, -sum.minor),
            Figure::Refunded => amounts.refunded.minor = amounts.refunded.minor.saturating_add(sum.minor),
        }
    }
    figures.amounts = amounts.into_values().map(finished).collect();
    figures
}

fn add(orders: &mut i64, gross: &mut Money, count: i64, minor: i64) {
    *orders += count;
    gross.minor = gross.minor.saturating_add(minor);
}

fn finished(mut amounts: Amounts) -> Amounts {
    amounts.net.minor = amounts.gross.minor.saturating_sub(amounts.refunded.minor);
    amounts.average = divided(amounts.gross.minor, amounts.orders).map(|minor| Money::new(minor, &amounts.currency));
    amounts
}

/// Rounded half away from zero; `None` by zero.
pub fn divided(number: i64, by: i64) -> Option<i64> {
    if by <= 0 {
        return None;
    }
    let by = i128::from(by);
    let whole = (i128::from(number.unsigned_abs()) + by / 2) / by;
    i64::try_from(if number < 0 { -whole } else { whole }).ok()
}

fn by_day(sums: &[&Sum]) -> BTreeMap<Date, Figures> {
    let mut days: BTreeMap<Date, Vec<&Sum>> = BTreeMap::new();
    for sum in sums {
        days.entry(sum.day).or_default().push(sum);
    }
    days.into_iter().map(|(day, sums)| (day, figures(sums))).collect()
}

fn shops(covered: &[&Sum], orders: &[&(String, crate::domain::order::Order)]) -> Vec<ShopFigures> {
    let mut names: BTreeMap<(&str, &str), &str> = BTreeMap::new();
    for (source, order) in orders.iter().copied() {
        if let Some(Shop { id, name: Some(name) }) = &order.shop {
            names.insert((source, id), name);
        }
    }
    let places: BTreeSet<(&str, Option<&str>)> =
        covered.iter().map(|sum| (sum.source.as_str(), sum.shop.as_deref())).collect();
    let of = |(source, shop): (&str, Option<&str>)| {
        let own = covered.iter().copied().filter(|sum| sum.source == source && sum.shop.as_deref() == shop);
        let name = |id: &str| names.get(&(source, id)).map(|name| (*name).to_owned());
        ShopFigures {
            source: source.to_owned(),
            shop: shop.map(|id| Shop { id: id.to_owned(), name: name(id) }),
            figures: figures(own),
        }
    };
    let mut shops: Vec<ShopFigures> = places.into_iter().map(of).collect();
    shops.retain(|shop| shop.figures != Figures::default());
    shops.sort_by_key(|shop| std::cmp::Reverse(shop.figures.orders));
    shops
}

fn days(scope: &Scope, facts: &Facts, by_day: &BTreeMap<Date, Figures>, as_of: Timestamp) -> Vec<DayFigures> {
    // The day on which they begin is not a whole one, unless they begin with it.
    let begun_on = facts.begun_at.and_then(|at| {
        let day = at.to_zoned(scope.zone.clone()).date();
        if LocalDay::of(day, &scope.zone).from == at { Some(day) } else { day.tomorrow().ok() }
    });
    let is_over = |day: Date| LocalDay::of(day, &scope.zone).until <= as_of;
    let day = |day: Date| {
        let figures = by_day.get(&day).cloned().unwrap_or_default();
        let before: Vec<Date> = day.yesterday().into_iter().collect();
        let weeks = (1..=crate::domain::report::facts::WEEKS)
            .filter_map(|weeks| day.checked_sub(jiff::Span::new().weeks(weeks)).ok());
        let weeks: Vec<Date> = weeks.collect();
        DayFigures {
            day,
            day_before: compare::comparison(&figures, &before, by_day, begun_on).filter(|_| is_over(day)),
            same_weekdays: compare::comparison(&figures, &weeks, by_day, begun_on).filter(|_| is_over(day)),
            figures,
        }
    };
    scope.days().iter().map(|local| day(local.day)).collect()
}

fn history(scope: &Scope, by_day: &BTreeMap<Date, Figures>) -> Vec<PastDay> {
    let past = |day: Date| {
        let figures = by_day.get(&day).cloned().unwrap_or_default();
        PastDay { day, orders: figures.orders, net: figures.amounts.into_iter().map(|amounts| amounts.net).collect() }
    };
    let back = (0..HISTORY_DAYS).rev();
    back.filter_map(|days| scope.to.checked_sub(jiff::Span::new().days(days)).ok()).map(past).collect()
}
