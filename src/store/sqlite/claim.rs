//! The begin of attempts: what is about to be sent is on disk before it is, those of one group in one step.

use std::collections::BTreeMap;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use crate::domain::event::DeliveryId;
use crate::store::queue::attempt::{Claim, Claimed, Purpose};
use crate::store::queue::pending::form_text;
use crate::store::sql::parts;
use crate::store::sqlite::{clock, deliver, pacing, parking, rows};

// Another attempt, or a person's wish, since it was loaded forbids this one.
const TAKE: &str = "UPDATE deliveries AS d SET attempts = attempts + 1, due_at = ?2, wait_ms = ?3
    WHERE id = ?1 AND state = 'waiting' AND digest IS NULL AND attempts = ?4 AND round = ?5";
const NONE_EARLIER: &str = " AND NOT EXISTS (SELECT 1 FROM deliveries earlier
    WHERE earlier.channel = d.channel AND earlier.state = 'waiting' AND earlier.order_key IS NOT NULL
    AND earlier.order_key = d.order_key AND earlier.event_seq < d.event_seq)";

/// Begins attempts, each as far as it may be made.
pub fn claim(connection: &Connection, claims: &[&Claim]) -> rusqlite::Result<Vec<Claimed>> {
    let mut tried: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut claimed = Vec::with_capacity(claims.len());
    for claim in claims {
        pacing::forget(connection, &claim.freed)?;
        let attempt = begin(connection, claim)?;
        if attempt.is_some() && claim.purpose == Purpose::Notify {
            tried.insert(&claim.channel, claim.at);
        }
        claimed.push(attempt.map_or(Claimed::No, Claimed::Yes));
    }
    for (channel, at) in tried {
        parking::tried(connection, channel, at)?;
    }
    Ok(claimed)
}

fn begin(connection: &Connection, claim: &Claim) -> rusqlite::Result<Option<i64>> {
    if !claim.carries.is_empty() && !may_carry(connection, &claim.carries)? {
        return Ok(None);
    }
    let id = claim.delivery.0.as_bytes();
    let (lease_until, wait_ms) = (rows::to_millisecond(claim.lease_until), clock::wait_ms(claim.lease_until, claim.at));
    let take = if claim.in_order { &format!("{TAKE}{NONE_EARLIER}") } else { TAKE };
    let given = params![id, lease_until, wait_ms, claim.attempts, claim.round];
    if connection.prepare_cached(take)?.execute(given)? == 0 {
        return Ok(None);
    }
    carry(connection, claim)?;
    parts::keep(connection, claim.delivery, &claim.composed)?;
    let sql = "INSERT INTO attempts (delivery, part, form, started_at) VALUES (?1, ?2, ?3, ?4)";
    let at = rows::to_millisecond(claim.at);
    connection.prepare_cached(sql)?.execute(params![id, claim.part, form_text(claim.form), at])?;
    let attempt = connection.last_insert_rowid();
    if let Some(credential) = &claim.credential {
        pacing::take(connection, credential, attempt, claim.lease_until)?;
    }
    Ok(Some(attempt))
}

/// Whether each of them waits, and no other message carries it. One of these may have carried another, and was tried in vain.
fn may_carry(connection: &Connection, carries: &[DeliveryId]) -> rusqlite::Result<bool> {
    let mut select = connection.prepare_cached("SELECT digest FROM deliveries WHERE id = ?1 AND state = 'waiting'")?;
    let read = |row: &Row<'_>| row.get_ref(0)?.as_blob_or_null()?.map(|id| rows::uuid(0, id)).transpose();
    for carried in carries {
        let found = select.query_row([carried.0.as_bytes()], read).optional()?;
        let is_free = |digest: Option<Uuid>| digest.is_none_or(|id| carries.contains(&DeliveryId(id)));
        if !found.is_some_and(is_free) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Writes down what the message carries, and what it has no room for any more.
fn carry(connection: &Connection, claim: &Claim) -> rusqlite::Result<()> {
    let id = claim.delivery.0.as_bytes();
    for carried in &claim.carries {
        // Its own words are not needed any more. Should it go by itself after all, they are made anew, and then a key under
        // which others were sent is used up.
        connection.prepare_cached("DELETE FROM parts WHERE delivery = ?1")?.execute([carried.0.as_bytes()])?;
        let sql = "UPDATE deliveries SET digest = ?2, round = round + (id = ?1 AND attempts > 0)
                   WHERE id = ?1 OR digest = ?1 AND state = 'waiting'";
        connection.prepare_cached(sql)?.execute(params![carried.0.as_bytes(), id])?;
    }
    for released in &claim.released {
        let sql = "UPDATE deliveries SET digest = NULL WHERE id = ?1 AND digest = ?2 AND state = 'waiting'";
        if connection.prepare_cached(sql)?.execute(params![released.0.as_bytes(), id])? == 1 {
            deliver::step(connection, *released, claim.at, "left_out", "")?;
        }
    }
    Ok(())
}
