//! How much of what nobody proved an observing source keeps: whoever knows its address could fill the disk with it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;

/// An observing source keeps so many bytes of unproven webhooks in an hour, some thousands of orders.
const BYTES: usize = 16 * 1024 * 1024;

/// Bytes of unproven webhooks that each observing source has kept in an hour, by hours since 1970.
#[derive(Debug, Default)]
pub struct HourlyBudget(Mutex<HashMap<String, (i64, usize)>>);

impl HourlyBudget {
    /// Whether another one of so many bytes is kept.
    pub fn admits(&self, source: &str, bytes: usize, now: Timestamp) -> bool {
        let hour = now.as_second().div_euclid(3600);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = kept.entry(source.to_owned()).or_insert((hour, 0));
        if kept.0 != hour {
            *kept = (hour, 0);
        }
        kept.1 = kept.1.saturating_add(bytes);
        kept.1 <= BYTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_keeps_so_many_bytes_in_an_hour_and_no_more() {
        let at = |minute: i64| Timestamp::from_second(1_790_002_800 + 60 * minute).unwrap();
        let allowance = HourlyBudget::default();
        let kept =
            |source: &str, minute: i64| (0..40).filter(|_| allowance.admits(source, 1024 * 1024, at(minute))).count();
        assert_eq!((kept("watch", 0), kept("watch", 59), kept("other", 59), kept("watch", 60)), (16, 0, 16, 16));
    }
}
