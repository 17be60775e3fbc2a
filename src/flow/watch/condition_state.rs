//! What an incident is about, and how that stands.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::data::Notice;
use crate::flow::notice::Topic;
use crate::store::health::UnroutedEvent;

/// What an incident is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IncidentKey {
    pub topic: Topic,
    /// A source, a channel, a kind or a folder; empty where there is only one thing that it can be about.
    pub subject: String,
}

/// How something stands. What is not in the list at all is no longer configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionState {
    /// With what is to be said of it.
    Wrong(Box<IncidentDetail>),
    /// Not wrong enough to begin to speak of it, and not well enough to say that it is over; or nobody knows.
    Unclear,
    Fine,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IncidentDetail {
    pub since: Timestamp,
    pub notice: Notice,
    /// For what no route matched: the event with which it showed.
    pub example: Option<UnroutedEvent>,
}

pub type ConditionStates = BTreeMap<IncidentKey, ConditionState>;

/// Wrong since then.
pub fn wrong(since: Timestamp, notice: Notice) -> ConditionState {
    ConditionState::Wrong(Box::new(IncidentDetail { since, notice, example: None }))
}
