//! What a report says of single orders and products: hours, cancellations, products, acceptance, stock.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::domain::coded::Coded;
use crate::domain::data::StockItem;
use crate::domain::event::{Event, Kind};
use crate::domain::figures::facts::Scope;
use crate::domain::ledger;
use crate::domain::money::Money;
use crate::domain::order::Order;
use crate::domain::report::{Acceptance, CancelReason, Cancellations, CancelledBy, Hour, LowStock, Product};
use crate::domain::text::clean_line;

const PRODUCTS: usize = 10;
const REASONS: usize = 5;
/// Buyers write reasons; a report is no place for a long one. In graphemes.
const REASON_LENGTH: usize = 60;

type Orders<'a> = &'a [&'a (String, Order)];

/// Who cancelled, and how many orders.
type Tally<'a> = (Option<&'a Coded>, i64);

pub fn hours(scope: &Scope, orders: Orders<'_>) -> Vec<Hour> {
    let mut hours: BTreeMap<i8, (i64, BTreeMap<&str, i64>)> = (0..24).map(|hour| (hour, Default::default())).collect();
    for (_, order) in orders.iter().copied() {
        let Some(at) = order.day_at() else { continue };
        let (count, gross) = hours.entry(at.to_zoned(scope.zone.clone()).hour()).or_default();
        *count += 1;
        if let Some(total) = order.total.as_ref().filter(|total| !order.is_cancelled() && ledger::is_credible(total)) {
            let sum = gross.entry(&total.currency).or_default();
            *sum = sum.saturating_add(total.minor);
        }
    }
    let hour = |(hour, (orders, gross)): (i8, (i64, BTreeMap<&str, i64>))| Hour {
        hour,
        orders,
        gross: gross.into_iter().map(|(currency, minor)| Money::new(minor, currency)).collect(),
    };
    hours.into_iter().map(hour).collect()
}

pub fn cancellations(orders: Orders<'_>) -> Cancellations {
    let mut by: BTreeMap<Option<(i64, Option<&str>)>, Tally<'_>> = BTreeMap::new();
    let mut reasons: BTreeMap<String, i64> = BTreeMap::new();
    let mut not_accepted = 0;
    for (_, order) in orders.iter().copied().filter(|(_, order)| order.is_cancelled()) {
        let reason = order.counted.cancel_reason.as_ref().map(|reason| clean_line(reason, REASON_LENGTH));
        let who = order.counted.cancelled_by.as_ref();
        let key = who.map(|who| (who.code, who.word.as_deref()));
        by.entry(key).or_insert((who, 0)).1 += 1;
        if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
            *reasons.entry(reason).or_default() += 1;
        }
        let by_platform = who.and_then(|who| who.word.as_deref()) == Some("system");
        let was_taken = order.counted.accepted_at.is_some() || order.counted.completed_at.is_some();
        not_accepted += i64::from(by_platform && !was_taken);
    }
    let mut by: Vec<CancelledBy> =
        by.into_values().map(|(who, orders)| CancelledBy { by: who.cloned(), orders }).collect();
    by.sort_by_key(|by| Reverse(by.orders));
    let mut reasons: Vec<CancelReason> =
        reasons.into_iter().map(|(reason, orders)| CancelReason { reason, orders }).collect();
    reasons.sort_by_key(|reason| Reverse(reason.orders));
    reasons.truncate(REASONS);
    Cancellations { by, reasons, not_accepted }
}

pub fn products(orders: Orders<'_>) -> Vec<Product> {
    let mut sold: BTreeMap<&str, u64> = BTreeMap::new();
    for (_, order) in orders.iter().copied().filter(|(_, order)| !order.is_cancelled()) {
        for line in order.lines.iter().filter(|line| !line.name.is_empty()) {
            let quantity = sold.entry(&line.name).or_default();
            *quantity = quantity.saturating_add(line.quantity.unwrap_or(1));
        }
    }
    let mut products: Vec<Product> =
        sold.into_iter().map(|(name, quantity)| Product { name: name.to_owned(), quantity }).collect();
    products.sort_by_key(|product| Reverse(product.quantity));
    products.truncate(PRODUCTS);
    products
}

/// From the order's placing to its first being accepted.
pub fn acceptance(orders: Orders<'_>) -> Option<Acceptance> {
    let time = |(_, order): &&(String, Order)| {
        let taken = order.counted.accepted_at?.duration_since(order.counted.placed_at?);
        Some((taken.max(SignedDuration::ZERO), order.number.clone()))
    };
    let mut times: Vec<(SignedDuration, String)> = orders.iter().filter_map(time).collect();
    times.sort();
    let (slowest, slowest_order) = times.last().cloned()?;
    let (low, high) = (times[(times.len() - 1) / 2].0, times[times.len() / 2].0);
    Some(Acceptance {
        orders: i64::try_from(times.len()).unwrap_or(i64::MAX),
        median_seconds: (low + (high - low) / 2).as_secs(),
        slowest_seconds: slowest.as_secs(),
        slowest_order,
    })
}

/// Each product as the platform said last.
pub fn stock(scope: &Scope, events: &[Event]) -> Vec<LowStock> {
    let mut newest: BTreeMap<(String, Option<String>, String, String), LowStock> = BTreeMap::new();
    let kinds = [Kind::StockLow, Kind::StockKeysLow];
    for event in events.iter().filter(|event| kinds.contains(&event.kind)) {
        let shop = event.shop.as_ref().map(|shop| shop.id.clone());
        if !scope.has(&event.source, shop.as_deref()) {
            continue;
        }
        for item in event.data.stock() {
            let Some(which) = which(item) else { continue };
            let key = (event.source.clone(), shop.clone(), event.kind.to_string(), which);
            let StockItem { name, id, left, threshold } = item.clone();
            let low = LowStock {
                source: event.source.clone(),
                shop: event.shop.clone(),
                kind: event.kind.to_string(),
                name,
                id,
                left,
                threshold,
                at: event.occurred_at.unwrap_or(event.received_at),
            };
            newest.insert(key, low);
        }
    }
    let mut stock: Vec<LowStock> = newest.into_values().collect();
    stock.sort_by_key(|low| low.left);
    stock
}

/// What tells products apart.
fn which(item: &StockItem) -> Option<String> {
    item.id.clone().or_else(|| item.name.clone())
}
