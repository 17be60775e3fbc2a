//! What became of a report so far: which days it has covered, when each one was made, and how its deliveries fare.

use jiff::Timestamp;

use crate::domain::event::{EventId, Kind, OWN_SOURCE};
use crate::domain::report::upcoming::Past;
use crate::store::history::found::{ReportHistory, RunHistory};
use crate::store::sql::{Connection, Result, history, params};

const PAST: &str = "SELECT r.day, r.event, e.received_at FROM report_runs r LEFT JOIN events e ON e.id = r.event
    WHERE r.report = ?1 ORDER BY r.day DESC LIMIT 1";
const RUNS: &str = "SELECT event, min(day), max(day) FROM report_runs WHERE report = ?1 AND event IS NOT NULL
    GROUP BY event ORDER BY max(day) DESC LIMIT ?2";
const COUNT: &str = "SELECT count(DISTINCT event) FROM report_runs WHERE report = ?1";
/// Of the last seven days before the newest event.
const BY_HAND: &str = "SELECT id FROM events INDEXED BY events_by_arrival
    WHERE received_at >= (SELECT max(received_at) FROM events INDEXED BY events_by_arrival) - 604800000
    AND source = ?1 AND kind = ?2
    AND NOT EXISTS (SELECT 1 FROM report_runs r WHERE r.report = ?3 AND r.event = events.id)
    ORDER BY received_at";

/// What became of a report so far, with the newest so many of those that were made when they were due.
pub fn of_report(connection: &dyn Connection, report: &str, newest: u32) -> Result<ReportHistory> {
    let made =
        connection.all(RUNS, params![report, newest], |row| Ok((row.get(0)?, row.parsed(1)?, row.parsed(2)?)))?;
    let mut runs = Vec::with_capacity(made.len());
    for (event, from, to) in made.into_iter().rev() {
        let history = history::event(connection, event)?;
        let made_at = history.as_ref().map(|history| history.event.received_at).or_else(|| time_of(event));
        runs.push(RunHistory { from, to, event, made_at, history });
    }
    let kind = Kind::Report(report.to_owned()).to_string();
    let mut by_hand = Vec::new();
    for event in connection.all(BY_HAND, params![OWN_SOURCE, kind, report], |row| row.get(0))? {
        by_hand.extend(history::event(connection, event)?);
    }
    let count = connection.one(COUNT, params![report], |row| row.get(0))?;
    Ok(ReportHistory { report: report.to_owned(), past: past(connection, report)?, runs, count, by_hand })
}

pub fn past(connection: &dyn Connection, report: &str) -> Result<Past> {
    let found = connection.optional(PAST, params![report], |row| {
        let received_at: Option<Timestamp> = row.get(2)?;
        // That a day is covered counts, be its event removed or its id no id.
        let made_at = row.get::<Option<&[u8]>>(1)?.map(|_| {
            let by_id = || row.get(1).ok().and_then(time_of);
            received_at.or_else(by_id).unwrap_or(Timestamp::MIN)
        });
        Ok(Past { covered: Some(row.parsed(0)?), made_at })
    })?;
    Ok(found.unwrap_or_default())
}

/// Ids begin with the time of their making, which is known where the event itself is removed already.
fn time_of(event: EventId) -> Option<Timestamp> {
    let (seconds, nanoseconds) = event.0.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plans::{in_memory, plan};

    #[test]
    fn what_became_of_a_report_is_found_without_going_through_the_history() {
        let store = in_memory();
        for sql in [PAST, RUNS, COUNT, BY_HAND] {
            let plan = plan(&store, sql).join("\n");
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(plan.contains("SEARCH"), "{sql}\n{plan}");
        }
    }
}
