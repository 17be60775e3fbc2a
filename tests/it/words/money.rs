//! Money as the reader's country writes it, in every message: where a language has a pattern for a currency, no message says
//! its code; every other amount has the code, and all have the decimals of their currency.

use std::collections::BTreeSet;

use orderbell::channel::Channel;
use orderbell::channel::webhook::WebhookChannel;
use orderbell::domain::figures::sample;
use orderbell::domain::language;
use orderbell::domain::language::folders::built_in_folders;
use orderbell::domain::message::PartForm;
use orderbell::domain::money::Money;
use orderbell::domain::template::Templates;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::words::channels::writers;
use crate::words::golden::{mailbox, message, texts};
use crate::words::reports::report_text;
use crate::words::samples;
use crate::words::samples::Sample;

/// Where amounts have a sign: language, currency, and what stands before the digits.
const SIGNS: [(&str, &str, &str); 2] = [("pt-BR", "BRL", "R$ "), ("zh-HK", "HKD", "HK$")];

/// The same in another currency of as many decimals.
fn in_currency<T: Serialize + DeserializeOwned>(of: &T, from: &str, to: &str) -> T {
    let text = serde_json::to_string(of).unwrap();
    serde_json::from_str(&text.replace(&format!("\"{from}\""), &format!("\"{to}\""))).unwrap()
}

fn paid_in(currency: &str) -> Vec<Sample> {
    let other = |sample: Sample| Sample {
        event: in_currency(&sample.event, "SAR", currency),
        order: in_currency(&sample.order, "SAR", currency),
        ..sample
    };
    samples::all().into_iter().map(other).collect()
}

/// What a language puts before the digits of each amount, as often as it stands in a text.
fn amounts(text: &str, before: &str) -> usize {
    let is_amount = |(at, _): &(usize, &str)| text[at + before.len()..].starts_with(|next: char| next.is_ascii_digit());
    text.match_indices(before).filter(is_amount).count()
}

#[test]
fn every_amount_of_every_message_is_written_as_the_readers_country_writes_it() {
    let templates = Templates::built_in().unwrap();
    let timezone = samples::riyadh();
    for (language, currency, before) in SIGNS {
        let mut seen = 0;
        for (sample, other) in paid_in(currency).into_iter().zip(samples::all()) {
            let composed = |sample: &Sample| templates.compose(&sample.view(language, &timezone)).unwrap();
            let (own, coded) = (composed(&sample), composed(&other));
            let own_amounts = amounts(&own.document.plain_text(), before);
            assert_eq!(own_amounts, amounts(&coded.document.plain_text(), "SAR "), "{language}, {}", sample.name);
            seen += own_amounts;
            let message = message(&sample, own);
            for writer in writers() {
                for part in writer.channel.write(&message, PartForm::Full) {
                    let shown = (writer.shown)(&part).plain_text();
                    let place = format!("{language}, {}, {}:\n{shown}", writer.name, sample.name);
                    assert!(!shown.contains(&format!("{currency} ")), "{place}");
                }
            }
        }
        assert!(seen > 50, "{language}: {seen}");
    }
}

#[test]
fn the_plain_form_and_the_report_write_amounts_like_the_messages() {
    let templates = Templates::built_in().unwrap();
    for (language, currency, before) in SIGNS {
        let plain = texts(&templates, language, "email").into_iter().find(|(name, ..)| name == "plain").unwrap().2;
        let order = in_currency(&plain.order, "SAR", currency);
        let plain = Sample { order, ..plain };
        let shown = orderbell::domain::compose::plain(&plain.view(language, &samples::riyadh())).markdown;
        assert!(amounts(&shown, before) == 1 && !shown.contains(currency), "{shown}");

        let sample = sample::day("daily");
        let report = in_currency(&sample.report(), "HKD", currency);
        let table = sample.table().replace("HKD", currency);
        let (text, table) = report_text(&mailbox(language), language, &report, &table);
        assert!(amounts(&text, before) > 5 && !text.contains(&format!("{currency} ")), "{text}");
        // Programs read the table.
        assert!(table.contains(currency) && !table.contains(before), "{table}");
    }
}

#[test]
fn programs_get_the_code_and_the_point_in_every_language() {
    let webhook: WebhookChannel = toml::from_str("url = \"https://erp.example.com/\"").unwrap();
    let templates = Templates::built_in().unwrap();
    for (language, currency, before) in SIGNS {
        let sample = paid_in(currency).into_iter().find(|sample| sample.name == "order.placed.full").unwrap();
        let composed = templates.compose(&sample.view(language, &samples::riyadh())).unwrap();
        let body = webhook.write(&message(&sample, composed), PartForm::Full).remove(0).body;
        let body: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(body["order"]["total"]["text"], format!("{currency} 46.00"));
        assert!(body["text"].as_str().unwrap().contains(before), "{body}");
    }
}

#[test]
fn an_amount_has_the_decimals_of_its_currency_and_its_code_where_there_is_no_sign() {
    let minor = 1_234_567;
    for (language, currency, expected) in [
        ("pt-BR", "BRL", "R$ 12.345,67"),
        ("pt-BR", "USD", "USD 12.345,67"),
        ("pt-BR", "KWD", "KWD 1.234,567"),
        ("pt-BR", "JPY", "JPY 1.234.567"),
        ("zh-HK", "HKD", "HK$12,345.67"),
        ("zh-HK", "USD", "USD 12,345.67"),
        ("zh-HK", "JPY", "JPY 1,234,567"),
        ("zh-CN", "HKD", "HKD 12,345.67"),
        ("zh-CN", "CNY", "CNY 12,345.67"),
        ("en", "HKD", "HKD 12,345.67"),
        ("en", "BRL", "BRL 12,345.67"),
        ("ar", "SAR", "SAR 12,345.67"),
        ("ar", "KWD", "KWD 1,234.567"),
        ("ar", "BHD", "BHD 1,234.567"),
        ("ar", "OMR", "OMR 1,234.567"),
        ("ar", "JPY", "JPY 1,234,567"),
    ] {
        let language = language::built_in(language).unwrap();
        assert_eq!(language.money(&Money::new(minor, currency)), expected);
        assert_eq!(language.money(&Money::new(-minor, currency)), format!("−{expected}"));
    }
}

#[test]
fn in_arabic_each_amount_stands_between_isolates() {
    let templates = Templates::built_in().unwrap();
    let timezone = samples::riyadh();
    let mut seen = 0;
    for sample in samples::all() {
        let composed = templates.compose(&sample.view("ar", &timezone)).unwrap();
        let text = format!("{}\n{}", composed.title, composed.document.plain_text());
        for (at, _) in text.match_indices("SAR ") {
            let end = text[at..].find(|next: char| next.is_control() || next == '\u{2069}').map(|end| at + end);
            let before = text[..at].trim_end_matches('−');
            let place = format!("{}: {text}", sample.name);
            assert!(
                before.ends_with('\u{2068}') && end.is_some_and(|end| text[end..].starts_with('\u{2069}')),
                "{place}"
            );
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
}

#[test]
fn every_pattern_of_a_language_is_for_a_currency_that_there_is() {
    let mut patterns = BTreeSet::new();
    for tag in built_in_folders() {
        let words = language::built_in(tag).unwrap();
        for code in words.keys().filter_map(|key| key.strip_prefix("currency.")) {
            assert!(iso_currency::Currency::from_code(code).is_some(), "{tag}: {code}");
            patterns.insert((tag.as_str(), code));
        }
    }
    assert_eq!(patterns.into_iter().collect::<Vec<_>>(), SIGNS.map(|(language, code, _)| (language, code)));
}
