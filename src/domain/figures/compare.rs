//! Days against other days, against what was reported of them, and against what the platforms count.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::event::{Event, Kind};
use crate::domain::figures::facts::{Facts, Scope, Sum};
use crate::domain::figures::sums::{divided, figures};
use crate::domain::ledger::Figure;
use crate::domain::money::Money;
use crate::domain::report::calendar::LocalDay;
use crate::domain::report::{
    Amounts, ChangedFigure, ComparedAmount, Comparison, Difference, Figures, Reconciled, Restated, Silence,
};

/// What a day is measured against: the mean of those of `days` on which our records had begun.
pub fn comparison(
    day: &Figures,
    days: &[Date],
    by_day: &BTreeMap<Date, Figures>,
    begun_on: Option<Date>,
) -> Option<Comparison> {
    let begun_on = begun_on?;
    let days: Vec<Date> = days.iter().copied().filter(|day| *day >= begun_on).collect();
    let count = i64::try_from(days.len()).ok().filter(|count| *count > 0)?;
    let none = Figures::default();
    let known: Vec<&Figures> = days.iter().map(|day| by_day.get(day).unwrap_or(&none)).collect();
    let sum: i64 = known.iter().map(|figures| figures.orders).sum();
    let currencies: BTreeSet<&str> = known
        .iter()
        .copied()
        .chain([day])
        .flat_map(|figures| &figures.amounts)
        .map(|own| own.currency.as_str())
        .collect();
    let gross = |figures: &Figures, currency: &str| {
        figures.amounts.iter().find(|own| own.currency == currency).map_or(0, |own| own.gross.minor)
    };
    let amount = |currency: &str| {
        let sum: i64 = known.iter().map(|figures| gross(figures, currency)).sum();
        ComparedAmount {
            gross: Money::new(divided(sum, count).unwrap_or_default(), currency),
            gross_percent: percent(gross(day, currency), sum, count),
        }
    };
    Some(Comparison {
        days: count,
        orders: divided(sum, count).unwrap_or_default(),
        orders_percent: percent(day.orders, sum, count),
        amounts: currencies.into_iter().map(amount).collect(),
    })
}

/// By how much `now` is more than the mean of `count` that add up to `sum`, in whole percent.
fn percent(now: i64, sum: i64, count: i64) -> Option<i64> {
    let more = now.checked_mul(count)?.checked_sub(sum)?.checked_mul(100)?;
    divided(more, sum)
}

/// The days that were reported and have changed since.
pub fn restated(scope: &Scope, facts: &Facts) -> Vec<Restated> {
    let of = |sums: &[Sum], day: Date| {
        figures(sums.iter().filter(|sum| sum.day == day && scope.has(&sum.source, sum.shop.as_deref())))
    };
    let days: BTreeSet<Date> = facts.changes.iter().map(|change| change.day).collect();
    let restated = |day: Date| {
        let (after, change) = (of(&facts.changed, day), of(&facts.changes, day));
        let count = |after: i64, change: i64| (change != 0).then_some(ChangedFigure { before: after - change, after });
        let amounts = |of: fn(&Amounts) -> &Money| {
            let changed = |amounts: &Amounts| {
                let change = of(amounts);
                let after =
                    after.amounts.iter().find(|own| own.currency == change.currency).map_or(0, |own| of(own).minor);
                let money = |minor: i64| Money::new(minor, &change.currency);
                (change.minor != 0).then(|| ChangedFigure { before: money(after - change.minor), after: money(after) })
            };
            change.amounts.iter().filter_map(changed).collect()
        };
        Restated {
            day,
            orders: count(after.orders, change.orders),
            cancelled: count(after.cancelled, change.cancelled),
            gross: amounts(|amounts| &amounts.gross),
            refunded: amounts(|amounts| &amounts.refunded),
            net: amounts(|amounts| &amounts.net),
        }
    };
    let is_other = |restated: &Restated| *restated != Restated { day: restated.day, ..Restated::default() };
    days.into_iter().map(restated).filter(is_other).collect()
}

/// The platforms' own totals of the days covered, as each sent them last, beside ours. A report on some shops has none: a
/// platform's total is of all.
pub fn reconciled(scope: &Scope, facts: &Facts, covered: &[&Sum]) -> Vec<Reconciled> {
    if scope.shops.is_some() {
        return Vec::new();
    }
    let totals = facts
        .totals_and_stock
        .iter()
        .filter(|event| event.kind == Kind::TotalsReported && scope.has_source(&event.source));
    let mut newest: BTreeMap<(String, Date), Reconciled> = BTreeMap::new();
    for event in totals {
        for total in event.data.totals() {
            let Some(day) = total.day.as_ref().and_then(|day| day.parse::<Date>().ok()) else { continue };
            let Some(local) = scope.days().into_iter().find(|local| local.day == day) else { continue };
            let their_orders = total.count.and_then(|count| i64::try_from(count).ok());
            let own = covered.iter().copied().filter(|sum| sum.source == event.source && sum.day == day);
            let ours: Vec<&Sum> = own.collect();
            let said = Said { event, local, orders: their_orders, amount: total.amount.clone() };
            newest.insert((event.source.clone(), day), said.beside(&ours, facts));
        }
    }
    newest.into_values().collect()
}

/// What a platform said of a day.
struct Said<'a> {
    event: &'a Event,
    local: LocalDay,
    orders: Option<i64>,
    amount: Option<Money>,
}

impl Said<'_> {
    fn beside(self, sums: &[&Sum], facts: &Facts) -> Reconciled {
        let stated_at = self.event.occurred_at.unwrap_or(self.event.received_at);
        let ours = figures(sums.iter().copied());
        // Of our orders with those that are cancelled, less these.
        let all = self.amount.as_ref().map(|theirs| Money::new(booked(sums, Figure::Orders, theirs), &theirs.currency));
        let our_amount =
            all.as_ref().map(|all| Money::new(all.minor - booked(sums, Figure::Cancelled, all), &all.currency));
        let difference = self.difference(&ours, our_amount.as_ref(), all.as_ref(), stated_at);
        let silence = matches!(difference, Difference::Missing | Difference::Amount)
            .then(|| silence(&self.event.source, &self.local, facts))
            .flatten();
        Reconciled {
            source: self.event.source.clone(),
            day: self.local.day,
            stated_at,
            their_orders: self.orders,
            our_orders: ours.orders,
            their_amount: self.amount,
            our_amount,
            difference,
            silence,
        }
    }

    /// `kept` is what our orders that are not cancelled come to, `all` what all of them do.
    fn difference(
        &self,
        ours: &Figures,
        kept: Option<&Money>,
        all: Option<&Money>,
        stated_at: Timestamp,
    ) -> Difference {
        let is = |ours: Option<&Money>| self.amount.is_none() || self.amount.as_ref() == ours;
        let not_cancelled = ours.orders - ours.cancelled;
        match self.orders {
            None if is(kept) => Difference::None,
            Some(theirs) if theirs == ours.orders && is(kept) => Difference::None,
            _ if stated_at < self.local.until => Difference::Early,
            Some(theirs) if theirs == not_cancelled && is(kept) => Difference::WithoutCancelled,
            None if is(all) => Difference::WithCancelled,
            Some(theirs) if theirs == ours.orders && is(all) => Difference::WithCancelled,
            Some(theirs) if theirs > ours.orders => Difference::Missing,
            Some(theirs) if theirs != ours.orders && theirs != not_cancelled => Difference::Surplus,
            _ => Difference::Amount,
        }
    }
}

/// What a figure comes to in the currency of an amount.
fn booked(sums: &[&Sum], figure: Figure, of: &Money) -> i64 {
    let own = sums.iter().filter(|sum| sum.figure == figure && sum.currency.as_ref() == Some(&of.currency));
    own.map(|sum| sum.minor).sum()
}

/// The longest time of a day in which nothing came from a source.
fn silence(source: &str, day: &LocalDay, facts: &Facts) -> Option<Silence> {
    let came = facts.arrivals.iter().filter(|(from, at)| from == source && day.contains(*at)).map(|(_, at)| *at);
    let moments: Vec<Timestamp> = [day.from].into_iter().chain(came).chain([day.until]).collect();
    let gaps = moments.windows(2).map(|pair| Silence { from: pair[0], to: pair[1] });
    gaps.max_by_key(|gap| gap.to.duration_since(gap.from))
}
