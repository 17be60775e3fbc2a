//! One group of jobs, one transaction: each job in a savepoint of its own, and everyone is answered after the commit.

use std::panic::AssertUnwindSafe;

use std::collections::HashMap;

use rusqlite::{Connection, ErrorCode};
use tokio::sync::oneshot;

use crate::domain::order::Order;
use crate::store::StoreError;
use crate::store::ingest::{Record, Recorded};
use crate::store::queue::attempt::{Claim, Claimed, Settle};
use crate::store::sqlite::{claim, record, settle, unavailable};

/// Where the answer to a job goes.
pub type ReplySender<T> = oneshot::Sender<Result<T, StoreError>>;

/// What the writer thread is asked for.
pub enum WriterJob {
    Record(Box<Record>, ReplySender<Recorded>),
    Claim(Box<Claim>, ReplySender<Claimed>),
    Settle(Box<Settle>, ReplySender<()>),
    Change(WriterChange),
}

/// Anything else that is changed: it is given the transaction, or why there is none, and gives what to answer after the commit.
pub type WriterChange = Box<dyn FnOnce(Result<&Connection, &StoreError>) -> Afterwards + Send>;

/// What is answered after the commit, or that there was none.
pub type Afterwards = Box<dyn FnOnce(Result<(), StoreError>)>;

/// The orders that a group of jobs has loaded, folded in memory.
pub type Orders = HashMap<(String, String), Option<(i64, Order)>>;

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
    connection: &Connection,
    group: Vec<WriterJob>,
    confirm: impl FnOnce(&Connection) -> Result<(), StoreError>,
) -> Ended {
    let mut is_locked = false;
    let begun = connection.execute_batch("BEGIN IMMEDIATE").map_err(|error| {
        is_locked = error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        match is_locked {
            true => StoreError::Unavailable("another program has locked the database".to_owned()),
            false => unavailable(&error),
        }
    });
    let transaction = begun.as_ref().map(|()| connection);
    let answers = perform(transaction, group);
    let ended = begun.and_then(|()| {
        if connection.is_autocommit() {
            // The failure of one statement made SQLite take back the whole transaction.
            return Err(taken_back());
        }
        connection.execute_batch("COMMIT").map_err(|error| {
            let _ = connection.execute_batch("ROLLBACK");
            unavailable(&error)
        })?;
        confirm(connection)
    });
    let outcome = match ended {
        Ok(()) => Ended::Committed,
        Err(_) if is_locked => Ended::Locked,
        Err(_) => Ended::Failed,
    };
    for answer in answers {
        answer(ended.clone());
    }
    outcome
}

/// Answers a group of jobs that nothing of it can be done.
pub fn refuse(group: Vec<WriterJob>, error: &StoreError) {
    for answer in perform(Err(error), group) {
        answer(Err(error.clone()));
    }
}

fn perform(transaction: Result<&Connection, &StoreError>, group: Vec<WriterJob>) -> Vec<Afterwards> {
    let mut answers: Vec<Afterwards> = Vec::with_capacity(group.len());
    let mut orders = Orders::new();
    let (mut claims, mut settles) = (Vec::new(), Vec::new());
    for job in group {
        let answer: Afterwards = match job {
            WriterJob::Record(record, reply) => {
                run(transaction, reply, |c| record::record(c, &mut orders, &record), || orders_of(&record))
                    .unwrap_or_else(|(answer, touched)| {
                        touched.into_iter().for_each(|key| drop(orders.remove(&key)));
                        answer
                    })
            }
            // Nobody asks for an attempt and its end at once, so these may come in any sequence.
            WriterJob::Claim(claim, reply) => {
                claims.push((claim, reply));
                continue;
            }
            WriterJob::Settle(settle, reply) => {
                settles.push((settle, reply));
                continue;
            }
            WriterJob::Change(change) => change(transaction),
        };
        answers.push(answer);
    }
    answers.extend(together(transaction, settles, settle::settle));
    answers.extend(together(transaction, claims, claim::claim));
    answers
}

/// Runs jobs of one sort together in one savepoint; where that fails, one after another, so that a bad one takes no other along.
fn together<J, T: 'static>(
    transaction: Result<&Connection, &StoreError>,
    jobs: Vec<(Box<J>, ReplySender<T>)>,
    work: fn(&Connection, &[&J]) -> rusqlite::Result<Vec<T>>,
) -> Vec<Afterwards> {
    let (jobs, replies): (Vec<Box<J>>, Vec<ReplySender<T>>) = jobs.into_iter().unzip();
    let all: Vec<&J> = jobs.iter().map(AsRef::as_ref).collect();
    let run = |jobs: &[&J]| match transaction {
        Err(error) => Err(error.clone()),
        Ok(connection) if connection.is_autocommit() => Err(taken_back()),
        Ok(connection) => in_savepoint(connection, |c| work(c, jobs)).map_err(|error| unavailable(&error)),
    };
    let done: Vec<Result<T, StoreError>> = match all.as_slice() {
        [] => Vec::new(),
        [_] => vec![run(&all).map(|mut done| done.remove(0))],
        _ => match run(&all) {
            Ok(done) => done.into_iter().map(Ok).collect(),
            Err(_) => all.iter().map(|job| run(&[*job]).map(|mut done| done.remove(0))).collect(),
        },
    };
    let answer = |(reply, done): (ReplySender<T>, Result<T, StoreError>)| -> Afterwards {
        Box::new(move |ended| drop(reply.send(ended.and(done))))
    };
    replies.into_iter().zip(done).map(answer).collect()
}

/// The orders that a record may have touched, to be loaded anew when it is taken back.
fn orders_of(record: &Record) -> Vec<(String, String)> {
    let number = record.event.order.as_ref().map(|order| order.number.clone());
    number.map(|number| (record.event.source.clone(), number)).into_iter().collect()
}

/// Runs one job in its savepoint. `Err` carries what the job may have left in memory, when it was taken back.
fn run<T: 'static>(
    transaction: Result<&Connection, &StoreError>,
    reply: ReplySender<T>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    touched: impl FnOnce() -> Vec<(String, String)>,
) -> Result<Afterwards, (Afterwards, Vec<(String, String)>)> {
    let done = match transaction {
        Err(error) => Err(error.clone()),
        // A job before this one made SQLite take back the transaction. Outside of it, this one would be kept by itself,
        // and yet be answered that it was not.
        Ok(connection) if connection.is_autocommit() => Err(taken_back()),
        Ok(connection) => in_savepoint(connection, work).map_err(|error| unavailable(&error)),
    };
    let failed = done.is_err();
    let answer: Afterwards = Box::new(move |ended| {
        // Whoever asked may be gone; the change stands all the same.
        let _ = reply.send(ended.and(done));
    });
    if failed { Err((answer, touched())) } else { Ok(answer) }
}

/// Runs a change that leaves nothing in memory.
pub fn simple<T: 'static>(
    transaction: Result<&Connection, &StoreError>,
    reply: ReplySender<T>,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> Afterwards {
    run(transaction, reply, work, Vec::new).unwrap_or_else(|(answer, _)| answer)
}

fn in_savepoint<T>(
    connection: &Connection,
    work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
) -> rusqlite::Result<T> {
    let run = |sql: &str| connection.prepare_cached(sql)?.execute([]);
    run("SAVEPOINT job")?;
    // A job that panics costs nobody else anything.
    let done = std::panic::catch_unwind(AssertUnwindSafe(|| work(connection)));
    match done.unwrap_or(Err(rusqlite::Error::UnwindingPanic)) {
        Ok(done) => {
            run("RELEASE job")?;
            Ok(done)
        }
        Err(error) => {
            if !connection.is_autocommit() {
                run("ROLLBACK TO job")?;
                run("RELEASE job")?;
            }
            Err(error)
        }
    }
}

fn taken_back() -> StoreError {
    StoreError::Unavailable("the disk is full or cannot be written".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(connection: &Connection, numbers: &[&i64]) -> rusqlite::Result<Vec<i64>> {
        numbers
            .iter()
            .map(|number| connection.execute("INSERT INTO t VALUES (?1)", [number]).map(|_| **number))
            .collect()
    }

    #[test]
    fn a_job_that_fails_takes_no_other_of_its_sort_along() {
        let connection = Connection::open_in_memory().unwrap();
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
