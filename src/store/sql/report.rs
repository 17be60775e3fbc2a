//! What reports are made of, and which days they have covered: a day is covered in the commit of the event that reports it.

pub mod history;
pub mod service_health;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::domain::event::{Event, EventId, Kind, OWN_SOURCE};
use crate::domain::figures::facts::{Facts, Scope, Sum};
use crate::domain::ledger::Figure;
use crate::domain::report::calendar::LocalDay;
use crate::store::ingest::Recorded;
use crate::store::recording::packed::Unpacked;
use crate::store::reports::{ReportRun, ReportStatus, Undelivered};
use crate::store::sql::{Connection, Error, Result, Row, params, record, rows};

/// So long after a day a platform may still send its totals: they are of two days.
const SENT_WITHIN: SignedDuration = SignedDuration::from_hours(48);

const BEGUN: &str = "SELECT received_at FROM events INDEXED BY events_by_arrival WHERE received_at > 0 AND source <> ?1
    ORDER BY received_at LIMIT 1";
const SUMS: &str =
    "SELECT source, shop, figure, currency, CAST(sum(count) AS BIGINT), CAST(sum(minor) AS BIGINT) FROM ledger
    WHERE effect_at >= ?1 AND effect_at < ?2 GROUP BY source, shop, figure, currency
    ORDER BY source, shop NULLS FIRST, figure, currency NULLS FIRST";
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
pub fn table(connection: &dyn Connection, report: EventId) -> Result<Option<String>> {
    let found = connection.optional("SELECT packed FROM events WHERE id = ?1", params![report], |row| {
        let stored = row.unpacked(0)?;
        Ok(table_of(&rows::part(0, &stored, 0)?, &stored))
    })?;
    Ok(found.flatten())
}

/// Of a report that is kept with its orders as CSV, these.
pub fn table_of(event: &Event, stored: &Unpacked) -> Option<String> {
    let body = stored.part(2);
    let has_table = matches!(event.kind, Kind::Report(_)) && !body.is_empty();
    has_table.then(|| String::from_utf8_lossy(body).into_owned())
}

/// The event whose picture has this name, unless its time is over.
pub fn pictured(connection: &dyn Connection, token: &str, now: Timestamp) -> Result<Option<Event>> {
    let sql =
        "SELECT e.packed FROM pictures p JOIN events e ON e.id = p.event WHERE p.token = ?1 AND p.expires_at > ?2";
    connection.optional(sql, params![token, now], |row| row.packed(0))
}

/// Notes that a report begins after a day, unless it has begun.
pub fn begin(connection: &dyn Connection, report: &str, after: Date) -> Result<()> {
    if covered(connection, report)?.is_none() {
        let sql = "INSERT INTO report_runs (report, day, ledger_seq) VALUES (?1, ?2, ?3)";
        connection.execute(sql, params![report, after.to_string(), newest_entry(connection)?])?;
    }
    Ok(())
}

/// Forgets that a report has covered days from one on.
pub fn forget_days(connection: &dyn Connection, report: &str, from: Date) -> Result<()> {
    let sql = "DELETE FROM report_runs WHERE report = ?1 AND day >= ?2";
    connection.execute(sql, params![report, from.to_string()]).map(drop)
}

/// Records a report and the days that it covers. `None`: one of them is covered already, so nothing was done.
pub fn record_run(connection: &dyn Connection, run: &ReportRun) -> Result<Option<Recorded>> {
    let event = run.record.event.id;
    for day in &run.days {
        let sql =
            "INSERT INTO report_runs (report, day, event, ledger_seq) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        if connection.execute(sql, params![run.report, day.to_string(), event, run.ledger_seq])? == 0 {
            // What was inserted for the days before belongs to this very event.
            connection.execute("DELETE FROM report_runs WHERE event = ?1", params![event])?;
            return Ok(None);
        }
    }
    if let Some((token, expires_at)) = &run.picture {
        let sql = "INSERT INTO pictures (token, event, expires_at) VALUES (?1, ?2, ?3)";
        connection.execute(sql, params![token, event, expires_at])?;
    }
    record::record(connection, &run.record).map(Some)
}

/// Removes what is older than `before`.
pub fn prune(connection: &dyn Connection, before: Timestamp) -> Result<()> {
    connection.execute("DELETE FROM repeat_tally WHERE quarter < ?1", params![service_health::quarter(before)])?;
    connection.execute("DELETE FROM refusal_tally WHERE quarter < ?1", params![service_health::quarter(before)])?;
    let sql = "DELETE FROM pictures WHERE expires_at <= ?1";
    connection.execute(sql, params![before]).map(drop)
}

fn covered(connection: &dyn Connection, report: &str) -> Result<Option<Date>> {
    let sql = "SELECT max(day) FROM report_runs WHERE report = ?1";
    connection.one(sql, params![report], |row| row.get::<Option<&str>>(0)?.map(|_| row.parsed(0)).transpose())
}

fn newest_entry(connection: &dyn Connection) -> Result<i64> {
    let sql = "SELECT coalesce(max(seq), 0) FROM ledger";
    connection.one(sql, &[], |row| row.get(0))
}

pub fn facts(connection: &dyn Connection, scope: &Scope) -> Result<Facts> {
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
    let (from, until) = (first.from, last.until);
    facts.orders = connection.all(ORDERS, params![from, until], |row| Ok((row.get(0)?, row.packed(1)?)))?;
    facts.arrivals =
        connection.all(ARRIVALS, params![from, until, OWN_SOURCE], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let [low, keys, totals] = [Kind::StockLow, Kind::StockKeysLow, Kind::TotalsReported].map(|kind| kind.to_string());
    let sent_until = last.until.checked_add(SENT_WITHIN).unwrap_or(last.until);
    let given = params![from, sent_until, low, keys, totals];
    connection.query(STOCK_AND_TOTALS, given, &mut |row| {
        match row.packed(0) {
            Ok(event) => facts.totals_and_stock.push(event),
            // One that only a newer version can read is that version's business.
            Err(Error::Unreadable { .. }) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    })?;
    facts.service = service_health::service_health(connection, scope, first.from, last.until)?;
    Ok(facts)
}

/// When the first webhook came.
pub fn begun_at(connection: &dyn Connection) -> Result<Option<Timestamp>> {
    connection.optional(BEGUN, params![OWN_SOURCE], |row| row.get(0))
}

fn sums(connection: &dyn Connection, day: &LocalDay) -> Result<Vec<Sum>> {
    connection.all(SUMS, params![day.from, day.until], |row| sum(row, day.day))
}

fn sum(row: &Row<'_>, day: Date) -> Result<Sum> {
    let figure: &str = row.get(2)?;
    let known = Figure::ALL.into_iter().find(|known| known.as_str() == figure);
    let known = known.ok_or_else(|| rows::unreadable(2, format!("no figure is called {figure}")))?;
    Ok(Sum {
        day,
        source: row.get(0)?,
        shop: row.get(1)?,
        figure: known,
        currency: row.get(3)?,
        count: row.get(4)?,
        minor: row.get::<Option<i64>>(5)?.unwrap_or_default(),
    })
}

/// What has been booked since the report before, on days that reports have covered, by day.
fn changes(connection: &dyn Connection, scope: &Scope, first: &LocalDay, ledger_seq: i64) -> Result<Vec<Sum>> {
    let sql = "SELECT ledger_seq FROM report_runs WHERE report = ?1 AND day < ?2 ORDER BY day DESC LIMIT 1";
    let before = connection.optional(sql, params![scope.name, first.day.to_string()], |row| row.get::<i64>(0))?;
    let Some(before) = before else { return Ok(Vec::new()) };
    // What has changed since that one stands in those that followed; and it may be much.
    let sql = "SELECT 1 FROM report_runs WHERE report = ?1 AND day > ?2";
    if connection.exists(sql, params![scope.name, scope.to.to_string()])? {
        return Ok(Vec::new());
    }
    let sql = "SELECT 1 FROM report_runs WHERE report = ?1 AND day = ?2 AND event IS NOT NULL";
    let mut changes = connection.all(CHANGES, params![before, ledger_seq, first.from], |row| {
        let at: Timestamp = row.get(6)?;
        sum(row, at.to_zoned(scope.zone.clone()).date())
    })?;
    changes.sort_by_key(|change| change.day);
    let mut kept = Vec::new();
    for group in changes.chunk_by(|one, other| one.day == other.day) {
        if connection.exists(sql, params![scope.name, group[0].day.to_string()])? {
            kept.extend_from_slice(group);
        }
    }
    Ok(kept)
}

pub fn status(connection: &dyn Connection, report: &str, day: Date) -> Result<ReportStatus> {
    let sql = "SELECT event FROM report_runs WHERE report = ?1 AND day = ?2";
    let event = connection.optional(sql, params![report, day.to_string()], |row| row.get::<Option<EventId>>(0))?;
    let Some(event) = event.flatten() else {
        // The days from its beginning on are covered one after another.
        let sql = "SELECT min(day) FROM report_runs WHERE report = ?1";
        let begins_after: Option<String> = connection.one(sql, params![report], |row| row.get(0))?;
        let has_begun = begins_after.is_some_and(|before| day.to_string() > before);
        return Ok(if has_begun { ReportStatus::Missing } else { ReportStatus::NotBegun });
    };
    // What its quiet hours hold is as the merchant wants it.
    let sql = "SELECT d.channel, d.state, d.answer, d.created_at FROM deliveries d
        WHERE d.event = ?1 AND d.instead_of IS NULL AND d.state IN ('waiting', 'dead')
        AND NOT (d.state = 'waiting' AND EXISTS (SELECT 1 FROM steps s WHERE s.delivery = d.id AND s.step = 'held'
            AND unixepoch(s.detail) * 1000 = d.due_at))
        ORDER BY d.channel";
    let undelivered = connection.all(sql, params![event], |row| {
        Ok(Undelivered { channel: row.get(0)?, state: row.get(1)?, answer: row.get(2)? })
    })?;
    Ok(ReportStatus::Made { event, undelivered })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plans::{in_memory, plan};

    #[test]
    fn a_report_costs_what_its_days_cost_and_never_goes_through_the_history() {
        let store = in_memory();
        for sql in STATEMENTS {
            let plan = plan(&store, sql).join("\n");
            assert!(!plan.contains("SCAN"), "{sql}\n{plan}");
            assert!(plan.contains("SEARCH"), "{sql}\n{plan}");
        }
    }
}
