//! Which of many equal log lines are written: one a second for each key, with the number of those left out, so that whoever
//! causes them cannot flood the log.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::pace::Elapsed;

/// At most one line of a key in this time.
const INTERVAL: Elapsed = Elapsed::from_secs(1);

/// When a line of each key was written last, and how many were left out since. Keys must be of a bounded number: never a
/// stranger's own text.
pub struct LogLimit<K>(Mutex<HashMap<K, Written>>);

struct Written {
    at: Elapsed,
    left_out: u64,
}

impl<K> Default for LogLimit<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Eq + Hash + Clone> LogLimit<K> {
    /// How many lines of this key were left out before this one, or `None` when this one is to be left out too.
    pub fn admit(&self, key: &K, now: Elapsed) -> Option<u64> {
        let mut keys = self.keys();
        match keys.get_mut(key) {
            Some(written) if now - written.at < INTERVAL => {
                written.left_out += 1;
                None
            }
            Some(written) => Some(std::mem::replace(written, Written { at: now, left_out: 0 }).left_out),
            None => {
                keys.insert(key.clone(), Written { at: now, left_out: 0 });
                Some(0)
            }
        }
    }

    /// The keys whose last lines were left out more than an interval ago, and how many: they are to be said now, because no
    /// further line may come.
    pub fn overdue(&self, now: Elapsed) -> Vec<(K, u64)> {
        let mut keys = self.keys();
        let overdue = keys.iter_mut().filter(|(_, written)| written.left_out > 0 && now - written.at >= INTERVAL);
        overdue
            .map(|(key, written)| (key.clone(), std::mem::replace(written, Written { at: now, left_out: 0 }).left_out))
            .collect()
    }

    fn keys(&self) -> MutexGuard<'_, HashMap<K, Written>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(seconds: f64) -> Elapsed {
        Elapsed::from_secs_f64(seconds)
    }

    #[test]
    fn many_lines_of_a_key_are_one_a_second_that_counts_the_others() {
        let limit = LogLimit::default();
        assert_eq!(limit.admit(&"refused", second(0.0)), Some(0));
        assert_eq!(limit.admit(&"refused", second(0.1)), None);
        assert_eq!(limit.admit(&"unknown", second(0.1)), Some(0), "another key has its own line");
        assert_eq!(limit.admit(&"refused", second(0.9)), None);
        assert_eq!(limit.admit(&"refused", second(1.0)), Some(2));
        assert_eq!(limit.admit(&"refused", second(7.0)), Some(0));
    }

    #[test]
    fn the_last_ones_of_a_flood_are_counted_when_it_is_over() {
        let limit = LogLimit::default();
        (0..20_000).for_each(|_| assert!(limit.admit(&"refused", second(0.5)).is_none_or(|left_out| left_out == 0)));
        assert_eq!(limit.overdue(second(1.4)), []);
        assert_eq!(limit.overdue(second(1.5)), [("refused", 19_999)]);
        assert_eq!(limit.overdue(second(9.0)), []);
    }
}
