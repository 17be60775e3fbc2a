//! `/metrics`: the figures as Prometheus reads them, in its text format. Labels are names of the configuration and words of our
//! own, so their number is bounded.

use std::fmt::{Display, Write};
use std::sync::Arc;

use jiff::Timestamp;
use poem::web::Data;
use poem::{Response, handler};

use crate::domain::distribution::Frequencies;
use crate::domain::retry::Outcome;
use crate::flow::metrics::{DeliveryEnd, Metrics, MetricsSnapshot, ReportResult, WebhookResult};
use crate::flow::readiness::{Readiness, ReadinessReport, Waiting};
use crate::flow::routing::RoutingSnapshot;
use crate::flow::{Current, notice};

/// Media type of Prometheus' text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

type Label<'a> = (&'static str, &'a str);

#[handler]
pub async fn metrics(
    Data(readiness): Data<&Arc<Readiness>>,
    Data(metrics): Data<&Metrics>,
    Data(routing): Data<&Current<RoutingSnapshot>>,
) -> Response {
    let mut page = Exposition::default();
    state(&mut page, &readiness.report().await);
    counted(&mut page, &metrics.snapshot(&routing.get()));
    let (jobs, seconds) = readiness.commits();
    page.begin("orderbell_commit_jobs", "histogram", "Changes that one commit of the store took together.");
    page.histogram("orderbell_commit_jobs", &[], &jobs);
    page.begin("orderbell_commit_duration_seconds", "histogram", "How long a commit of the store took.");
    page.histogram("orderbell_commit_duration_seconds", &[], &seconds);
    Response::builder().content_type(CONTENT_TYPE).body(page.0)
}

/// How things stand now.
fn state(page: &mut Exposition, report: &ReadinessReport) {
    page.begin("orderbell_build_info", "gauge", "Which version runs; always 1.");
    page.sample("orderbell_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    page.begin("orderbell_ready", "gauge", "Whether webhooks can be recorded: 1 or 0.");
    page.sample("orderbell_ready", &[], u8::from(report.unready.is_none()));
    if let Ok(waiting) = &report.waiting {
        waiting_deliveries(page, waiting, report.at);
    }
}

fn waiting_deliveries(page: &mut Exposition, waiting: &Waiting, now: Timestamp) {
    page.begin("orderbell_waiting_deliveries", "gauge", "Deliveries that wait, held and parked ones included.");
    for channel in &waiting.channels {
        page.sample("orderbell_waiting_deliveries", &[("channel", &channel.channel)], channel.waiting);
    }
    page.begin("orderbell_oldest_waiting_seconds", "gauge", "Since when the oldest of them waits; 0 where none does.");
    for channel in &waiting.channels {
        let age = channel.since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
        page.sample("orderbell_oldest_waiting_seconds", &[("channel", &channel.channel)], age);
    }
    page.begin(
        "orderbell_channel_parked",
        "gauge",
        "Whether the channel is parked, so that its messages wait: 1 or 0.",
    );
    for channel in &waiting.channels {
        let is_parked = u8::from(channel.parked_since.is_some());
        page.sample("orderbell_channel_parked", &[("channel", &channel.channel)], is_parked);
    }
    page.begin("orderbell_incidents", "gauge", "What is wrong now, as the operator was notified of it.");
    for topic in notice::Topic::WATCHED.map(|topic| topic.as_str()) {
        let count = waiting.incidents.iter().filter(|incident| incident.topic == topic).count();
        page.sample("orderbell_incidents", &[("topic", topic)], count);
    }
}

/// What was counted since the start.
fn counted(page: &mut Exposition, figures: &MetricsSnapshot) {
    let results = WebhookResult::ALL.map(|(_, name)| name);
    page.counters(
        "orderbell_webhooks_total",
        "Webhooks, by what became of them.",
        "source",
        ("result", &results),
        &figures.webhooks,
    );
    let help = "From a request to the acknowledgement of its webhook.";
    page.begin("orderbell_acknowledgement_seconds", "histogram", help);
    page.histogram("orderbell_acknowledgement_seconds", &[], &figures.acknowledged);
    let help = "Tries of a message, or a part of one, by what the receiver said.";
    page.counters(
        "orderbell_delivery_attempts_total",
        help,
        "channel",
        ("outcome", &Outcome::NAMES),
        &figures.attempts,
    );
    let ends = DeliveryEnd::ALL.map(|(_, name)| name);
    let help = "Messages that were delivered or given up.";
    page.counters("orderbell_deliveries_total", help, "channel", ("result", &ends), &figures.deliveries);
    let help = "From a webhook to the delivery of its message.";
    page.begin("orderbell_webhook_to_delivered_seconds", "histogram", help);
    for (channel, frequencies) in &figures.delivered {
        page.histogram("orderbell_webhook_to_delivered_seconds", &[("channel", channel)], frequencies);
    }
    let results = ReportResult::ALL.map(|(_, name)| name);
    let help = "Reports that were due, by what became of them.";
    page.counters("orderbell_report_runs_total", help, "report", ("result", &results), &figures.reports);
}

/// A page in Prometheus' text format.
#[derive(Default)]
struct Exposition(String);

impl Exposition {
    /// Begins a metric: what follows are its samples.
    fn begin(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a text cannot fail.
        let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &[Label<'_>], value: impl Display) {
        self.0.push_str(name);
        for (place, (label, text)) in labels.iter().enumerate() {
            let opens = if place == 0 { '{' } else { ',' };
            let _ = write!(self.0, "{opens}{label}=\"{}\"", escaped(text));
        }
        let closes = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.0, "{closes} {value}");
    }

    fn histogram(&mut self, name: &str, labels: &[Label<'_>], frequencies: &Frequencies) {
        let bounds = frequencies.up_to.iter().map(|(bound, count)| (bound.to_string(), *count));
        for (bound, count) in bounds.chain([("+Inf".to_owned(), frequencies.count)]) {
            self.sample(&format!("{name}_bucket"), &[labels, &[("le", &bound)]].concat(), count);
        }
        self.sample(&format!("{name}_sum"), labels, frequencies.sum);
        self.sample(&format!("{name}_count"), labels, frequencies.count);
    }

    /// A counter by a name of the configuration and a word of a list.
    fn counters<const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        of: &'static str,
        (word, words): (&'static str, &[&str; N]),
        counted: &[(String, [u64; N])],
    ) {
        self.begin(name, "counter", help);
        for (owner, counts) in counted {
            for (text, count) in words.iter().zip(counts) {
                self.sample(name, &[(of, owner), (word, text)], count);
            }
        }
    }
}

/// The value of a label: names are plain, and stay so whatever becomes of them.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_written_as_the_format_has_them() {
        let mut page = Exposition::default();
        page.counters("n_total", "Help.", "source", ("result", &["a", "b"]), &[("x\"\\\n".to_owned(), [1, 2])]);
        page.histogram("h", &[("c", "d")], &Frequencies { up_to: vec![(0.5, 1)], count: 3, sum: 7.25 });
        let expected = "# HELP n_total Help.\n# TYPE n_total counter\n\
            n_total{source=\"x\\\"\\\\\\n\",result=\"a\"} 1\nn_total{source=\"x\\\"\\\\\\n\",result=\"b\"} 2\n\
            h_bucket{c=\"d\",le=\"0.5\"} 1\nh_bucket{c=\"d\",le=\"+Inf\"} 3\nh_sum{c=\"d\"} 7.25\nh_count{c=\"d\"} 3\n";
        assert_eq!(page.0, expected);
    }
}
