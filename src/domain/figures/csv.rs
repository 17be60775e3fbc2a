//! The orders of a report as a table: CSV as RFC 4180 has it, with the mark by which spreadsheets know UTF-8. No cell can
//! become a formula.

use jiff::tz::TimeZone;

use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::language::Language;
use crate::domain::money::Money;
use crate::domain::order::Order;

/// As the table is stored, and as programs read it; people get them by [`localized`].
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

/// The table for a reader: its head, the states and whether an order is cancelled in the words of a language, under `csv` and
/// `state`.
pub fn localized(table: &str, words: &Language) -> String {
    let column = |at: usize| COLUMNS.get(at).copied().unwrap_or_default();
    let word = |cell: &str, row: usize, at: usize| match column(at) {
        name if row == 0 => words.word(&format!("csv.{name}")),
        "state" => words.word(&format!("state.{cell}")),
        "cancelled" => words.word(&format!("csv.{cell}")),
        _ => None,
    };
    let mut out = String::with_capacity(table.len() + 64);
    let (mut row, mut at, mut is_quoted, mut rest) = (0, 0, false, table);
    while !rest.is_empty() {
        // A cell ends at a comma or a line's end that stands outside of quotes.
        let end = rest.find(|character: char| {
            is_quoted ^= character == '"';
            !is_quoted && matches!(character, ',' | '\r' | '\n')
        });
        let (cell, behind) = rest.split_at(end.unwrap_or(rest.len()));
        let (mark, known) = cell.strip_prefix('\u{feff}').map_or(("", cell), |known| ("\u{feff}", known));
        out.push_str(mark);
        out.push_str(&word(known, row, at).map_or_else(|| known.to_owned(), self::cell));
        let ends = behind.chars().take_while(|character| matches!(character, '\r' | '\n')).count();
        (row, at) = if ends > 0 { (row + 1, 0) } else { (row, at + 1) };
        let taken = ends.max(usize::from(behind.starts_with(',')));
        out.push_str(&behind[..taken]);
        rest = &behind[taken..];
    }
    out
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
    fn a_reader_gets_the_head_and_the_states_in_their_language_and_all_else_as_it_is() {
        let mut words = Language::new("zh-CN");
        let source = "[csv]\nsource = \"来源\"\nitems = \"a,b\"\nyes = \"是\"\n[state]\nplaced = \"已下单\"";
        words.read(source).unwrap();
        let row = "\"a, \"\"placed\"\"\r\nyes\",yes,placed,1,,,placed,yes,HKD,1.00,,2\r\n";
        let expected = row.replace(",placed,yes,HKD", ",已下单,是,HKD");
        let head = COLUMNS.join(",");
        let table = localized(&format!("\u{feff}{head}\r\n{row}"), &words);
        assert_eq!(
            table,
            format!("\u{feff}{}\r\n{expected}", head.replace("source,", "来源,").replace("items", "\"a,b\""))
        );
        assert_eq!(localized("", &words), "");
    }

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
