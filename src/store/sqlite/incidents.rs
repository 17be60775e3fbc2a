//! What the daemon reads of itself, and what the operator was notified of: the notice and the row in one commit.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::{Event, OWN_SOURCE, SignatureCheck};
use crate::domain::retry;
use crate::store::health::{
    DeadLetter, DeadLetterStats, HealthQuery, HealthSnapshot, Incident, IncidentUpdate, OverdueDeliveries,
    ParkedChannel, UnfitSignatures, UnroutedEvent,
};
use crate::store::ingest::Recorded;
use crate::store::sqlite::{record, rows};

/// So many urgent deliveries of a channel are looked at, those that are due first: when older ones lie behind so many, these
/// are old enough themselves.
const LOOKED_AT: u32 = 10_000;
/// So many of the newest events are asked whether a route matched them. Between an event and the look at it lie
/// milliseconds.
const NEWEST: u32 = 500;

const PARKED: &str = "SELECT p.channel, p.since, p.reason, p.next_probe_at,
        (SELECT count(*) FROM deliveries d WHERE d.channel = p.channel AND d.state = 'waiting' AND d.digest IS NULL)
    FROM parked_channels p";

// Since when each waits in earnest: from the end of the quiet hours on, or since a person asked for it once more, or since the clock
// was put back. With min()
// alone, the other columns are those of the row that has it.
const WAITING: &str = "SELECT min(w.since), w.answer, count(*) FROM (
        SELECT u.id, u.answer, max(u.created_at, coalesce((
            SELECT CASE step WHEN 'held' THEN unixepoch(detail) * 1000 ELSE at END FROM steps
            WHERE delivery = u.id AND step IN ('held', 'let_go', 'redelivered', 'clock_set') ORDER BY seq DESC LIMIT 1
        ), 0)) AS since
        FROM (
            SELECT id, created_at, answer FROM deliveries
            WHERE channel = ?1 AND urgent = 1 AND state = 'waiting' AND digest IS NULL ORDER BY due_at LIMIT ?3
        ) u
        WHERE u.created_at <= ?2
    ) w
    WHERE w.since <= ?2
    AND NOT EXISTS (SELECT 1 FROM deliveries f WHERE f.instead_of = w.id AND f.state IN ('delivered', 'merged'))";

const DEAD: &str = "SELECT channel, count(*) FROM deliveries WHERE state = 'dead' GROUP BY channel";

const DEAD_OF: &str =
    "SELECT d.due_at, d.answer, e.kind, e.order_number FROM deliveries d JOIN events e ON e.id = d.event
    WHERE d.channel = ?1 AND d.state = 'dead' AND e.kind NOT IN ('operator.notice', 'test')";

const UNHEARD: &str = "SELECT packed FROM (SELECT id, source, packed FROM events ORDER BY seq DESC LIMIT ?1) e
    WHERE e.source <> ?2 AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.event = e.id)";

const UNPROVEN: &str = "SELECT count(*), min(received_at), max(received_at) FROM events INDEXED BY events_unproven
    WHERE received_at > ?2 AND received_at < ?3 AND source = ?1 AND unproven = 1";

const LAST: &str = "SELECT max(received_at) FROM events INDEXED BY events_by_arrival WHERE received_at < ?1";

/// What was not proven of a source's webhooks, after one moment and before another.
pub fn unproven(
    connection: &Connection,
    source: &str,
    after: Timestamp,
    before: Timestamp,
) -> rusqlite::Result<Option<UnfitSignatures>> {
    let given = params![source, rows::to_millisecond(after), rows::to_millisecond(before)];
    connection.prepare_cached(UNPROVEN)?.query_row(given, |row| {
        let count = row.get::<_, i64>(0)?.unsigned_abs();
        let moment = |column| rows::of_millisecond(column, row.get(column)?);
        if count == 0 { Ok(None) } else { Ok(Some(UnfitSignatures { count, first: moment(1)?, last: moment(2)? })) }
    })
}

/// When the last event came before a moment.
pub fn last_event(connection: &Connection, before: Timestamp) -> rusqlite::Result<Option<Timestamp>> {
    let before = rows::to_millisecond(before);
    let last: Option<i64> = connection.prepare_cached(LAST)?.query_row([before], |row| row.get(0))?;
    last.map(|last| rows::of_millisecond(0, last)).transpose()
}

pub fn update(connection: &Connection, change: &IncidentUpdate) -> rusqlite::Result<Option<Recorded>> {
    let IncidentUpdate { before, after, notice } = change;
    let Some(about) = after.as_ref().or(before.as_ref()) else { return Ok(None) };
    let key = params![about.topic, about.subject];
    let sql = "SELECT topic, subject, since, detail FROM troubles WHERE topic = ?1 AND subject = ?2";
    if connection.prepare_cached(sql)?.query_row(key, incident).optional()? != *before {
        return Ok(None);
    }
    connection.prepare_cached("DELETE FROM troubles WHERE topic = ?1 AND subject = ?2")?.execute(key)?;
    if let Some(Incident { topic, subject, since, detail }) = after {
        let sql = "INSERT INTO troubles (topic, subject, since, detail) VALUES (?1, ?2, ?3, ?4)";
        connection.prepare_cached(sql)?.execute(params![topic, subject, rows::to_millisecond(*since), detail])?;
    }
    match notice {
        Some(notice) => record::record(connection, notice).map(Some),
        None => Ok(Some(Recorded::New { channels: Vec::new(), unjudged: Vec::new(), committed: None })),
    }
}

/// Writes down when something came from a source last; `None`: forgets it.
pub fn sign(connection: &Connection, source: &str, at: Option<Timestamp>) -> rusqlite::Result<()> {
    match at {
        Some(at) => {
            let sql = "INSERT INTO signs_of_life (source, at) VALUES (?1, ?2)
                       ON CONFLICT (source) DO UPDATE SET at = excluded.at";
            connection.prepare_cached(sql)?.execute(params![source, rows::to_millisecond(at)])?;
        }
        None => {
            connection.prepare_cached("DELETE FROM signs_of_life WHERE source = ?1")?.execute([source])?;
        }
    }
    Ok(())
}

pub fn health_snapshot(connection: &Connection, look: HealthQuery) -> rusqlite::Result<HealthSnapshot> {
    Ok(HealthSnapshot {
        incidents: incidents(connection)?,
        parked: parked(connection)?,
        waiting: look
            .channels
            .iter()
            .filter_map(|channel| waiting(connection, channel, look.waits_since).transpose())
            .collect::<rusqlite::Result<_>>()?,
        dead: dead(connection, look.dead)?,
        source_activity: source_activity(connection)?,
        unrouted: if look.newest { unrouted(connection)? } else { Vec::new() },
    })
}

fn incidents(connection: &Connection) -> rusqlite::Result<Vec<Incident>> {
    let mut select = connection.prepare_cached("SELECT topic, subject, since, detail FROM troubles")?;
    select.query_map([], incident)?.collect()
}

fn incident(row: &rusqlite::Row<'_>) -> rusqlite::Result<Incident> {
    let since = rows::of_millisecond(2, row.get(2)?)?;
    Ok(Incident { topic: row.get(0)?, subject: row.get(1)?, since, detail: row.get(3)? })
}

fn parked(connection: &Connection) -> rusqlite::Result<Vec<ParkedChannel>> {
    let mut select = connection.prepare_cached(PARKED)?;
    let found = select.query_map([], |row| {
        Ok(ParkedChannel {
            channel: row.get(0)?,
            since: rows::of_millisecond(1, row.get(1)?)?,
            reason: row.get(2)?,
            next_probe_at: rows::of_millisecond(3, row.get(3)?)?,
            waiting: row.get::<_, i64>(4)?.unsigned_abs(),
        })
    })?;
    found.collect()
}

/// The urgent deliveries of a channel that wait since `since` or longer; not those that are held until a later hour, nor those
/// that the fallback was sent.
fn waiting(connection: &Connection, channel: &str, since: Timestamp) -> rusqlite::Result<Option<OverdueDeliveries>> {
    let given = params![channel, rows::to_millisecond(since), LOOKED_AT];
    connection.prepare_cached(WAITING)?.query_row(given, |row| {
        let Some(oldest) = row.get::<_, Option<i64>>(0)? else { return Ok(None) };
        let words: Option<String> = row.get(1)?;
        Ok(Some(OverdueDeliveries {
            channel: channel.to_owned(),
            oldest: rows::of_millisecond(0, oldest)?,
            words: words.map(|words| retry::redacted(&words).to_owned()),
            count: row.get::<_, i64>(2)?.unsigned_abs(),
        }))
    })
}

/// The dead deliveries by channel. To look at each takes time where there are many thousands, so a channel of which there are
/// as many as `before` is taken to be as before.
fn dead(
    connection: &Connection,
    mut before: BTreeMap<String, DeadLetterStats>,
) -> rusqlite::Result<BTreeMap<String, DeadLetterStats>> {
    let mut select = connection.prepare_cached(DEAD)?;
    let found = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, i64>(1)?.unsigned_abs())))?;
    let mut deaths = BTreeMap::new();
    for row in found {
        let (channel, all) = row?;
        let known = before.remove(&channel).filter(|known| known.all == all);
        let known =
            known.map_or_else(|| dead_of(connection, &channel).map(|dead| DeadLetterStats { all, dead }), Ok)?;
        deaths.insert(channel, known);
    }
    Ok(deaths)
}

/// Without notices, whose end makes no notice, because that would never end; and without what a person sends to try a channel,
/// which is seen as it happens.
fn dead_of(connection: &Connection, channel: &str) -> rusqlite::Result<Option<DeadLetter>> {
    let mut select = connection.prepare_cached(DEAD_OF)?;
    let mut found = select.query([channel])?;
    let mut dead: Option<DeadLetter> = None;
    while let Some(row) = found.next()? {
        // What is dead was due last when it died.
        let at = rows::of_millisecond(0, row.get(0)?)?;
        let all = dead.get_or_insert_with(|| DeadLetter { count: 0, first: at, newest: at, words: String::new() });
        all.count += 1;
        all.first = all.first.min(at);
        if at >= all.newest {
            all.newest = at;
            let (kind, order): (String, Option<String>) = (row.get(2)?, row.get(3)?);
            let answer: Option<String> = row.get(1)?;
            let about = order.map_or(kind.clone(), |order| format!("{kind} {order}"));
            all.words = match answer.as_deref().map(retry::redacted) {
                Some(words) if !words.is_empty() => format!("{about}: {words}"),
                _ => about,
            };
        }
    }
    Ok(dead)
}

fn source_activity(connection: &Connection) -> rusqlite::Result<BTreeMap<String, Timestamp>> {
    let mut select = connection.prepare_cached("SELECT source, at FROM signs_of_life")?;
    let found = select.query_map([], |row| Ok((row.get(0)?, rows::of_millisecond(1, row.get(1)?)?)))?;
    found.collect()
}

/// The newest events from outside that made no delivery.
fn unrouted(connection: &Connection) -> rusqlite::Result<Vec<UnroutedEvent>> {
    let mut select = connection.prepare_cached(UNHEARD)?;
    let mut found = select.query(params![NEWEST, OWN_SOURCE])?;
    let mut unrouted = Vec::new();
    while let Some(row) = found.next()? {
        // One that only a newer version can read is that version's business.
        match rows::packed::<Event>(0, row.get_ref(0)?.as_blob()?) {
            Ok(event) if event.proof != SignatureCheck::Invalid => {
                let (kind, source, shop) = (event.kind, event.source, event.shop.map(|shop| shop.id));
                unrouted.push(UnroutedEvent { kind, source, shop });
            }
            _ => {}
        }
    }
    Ok(unrouted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn no_look_goes_through_all_deliveries_or_all_events() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, std::path::Path::new("bell.db")).unwrap();
        for sql in [PARKED, WAITING, DEAD, DEAD_OF, UNHEARD, UNPROVEN, LAST] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let parameters = vec![rusqlite::types::Null; explain.parameter_count()];
            let steps =
                explain.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
            let steps: Vec<String> = steps.map(Result::unwrap).collect();
            let plan = steps.join("\n");
            // Through an index that holds the dead alone, or from the newest event on to the last that is wanted.
            let through = |table: &str| {
                let scans = steps.iter().filter(|step| step.starts_with("SCAN") && step.contains(table));
                scans.filter(|step| !step.contains("deliveries_dead")).count()
            };
            assert_eq!(through("deliveries") + through(" d"), 0, "{plan}");
            assert_eq!(through("events"), usize::from(sql == UNHEARD), "{plan}");
        }
    }
}
