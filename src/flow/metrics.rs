//! What is counted and measured while the daemon works, by names of the configuration alone: of a stranger's own words there is
//! nothing here. Counting allocates once for each name.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use jiff::SignedDuration;

use crate::domain::distribution::{Distribution, Frequencies};
use crate::domain::retry::{Answer, Outcome};
use crate::flow::routing::RoutingSnapshot;

/// Seconds from a request to its acknowledgement.
const ACKNOWLEDGED_WITHIN: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0];
/// Seconds from a webhook to the message that was delivered.
const DELIVERED_WITHIN: [f64; 10] = [0.1, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 21600.0];

/// What became of a webhook.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WebhookResult {
    Recorded,
    /// Of one that is known already.
    Duplicate,
    /// An empty packet, by which a platform asks whether somebody listens.
    Heartbeat,
    /// Not believed, or too large, or broken off.
    Refused,
    /// The platform is asked to send it again.
    NotStored,
}

impl WebhookResult {
    pub const ALL: [(WebhookResult, &'static str); 5] = [
        (WebhookResult::Recorded, "recorded"),
        (WebhookResult::Duplicate, "duplicate"),
        (WebhookResult::Heartbeat, "heartbeat"),
        (WebhookResult::Refused, "refused"),
        (WebhookResult::NotStored, "not_stored"),
    ];
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeliveryEnd {
    Delivered,
    Dead,
}

impl DeliveryEnd {
    pub const ALL: [(DeliveryEnd, &'static str); 2] =
        [(DeliveryEnd::Delivered, "delivered"), (DeliveryEnd::Dead, "dead")];
}

/// What became of a report that was due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportResult {
    Made,
    Failed,
}

impl ReportResult {
    pub const ALL: [(ReportResult, &'static str); 2] = [(ReportResult::Made, "made"), (ReportResult::Failed, "failed")];
}

/// Everything that is counted. Cloning shares it.
#[derive(Clone)]
pub struct Metrics(Arc<Figures>);

struct Figures {
    webhooks: Counts<5>,
    deliveries: Counts<2>,
    attempts: Counts<{ Outcome::NAMES.len() }>,
    reports: Counts<2>,
    acknowledged: Distribution,
    delivered: RwLock<BTreeMap<String, Arc<Distribution>>>,
}

/// Numbers by name and, within it, by place in a list.
type Counted<const N: usize> = Vec<(String, [u64; N])>;

/// Everything as it stands.
#[derive(Clone, Debug)]
pub struct MetricsSnapshot {
    /// By source and [`WebhookResult::ALL`].
    pub webhooks: Counted<5>,
    /// By channel and [`DeliveryEnd::ALL`].
    pub deliveries: Counted<2>,
    /// By channel and [`Outcome::NAMES`].
    pub attempts: Counted<{ Outcome::NAMES.len() }>,
    /// By report and [`ReportResult::ALL`].
    pub reports: Counted<2>,
    pub acknowledged: Frequencies,
    /// By channel.
    pub delivered: Vec<(String, Frequencies)>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self(Arc::new(Figures {
            webhooks: Counts::default(),
            deliveries: Counts::default(),
            attempts: Counts::default(),
            reports: Counts::default(),
            acknowledged: Distribution::new(&ACKNOWLEDGED_WITHIN),
            delivered: RwLock::default(),
        }))
    }
}

impl Metrics {
    /// A webhook of a source that is configured.
    pub fn webhook(&self, source: &str, result: WebhookResult) {
        self.0.webhooks.add(source, result as usize);
    }

    /// A webhook was acknowledged after so long.
    pub fn acknowledged(&self, after: SignedDuration) {
        self.0.acknowledged.observe(after.as_secs_f64());
    }

    /// A receiver answered, or did not.
    pub fn attempted(&self, channel: &str, answer: &Answer) {
        let name = answer.outcome.as_str();
        if let Some(place) = Outcome::NAMES.iter().position(|known| *known == name) {
            self.0.attempts.add(channel, place);
        }
    }

    /// A delivery has ended.
    pub fn ended(&self, channel: &str, end: DeliveryEnd) {
        self.0.deliveries.add(channel, end as usize);
    }

    /// The message about a webhook was delivered so long after it came.
    pub fn delivered(&self, channel: &str, after: SignedDuration) {
        let known = self.0.delivered.read().unwrap_or_else(PoisonError::into_inner).get(channel).cloned();
        let distribution = known.unwrap_or_else(|| {
            let mut all = self.0.delivered.write().unwrap_or_else(PoisonError::into_inner);
            all.entry(channel.to_owned()).or_insert_with(|| Arc::new(Distribution::new(&DELIVERED_WITHIN))).clone()
        });
        distribution.observe(after.as_secs_f64());
    }

    /// A report was due.
    pub fn report(&self, report: &str, result: ReportResult) {
        self.0.reports.add(report, result as usize);
    }

    /// Of every source, channel and report that is configured, and of no other.
    pub fn snapshot(&self, routing: &RoutingSnapshot) -> MetricsSnapshot {
        let Figures { webhooks, deliveries, attempts, reports, acknowledged, delivered } = &*self.0;
        let delivered = delivered.read().unwrap_or_else(PoisonError::into_inner);
        let none = Distribution::new(&DELIVERED_WITHIN);
        let of_channel = |name: &String| (name.clone(), delivered.get(name).map_or(&none, Arc::as_ref).frequencies());
        MetricsSnapshot {
            webhooks: webhooks.counted(routing.endpoints.keys()),
            deliveries: deliveries.counted(routing.channels.keys()),
            attempts: attempts.counted(routing.channels.keys()),
            reports: reports.counted(routing.reports.keys()),
            acknowledged: acknowledged.frequencies(),
            delivered: routing.channels.keys().map(of_channel).collect(),
        }
    }
}

/// Counters by name, several of each.
struct Counts<const N: usize>(RwLock<BTreeMap<String, [AtomicU64; N]>>);

impl<const N: usize> Default for Counts<N> {
    fn default() -> Self {
        Self(RwLock::default())
    }
}

impl<const N: usize> Counts<N> {
    fn add(&self, name: &str, place: usize) {
        if let Some(counts) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            counts[place].fetch_add(1, Ordering::Relaxed);
            return;
        }
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let counts = all.entry(name.to_owned()).or_insert_with(|| [const { AtomicU64::new(0) }; N]);
        counts[place].fetch_add(1, Ordering::Relaxed);
    }

    fn counted<'n>(&self, names: impl Iterator<Item = &'n String>) -> Counted<N> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let one = |counts: &[AtomicU64; N]| std::array::from_fn(|place| counts[place].load(Ordering::Relaxed));
        names.map(|name| (name.clone(), all.get(name).map_or([0; N], one))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_found_under_its_name_and_place() {
        let metrics = Metrics::default();
        for (result, name) in WebhookResult::ALL {
            let place = WebhookResult::ALL.iter().position(|(_, known)| *known == name).unwrap();
            assert_eq!(result as usize, place, "{name}");
            metrics.webhook("keeta", result);
        }
        metrics.clone().webhook("keeta", WebhookResult::Duplicate);
        metrics.webhook("gone", WebhookResult::Recorded);
        metrics.delivered("kitchen", SignedDuration::from_millis(700));
        let channels = ["kitchen", "idle"].map(|name| (name.to_owned(), Vec::new())).into();
        let routing = RoutingSnapshot { channels, ..RoutingSnapshot::default() };
        let seen = metrics.snapshot(&routing);
        assert_eq!(metrics.0.webhooks.counted([&"keeta".to_owned()].into_iter())[0].1, [1, 2, 1, 1, 1]);
        assert!(seen.webhooks.is_empty(), "what is not configured is not shown");
        assert_eq!(seen.deliveries, [("idle".to_owned(), [0, 0]), ("kitchen".to_owned(), [0, 0])]);
        assert_eq!(seen.delivered[1].1.up_to[1..3], [(0.5, 0), (1.0, 1)]);
        assert_eq!(seen.delivered[0].1.count, 0);
    }
}
