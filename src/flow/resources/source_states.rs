//! What came of the webhooks of sources: counted once for all who ask within a short time.

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;

use crate::store::history::pages::SourceState;
use crate::store::{Store, StoreError};

/// So long what was counted is good for others who ask.
const FRESH: SignedDuration = SignedDuration::from_secs(2);
/// Of the signatures of a source, those of so long are counted.
const COUNTED_FOR: SignedDuration = SignedDuration::from_hours(24);

/// What was counted last.
#[derive(Default)]
pub struct SourceStates {
    /// Locked by the one who asks the store.
    known: Mutex<Option<KnownStates>>,
}

struct KnownStates {
    at: Timestamp,
    sources: Vec<String>,
    states: Vec<SourceState>,
}

impl SourceStates {
    /// The states of these sources, in their sequence. Of many who ask at once, one asks the store.
    ///
    /// # Errors
    /// As [`History::source_states`](crate::store::history::History::source_states).
    pub async fn get(
        &self,
        store: &dyn Store,
        sources: Vec<String>,
        now: Timestamp,
    ) -> Result<Vec<SourceState>, StoreError> {
        let mut known = self.known.lock().await;
        if let Some(known) = &*known
            && known.sources == sources
            && now.duration_since(known.at).abs() < FRESH
        {
            return Ok(known.states.clone());
        }
        let since = now.checked_sub(COUNTED_FOR).unwrap_or(Timestamp::MIN);
        let states = store.source_states(sources.clone(), since).await?;
        *known = Some(KnownStates { at: now, sources, states: states.clone() });
        Ok(states)
    }
}
