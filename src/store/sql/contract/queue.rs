//! The deliveries that wait, of every database.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::{DeliveryId, Kind};
use crate::domain::glob::Glob;
use crate::domain::quiet::Quiet;
use crate::store::StoreFuture;
use crate::store::queue::Queue;
use crate::store::queue::attempt::{Claim, Claimed, Fallback, PacingState, Settle, TestSend};
use crate::store::queue::pending::{DueBatch, ParkedRow, ParkedState, PausedState, PendingDelivery};
use crate::store::sql::database::Database;
use crate::store::sql::{catch_up, clock, deliver, due, fallback, pacing, parking, pausing, test_send};

impl<D: Database> Queue for D {
    fn due_batch(&self, channel: &str, now: Timestamp, limit: usize, in_order: bool) -> StoreFuture<'_, DueBatch> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| due::due_batch(connection, &channel, now, limit, in_order)))
    }

    fn of_orders(&self, channel: &str, order_keys: Vec<String>) -> StoreFuture<'_, BTreeMap<String, Vec<DeliveryId>>> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| due::of_orders(connection, &channel, &order_keys)))
    }

    fn load(
        &self,
        deliveries: Vec<DeliveryId>,
        now: Timestamp,
    ) -> StoreFuture<'_, (Vec<PendingDelivery>, Vec<DeliveryId>)> {
        Box::pin(self.look(move |connection| due::load(connection, &deliveries, now)))
    }

    fn carried(&self, leader: DeliveryId) -> StoreFuture<'_, Vec<DeliveryId>> {
        Box::pin(self.look(move |connection| due::carried(connection, leader)))
    }

    fn next_due(&self, channel: &str) -> StoreFuture<'_, Option<Timestamp>> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| due::next_due(connection, &channel)))
    }

    fn version(&self) -> StoreFuture<'_, i64> {
        Box::pin(Database::version(self))
    }

    fn waiting(&self) -> StoreFuture<'_, Vec<(String, u64)>> {
        Box::pin(self.look(due::waiting))
    }

    fn claim(&self, claim: Claim) -> StoreFuture<'_, Claimed> {
        Box::pin(Database::claim(self, claim))
    }

    fn settle(&self, settle: Settle) -> StoreFuture<'_, ()> {
        Box::pin(Database::settle(self, settle))
    }

    fn dissolve(&self, messages: Vec<DeliveryId>) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| catch_up::dissolve(connection, &messages)))
    }

    fn rank(&self, channel: &str, urgent: Vec<Glob>) -> StoreFuture<'_, ()> {
        let channel = channel.to_owned();
        Box::pin(self.change(move |connection| due::rank(connection, &channel, &urgent)))
    }

    fn hold(
        &self,
        ids: Vec<DeliveryId>,
        (quiet, until): (Quiet, Timestamp),
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<DeliveryId>> {
        Box::pin(self.change(move |connection| deliver::hold(connection, &ids, (&quiet, until), now)))
    }

    fn release_held(&self, channel: &str, quiet: Option<(Quiet, Timestamp)>, now: Timestamp) -> StoreFuture<'_, ()> {
        let channel = channel.to_owned();
        Box::pin(self.change(move |connection| {
            let quiet = quiet.as_ref().map(|(quiet, until)| (quiet, *until));
            deliver::release_held(connection, &channel, quiet, now)
        }))
    }

    fn cut_waits(&self, channel: &str, credential: &str, now: Timestamp) -> StoreFuture<'_, usize> {
        let (channel, credential) = (channel.to_owned(), credential.to_owned());
        Box::pin(self.change(move |connection| clock::cut(connection, &channel, &credential, now)))
    }

    fn taken_slots(&self) -> StoreFuture<'_, PacingState> {
        Box::pin(self.look(pacing::taken))
    }

    fn slots_of(
        &self,
        credential: &str,
        per: SignedDuration,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Option<Timestamp>>> {
        let credential = credential.to_owned();
        Box::pin(self.look(move |connection| pacing::slots_of(connection, &credential, per, now)))
    }

    fn forget_slots(&self, attempts: Vec<i64>) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| pacing::forget(connection, &attempts)))
    }

    fn parked(&self, channel: &str) -> StoreFuture<'_, Option<ParkedState>> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| due::parked(connection, &channel)))
    }

    fn note_readiness(&self, channel: &str, unready: Option<&str>, now: Timestamp) -> StoreFuture<'_, ()> {
        let (channel, unready) = (channel.to_owned(), unready.map(str::to_owned));
        Box::pin(self.change(move |connection| match &unready {
            Some(reason) => parking::park_unready(connection, &channel, reason, now),
            None => parking::ready(connection, &channel),
        }))
    }

    fn probe_now(&self, channel: &str, now: Timestamp) -> StoreFuture<'_, ()> {
        let channel = channel.to_owned();
        Box::pin(self.change(move |connection| parking::probe_now(connection, &channel, now)))
    }

    fn paused(&self, channel: &str) -> StoreFuture<'_, Option<PausedState>> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| pausing::paused(connection, &channel)))
    }

    fn pause(&self, channel: &str, by: &str, now: Timestamp) -> StoreFuture<'_, Option<PausedState>> {
        let (channel, by) = (channel.to_owned(), by.to_owned());
        Box::pin(self.change(move |connection| pausing::pause(connection, &channel, &by, now)))
    }

    fn resume_paused(&self, channel: &str) -> StoreFuture<'_, Option<PausedState>> {
        let channel = channel.to_owned();
        Box::pin(self.change(move |connection| pausing::resume(connection, &channel)))
    }

    fn wants_fallback(
        &self,
        channel: &str,
        before: Timestamp,
        now: Timestamp,
        quiet: Option<Quiet>,
    ) -> StoreFuture<'_, bool> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| fallback::is_wanted(connection, &channel, before, now, quiet.as_ref())))
    }

    fn fall_back(&self, to: Fallback, before: Timestamp, now: Timestamp, quiet: Option<Quiet>) -> StoreFuture<'_, u64> {
        Box::pin(self.change(move |connection| fallback::ask_for_waiting(connection, &to, before, now, quiet.as_ref())))
    }

    fn settle_fallback(&self, channel: &str, now: Timestamp) -> StoreFuture<'_, ()> {
        let channel = channel.to_owned();
        Box::pin(self.change(move |connection| fallback::settle_fallback(connection, &channel, now)))
    }

    fn to_catch_up(&self, channel: &str, most: usize) -> StoreFuture<'_, Vec<(DeliveryId, Kind, Option<String>)>> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| catch_up::waiting(connection, &channel, most)))
    }

    fn test_send(&self, delivery: DeliveryId, credential: String) -> StoreFuture<'_, Option<TestSend>> {
        Box::pin(self.look(move |connection| test_send::test_send(connection, delivery, &credential)))
    }

    fn take_back(&self, delivery: DeliveryId, now: Timestamp) -> StoreFuture<'_, ()> {
        Box::pin(self.change(move |connection| test_send::take_back(connection, delivery, now)))
    }

    fn parking(&self, channel: &str) -> StoreFuture<'_, Option<ParkedRow>> {
        let channel = channel.to_owned();
        Box::pin(self.look(move |connection| test_send::parking(connection, &channel)))
    }

    fn leave_parking(&self, channel: &str, before: Option<ParkedRow>) -> StoreFuture<'_, ()> {
        let channel = channel.to_owned();
        Box::pin(self.change(move |connection| test_send::leave_parking(connection, &channel, before.as_ref())))
    }
}
