//! From what the store knows to the figures of a report: pure arithmetic, by the definitions at the head of
//! [`crate::domain::report`].

mod compare;
pub mod csv;
mod details;
pub mod facts;
pub mod sample;
mod service_health;
pub mod sums;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::figures::facts::{Facts, HISTORY_DAYS, Scope, Sum, WEEKS};
use crate::domain::figures::sums::figures;
use crate::domain::order::Order;
use crate::domain::report::calendar::LocalDay;
use crate::domain::report::{DayFigures, Figures, PastDay, Report, ShopFigures};
use crate::domain::shop::Shop;

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
        stock: details::stock(scope, &facts.totals_and_stock),
        restated: compare::restated(scope, facts),
        reconciled: compare::reconciled(scope, facts, &covered),
        service: service_health::service_health(scope, facts),
        history: history(scope, facts, &by_day),
        ..Report::default()
    }
}

fn by_day(sums: &[&Sum]) -> BTreeMap<Date, Figures> {
    let mut days: BTreeMap<Date, Vec<&Sum>> = BTreeMap::new();
    for sum in sums {
        days.entry(sum.day).or_default().push(sum);
    }
    days.into_iter().map(|(day, sums)| (day, figures(sums))).collect()
}

fn shops(covered: &[&Sum], orders: &[&(String, Order)]) -> Vec<ShopFigures> {
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
        let weeks = (1..=WEEKS).filter_map(|weeks| day.checked_sub(jiff::Span::new().weeks(weeks)).ok());
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

/// The days that the picture shows. Of those before the first webhook nothing is known, not even that they had no orders.
fn history(scope: &Scope, facts: &Facts, by_day: &BTreeMap<Date, Figures>) -> Vec<PastDay> {
    let begun_on = facts.begun_at.map_or(scope.from, |at| at.to_zoned(scope.zone.clone()).date());
    let is_known = |day: &Date| *day >= begun_on.min(scope.from);
    let past = |day: Date| {
        let figures = by_day.get(&day).cloned().unwrap_or_default();
        PastDay { day, orders: figures.orders, net: figures.amounts.into_iter().map(|amounts| amounts.net).collect() }
    };
    let back = (0..HISTORY_DAYS).rev();
    back.filter_map(|days| scope.to.checked_sub(jiff::Span::new().days(days)).ok()).filter(is_known).map(past).collect()
}

#[cfg(test)]
mod tests {
    use crate::domain::figures::{report, sample};

    #[test]
    fn days_before_the_first_webhook_are_not_in_the_history_and_those_without_orders_are() {
        let whole = sample::day("daily");
        assert_eq!(whole.report().history.len(), 14);
        let days = |begun_at: Option<&str>| {
            let mut sample = sample::day("daily");
            sample.facts.begun_at = begun_at.map(|at| at.parse().unwrap());
            // Nothing came on the second day.
            sample.facts.sums.retain(|sum| sum.day.to_string() != "2025-06-02");
            let history = report(&sample.scope, &sample.facts, sample.made_at).history;
            history.iter().map(|past| past.day.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(days(Some("2025-05-31T20:00:00Z")), ["2025-06-01", "2025-06-02", "2025-06-03"]);
        assert_eq!(days(None), ["2025-06-03"], "the day that it covers is always there");
    }
}
