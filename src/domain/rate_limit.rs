//! How many messages a receiver takes within how long, as a provider or the configuration says.

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::duration;
use crate::domain::duration::DurationText;

/// So many messages within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// The window.
    #[serde(deserialize_with = "duration::deserialize")]
    #[schemars(with = "DurationText", example = &"1m")]
    pub per: SignedDuration,
    /// How many messages within it.
    #[schemars(range(min = 1), example = 18)]
    pub count: u32,
}

impl RateLimit {
    /// Kept for urgent messages: a third.
    pub fn reserve(self) -> u32 {
        self.count / 3
    }

    /// Whether so many permits, each with when it is free again, hold another message, and until when, where that is known.
    /// The first one to be free stands first.
    pub fn held(self, permits: &[Option<Timestamp>], is_urgent: bool) -> Option<Option<Timestamp>> {
        let kept = if is_urgent { 0 } else { self.reserve() as usize };
        let over = (permits.len() + kept + 1).checked_sub(self.count as usize).filter(|over| *over > 0)?;
        Some(permits.get(over - 1).copied().flatten())
    }

    /// The last permits are spread over the window, so that even in a flood something is delivered all the time.
    pub fn last(self) -> u32 {
        (self.count / 6).max(1)
    }

    /// Between two of the last permits.
    pub fn spread(self) -> SignedDuration {
        let gaps = i32::try_from(self.last()).unwrap_or(i32::MAX).saturating_add(1);
        self.per / gaps
    }
}
