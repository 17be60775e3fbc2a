//! Who works on what, of a store that several instances share: the contract of the leases on PostgreSQL.

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::store::StoreFuture;
use crate::store::fencing::FencingToken;
use crate::store::leases::{AcquiredLease, Announcement, Grant, Leases, Roster, WantedLease};
use crate::store::postgres::{Postgres, leases};
use crate::store::queue::attempt::PacingState;
use crate::store::sql::database::Database;

impl Leases for Postgres {
    fn is_shared(&self) -> bool {
        true
    }

    fn announce(&self, instance: Announcement) -> StoreFuture<'_, Roster> {
        let schema = self.schema;
        Box::pin(self.jobs.note(move |connection| {
            leases::announce(connection, &instance, schema)?;
            leases::roster(connection)
        }))
    }

    fn roster(&self) -> StoreFuture<'_, Roster> {
        Box::pin(self.look(leases::roster))
    }

    fn withdraw(&self, instance: &str) -> StoreFuture<'_, ()> {
        let instance = instance.to_owned();
        Box::pin(self.jobs.note(move |connection| leases::withdraw(connection, &instance)))
    }

    fn acquire(
        &self,
        wanted: Vec<WantedLease>,
        instance: &str,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Option<AcquiredLease>>> {
        let instance = instance.to_owned();
        Box::pin(self.jobs.note(move |connection| leases::acquire(connection, &wanted, &instance, now)))
    }

    fn renew(&self, tokens: Vec<FencingToken>, lasts: Vec<SignedDuration>) -> StoreFuture<'_, Vec<Option<Grant>>> {
        Box::pin(self.jobs.note(move |connection| leases::renew(connection, &tokens, &lasts)))
    }

    fn release(&self, tokens: Vec<FencingToken>) -> StoreFuture<'_, ()> {
        Box::pin(self.jobs.note(move |connection| leases::release(connection, &tokens)))
    }

    fn take_over(
        &self,
        token: FencingToken,
        channels: Vec<String>,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<PacingState>> {
        Box::pin(self.jobs.note(move |connection| leases::take_over(connection, &token, &channels, now)))
    }

    fn woken(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(self.wake_ups.next())
    }
}
