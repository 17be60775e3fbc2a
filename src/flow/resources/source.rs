//! Sources as programs see them.

use poem_openapi::Object;
use uuid::Uuid;

use crate::flow::resources::moment::Moment;
use crate::flow::routing::SourceEndpoint;
use crate::flow::why::meaning;
use crate::store::history::pages::SourceState;

/// The newest webhook that was believed.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct BelievedDetail {
    pub event: Uuid,
    pub kind: String,
    pub at: Moment,
    /// The name of the way of signing that fitted.
    pub recipe: Option<String>,
}

/// The newest webhook that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct RefusedDetail {
    pub at: Moment,
    pub reason: String,
    /// What that comes from, and what to change.
    pub cause: Option<String>,
    pub change: Option<String>,
}

/// What came of the webhooks of the last 24 hours. Of the events of all sources the newest 100000 are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Object)]
pub struct SignatureCounts {
    pub believed: u64,
    /// No signature fitted, and the source only observes.
    pub unproven: u64,
    pub refused: u64,
    /// Webhooks that came again.
    pub duplicates: u64,
}

/// A source of the configuration.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct SourceStatus {
    pub name: String,
    /// Such as `keeta`.
    pub platform: String,
    /// What is to be registered at the platform.
    pub address: String,
    /// Where the source only observes: what that means.
    pub observing: Option<String>,
    /// Why nothing of it can be believed: its secret cannot be read.
    pub closed: Option<String>,
    /// When anything at all came last, heartbeats included.
    pub active_at: Option<Moment>,
    pub last_believed: Option<BelievedDetail>,
    pub last_refused: Option<RefusedDetail>,
    pub signatures: SignatureCounts,
}

impl SourceStatus {
    pub fn of(name: &str, endpoint: &SourceEndpoint, state: SourceState) -> Self {
        let platform = endpoint.source.platform();
        let refused = state.refused.map(|(at, reason)| {
            let meaning = meaning::of_refusal(&reason);
            RefusedDetail {
                at: Moment(at),
                cause: meaning.map(|(cause, _)| cause.to_owned()),
                change: meaning.map(|(_, change)| change.to_owned()),
                reason,
            }
        });
        Self {
            name: name.to_owned(),
            platform: platform.name().to_owned(),
            address: endpoint.address.clone(),
            observing: platform.observes(&endpoint.address),
            closed: endpoint.closed.clone(),
            active_at: state.active_at.map(Moment),
            last_believed: state.believed.map(|believed| BelievedDetail {
                event: believed.event.0,
                kind: believed.kind,
                at: Moment(believed.at),
                recipe: believed.recipe,
            }),
            last_refused: refused,
            signatures: SignatureCounts {
                believed: state.counts.believed,
                unproven: state.counts.unproven,
                refused: state.counts.refused,
                duplicates: state.counts.duplicates,
            },
        }
    }
}

/// All sources of the configuration, by name.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct SourceList {
    pub items: Vec<SourceStatus>,
}
