//! Leases in memory, on a clock that the test moves, for instances whose connection it can cut.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future;
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use orderbell::flow::Clock;
use orderbell::store::fencing::FencingToken;
use orderbell::store::leases::{
    AcquiredLease, Announcement, Grant, HeldLease, Leases, ListedInstance, Roster, WantedLease,
};
use orderbell::store::queue::attempt::PacingState;
use orderbell::store::sql::take_over;
use orderbell::store::sql::take_over::TakenCredential;
use orderbell::store::{StoreError, StoreFuture};
use rusqlite::Connection;

/// An instance that was not seen for so long is listed no more, as in the stores.
const LISTED: SignedDuration = SignedDuration::from_secs(15);

/// What all instances share.
pub struct LeaseTable {
    /// The database's clock.
    clock: Clock,
    /// The file in which what was left under way is taken up.
    path: PathBuf,
    rows: Mutex<Rows>,
}

#[derive(Default)]
struct Rows {
    leases: BTreeMap<String, Row>,
    instances: BTreeMap<String, (Announcement, SignedDuration)>,
    /// Who held each lease from when on, in the sequence in which they acquired them.
    holders: Vec<(String, String)>,
}

struct Row {
    owner: String,
    fence: i64,
    until: SignedDuration,
}

impl LeaseTable {
    pub fn new(clock: Clock, path: PathBuf) -> Arc<Self> {
        Arc::new(Self { clock, path, rows: Mutex::default() })
    }

    /// The connection of one instance.
    pub fn connect(self: &Arc<Self>) -> Arc<Connected> {
        let (is_cut, changes, releases_take) = Default::default();
        Arc::new(Connected { table: self.clone(), is_cut, changes, releases_take })
    }

    /// Who holds which lease now, by the lease.
    pub fn holders(&self) -> BTreeMap<String, String> {
        let now = self.clock.elapsed();
        let rows = self.rows.lock().unwrap();
        let held = rows.leases.iter().filter(|(_, row)| row.until > now);
        held.map(|(lease, row)| (lease.clone(), row.owner.clone())).collect()
    }

    /// How often a lease has got another holder.
    pub fn acquired(&self) -> usize {
        self.rows.lock().unwrap().holders.len()
    }

    fn connection(&self) -> Connection {
        let connection = Connection::open(&self.path).expect("the store opens");
        connection.busy_timeout(Duration::from_secs(5)).expect("it waits");
        connection
    }

    fn with_left(&self, mut roster: Roster) -> Roster {
        let running = roster.leases.iter().map(|held| held.token.lease.clone()).collect();
        roster.left = take_over::left_at(&self.connection(), &running).expect("it is read");
        roster
    }

    fn take_up(&self, taken: TakenCredential<'_>, running: &BTreeSet<String>, at: Timestamp) -> PacingState {
        let connection = self.connection();
        let left = take_over::left_under_way(&connection, &[taken], running).expect("it is read");
        let mut rows = self.rows.lock().unwrap();
        for lease in left.iter().filter_map(|attempt| attempt.lease.as_ref()).filter(|lease| *lease != taken.0) {
            let row = rows.leases.get_mut(lease).expect("it was acquired once");
            (row.owner, row.fence) = (String::new(), row.fence + 1);
        }
        take_over::take_over(&connection, &[taken], &left, at).expect("it is taken up").remove(0)
    }
}

pub struct Connected {
    table: Arc<LeaseTable>,
    pub is_cut: AtomicBool,
    /// How often it was asked for something that changes the table.
    changes: AtomicUsize,
    releases_take: Mutex<Duration>,
}

impl Connected {
    /// From now on whoever releases a lease waits so long for the answer.
    pub fn answer_releases_after(&self, time: Duration) {
        *self.releases_take.lock().unwrap() = time;
    }

    /// How often the table was changed since this was asked last.
    pub fn changes(&self) -> usize {
        self.changes.swap(0, Ordering::AcqRel)
    }

    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Rows, SignedDuration) -> T,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        self.changes.fetch_add(1, Ordering::AcqRel);
        self.ask(work)
    }

    fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Rows, SignedDuration) -> T,
    ) -> BoxFuture<'static, Result<T, StoreError>> {
        if self.is_cut.load(Ordering::Acquire) {
            return future::ready(Err(StoreError::Unavailable("it is cut".to_owned()))).boxed();
        }
        let now = self.table.clock.elapsed();
        future::ready(Ok(work(&mut self.table.rows.lock().unwrap(), now))).boxed()
    }
}

impl Rows {
    fn roster(&self, now: SignedDuration) -> Roster {
        let listed = self.instances.values().filter(|(_, seen)| now - *seen < LISTED);
        let listed = listed.map(|(announcement, seen)| ListedInstance {
            announcement: announcement.clone(),
            schema: 1,
            began_ago: now,
            seen_ago: now - *seen,
        });
        let held = self.leases.iter().filter(|(_, row)| row.until > now).map(|(lease, row)| HeldLease {
            token: FencingToken { lease: lease.clone(), number: row.fence },
            instance: row.owner.clone(),
            lasts: Some(row.until - now),
        });
        Roster { instances: listed.collect(), leases: held.collect(), left: BTreeSet::new() }
    }

    fn running(&self, now: SignedDuration) -> BTreeSet<String> {
        let running = self.leases.iter().filter(|(_, row)| !row.owner.is_empty() && row.until > now);
        running.map(|(lease, _)| lease.clone()).collect()
    }

    fn acquire(&mut self, wanted: &WantedLease, instance: &str, now: SignedDuration) -> Option<Grant> {
        let WantedLease { lease, lasts, .. } = wanted;
        let before = self.leases.get(lease);
        if before.is_some_and(|row| row.until > now && row.owner != instance) {
            return None;
        }
        let fence = before.map_or(1, |row| row.fence + 1);
        self.leases.insert(lease.clone(), Row { owner: instance.to_owned(), fence, until: now + *lasts });
        self.holders.push((lease.clone(), instance.to_owned()));
        Some(Grant { token: FencingToken { lease: lease.clone(), number: fence }, lasts: Some(*lasts) })
    }

    fn has(&self, token: &FencingToken) -> bool {
        self.leases.get(&token.lease).is_some_and(|row| row.fence == token.number)
    }
}

impl Leases for Connected {
    fn is_shared(&self) -> bool {
        true
    }

    fn announce(&self, instance: Announcement) -> StoreFuture<'_, Roster> {
        let roster = self.change(|rows, now| {
            rows.instances.insert(instance.id.clone(), (instance, now));
            rows.roster(now)
        });
        Box::pin(async move { Ok(self.table.with_left(roster.await?)) })
    }

    fn roster(&self) -> StoreFuture<'_, Roster> {
        let roster = self.ask(|rows, now| rows.roster(now));
        Box::pin(async move { Ok(self.table.with_left(roster.await?)) })
    }

    fn withdraw(&self, instance: &str) -> StoreFuture<'_, ()> {
        self.change(|rows, _| drop(rows.instances.remove(instance)))
    }

    fn acquire(
        &self,
        wanted: Vec<WantedLease>,
        instance: &str,
        at: Timestamp,
    ) -> StoreFuture<'_, Vec<Option<AcquiredLease>>> {
        let instance = instance.to_owned();
        let acquired = self.change(move |rows, now| {
            let one = |wanted: &WantedLease| rows.acquire(wanted, &instance, now);
            let granted: Vec<_> = wanted.iter().map(one).collect();
            let mut running = rows.running(now);
            running.retain(|lease| granted.iter().flatten().all(|grant| grant.token.lease != *lease));
            (granted.into_iter().zip(wanted).collect::<Vec<_>>(), running)
        });
        Box::pin(async move {
            let (acquired, running) = acquired.await?;
            let taken_over = |(grant, wanted): (Option<Grant>, WantedLease)| {
                let grant = grant?;
                let pacing = self.table.take_up((&wanted.lease, &wanted.channels), &running, at);
                Some(AcquiredLease { grant, pacing })
            };
            Ok(acquired.into_iter().map(taken_over).collect())
        })
    }

    fn renew(&self, tokens: Vec<FencingToken>, lasts: Vec<SignedDuration>) -> StoreFuture<'_, Vec<Option<Grant>>> {
        self.change(|rows, now| {
            let renewed = tokens.into_iter().zip(lasts).map(|(token, lasts)| {
                let is_held = |row: &&mut Row| row.fence == token.number && !row.owner.is_empty();
                let row = rows.leases.get_mut(&token.lease).filter(is_held)?;
                row.until = now + lasts;
                Some(Grant { token, lasts: Some(lasts) })
            });
            renewed.collect()
        })
    }

    fn release(&self, tokens: Vec<FencingToken>) -> StoreFuture<'_, ()> {
        let released = self.change(|rows, now| {
            for token in tokens.into_iter().filter(|token| rows.has(token)).collect::<Vec<_>>() {
                let row = rows.leases.get_mut(&token.lease).expect("it is there");
                (row.owner, row.until) = (String::new(), now);
            }
        });
        let takes = *self.releases_take.lock().unwrap();
        Box::pin(async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            released.await
        })
    }

    fn take_over(
        &self,
        token: FencingToken,
        channels: Vec<String>,
        now: Timestamp,
    ) -> StoreFuture<'_, Option<PacingState>> {
        let running = self.ask(|rows, now| rows.has(&token).then(|| rows.running(now)));
        Box::pin(async move {
            let Some(running) = running.await? else { return Ok(None) };
            Ok(Some(self.table.take_up((&token.lease, &channels), &running, now)))
        })
    }

    fn woken(&self) -> BoxFuture<'_, Vec<String>> {
        Box::pin(future::pending())
    }
}
