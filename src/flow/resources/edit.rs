//! Changing: deliveries once more or cancelled, one or many; a channel tried, paused, resumed.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::event::DeliveryId;
use crate::flow::changes;
use crate::flow::resources::change::{ChangeOutcome, CountedDeliveries, DeliveryCount, ManyOutcome};
use crate::flow::resources::channel::{PauseOutcome, TestOutcome};
use crate::flow::resources::delivery::DeliveryState;
use crate::flow::resources::query::DeliveryQuery;
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::test_send;
use crate::store::StoreError;
use crate::store::history::change::{ChangeRequest, ChangeResult, Meant, Obstacle};
use crate::store::history::list::DeliveryFilter;
use crate::store::queue::pending::UNREADY;

type Answer<T> = Result<T, ResourceError>;

/// So many are counted, and changed together.
const COUNTED: u32 = 5_000;
/// So many pages are read for that, where neither the dead nor those that wait are counted.
const PAGES: usize = 10;
const PAGE: u32 = 500;
/// So many are changed in one transaction, so that the daemon never waits for long: in PostgreSQL each delivery takes
/// several statements on the way there and back, under the lock that all writing takes.
const LOT: usize = 25;
/// So many bytes of a hash stand for the deliveries that were counted.
const TOKEN: usize = 16;

/// Those that a filter matches.
struct Matching {
    ids: Vec<DeliveryId>,
    /// Whether that is all of them.
    is_complete: bool,
}

impl Matching {
    /// Stands for these deliveries and no others.
    fn token(&self) -> String {
        let mut ids = self.ids.clone();
        ids.sort_unstable();
        let hash = ids.iter().fold(Sha256::new(), |hash, id| hash.chain_update(id.0.as_bytes())).finalize();
        hex::encode(&hash[..TOKEN])
    }
}

impl Resources {
    /// Sends a delivery once more, composed anew, unless that was asked for since it was in this round.
    pub async fn redeliver(&self, id: Uuid, round: u32) -> Answer<ChangeOutcome> {
        let changed = self.redelivered(id, round).await?;
        Ok(ChangeOutcome::of(id, ChangeRequest::Redeliver, &changed, &self.config()))
    }

    pub(super) async fn redelivered(&self, id: Uuid, round: u32) -> Answer<ChangeResult> {
        let changed = self.store.redeliver_once(DeliveryId(id), round, self.clock.now()).await?;
        let changed = changed.ok_or_else(|| ResourceError::Missing("such delivery".to_owned()))?;
        if let Err(Obstacle::LaterRound(_)) = changed.result {
            return Err(ResourceError::Conflict(changes::words(ChangeRequest::Redeliver, &changed, &self.config())));
        }
        self.wake(changed.delivery.iter().map(|named| named.channel.clone()));
        Ok(changed)
    }

    /// Cancels a delivery.
    pub async fn cancel(&self, id: Uuid) -> Answer<ChangeOutcome> {
        let changed = self.cancelled(id).await?;
        Ok(ChangeOutcome::of(id, ChangeRequest::Cancel, &changed, &self.config()))
    }

    pub(super) async fn cancelled(&self, id: Uuid) -> Answer<ChangeResult> {
        let meant = [Meant::Delivery(DeliveryId(id))];
        let changed = self.store.make_changes(ChangeRequest::Cancel, &meant, self.clock.now()).await?;
        let changed = changed.into_iter().next().filter(|change| change.delivery.is_some());
        let changed = changed.ok_or_else(|| ResourceError::Missing("such delivery".to_owned()))?;
        self.wake(changed.delivery.iter().map(|named| named.channel.clone()));
        Ok(changed)
    }

    /// How many deliveries a filter matches.
    pub async fn count(&self, filter: DeliveryQuery) -> Answer<DeliveryCount> {
        let matching = self.matching(filter.into()).await?;
        let (count, token) = (matching.ids.len() as u64, matching.token());
        Ok(DeliveryCount { count, token, complete: matching.is_complete })
    }

    /// Sends dead deliveries once more that a filter matches, if they are those that were counted.
    pub async fn redeliver_many(&self, filter: DeliveryQuery, counted: CountedDeliveries) -> Answer<ManyOutcome> {
        let filter = DeliveryQuery { state: Some(DeliveryState::Dead), ..filter };
        let Matching { ids, is_complete } = self.counted(filter.into(), counted).await?;
        let mut changed = 0;
        for lot in ids.chunks(LOT) {
            changed += self.store.revive(lot, self.clock.now()).await?;
        }
        self.notifier.wake_all();
        Ok(ManyOutcome { matched: ids.len() as u64, changed, complete: is_complete })
    }

    /// Cancels deliveries that a filter matches, if they are those that were counted.
    pub async fn cancel_many(&self, filter: DeliveryQuery, counted: CountedDeliveries) -> Answer<ManyOutcome> {
        let Matching { ids, is_complete } = self.counted(filter.into(), counted).await?;
        let mut changed = 0;
        for lot in ids.chunks(LOT) {
            let meant: Vec<Meant> = lot.iter().map(|id| Meant::Delivery(*id)).collect();
            let made = self.store.make_changes(ChangeRequest::Cancel, &meant, self.clock.now()).await?;
            changed += made.iter().filter(|change| change.result.is_ok()).count() as u64;
        }
        self.notifier.wake_all();
        Ok(ManyOutcome { matched: ids.len() as u64, changed, complete: is_complete })
    }

    async fn counted(
        &self,
        filter: DeliveryFilter,
        CountedDeliveries { count, token }: CountedDeliveries,
    ) -> Answer<Matching> {
        let matching = self.matching(filter).await?;
        let now = matching.ids.len() as u64;
        if now != count {
            let text = format!("{count} deliveries were expected, and there are {now}; nothing was changed");
            return Err(ResourceError::Conflict(text));
        }
        if matching.token() != token {
            let text =
                format!("there are {now} deliveries, but not the same ones that were counted; nothing was changed");
            return Err(ResourceError::Conflict(text));
        }
        Ok(matching)
    }

    async fn matching(&self, filter: DeliveryFilter) -> Answer<Matching> {
        let (mut ids, more) = match self.store.first_held(filter.clone(), COUNTED + 1).await? {
            Some(ids) => (ids, None),
            None => self.newest(filter).await?,
        };
        let is_complete = more.is_none() && ids.len() <= COUNTED as usize;
        ids.truncate(COUNTED as usize);
        Ok(Matching { ids, is_complete })
    }

    /// The newest that a filter matches, and before which one there may be more.
    async fn newest(&self, filter: DeliveryFilter) -> Answer<(Vec<DeliveryId>, Option<DeliveryId>)> {
        let (mut ids, mut before) = (Vec::new(), None);
        for _ in 0..PAGES {
            let page = self.store.deliveries_page(filter.clone(), before, PAGE).await?;
            ids.extend(page.rows.iter().map(|row| row.id));
            before = page.next;
            if before.is_none() || ids.len() >= COUNTED as usize {
                break;
            }
        }
        Ok((ids, before))
    }

    /// Sends a test message to a channel, on the way of real messages, and answers how its first try ended. One at a time.
    pub async fn test_channel(&self, name: &str) -> Answer<TestOutcome> {
        let config = self.config();
        let channel = config.channels.get(name).ok_or_else(missing_channel)?;
        let (channel_name, kind) = (name, channel.kind);
        let Some(sending) = &channel.sending else { return Err(unready(name, "its secrets cannot be read")) };
        let turn = self
            .testing
            .take(name)
            .ok_or_else(|| ResourceError::UnderWay(format!("a test of \"{name}\" is under way")))?;
        if let Some(parked) = self.store.parked(name).await?
            && let Some(reason) = parked.reason.strip_prefix(UNREADY)
        {
            return Err(unready(name, reason));
        }
        let (this, name, sending) = (self.clone(), name.to_owned(), sending.clone());
        // It is taken back at its end, also where nobody waits for that any more.
        let sent = tokio::spawn(async move {
            let _turn = turn;
            let daemon = (&this.clock, &this.notifier);
            test_send::through_worker(&*this.store, &name, &sending.credential, sending.longest, daemon).await
        });
        let ended = sent.await.map_err(|_| StoreError::Unavailable("the daemon is stopping".to_owned()))??;
        Ok(TestOutcome::of(channel_name, kind, &ended))
    }

    /// Tries a parked channel now: its oldest waiting message goes out, and all others when that one is accepted.
    pub async fn probe_channel(&self, name: &str) -> Answer<()> {
        if !self.config().channels.contains_key(name) {
            return Err(missing_channel());
        }
        self.store.probe_now(name, self.clock.now()).await?;
        self.wake(std::iter::once(name.to_owned()));
        Ok(())
    }

    /// Pauses a channel: nothing is sent to it any more, but tests, until it is resumed.
    pub async fn pause_channel(&self, name: &str, by: &str) -> Answer<PauseOutcome> {
        if !self.config().channels.contains_key(name) {
            return Err(missing_channel());
        }
        let before = self.store.pause(name, by, self.clock.now()).await?;
        self.wake(std::iter::once(name.to_owned()));
        Ok(PauseOutcome { changed: before.is_none(), channel: self.channel(name).await? })
    }

    /// Resumes a channel that is paused: all that waits goes out.
    pub async fn resume_channel(&self, name: &str) -> Answer<PauseOutcome> {
        if !self.config().channels.contains_key(name) {
            return Err(missing_channel());
        }
        let before = self.store.resume_paused(name).await?;
        self.wake(std::iter::once(name.to_owned()));
        Ok(PauseOutcome { changed: before.is_some(), channel: self.channel(name).await? })
    }

    fn wake(&self, channels: impl Iterator<Item = String>) {
        self.notifier.wake(&channels.collect::<Vec<_>>());
    }
}

fn missing_channel() -> ResourceError {
    ResourceError::Missing("such channel in the configuration".to_owned())
}

fn unready(name: &str, reason: &str) -> ResourceError {
    ResourceError::Conflict(format!("nothing was sent to \"{name}\": {reason}"))
}
