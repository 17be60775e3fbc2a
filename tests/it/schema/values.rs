//! Values of every sort at every place: the schema and the parser refuse the same.

use std::sync::LazyLock;

use jsonschema::Validator;
use orderbell::diagnostic::Diagnostic;
use orderbell::domain::duration;
use proptest::{prop_assert_eq, proptest};
use serde_json::json;

use crate::schema::{Place, SCHEMA, VALIDATOR, as_json, errors, places, with};
use crate::support::cases::cases;

/// One value of every sort.
fn probes() -> Vec<toml::Value> {
    let list = |value: toml::Value| toml::Value::Array(vec![value]);
    let table = |text: &str| toml::Value::Table(text.parse().unwrap());
    vec![
        "qqqqqqqqqqqqqqqqqqqqqqqq".into(),
        "".into(),
        " ".into(),
        "90s".into(),
        "1 MiB".into(),
        "24:00".into(),
        "08:57".into(),
        "HKD".into(),
        7.into(),
        (-7).into(),
        0.into(),
        300.into(),
        1.5.into(),
        true.into(),
        toml::Value::Array(Vec::new()),
        list("order.placed".into()),
        list("90s".into()),
        list("mon".into()),
        list("+852-51234567".into()),
        list(7.into()),
        list("".into()),
        list(true.into()),
        table(""),
        table("a = 1"),
        table("a = 'b'"),
        table("env = 'NOT_SET'"),
        table("env = 'SMTP_PASSWORD'"),
        table("env = 'not a name'"),
        table("file = 'secret'"),
        table("env = 'SMTP_PASSWORD'\nfile = 'secret'"),
        table("scheme = 'none'"),
        table("scheme = 'none'\nsecret = 'hush'"),
        table("scheme = 'apsdai'"),
        table("scheme = 'apsdai'\nsecret = { env = 'ERP_SECRET' }"),
    ]
}

/// Whether the parser speaks of the sort of a value, and not of what it means.
fn of_shape(problem: &Diagnostic) -> bool {
    let message = problem.message.as_str();
    ["must be", "there is no key", "is missing", "is not written like a secret", "is no secret"]
        .iter()
        .any(|words| message.contains(words))
}

#[test]
fn every_value_that_the_schema_refuses_the_parser_refuses_and_the_other_way_round_where_it_is_of_the_wrong_sort() {
    let mut faults = Vec::new();
    let kitchen = places().into_iter().find(|place| place.path == ["channel", "kitchen"]).expect("a channel");
    for Place { path, schema } in places() {
        let keys = schema["properties"].as_object().unwrap();
        // What every channel takes is tried once.
        let shared = &kitchen.schema["properties"];
        let again = |key: &str| {
            path.first() == Some(&"channel")
                && path.len() == 2
                && path[1] != "kitchen"
                && shared.get(key) == keys.get(key)
        };
        for key in keys.keys().filter(|key| !again(key)) {
            for probe in probes() {
                let table = with(path, key, probe.clone());
                let errors = errors(&table.to_string());
                let taken = VALIDATOR.is_valid(&as_json(&table));
                // A struct can also be read from a list of its values; that is nothing to offer.
                let as_a_list = key == "mention" && probe == toml::Value::Array(Vec::new());
                if !taken && errors.is_empty() && !as_a_list {
                    faults.push(format!("the schema alone refuses {key} = {probe} in {path:?}"));
                }
                if let Some(problem) = errors.iter().find(|problem| of_shape(problem)).filter(|_| taken) {
                    faults
                        .push(format!("the schema takes {key} = {probe} in {path:?}; the parser: {}", problem.message));
                }
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

static DURATION: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA["$defs"]["Duration"]).unwrap());
static SIZE: LazyLock<Validator> = LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA["$defs"]["Size"]).unwrap());

proptest! {
    #![proptest_config(cases(2_000))]

    #[test]
    fn the_patterns_of_lengths_of_time_and_sizes_are_those_of_their_readers(text in "[0-9dhmsKMGiB ]{0,6}") {
        prop_assert_eq!(DURATION.is_valid(&json!(text)), duration::parse(&text).is_ok(), "{:?}", text);
        prop_assert_eq!(SIZE.is_valid(&json!(text)), duration::parse_size(&text).is_ok(), "{:?}", text);
    }
}
