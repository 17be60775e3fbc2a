//! Catching up: what a fallback was sent in the place of a channel, the channel gets as well.
//!
//! `fell_back` of a delivery says how far that is. 0: its fallback was not asked. 1: it was asked, and that will do. 2: it is
//! notified of the event anyway. 3: it was asked, and the channel is to catch up in a digest. 4: the same, with this event by
//! itself. 5: the fallback was sent it, so it waits for the next such digest.

use jiff::Timestamp;

use crate::domain::event::{DeliveryId, Kind};
use crate::domain::fallback::CatchUp;
use crate::store::sql::{Connection, Result, deliver, params, parts};

/// It may have arrived, in part at least, or is under way: it goes on as the message that it is.
const VAGUE: &str =
    "(EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND (a.ended_at IS NULL OR a.outcome = 'unknown'))
    OR EXISTS (SELECT 1 FROM parts p WHERE p.delivery = d.id AND p.form = d.form AND p.done = 1))";

/// `fell_back` of a delivery of which a fallback is asked.
pub fn asked(catch_up: CatchUp) -> i64 {
    match catch_up {
        CatchUp::Never => 1,
        CatchUp::Digest => 3,
        CatchUp::Each => 4,
    }
}

/// A message was taken. Where it stood in for others, their channels are to catch up with it from now on; what had used its
/// schedule up gets another one. What a receiver refused for good stays dead.
pub fn begin(connection: &dyn Connection, accepted: DeliveryId, now: Timestamp) -> Result<()> {
    let sql = "WITH RECURSIVE first (id, by) AS (
            SELECT instead_of, id FROM deliveries
                WHERE (id = ?1 OR digest = ?1) AND state IN ('delivered', 'merged') AND instead_of IS NOT NULL
            UNION SELECT d.instead_of, first.by FROM first JOIN deliveries d ON d.id = first.id
                WHERE d.instead_of IS NOT NULL)
        SELECT d.id, first.by, d.state = 'dead' FROM first JOIN deliveries d ON d.id = first.id
        WHERE d.fell_back IN (3, 4) AND (d.state = 'waiting' OR d.state = 'dead' AND d.outcome IN ('retry', 'unknown'))";
    let found = connection.all(sql, params![accepted], |row| Ok((row.get(0)?, row.get(1)?, row.get::<bool>(2)?)))?;
    for (delivery, by, is_dead) in found {
        let by: DeliveryId = by;
        if is_dead && !revive(connection, delivery, now)? {
            continue;
        }
        let sql = "UPDATE deliveries SET fell_back = 5 WHERE id = ?1 AND fell_back = 3";
        connection.execute(sql, params![delivery])?;
        let sql = "SELECT 1 FROM steps WHERE delivery = ?1 AND step = 'told_elsewhere' AND detail = ?2";
        if !connection.exists(sql, params![delivery, by.to_string()])? {
            deliver::step(connection, delivery, now, "told_elsewhere", &by.to_string())?;
        }
    }
    Ok(())
}

/// Gives a delivery that has used its schedule up another one. A program that was sent a later event of the order does not get
/// an earlier one behind it.
fn revive(connection: &dyn Connection, delivery: DeliveryId, now: Timestamp) -> Result<bool> {
    let sql = "UPDATE deliveries AS d SET state = 'waiting', due_at = ?2, wait_ms = 0, spent = 0, digest = NULL,
            round = round + CASE WHEN fell_back = 3 THEN 1 ELSE 0 END
        WHERE id = ?1 AND state = 'dead' AND (fell_back = 3 OR NOT EXISTS (
            SELECT 1 FROM events e JOIN events later ON later.source = e.source AND later.order_number = e.order_number
                AND later.seq > e.seq
            JOIN deliveries l ON l.event = later.id AND l.channel = d.channel AND l.state IN ('delivered', 'merged')
            WHERE e.id = d.event))";
    let revived = connection.execute(sql, params![delivery, now])? == 1;
    if revived {
        let sql = "DELETE FROM parts WHERE delivery = ?1 AND EXISTS (SELECT 1 FROM deliveries WHERE id = ?1 AND fell_back = 3)";
        connection.execute(sql, params![delivery])?;
        deliver::step(connection, delivery, now, "revived", "")?;
    }
    Ok(revived)
}

/// A channel has taken a message: what of it the fallback had been sent before is in it as well, and counts as merged.
pub fn end(connection: &dyn Connection, accepted: DeliveryId, now: Timestamp) -> Result<()> {
    let sql = "SELECT id FROM deliveries WHERE (id = ?1 OR digest = ?1) AND fell_back >= 4 AND state IN ('delivered', 'merged')";
    for delivery in connection.all(sql, params![accepted], |row| row.get(0))? {
        let Some(by) = stand_ins(connection, delivery)?.first().map(|(by, _)| *by) else { continue };
        deliver::step(connection, delivery, now, "caught_up", "")?;
        if delivery == accepted {
            let sql = "UPDATE deliveries SET state = 'merged', digest = ?2 WHERE id = ?1";
            connection.execute(sql, params![delivery, by])?;
        }
    }
    Ok(())
}

/// Those that were sent in the place of a delivery, and the channels to which.
pub fn stand_ins(connection: &dyn Connection, delivery: DeliveryId) -> Result<Vec<(DeliveryId, String)>> {
    let sql = "WITH RECURSIVE instead (id) AS (
            SELECT id FROM deliveries WHERE instead_of = ?1
            UNION SELECT f.id FROM instead JOIN deliveries f ON f.instead_of = instead.id)
        SELECT f.id, f.channel FROM instead JOIN deliveries f ON f.id = instead.id
        WHERE f.state IN ('delivered', 'merged') ORDER BY f.state, f.created_at";
    connection.all(sql, params![delivery], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// What the next digest of a channel catches up with, the earliest first, due by itself or not.
pub fn waiting(
    connection: &dyn Connection,
    channel: &str,
    most: usize,
) -> Result<Vec<(DeliveryId, Kind, Option<String>)>> {
    let sql = format!(
        "SELECT d.id, e.kind, d.order_key FROM deliveries d INDEXED BY deliveries_to_catch_up JOIN events e ON e.id = d.event
        WHERE d.channel = ?1 AND d.state = 'waiting' AND d.fell_back >= 4 AND d.fell_back = 5 AND d.digest IS NULL
        AND d.returned = 0 AND NOT {VAGUE} ORDER BY d.event_seq LIMIT ?2"
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let found =
        connection.all(&sql, params![channel, most], |row| Ok((row.get(0)?, row.get::<String>(1)?, row.get(2)?)))?;
    // A kind that only a newer version knows waits for it.
    Ok(found.into_iter().filter_map(|(id, kind, order)| Some((id, kind.parse().ok()?, order))).collect())
}

/// Messages that were refused are to be composed anew: what they carried is free. It goes by the same schedule, of which it has
/// used up as much as it has waited in vain; where the channel catches up that is a step, because each try is composed anew.
pub fn dissolve(connection: &dyn Connection, messages: &[DeliveryId]) -> Result<()> {
    for message in messages {
        let sql = format!(
            "SELECT 1 FROM deliveries d WHERE d.id = ?1 AND d.state = 'waiting' AND d.digest IS NULL AND NOT {VAGUE}"
        );
        if !connection.exists(&sql, params![message])? {
            continue;
        }
        let sql = "UPDATE deliveries AS d SET digest = NULL, due_at = l.due_at, wait_ms = l.wait_ms,
                spent = d.spent + CASE WHEN l.fell_back <> 5 THEN l.spent
                    WHEN l.outcome IN ('retry', 'unknown') THEN 1 ELSE 0 END,
                outcome = l.outcome, answer = l.answer
            FROM deliveries l WHERE l.id = ?1 AND d.digest = ?1 AND d.state = 'waiting'";
        connection.execute(sql, params![message])?;
        // Other bytes need other keys.
        if parts::forget(connection, *message)? {
            let sql = "UPDATE deliveries SET round = round + 1 WHERE id = ?1";
            connection.execute(sql, params![message])?;
        }
    }
    Ok(())
}

/// A channel takes messages again, for the first time since its fallback was asked: what it is to catch up with is due. Before
/// this is noted as the time at which the channel last accepted.
pub fn works(connection: &dyn Connection, channel: &str, now: Timestamp) -> Result<()> {
    let sql = "UPDATE deliveries AS d INDEXED BY deliveries_to_catch_up SET due_at = ?2, wait_ms = 0
        WHERE channel = ?1 AND state = 'waiting' AND fell_back >= 4 AND digest IS NULL AND due_at > ?2
        AND (SELECT max(s.at) FROM steps s WHERE s.delivery = d.id AND s.step = 'fell_back')
            > coalesce((SELECT y.at FROM last_yes y WHERE y.channel = ?1), 0)
        AND EXISTS (SELECT 1 FROM steps s WHERE s.delivery = d.id AND s.step = 'told_elsewhere')
        AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.ended_at IS NULL)
        AND NOT EXISTS (SELECT 1 FROM steps s WHERE s.delivery = d.id AND s.step = 'held'
            AND unixepoch(s.detail) * 1000 = d.due_at)";
    connection.execute(sql, params![channel, now]).map(drop)
}
