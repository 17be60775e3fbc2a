//! What the receiving side has noticed, for the watch: the signs of life of each source, whether signatures fit where that is
//! only observed, and the kinds that no route matched.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::Kind;
use crate::store::health::{UnfitSignatures, UnroutedEvent};

/// A sign of life is written down so often; in memory it is exact.
const WRITE_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// Cloning shares it.
#[derive(Clone, Debug, Default)]
pub struct SourceActivity(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    signs: HashMap<String, Sign>,
    /// By source.
    signatures: HashMap<String, Signatures>,
    /// By kind; an event only until the operator knows.
    unrouted: BTreeMap<Kind, Option<UnroutedEvent>>,
    /// When the daemon began, until the signatures are counted that did not fit before.
    uncounted_before: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug)]
struct Sign {
    at: Timestamp,
    written: Timestamp,
}

/// How the signatures of a source have turned out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signatures {
    /// How many that did not fit the operator was not notified of yet.
    pub unfit: u64,
    /// The first and the last of them.
    pub unfit_from: Timestamp,
    pub unfit_to: Timestamp,
    /// The newest one fits; no other case means that it does not: there may be none yet.
    pub fits: bool,
}

impl SourceActivity {
    /// Of a daemon that begins now, before it receives anything.
    pub fn since(now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Inner { uncounted_before: Some(now), ..Inner::default() })))
    }

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

    /// When the last webhook of a source came since the daemon started.
    pub fn last(&self, source: &str) -> Option<Timestamp> {
        self.lock().signs.get(source).map(|sign| sign.at)
    }

    /// There is no source of this name any more. Should there be one again, it begins anew.
    pub fn gone(&self, source: &str) {
        self.lock().signs.remove(source);
    }

    /// The newest signature of a source fits.
    pub fn fits(&self, source: &str) {
        let mut inner = self.lock();
        match inner.signatures.get_mut(source) {
            Some(signatures) => signatures.fits = true,
            None => {
                inner.signatures.insert(source.to_owned(), Signatures { fits: true, ..Signatures::default() });
            }
        }
    }

    /// The newest signature of a source does not fit, and it observes. Answers whether it is the first of which the operator is
    /// not notified yet.
    pub fn does_not_fit(&self, source: &str, now: Timestamp) -> bool {
        let mut inner = self.lock();
        let signatures = inner.signatures.entry(source.to_owned()).or_default();
        let from = if signatures.unfit == 0 { now } else { signatures.unfit_from };
        let unfit = signatures.unfit.saturating_add(1);
        *signatures = Signatures { unfit, unfit_from: from, unfit_to: now, fits: false };
        unfit == 1
    }

    /// When the daemon began, where what came before was not counted yet.
    pub fn uncounted_before(&self) -> Option<Timestamp> {
        self.lock().uncounted_before
    }

    /// So many came to each source before the daemon began, and the operator may not know of them. Counted once, however often
    /// the watch is started again.
    pub fn did_not_fit(&self, before: Vec<(String, UnfitSignatures)>) {
        let mut inner = self.lock();
        if inner.uncounted_before.take().is_none() {
            return;
        }
        for (source, before) in before {
            let signatures = inner.signatures.entry(source).or_default();
            if signatures.unfit == 0 {
                signatures.unfit_to = before.last;
            }
            signatures.unfit = signatures.unfit.saturating_add(before.count);
            signatures.unfit_from = before.first;
        }
    }

    /// How the signatures of a source have turned out since the daemon started.
    pub fn signatures(&self, source: &str) -> Signatures {
        self.lock().signatures.get(source).copied().unwrap_or_default()
    }

    /// The operator was notified of so many that did not fit.
    pub fn notified_of_unfit(&self, source: &str, count: u64) {
        if let Some(signatures) = self.lock().signatures.get_mut(source) {
            signatures.unfit = signatures.unfit.saturating_sub(count);
        }
    }

    /// Of any other source nobody wants to know how its signatures turn out.
    pub fn keep_signatures_of(&self, observes: impl Fn(&str) -> bool) {
        self.lock().signatures.retain(|source, _| observes(source));
    }

    /// Takes down that no route matched an event. Answers whether the operator may not know of this kind.
    pub fn unrouted(&self, unrouted: UnroutedEvent) -> bool {
        let mut inner = self.lock();
        let is_new = !inner.unrouted.contains_key(&unrouted.kind);
        if is_new {
            inner.unrouted.insert(unrouted.kind.clone(), Some(unrouted));
        }
        is_new
    }

    /// The first event of each kind that no route matched and of which the operator may not know.
    pub fn unnotified(&self) -> Vec<UnroutedEvent> {
        self.lock().unrouted.values().flatten().cloned().collect()
    }

    /// The operator knows of this kind.
    pub fn mark_notified(&self, kind: &Kind) {
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
        let signs = SourceActivity::default();
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
