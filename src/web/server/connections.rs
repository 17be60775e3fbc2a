//! The connections that are open and what each waits for, so that those that only occupy a slot make room when slots are short.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often it is looked for a slot while every connection waits for us.
const RECHECK: Duration = Duration::from_millis(5);
/// So many connections may be closing, because they were shed, beside those that are open.
const CLOSING: usize = 64;

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectionPhase {
    /// For the next request; nothing of it has come. Shed first.
    Resting,
    /// For the first byte after the connection was opened, or for the rest of a request's head.
    Head,
    /// For the rest of a request's body.
    Body,
    /// For the peer to read the answer.
    Answering,
    /// For us. Never shed.
    Busy,
    /// For us to have room for its body. It may be shed for another connection, as any that is not whole, but not for room.
    Queued,
}

impl ConnectionPhase {
    const ALL: [ConnectionPhase; 6] = [
        ConnectionPhase::Resting,
        ConnectionPhase::Head,
        ConnectionPhase::Body,
        ConnectionPhase::Answering,
        ConnectionPhase::Busy,
        ConnectionPhase::Queued,
    ];
    const BITS: u32 = 3;
}

/// One connection, as its task and those who look for a slot see it.
pub struct OpenConnection {
    begin: Instant,
    /// Milliseconds from `begin` to the phase's beginning, and the phase in the lowest bits.
    state: AtomicU64,
    /// Milliseconds from `begin` to when the peer was last seen to begin a request, or to rest.
    waiting_since: AtomicU64,
    /// An answer went out although the request was not read to its end: what the peer still sends must be read and
    /// dropped, or the answer is lost to a reset.
    unread: AtomicBool,
    /// Cancelled when it is shed.
    pub cut: CancellationToken,
}

impl OpenConnection {
    fn new(begin: Instant) -> Self {
        let connection = Self {
            begin,
            state: AtomicU64::new(0),
            waiting_since: AtomicU64::new(0),
            unread: AtomicBool::new(false),
            cut: CancellationToken::new(),
        };
        connection.enter(ConnectionPhase::Head);
        connection
    }

    pub fn enter(&self, phase: ConnectionPhase) {
        let since = u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX >> ConnectionPhase::BITS);
        // A body goes on with the time of its head: whoever has sent half a request must not outlast whoever begins one.
        if phase != ConnectionPhase::Body {
            self.waiting_since.store(since, Ordering::Release);
        }
        self.state.store(since << ConnectionPhase::BITS | phase as u64, Ordering::Release);
    }

    /// What decides who is shed first: the idle, then whoever has waited longest.
    fn rank(&self) -> (bool, u64) {
        (self.phase().0 != ConnectionPhase::Resting, self.waiting_since.load(Ordering::Acquire))
    }

    /// The phase, and when it began.
    pub fn phase(&self) -> (ConnectionPhase, Instant) {
        let state = self.state.load(Ordering::Acquire);
        let phase = ConnectionPhase::ALL[(state & ((1 << ConnectionPhase::BITS) - 1)) as usize];
        (phase, self.begin + Duration::from_millis(state >> ConnectionPhase::BITS))
    }

    /// From the end of a request's head to the last byte of its answer.
    pub fn is_in_flight(&self) -> bool {
        !matches!(self.phase().0, ConnectionPhase::Resting | ConnectionPhase::Head)
    }

    pub fn mark_unread(&self) {
        self.unread.store(true, Ordering::Release);
    }

    pub fn has_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire)
    }
}

/// How many connections were shed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shed {
    /// Kept alive after a request, and idle.
    pub resting: u64,
    /// Without a whole request, or with an answer that the peer did not read.
    pub unfinished: u64,
}

/// All connections of one listener.
pub struct Connections {
    begin: Instant,
    most: usize,
    /// A permit for each socket, those that are closing included.
    sockets: Arc<Semaphore>,
    open: Mutex<HashMap<u64, Arc<OpenConnection>>>,
    next: AtomicU64,
    shed: Mutex<Shed>,
}

impl Connections {
    /// `most` at a time, at least one.
    #[expect(
        clippy::disallowed_methods,
        reason = "how long a connection has waited, by the runtime's clock, which tests pause"
    )]
    pub fn new(most: usize) -> Self {
        let most = most.clamp(1, Semaphore::MAX_PERMITS - CLOSING);
        Self {
            begin: Instant::now(),
            most,
            sockets: Arc::new(Semaphore::new(most + CLOSING)),
            open: Mutex::default(),
            next: AtomicU64::new(0),
            shed: Mutex::default(),
        }
    }

    /// Takes a slot for a new connection; where none is free, the connection that has waited longest for its peer is shed.
    /// While all of them wait for us, so does the new one.
    pub async fn take(self: &Arc<Self>) -> Slot {
        let permit = self.sockets.clone().acquire_owned().await.expect("the semaphore is never closed");
        while self.open().len() >= self.most && !self.shed_where(|_, _| true) {
            tokio::time::sleep(RECHECK).await;
        }
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let connection = Arc::new(OpenConnection::new(self.begin));
        self.open().insert(id, connection.clone());
        Slot { id, connection, connections: self.clone(), _permit: permit }
    }

    /// Sheds the connection that has waited longest for its peer, of those that `is_meant` by their phase and how long it has
    /// lasted. Answers whether there was one.
    pub fn shed_where(&self, is_meant: impl Fn(ConnectionPhase, Duration) -> bool) -> bool {
        let mut open = self.open();
        let meant = open.iter().filter(|(_, connection)| {
            let (phase, since) = connection.phase();
            phase != ConnectionPhase::Busy && is_meant(phase, since.elapsed())
        });
        let first = meant.min_by_key(|(_, connection)| connection.rank());
        let Some((id, phase)) = first.map(|(id, connection)| (*id, connection.phase().0)) else { return false };
        // Its task closes it at its next step; its slot is free at once.
        if let Some(connection) = open.remove(&id) {
            connection.cut.cancel();
        }
        drop(open);
        let mut shed = self.shed.lock().unwrap_or_else(PoisonError::into_inner);
        match phase {
            ConnectionPhase::Resting => shed.resting += 1,
            _ => shed.unfinished += 1,
        }
        true
    }

    /// How many were shed since this was asked last.
    pub fn take_shed(&self) -> Shed {
        std::mem::take(&mut *self.shed.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn open(&self) -> MutexGuard<'_, HashMap<u64, Arc<OpenConnection>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's right to be open; it ends when this is dropped.
pub struct Slot {
    id: u64,
    pub connection: Arc<OpenConnection>,
    connections: Arc<Connections>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.connections.open().remove(&self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Connections in these phases, each a second younger than the one before it.
    async fn in_phases(phases: &[ConnectionPhase]) -> (Arc<Connections>, Vec<Slot>) {
        let connections = Arc::new(Connections::new(phases.len()));
        let mut slots = Vec::new();
        for phase in phases {
            let slot = connections.take().await;
            slot.connection.enter(*phase);
            slots.push(slot);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        (connections, slots)
    }

    fn shed(slots: &[Slot]) -> Vec<usize> {
        (0..slots.len()).filter(|index| slots[*index].connection.cut.is_cancelled()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_idle_are_shed_first_then_whoever_has_waited_longest_whatever_for_and_never_what_waits_for_us() {
        let phases = [
            ConnectionPhase::Busy,
            ConnectionPhase::Answering,
            ConnectionPhase::Body,
            ConnectionPhase::Head,
            ConnectionPhase::Head,
            ConnectionPhase::Resting,
            ConnectionPhase::Queued,
        ];
        let (connections, slots) = in_phases(&phases).await;
        let mut sequence = Vec::new();
        while connections.shed_where(|_, _| true) {
            sequence.push(shed(&slots).into_iter().find(|index| !sequence.contains(index)).unwrap());
        }
        assert_eq!(sequence, [5, 1, 2, 3, 4, 6]);
        assert_eq!(connections.take_shed(), Shed { resting: 1, unfinished: 5 });
        assert_eq!(connections.take_shed(), Shed::default());
    }

    #[tokio::test(start_paused = true)]
    async fn the_slot_of_what_was_shed_is_free_at_once_and_only_some_may_be_closing() {
        let (connections, slots) = in_phases(&[ConnectionPhase::Head, ConnectionPhase::Busy]).await;
        let mut taken = Vec::new();
        for _ in 0..CLOSING {
            taken.push(connections.take().await);
        }
        assert_eq!(shed(&slots), [0]);
        assert_eq!(shed(&taken).len(), CLOSING - 1, "each but the last made room for the next");
        let taking = tokio::time::timeout(Duration::from_secs(60), connections.take());
        assert!(taking.await.is_err(), "so many are closing already");
        drop(taken.remove(0));
        connections.take().await;
    }

    #[tokio::test(start_paused = true)]
    async fn where_all_wait_for_us_a_new_connection_waits_for_one_of_them() {
        let (connections, slots) = in_phases(&[ConnectionPhase::Busy, ConnectionPhase::Busy]).await;
        let taking = tokio::time::timeout(Duration::from_secs(60), connections.take());
        assert!(taking.await.is_err());
        slots[1].connection.enter(ConnectionPhase::Resting);
        connections.take().await;
        assert_eq!(shed(&slots), [1]);
    }
}
