//! Who works on what, where several instances share one store: leases with fencing tokens, on the database's clock.
//!
//! A lease is the right of one instance, for a time, to work the channels of one credential, or to lead. Its end is a moment
//! on the database's clock; what an instance learns is how long it still runs, so no machine's calendar matters. Each time a
//! lease is acquired its number grows, and every claim and settle carries it ([`FencingToken`]): whoever comes back with an
//! older one is refused. A store that one daemon holds alone gives every lease at once, without a number and without an end.

use std::collections::BTreeSet;

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::store::StoreFuture;
use crate::store::fencing::FencingToken;
use crate::store::queue::attempt::PacingState;

/// Instances and their leases.
///
/// # Errors
/// Each fails with [`StoreError::Unavailable`](crate::store::StoreError::Unavailable): then nothing is known to have changed,
/// and a lease that was asked for may have been given all the same. Asking again is right in each case.
pub trait Leases: Send + Sync {
    /// Whether other instances may work on this store, too.
    fn is_shared(&self) -> bool;

    /// Says that an instance runs, and answers which do and who holds what, as of one moment.
    fn announce(&self, instance: Announcement) -> StoreFuture<'_, Roster>;

    /// Which instances run, and who holds what.
    fn roster(&self) -> StoreFuture<'_, Roster>;

    /// An instance ends: it is listed no more. What it holds runs on until it is released or has ended.
    fn withdraw(&self, instance: &str) -> StoreFuture<'_, ()>;

    /// Acquires leases, in one change for all of them, and takes up what an earlier holder left under way, at their channels and
    /// under these leases at others, as [`Leases::take_over`] does. Answers in the sequence of what is wanted; `None`: another instance has that one.
    fn acquire(
        &self,
        wanted: Vec<WantedLease>,
        instance: &str,
        now: Timestamp,
    ) -> StoreFuture<'_, Vec<Option<AcquiredLease>>>;

    /// Has leases run for so long from now on, also one that has ended and that nobody has acquired since. Answers in the
    /// sequence of the tokens; `None`: another instance has that one, or it was released.
    fn renew(&self, tokens: Vec<FencingToken>, lasts: Vec<SignedDuration>) -> StoreFuture<'_, Vec<Option<Grant>>>;

    /// Ends leases now, as far as they still are those of these tokens.
    fn release(&self, tokens: Vec<FencingToken>) -> StoreFuture<'_, ()>;

    /// Takes up what was left under way at channels that have joined since the lease was acquired, or where something was left
    /// since ([`Roster::left`]): an attempt that has no end may have arrived, so it ends as unknown and its delivery is due;
    /// channels that are parked are probed soon. An attempt that was begun under a lease that runs is left alone; the holder of
    /// one that has ended can neither end its attempt nor renew that lease from then on. Answers the pacing of the credential, or
    /// `None` where the lease has another holder by now.
    fn take_over(
        &self,
        token: FencingToken,
        channels: Vec<String>,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<PacingState>>;

    /// Waits until another instance, or a command, says that something was committed, and for which channels; empty: for
    /// some. It may be missed, so whoever waits for work looks by itself as well.
    fn woken(&self) -> BoxFuture<'_, Vec<String>>;
}

/// A lease to be acquired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedLease {
    pub lease: String,
    pub lasts: SignedDuration,
    /// At which it is taken up what was left under way.
    pub channels: Vec<String>,
}

/// A lease that was acquired, and the pacing of its credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AcquiredLease {
    pub grant: Grant,
    pub pacing: PacingState,
}

/// A lease that was acquired or renewed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub token: FencingToken,
    /// How long it runs from the moment at which the database gave it, which lies after the request; `None`: without end.
    pub lasts: Option<SignedDuration>,
}

/// What an instance says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// Another one at each start.
    pub id: String,
    /// By which people know it.
    pub name: String,
    pub version: String,
    /// Of its configuration, secrets included, which nobody can read out of it.
    pub fingerprint: String,
    /// The credentials that it could work.
    pub credentials: Vec<String>,
}

/// An instance that is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedInstance {
    pub announcement: Announcement,
    /// The number of the newest migration that it knows.
    pub schema: i64,
    /// How long ago it said first that it runs, and last.
    pub began_ago: SignedDuration,
    pub seen_ago: SignedDuration,
}

/// A lease that somebody holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldLease {
    pub token: FencingToken,
    /// The holder's id.
    pub instance: String,
    /// How long it still runs; `None`: without end.
    pub lasts: Option<SignedDuration>,
}

/// Instances and leases, as of one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roster {
    /// Those that were seen not long ago, by their ids.
    pub instances: Vec<ListedInstance>,
    /// Those that have not ended, by their names.
    pub leases: Vec<HeldLease>,
    /// The channels at which an attempt has no end, although the lease has ended under which it was begun.
    pub left: BTreeSet<String>,
}
