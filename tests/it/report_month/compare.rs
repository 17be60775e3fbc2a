//! Two reports beside each other: where they differ, in words.

use jiff::Timestamp;
use orderbell::domain::report::Report;
use serde_json::Value;

/// What is counted once more; the rest of a report is about messages and pictures.
const COUNTED: [&str; 14] = [
    "timezone",
    "from",
    "to",
    "total",
    "shops",
    "days",
    "hours",
    "cancellations",
    "products",
    "acceptance",
    "stock",
    "reconciled",
    "bell",
    "history",
];
const BELL: [&str; 3] = ["received", "repeats", "refused"];

/// A report of the product's as its JSON is, in the form of the count: without the texts of amounts, times as numbers, and
/// lists whose sequence says nothing in that of the count.
pub fn of(report: &Report) -> Value {
    let mut json = plain(serde_json::to_value(report).expect("JSON"));
    let members = json.as_object_mut().expect("an object");
    members.retain(|name, _| COUNTED.contains(&name.as_str()));
    members["bell"].as_object_mut().expect("an object").retain(|name, _| BELL.contains(&name.as_str()));
    let orders: Vec<i64> = list(&members["shops"]).iter().filter_map(|shop| shop["orders"].as_i64()).collect();
    assert!(orders.is_sorted_by(|one, next| one >= next), "the shops with the most orders first: {orders:?}");
    sort(&mut members["shops"], |shop| {
        format!("{} {}", shop["source"], shop["shop"]["id"].as_str().unwrap_or_default())
    });
    sort(&mut members["cancellations"]["by"], |by| format!("{:03}", by["by"]["code"].as_i64().unwrap_or(-1)));
    sort(&mut members["stock"], |low| low["id"].to_string());
    json
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn sort(list: &mut Value, by: impl Fn(&Value) -> String) {
    list.as_array_mut().expect("a list").sort_by_key(by);
}

fn plain(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let is_money = members.contains_key("minor");
            let kept = members.into_iter().filter(|(name, _)| !(is_money && name == "text"));
            Value::Object(kept.map(|(name, value)| (name, plain(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::String(text) => match text.parse::<Timestamp>() {
            Ok(at) => Value::from(at.as_millisecond()),
            Err(_) => Value::String(text),
        },
        other => other,
    }
}

/// Where they differ: the place, ours, and the count's.
pub fn differences(ours: &Value, counted: &Value) -> Vec<String> {
    let mut found = Vec::new();
    differ("", ours, counted, &mut found);
    found
}

fn differ(place: &str, ours: &Value, counted: &Value, found: &mut Vec<String>) {
    match (ours, counted) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<&String> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                differ(&format!("{place}/{name}"), &ours[name], &counted[name], found);
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differ(&format!("{place}/{index}"), one, other, found);
            }
        }
        _ if ours == counted => {}
        _ => found.push(format!("{place}: the report has {ours}, the count {counted}")),
    }
}

/// How many single figures there are in a report.
pub fn figures(value: &Value) -> usize {
    match value {
        Value::Object(members) => members.values().map(figures).sum(),
        Value::Array(items) => items.iter().map(figures).sum(),
        Value::Number(_) => 1,
        _ => 0,
    }
}
