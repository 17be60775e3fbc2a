//! Digests: several deliveries in one message, as each kind of channel reads them, and within its limits whatever they hold.

use std::sync::Arc;

use orderbell::channel::Channel;
use orderbell::domain::compose::Composed;
use orderbell::domain::digest::{DetailLevel, DigestEntry, DigestView, totals};
use orderbell::domain::event::Kind;
use orderbell::domain::message::{Attachments, Message, PartForm};
use orderbell::domain::money::Money;
use orderbell::domain::order::Order;
use orderbell::domain::template::Templates;
use orderbell::domain::template::digest::DigestNotes;
use proptest::prelude::*;

use crate::support::cases::cases;
use crate::support::snapshots::Snapshots;
use crate::words::samples::Sample;
use crate::words::{golden, hostile, samples};

/// So many copies of a sample, each with an order number of its own.
fn many(sample: &Sample, count: usize) -> Vec<Sample> {
    let numbered = |number: usize| {
        let mut sample = sample.clone();
        if let Some(order) = &mut sample.order {
            order.number = format!("7568235555{number:05}");
            order.short_number = Some(format!("{:04}", 1000 + number));
        }
        sample
    };
    (0..count).map(numbered).collect()
}

fn of_kind(kind: Kind) -> Sample {
    let is_full = |sample: &Sample| sample.event.kind == kind && sample.order.as_ref().is_some_and(is_received);
    samples::all().into_iter().find(is_full).unwrap_or_else(|| panic!("no sample of {kind}"))
}

fn is_received(order: &Order) -> bool {
    order.total.is_some() && !order.lines.is_empty()
}

fn composed(templates: &Templates, samples: &[Sample], detail: DetailLevel, language: &str, kind: &str) -> Composed {
    let timezone = samples::riyadh();
    let titles: Vec<String> =
        samples.iter().map(|sample| templates.compose(&sample.view(language, &timezone)).unwrap().title).collect();
    let entries: Vec<DigestEntry<'_>> = samples
        .iter()
        .zip(&titles)
        .map(|(sample, title)| DigestEntry {
            event: &sample.event,
            order: sample.order.as_ref(),
            title: DigestEntry::needs_title(&sample.event, sample.order.as_ref()).then_some(title.as_str()),
        })
        .collect();
    let view =
        DigestView { entries: &entries, detail, language, timezone: &timezone, channel: "kitchen", channel_kind: kind };
    templates.digest(&view).unwrap_or_else(|error| panic!("{error}"))
}

fn message(samples: &[Sample], composed: Composed) -> Message {
    let Composed { title, markdown, document } = composed;
    let event = Arc::new(samples.last().unwrap().event.clone());
    Message {
        delivery: samples::DELIVERY,
        round: 0,
        event,
        order: None,
        title,
        markdown,
        document,
        enclosed: Attachments::default(),
    }
}

/// What the golden files show: a rush of orders, and a mixed lot.
fn lots() -> Vec<(&'static str, Vec<Sample>, DetailLevel)> {
    let placed = of_kind(Kind::OrderPlaced);
    let mut mixed = many(&placed, 3);
    mixed.extend(many(&of_kind(Kind::OrderCancelled), 1));
    mixed.extend(samples::all().into_iter().filter(|sample| {
        matches!(sample.event.kind, Kind::StoreStatus | Kind::OrderRefund | Kind::StockLow | Kind::OperatorNotice)
    }));
    let is_changed = |sample: &Sample| sample.event.data.changed.is_some() && sample.event.kind == Kind::OrderPlaced;
    let mut changed = many(&placed, 2);
    changed.extend(samples::all().into_iter().filter(is_changed).take(2));
    let rush = many(&placed, 12);
    vec![
        ("rush.options", rush.clone(), DetailLevel::Options),
        ("rush.items", rush.clone(), DetailLevel::Items),
        ("rush.few", rush.clone(), DetailLevel::FewItems),
        ("rush.heads", rush, DetailLevel::Heads),
        ("mixed", mixed, DetailLevel::Options),
        ("changed.options", changed.clone(), DetailLevel::Options),
        ("changed.items", changed.clone(), DetailLevel::Items),
        ("changed.heads", changed, DetailLevel::Heads),
    ]
}

/// A mixed lot in one message.
pub fn mixed(templates: &Templates, language: &str) -> Composed {
    let (_, samples, detail) = lots().into_iter().find(|(name, ..)| *name == "mixed").expect("one of them");
    composed(templates, &samples, detail, language, "dingtalk")
}

#[test]
fn digests_read_as_agreed_in_every_language() {
    let templates = Templates::built_in().unwrap();
    let (dingtalk, wecom) = (golden::robot(""), golden::wecom(""));
    let channels: [(&str, &dyn Channel); 2] = [("dingtalk", &dingtalk), ("wecom", &wecom)];
    let mut snapshots = Snapshots::of("digest");
    for (name, samples, detail) in lots() {
        for (kind, channel) in channels {
            let in_language = golden::LANGUAGES.map(|language| {
                let message = message(&samples, composed(&templates, &samples, detail, language, kind));
                let parts = channel.write(&message, PartForm::Full);
                let shown: Vec<String> = parts.iter().map(|part| channel.shown(part)).collect();
                golden::in_language(language, &shown.join("\n\n=== and then\n\n"))
            });
            snapshots.assert(&format!("{name}.{kind}"), &in_language.concat());
        }
    }
    snapshots.end();
}

#[test]
fn amounts_are_never_added_across_currencies() {
    let priced = |minor: i64, currency: &str| {
        let mut sample = of_kind(Kind::OrderPlaced);
        sample.order.as_mut().unwrap().total = Some(Money::new(minor, currency));
        sample
    };
    let samples = [priced(4600, "HKD"), priced(1500, "SAR"), priced(400, "HKD"), priced(7, "JPY")];
    let entries: Vec<DigestEntry<'_>> =
        samples.iter().map(|one| DigestEntry { event: &one.event, order: one.order.as_ref(), title: None }).collect();
    let sums = [Money::new(5000, "HKD"), Money::new(7, "JPY"), Money::new(1500, "SAR")];
    assert_eq!(totals(&Kind::OrderPlaced, &entries), sums);
    assert_eq!(totals(&Kind::OrderCancelled, &entries), [], "what was cancelled was not sold");
    let composed = composed(&Templates::built_in().unwrap(), &samples, DetailLevel::Heads, "en", "dingtalk");
    assert!(composed.title.starts_with("4 new orders, HKD 50.00 + JPY 7 + SAR 15.00"), "{}", composed.title);
}

#[test]
fn a_fallback_and_what_is_carried_as_well_stand_around_the_message() {
    let templates = Templates::built_in().unwrap();
    let (sample, timezone) = (of_kind(Kind::OrderCancelled), samples::riyadh());
    let since = sample.event.received_at;
    let earlier = orderbell::domain::digest::MergedDelivery { kind: Kind::OrderPlaced, changed: false, at: since };
    let notes = DigestNotes { meanwhile: &[], unreached: &[("kitchen".to_owned(), since)], earlier: &[earlier] };
    for (language, before, behind) in [
        ("en", "**kitchen cannot be reached since ", "Earlier: New order ("),
        ("zh-CN", "**kitchen 自", "此前：新订单（"),
    ] {
        let view = sample.view(language, &timezone);
        let plain = templates.compose(&view).unwrap();
        let noted = templates.noted(&plain, &notes, language, &timezone, &view).unwrap();
        assert_eq!(noted.title, plain.title);
        assert!(noted.markdown.starts_with(before), "{}", noted.markdown);
        assert!(noted.markdown.lines().last().unwrap().starts_with(behind), "{}", noted.markdown);
    }
}

#[test]
fn a_fallback_reads_that_the_first_channel_does_not_know_and_that_one_reads_who_was_sent_it_meanwhile() {
    let templates = Templates::built_in().unwrap();
    let (sample, timezone) = (of_kind(Kind::OrderPlaced), samples::riyadh());
    let unreached = [("kitchen".to_owned(), sample.event.received_at)];
    let of_fallback = DigestNotes { meanwhile: &[], unreached: &unreached, earlier: &[] };
    let sent_to = ["owner".to_owned(), "boss".to_owned()];
    let of_first = DigestNotes { meanwhile: &sent_to, unreached: &[], earlier: &[] };
    for (language, does_not_know, meanwhile) in [
        ("en", "kitchen does not know of this.", "**Sent to owner, boss meanwhile.**"),
        ("zh-CN", "kitchen 还不知道这件事。", "**期间已发给 owner、boss。**"),
    ] {
        let view = sample.view(language, &timezone);
        let plain = templates.compose(&view).unwrap();
        let noted = |notes| templates.noted(&plain, notes, language, &timezone, &view).unwrap().markdown;
        assert!(noted(&of_fallback).lines().next().unwrap().ends_with(does_not_know), "{}", noted(&of_fallback));
        assert_eq!(noted(&of_first).lines().next(), Some(meanwhile));
    }
}

proptest! {
    #![proptest_config(cases(48))]

    /// Whatever buyers write, a digest is no markup of theirs, and each of its parts keeps the limit.
    #[test]
    fn a_digest_keeps_the_limits_whatever_it_holds(
        texts in prop::collection::vec(prop::sample::select(hostile::HOSTILE.to_vec()), 1..4),
        count in 1..120usize,
        detail in prop::sample::select(vec![DetailLevel::Options, DetailLevel::Items, DetailLevel::FewItems, DetailLevel::Heads]),
    ) {
        let sample = hostile::saying(&texts.join(" "), Kind::OrderPlaced);
        let samples = many(&sample, count);
        let templates = Templates::built_in().unwrap();
        for (channel, limit) in [(&golden::robot("") as &dyn Channel, 20_000), (&golden::wecom(""), 4096 + 512)] {
            let composed = composed(&templates, &samples, detail, "en", channel.kind());
            for part in channel.write(&message(&samples, composed), PartForm::Full) {
                let bytes = if channel.kind() == "dingtalk" { part.body.len() } else { channel.shown(&part).len() };
                prop_assert!(bytes <= limit, "{bytes} bytes");
            }
        }
    }
}
