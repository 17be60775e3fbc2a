//! What a sample webhook is to say, where it is to say anything in particular.

use serde_json::Value;

use crate::domain::money::Money;

/// What is absent is as in the platform's own sample.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SampleContent {
    /// Makes order numbers and message ids of its own: two samples of different seeds are no duplicates, and samples of one
    /// seed are about one order.
    pub seed: u64,
    /// The order's number, letter by letter.
    pub order: Option<String>,
    pub shop: Option<String>,
    /// ISO 4217 code of all amounts.
    pub currency: Option<String>,
    /// In `currency`; the items add up to it.
    pub total: Option<Money>,
    /// What was ordered.
    pub items: Vec<SampleItem>,
    /// What the buyer writes beside the first item.
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleItem {
    pub quantity: u64,
    pub name: String,
}

/// So many of an item at one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedItem {
    /// Which of the items.
    pub item: usize,
    pub quantity: u64,
    /// Minor units.
    pub unit_minor: i64,
}

/// What a platform cannot send.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct SampleError(pub String);

/// Prices by which items of these quantities add up to a total exactly. Every piece costs the same; where that leaves a rest,
/// some cost a minor unit more, and an item of which only some do stands twice.
pub fn prices(quantities: &[u64], total_minor: i64) -> Vec<PricedItem> {
    let pieces: u64 = quantities.iter().sum();
    let total = total_minor.unsigned_abs();
    let unit = total.checked_div(pieces).unwrap_or_default();
    let mut dearer = total.checked_rem(pieces).unwrap_or_default();
    let mut priced = Vec::new();
    for (item, &quantity) in quantities.iter().enumerate() {
        let more = dearer.min(quantity);
        dearer -= more;
        for (quantity, unit) in [(more, unit + 1), (quantity - more, unit)] {
            if quantity > 0 {
                priced.push(PricedItem { item, quantity, unit_minor: i64::try_from(unit).unwrap_or(i64::MAX) });
            }
        }
    }
    priced
}

/// Changes every member by its name.
pub fn visit(value: &mut Value, change: &mut impl FnMut(&str, &mut Value)) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                change(name, value);
                visit(value, change);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, change)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn prices_add_up_to_the_total(
            quantities in prop::collection::vec(1_u64..=999, 1..8),
            total in 0_i64..=1_000_000_000_000,
        ) {
            let priced = prices(&quantities, total);
            let sum: i64 = priced.iter().map(|one| one.unit_minor * i64::try_from(one.quantity).unwrap()).sum();
            prop_assert_eq!(sum, total);
            for (item, quantity) in quantities.iter().enumerate() {
                let of_item = priced.iter().filter(|one| one.item == item);
                prop_assert_eq!(of_item.map(|one| one.quantity).sum::<u64>(), *quantity);
            }
        }
    }

    #[test]
    fn an_item_stands_twice_only_where_its_pieces_cannot_cost_the_same() {
        let one = |item, quantity, unit_minor| PricedItem { item, quantity, unit_minor };
        assert_eq!(prices(&[2], 61_250), [one(0, 2, 30_625)]);
        assert_eq!(prices(&[2], 61_251), [one(0, 1, 30_626), one(0, 1, 30_625)]);
        assert_eq!(prices(&[1, 2], 100), [one(0, 1, 34), one(1, 2, 33)]);
    }
}
