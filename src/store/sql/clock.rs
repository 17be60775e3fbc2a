//! The clock was put back: what waits until a moment of the old time is due after its own wait at the latest, and what was made
//! in what is the future now was made now.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use crate::domain::event::DeliveryId;
use crate::domain::wait;
use crate::store::sql::{Connection, Result, deliver, params};

/// So many of the newest steps are looked at, whether they are of the future.
const NEWEST_STEPS: u32 = 10_000;

// Both ranks are named, so that the index is searched for each.
const TOO_FAR: &str = "SELECT id, due_at, wait_ms FROM deliveries
    WHERE channel = ?1 AND urgent IN (0, 1) AND state = 'waiting' AND digest IS NULL AND due_at > ?2";

// The clock of another instance may be a moment ahead, and what is made while this waits for its turn is later than it, too.
const MADE_LATER: &str = "UPDATE deliveries SET created_at = ?2
    WHERE channel = ?1 AND state = 'waiting' AND urgent = 1 AND fell_back = 0 AND created_at > ?2 + 60000 RETURNING id";

const HELD_LATER: &str = "SELECT d.id FROM (SELECT delivery, max(seq) AS seq FROM steps
        WHERE seq > (SELECT coalesce(max(seq), 0) FROM steps) - ?3
        AND step IN ('held', 'let_go', 'redelivered', 'clock_set') GROUP BY delivery) newest
    JOIN steps s ON s.seq = newest.seq JOIN deliveries d ON d.id = s.delivery
    WHERE d.channel = ?1 AND d.state = 'waiting'
    AND CASE s.step WHEN 'held' THEN unixepoch(s.detail) * 1000 ELSE s.at END > CASE WHEN d.due_at > ?2 THEN d.due_at ELSE ?2 END";

/// How many milliseconds a wait lasts.
pub fn wait_ms(until: Timestamp, from: Timestamp) -> i64 {
    (until.as_millisecond() - from.as_millisecond()).max(0)
}

/// Cuts what waits for a channel, or for its credential. Answers how many deliveries that concerns.
pub fn cut(connection: &dyn Connection, channel: &str, credential: &str, now: Timestamp) -> Result<usize> {
    let mut concerned = BTreeSet::new();
    let waiting = connection.all(TOO_FAR, params![channel, now], |row| {
        Ok((row.get::<DeliveryId>(0)?, row.get(1)?, SignedDuration::from_millis(row.get(2)?)))
    })?;
    for (id, until, longest) in waiting {
        let cut = wait::cut(until, longest, now);
        if cut < until {
            connection.execute("UPDATE deliveries SET due_at = ?2 WHERE id = ?1", params![id, cut])?;
            concerned.insert(id);
        }
    }
    concerned.extend(connection.all(MADE_LATER, params![channel, now], |row| row.get::<DeliveryId>(0))?);
    concerned.extend(connection.all(HELD_LATER, params![channel, now, NEWEST_STEPS], |row| row.get::<DeliveryId>(0))?);
    for id in &concerned {
        let sql = "UPDATE attempts SET ended_at = ?2 WHERE delivery = ?1 AND ended_at > ?2";
        connection.execute(sql, params![id, now])?;
        connection.execute("UPDATE steps SET at = ?2 WHERE delivery = ?1 AND at > ?2", params![id, now])?;
        deliver::step(connection, *id, now, "clock_set", "")?;
    }
    let of_channel = [
        "UPDATE parked_channels SET next_probe_at = ?2 + wait_ms WHERE channel = ?1 AND next_probe_at > ?2 + wait_ms",
        "UPDATE parked_channels SET probed_at = ?2 WHERE channel = ?1 AND probed_at > ?2",
        "UPDATE paused_channels SET since = ?2 WHERE channel = ?1 AND since > ?2",
        "UPDATE last_yes SET at = ?2 WHERE channel = ?1 AND at > ?2",
    ];
    for sql in of_channel {
        connection.execute(sql, params![channel, now])?;
    }
    let sql =
        "UPDATE credentials SET closed_until = ?2 + wait_ms WHERE credential = ?1 AND closed_until > ?2 + wait_ms";
    connection.execute(sql, params![credential, now])?;
    Ok(concerned.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plans::{in_memory, plan};

    #[test]
    fn what_a_clock_that_was_ahead_has_noted_is_of_now() {
        let store = in_memory();
        let store: &dyn Connection = &store;
        let (now, ahead) = (Timestamp::from_second(1_790_000_000).unwrap(), SignedDuration::from_hours(24));
        let later = now + ahead;
        let sql = "INSERT INTO last_yes (channel, at) VALUES ('kitchen', ?1), ('other', ?1)";
        store.execute(sql, params![later]).unwrap();
        assert_eq!(cut(store, "kitchen", "robot", now).unwrap(), 0);
        let accepted = |channel: &str| -> Timestamp {
            store.one("SELECT at FROM last_yes WHERE channel = ?1", params![channel], |row| row.get(0)).unwrap()
        };
        assert_eq!((accepted("kitchen"), accepted("other")), (now, later));
    }

    #[test]
    fn no_cut_goes_through_all_deliveries_or_all_steps() {
        let store = in_memory();
        for sql in [TOO_FAR, MADE_LATER, HELD_LATER] {
            let plan = plan(&store, sql);
            for table in ["deliveries", "d", "s", "steps"] {
                assert!(!plan.contains(&format!("SCAN {table}")), "{plan:?}");
            }
        }
    }
}
