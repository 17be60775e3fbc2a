//! Deliveries as programs see them: in lists, and one with everything that was sent and answered.

use poem_openapi::{Enum, Object};
use uuid::Uuid;

use crate::domain::event::Event;
use crate::domain::retry;
use crate::flow::resources::moment::Moment;
use crate::flow::why::meaning;
use crate::store::history::found::{AttemptHistory, DeliveryHistory, EventHistory, Other};
use crate::store::history::list::DeliveryRow;
use crate::store::history::pages::{SentMessage, SentPart};

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum DeliveryState {
    Waiting,
    Delivered,
    /// Delivered inside `digest`, or by a newer message of the same order.
    Merged,
    /// Given up.
    Dead,
    Cancelled,
}

impl DeliveryState {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delivered => "delivered",
            Self::Merged => "merged",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A delivery in a list; as a row of `orderbell deliveries --format json`.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct DeliverySummary {
    pub id: Uuid,
    pub event: Uuid,
    /// Of the event.
    pub kind: String,
    pub source: String,
    /// The number of the order that it is about.
    pub order: Option<String>,
    pub channel: String,
    /// `waiting`, `delivered`, `merged`, `dead` or `cancelled`.
    pub state: String,
    pub attempts: u32,
    pub created_at: Moment,
    /// When it is tried next, or was done.
    pub due_at: Moment,
    /// What came of the last attempt, without the receiver's words: those stand in the delivery's attempts.
    pub answer: Option<String>,
    /// The delivery whose message carries this one.
    pub digest: Option<Uuid>,
}

impl From<&DeliveryRow> for DeliverySummary {
    fn from(row: &DeliveryRow) -> Self {
        Self {
            id: row.id.0,
            event: row.event.0,
            kind: row.kind.clone(),
            source: row.source.clone(),
            order: row.order.clone(),
            channel: row.channel.clone(),
            state: row.state.clone(),
            attempts: row.attempts,
            created_at: Moment(row.created_at),
            due_at: Moment(row.due_at),
            answer: redacted(row.answer.as_deref()),
            digest: row.digest.map(|id| id.0),
        }
    }
}

impl DeliverySummary {
    pub fn of(event: &Event, delivery: &DeliveryHistory) -> Self {
        Self {
            id: delivery.id.0,
            event: event.id.0,
            kind: event.kind.to_string(),
            source: event.source.clone(),
            order: event.order.as_ref().map(|order| order.number.clone()),
            channel: delivery.channel.clone(),
            state: delivery.state.clone(),
            attempts: delivery.attempts,
            created_at: Moment(delivery.created_at),
            due_at: Moment(delivery.due_at),
            answer: redacted(delivery.answer.as_deref()),
            digest: delivery.carrier.as_ref().map(|carrier| carrier.id.0),
        }
    }
}

/// An answer without what the receiver said freely, which may be a buyer's data said back.
fn redacted(answer: Option<&str>) -> Option<String> {
    answer.map(retry::redacted).filter(|words| !words.is_empty()).map(str::to_owned)
}

/// A page of deliveries, the newest first.
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct DeliveryList {
    /// There may be none although `next` is there: then none was found among those that were looked at.
    pub items: Vec<DeliverySummary>,
    /// The cursor of the next page; absent at the end.
    pub next: Option<String>,
}

/// One try of one part.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct AttemptDetail {
    pub at: Moment,
    /// Absent while it is under way.
    pub ended_at: Option<Moment>,
    /// From 1.
    pub part: u32,
    pub form: String,
    pub outcome: Option<String>,
    /// What the receiver said.
    pub answer: Option<String>,
    /// What that means, and what to change.
    pub cause: Option<String>,
    pub change: Option<String>,
}

impl AttemptDetail {
    fn of(attempt: &AttemptHistory, kind: Option<&str>) -> Self {
        let (outcome, answer) = (attempt.outcome.as_deref(), attempt.answer.as_deref().unwrap_or_default());
        let meaning = outcome.and_then(|outcome| meaning::of_answer(kind, outcome, answer));
        Self {
            at: Moment(attempt.at),
            ended_at: attempt.ended_at.map(Moment),
            part: u32::from(attempt.part) + 1,
            form: attempt.form.clone(),
            outcome: attempt.outcome.clone(),
            answer: attempt.answer.as_deref().map(|answer| meaning::said(kind, answer)),
            cause: meaning.map(|(cause, _)| cause.to_owned()),
            change: meaning.map(|(_, change)| change.to_owned()),
        }
    }
}

/// A part of a message: its exact bytes.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct PartDetail {
    /// From 1.
    pub part: u32,
    pub form: String,
    /// It was accepted, or is given up.
    pub done: bool,
    pub body: String,
}

impl From<SentPart> for PartDetail {
    fn from(part: SentPart) -> Self {
        Self { part: u32::from(part.part) + 1, form: part.form, done: part.is_done, body: part.body }
    }
}

/// What happened to a delivery besides its attempts.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "DeliveryStep")]
pub struct StepDetail {
    pub at: Moment,
    pub step: String,
    pub detail: String,
}

/// Another delivery that has to do with one.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct RelatedDelivery {
    pub id: Uuid,
    pub event: Uuid,
    pub kind: String,
    pub order: Option<String>,
    pub channel: String,
    pub state: String,
}

impl From<&Other> for RelatedDelivery {
    fn from(other: &Other) -> Self {
        Self {
            id: other.id.0,
            event: other.event.0,
            kind: other.kind.clone(),
            order: other.order.clone(),
            channel: other.channel.clone(),
            state: other.state.clone(),
        }
    }
}

/// A delivery with what was sent and every attempt.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct DeliveryDetail {
    pub delivery: DeliverySummary,
    pub urgent: bool,
    /// How often a person asked for it once more; whoever asks for it again says it.
    pub round: u32,
    pub attempts: Vec<AttemptDetail>,
    pub steps: Vec<StepDetail>,
    /// What was sent, or is to be sent; nothing where it was not composed yet, or went out in another message.
    pub parts: Vec<PartDetail>,
    /// Others that its message carries.
    pub carries: Vec<RelatedDelivery>,
    /// The delivery whose message carries this one.
    pub carrier: Option<RelatedDelivery>,
    /// Of a fallback: what it stands in for.
    pub instead_of: Option<RelatedDelivery>,
    /// The fallbacks that stand in for it.
    pub stand_ins: Vec<RelatedDelivery>,
}

impl DeliveryDetail {
    /// Of the one delivery of an event's history; `kind` is that of its channel.
    pub fn of(history: &EventHistory, sent: SentMessage, kind: Option<&str>) -> Option<Self> {
        let delivery = history.deliveries.first()?;
        let related = |others: &[Other]| others.iter().map(RelatedDelivery::from).collect();
        let step = |step: &crate::store::history::found::StepTaken| StepDetail {
            at: Moment(step.at),
            step: step.step.clone(),
            detail: step.detail.clone(),
        };
        Some(Self {
            delivery: DeliverySummary::of(&history.event, delivery),
            urgent: delivery.is_urgent,
            round: sent.round,
            attempts: delivery.tries.iter().map(|attempt| AttemptDetail::of(attempt, kind)).collect(),
            steps: delivery.steps.iter().map(step).collect(),
            parts: sent.parts.into_iter().map(PartDetail::from).collect(),
            carries: related(&delivery.carried),
            carrier: delivery.carrier.as_ref().map(RelatedDelivery::from),
            instead_of: delivery.instead_of.as_ref().map(RelatedDelivery::from),
            stand_ins: related(&delivery.stand_ins),
        })
    }
}
