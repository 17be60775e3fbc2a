//! What reports are made of, and which days they have covered: a day is covered in the commit of the event that reports it.

pub mod history;
pub mod service_health;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::{Event, EventId, Kind, OWN_SOURCE};
use crate::domain::figures::facts::{Facts, Scope, Sum};
use crate::domain::ledger::Figure;
use crate::domain::report::calendar::LocalDay;
use crate::store::ingest::Recorded;
use crate::store::recording::packed::Unpacked;
use crate::store::reports::{ReportRun, ReportStatus, Undelivered};
use crate::store::sqlite::{record, rows};

/// So long after a day a platform may still send its totals: they are of two days.
const SENT_WITHIN: SignedDuration = SignedDuration::from_hours(48);

const BEGUN: &str = "SELECT received_at FROM events INDEXED BY events_by_arrival WHERE received_at > 0 AND source <> ?1
    ORDER BY received_at LIMIT 1";
const SUMS: &str = "SELECT source, shop, figure, currency, sum(count), sum(minor) FROM ledger
    WHERE effect_at >= ?1 AND effect_at < ?2 GROUP BY source, shop, figure, currency";
const CHANGES: &str = "SELECT source, shop, figure, currency, count, minor, effect_at FROM ledger
    WHERE seq > ?1 AND seq <= ?2 AND effect_at < ?3";
const ORDERS: &str = "SELECT source, packed FROM orders WHERE day_at >= ?1 AND day_at < ?2 ORDER BY day_at, seq";
const ARRIVALS: &str = "SELECT source, received_at FROM events INDEXED BY events_by_arrival
    WHERE received_at >= ?1 AND received_at < ?2 AND source <> ?3 ORDER BY received_at";
const STOCK_AND_TOTALS: &str = "SELECT packed FROM events INDEXED BY events_by_arrival
    WHERE received_at >= ?1 AND received_at < ?2 AND kind IN (?3, ?4, ?5) ORDER BY received_at, seq";

/// What a report asks of the tables that grow with the history.
pub const STATEMENTS: [&str; 11] = [
    BEGUN,
    SUMS,
    CHANGES,
    ORDERS,
    ARRIVALS,
    STOCK_AND_TOTALS,
    service_health::REPEATS,
    service_health::REFUSED,
    service_health::UNPROVEN,
    service_health::DELIVERIES,
    service_health::DELIVERIES_OF_SOURCES,
];

/// The orders of a stored report as CSV, where they go along.
pub fn table(connection: &Connection, report: EventId) -> rusqlite::Result<Option<String>> {
    let read = |row: &rusqlite::Row<'_>| {
        let stored = rows::unpack(0, row.get_ref(0)?.as_blob()?)?;
        Ok(table_of(&rows::json_part(0, &stored)?, &stored))
    };
    let mut select = connection.prepare_cached("SELECT packed FROM events WHERE id = ?1")?;
    select.query_row(params![report.0.as_bytes()], read).optional().map(Option::flatten)
}

/// Of a report that is kept with its orders as CSV, these.
pub fn table_of(event: &Event, stored: &Unpacked) -> Option<String> {
    let body = stored.part(2);
    let has_table = matches!(event.kind, Kind::Report(_)) && !body.is_empty();
    has_table.then(|| String::from_utf8_lossy(body).into_owned())
}

/// The event whose picture has this name, unless its time is over.
pub fn pictured(connection: &Connection, token: &str, now: Timestamp) -> rusqlite::Result<Option<Event>> {
    let sql =
        "SELECT e.packed FROM pictures p JOIN events e ON e.id = p.event WHERE p.token = ?1 AND p.expires_at > ?2";
    let read = |row: &rusqlite::Row<'_>| rows::packed(0, row.get_ref(0)?.as_blob()?);
    connection.prepare_cached(sql)?.query_row(params![token, rows::to_millisecond(now)], read).optional()
}

/// Notes that a report begins after a day, unless it has begun.
pub fn begin(connection: &Connection, report: &str, after: Date) -> rusqlite::Result<()> {
    if covered(connection, report)?.is_none() {
        let sql = "INSERT INTO report_runs (report, day, ledger_seq) VALUES (?1, ?2, ?3)";
        let given = params![report, after.to_string(), newest_entry(connection)?];
        connection.prepare_cached(sql)?.execute(given)?;
    }
    Ok(())
}

/// Forgets that a report has covered days from one on.
pub fn forget_days(connection: &Connection, report: &str, from: Date) -> rusqlite::Result<()> {
    let sql = "DELETE FROM report_runs WHERE report = ?1 AND day >= ?2";
    connection.prepare_cached(sql)?.execute(params![report, from.to_string()]).map(drop)
}

/// Records a report and the days that it covers. `None`: one of them is covered already, so nothing was done.
pub fn record_run(connection: &Connection, run: &ReportRun) -> rusqlite::Result<Option<Recorded>> {
    let event = run.record.event.id.0;
    for day in &run.days {
        let sql =
            "INSERT INTO report_runs (report, day, event, ledger_seq) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        let given = params![run.report, day.to_string(), event.as_bytes(), run.ledger_seq];
        if connection.prepare_cached(sql)?.execute(given)? == 0 {
            // What was inserted for the days before belongs to this very event.
            connection.prepare_cached("DELETE FROM report_runs WHERE event = ?1")?.execute([event.as_bytes()])?;
            return Ok(None);
        }
    }
    if let Some((token, expires_at)) = &run.picture {
        let sql = "INSERT INTO pictures (token, event, expires_at) VALUES (?1, ?2, ?3)";
        connection.prepare_cached(sql)?.execute(params![token, event.as_bytes(), rows::to_millisecond(*expires_at)])?;
    }
    record::record(connection, &run.record).map(Some)
}

/// Removes what is older than `before`.
pub fn prune(connection: &Connection, before: Timestamp) -> rusqlite::Result<()> {
    connection
        .prepare_cached("DELETE FROM repeat_tally WHERE quarter < ?1")?
        .execute([service_health::quarter(before)])?;
    connection
        .prepare_cached("DELETE FROM refusal_tally WHERE quarter < ?1")?
        .execute([service_health::quarter(before)])?;
    let sql = "DELETE FROM pictures WHERE expires_at <= ?1";
    connection.prepare_cached(sql)?.execute([rows::to_millisecond(before)]).map(drop)
}

fn covered(connection: &Connection, report: &str) -> rusqlite::Result<Option<Date>> {
    let sql = "SELECT max(day) FROM report_runs WHERE report = ?1";
    let day: Option<String> = connection.prepare_cached(sql)?.query_row([report], |row| row.get(0))?;
    day.map(|day| rows::parsed(0, &day)).transpose()
}

fn newest_entry(connection: &Connection) -> rusqlite::Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM ledger";
    connection.prepare_cached(sql)?.query_row([], |row| row.get(0))
}

pub fn facts(connection: &Connection, scope: &Scope) -> rusqlite::Result<Facts> {
    let days = scope.days();
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(Facts::default()) };
    let ledger_seq = newest_entry(connection)?;
    let mut facts = Facts { ledger_seq, begun_at: begun_at(connection)?, ..Facts::default() };
    for day in scope.known_days() {
        facts.sums.extend(sums(connection, &day)?);
    }
    facts.changes = changes(connection, scope, first, ledger_seq)?;
    let mut changed: Vec<Date> = facts.changes.iter().map(|change| change.day).collect();
    changed.dedup();
    for day in changed {
        facts.changed.extend(sums(connection, &LocalDay::of(day, &scope.zone))?);
    }
    let (from, until) = (rows::to_millisecond(first.from), rows::to_millisecond(last.until));
    let mut select = connection.prepare_cached(ORDERS)?;
    let orders =
        select.query_map([from, until], |row| Ok((row.get(0)?, rows::packed(1, row.get_ref(1)?.as_blob()?)?)))?;
    facts.orders = orders.collect::<rusqlite::Result<_>>()?;
    let mut select = connection.prepare_cached(ARRIVALS)?;
    let arrivals = select
        .query_map(params![from, until, OWN_SOURCE], |row| Ok((row.get(0)?, rows::of_millisecond(1, row.get(1)?)?)))?;
    facts.arrivals = arrivals.collect::<rusqlite::Result<_>>()?;
    let [low, keys, totals] = [Kind::StockLow, Kind::StockKeysLow, Kind::TotalsReported].map(|kind| kind.to_string());
    let sent_until = last.until.checked_add(SENT_WITHIN).unwrap_or(last.until);
    let given = params![from, rows::to_millisecond(sent_until), low, keys, totals];
    let mut select = connection.prepare_cached(STOCK_AND_TOTALS)?;
    let events = select.query_map(given, |row| rows::packed(0, row.get_ref(0)?.as_blob()?))?;
    // One that only a newer version can read is that version's business.
    let unreadable = |error: &rusqlite::Error| matches!(error, rusqlite::Error::FromSqlConversionFailure(..));
    let events = events.filter(|event| !event.as_ref().is_err_and(unreadable));
    facts.totals_and_stock = events.collect::<rusqlite::Result<_>>()?;
    facts.service = service_health::service_health(connection, scope, first.from, last.until)?;
    Ok(facts)
}

/// When the first webhook came.
pub fn begun_at(connection: &Connection) -> rusqlite::Result<Option<Timestamp>> {
    let at: Option<i64> = connection.prepare_cached(BEGUN)?.query_row([OWN_SOURCE], |row| row.get(0)).optional()?;
    at.map(|at| rows::of_millisecond(0, at)).transpose()
}

fn sums(connection: &Connection, day: &LocalDay) -> rusqlite::Result<Vec<Sum>> {
    let given = [rows::to_millisecond(day.from), rows::to_millisecond(day.until)];
    let mut select = connection.prepare_cached(SUMS)?;
    let found = select.query_map(given, |row| sum(row, day.day))?;
    found.collect()
}

fn sum(row: &rusqlite::Row<'_>, day: Date) -> rusqlite::Result<Sum> {
    let figure: String = row.get(2)?;
    let known = Figure::ALL.into_iter().find(|known| known.as_str() == figure);
    let known = known.ok_or_else(|| rusqlite::Error::InvalidColumnType(2, figure, rusqlite::types::Type::Text))?;
    Ok(Sum {
        day,
        source: row.get(0)?,
        shop: row.get(1)?,
        figure: known,
        currency: row.get(3)?,
        count: row.get(4)?,
        minor: row.get::<_, Option<i64>>(5)?.unwrap_or_default(),
    })
}

/// What has been booked since the report before, on days that reports have covered, by day.
fn changes(connection: &Connection, scope: &Scope, first: &LocalDay, ledger_seq: i64) -> rusqlite::Result<Vec<Sum>> {
    let sql = "SELECT ledger_seq FROM report_runs WHERE report = ?1 AND day < ?2 ORDER BY day DESC LIMIT 1";
    let given = params![scope.name, first.day.to_string()];
    let before: Option<i64> = connection.prepare_cached(sql)?.query_row(given, |row| row.get(0)).optional()?;
    let Some(before) = before else { return Ok(Vec::new()) };
    // What has changed since that one stands in those that followed; and it may be much.
    let sql = "SELECT 1 FROM report_runs WHERE report = ?1 AND day > ?2";
    if connection.prepare_cached(sql)?.exists(params![scope.name, scope.to.to_string()])? {
        return Ok(Vec::new());
    }
    let sql = "SELECT 1 FROM report_runs WHERE report = ?1 AND day = ?2 AND event IS NOT NULL";
    let mut was_covered = connection.prepare_cached(sql)?;
    let mut select = connection.prepare_cached(CHANGES)?;
    let found = select.query_map(params![before, ledger_seq, rows::to_millisecond(first.from)], |row| {
        let at = rows::of_millisecond(6, row.get(6)?)?;
        sum(row, at.to_zoned(scope.zone.clone()).date())
    })?;
    let mut changes: Vec<Sum> = found.collect::<rusqlite::Result<_>>()?;
    changes.sort_by_key(|change| change.day);
    let mut kept = Vec::new();
    for group in changes.chunk_by(|one, other| one.day == other.day) {
        if was_covered.exists(params![scope.name, group[0].day.to_string()])? {
            kept.extend_from_slice(group);
        }
    }
    Ok(kept)
}

pub fn status(connection: &Connection, report: &str, day: Date) -> rusqlite::Result<ReportStatus> {
    let sql = "SELECT event FROM report_runs WHERE report = ?1 AND day = ?2";
    let read = |row: &rusqlite::Row<'_>| row.get_ref(0)?.as_blob_or_null()?.map(|id| rows::uuid(0, id)).transpose();
    let given = params![report, day.to_string()];
    let Some(event) = connection.prepare_cached(sql)?.query_row(given, read).optional()?.flatten() else {
        // The days from its beginning on are covered one after another.
        let sql = "SELECT min(day) FROM report_runs WHERE report = ?1";
        let begins_after: Option<String> = connection.prepare_cached(sql)?.query_row([report], |row| row.get(0))?;
        let has_begun = begins_after.is_some_and(|before| day.to_string() > before);
        return Ok(if has_begun { ReportStatus::Missing } else { ReportStatus::NotBegun });
    };
    // What its quiet hours hold is as the merchant wants it.
    let sql = "SELECT d.channel, d.state, d.answer, d.created_at FROM deliveries d
        WHERE d.event = ?1 AND d.instead_of IS NULL AND d.state IN ('waiting', 'dead')
        AND NOT (d.state = 'waiting' AND EXISTS (SELECT 1 FROM steps s WHERE s.delivery = d.id AND s.step = 'held'
            AND unixepoch(s.detail) * 1000 = d.due_at))
        ORDER BY d.channel";
    let mut select = connection.prepare_cached(sql)?;
    let undelivered = select.query_map([event.as_bytes()], |row| {
        Ok(Undelivered { channel: row.get(0)?, state: row.get(1)?, answer: row.get(2)? })
    })?;
    Ok(ReportStatus::Made { event: EventId(event), undelivered: undelivered.collect::<rusqlite::Result<_>>()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn a_report_costs_what_its_days_cost_and_never_goes_through_the_history() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, std::path::Path::new("bell.db")).unwrap();
        for sql in STATEMENTS {
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
