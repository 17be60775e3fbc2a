//! A merchant's templates in a process of their own: they say what they say here, to the byte, and fail in the same words.

use crate::words::golden::LANGUAGES;
use crate::words::samples::Sample;
use crate::words::{hostile, samples};
use orderbell::domain::digest::{DetailLevel, DigestEntry, DigestView, MergedDelivery};
use orderbell::domain::event::Kind;
use orderbell::domain::figures::sample;
use orderbell::domain::language::folders::{Sources, built_in_folders, built_in_sources};
use orderbell::domain::payload::Payload;
use orderbell::domain::template::Templates;
use orderbell::domain::template::digest::DigestNotes;
use orderbell::domain::template::fault::{TemplateErrors, TemplateFault};
use orderbell::render;
use orderbell::render::{Isolation, Pool, PoolLimits};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn isolation() -> Isolation {
    Isolation::Process(PathBuf::from(env!("CARGO_BIN_EXE_orderbell")))
}

fn apart(overlay: &Sources) -> Templates {
    render::templates(overlay, &isolation()).expect("its words are right")
}

fn order_placed(source: &str) -> Sources {
    Sources::from([("en/order.placed.md".to_owned(), source.to_owned())])
}

/// Every sample there is, reports and what hostile buyers write included.
fn everything() -> Vec<Sample> {
    let mut samples = samples::all();
    samples.push(hostile::saying(&hostile::HOSTILE.join("\n"), Kind::OrderPlaced));
    for (name, sample) in sample::all("daily") {
        let data = Payload::Report(Box::new(sample.report())).into();
        let event = samples::event(Kind::Report("daily".to_owned()), data);
        samples.push(Sample { name: name.to_string(), event, order: None });
    }
    samples
}

#[test]
fn a_merchants_copy_of_every_template_says_the_same_to_the_byte() {
    let copied = apart(&built_in_sources(built_in_folders()));
    assert!(copied.are_apart());
    let built_in = Templates::built_in().expect("they parse");
    let (copied, strict) = (&copied, &copied.clone().strict());
    let timezone = samples::riyadh();
    let samples = everything();
    for language in LANGUAGES {
        for sample in &samples {
            let view = sample.view(language, &timezone);
            let expected = built_in.compose(&view).expect("it composes");
            for templates in [copied, strict] {
                assert_eq!(templates.compose(&view).as_ref(), Ok(&expected), "{language} {}", sample.name);
            }
        }
        let earlier =
            [MergedDelivery { kind: Kind::OrderAccepted, at: samples::at("2025-06-04T02:00:00Z"), changed: false }];
        let unreached = [("kitchen".to_owned(), samples::at("2025-06-03T22:00:00Z"))];
        let notes = DigestNotes { meanwhile: &["owner".to_owned()], unreached: &unreached, earlier: &earlier };
        let view = samples[0].view(language, &timezone);
        let noted = |templates: &Templates| {
            let composed = templates.compose(&view).expect("it composes");
            templates.noted(&composed, &notes, language, &timezone, &view)
        };
        assert_eq!(noted(copied), noted(&built_in), "{language}");
        let entry = |sample| {
            let Sample { event, order, .. }: &Sample = sample;
            DigestEntry { event, order: order.as_ref(), title: Some("A title * of * its own") }
        };
        let entries: Vec<DigestEntry<'_>> = samples.iter().map(entry).collect();
        for detail in [DetailLevel::Heads, DetailLevel::FewItems, DetailLevel::Items, DetailLevel::Options] {
            let (entries, timezone) = (&entries, &timezone);
            let view = DigestView { entries, detail, language, timezone, channel: "kitchen", channel_kind: "dingtalk" };
            assert_eq!(copied.digest(&view), built_in.digest(&view), "{language} {detail:?}");
        }
    }
}

#[test]
fn a_template_fails_apart_in_the_same_words_at_the_same_place() {
    for source in [
        "# x\n\n{{ order.totl }}",
        "{{ order }}",
        "{{ true }}",
        "{{ nothing.at.all }}",
        "{{ order.total | mony }}",
        "{{ 1 | date }}",
        "{% include \"nowhere.md\" %}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{% for a in range(100000) %}{% for b in range(100000) %}{% endfor %}{% endfor %}",
        "{{ \"x\" * 300000 }}",
        "{% autoescape false %}{{ shop.name }}{% endautoescape %}",
        "# {{ order.number }} {% if data.reason %}x{% endif %}",
    ] {
        let overlay = order_placed(source);
        let here = Templates::with_overlay(&overlay).expect("it parses");
        let apart = apart(&overlay);
        let sample = samples::all().remove(0);
        let timezone = samples::riyadh();
        let view = sample.view("en", &timezone);
        assert_eq!(apart.compose(&view), here.compose(&view), "{source}");
        assert_eq!(apart.strict().compose(&view), here.strict().compose(&view), "strict: {source}");
    }
    for source in ["{% if %}", "{{ 1 | ", "{% endfor %}", "{{ ((((((1 }}", "{% for a in b %}"] {
        let mut overlay = order_placed(source);
        overlay.insert("zh-CN/test.md".to_owned(), "{% no such tag %}".to_owned());
        overlay.insert("zh-CN/words.toml".to_owned(), "a = 1".to_owned());
        let said = |result: Result<Templates, TemplateErrors>| result.err().expect("it does not parse").0;
        assert_eq!(said(render::parsed(&overlay, &isolation())), said(Templates::with_overlay(&overlay)), "{source}");
    }
}

#[test]
fn a_built_in_template_is_rendered_here_unless_it_brings_in_a_merchants_file() {
    let overlay = Sources::from([("en/_stock.md".to_owned(), "{% macro items(x) %}{% endmacro %}".to_owned())]);
    // Whoever is asked to render apart fails.
    let pool = Pool::new(PathBuf::from("/no/such/program"), overlay.clone(), PoolLimits::default());
    let templates = Templates::apart(&overlay, Arc::new(pool)).expect("its words are right");
    let fault = |kind: Kind| {
        let sample = samples::all().into_iter().find(|sample| sample.event.kind == kind).expect("a sample");
        templates.compose(&sample.view("en", &samples::riyadh())).err().map(|error| error.fault)
    };
    assert_eq!(fault(Kind::OrderPlaced), None);
    assert_eq!(fault(Kind::StockLow), Some(TemplateFault::Unavailable));
}

#[test]
fn no_process_is_there_before_a_template_is_needed_nor_when_none_was_for_a_while() {
    let overlay = order_placed("# Mine {{ order.number }}");
    let Isolation::Process(program) = isolation() else { panic!("a process") };
    let pool = Arc::new(Pool::new(
        program,
        overlay.clone(),
        PoolLimits { idle: Duration::from_millis(50), ..PoolLimits::default() },
    ));
    let templates = Templates::apart(&overlay, pool.clone()).expect("its words are right");
    assert_eq!(pool.processes(), 0);
    let sample = samples::all().remove(0);
    let title = || templates.compose(&sample.view("en", &samples::riyadh())).map(|composed| composed.title);
    let deadline = Instant::now() + Duration::from_secs(60);
    // And once more after it was ended.
    for _ in 0..2 {
        assert_eq!(title(), Ok("Mine 756823555555859".to_owned()));
        while pool.processes() > 0 {
            assert!(Instant::now() < deadline, "it is never ended");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_template_that_is_stopped_again_and_again_is_tried_no_more() {
    let overlay = order_placed("{{ ([1] * 100000000) | sort | length }}");
    let Isolation::Process(program) = isolation() else { panic!("a process") };
    let pool = Arc::new(Pool::new(program, overlay.clone(), PoolLimits { strikes: 2, ..PoolLimits::default() }));
    let templates = Templates::apart(&overlay, pool).expect("its words are right");
    let sample = samples::all().remove(0);
    let timezone = samples::riyadh();
    let errors: Vec<_> = (0..4).map(|_| templates.compose(&sample.view("en", &timezone)).unwrap_err()).collect();
    assert_eq!(errors[0].fault, TemplateFault::Exhausted);
    assert!(errors[0].message.contains("256 MiB of memory"), "{}", errors[0]);
    assert!(errors.windows(2).all(|pair| pair[0] == pair[1]), "{errors:?}");
}
