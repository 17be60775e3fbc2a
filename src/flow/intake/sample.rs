//! A signed sample that this daemon has sent to itself: believed and parsed as any webhook is, and recorded as a test.

use jiff::Timestamp;

use crate::domain::data::SampleOrigin;
use crate::domain::event::{DedupeKey, Event, Kind, OWN_SOURCE, SignatureCheck};
use crate::domain::payload::Payload;
use crate::flow::ids;
use crate::flow::intake::Intake;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::samples::{ExpectedSample, SampleArrival};
use crate::platform::{ParsedWebhook, PlatformReply};
use crate::store::ingest::{Record, Recorded};

impl Intake {
    /// Records a sample. It is an event of our own: so neither what is counted of its source nor any order is touched, and
    /// nothing that the source sends is ever its duplicate. The routes see a test of that source.
    pub(super) async fn remember_sample(
        &self,
        routing: &RoutingSnapshot,
        webhook: ParsedWebhook,
        sample: ExpectedSample,
        now: Timestamp,
    ) -> PlatformReply {
        let id = ids::event();
        let recipe = match &webhook.signature {
            SignatureCheck::Valid(recipe) => Some(recipe.clone()),
            SignatureCheck::Invalid | SignatureCheck::Own => None,
        };
        let (targets, decisions) = routing.judge(&Kind::Test, &sample.source, None);
        let origin = SampleOrigin { source: sample.source.clone(), kind: webhook.kind.to_string() };
        let event = Event {
            id,
            kind: Kind::Test,
            source: OWN_SOURCE.to_owned(),
            occurred_at: webhook.occurred_at,
            received_at: now,
            shop: None,
            order: None,
            data: Payload::Sample(origin).into(),
            proof: webhook.signature,
        };
        let record = Record {
            event,
            body: webhook.body,
            dedupe_keys: vec![DedupeKey::Once(format!("sample:{id}"))],
            targets: targets.into_iter().map(|target| (target, ids::delivery())).collect(),
            urgent: routing.urgent(&Kind::Test),
            decisions,
        };
        match self.store.record(record).await {
            Ok(Recorded::New { channels, committed, .. }) => {
                tracing::info!(event = %id, source = sample.source, deliveries = channels.len(), "a signed sample was recorded as a test");
                match committed {
                    Some(committed) => self.notifier.deliver(&committed, self.clock.elapsed()),
                    None => self.notifier.wake(&channels),
                }
                // Whoever waits for it reads it once it is answered.
                let _ = sample.arrival.set(SampleArrival { event: id, recipe, channels });
                PlatformReply::Received
            }
            // Its key is its own.
            Ok(Recorded::Repeat { .. } | Recorded::Replay) => PlatformReply::Refused,
            Err(error) => {
                tracing::error!(source = sample.source, %error, "a signed sample could not be stored");
                PlatformReply::NotRemembered
            }
        }
    }
}
