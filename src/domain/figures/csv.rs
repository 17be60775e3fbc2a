//! The orders of a report as a table: CSV as RFC 4180 has it, with the mark by which spreadsheets know UTF-8. No cell can
//! become a formula.

use jiff::tz::TimeZone;

use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::money::Money;
use crate::domain::order::Order;

/// In English in every language: programs read them.
const COLUMNS: [&str; 12] = [
    "source",
    "shop_id",
    "shop",
    "order",
    "short_number",
    "placed_at",
    "state",
    "cancelled",
    "currency",
    "total",
    "refunded",
    "items",
];

/// The orders of the days covered, the earliest first. Times are local, with their offset; amounts in major units.
pub fn orders(scope: &Scope, facts: &Facts) -> String {
    let mut table = format!("\u{feff}{}\r\n", COLUMNS.join(","));
    for (source, order) in &facts.orders {
        let shop = order.shop.as_ref();
        if scope.has(source, shop.map(|shop| shop.id.as_str())) {
            let cells = row(source, order, &scope.zone).map(|text| cell(&text));
            table.push_str(&cells.join(","));
            table.push_str("\r\n");
        }
    }
    table
}

fn row(source: &str, order: &Order, zone: &TimeZone) -> [String; 12] {
    let shop = order.shop.as_ref();
    let text = |text: Option<&String>| text.cloned().unwrap_or_default();
    let placed_at = order.day_at().map(|at| at.to_zoned(zone.clone()).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string());
    let total = order.total.as_ref();
    let refunds = order.refunds.values().map(|refund| refund.amount.clone());
    let refunded = refunds.reduce(|sum, refund| sum?.plus(&refund?)).flatten();
    let currency = total.or(refunded.as_ref()).map(|money| &money.currency);
    // There is one column for the currency.
    let refunded = refunded.as_ref().filter(|refunded| Some(&refunded.currency) == currency);
    let items: u64 = order.lines.iter().map(|line| line.quantity.unwrap_or(1)).fold(0, u64::saturating_add);
    let items = if order.lines.is_empty() { String::new() } else { items.to_string() };
    [
        source.to_owned(),
        text(shop.map(|shop| &shop.id)),
        text(shop.and_then(|shop| shop.name.as_ref())),
        order.number.clone(),
        text(order.short_number.as_ref()),
        placed_at.unwrap_or_default(),
        state(order),
        if order.is_cancelled() { "yes" } else { "no" }.to_owned(),
        text(currency),
        total.map(Money::major).unwrap_or_default(),
        refunded.map(Money::major).unwrap_or_default(),
        items,
    ]
}

/// As everywhere in JSON.
fn state(order: &Order) -> String {
    let state = serde_json::to_value(order.state).ok();
    state.as_ref().and_then(|state| state.as_str()).unwrap_or_default().to_owned()
}

/// A cell that a spreadsheet takes for text or a number, never for a formula: what begins like one gets an apostrophe.
fn cell(text: &str) -> String {
    let is_number =
        !text.is_empty() && text.trim_start_matches('-').bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let begins_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠']);
    let text = if begins_formula && !is_number { format!("'{text}") } else { text.to_owned() };
    match text.contains(['"', ',', '\r', '\n', ';', '\t']) {
        true => format!("\"{}\"", text.replace('"', "\"\"")),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cell_becomes_a_formula_and_quotes_stay_within_their_cell() {
        for (text, expected) in [
            ("Harbour Noodle House", "Harbour Noodle House"),
            ("=HYPERLINK(\"x\")", "\"'=HYPERLINK(\"\"x\"\")\""),
            ("+852 5123", "'+852 5123"),
            ("-1+1", "'-1+1"),
            ("-12.50", "-12.50"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("＝1", "'＝1"),
            ("a,b", "\"a,b\""),
            ("a\r\nb", "\"a\r\nb\""),
        ] {
            assert_eq!(cell(text), expected, "{text:?}");
        }
    }
}
