//! Instances and leases on SQLite: one daemon holds the file, and with it every lease, without a number and without an end.

use futures_util::future;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::store::StoreFuture;
use crate::store::fencing::FencingToken;
use crate::store::leases::{AcquiredLease, Announcement, Grant, Leases, Roster, WantedLease};
use crate::store::queue::Queue;
use crate::store::queue::attempt::PacingState;
use crate::store::sqlite::Sqlite;

impl Leases for Sqlite {
    fn is_shared(&self) -> bool {
        false
    }

    fn announce(&self, _instance: Announcement) -> StoreFuture<'_, Roster> {
        self.roster()
    }

    fn roster(&self) -> StoreFuture<'_, Roster> {
        Box::pin(future::ready(Ok(Roster::default())))
    }

    fn withdraw(&self, _instance: &str) -> StoreFuture<'_, ()> {
        Box::pin(future::ready(Ok(())))
    }

    fn acquire(
        &self,
        wanted: Vec<WantedLease>,
        _instance: &str,
        _now: Timestamp,
    ) -> StoreFuture<'_, Vec<Option<AcquiredLease>>> {
        Box::pin(async move {
            let taken = self.taken_slots().await?;
            let acquired = |WantedLease { lease, .. }: WantedLease| {
                let pacing = pacing_of(&lease, taken.clone());
                Some(AcquiredLease { grant: unlimited(FencingToken { lease, number: 0 }), pacing })
            };
            Ok(wanted.into_iter().map(acquired).collect())
        })
    }

    fn renew(&self, tokens: Vec<FencingToken>, _lasts: Vec<SignedDuration>) -> StoreFuture<'_, Vec<Option<Grant>>> {
        Box::pin(future::ready(Ok(tokens.into_iter().map(|token| Some(unlimited(token))).collect())))
    }

    fn release(&self, _tokens: Vec<FencingToken>) -> StoreFuture<'_, ()> {
        Box::pin(future::ready(Ok(())))
    }

    /// Whatever was left under way was taken up when the file was opened.
    fn take_over(
        &self,
        token: FencingToken,
        _channels: Vec<String>,
        _now: Timestamp,
    ) -> StoreFuture<'_, Option<PacingState>> {
        Box::pin(async move { Ok(Some(pacing_of(&token.lease, self.taken_slots().await?))) })
    }

    fn woken(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(future::pending())
    }
}

fn pacing_of(lease: &str, mut taken: PacingState) -> PacingState {
    taken.slots.retain(|(credential, _)| *credential == lease);
    taken.closed.retain(|(credential, ..)| *credential == lease);
    taken
}

fn unlimited(token: FencingToken) -> Grant {
    Grant { token, lasts: None }
}
