//! What a simulated order is to be like, as it is written on the command line.

use clap::Args;
use iso_currency::Currency;

use crate::cli::failure::Failure;
use crate::domain::money::Money;
use crate::domain::text::narrow;
use crate::platform::ParsedWebhook;
use crate::platform::sample::{SampleContent, SampleItem};

/// ISO's own word for no currency: none is configured.
const NO_CURRENCY: &str = "XXX";
/// More pieces of one item are a slip.
const MOST_PIECES: u64 = 9_999;
const MOST_ITEMS: usize = 100;

#[derive(Args)]
pub struct OrderArgs {
    /// The order's number, letter by letter: the same number, the same order; a new one where absent
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    order: Option<String>,
    /// What the order comes to, in whole units of the currency: 612.50
    #[arg(long, value_name = "AMOUNT", allow_hyphen_values = true)]
    total: Option<String>,
    /// ISO 4217 code of the amounts; that of the configuration where absent
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// The shop's id; the first one of the source where absent
    #[arg(long, value_name = "ID", allow_hyphen_values = true)]
    shop: Option<String>,
    /// What was ordered, once for each item: "2 × Tea", "2x Tea" or "Tea"; the prices add up to the total
    #[arg(long = "item", value_name = "ITEM", value_parser = item)]
    items: Vec<SampleItem>,
    /// What the buyer writes beside the first item
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    note: Option<String>,
}

impl OrderArgs {
    /// All but the total, for which the sample's currency has to be known.
    pub fn content(&self, seed: u64, configured: &str) -> Result<SampleContent, Failure> {
        let configured = Some(configured.to_owned()).filter(|code| code != NO_CURRENCY);
        let currency = self.currency.as_deref().map(currency).transpose()?.or(configured);
        if self.items.len() > MOST_ITEMS {
            return Err(Failure::Misused(format!("an order has at most {MOST_ITEMS} items here")));
        }
        let (order, shop, note) = (self.order.clone(), self.shop.clone(), self.note.clone());
        for (flag, text) in [("--order", &order), ("--shop", &shop), ("--note", &note)] {
            if text.as_ref().is_some_and(|text| text.trim().is_empty()) {
                return Err(Failure::Misused(format!("{flag} is empty; leave it out")));
            }
        }
        Ok(SampleContent { seed, order, shop, currency, total: None, items: self.items.clone(), note })
    }

    /// The total in the currency of the sample as it is without.
    pub fn with_total(
        &self,
        content: SampleContent,
        webhook: Option<&ParsedWebhook>,
    ) -> Result<SampleContent, Failure> {
        let own = webhook.and_then(|webhook| webhook.order.as_ref()?.total.as_ref());
        let code = own.map(|total| total.currency.as_str()).or(content.currency.as_deref()).unwrap_or(NO_CURRENCY);
        let total = self.total.as_deref().map(|text| amount(text, code)).transpose()?;
        Ok(SampleContent { total, ..content })
    }
}

/// `2 × Tea`, `2x Tea` or `Tea`.
fn item(text: &str) -> Result<SampleItem, String> {
    let text = text.trim();
    let wide = text.len() - text.trim_start_matches(|letter: char| matches!(letter, '0'..='9' | '０'..='９')).len();
    let text = narrow(&text[..wide]) + &text[wide..];
    let text = text.as_str();
    let digits = text.len() - text.trim_start_matches(|letter: char| letter.is_ascii_digit()).len();
    let rest = text[digits..].trim_start();
    let name = rest.strip_prefix(['×', '✕']).or_else(|| {
        // Else "3xl shirt" would be three of something.
        rest.strip_prefix(['x', 'X', '*', 'ｘ', 'Ｘ', '＊'])
            .filter(|name| name.is_empty() || name.starts_with(char::is_whitespace))
    });
    let (quantity, name) = match name {
        Some(name) if digits > 0 => {
            let quantity = text[..digits].parse().ok().filter(|quantity| (1..=MOST_PIECES).contains(quantity));
            (quantity.ok_or_else(|| format!("{} is no quantity; write 1 to {MOST_PIECES}", &text[..digits]))?, name)
        }
        _ => (1, text),
    };
    match name.trim() {
        // A sign alone is what was left of "2 × Tea".
        name if name.trim_matches(['×', '✕', '*', ' ']).is_empty() => {
            Err("the item has no name; write it like \"2 × Tea\"".to_owned())
        }
        name => Ok(SampleItem { quantity, name: name.to_owned() }),
    }
}

fn currency(text: &str) -> Result<String, Failure> {
    let code = text.to_ascii_uppercase();
    match Currency::from_code(&code) {
        Some(_) => Ok(code),
        None => {
            let hint = if code == "RMB" { "that of the renminbi is CNY" } else { "such as HKD, CNY or SAR" };
            Err(Failure::Misused(format!("\"{text}\" is no ISO 4217 code; {hint}")))
        }
    }
}

/// An amount of a currency with no more decimals than it has.
fn amount(text: &str, code: &str) -> Result<Money, Failure> {
    let exponent = usize::try_from(Money::new(0, code).exponent()).unwrap_or_default();
    let example = Money::of_major(if exponent == 0 { "612" } else { "612.50" }, code).map(|money| money.major());
    let example = example.unwrap_or_default();
    let wrong = |why: &str| Err(Failure::Misused(format!("--total: \"{text}\" {why}; write it like {example}")));
    let plain = &narrow(text.trim());
    let is_amount = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_digit())
            && text.bytes().all(|byte| byte.is_ascii_digit() || b".,".contains(&byte))
            && !text.ends_with('.')
            && text.matches('.').count() <= 1
    };
    if plain.strip_prefix(['-', '−']).is_some_and(is_amount) {
        return wrong("is less than nothing");
    }
    if !is_amount(plain) {
        return wrong("is no amount");
    }
    let decimals = plain.split_once('.').map_or(0, |(_, decimals)| decimals.len());
    if decimals > exponent {
        let has = match exponent {
            0 => "none".to_owned(),
            1 => "one".to_owned(),
            more => more.to_string(),
        };
        return wrong(&format!("has {decimals} decimal{}, and {code} has {has}", if decimals == 1 { "" } else { "s" }));
    }
    match Money::of_major(plain, code) {
        // More is no amount for whoever adds it up.
        Some(money) if money.minor <= i64::MAX / 1_000 => Ok(money),
        Some(_) => wrong("is too much"),
        None if plain.bytes().filter(u8::is_ascii_digit).count() > 15 => wrong("is too much"),
        None => wrong("is no amount"),
    }
}

/// What the webhook does not say of what it was to say.
pub fn missing(content: &SampleContent, webhook: &ParsedWebhook) -> Option<String> {
    let order = webhook.order.as_ref();
    let lines = order.map(|order| order.lines.as_slice()).unwrap_or_default();
    let is_currency =
        |code: &String| order.and_then(|order| order.total.as_ref()).is_none_or(|total| total.currency == *code);
    let has_item = |item: &SampleItem| {
        let of_name = lines.iter().filter(|line| line.name == item.name);
        of_name.filter_map(|line| line.quantity).sum::<u64>() >= item.quantity
    };
    if let Some(number) = content.order.as_ref().filter(|number| order.is_none_or(|order| order.number != **number)) {
        return Some(match order {
            Some(_) => format!("the order number \"{number}\""),
            None => "an order".to_owned(),
        });
    }
    if let Some(total) =
        content.total.as_ref().filter(|total| order.is_none_or(|order| order.total.as_ref() != Some(total)))
    {
        return Some(match total.currency.as_str() {
            NO_CURRENCY => format!("a total of {}", total.major()),
            _ => format!("a total of {total}"),
        });
    }
    if let Some(shop) = content.shop.as_ref().filter(|id| webhook.shop.as_ref().is_none_or(|shop| shop.id != **id)) {
        return Some(format!("the shop {shop}"));
    }
    if let Some(item) = content.items.iter().find(|item| !has_item(item)) {
        return Some(format!("the item \"{}\"", item.name));
    }
    if content.note.as_ref().is_some_and(|_| lines.iter().all(|line| line.note.is_none())) {
        return Some("a note".to_owned());
    }
    content.currency.as_ref().filter(|code| !is_currency(code)).map(|code| format!("amounts in {code}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said<T>(read: Result<T, Failure>) -> String {
        match read {
            Err(Failure::Misused(text)) => text,
            _ => panic!("it is taken"),
        }
    }

    #[test]
    fn items_are_read_as_people_write_them() {
        for (text, quantity, name) in [
            ("2 × Tea", 2, "Tea"),
            ("2×Tea", 2, "Tea"),
            ("2x Tea", 2, "Tea"),
            ("2 X  Lemon tea ", 2, "Lemon tea"),
            ("12 * 奶茶", 12, "奶茶"),
            ("２ × 菠萝油", 2, "菠萝油"),
            ("１２ｘ 奶茶", 12, "奶茶"),
            ("Tea", 1, "Tea"),
            ("7 Up", 1, "7 Up"),
            ("3xl shirt", 1, "3xl shirt"),
            ("x-tra bun", 1, "x-tra bun"),
        ] {
            assert_eq!(item(text), Ok(SampleItem { quantity, name: name.to_owned() }), "{text}");
        }
        for wrong in
            ["", "  ", "×", " ✕ ", "*", "2 × ×", "2 ×", "2x ", "0 × Tea", "10000 × Tea", "99999999999999999999 × Tea"]
        {
            assert!(item(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn totals_have_the_decimals_of_their_currency() {
        for (text, code, minor) in [
            ("612.50", "HKD", 61_250),
            ("612.5", "HKD", 61_250),
            ("612", "HKD", 61_200),
            ("1,188.00", "CNY", 118_800),
            ("0", "HKD", 0),
            ("612", "JPY", 612),
            ("６１２．５０", "HKD", 61_250),
            ("4.600", "KWD", 4_600),
        ] {
            assert_eq!(amount(text, code).ok(), Some(Money::new(minor, code)), "{text} {code}");
        }
        for (text, code, why) in [
            ("612.505", "HKD", "--total: \"612.505\" has 3 decimals, and HKD has 2; write it like 612.50"),
            ("612.5", "JPY", "--total: \"612.5\" has 1 decimal, and JPY has none; write it like 612"),
            ("-5", "HKD", "--total: \"-5\" is less than nothing"),
            ("abc", "HKD", "--total: \"abc\" is no amount"),
            ("", "HKD", "is no amount"),
            ("612,50", "HKD", "is no amount"),
            ("1e3", "HKD", "is no amount"),
            ("HK$5", "HKD", "is no amount"),
            ("5.", "HKD", "is no amount"),
            ("1.2.3", "HKD", "is no amount"),
            ("NaN", "HKD", "is no amount"),
            ("99999999999999999999999", "HKD", "is too much"),
            ("90000000000000000", "HKD", "is too much"),
        ] {
            let said = said(amount(text, code));
            assert!(said.contains(why), "{text}: {said}");
        }
    }

    #[test]
    fn currencies_are_those_of_iso() {
        assert_eq!(currency("hkd").ok().as_deref(), Some("HKD"));
        assert!(said(currency("RMB")).contains("CNY"));
        assert!(said(currency("HK$")).contains("\"HK$\" is no ISO 4217 code"));
    }
}
