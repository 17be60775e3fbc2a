//! What counts and amounts come to together.

use std::collections::BTreeMap;

use crate::domain::figures::facts::Sum;
use crate::domain::ledger::Figure;
use crate::domain::money::Money;
use crate::domain::report::{Amounts, Figures};

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
