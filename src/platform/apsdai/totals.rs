//! The two-day figures: by day in a list, by day in an object, or in pairs such as `today_count` and `yesterday_amount`.

use jiff::civil;

use crate::domain::data::DayTotal;
use crate::platform::apsdai::body::{Body, members};
use crate::platform::apsdai::fields::FieldName;
use crate::platform::apsdai::reader::BodyReader;
use crate::platform::apsdai::values;
use crate::platform::field::JsonField;

/// What the name of a pair has beside its day when it is a number of orders.
const COUNTS: [&str; 3] = ["count", "num", "orders"];
/// … and when it is an amount.
const AMOUNTS: [&str; 4] = ["amount", "total", "money", "sum"];

/// Reads the figures; empty when none can be found. `today` is the day on which the hook was triggered.
pub fn read(reading: &BodyReader<'_>, body: &Body, today: civil::Date) -> Vec<DayTotal> {
    let listed: Vec<DayTotal> = body
        .items(reading.fields(), FieldName::Days)
        .iter()
        .filter_map(|item| total(reading, item, item_day(reading, item, today)))
        .collect();
    if !listed.is_empty() {
        return listed;
    }
    let paired = paired(reading, body, today);
    if !paired.is_empty() {
        return paired;
    }
    let keyed = keyed(reading, body);
    if !keyed.is_empty() {
        return keyed;
    }
    total(reading, body, item_day(reading, body, today)).into_iter().collect()
}

fn item_day(reading: &BodyReader<'_>, item: &Body, today: civil::Date) -> Option<String> {
    item.find(reading.fields(), FieldName::DayDate, |field| values::day(field, reading.zone(), today))
}

/// One day's figures; `None` without any.
fn total(reading: &BodyReader<'_>, item: &Body, day: Option<String>) -> Option<DayTotal> {
    let count = item.find(reading.fields(), FieldName::DayCount, JsonField::count);
    let amount = item.find(reading.fields(), FieldName::DayAmount, |field| reading.money(field));
    (count.is_some() || amount.is_some()).then_some(DayTotal { day, count, amount })
}

/// `today_count` and its like, or `today` with an object; today first.
fn paired(reading: &BodyReader<'_>, body: &Body, today: civil::Date) -> Vec<DayTotal> {
    let of_day = |word: &str, date: Option<civil::Date>| {
        let mut day = DayTotal { day: date.map(|date| date.to_string()), ..DayTotal::default() };
        for (name, value) in body.scopes().iter().flatten() {
            let Some(rest) = without(name, word) else { continue };
            if let Some(whole) = of_object(reading, value, day.day.clone()) {
                return Some(whole);
            }
            let about = |words: &[&str]| words.iter().any(|word| rest.contains(word));
            if about(&COUNTS) {
                day.count = day.count.or(value.count());
            } else if about(&AMOUNTS) {
                day.amount = day.amount.or_else(|| reading.money(value));
            }
        }
        (day.count.is_some() || day.amount.is_some()).then_some(day)
    };
    let yesterday = today.yesterday().ok();
    [of_day("today", Some(today)), of_day("yesterday", yesterday)].into_iter().flatten().collect()
}

/// `count` of `todaycount`.
fn without<'a>(name: &'a str, word: &str) -> Option<&'a str> {
    name.strip_prefix(word).or_else(|| name.strip_suffix(word))
}

/// `{ "2026-01-01": { "count": 12, "amount": "1188.00" }, … }`.
fn keyed(reading: &BodyReader<'_>, body: &Body) -> Vec<DayTotal> {
    let members = body.scopes().iter().flatten();
    let days = members.filter_map(|(name, value)| of_object(reading, value, Some(values::date(name)?.to_string())));
    days.collect()
}

fn of_object(reading: &BodyReader<'_>, field: &JsonField, day: Option<String>) -> Option<DayTotal> {
    members(field)?;
    total(reading, &Body::of(field), day)
}
