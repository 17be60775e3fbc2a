//! Changes that a person asks for, and what comes of each.

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::store::history::change::{Applied, ChangeRequest, ChangeResult, DeliveryName, Meant, Obstacle};
use crate::store::sql::deliver::step;
use crate::store::sql::{Connection, Result, params, parts};

/// Does with each delivery what is wished, as far as it can be done.
pub fn make(
    connection: &dyn Connection,
    request: ChangeRequest,
    meant: &[Meant],
    now: Timestamp,
) -> Result<Vec<ChangeResult>> {
    let one = |meant: &Meant| match meant {
        Meant::Delivery(id) => change(connection, request, *id, now),
        Meant::Settled(result) => Ok(result.clone()),
    };
    meant.iter().map(one).collect()
}

/// The dead deliveries, the oldest first.
pub fn dead(connection: &dyn Connection, channel: Option<&str>) -> Result<Vec<DeliveryId>> {
    match channel {
        Some(channel) => {
            let sql = "SELECT id FROM deliveries WHERE state = 'dead' AND channel = ?1 ORDER BY id";
            connection.all(sql, params![channel], |row| row.get(0))
        }
        None => connection.all("SELECT id FROM deliveries WHERE state = 'dead' ORDER BY id", &[], |row| row.get(0)),
    }
}

/// Sends these once more, as far as they still are dead. Answers how many.
pub fn revive(connection: &dyn Connection, dead: &[DeliveryId], now: Timestamp) -> Result<u64> {
    let mut revived = 0;
    for id in dead {
        let sql = "SELECT 1 FROM deliveries WHERE id = ?1 AND state = 'dead'";
        if connection.exists(sql, params![id])? {
            begin_anew(connection, *id, now)?;
            revived += 1;
        }
    }
    Ok(revived)
}

/// Sends a delivery once more, unless that was asked for since it was in this round.
pub fn redeliver_once(
    connection: &dyn Connection,
    id: DeliveryId,
    round: u32,
    now: Timestamp,
) -> Result<Option<ChangeResult>> {
    let sql = "SELECT round FROM deliveries WHERE id = ?1";
    let Some(is_at) = connection.optional(sql, params![id], |row| row.get::<u32>(0))? else { return Ok(None) };
    let changed = match load(connection, id, now)? {
        Some((named, _)) if is_at != round => {
            let result = if round < is_at { Ok(Applied::Already) } else { Err(Obstacle::LaterRound(is_at)) };
            ChangeResult { given: id.to_string(), delivery: Some(named), result }
        }
        _ => change(connection, ChangeRequest::Redeliver, id, now)?,
    };
    Ok(Some(changed))
}

fn change(connection: &dyn Connection, wish: ChangeRequest, id: DeliveryId, now: Timestamp) -> Result<ChangeResult> {
    let of = |delivery, result| ChangeResult { given: id.to_string(), delivery, result };
    // It may have become too old since it was found.
    let Some((named, status)) = load(connection, id, now)? else {
        return Ok(of(None, Err(Obstacle::Unknown)));
    };
    let result = match wish {
        ChangeRequest::Cancel => cancel(connection, id, status, now)?,
        ChangeRequest::Redeliver => redeliver(connection, id, status, now)?,
    };
    Ok(of(Some(named), result))
}

/// Where a delivery stands, as far as it matters for a change.
struct DeliveryStatus {
    state: String,
    due_at: Timestamp,
    digest: Option<DeliveryId>,
    under_way: bool,
    /// How many wait to go out in its message.
    leads: u64,
}

fn load(connection: &dyn Connection, id: DeliveryId, now: Timestamp) -> Result<Option<(DeliveryName, DeliveryStatus)>> {
    // An attempt whose lease has ended is one that a crash has cut off.
    let sql = "SELECT e.kind, e.order_number, d.channel, d.state, d.due_at, d.digest,
            d.due_at > ?2 AND EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.ended_at IS NULL),
            (SELECT count(*) FROM deliveries m WHERE m.digest = d.id AND m.state = 'waiting')
        FROM deliveries d JOIN events e ON e.id = d.event WHERE d.id = ?1";
    connection.optional(sql, params![id, now], |row| {
        let named = DeliveryName { id, kind: row.get(0)?, order: row.get(1)?, channel: row.get(2)? };
        let status = DeliveryStatus {
            state: row.get(3)?,
            due_at: row.get(4)?,
            digest: row.get(5)?,
            under_way: row.get(6)?,
            leads: row.get(7)?,
        };
        Ok((named, status))
    })
}

type DoneOrNot = std::result::Result<Applied, Obstacle>;

fn cancel(connection: &dyn Connection, id: DeliveryId, now: DeliveryStatus, at: Timestamp) -> Result<DoneOrNot> {
    let inside = now.digest.filter(|_| now.state == "waiting");
    match now.state.as_str() {
        "cancelled" => return Ok(Ok(Applied::Already)),
        "delivered" => return Ok(Err(Obstacle::Delivered(now.due_at))),
        "merged" => return Ok(Err(Obstacle::Carried(now.digest))),
        // The others may be arriving with it.
        _ if now.under_way && now.leads > 0 => return Ok(Err(Obstacle::UnderWay)),
        _ => {}
    }
    let sql = "UPDATE deliveries SET state = 'cancelled', digest = NULL WHERE id = ?1";
    connection.execute(sql, params![id])?;
    step(connection, id, at, "cancelled", &inside.map(|leader| leader.to_string()).unwrap_or_default())?;
    let released = release(connection, id, at)?;
    Ok(Ok(match inside {
        Some(leader) => Applied::Inside(leader),
        None if released > 0 => Applied::Releasing(released),
        None if now.under_way => Applied::WhileUnderWay,
        None => Applied::Plainly,
    }))
}

fn redeliver(connection: &dyn Connection, id: DeliveryId, now: DeliveryStatus, at: Timestamp) -> Result<DoneOrNot> {
    if now.under_way {
        return Ok(Err(Obstacle::UnderWay));
    }
    if let Some(leader) = now.digest.filter(|_| now.state == "waiting") {
        return Ok(Err(Obstacle::Inside(leader)));
    }
    Ok(Ok(match begin_anew(connection, id, at)? {
        0 => Applied::Plainly,
        released => Applied::Releasing(released),
    }))
}

/// Due now, in its first form, to be composed anew. What the receiver said last stays to be seen until it says something
/// else. A fallback that was asked before is not asked again, and what it was sent does not count. Answers how many others
/// were to go out in its message.
fn begin_anew(connection: &dyn Connection, id: DeliveryId, at: Timestamp) -> Result<u64> {
    let sql =
        "UPDATE deliveries SET state = 'waiting', due_at = ?2, wait_ms = 0, form = 'full', spent = 0, digest = NULL, returned = 0,
        round = round + 1, fell_back = CASE WHEN fell_back = 0 THEN 0 ELSE 2 END WHERE id = ?1";
    connection.execute(sql, params![id, at])?;
    parts::forget(connection, id)?;
    step(connection, id, at, "redelivered", "")?;
    release(connection, id, at)
}

/// What was to go out in the message of this delivery is due by itself.
fn release(connection: &dyn Connection, leader: DeliveryId, at: Timestamp) -> Result<u64> {
    let sql = "SELECT id FROM deliveries WHERE digest = ?1 AND state = 'waiting'";
    let members = connection.all(sql, params![leader], |row| row.get::<DeliveryId>(0))?;
    for member in &members {
        let sql = "UPDATE deliveries SET digest = NULL, due_at = ?2, wait_ms = 0 WHERE id = ?1";
        connection.execute(sql, params![member, at])?;
        step(connection, *member, at, "released", &leader.to_string())?;
    }
    Ok(members.len() as u64)
}
