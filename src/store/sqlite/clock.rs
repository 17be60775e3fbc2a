//! The clock was put back: what waits until a moment of the old time is due after its own wait at the latest, and what was made
//! in what is the future now was made now.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};

use crate::domain::event::DeliveryId;
use crate::domain::wait;
use crate::store::sqlite::{deliver, rows};

/// So many of the newest steps are looked at, whether they are of the future.
const NEWEST_STEPS: u32 = 10_000;

// Both ranks are named, so that the index is searched for each.
const TOO_FAR: &str = "SELECT id, due_at, wait_ms FROM deliveries
    WHERE channel = ?1 AND urgent IN (0, 1) AND state = 'waiting' AND digest IS NULL AND due_at > ?2";

const MADE_LATER: &str = "UPDATE deliveries SET created_at = ?2
    WHERE channel = ?1 AND state = 'waiting' AND urgent = 1 AND fell_back = 0 AND created_at > ?2 RETURNING id";

const HELD_LATER: &str = "SELECT d.id FROM (SELECT delivery, max(seq) AS seq FROM steps
        WHERE seq > (SELECT coalesce(max(seq), 0) FROM steps) - ?3
        AND step IN ('held', 'let_go', 'redelivered', 'clock_set') GROUP BY delivery) newest
    JOIN steps s ON s.seq = newest.seq JOIN deliveries d ON d.id = s.delivery
    WHERE d.channel = ?1 AND d.state = 'waiting'
    AND CASE s.step WHEN 'held' THEN unixepoch(s.detail) * 1000 ELSE s.at END > max(?2, d.due_at)";

/// How many milliseconds a wait lasts.
pub fn wait_ms(until: Timestamp, from: Timestamp) -> i64 {
    (rows::to_millisecond(until) - rows::to_millisecond(from)).max(0)
}

/// Cuts what waits for a channel, or for its credential. Answers how many deliveries that concerns.
pub fn cut(connection: &Connection, channel: &str, credential: &str, now: Timestamp) -> rusqlite::Result<usize> {
    let at = rows::to_millisecond(now);
    let mut concerned = BTreeSet::new();
    let mut select = connection.prepare_cached(TOO_FAR)?;
    let read = |row: &rusqlite::Row<'_>| {
        let id = rows::uuid(0, row.get_ref(0)?.as_blob()?).map(DeliveryId)?;
        Ok((id, rows::of_millisecond(1, row.get(1)?)?, SignedDuration::from_millis(row.get(2)?)))
    };
    let waiting = select.query_map(params![channel, at], read)?.collect::<rusqlite::Result<Vec<_>>>()?;
    for (id, until, longest) in waiting {
        let cut = wait::cut(until, longest, now);
        if cut < until {
            let sql = "UPDATE deliveries SET due_at = ?2 WHERE id = ?1";
            connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), rows::to_millisecond(cut)])?;
            concerned.insert(id);
        }
    }
    concerned.extend(ids(connection, MADE_LATER, params![channel, at])?);
    concerned.extend(ids(connection, HELD_LATER, params![channel, at, NEWEST_STEPS])?);
    for id in &concerned {
        let sql = "UPDATE attempts SET ended_at = ?2 WHERE delivery = ?1 AND ended_at > ?2";
        connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), at])?;
        let sql = "UPDATE steps SET at = ?2 WHERE delivery = ?1 AND at > ?2";
        connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), at])?;
        deliver::step(connection, *id, now, "clock_set", "")?;
    }
    let sql =
        "UPDATE parked_channels SET next_probe_at = min(next_probe_at, ?2 + wait_ms), probed_at = min(probed_at, ?2)
               WHERE channel = ?1";
    connection.prepare_cached(sql)?.execute(params![channel, at])?;
    let sql = "UPDATE credentials SET closed_until = min(closed_until, ?2 + wait_ms) WHERE credential = ?1";
    connection.prepare_cached(sql)?.execute(params![credential, at])?;
    let sql = "UPDATE last_yes SET at = min(at, ?2) WHERE channel = ?1";
    connection.prepare_cached(sql)?.execute(params![channel, at])?;
    Ok(concerned.len())
}

fn ids(connection: &Connection, sql: &str, given: impl rusqlite::Params) -> rusqlite::Result<Vec<DeliveryId>> {
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_map(given, |row| rows::uuid(0, row.get_ref(0)?.as_blob()?).map(DeliveryId))?;
    found.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::schema;

    #[test]
    fn what_a_clock_that_was_ahead_has_noted_is_of_now() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, std::path::Path::new("bell.db")).unwrap();
        let (now, ahead) = (Timestamp::from_second(1_790_000_000).unwrap(), SignedDuration::from_hours(24));
        let later = rows::to_millisecond(now + ahead);
        let sql = "INSERT INTO last_yes (channel, at) VALUES ('kitchen', ?1), ('other', ?1)";
        connection.execute(sql, [later]).unwrap();
        assert_eq!(cut(&connection, "kitchen", "robot", now).unwrap(), 0);
        let accepted = |channel: &str| -> i64 {
            connection.query_row("SELECT at FROM last_yes WHERE channel = ?1", [channel], |row| row.get(0)).unwrap()
        };
        assert_eq!((accepted("kitchen"), accepted("other")), (rows::to_millisecond(now), later));
    }

    #[test]
    fn no_cut_goes_through_all_deliveries_or_all_steps() {
        let mut connection = Connection::open_in_memory().unwrap();
        schema::migrate(&mut connection, std::path::Path::new("bell.db")).unwrap();
        for sql in [TOO_FAR, MADE_LATER, HELD_LATER] {
            let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
            let parameters = vec![rusqlite::types::Null; explain.parameter_count()];
            let steps =
                explain.query_map(rusqlite::params_from_iter(parameters), |row| row.get::<_, String>(3)).unwrap();
            let plan = steps.map(Result::unwrap).collect::<Vec<_>>().join("\n");
            for table in ["deliveries", "d", "s", "steps"] {
                assert!(!plan.lines().any(|step| step == format!("SCAN {table}")), "{plan}");
            }
        }
    }
}
