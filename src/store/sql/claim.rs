//! The begin of attempts: what is about to be sent is on disk before it is, those of one group in one step.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::domain::event::DeliveryId;
use crate::store::queue::attempt::{Claim, Claimed, Purpose};
use crate::store::queue::pending::form_text;
use crate::store::sql::{Connection, Result, clock, deliver, pacing, params, parking, parts, pausing};

// Another attempt, or a person's wish, since it was loaded forbids this one.
const TAKE: &str = "UPDATE deliveries AS d SET attempts = attempts + 1, due_at = ?2, wait_ms = ?3
    WHERE id = ?1 AND state = 'waiting' AND digest IS NULL AND attempts = ?4 AND round = ?5";
const NONE_EARLIER: &str = " AND NOT EXISTS (SELECT 1 FROM deliveries earlier
    WHERE earlier.channel = d.channel AND earlier.state = 'waiting' AND earlier.order_key IS NOT NULL
    AND earlier.order_key = d.order_key AND earlier.event_seq < d.event_seq)";
const NOT_PAUSED: &str = " AND NOT EXISTS (SELECT 1 FROM paused_channels p WHERE p.channel = d.channel)";

/// Begins attempts, each as far as it may be made.
pub fn claim(connection: &dyn Connection, claims: &[&Claim]) -> Result<Vec<Claimed>> {
    let mut tried: BTreeMap<&str, Timestamp> = BTreeMap::new();
    let mut claimed = Vec::with_capacity(claims.len());
    for claim in claims {
        pacing::forget(connection, &claim.freed)?;
        let begun = begin(connection, claim)?;
        if matches!(begun, Claimed::Yes(_)) && claim.purpose == Purpose::Notify {
            tried.insert(&claim.channel, claim.at);
        }
        claimed.push(begun);
    }
    for (channel, at) in tried {
        parking::tried(connection, channel, at)?;
    }
    Ok(claimed)
}

fn begin(connection: &dyn Connection, claim: &Claim) -> Result<Claimed> {
    if !claim.carries.is_empty() && !may_carry(connection, &claim.carries)? {
        return Ok(Claimed::No);
    }
    let id = claim.delivery;
    let wait_ms = clock::wait_ms(claim.lease_until, claim.at);
    let none_earlier = if claim.in_order { NONE_EARLIER } else { "" };
    let heeds_pause = claim.begins && claim.purpose == Purpose::Notify;
    let not_paused = if heeds_pause { NOT_PAUSED } else { "" };
    let take = format!("{TAKE}{none_earlier}{not_paused}");
    if connection.execute(&take, params![id, claim.lease_until, wait_ms, claim.attempts, claim.round])? == 0 {
        let is_paused = heeds_pause && pausing::paused(connection, &claim.channel)?.is_some();
        return Ok(if is_paused { Claimed::Paused } else { Claimed::No });
    }
    carry(connection, claim)?;
    parts::keep(connection, claim.delivery, &claim.composed)?;
    let lease = (claim.token.number != 0).then_some(&claim.token.lease);
    let sql = "INSERT INTO attempts (delivery, part, form, started_at, lease) VALUES (?1, ?2, ?3, ?4, ?5)";
    let form = form_text(claim.form);
    let attempt = connection.insert(sql, params![id, claim.part, form, claim.at, lease])?;
    if let Some(credential) = &claim.credential {
        pacing::take(connection, credential, attempt, claim.lease_until)?;
    }
    Ok(Claimed::Yes(attempt))
}

/// Whether each of them waits, and no other message carries it. One of these may have carried another, and was tried in vain.
fn may_carry(connection: &dyn Connection, carries: &[DeliveryId]) -> Result<bool> {
    let sql = "SELECT digest FROM deliveries WHERE id = ?1 AND state = 'waiting'";
    let given: Vec<_> = carries.iter().map(|carried| params![carried].to_vec()).collect();
    let mut free = 0;
    connection.query_many(sql, &given, &mut |_, row| {
        let digest: Option<DeliveryId> = row.get(0)?;
        free += usize::from(digest.is_none_or(|digest| carries.contains(&digest)));
        Ok(())
    })?;
    Ok(free == carries.len())
}

/// Writes down what the message carries, and what it has no room for any more.
fn carry(connection: &dyn Connection, claim: &Claim) -> Result<()> {
    let id = claim.delivery;
    for carried in &claim.carries {
        // Its own words are not needed any more. Should it go by itself after all, they are made anew, and then a key under
        // which others were sent is used up.
        parts::forget(connection, *carried)?;
        let sql =
            "UPDATE deliveries SET digest = ?2, round = round + CASE WHEN id = ?1 AND attempts > 0 THEN 1 ELSE 0 END
                   WHERE id = ?1 OR digest = ?1 AND state = 'waiting'";
        connection.execute(sql, params![carried, id])?;
    }
    for released in &claim.released {
        let sql = "UPDATE deliveries SET digest = NULL WHERE id = ?1 AND digest = ?2 AND state = 'waiting'";
        if connection.execute(sql, params![released, id])? == 1 {
            deliver::step(connection, *released, claim.at, "left_out", "")?;
        }
    }
    Ok(())
}
