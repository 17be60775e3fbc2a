//! The deliveries that wait, and what becomes of them: taken up, sent, held, parked, sent elsewhere.
//!
//! What a message is made of stands in [`pending`], what is said of one attempt in [`attempt`].

pub mod attempt;
pub mod pending;
pub mod settlement;

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::{DeliveryId, Kind};
use crate::domain::glob::Glob;
use crate::domain::quiet::Quiet;
use crate::store::StoreFuture;
use crate::store::queue::attempt::{Claim, Claimed, Fallback, PacingState, Settle, TestSend};
use crate::store::queue::pending::{DueBatch, ParkedRow, ParkedState, PausedState, PendingDelivery};

/// The way out.
///
/// # Errors
/// Each fails with [`StoreError::Unavailable`](crate::store::StoreError::Unavailable): then nothing was changed. After that of
/// [`Queue::claim`] the attempt must not be made; [`Queue::settle`] should be tried again, else the message may go out twice.
/// Both fail with [`StoreError::NotLeased`](crate::store::StoreError::NotLeased) where another instance has acquired the lease
/// since: then it is that one's to decide, and nothing is to be tried again. A claim does so, too, where the lease has ended.
pub trait Queue: Send + Sync {
    /// What waits for a channel and could go now: at most `limit` urgent and as many ordinary deliveries, the longest due
    /// first; of a paused channel the tests alone. With `in_order`, those of one order come one after another: none comes while an earlier one is being sent or waits
    /// for a later try.
    fn due_batch(&self, channel: &str, now: Timestamp, limit: usize, in_order: bool) -> StoreFuture<'_, DueBatch>;

    /// What waits of each of these orders for a channel and may share a message, the earliest first.
    fn of_orders(&self, channel: &str, order_keys: Vec<String>) -> StoreFuture<'_, BTreeMap<String, Vec<DeliveryId>>>;

    /// Everything that the messages of these deliveries are made from, and which of them only a newer version can read.
    fn load(
        &self,
        deliveries: Vec<DeliveryId>,
        now: Timestamp,
    ) -> StoreFuture<'_, (Vec<PendingDelivery>, Vec<DeliveryId>)>;

    /// What a delivery carries, the earliest first.
    fn carried(&self, leader: DeliveryId) -> StoreFuture<'_, Vec<DeliveryId>>;

    /// When the next delivery of a channel falls due.
    fn next_due(&self, channel: &str) -> StoreFuture<'_, Option<Timestamp>>;

    /// Changes when somebody has changed the store.
    fn version(&self) -> StoreFuture<'_, i64>;

    /// The channels for which deliveries wait, configured or not, and how many.
    fn waiting(&self) -> StoreFuture<'_, Vec<(String, u64)>>;

    /// Begins an attempt: what is about to be sent is on disk when this returns.
    fn claim(&self, claim: Claim) -> StoreFuture<'_, Claimed>;

    /// Ends an attempt.
    fn settle(&self, settle: Settle) -> StoreFuture<'_, ()>;

    /// Takes messages apart that were refused, so that they are composed anew.
    fn dissolve(&self, messages: Vec<DeliveryId>) -> StoreFuture<'_, ()>;

    /// Says of what waits for a channel which kinds are urgent: the configuration may have changed since they came.
    fn rank(&self, channel: &str, urgent: Vec<Glob>) -> StoreFuture<'_, ()>;

    /// Holds deliveries until the quiet hours of their channel end, at the moment that is given with them, but no message that
    /// carries something that passes them. Answers which those are.
    fn hold(&self, ids: Vec<DeliveryId>, quiet: (Quiet, Timestamp), now: Timestamp)
    -> StoreFuture<'_, Vec<DeliveryId>>;

    /// Lets go of what the quiet hours of a channel held by another setting. `quiet`: those in which it is now, and when they
    /// end.
    fn release_held(&self, channel: &str, quiet: Option<(Quiet, Timestamp)>, now: Timestamp) -> StoreFuture<'_, ()>;

    /// Cuts every wait of a channel, and of its credential, to the length that it had when it was set: the clock may have been
    /// put back. Answers how many deliveries that concerns.
    fn cut_waits(&self, channel: &str, credential: &str, now: Timestamp) -> StoreFuture<'_, usize>;

    /// The permits that are taken and the credentials that are rate-limited.
    fn taken_slots(&self) -> StoreFuture<'_, PacingState>;

    /// When each permit of a credential is free again that is taken `now`: one window of `per` after its attempt has ended,
    /// the first one first. Not known of those whose attempt is under way.
    fn slots_of(
        &self,
        credential: &str,
        per: SignedDuration,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Option<Timestamp>>>;

    /// Forgets the permits of these attempts.
    fn forget_slots(&self, attempts: Vec<i64>) -> StoreFuture<'_, ()>;

    /// Whether a channel's setting is wrong, as far as its receiver said.
    fn parked(&self, channel: &str) -> StoreFuture<'_, Option<ParkedState>>;

    /// Parks a channel that waits for a secret, or lets it go where it has all of them.
    fn note_readiness(&self, channel: &str, unready: Option<&str>, now: Timestamp) -> StoreFuture<'_, ()>;

    /// Tries a parked channel now: its setting has changed, or somebody asks for it.
    fn probe_now(&self, channel: &str, now: Timestamp) -> StoreFuture<'_, ()>;

    /// How a person has paused a channel, where it is.
    fn paused(&self, channel: &str) -> StoreFuture<'_, Option<PausedState>>;

    /// Pauses a channel for the person who is named: nothing is sent to it any more, but tests and what is under way. Answers
    /// how it was paused before; then nothing changes.
    fn pause(&self, channel: &str, by: &str, now: Timestamp) -> StoreFuture<'_, Option<PausedState>>;

    /// Resumes a channel that a person has paused. Answers how it was; `None`: it was not, and nothing changes.
    fn resume_paused(&self, channel: &str) -> StoreFuture<'_, Option<PausedState>>;

    /// Whether the fallback of a channel is to be asked for something that has waited since `before`; in `quiet` hours only
    /// for what passes them.
    fn wants_fallback(
        &self,
        channel: &str,
        before: Timestamp,
        now: Timestamp,
        quiet: Option<Quiet>,
    ) -> StoreFuture<'_, bool>;

    /// Asks the fallback for urgent deliveries that have waited since `before`, as also those of a paused channel do, or for all
    /// urgent ones while the channel is parked; in `quiet` hours only for what passes them; not more than one step's worth. Answers how many.
    fn fall_back(&self, to: Fallback, before: Timestamp, now: Timestamp, quiet: Option<Quiet>) -> StoreFuture<'_, u64>;

    /// Takes for accepted what the fallback of a channel has accepted.
    fn settle_fallback(&self, channel: &str, now: Timestamp) -> StoreFuture<'_, ()>;

    /// What the next digest of a channel catches up with, at most so many, the earliest first, with their kinds and orders.
    fn to_catch_up(&self, channel: &str, most: usize) -> StoreFuture<'_, Vec<(DeliveryId, Kind, Option<String>)>>;

    /// How a delivery that was made to try a channel fares; `None` when it is not there.
    fn test_send(&self, delivery: DeliveryId, credential: String) -> StoreFuture<'_, Option<TestSend>>;

    /// Takes back a delivery that was made to try a channel.
    fn take_back(&self, delivery: DeliveryId, now: Timestamp) -> StoreFuture<'_, ()>;

    /// How a channel is parked, before a command opens the store as the daemon does: that would have it probed soon.
    fn parking(&self, channel: &str) -> StoreFuture<'_, Option<ParkedRow>>;

    /// A test before the daemon runs neither parks a channel, whose setting is about to be mended, nor moves the next probe of
    /// a parked one. Where the test reopened it, it stays open.
    fn leave_parking(&self, channel: &str, before: Option<ParkedRow>) -> StoreFuture<'_, ()>;
}
