//! One group of jobs, one transaction, and everyone is answered after the commit: first all records, all ends and all begins of
//! attempts together, then each other change in a savepoint of its own.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use tokio::sync::oneshot;

use crate::domain::retry::Step;
use crate::store::StoreError;
use crate::store::fencing::{Fenced, FencingToken};
use crate::store::health::CommitStats;
use crate::store::ingest::Recorded;
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::recording::Prepared;
use crate::store::sql::{self, Connection, Error, claim, record, settle};

/// Where the answer to a job goes.
pub type ReplySender<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer thread is asked for.
pub enum WriterJob {
    Record(Box<Prepared>, ReplySender<Recorded>),
    Claim(Box<Claim>, ReplySender<Claimed>),
    Settle(Box<Settle>, ReplySender<()>),
    Change(WriterChange),
    /// A change that gives no channel anything to do.
    Note(WriterChange),
}

impl WriterJob {
    /// Whether it begins or ends an attempt.
    pub fn is_of_sending(&self) -> bool {
        matches!(self, WriterJob::Claim(..) | WriterJob::Settle(..))
    }
}

/// The channels that have something to do by a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// It is not known which.
    Any,
    These(BTreeSet<String>),
}

/// Anything else that is changed: it is given the transaction, or why there is none, and gives what to answer after the commit.
pub type WriterChange = Box<dyn FnOnce(Result<&dyn Transactions, &StoreError>) -> Afterwards + Send>;

/// What is answered after the commit, or that there was none.
pub type Afterwards = Box<dyn FnOnce(Result<(), StoreError>)>;

/// A connection on which groups are committed, one transaction after another.
pub trait Transactions: Connection {
    /// # Errors
    /// [`NotBegun`].
    fn begin(&self) -> Result<(), NotBegun>;

    /// Whether a transaction is under way. The failure of a statement may have made the database take it back.
    fn is_begun(&self) -> bool;

    /// Notes who is to be woken by the transaction's commit; without this, whoever it may be.
    fn wakes(&self, woken: Woken) {
        let _ = woken;
    }

    /// # Errors
    /// [`StoreError::Unavailable`]: nothing of it was kept, and no transaction is under way.
    fn commit(&self) -> Result<(), StoreError>;

    /// # Errors
    /// [`StoreError::Unavailable`].
    fn roll_back(&self) -> Result<(), StoreError>;

    /// Why a transaction that was begun is not under way any more.
    fn taken_back(&self) -> StoreError;

    /// Those of the tokens that are good until the transaction ends. Where one daemon holds the database, nobody has any.
    ///
    /// # Errors
    /// As the statements'.
    fn good(&self, tokens: &BTreeSet<FencingToken>, fenced: Fenced) -> sql::Result<BTreeSet<FencingToken>> {
        let _ = fenced;
        Ok(tokens.clone())
    }
}

/// Why there is no transaction.
pub struct NotBegun {
    pub error: StoreError,
    pub outcome: Ended,
}

/// How a group ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Committed,
    /// Another program holds the write lock.
    Locked,
    Failed,
}

/// Runs a group of jobs in one transaction and answers them after the commit. `confirm` is asked between the two: where it
/// denies, what was committed is not where it should be, and nobody gets the answer that it was. What is committed is measured
/// before it is answered.
#[expect(clippy::disallowed_methods, reason = "how long a commit takes")]
pub fn commit(
    connection: &dyn Transactions,
    group: Vec<WriterJob>,
    commits: &CommitStats,
    confirm: impl FnOnce() -> Result<(), StoreError>,
) -> Ended {
    let (jobs, started) = (group.len(), Instant::now());
    let sorted = Sorted::of(group);
    let (mut begun, mut done) = (connection.begin(), None);
    if begun.is_ok() {
        done = sorted.at_once(connection);
        if done.is_none() {
            // One of them cannot be written: all are taken back, and each has its own try.
            begun = begin_anew(connection);
        }
    }
    let transaction = begun.as_ref().map(|()| connection).map_err(|failure| &failure.error);
    let done = done.unwrap_or_else(|| sorted.each(transaction));
    connection.wakes(sorted.woken(&done));
    let answers = sorted.answers(done, transaction);
    let (ended, outcome) = end(connection, begun, confirm);
    if outcome == Ended::Committed {
        commits.note(jobs, started.elapsed());
    }
    for answer in answers {
        answer(ended.clone());
    }
    outcome
}

/// Answers a group of jobs that nothing of it can be done.
pub fn refuse(group: Vec<WriterJob>, error: &StoreError) {
    let sorted = Sorted::of(group);
    let done = sorted.each(Err(error));
    for answer in sorted.answers(done, Err(error)) {
        answer(Err(error.clone()));
    }
}

type Asked<J, T> = (Box<J>, ReplySender<T>);

/// A group by sorts. Nobody asks for something else before the answer to what must come first, so their sequence is no matter.
#[derive(Default)]
struct Sorted {
    records: Vec<Prepared>,
    replies: Vec<ReplySender<Recorded>>,
    changes: Vec<WriterChange>,
    notes: Vec<WriterChange>,
    claims: Vec<Asked<Claim, Claimed>>,
    settles: Vec<Asked<Settle, ()>>,
}

impl Sorted {
    fn of(group: Vec<WriterJob>) -> Self {
        let mut sorted = Self::default();
        for job in group {
            match job {
                WriterJob::Record(record, reply) => {
                    sorted.records.push(*record);
                    sorted.replies.push(reply);
                }
                WriterJob::Claim(claim, reply) => sorted.claims.push((claim, reply)),
                WriterJob::Settle(settle, reply) => sorted.settles.push((settle, reply)),
                WriterJob::Change(change) => sorted.changes.push(change),
                WriterJob::Note(note) => sorted.notes.push(note),
            }
        }
        sorted
    }

    /// Does everything but the other changes, or nothing of it: `None`. Without a savepoint, which costs a copy of each page.
    fn at_once(&self, connection: &dyn Transactions) -> Option<Done> {
        let work = || {
            let good = |fenced| move |tokens: &BTreeSet<FencingToken>| connection.good(tokens, fenced);
            let settle = |jobs: &[&Settle]| Ok(settle::settle(connection, jobs)?.into_iter().map(Ok).collect());
            let claim = |jobs: &[&Claim]| Ok(claim::claim(connection, jobs)?.into_iter().map(Ok).collect());
            let recorded = record_at_once(connection, &self.records)?;
            let settled = leased(&self.settles, |settle| &settle.token, good(Fenced::Settle), settle)?;
            let claimed = leased(&self.claims, |claim| &claim.token, good(Fenced::Claim), claim)?;
            sql::Result::Ok(Done { recorded, settled, claimed })
        };
        std::panic::catch_unwind(AssertUnwindSafe(work)).ok()?.ok()
    }

    /// The same, each by itself as far as it must be.
    fn each(&self, transaction: Result<&dyn Transactions, &StoreError>) -> Done {
        let good = |fenced| {
            move |tokens: &BTreeSet<FencingToken>| {
                let connection = transaction.map_err(StoreError::clone)?;
                in_transaction(transaction, |_| connection.good(tokens, fenced))
            }
        };
        let recorded = record_one_by_one(transaction, &self.records);
        let settle = |jobs: &[&Settle]| Ok(together(transaction, jobs, settle::settle));
        let settled = leased(&self.settles, |settle| &settle.token, good(Fenced::Settle), settle);
        let claim = |jobs: &[&Claim]| Ok(together(transaction, jobs, claim::claim));
        let claimed = leased(&self.claims, |claim| &claim.token, good(Fenced::Claim), claim);
        Done {
            recorded,
            settled: settled.unwrap_or_else(|error: StoreError| vec![Err(error); self.settles.len()]),
            claimed: claimed.unwrap_or_else(|error: StoreError| vec![Err(error); self.claims.len()]),
        }
    }

    /// Who has something to do by it. What a settle means to the channel itself, its own instance knows; its fallback may be
    /// another's.
    fn woken(&self, done: &Done) -> Woken {
        if !self.changes.is_empty() {
            return Woken::Any;
        }
        let new = done.recorded.iter().filter_map(|recorded| match recorded {
            Ok(Recorded::New { channels, .. }) => Some(channels),
            _ => None,
        });
        let failed = self.settles.iter().filter(|(settle, _)| settle.step != Step::Delivered);
        let fallbacks = failed.filter_map(|(settle, _)| settle.fallback.as_ref());
        Woken::These(new.flatten().chain(fallbacks.map(|fallback| &fallback.to)).cloned().collect())
    }

    /// Makes the other changes, and answers everybody.
    fn answers(self, done: Done, transaction: Result<&dyn Transactions, &StoreError>) -> Vec<Afterwards> {
        let mut answers: Vec<Afterwards> = self.replies.into_iter().zip(done.recorded).map(answer).collect();
        answers.extend(self.changes.into_iter().chain(self.notes).map(|change| change(transaction)));
        answers.extend(self.settles.into_iter().map(|(_, reply)| reply).zip(done.settled).map(answer));
        answers.extend(self.claims.into_iter().map(|(_, reply)| reply).zip(done.claimed).map(answer));
        answers
    }
}

/// What a group has come to, sort by sort.
struct Done {
    recorded: Vec<Result<Recorded, StoreError>>,
    settled: Vec<Result<(), StoreError>>,
    claimed: Vec<Result<Claimed, StoreError>>,
}

fn begin_anew(connection: &dyn Transactions) -> Result<(), NotBegun> {
    if connection.is_begun() {
        connection.roll_back().map_err(|error| NotBegun { error, outcome: Ended::Failed })?;
    }
    connection.begin()
}

fn end(
    connection: &dyn Transactions,
    begun: Result<(), NotBegun>,
    confirm: impl FnOnce() -> Result<(), StoreError>,
) -> (Result<(), StoreError>, Ended) {
    if let Err(NotBegun { error, outcome }) = begun {
        return (Err(error), outcome);
    }
    let is_begun = if connection.is_begun() { Ok(()) } else { Err(connection.taken_back()) };
    let ended = is_begun.and_then(|()| connection.commit()).and_then(|()| confirm());
    let outcome = if ended.is_ok() { Ended::Committed } else { Ended::Failed };
    (ended, outcome)
}

fn record_at_once(connection: &dyn Connection, records: &[Prepared]) -> sql::Result<Vec<Result<Recorded, StoreError>>> {
    if records.is_empty() {
        return Ok(Vec::new());
    }
    let recorded = record::record_all(connection, records)?.into_iter();
    Ok(recorded.map(|one| one.map_err(|error| StoreError::Unavailable(error.to_string()))).collect())
}

fn record_one_by_one(
    transaction: Result<&dyn Transactions, &StoreError>,
    records: &[Prepared],
) -> Vec<Result<Recorded, StoreError>> {
    let one = |record| {
        in_transaction(transaction, |connection| {
            let recorded = record::record_all(connection, std::slice::from_ref(record))?.pop();
            recorded.and_then(Result::ok).ok_or(Error::Internal)
        })
    };
    records.iter().map(one).collect()
}

/// Does those of the jobs of one sort that are asked under a lease that is good for them, and refuses the others.
fn leased<J, T, E>(
    asked: &[Asked<J, T>],
    token: fn(&J) -> &FencingToken,
    good: impl FnOnce(&BTreeSet<FencingToken>) -> Result<BTreeSet<FencingToken>, E>,
    work: impl FnOnce(&[&J]) -> Result<Vec<Result<T, StoreError>>, E>,
) -> Result<Vec<Result<T, StoreError>>, E> {
    let tokens = asked.iter().map(|(job, _)| token(job));
    let tokens: BTreeSet<FencingToken> = tokens.filter(|token| token.number != 0).cloned().collect();
    let good = if tokens.is_empty() { tokens } else { good(&tokens)? };
    let is_good = |job: &J| token(job).number == 0 || good.contains(token(job));
    let going: Vec<&J> = asked.iter().map(|(job, _)| &**job).filter(|job| is_good(job)).collect();
    let mut done = work(&going)?.into_iter();
    let of = |job: &J| is_good(job).then(|| done.next()).flatten().unwrap_or(Err(StoreError::NotLeased));
    Ok(asked.iter().map(|(job, _)| &**job).map(of).collect())
}

/// Runs jobs of one sort together in one savepoint; where that fails, one after another, so that a bad one takes no other along.
fn together<J, T>(
    transaction: Result<&dyn Transactions, &StoreError>,
    jobs: &[&J],
    work: fn(&dyn Connection, &[&J]) -> sql::Result<Vec<T>>,
) -> Vec<Result<T, StoreError>> {
    let run = |jobs: &[&J]| in_transaction(transaction, |connection| work(connection, jobs));
    match jobs {
        [] => Vec::new(),
        [_] => vec![run(jobs).map(|mut done| done.remove(0))],
        _ => match run(jobs) {
            Ok(done) => done.into_iter().map(Ok).collect(),
            Err(_) => jobs.iter().map(|job| run(&[*job]).map(|mut done| done.remove(0))).collect(),
        },
    }
}

fn answer<T: 'static>((reply, done): (ReplySender<T>, Result<T, StoreError>)) -> Afterwards {
    Box::new(move |ended| {
        // Whoever asked may be gone; the change stands all the same.
        let _ = reply.send(ended.and(done));
    })
}

/// Runs a change in a savepoint of its own.
pub fn simple<T: 'static>(
    transaction: Result<&dyn Transactions, &StoreError>,
    reply: ReplySender<T>,
    work: impl FnOnce(&dyn Connection) -> sql::Result<T>,
) -> Afterwards {
    answer((reply, in_transaction(transaction, work)))
}

fn in_transaction<T>(
    transaction: Result<&dyn Transactions, &StoreError>,
    work: impl FnOnce(&dyn Connection) -> sql::Result<T>,
) -> Result<T, StoreError> {
    match transaction {
        Err(error) => Err(error.clone()),
        // A job before this one made the database take back the transaction. Outside of it, this one would be kept by itself,
        // and yet be answered that it was not.
        Ok(connection) if !connection.is_begun() => Err(connection.taken_back()),
        Ok(connection) => Ok(in_savepoint(connection, work)?),
    }
}

fn in_savepoint<T>(
    connection: &dyn Transactions,
    work: impl FnOnce(&dyn Connection) -> sql::Result<T>,
) -> sql::Result<T> {
    connection.execute("SAVEPOINT job", &[])?;
    // A job that panics costs nobody else anything.
    let done = std::panic::catch_unwind(AssertUnwindSafe(|| work(connection)));
    let done = done.unwrap_or(Err(Error::Internal));
    if done.is_err() {
        if !connection.is_begun() {
            return done;
        }
        connection.execute("ROLLBACK TO job", &[])?;
    }
    connection.execute("RELEASE job", &[])?;
    done
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sql::params;

    fn insert(connection: &dyn Connection, numbers: &[&i64]) -> sql::Result<Vec<i64>> {
        let one = |number: &&i64| connection.execute("INSERT INTO t VALUES (?1)", params![number]).map(|_| **number);
        numbers.iter().map(one).collect()
    }

    #[test]
    fn a_job_that_fails_takes_no_other_of_its_sort_along() {
        let connection = rusqlite::Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (n INTEGER PRIMARY KEY CHECK (n <> 13)); BEGIN IMMEDIATE").unwrap();
        let done = together(Ok(&connection), &[&1, &2, &13, &4], insert);
        connection.execute_batch("COMMIT").unwrap();
        assert_eq!(done.into_iter().map(Result::ok).collect::<Vec<_>>(), [Some(1), Some(2), None, Some(4)]);
        let kept: i64 = connection.query_row("SELECT sum(n) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 7);
    }
}
