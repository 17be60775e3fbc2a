//! What the daemon reads of itself, and what the operator was notified of: the notice and the row in one commit.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::event::{Event, OWN_SOURCE, SignatureCheck};
use crate::domain::retry;
use crate::store::health::{
    DeadLetter, DeadLetterStats, HealthQuery, HealthSnapshot, Incident, IncidentUpdate, OverdueDeliveries,
    ParkedChannel, UnfitSignatures, UnroutedEvent,
};
use crate::store::ingest::Recorded;
use crate::store::sql::{Connection, Result, Row, params, record};

/// So many urgent deliveries of a channel are looked at, those that are due first: when older ones lie behind so many, these
/// are old enough themselves.
const LOOKED_AT: u32 = 10_000;
/// So many of the newest events are asked whether a route matched them. Between an event and the look at it lie
/// milliseconds.
const NEWEST: u32 = 500;

const PARKED: &str = "SELECT p.channel, p.since, p.reason, p.next_probe_at,
        (SELECT count(*) FROM deliveries d WHERE d.channel = p.channel AND d.state = 'waiting' AND d.digest IS NULL)
    FROM parked_channels p";

// Since when each waits in earnest: since it was made, and from the end of the quiet hours on, or since a person asked for it
// once more, or since the clock was put back.
const WAITING: &str = "SELECT w.created_at, w.resumed, w.answer FROM (
        SELECT u.id, u.created_at, u.answer, coalesce((
            SELECT CASE s.step WHEN 'held' THEN unixepoch(s.detail) * 1000 ELSE s.at END FROM steps s
            WHERE s.delivery = u.id AND s.step IN ('held', 'let_go', 'redelivered', 'clock_set') ORDER BY s.seq DESC LIMIT 1
        ), 0) AS resumed
        FROM (
            SELECT id, created_at, answer FROM deliveries
            WHERE channel = ?1 AND urgent = 1 AND state = 'waiting' AND digest IS NULL ORDER BY due_at LIMIT ?3
        ) u
        WHERE u.created_at <= ?2
    ) w
    WHERE w.resumed <= ?2
    AND NOT EXISTS (SELECT 1 FROM deliveries f WHERE f.instead_of = w.id AND f.state IN ('delivered', 'merged'))";

const DEAD: &str = "SELECT channel, count(*) FROM deliveries WHERE state = 'dead' GROUP BY channel ORDER BY channel";

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
    connection: &dyn Connection,
    source: &str,
    after: Timestamp,
    before: Timestamp,
) -> Result<Option<UnfitSignatures>> {
    connection.one(UNPROVEN, params![source, after, before], |row| match row.get(0)? {
        0 => Ok(None),
        count => Ok(Some(UnfitSignatures { count, first: row.get(1)?, last: row.get(2)? })),
    })
}

/// When the last event came before a moment.
pub fn last_event(connection: &dyn Connection, before: Timestamp) -> Result<Option<Timestamp>> {
    connection.one(LAST, params![before], |row| row.get(0))
}

pub fn update(connection: &dyn Connection, change: &IncidentUpdate) -> Result<Option<Recorded>> {
    let IncidentUpdate { before, after, notice } = change;
    let Some(about) = after.as_ref().or(before.as_ref()) else { return Ok(None) };
    let key = params![about.topic, about.subject];
    let sql = "SELECT topic, subject, since, detail FROM troubles WHERE topic = ?1 AND subject = ?2";
    if connection.optional(sql, key, incident)? != *before {
        return Ok(None);
    }
    connection.execute("DELETE FROM troubles WHERE topic = ?1 AND subject = ?2", key)?;
    if let Some(Incident { topic, subject, since, detail }) = after {
        let sql = "INSERT INTO troubles (topic, subject, since, detail) VALUES (?1, ?2, ?3, ?4)";
        connection.execute(sql, params![topic, subject, since, detail])?;
    }
    match notice {
        Some(notice) => record::record(connection, notice).map(Some),
        None => Ok(Some(Recorded::New { channels: Vec::new(), unjudged: Vec::new(), committed: None })),
    }
}

/// Writes down when something came from a source last; `None`: forgets it.
pub fn sign(connection: &dyn Connection, source: &str, at: Option<Timestamp>) -> Result<()> {
    match at {
        Some(at) => {
            let sql = "INSERT INTO signs_of_life (source, at) VALUES (?1, ?2)
                       ON CONFLICT (source) DO UPDATE SET at = excluded.at";
            connection.execute(sql, params![source, at])?;
        }
        None => {
            connection.execute("DELETE FROM signs_of_life WHERE source = ?1", params![source])?;
        }
    }
    Ok(())
}

pub fn health_snapshot(connection: &dyn Connection, look: HealthQuery) -> Result<HealthSnapshot> {
    Ok(HealthSnapshot {
        incidents: incidents(connection)?,
        parked: parked(connection)?,
        waiting: look
            .channels
            .iter()
            .filter_map(|channel| waiting(connection, channel, look.waits_since).transpose())
            .collect::<Result<_>>()?,
        dead: dead(connection, look.dead)?,
        source_activity: source_activity(connection)?,
        unrouted: if look.newest { unrouted(connection)? } else { Vec::new() },
    })
}

/// Everything of which the operator was notified, and not yet of its end.
pub fn incidents(connection: &dyn Connection) -> Result<Vec<Incident>> {
    connection.all("SELECT topic, subject, since, detail FROM troubles", &[], incident)
}

fn incident(row: &Row<'_>) -> Result<Incident> {
    Ok(Incident { topic: row.get(0)?, subject: row.get(1)?, since: row.get(2)?, detail: row.get(3)? })
}

fn parked(connection: &dyn Connection) -> Result<Vec<ParkedChannel>> {
    connection.all(PARKED, &[], |row| {
        Ok(ParkedChannel {
            channel: row.get(0)?,
            since: row.get(1)?,
            reason: row.get(2)?,
            next_probe_at: row.get(3)?,
            waiting: row.get(4)?,
        })
    })
}

/// The urgent deliveries of a channel that wait since `since` or longer; not those that are held until a later hour, nor those
/// that the fallback was sent.
fn waiting(connection: &dyn Connection, channel: &str, since: Timestamp) -> Result<Option<OverdueDeliveries>> {
    let mut overdue: Option<OverdueDeliveries> = None;
    connection.query(WAITING, params![channel, since, LOOKED_AT], &mut |row| {
        let at = row.get::<Timestamp>(0)?.max(row.get(1)?);
        let count = overdue.as_ref().map_or(0, |overdue| overdue.count) + 1;
        match &mut overdue {
            Some(overdue) if overdue.oldest <= at => overdue.count = count,
            _ => {
                let words = row.get::<Option<&str>>(2)?.map(|words| retry::redacted(words).to_owned());
                overdue = Some(OverdueDeliveries { channel: channel.to_owned(), oldest: at, words, count });
            }
        }
        Ok(())
    })?;
    Ok(overdue)
}

/// The dead deliveries by channel. To look at each takes time where there are many thousands, so a channel of which there are
/// as many as `before` is taken to be as before.
fn dead(
    connection: &dyn Connection,
    mut before: BTreeMap<String, DeadLetterStats>,
) -> Result<BTreeMap<String, DeadLetterStats>> {
    let mut deaths = BTreeMap::new();
    for (channel, all) in connection.all(DEAD, &[], |row| Ok((row.get::<String>(0)?, row.get(1)?)))? {
        let known = before.remove(&channel).filter(|known| known.all == all);
        let known =
            known.map_or_else(|| dead_of(connection, &channel).map(|dead| DeadLetterStats { all, dead }), Ok)?;
        deaths.insert(channel, known);
    }
    Ok(deaths)
}

/// Without notices, whose end makes no notice, because that would never end; and without what a person sends to try a channel,
/// which is seen as it happens.
fn dead_of(connection: &dyn Connection, channel: &str) -> Result<Option<DeadLetter>> {
    let mut dead: Option<DeadLetter> = None;
    connection.query(DEAD_OF, params![channel], &mut |row| {
        // What is dead was due last when it died.
        let at = row.get(0)?;
        let all = dead.get_or_insert_with(|| DeadLetter { count: 0, first: at, newest: at, words: String::new() });
        all.count += 1;
        all.first = all.first.min(at);
        if at >= all.newest {
            all.newest = at;
            let (kind, order): (&str, Option<&str>) = (row.get(2)?, row.get(3)?);
            let about = order.map_or(kind.to_owned(), |order| format!("{kind} {order}"));
            all.words = match row.get::<Option<&str>>(1)?.map(retry::redacted) {
                Some(words) if !words.is_empty() => format!("{about}: {words}"),
                _ => about,
            };
        }
        Ok(())
    })?;
    Ok(dead)
}

fn source_activity(connection: &dyn Connection) -> Result<BTreeMap<String, Timestamp>> {
    let sql = "SELECT source, at FROM signs_of_life";
    Ok(connection.all(sql, &[], |row| Ok((row.get(0)?, row.get(1)?)))?.into_iter().collect())
}

/// The newest events from outside that made no delivery.
fn unrouted(connection: &dyn Connection) -> Result<Vec<UnroutedEvent>> {
    let mut unrouted = Vec::new();
    connection.query(UNHEARD, params![NEWEST, OWN_SOURCE], &mut |row| {
        // One that only a newer version can read is that version's business.
        if let Ok(event) = row.packed::<Event>(0)
            && event.proof != SignatureCheck::Invalid
        {
            let (kind, source, shop) = (event.kind, event.source, event.shop.map(|shop| shop.id));
            unrouted.push(UnroutedEvent { kind, source, shop });
        }
        Ok(())
    })?;
    Ok(unrouted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plans::{in_memory, plan};

    #[test]
    fn no_look_goes_through_all_deliveries_or_all_events() {
        let store = in_memory();
        for sql in [PARKED, WAITING, DEAD, DEAD_OF, UNHEARD, UNPROVEN, LAST] {
            let steps = plan(&store, sql);
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
