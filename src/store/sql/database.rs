//! What a database is to a store: who looks and who changes something, and what each database does in its own way. Whatever
//! implements [`Database`] is a store, by the statements of this room (`contract`).

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::store::StoreError;
use crate::store::health::{CommitStats, Loss, Status};
use crate::store::ingest::{Record, Recorded};
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::sql::{self, Connection};

/// A database that is open.
pub trait Database: Send + Sync + 'static {
    /// Looks something up, by one statement or by several that need not see the same moment.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// As [`Database::look`]; all statements see one moment.
    ///
    /// # Errors
    /// As [`Database::look`].
    fn look_at_once<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// As [`Database::look_at_once`], for whoever asks: nothing that is delivered waits for it.
    ///
    /// # Errors
    /// As [`Database::look`].
    fn look_up<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.look_at_once(read)
    }

    /// As [`Database::look_up`], of what takes long and may take longer: neither what is received nor what is delivered waits
    /// for it, not even for the processor.
    ///
    /// # Errors
    /// As [`Database::look`].
    fn look_in_background<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send {
        self.look_up(read)
    }

    /// Changes something in a transaction, or not at all.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing was changed.
    fn change<T: Send + 'static>(
        &self,
        work: impl FnOnce(&dyn Connection) -> sql::Result<T> + Send + 'static,
    ) -> impl Future<Output = Result<T, StoreError>> + Send;

    /// Leaves a change for which nobody waits. Answers whether it was taken.
    fn leave(&self, work: impl FnOnce(&dyn Connection) -> sql::Result<()> + Send + 'static) -> bool;

    /// Records an event, in one commit with whatever else is queued ([`sql::record`]).
    ///
    /// # Errors
    /// As [`Database::change`].
    fn record(&self, record: Record) -> impl Future<Output = Result<Recorded, StoreError>> + Send;

    /// Begins an attempt, with whatever else is queued ([`sql::claim`]).
    ///
    /// # Errors
    /// As [`Database::change`].
    fn claim(&self, claim: Claim) -> impl Future<Output = Result<Claimed, StoreError>> + Send;

    /// Ends an attempt, with whatever else is queued ([`sql::settle`]).
    ///
    /// # Errors
    /// As [`Database::change`].
    fn settle(&self, settle: Settle) -> impl Future<Output = Result<(), StoreError>> + Send;

    /// Changes when somebody else has changed something.
    ///
    /// # Errors
    /// As [`Database::look`].
    fn version(&self) -> impl Future<Output = Result<i64, StoreError>> + Send;

    /// What time it has, where it has a clock of its own.
    ///
    /// # Errors
    /// As [`Database::look`].
    fn time(&self) -> impl Future<Output = Result<Option<Timestamp>, StoreError>> + Send;

    fn status(&self) -> watch::Receiver<Status>;

    /// Waits until whoever writes answers, be it that nothing can be written now; `false`: it has ended.
    fn writer_answers(&self) -> impl Future<Output = bool> + Send;

    fn commits(&self) -> Arc<CommitStats>;

    /// What may be missing, as far as the operator was not notified of it.
    fn loss(&self) -> Option<Loss>;

    fn forget_loss(&self);

    /// Takes no more, and returns when everything that was asked is done.
    fn close(&self) -> impl Future<Output = ()> + Send;
}
