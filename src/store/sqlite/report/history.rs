//! What became of a report so far: which days it has covered, when each one was made, and how its deliveries fare.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::event::{EventId, Kind, OWN_SOURCE};
use crate::domain::report::upcoming::Past;
use crate::store::history::found::{ReportHistory, RunHistory};
use crate::store::sqlite::{history, rows};

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
pub fn of_report(connection: &Connection, report: &str, newest: u32) -> rusqlite::Result<ReportHistory> {
    let mut select = connection.prepare_cached(RUNS)?;
    let found = select.query_map(params![report, newest], |row| run(connection, row))?;
    let mut runs: Vec<RunHistory> = found.collect::<rusqlite::Result<_>>()?;
    runs.reverse();
    let mut select = connection.prepare_cached(BY_HAND)?;
    let kind = Kind::Report(report.to_owned()).to_string();
    let ids = select.query_map(params![OWN_SOURCE, kind, report], |row| rows::uuid(0, row.get_ref(0)?.as_blob()?))?;
    let mut by_hand = Vec::new();
    for id in ids {
        by_hand.extend(history::event(connection, EventId(id?))?);
    }
    let count: i64 = connection.prepare_cached(COUNT)?.query_row([report], |row| row.get(0))?;
    let past = past(connection, report)?;
    Ok(ReportHistory { report: report.to_owned(), past, runs, count: count.unsigned_abs(), by_hand })
}

pub fn past(connection: &Connection, report: &str) -> rusqlite::Result<Past> {
    let read = |row: &Row<'_>| {
        let received_at: Option<i64> = row.get(2)?;
        let received_at = received_at.map(|at| rows::of_millisecond(2, at)).transpose()?;
        // That a day is covered counts, be its event removed or its id no id.
        let made_at = row.get_ref(1)?.as_blob_or_null()?.map(|id| {
            let by_id = || rows::uuid(1, id).ok().and_then(|id| time_of(EventId(id)));
            received_at.or_else(by_id).unwrap_or(Timestamp::MIN)
        });
        Ok(Past { covered: Some(rows::parsed(0, row.get_ref(0)?.as_str()?)?), made_at })
    };
    Ok(connection.prepare_cached(PAST)?.query_row([report], read).optional()?.unwrap_or_default())
}

fn run(connection: &Connection, row: &Row<'_>) -> rusqlite::Result<RunHistory> {
    let event = EventId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?);
    let history = history::event(connection, event)?;
    let made_at = history.as_ref().map(|history| history.event.received_at).or_else(|| time_of(event));
    let day = |column: usize| rows::parsed(column, row.get_ref(column)?.as_str()?);
    Ok(RunHistory { from: day(1)?, to: day(2)?, event, made_at, history })
}

/// Ids begin with the time of their making, which is known where the event itself is removed already.
fn time_of(event: EventId) -> Option<Timestamp> {
    let (seconds, nanoseconds) = event.0.get_timestamp()?.to_unix();
    Timestamp::new(i64::try_from(seconds).ok()?, i32::try_from(nanoseconds).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn what_became_of_a_report_is_found_without_going_through_the_history() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, std::path::Path::new("bell.db")).unwrap();
        for sql in [PAST, RUNS, COUNT, BY_HAND] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let parameters = vec![rusqlite::types::Null; explain.parameter_count()];
            let steps =
                explain.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
            let plan = steps.map(Result::unwrap).collect::<Vec<_>>().join("\n");
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(plan.contains("SEARCH"), "{sql}\n{plan}");
        }
    }
}
