//! The figures of a report out of the independent count, under the names that the report's JSON has for them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::{Map, Value, json};

use crate::report_month::count::{Amount, Count, Order, Sort, Total};
use crate::report_month::month::{APSDAI, DAY};
use crate::report_month::place::{About, date};

/// What orders and refunds of a day come to.
#[derive(Default)]
struct Figures {
    orders: i64,
    cancelled: i64,
    without_total: i64,
    refunds: i64,
    /// By currency: orders that are not cancelled, their totals, what was refunded.
    amounts: BTreeMap<String, [i64; 3]>,
}

impl Figures {
    fn order(&mut self, order: &Order) {
        self.orders += 1;
        self.cancelled += i64::from(order.is_cancelled);
        match &order.total {
            Some((currency, minor)) => {
                let amounts = self.amounts.entry(currency.clone()).or_default();
                if !order.is_cancelled {
                    amounts[0] += 1;
                    amounts[1] += minor;
                }
            }
            None => self.without_total += i64::from(!order.is_cancelled),
        }
    }

    fn refund(&mut self, (currency, minor): &Amount) {
        self.refunds += 1;
        self.amounts.entry(currency.clone()).or_default()[2] += minor;
    }

    fn gross(&self, currency: &str) -> i64 {
        self.amounts.get(currency).map_or(0, |amounts| amounts[1])
    }

    fn json(&self) -> Map<String, Value> {
        let amounts = self.amounts.iter().map(|(currency, [orders, gross, refunded])| {
            let mut amounts = json!({
                "currency": currency, "orders": orders, "gross": money(*gross, currency),
                "refunded": money(*refunded, currency), "net": money(gross - refunded, currency),
            });
            if *orders > 0 {
                amounts["average"] = money(mean(*gross, *orders), currency);
            }
            amounts
        });
        let figures = json!({
            "orders": self.orders, "cancelled": self.cancelled, "refunds": self.refunds,
            "without_total": self.without_total, "refunds_without_amount": 0, "amounts": amounts.collect::<Vec<_>>(),
        });
        figures.as_object().expect("an object").clone()
    }
}

fn money(minor: i64, currency: &str) -> Value {
    json!({ "minor": minor, "currency": currency })
}

/// The nearest whole number, a half away from zero.
fn mean(sum: i64, count: i64) -> i64 {
    let (sum, count) = (i128::from(sum), i128::from(count));
    let twice = 2 * sum.abs() + count;
    let mean = twice / (2 * count);
    i64::try_from(if sum < 0 { -mean } else { mean }).expect("a mean")
}

/// What a shop is called, where that is known.
type Named<'a> = Option<&'a str>;

/// The report, as of now.
pub fn report(count: &Count, about: &About, as_of: i64) -> Value {
    let covers = |day: i64| (about.from..=about.to).contains(&day);
    let mut days: BTreeMap<i64, Figures> = BTreeMap::new();
    let mut total = Figures::default();
    let mut shops: BTreeMap<(&str, Option<&str>), (Figures, Named)> = BTreeMap::new();
    // The first whole day on which webhooks came.
    let new = count.arrivals.iter().filter(|(_, _, sort)| *sort == Sort::New);
    let begun = new.map(|(at, _, _)| *at).min().map_or(i64::MAX, |at| {
        let day = about.place.day(at);
        day + i64::from(about.place.begin(day) != at)
    });
    let mut orders: Vec<&Order> = Vec::new();
    for order in &count.orders {
        let day = about.place.day(order.day_at);
        let is_mine = about.has(order.source, order.shop.as_deref());
        if is_mine && (about.from - 28..=about.to).contains(&day) {
            days.entry(day).or_default().order(order);
        }
        let key = (order.source, order.shop.as_deref());
        if is_mine && covers(day) {
            orders.push(order);
            total.order(order);
            let (figures, name) = shops.entry(key).or_default();
            figures.order(order);
            *name = name.or(order.shop_name.as_deref());
        }
        for (at, amount) in &order.refunds {
            let day = about.place.day(*at);
            if is_mine && (about.from - 28..=about.to).contains(&day) {
                days.entry(day).or_default().refund(amount);
            }
            if is_mine && covers(day) {
                total.refund(amount);
                shops.entry(key).or_default().0.refund(amount);
            }
        }
    }
    let shops: Vec<Value> = shops
        .into_iter()
        .map(|((source, shop), (figures, name))| {
            let mut json = figures.json();
            json.insert("source".to_owned(), json!(source));
            if let Some(shop) = shop {
                let named = name.map_or(json!({ "id": shop }), |name| json!({ "id": shop, "name": name }));
                json.insert("shop".to_owned(), named);
            }
            Value::Object(json)
        })
        .collect();
    let each = (about.from..=about.to).map(|day| one_day(&days, day, begun)).collect::<Vec<_>>();
    let (mut report, health) = (details(&orders, about), service_health(count, about));
    let more = json!({
        "timezone": about.place.name(), "from": date(about.from), "to": date(about.to), "total": total.json(),
        "shops": shops, "days": each, "history": history(&days, about), "bell": health,
        "stock": stock(count, about, as_of), "reconciled": reconciled(count, about),
    });
    report.extend(more.as_object().expect("an object").clone());
    Value::Object(report)
}

/// What is reported again where it changes, of every day: orders, cancelled, and gross, refunded and net by currency.
pub fn row(count: &Count, about: &About) -> BTreeMap<(i64, String), i64> {
    let mut days: BTreeMap<i64, Figures> = BTreeMap::new();
    for order in count.orders.iter().filter(|order| about.has(order.source, order.shop.as_deref())) {
        days.entry(about.place.day(order.day_at)).or_default().order(order);
        for (at, amount) in &order.refunds {
            days.entry(about.place.day(*at)).or_default().refund(amount);
        }
    }
    let mut row = BTreeMap::new();
    for (day, figures) in days {
        row.insert((day, "orders".to_owned()), figures.orders);
        row.insert((day, "cancelled".to_owned()), figures.cancelled);
        for (currency, [_, gross, refunded]) in figures.amounts {
            row.insert((day, format!("gross {currency}")), gross);
            row.insert((day, format!("refunded {currency}")), refunded);
            row.insert((day, format!("net {currency}")), gross - refunded);
        }
    }
    row
}

fn one_day(days: &BTreeMap<i64, Figures>, day: i64, begun: i64) -> Value {
    let none = Figures::default();
    let figures = days.get(&day).unwrap_or(&none);
    let mut json = figures.json();
    json.insert("day".to_owned(), json!(date(day)));
    let mut compare = |name: &str, others: &[i64]| {
        let others: Vec<&Figures> =
            others.iter().filter(|other| **other >= begun).map(|other| days.get(other).unwrap_or(&none)).collect();
        if !others.is_empty() {
            json.insert(name.to_owned(), compared(figures, &others));
        }
    };
    compare("day_before", &[day - 1]);
    compare("same_weekdays", &[day - 7, day - 14, day - 21, day - 28]);
    Value::Object(json)
}

fn compared(figures: &Figures, others: &[&Figures]) -> Value {
    let count = others.len() as i64;
    let orders: i64 = others.iter().map(|other| other.orders).sum();
    let more = |now: i64, sum: i64| (sum > 0).then(|| mean((now * count - sum) * 100, sum));
    let currencies: BTreeSet<&String> =
        others.iter().copied().chain([figures]).flat_map(|figures| figures.amounts.keys()).collect();
    let amounts = currencies.into_iter().map(|currency| {
        let sum: i64 = others.iter().map(|other| other.gross(currency)).sum();
        let mut amount = json!({ "gross": money(mean(sum, count), currency) });
        if let Some(percent) = more(figures.gross(currency), sum) {
            amount["gross_percent"] = json!(percent);
        }
        amount
    });
    let mut json = json!({ "days": count, "orders": mean(orders, count), "amounts": amounts.collect::<Vec<_>>() });
    if let Some(percent) = more(figures.orders, orders) {
        json["orders_percent"] = json!(percent);
    }
    json
}

/// Of the days before the first webhook nothing is known; it is of an order, so the first day that is known has one. The days
/// that the report covers are there in any case.
fn history(days: &BTreeMap<i64, Figures>, about: &About) -> Vec<Value> {
    let none = Figures::default();
    let one = |day: i64| {
        let figures = days.get(&day).unwrap_or(&none);
        let net = figures.amounts.iter().map(|(currency, [_, gross, refunded])| money(gross - refunded, currency));
        json!({ "day": date(day), "orders": figures.orders, "net": net.collect::<Vec<_>>() })
    };
    let is_empty = |day: &i64| days.get(day).is_none_or(|figures| figures.orders == 0 && figures.amounts.is_empty());
    let is_unknown = |day: &i64| *day < about.from && is_empty(day);
    (about.to - 13..=about.to).skip_while(is_unknown).map(one).collect()
}

/// What is reported of single orders.
fn details(orders: &[&Order], about: &About) -> Map<String, Value> {
    let mut hours: Vec<(i64, BTreeMap<&str, i64>)> = vec![Default::default(); 24];
    let (mut by, mut reasons) = (BTreeMap::new(), BTreeMap::new());
    let mut products: BTreeMap<&str, u64> = BTreeMap::new();
    let mut times = Vec::new();
    for order in orders {
        let (count, gross) = &mut hours[about.place.hour(order.day_at) as usize];
        *count += 1;
        if let Some((currency, minor)) = order.total.as_ref().filter(|_| !order.is_cancelled) {
            *gross.entry(currency).or_default() += minor;
        }
        if order.is_cancelled {
            *by.entry(order.by).or_insert(0) += 1;
            if let Some(reason) = &order.reason {
                *reasons.entry(reason.as_str()).or_insert(0) += 1;
            }
        } else {
            for (name, quantity) in &order.lines {
                *products.entry(name).or_default() += quantity;
            }
        }
        times.extend(order.acceptance.map(|time| (time, order.number.as_str())));
    }
    let hours = hours.iter().enumerate().map(|(hour, (orders, gross))| {
        let gross = gross.iter().map(|(currency, minor)| money(*minor, currency));
        json!({ "hour": hour, "orders": orders, "gross": gross.collect::<Vec<_>>() })
    });
    let by = by.into_iter().map(|(who, orders): (Option<i64>, i64)| match who {
        Some(code) => {
            let word = match code {
                0 => "system",
                10 => "customer",
                20 => "merchant",
                _ => "support",
            };
            json!({ "by": { "code": code, "word": word }, "orders": orders })
        }
        None => json!({ "orders": orders }),
    });
    let mut reasons: Vec<(&str, i64)> = reasons.into_iter().collect();
    reasons.sort_by_key(|(reason, orders)| (-orders, *reason));
    let reasons = reasons.into_iter().take(5).map(|(reason, orders)| json!({ "reason": reason, "orders": orders }));
    let mut products: Vec<(&str, u64)> = products.into_iter().collect();
    products.sort_by_key(|(name, quantity)| (u64::MAX - quantity, *name));
    let products = products.into_iter().take(10).map(|(name, quantity)| json!({ "name": name, "quantity": quantity }));
    let not_accepted = orders.iter().filter(|order| order.nobody_accepted).count();
    let mut json = json!({
        "hours": hours.collect::<Vec<_>>(),
        "cancellations": {
            "by": by.collect::<Vec<_>>(), "reasons": reasons.collect::<Vec<_>>(), "not_accepted": not_accepted,
        },
        "products": products.collect::<Vec<_>>(),
    });
    times.sort_unstable();
    if let Some((slowest, number)) = times.last() {
        let (low, high) = (times[(times.len() - 1) / 2].0, times[times.len() / 2].0);
        json["acceptance"] = json!({
            "orders": times.len(), "median_seconds": (low + high) / 2000, "slowest_seconds": slowest / 1000,
            "slowest_order": number,
        });
    }
    json.as_object().expect("an object").clone()
}

fn service_health(count: &Count, about: &About) -> Value {
    let (from, until) = (about.place.begin(about.from), about.place.begin(about.to + 1));
    let of_day = |(at, source, _): &&(i64, &str, Sort)| (from..until).contains(at) && about.has_source(source);
    let came = |sort: Sort| count.arrivals.iter().filter(of_day).filter(|(_, _, own)| *own == sort).count();
    let (new, repeats, refused) = (came(Sort::New), came(Sort::Repeat), came(Sort::Refused));
    json!({ "received": new + repeats, "repeats": repeats, "refused": refused })
}

/// When what a platform says of stock and of its own totals belongs to a report: from its first day on, and until two days
/// after its last one.
fn stated(about: &About) -> Range<i64> {
    about.place.begin(about.from)..about.place.begin(about.to + 1) + 2 * DAY
}

fn stock(count: &Count, about: &About, as_of: i64) -> Vec<Value> {
    if about.shops.is_some() || !about.has_source(APSDAI) {
        return Vec::new();
    }
    let stated = stated(about);
    let mut newest: BTreeMap<&str, Value> = BTreeMap::new();
    for low in count.stock.iter().filter(|low| low.arrived <= as_of && stated.contains(&low.arrived)) {
        let json = json!({
            "source": APSDAI, "kind": "stock.low", "name": low.name, "id": low.id, "left": low.left,
            "threshold": low.threshold, "at": low.at,
        });
        newest.insert(&low.id, json);
    }
    newest.into_values().collect()
}

/// The platform's totals beside the count's own of that source.
fn reconciled(count: &Count, about: &About) -> Vec<Value> {
    if about.shops.is_some() || !about.has_source(APSDAI) {
        return Vec::new();
    }
    let (stated, mut newest) = (stated(about), BTreeMap::new());
    for total in count.totals.iter().filter(|total| stated.contains(&total.at)) {
        let day = (about.from..=about.to).find(|day| date(*day) == total.day);
        newest.extend(day.map(|day| (day, total)));
    }
    newest.into_iter().map(|(day, total)| beside(count, about, day, total)).collect()
}

fn beside(count: &Count, about: &About, day: i64, total: &Total) -> Value {
    let (begin, end) = (about.place.begin(day), about.place.begin(day + 1));
    let ours = count.orders.iter().filter(|order| order.source == APSDAI && about.place.day(order.day_at) == day);
    let ours: Vec<&Order> = ours.collect();
    let sum = |is_cancelled: bool| -> i64 {
        let of = ours.iter().filter(|order| order.is_cancelled == is_cancelled);
        let amounts = of.filter_map(|order| order.total.as_ref());
        amounts.filter(|(currency, _)| *currency == total.amount.0).map(|(_, minor)| minor).sum()
    };
    let orders = ours.len() as i64;
    let kept = ours.iter().filter(|order| !order.is_cancelled).count() as i64;
    let (gross, cancelled) = (sum(false), sum(true));
    let difference = if total.orders == orders && total.amount.1 == gross {
        "none"
    } else if total.stated_at < end {
        "early"
    } else if total.orders == kept && total.amount.1 == gross {
        "without_cancelled"
    } else if total.orders == orders && total.amount.1 == gross + cancelled {
        "with_cancelled"
    } else if total.orders > orders {
        "missing"
    } else if total.orders == orders || total.orders == kept {
        "amount"
    } else {
        "surplus"
    };
    let mut json = json!({
        "source": APSDAI, "day": date(day), "told_at": total.stated_at, "their_orders": total.orders,
        "our_orders": orders, "their_amount": money(total.amount.1, &total.amount.0),
        "our_amount": money(gross, &total.amount.0), "difference": difference,
    });
    if ["missing", "amount"].contains(&difference) {
        let came = count
            .arrivals
            .iter()
            .filter(|(at, source, sort)| *source == APSDAI && *sort == Sort::New && (begin..end).contains(at));
        let (mut before, mut longest) = (begin, (0, 0, 0));
        for at in came.map(|(at, _, _)| *at).chain([end]) {
            longest = longest.max((at - before, before, at));
            before = at;
        }
        json["silence"] = json!({ "from": longest.1, "to": longest.2 });
    }
    json
}
