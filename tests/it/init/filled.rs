//! A configuration whose values are known already: they stand in it as they were given, whatever they are, and with secrets in
//! environment variables none of them does.

use std::collections::BTreeMap;
use std::path::Path;

use orderbell::config::scaffold;
use orderbell::config::scaffold::table::{SecretsIn, Wanted};
use orderbell::config::scaffold::{Decided, ScaffoldPlan};
use orderbell::domain::scaffold::{FieldForm, FormField};
use orderbell::domain::secret::Secret;

use crate::init::{FILE, examine, only_notes};

/// A plan of these tables with a value for each field.
fn plan(
    sources: &[&str],
    channels: &[&str],
    secrets: SecretsIn,
    value: impl Fn(&FormField) -> Option<String>,
) -> ScaffoldPlan {
    let filled = |wanted: Wanted| {
        let values =
            wanted.scaffold.fields.iter().filter_map(|field| Some((field.key.clone(), Secret::new(value(field)?))));
        Wanted { values: Some(values.collect()), ..wanted }
    };
    ScaffoldPlan {
        sources: sources.iter().map(|text| filled(scaffold::source(text).unwrap())).collect(),
        channels: channels.iter().map(|text| filled(scaffold::channel(text).unwrap())).collect(),
        language: "en".to_owned(),
        timezone: "Asia/Hong_Kong".to_owned(),
        currency: None,
        public_url: Some("https://bell.example.com".to_owned()),
        decided: Some(Decided {
            secrets,
            listen: "127.0.0.1:8787".to_owned(),
            admin: ([127, 0, 0, 1], 8788).into(),
            operator: Vec::new(),
            report_at: Some("08:57".to_owned()),
        }),
    }
}

/// What a merchant has: a value of the shape of its sample.
fn real(field: &FormField) -> Option<String> {
    match field.key.as_str() {
        "password" if field.optional && field.sample.is_empty() => Some("hush-5f1c77".to_owned()),
        "keyword" | "allow_private" => None,
        _ if field.sample.is_empty() => Some("hush-5f1c77".to_owned()),
        _ => Some(field.sample.replace('…', "5f1c77")),
    }
}

#[test]
fn with_its_values_every_kind_passes_check_and_no_variable_is_needed() {
    for source in scaffold::platforms() {
        for channel in scaffold::channel_kinds() {
            // A source of APSDAI has one of two.
            let plan = without(plan(&[source], &[channel], SecretsIn::File, real), "password");
            let text = scaffold::write(&plan, Path::new(FILE)).unwrap();
            let examined = examine(&text, &BTreeMap::new());
            only_notes(&examined.problems);
            assert!(examined.starts && !text.contains("{ env") && !text.contains("change-me"), "{text}");
        }
    }
}

/// The plan without this value of its source.
fn without(mut plan: ScaffoldPlan, key: &str) -> ScaffoldPlan {
    plan.sources.iter_mut().filter_map(|wanted| wanted.values.as_mut()).for_each(|values| drop(values.remove(key)));
    plan
}

#[test]
fn whatever_is_given_stands_in_the_file_as_it_is() {
    for hostile in [
        "a\"b",
        "a  # b",
        "'''",
        "a\\u0041",
        "<NAME> <SECRET>",
        "a\u{202e}b\u{7f}",
        "a\nb = 1\n[x]",
        "{ env = \"HOME\" }",
    ] {
        let value = |field: &FormField| (field.form == FieldForm::Text).then(|| hostile.to_owned());
        let plan = plan(&["keeta", "apsdai"], &scaffold::channel_kinds(), SecretsIn::File, value);
        let text = scaffold::write(&plan, Path::new(FILE)).unwrap();
        let read: toml::Table = text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"));
        for (family, wanted) in [("source", &plan.sources), ("channel", &plan.channels)] {
            for one in wanted.iter() {
                for key in one.values.as_ref().unwrap().keys() {
                    let table = &read[family][one.kind];
                    let found = key.split('.').fold(table, |table, key| &table[key]);
                    assert_eq!(found.as_str(), Some(hostile), "{key} of {}: {text}", one.kind);
                }
            }
        }
    }
}

#[test]
fn with_secrets_in_variables_none_is_in_the_file_and_the_comments_name_the_variables() {
    let plan = plan(&["keeta", "apsdai"], &scaffold::channel_kinds(), SecretsIn::Variables, |field| {
        Some(if field.variable.is_some() { "hush-5f1c77".to_owned() } else { "plain".to_owned() })
    });
    let text = scaffold::write(&plan, Path::new(FILE)).unwrap();
    assert!(!text.contains("hush"), "{text}");
    for name in ["KEETA_APP_SECRET", "APSDAI_PASSWORD", "DINGTALK_WEBHOOK", "EMAIL_PASSWORD", "WEBHOOK_SECRET"] {
        assert!(text.contains(&format!("{{ env = \"{name}\" }}")), "{name}: {text}");
        assert!(text.contains(&format!("#         {name}='")), "{name}: {text}");
    }
}

#[test]
fn the_currency_is_the_one_of_the_time_zone_or_is_asked_for() {
    let of = |zone: &str, currency: Option<&str>| {
        let mut plan = crate::init::plan(&["keeta"], &["dingtalk"]);
        plan.timezone = zone.to_owned();
        plan.currency = currency.map(str::to_owned);
        scaffold::write(&plan, Path::new(FILE)).unwrap()
    };
    for (zone, currency) in [("Asia/Hong_Kong", "HKD"), ("Asia/Shanghai", "CNY"), ("Asia/Riyadh", "SAR")] {
        assert!(of(zone, None).contains(&format!("\ncurrency = \"{currency}\" ")), "{zone}");
    }
    assert!(of("Asia/Hong_Kong", Some("USD")).contains("\ncurrency = \"USD\" "));
    assert!(of("Antarctica/Troll", None).contains("\n# currency = \"…\""));
}
