//! What happens, as it happens: a stream that whoever reads it can take up where they left off.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::Stream;
use poem_openapi::{Enum, Object};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::sync::CancellationToken;

use crate::flow::resources::event::EventSummary;
use crate::flow::resources::{ResourceError, Resources, STREAMS};
use crate::store::StoreError;
use crate::store::history::pages::{EventFilter, ListedEvent};

/// How often a stream looks whether something has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// So many events are held for a reader.
const ROWS: u32 = 100;

/// What sort of thing happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum HappeningKind {
    /// An event was recorded.
    Event,
    /// Something changed: what was listed or shown before may be out of date.
    Changed,
}

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct Happening {
    pub kind: HappeningKind,
    /// The id by which a stream goes on behind it, as `Last-Event-ID`.
    pub id: Option<String>,
    pub event: Option<EventSummary>,
}

impl Happening {
    fn of(row: &ListedEvent) -> Self {
        let event = Some(EventSummary::from(row));
        Self { kind: HappeningKind::Event, id: Some(row.seq.to_string()), event }
    }

    fn changed() -> Self {
        Self { kind: HappeningKind::Changed, id: None, event: None }
    }
}

/// How far a stream has come.
struct Following {
    resources: Resources,
    /// The place of the last event that was read.
    seq: i64,
    /// That of the store when everything was read.
    version: Option<i64>,
    ready: VecDeque<Happening>,
    /// Cancelled when it is to end.
    end: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Resources {
    /// What happens from now on, or behind the event that was read last; until the stop, or until whoever reads may
    /// no longer.
    ///
    /// # Errors
    /// [`ResourceError::Senseless`] where that is no id of a stream; [`ResourceError::Busy`] where there are too many streams.
    pub async fn stream(
        &self,
        last: Option<&str>,
        end: CancellationToken,
    ) -> Result<impl Stream<Item = Happening> + use<>, ResourceError> {
        let senseless = || ResourceError::Senseless("Last-Event-ID is none of this stream; open it without".to_owned());
        let last = last.map(|last| last.parse::<i64>().map_err(|_| senseless())).transpose()?;
        let busy = |_| ResourceError::Busy(format!("there are {STREAMS} streams already"));
        let permit = self.streams.clone().try_acquire_owned().map_err(busy)?;
        let version = self.store.version().await?;
        let newest = self.store.events_page(EventFilter::default(), None, 1).await?;
        let newest = newest.rows.first().map_or(0, |row| row.seq);
        if last.is_some_and(|last| !(0..=newest).contains(&last)) {
            return Err(senseless());
        }
        let version = last.is_none().then_some(version);
        let (seq, ready) = (last.unwrap_or(newest), VecDeque::new());
        let following = Following { resources: self.clone(), seq, version, ready, end, _permit: permit };
        Ok(futures_util::stream::unfold(following, async |mut following| {
            let (stop, end) = (following.resources.stop.clone(), following.end.clone());
            let next = stop.run_until_cancelled(end.run_until_cancelled(following.next())).await??;
            Some((next, following))
        }))
    }
}

impl Following {
    async fn next(&mut self) -> Happening {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return ready;
            }
            match self.look().await {
                Ok(true) => {}
                // A store that cannot be read now is tried again.
                Ok(false) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Reads what is new. Answers whether anything is.
    async fn look(&mut self) -> Result<bool, StoreError> {
        let version = self.resources.store.version().await?;
        if self.version == Some(version) {
            return Ok(false);
        }
        let rows = self.resources.store.events_after(self.seq, ROWS).await?;
        self.seq = rows.last().map_or(self.seq, |row| row.seq);
        self.ready.extend(rows.iter().map(Happening::of));
        if rows.len() < ROWS as usize {
            self.version = Some(version);
            self.ready.push_back(Happening::changed());
        }
        Ok(true)
    }
}
