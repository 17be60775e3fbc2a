//! Changes that a person asks for beside the daemon: each lot of them in one short transaction of the command's own.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use crate::domain::event::DeliveryId;
use crate::store::StoreError;
use crate::store::history::change::{Applied, ChangeRequest, ChangeResult, DeliveryName, Meant, Obstacle};
use crate::store::sqlite::{BUSY_MS, STATEMENTS, rows, schema, unavailable, unopened};

/// The store as a command changes it. The daemon sees a change at its next look, a second later at most.
pub struct Changes {
    connection: Connection,
}

impl Changes {
    /// Opens an existing store, also beside the daemon that holds it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`] when the file is missing or cannot be opened; [`StoreError::Refused`] when it is another
    /// version's.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = connect(path).map_err(|error| unopened(path, &error))?;
        schema::refuse_other_version(&connection)?;
        Ok(Self { connection })
    }

    /// Does something in one transaction.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing was changed.
    pub fn transact<T>(&mut self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        let whole = || {
            let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        };
        whole().map_err(|error| unavailable(&error))
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::from_millis(BUSY_MS))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.pragma_update(None, "synchronous", "FULL")?;
    Ok(connection)
}

/// Does with each delivery what is wished, as far as it can be done.
pub fn make(
    connection: &Connection,
    request: ChangeRequest,
    meant: &[Meant],
    now: Timestamp,
) -> rusqlite::Result<Vec<ChangeResult>> {
    let one = |meant: &Meant| match meant {
        Meant::Delivery(id) => change(connection, request, *id, now),
        Meant::Settled(result) => Ok(result.clone()),
    };
    meant.iter().map(one).collect()
}

/// The dead deliveries, the oldest first.
pub fn dead(connection: &Connection, channel: Option<&str>) -> rusqlite::Result<Vec<DeliveryId>> {
    let sql = "SELECT id FROM deliveries WHERE state = 'dead' AND (?1 IS NULL OR channel = ?1) ORDER BY id";
    let mut select = connection.prepare(sql)?;
    let found = select.query_map([channel], |row| rows::uuid(0, row.get_ref(0)?.as_blob()?))?;
    found.map(|id| id.map(DeliveryId)).collect()
}

/// Sends these once more, as far as they still are dead. Answers how many.
pub fn revive(connection: &Connection, dead: &[DeliveryId], now: Timestamp) -> rusqlite::Result<u64> {
    let mut revived = 0;
    for id in dead {
        let sql = "SELECT 1 FROM deliveries WHERE id = ?1 AND state = 'dead'";
        if connection.prepare_cached(sql)?.exists([id.0.as_bytes()])? {
            begin_anew(connection, *id, now)?;
            revived += 1;
        }
    }
    Ok(revived)
}

fn change(
    connection: &Connection,
    wish: ChangeRequest,
    id: DeliveryId,
    now: Timestamp,
) -> rusqlite::Result<ChangeResult> {
    let of = |delivery, result| ChangeResult { given: id.to_string(), delivery, result };
    // It may have become too old since it was found.
    let Some((named, status)) = load(connection, id, now).optional()? else {
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

fn load(connection: &Connection, id: DeliveryId, now: Timestamp) -> rusqlite::Result<(DeliveryName, DeliveryStatus)> {
    // An attempt whose lease has ended is one that a crash has cut off.
    let sql = "SELECT e.kind, e.order_number, d.channel, d.state, d.due_at, d.digest,
            d.due_at > ?2 AND EXISTS (SELECT 1 FROM attempts a WHERE a.delivery = d.id AND a.ended_at IS NULL),
            (SELECT count(*) FROM deliveries m WHERE m.digest = d.id AND m.state = 'waiting')
        FROM deliveries d JOIN events e ON e.id = d.event WHERE d.id = ?1";
    connection.prepare_cached(sql)?.query_row(params![id.0.as_bytes(), rows::to_millisecond(now)], |row| {
        let named = DeliveryName { id, kind: row.get(0)?, order: row.get(1)?, channel: row.get(2)? };
        let status = DeliveryStatus {
            state: row.get(3)?,
            due_at: rows::of_millisecond(4, row.get(4)?)?,
            digest: row.get_ref(5)?.as_blob_or_null()?.map(|id| rows::uuid(5, id).map(DeliveryId)).transpose()?,
            under_way: row.get(6)?,
            leads: row.get::<_, i64>(7)?.unsigned_abs(),
        };
        Ok((named, status))
    })
}

type DoneOrNot = Result<Applied, Obstacle>;

fn cancel(connection: &Connection, id: DeliveryId, now: DeliveryStatus, at: Timestamp) -> rusqlite::Result<DoneOrNot> {
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
    connection.prepare_cached(sql)?.execute([id.0.as_bytes()])?;
    step(connection, id, at, "cancelled", &inside.map(|leader| leader.to_string()).unwrap_or_default())?;
    let released = release(connection, id, at)?;
    Ok(Ok(match inside {
        Some(leader) => Applied::Inside(leader),
        None if released > 0 => Applied::Releasing(released),
        None if now.under_way => Applied::WhileUnderWay,
        None => Applied::Plainly,
    }))
}

fn redeliver(
    connection: &Connection,
    id: DeliveryId,
    now: DeliveryStatus,
    at: Timestamp,
) -> rusqlite::Result<DoneOrNot> {
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
fn begin_anew(connection: &Connection, id: DeliveryId, at: Timestamp) -> rusqlite::Result<u64> {
    let sql =
        "UPDATE deliveries SET state = 'waiting', due_at = ?2, wait_ms = 0, form = 'full', spent = 0, digest = NULL, returned = 0,
        round = round + 1, fell_back = min(2 * fell_back, 2) WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), rows::to_millisecond(at)])?;
    connection.prepare_cached("DELETE FROM parts WHERE delivery = ?1")?.execute([id.0.as_bytes()])?;
    step(connection, id, at, "redelivered", "")?;
    release(connection, id, at)
}

/// What was to go out in the message of this delivery is due by itself.
fn release(connection: &Connection, leader: DeliveryId, at: Timestamp) -> rusqlite::Result<u64> {
    let sql = "SELECT id FROM deliveries WHERE digest = ?1 AND state = 'waiting'";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_map([leader.0.as_bytes()], |row| rows::uuid(0, row.get_ref(0)?.as_blob()?))?;
    let members: Vec<DeliveryId> = found.map(|id| id.map(DeliveryId)).collect::<rusqlite::Result<_>>()?;
    for member in &members {
        let sql = "UPDATE deliveries SET digest = NULL, due_at = ?2, wait_ms = 0 WHERE id = ?1";
        connection.prepare_cached(sql)?.execute(params![member.0.as_bytes(), rows::to_millisecond(at)])?;
        step(connection, *member, at, "released", &leader.to_string())?;
    }
    Ok(members.len() as u64)
}

fn step(connection: &Connection, id: DeliveryId, at: Timestamp, step: &str, detail: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO steps (delivery, at, step, detail) VALUES (?1, ?2, ?3, ?4)";
    connection.prepare_cached(sql)?.execute(params![id.0.as_bytes(), rows::to_millisecond(at), step, detail]).map(drop)
}
