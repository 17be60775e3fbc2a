//! The story of a source: the webhooks of it that were refused, and when one was last believed.

use jiff::Timestamp;
use serde_json::json;

use crate::flow::why::meaning;
use crate::flow::why::setting::{Setting, count, span};
use crate::flow::why::timeline::{TimelineEntry, TimelineSection, facts};
use crate::store::history::found::SourceHistory;

pub fn of_source(source: &SourceHistory, setting: &Setting<'_>) -> TimelineSection {
    let shown = source.refused.len() as u64;
    let heading = match (shown, source.refusals) {
        (0, 0) => format!("Of {} no webhook was refused.", source.source),
        (0, all) => {
            format!("Of {}, {} were refused; none of them is shown.", source.source, count(all, "webhook", "webhooks"))
        }
        (shown, all) if shown == all => format!("Webhooks of {} that were refused", source.source),
        (shown, all) => format!("Webhooks of {} that were refused, {shown} of {all}", source.source),
    };
    TimelineSection {
        list: "sources",
        heading,
        facts: facts(json!({ "source": source.source, "refusals": source.refusals })),
        lines: refused(source),
        end: end(source, setting),
        ..TimelineSection::default()
    }
}

/// Each with what it means, unless the one before means the same.
fn refused(source: &SourceHistory) -> Vec<TimelineEntry> {
    let mut before = None;
    let line = |refused: &crate::store::ingest::RefusedWebhook| {
        let meaning = meaning::of_refusal(&refused.reason);
        let is_known = meaning.is_some() && meaning == before;
        before = meaning;
        let says = format!("{} ({} bytes).", sentence(&refused.reason), refused.bytes);
        let line = TimelineEntry::at(refused.at, says).in_list("refused");
        let line = line.with("reason", refused.reason.clone()).with("bytes", refused.bytes);
        match meaning {
            Some((cause, change)) => TimelineEntry { is_known, ..line.meaning(cause, change) },
            None => line,
        }
    };
    source.refused.iter().map(line).collect()
}

/// With a capital letter.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn end(source: &SourceHistory, setting: &Setting<'_>) -> Vec<TimelineEntry> {
    let ago = |at| span(setting.now.duration_since(at));
    let mut lines = Vec::new();
    lines.push(match (&source.believed, source.looked_at) {
        (Some(webhook), _) => TimelineEntry::says(format!(
            "The last one that was believed came on {}, {} ago: {}, event {}.",
            setting.time(webhook.at),
            ago(webhook.at),
            webhook.kind,
            webhook.event
        ))
        .with("event", webhook.event.to_string())
        .with("believed_at", webhook.at.to_string()),
        (None, Some(most)) => TimelineEntry::says(format!(
            "None was believed among the newest {most} webhooks of all sources; older ones were not looked at."
        )),
        (None, None) => TimelineEntry::says("None was ever believed, as far as the store goes back."),
    });
    for (number, webhook) in source.unproven.iter().enumerate() {
        let some = match &source.believed {
            None => "Some came",
            Some(believed) if believed.at > webhook.at => "Before it came some",
            Some(_) => "After it came some",
        };
        let which = match number {
            0 => format!(
                "{some} whose signature fits none of the ways that we know. They are kept and delivered to nobody; the last"
            ),
            _ => "Another of them came".to_owned(),
        };
        let says = format!("{which} on {}: {}, event {}.", setting.time(webhook.at), webhook.kind, webhook.event);
        lines.push(
            TimelineEntry::says(says)
                .with("event", webhook.event.to_string())
                .with("unproven_at", webhook.at.to_string()),
        );
    }
    // It is noted now and then, and each webhook is one too.
    let webhooks = source.believed.iter().chain(&source.unproven).map(|webhook| webhook.at);
    if let Some(at) = source.sign_of_life.map(|at| webhooks.fold(at, Timestamp::max)) {
        let says =
            format!("The last sign of life, heartbeats included, came on {}, {} ago.", setting.time(at), ago(at));
        lines.push(TimelineEntry::says(says).with("sign_of_life_at", at.to_string()));
    }
    if !setting.config.sources.contains(&source.source) {
        lines.push(TimelineEntry::says(format!("There is no source {} in the configuration any more.", source.source)));
    }
    lines.into_iter().map(|line| line.in_list("heard")).collect()
}
