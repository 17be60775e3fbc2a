//! One group of jobs, one transaction, and everyone is answered after the commit: first all records together, then each other
//! change in a savepoint of its own, then all ends and all begins of attempts together.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;

use tokio::sync::oneshot;

use crate::store::StoreError;
use crate::store::fencing::{Fenced, FencingToken};
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

    /// # Errors
    /// [`StoreError::Unavailable`]: nothing of it was kept, and no transaction is under way.
    fn commit(&self) -> Result<(), StoreError>;

    /// # Errors
    /// [`StoreError::Unavailable`].
    fn roll_back(&self) -> Result<(), StoreError>;

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
/// denies, what was committed is not where it should be, and nobody gets the answer that it was.
pub fn commit(
    connection: &dyn Transactions,
    group: Vec<WriterJob>,
    confirm: impl FnOnce() -> Result<(), StoreError>,
) -> Ended {
    let Sorted { records, replies, changes, claims, settles } = Sorted::of(group);
    let mut begun = connection.begin();
    let mut recorded = None;
    if begun.is_ok() && !records.is_empty() {
        recorded = record_at_once(connection, &records);
        if recorded.is_none() {
            // One of them cannot be written: all are taken back, and each has its own try.
            begun = begin_anew(connection);
        }
    }
    let transaction = begun.as_ref().map(|()| connection).map_err(|failure| &failure.error);
    let recorded = recorded.unwrap_or_else(|| record_one_by_one(transaction, &records));
    let mut answers: Vec<Afterwards> = replies.into_iter().zip(recorded).map(answer).collect();
    answers.extend(changes.into_iter().map(|change| change(transaction)));
    let (settles, refused) = leased(transaction, settles, Fenced::Settle, |settle| &settle.token);
    answers.extend(refused);
    answers.extend(together(transaction, settles, settle::settle));
    let (claims, refused) = leased(transaction, claims, Fenced::Claim, |claim| &claim.token);
    answers.extend(refused);
    answers.extend(together(transaction, claims, claim::claim));
    let (ended, outcome) = end(connection, begun, confirm);
    for answer in answers {
        answer(ended.clone());
    }
    outcome
}

/// Answers a group of jobs that nothing of it can be done.
pub fn refuse(group: Vec<WriterJob>, error: &StoreError) {
    let Sorted { replies, changes, claims, settles, .. } = Sorted::of(group);
    let mut answers: Vec<Afterwards> = replies.into_iter().map(|reply| answer((reply, Err(error.clone())))).collect();
    answers.extend(changes.into_iter().map(|change| change(Err(error))));
    answers.extend(together(Err(error), settles, settle::settle));
    answers.extend(together(Err(error), claims, claim::claim));
    for answer in answers {
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
            }
        }
        sorted
    }
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
    let is_begun = if connection.is_begun() { Ok(()) } else { Err(taken_back()) };
    let ended = is_begun.and_then(|()| connection.commit()).and_then(|()| confirm());
    let outcome = if ended.is_ok() { Ended::Committed } else { Ended::Failed };
    (ended, outcome)
}

/// Records all of a group, or nothing of it: `None`.
fn record_at_once(connection: &dyn Connection, records: &[Prepared]) -> Option<Vec<Result<Recorded, StoreError>>> {
    let recorded = std::panic::catch_unwind(AssertUnwindSafe(|| record::record_all(connection, records)));
    let recorded = recorded.ok()?.ok()?.into_iter();
    Some(recorded.map(|one| one.map_err(|error| StoreError::Unavailable(error.to_string()))).collect())
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

/// Of jobs of one sort, those that are asked under a lease that is good for them, and the answers to the others.
fn leased<J, T: 'static>(
    transaction: Result<&dyn Transactions, &StoreError>,
    jobs: Vec<Asked<J, T>>,
    fenced: Fenced,
    token: fn(&J) -> &FencingToken,
) -> (Vec<Asked<J, T>>, Vec<Afterwards>) {
    let tokens = jobs.iter().map(|(job, _)| token(job));
    let tokens: BTreeSet<FencingToken> = tokens.filter(|token| token.number != 0).cloned().collect();
    let (Ok(connection), false) = (transaction, tokens.is_empty()) else { return (jobs, Vec::new()) };
    let good = in_transaction(transaction, |_| connection.good(&tokens, fenced));
    let (mut going, mut answers) = (Vec::new(), Vec::new());
    for (job, reply) in jobs {
        match &good {
            Err(error) => answers.push(answer((reply, Err(error.clone())))),
            Ok(good) if token(&job).number == 0 || good.contains(token(&job)) => going.push((job, reply)),
            Ok(_) => answers.push(answer((reply, Err(StoreError::NotLeased)))),
        }
    }
    (going, answers)
}

/// Runs jobs of one sort together in one savepoint; where that fails, one after another, so that a bad one takes no other along.
fn together<J, T: 'static>(
    transaction: Result<&dyn Transactions, &StoreError>,
    jobs: Vec<Asked<J, T>>,
    work: fn(&dyn Connection, &[&J]) -> sql::Result<Vec<T>>,
) -> Vec<Afterwards> {
    let (jobs, replies): (Vec<Box<J>>, Vec<ReplySender<T>>) = jobs.into_iter().unzip();
    let all: Vec<&J> = jobs.iter().map(AsRef::as_ref).collect();
    let run = |jobs: &[&J]| in_transaction(transaction, |connection| work(connection, jobs));
    let done: Vec<Result<T, StoreError>> = match all.as_slice() {
        [] => Vec::new(),
        [_] => vec![run(&all).map(|mut done| done.remove(0))],
        _ => match run(&all) {
            Ok(done) => done.into_iter().map(Ok).collect(),
            Err(_) => all.iter().map(|job| run(&[*job]).map(|mut done| done.remove(0))).collect(),
        },
    };
    replies.into_iter().zip(done).map(answer).collect()
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
        Ok(connection) if !connection.is_begun() => Err(taken_back()),
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

fn taken_back() -> StoreError {
    StoreError::Unavailable("the disk is full or cannot be written".to_owned())
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
        let (jobs, answers): (Vec<_>, Vec<_>) = [1, 2, 13, 4]
            .map(|number| {
                let (reply, answer) = oneshot::channel();
                ((Box::new(number), reply), answer)
            })
            .into_iter()
            .unzip();
        let afterwards = together(Ok(&connection), jobs, insert);
        connection.execute_batch("COMMIT").unwrap();
        afterwards.into_iter().for_each(|answer| answer(Ok(())));
        let answers: Vec<Option<i64>> = answers.into_iter().map(|mut answer| answer.try_recv().unwrap().ok()).collect();
        assert_eq!(answers, [Some(1), Some(2), None, Some(4)]);
        let kept: i64 = connection.query_row("SELECT sum(n) FROM t", [], |row| row.get(0)).unwrap();
        assert_eq!(kept, 7);
    }
}
