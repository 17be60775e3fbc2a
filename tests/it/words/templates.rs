//! Templates: which one serves, what the merchant's own files change, and what happens when one fails.

use orderbell::domain::compose::plain;
use orderbell::domain::event::Kind;
use orderbell::domain::language::folders::{Sources, built_in_folders};
use orderbell::domain::template::Templates;
use orderbell::domain::template::fault::TemplateFault;

use crate::words::samples;
use crate::words::samples::Sample;

fn overlay(files: &[(&str, &str)]) -> Sources {
    files.iter().map(|(path, source)| ((*path).to_owned(), (*source).to_owned())).collect()
}

fn placed() -> Sample {
    samples::all().remove(0)
}

fn title(templates: &Templates, language: &str) -> String {
    templates.compose(&placed().view(language, &samples::riyadh())).unwrap().title
}

/// What one template makes of the first sample.
fn made(source: &str) -> String {
    let templates = Templates::with_overlay(&overlay(&[("en/order.placed.md", source)])).unwrap();
    match templates.compose(&placed().view("en", &samples::riyadh())) {
        Ok(composed) => composed.markdown,
        Err(error) => error.to_string(),
    }
}

#[test]
fn every_template_asks_only_for_what_there_is() {
    let templates = Templates::built_in().unwrap().strict();
    for language in built_in_folders() {
        for sample in samples::all() {
            let composed = templates.compose(&sample.view(language, &samples::riyadh()));
            let composed = composed.unwrap_or_else(|error| panic!("{}: {error}", sample.name));
            assert!(!composed.title.is_empty());
            for wrong in ["None", "null", "\n\n\n", "{{", "· \n", "· ·", ":** \n"] {
                assert!(!composed.markdown.contains(wrong), "{wrong:?} in {}:\n{}", sample.name, composed.markdown);
            }
        }
    }
}

#[test]
fn the_most_specific_template_serves() {
    let mut files = vec![("en/order.placed.md", "# kind")];
    assert_eq!(title(&Templates::with_overlay(&overlay(&files)).unwrap(), "en"), "kind");
    files.push(("en/order.placed.dingtalk.md", "# channel kind"));
    assert_eq!(title(&Templates::with_overlay(&overlay(&files)).unwrap(), "en"), "channel kind");
    files.push(("en/order.placed.kitchen.md", "# channel"));
    assert_eq!(title(&Templates::with_overlay(&overlay(&files)).unwrap(), "en"), "channel");
    assert!(title(&Templates::with_overlay(&overlay(&files)).unwrap(), "zh-CN").starts_with("新订单"));
}

#[test]
fn a_template_of_new_orders_does_not_serve_for_one_that_changed() {
    let changed = samples::all().into_iter().find(|sample| sample.name == "order.placed.changed").unwrap();
    let title = |files: &[(&str, &str)], language: &str| {
        let templates = Templates::with_overlay(&overlay(files)).unwrap();
        templates.compose(&changed.view(language, &samples::riyadh())).unwrap().title
    };
    let mut files = vec![("en/order.placed.md", "# New"), ("fr/order.placed.kitchen.md", "# Nouvelle")];
    for language in ["en", "fr"] {
        assert!(title(&files, language).starts_with("Changed order #29332222 · SAR "), "{language}");
    }
    assert!(title(&files, "zh-CN").starts_with("订单有变 #29332222"));
    files.push(("fr/order.changed.md", "# Modifiée"));
    assert_eq!(title(&files, "fr"), "Modifiée");
    files.push(("fr/order.changed.kitchen.md", "# Modifiée, cuisine"));
    assert_eq!(title(&files, "fr"), "Modifiée, cuisine");
    // What nobody wrote a template for, and what stands in for one that fails, say it too.
    let plain = plain(&changed.view("en", &samples::riyadh()));
    assert!(plain.title.starts_with("Order changed #29332222"), "{}", plain.title);
    let received = plain.document.plain_text();
    assert!(
        received.contains("2 × Lemon tea → 3 × Lemon tea") && received.contains("(NO PEANUTS, allergy)"),
        "{received}"
    );
}

#[test]
fn a_language_falls_back_to_its_relatives_and_then_to_english() {
    let templates = Templates::built_in().unwrap();
    assert_eq!(templates.languages(), built_in_folders());
    assert!(title(&templates, "zh-SG").starts_with("新订单"));
    assert!(title(&templates, "fr").starts_with("New order"));
}

#[test]
fn a_new_language_is_a_folder() {
    let files = overlay(&[
        ("zh-SG/_order.md", "{% macro number() %}no. {{ order.short_number }}{% endmacro %}"),
        ("fr/order.placed.md", "# Nouvelle commande {{ order.total | money }}"),
        ("mail/layout.md", "{% no language %}"),
        ("README.md", "{% no template %}"),
        ("fr/words.toml", "[language]\nfallback = \"zh-CN\"\n[handover]\ndelivery = \"Livraison\"\n"),
    ]);
    let templates = Templates::with_overlay(&files).unwrap();
    let mut languages = [built_in_folders(), &["fr".to_owned(), "zh-SG".to_owned()]].concat();
    languages.sort();
    assert_eq!(templates.languages(), languages);
    assert_eq!(title(&templates, "fr"), "Nouvelle commande SAR 46,00");
    // What it lacks comes from the language that it names.
    assert_eq!(templates.word("fr", "handover.delivery"), Some("Livraison"));
    assert_eq!(templates.word("fr", "handover.pickup"), templates.word("zh-CN", "handover.pickup"));
}

#[test]
fn a_merchants_partial_and_words_take_precedence_in_built_in_templates() {
    let files = overlay(&[("en/words.toml", "[handover]\ndelivery = \"By bike\"\n")]);
    let templates = Templates::with_overlay(&files).unwrap();
    let composed = templates.compose(&placed().view("en", &samples::riyadh())).unwrap();
    assert!(composed.markdown.contains("## Expected 07:20 · By bike"));
    assert!(composed.markdown.contains("糖醋排骨"), "the other words and templates stay");
}

#[test]
fn every_template_that_does_not_parse_is_named_with_its_line() {
    let files = overlay(&[
        ("en/order.placed.md", "# fine\n\n{% if %}"),
        ("zh-CN/test.md", "{{ 1 | nothing"),
        ("en/words.toml", "[format]\ntime = 1\n"),
    ]);
    let errors = Templates::with_overlay(&files).err().unwrap();
    let found: Vec<_> = errors.0.iter().map(|error| (error.template.as_str(), error.line)).collect();
    assert_eq!(found, [("en/order.placed.md", Some(3)), ("en/words.toml", None), ("zh-CN/test.md", Some(1))]);
    assert!(errors.to_string().starts_with("templates/en/order.placed.md:3: "));
}

#[test]
fn a_failing_template_says_where_and_the_plain_form_stands_in() {
    let files = overlay(&[("en/order.placed.md", "# x\n\n{{ order.totl }}")]);
    let templates = Templates::with_overlay(&files).unwrap();
    let sample = placed();
    let timezone = samples::riyadh();
    let error = templates.compose(&sample.view("en", &timezone)).unwrap_err();
    assert_eq!((error.template.as_str(), error.line), ("en/order.placed.md", Some(3)));
    for language in ["en", "zh-CN", "zh-SG", "xx", ""] {
        let composed = plain(&sample.view(language, &timezone));
        assert!(composed.title.contains("29332222") && composed.markdown.contains("SAR 46.00"));
    }
    for kind in Kind::ALL.iter().cloned().chain([Kind::Report("daily".to_owned())]) {
        let event = samples::event(kind, Default::default());
        let sample = Sample { name: String::new(), event, order: None };
        assert!(!plain(&sample.view("zh-CN", &timezone)).title.is_empty());
    }
}

#[test]
fn a_template_cannot_run_or_write_for_ever() {
    assert!(made("{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}").contains("fuel"));
    let long = "x".repeat(4_000);
    for source in [
        format!("{{% for a in range(300) %}}{long}{{% endfor %}}"),
        // Made aside, and printed at once.
        format!("{{% set made %}}{{% for a in range(300) %}}{long}{{% endfor %}}{{% endset %}}{{{{ made }}}}"),
        format!("{{% macro made() %}}{{% for a in range(300) %}}{long}{{% endfor %}}{{% endmacro %}}{{{{ made() }}}}"),
        "{{ \"x\" * 90000000 }}".to_owned(),
        "{% set made = namespace(x=\"x\") %}{% for a in range(21) %}{% set made.x = made.x ~ made.x %}{% endfor %}{{ made.x }}".to_owned(),
        "{{ range(90000) | join(\"xxxxxxxxxxxx\") }}".to_owned(),
    ] {
        let error = made(&source);
        assert!(error.contains("256 KiB"), "{source}: {} bytes", error.len());
    }
    assert!(made("{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}").contains("recursion"));
    assert!(made("{% include \"order.placed.md\" %}").contains("recursion"));
}

#[test]
fn a_feast_of_five_hundred_lines_is_within_the_limits() {
    let mut sample = placed();
    if let Some(order) = &mut sample.order {
        order.lines = order.lines.iter().cycle().take(500).cloned().collect();
    }
    let composed = Templates::built_in().unwrap().compose(&sample.view("en", &samples::riyadh())).unwrap();
    assert_eq!(composed.markdown.matches("no peanuts").count(), 250);
}

#[test]
fn what_cannot_be_said_is_refused() {
    assert!(made("{{ true }}").contains("yes or no"));
    assert!(made("{{ order }}").contains("several parts"));
    assert!(made("{{ order.lines }}").contains("list"));
    assert!(made("{{ nothing }}").contains("undefined"));
    assert_eq!(made("{{ data.reason }}"), "");
    assert_eq!(made("{{ data.reason | word(\"by\") }}{{ data.expected_at | when }}|"), "07:20|");
    for unescaping in ["safe", "escape", "e", "tojson", "pprint"] {
        let files = overlay(&[("en/order.placed.md", format!("{{{{ shop.name | {unescaping} }}}}").as_str())]);
        assert!(Templates::with_overlay(&files).is_err() || made(&files["en/order.placed.md"]).contains("filter"));
    }
    assert!(made("{% autoescape false %}{{ shop.name }}{% endautoescape %}").contains("autoescape"));
}

#[test]
fn the_filters_write_as_documented() {
    for (source, expected) in [
        ("{{ order.total | money }}", "SAR 46.00"),
        ("{{ received_at | date }}, {{ received_at | time }}", "4 Jun 2025, 06:35"),
        ("{% set timezone = \"UTC\" %}{{ received_at | time }}", "03:35 UTC"),
        ("{% set timezone = \"Asia/Hong_Kong\" %}{{ received_at | time }}", "11:35"),
        ("{{ 1234567 | number }}", "1,234,567"),
        ("{{ \"+966501234567\" | mask }}", "•••4567"),
        ("{{ \"ab\" | mask }}", "•••"),
        ("{{ 1 | plural(\"item\") }}, {{ 2 | plural(\"item\") }}", "1 item, 2 items"),
        ("{{ {\"code\": 77, \"word\": none} | word(\"status\") }}", "(code 77)"),
        ("{{ 500001 | word(\"cancel_type\") }} {{ 5042 | word(\"cancel_type\") }}", "short of ingredients (code 5042)"),
        ("{{ -1234567 | number }} {{ {\"minor\": -1200, \"currency\": \"SAR\"} | money }}", "−1,234,567 −SAR 12.00"),
        ("{{ {\"code\": 4, \"word\": \"suspended\"} | word(\"status\") }}", "suspended"),
        ("{{ \"label.shop\" | t }} {{ \"x.y\" | t(default=\"z\") }}", "Shop z"),
        ("{{ \"plural.item.other\" | t(count=\"*7*\") }}", r"\*7\* items"),
        ("{{ 30 | duration }}, {{ 420 | duration }}, {{ 90000 | duration }}", "30 seconds, 7 minutes, 25 hours"),
        ("{{ channel }} {{ channel_kind }} {{ language }} {{ timezone }}", "kitchen dingtalk en Asia/Riyadh"),
    ] {
        assert_eq!(made(source), expected, "{source}");
    }
}

#[test]
fn a_filter_on_a_name_that_nothing_has_is_an_error_for_check_and_nothing_in_a_message() {
    for filter in [
        "money",
        "number",
        "mask",
        "plural(\"order\")",
        "date",
        "weekday",
        "bars",
        "time",
        "when",
        "duration",
        "word(\"by\")",
        "list_of",
    ] {
        let source = format!("# New order{{{{ order.totl | {filter} }}}}");
        let templates = Templates::with_overlay(&overlay(&[("en/order.placed.md", source.as_str())])).unwrap();
        assert_eq!(title(&templates, "en"), "New order", "{filter}");
        let error = templates.strict().compose(&placed().view("en", &samples::riyadh())).unwrap_err();
        assert_eq!(error.fault, TemplateFault::Undefined, "{filter}: {error}");
        assert!(error.message.contains("`order.totl`"), "{filter}: {error}");
    }
    let unknown_or_absent = "# New order{{ order.totl | default(none) | money }}{{ none | date }}";
    let templates = Templates::with_overlay(&overlay(&[("en/order.placed.md", unknown_or_absent)])).unwrap().strict();
    assert!(title(&templates, "en").starts_with("New order"));
}

#[test]
fn a_time_that_comes_twice_names_its_zone() {
    let source = "{% set timezone = \"America/New_York\" %}{{ \"2025-11-02T05:30:00Z\" | time }}, {{ \"2025-11-02T06:30:00Z\" | time }}";
    assert_eq!(made(source), "01:30 EDT, 01:30 EST");
}
