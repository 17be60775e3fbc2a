//! Opening hours, as a platform tells them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::timestamp::milliseconds;

/// Opening hours, as the platform will use them from now on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hours {
    /// Days in the platform's order, Monday first; a day without spans is closed.
    pub week: Vec<Day>,
    pub special: Vec<SpecialDays>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// `mon` … `sun`.
    pub day: String,
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecialDays {
    #[serde(serialize_with = "milliseconds")]
    pub from: Timestamp,
    #[serde(serialize_with = "milliseconds")]
    pub to: Timestamp,
    pub spans: Vec<Span>,
}

/// `10:00` to `22:30`; the end may be `24:00`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: String,
    pub to: String,
}
