//! What waits for a channel, and everything that its message is made from.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::digest_group::Candidate;
use crate::domain::event::{DeliveryId, Event, Kind};
use crate::domain::message::{Part, PartForm};
use crate::domain::order::Order;
use crate::store::ingest::{Committed, NewDelivery};
use crate::store::queue::attempt::Purpose;

/// What waits for one channel and could go now.
#[derive(Clone, Debug, Default)]
pub struct DueBatch {
    /// Urgent ones first, then by when they fell due.
    pub candidates: Vec<Candidate>,
    /// The channel's setting is wrong, as far as its receiver said.
    pub parked: Option<ParkedState>,
    /// A person has paused the channel. Then the candidates are the tests alone.
    pub paused: Option<PausedState>,
    /// Their event or order was written by a version that knows more than this one. They stay where they are and hold up
    /// no other.
    pub unreadable: Vec<DeliveryId>,
    /// When the next one falls due that is not due now.
    pub next_due: Option<Timestamp>,
}

/// A channel whose setting is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedState {
    pub since: Timestamp,
    /// In our own words.
    pub reason: String,
    /// Messages that were tried since.
    pub probes: u32,
    pub next_probe_at: Timestamp,
}

/// A channel that a person has paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PausedState {
    pub since: Timestamp,
    /// Who did it, as people read it.
    pub by: String,
}

/// How the reason of a parked channel begins that waits for a secret: nothing is tried until it has one.
pub const UNREADY: &str = "nothing is sent without its secret: ";

/// A delivery whose time has come, with everything that its message is made from.
#[derive(Clone, Debug)]
pub struct PendingDelivery {
    pub id: DeliveryId,
    /// In the sequence of arrival.
    pub event_seq: i64,
    pub urgent: bool,
    pub event: Arc<Event>,
    /// The order as it stands now.
    pub order: Option<Arc<Order>>,
    pub order_key: Option<String>,
    pub attempts: u32,
    pub spent: u32,
    /// How often a person asked for it once more.
    pub round: u32,
    pub form: PartForm,
    /// The parts of this form that were composed before and are not delivered yet.
    pub parts: Vec<Part>,
    /// Which of the parts had the fewest attempts, the first of them: where each goes to a recipient of its own, that one is next.
    pub next_part: u16,
    /// Of a form that is to be composed because the one before was too long: the part that was refused.
    pub refused: Option<Part>,
    /// An earlier attempt ended without our learning its answer.
    pub maybe_accepted: bool,
    /// An earlier attempt was accepted: one recipient of several has the message.
    pub accepted: bool,
    /// The parts of which an attempt, hours ago, found the recipient's mailbox full.
    pub late: Vec<u16>,
    /// Of an order that changed: the earlier deliveries of it to this channel, sent or waiting.
    pub placed_before: Vec<DeliveryId>,
    /// For a fallback: the channels that could not be reached, the first one first.
    pub unreached: Vec<UnreachedChannel>,
    /// Of what the channel catches up with: the channels that were sent it meanwhile.
    pub meanwhile: Vec<String>,
    /// Of a report: its orders as CSV.
    pub table: Option<String>,
    /// About how many it has in memory.
    pub bytes: usize,
    /// Other channels may get the same event.
    pub is_for_several: bool,
}

/// What a delivery has in memory beside what it was read from, in bytes.
pub const ROW_BYTES: usize = 1024;

impl PendingDelivery {
    /// What was made a moment ago, and not tried.
    pub fn fresh(new: &NewDelivery, committed: &Committed) -> Self {
        let Committed { seq, event, order, bytes, deliveries } = committed;
        Self {
            id: new.id,
            event_seq: *seq,
            urgent: new.urgent,
            event: event.clone(),
            order: order.clone(),
            order_key: event.order.as_ref().map(|order| format!("{}/{}", event.source, order.number)),
            attempts: 0,
            spent: 0,
            round: 0,
            form: PartForm::Full,
            parts: Vec::new(),
            next_part: 0,
            refused: None,
            maybe_accepted: false,
            accepted: false,
            late: Vec::new(),
            placed_before: Vec::new(),
            unreached: Vec::new(),
            meanwhile: Vec::new(),
            table: None,
            bytes: ROW_BYTES + bytes,
            is_for_several: deliveries.len() > 1,
        }
    }

    pub fn purpose(&self) -> Purpose {
        if self.event.kind == Kind::Test { Purpose::Test } else { Purpose::Notify }
    }
}

/// A channel that could not be reached, so that another one is notified in its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreachedChannel {
    pub channel: String,
    pub since: Timestamp,
}

/// A parked channel with all that is noted of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRow {
    pub state: ParkedState,
    pub probed_at: Timestamp,
    /// How long it was to be until the next probe, when that was set.
    pub wait: SignedDuration,
}

/// How a form stands in the store.
pub fn form_text(form: PartForm) -> String {
    match form {
        PartForm::Full => "full".to_owned(),
        PartForm::Reduced => "reduced".to_owned(),
        PartForm::Halved(times) => format!("halved{times}"),
    }
}

/// Reads what [`form_text`] wrote; anything else is the full form.
pub fn form_of(text: &str) -> PartForm {
    match text {
        "reduced" => PartForm::Reduced,
        _ => text.strip_prefix("halved").and_then(|times| times.parse().ok()).map_or(PartForm::Full, PartForm::Halved),
    }
}
