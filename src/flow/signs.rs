//! What the receiving side has heard, for the watch: the signs of life of each source, and the kinds that no route matched.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;

use jiff::SignedDuration;
use jiff::Timestamp;

use crate::domain::event::Kind;
use crate::store::Unheard;

/// A sign of life is written down so often; in memory it is exact.
const WRITE_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct Signs(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    signs: HashMap<String, Sign>,
    /// By kind; an event only until the operator knows.
    unrouted: BTreeMap<Kind, Option<Unheard>>,
}

#[derive(Clone, Copy, Debug)]
struct Sign {
    at: Timestamp,
    written: Timestamp,
}

impl Signs {
    /// Takes down that a source lives. Answers whether that should be written down, too.
    pub fn from(&self, source: &str, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let Some(sign) = inner.signs.get_mut(source) else {
            inner.signs.insert(source.to_owned(), Sign { at: now, written: now });
            return true;
        };
        sign.at = now;
        // A clock that was put back must not silence it until the old hour has come again.
        let due = now.duration_since(sign.written).abs() >= WRITE_EVERY;
        if due {
            sign.written = now;
        }
        due
    }

    /// When a source was heard of last since the daemon started.
    pub fn last(&self, source: &str) -> Option<Timestamp> {
        self.lock().signs.get(source).map(|sign| sign.at)
    }

    /// There is no source of this name any more. Should there be one again, it begins anew.
    pub fn gone(&self, source: &str) {
        self.lock().signs.remove(source);
    }

    /// Takes down that no route matched an event. Answers whether the operator may not know of this kind.
    pub fn unrouted(&self, unheard: Unheard) -> bool {
        let mut inner = self.lock();
        let is_new = !inner.unrouted.contains_key(&unheard.kind);
        if is_new {
            inner.unrouted.insert(unheard.kind.clone(), Some(unheard));
        }
        is_new
    }

    /// The first event of each kind that no route matched and of which the operator may not know.
    pub fn untold(&self) -> Vec<Unheard> {
        self.lock().unrouted.values().flatten().cloned().collect()
    }

    /// The operator knows of this kind.
    pub fn told(&self, kind: &Kind) {
        self.lock().unrouted.insert(kind.clone(), None);
    }

    /// What the operator knows of this kind is over.
    pub fn forget(&self, kind: &Kind) {
        self.lock().unrouted.remove(kind);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sign_of_life_is_written_once_a_minute_and_known_to_the_second() {
        let at = |second| Timestamp::from_second(1_790_000_000 + second).unwrap();
        let signs = Signs::default();
        let written: Vec<i64> = [0, 1, 59, 60, 61, 119, 120, 20, 21, 80]
            .into_iter()
            .filter(|second| {
                let write = signs.from("keeta", at(*second));
                assert_eq!(signs.last("keeta"), Some(at(*second)));
                write
            })
            .collect();
        assert_eq!(written, [0, 60, 120, 20, 80], "also after the clock was put back");
        assert!(signs.from("licences", at(81)) && signs.last("nobody").is_none());
    }
}
