//! What really happened: every delivery that is owed, and every message that was sent, with what the receiver made of it.

use std::collections::{BTreeMap, HashMap};

use orderbell::domain::event::{DeliveryId, Kind};
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::retry::Outcome;

/// A delivery that is owed.
#[derive(Clone, Debug)]
pub struct Owed {
    pub worker: usize,
    pub kind: Kind,
    pub marker: String,
    pub order: Option<String>,
    /// In the sequence of arrival.
    pub seq: usize,
    /// The delivery that it stands in for.
    pub instead_of: Option<DeliveryId>,
    /// The store says that it is accepted, and it was seen to be true.
    pub is_done: bool,
    pub is_cancelled: bool,
    pub is_redelivered: bool,
    /// The number of the first message that may carry it: a person wants it sent anew.
    pub since: usize,
    /// The messages that carried it, by their leaders and rounds, whether they arrived or not.
    pub covered_by: Vec<(DeliveryId, u32)>,
}

/// How a send ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum How {
    UnderWay,
    Answered(Outcome),
    /// The daemon was gone before the answer.
    Cut,
}

/// A part that was sent.
#[derive(Clone, Debug)]
pub struct Sent {
    pub worker: usize,
    pub leader: DeliveryId,
    pub round: u32,
    pub key: String,
    pub part: Part,
    pub how: How,
    pub is_accepted: bool,
    /// When it ended.
    pub ended_at: i64,
}

impl Sent {
    pub fn form(&self) -> PartForm {
        self.part.form
    }

    /// The sender knows that it was taken.
    pub fn is_known_to_be_taken(&self) -> bool {
        matches!(self.how, How::Answered(Outcome::Delivered | Outcome::Partial { .. }))
    }

    /// It may have been taken, for all that the sender knows.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self.how, How::Cut | How::Answered(Outcome::Unknown))
    }
}

#[derive(Default)]
pub struct Truth {
    pub owed: BTreeMap<DeliveryId, Owed>,
    pub sent: Vec<Sent>,
    by_key: HashMap<(usize, String), Vec<usize>>,
    by_leader: HashMap<DeliveryId, Vec<usize>>,
    /// Of each order, the newest event that a program has taken first.
    pub newest_taken: HashMap<(usize, String), usize>,
}

impl Truth {
    /// Notes a send; answers its number.
    pub fn send(&mut self, sent: Sent) -> usize {
        let number = self.sent.len();
        self.by_key.entry((sent.worker, sent.key.clone())).or_default().push(number);
        self.by_leader.entry(sent.leader).or_default().push(number);
        self.sent.push(sent);
        number
    }

    pub fn of_key(&self, worker: usize, key: &str) -> impl Iterator<Item = &Sent> {
        let numbers = self.by_key.get(&(worker, key.to_owned()));
        numbers.into_iter().flatten().map(|number| &self.sent[*number])
    }

    pub fn of_leader(&self, leader: DeliveryId) -> impl Iterator<Item = &Sent> {
        self.by_leader.get(&leader).into_iter().flatten().map(|number| &self.sent[*number])
    }

    /// Whether a message led by this delivery was taken that says what is owed.
    pub fn was_covered(&self, leader: DeliveryId, owed: &Owed) -> bool {
        let numbers = self.by_leader.get(&leader).into_iter().flatten().filter(|number| **number >= owed.since);
        let tells = |sent: &Sent| sent.is_accepted && sent.part.body.contains(&owed.marker);
        numbers.map(|number| &self.sent[*number]).any(tells)
    }
}
