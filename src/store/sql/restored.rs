//! A store that was put back from a backup: what a later state of it knows, and what becomes of what waits.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::event::{DeliveryId, EventId};
use crate::store::contents::{Lineage, PresentStore, StoreContents, WaitingChoice};
use crate::store::sql::{Connection, Result, params, sessions};

/// Why what waited does not go out.
const CANCELLED: &str = "it waited in a backup that was put back, and may have arrived since";
/// What stands in the place of the attempts that the backup does not know.
const UNKNOWN: &str = "a backup was put back, and it may have been sent since that was made";

/// What the present store has that the backup has not.
pub fn compare(backup: &dyn Connection, present: &dyn Connection, contents: StoreContents) -> Result<PresentStore> {
    let newest = "SELECT seq, id FROM events ORDER BY seq DESC LIMIT 1";
    let newest = backup.optional(newest, &[], |row| Ok((row.get::<i64>(0)?, row.get::<EventId>(1)?)))?;
    let seq = newest.map_or(0, |(seq, _)| seq);
    let lineage = match newest {
        Some((seq, id)) if !present.exists("SELECT 1 FROM events WHERE seq = ?1 AND id = ?2", params![seq, id])? => {
            Lineage::Another
        }
        _ => Lineage::Same,
    };
    let newer = "SELECT count(*) FROM events WHERE seq > ?1";
    let lost = "SELECT count(*) FROM deliveries WHERE state = 'waiting' AND event_seq > ?1";
    let (mut ended_since, mut attempted) = (0, BTreeSet::new());
    for id in waiting(backup)? {
        let state = "SELECT state, attempts FROM deliveries WHERE id = ?1";
        let now = present.optional(state, params![id], |row| Ok((row.get::<String>(0)?, row.get::<u32>(1)?)))?;
        let before = "SELECT 1 FROM deliveries WHERE id = ?1 AND attempts > 0";
        let was_attempted = backup.exists(before, params![id])?;
        ended_since += u64::from(now.as_ref().is_some_and(|(state, _)| state != "waiting"));
        if was_attempted || now.as_ref().is_none_or(|(state, attempts)| *attempts > 0 || state != "waiting") {
            attempted.insert(id);
        }
    }
    Ok(PresentStore {
        contents,
        lineage,
        newer_events: present.one(newer, params![seq], |row| row.get(0))?,
        lost_waiting: present.one(lost, params![seq], |row| row.get(0))?,
        ended_since,
        attempted,
    })
}

/// Does with what waits as a person has decided. Where it is not known what was attempted, all of it may have been. Nobody is
/// logged in any more: a session that was ended since the backup does not come back.
pub fn decide(
    connection: &dyn Connection,
    choice: WaitingChoice,
    attempted: Option<&BTreeSet<DeliveryId>>,
    now: Timestamp,
) -> Result<()> {
    sessions::end_all(connection)?;
    match choice {
        WaitingChoice::Cancel => {
            let step = "INSERT INTO steps (delivery, at, step, detail)
                SELECT id, ?1, 'cancelled', ?2 FROM deliveries WHERE state = 'waiting'";
            connection.execute(step, params![now, CANCELLED])?;
            let cancel = "UPDATE deliveries SET state = 'cancelled', digest = NULL WHERE state = 'waiting'";
            connection.execute(cancel, &[]).map(drop)
        }
        WaitingChoice::Send => {
            let waiting = waiting(connection)?;
            let marked = waiting.iter().filter(|id| attempted.is_none_or(|attempted| attempted.contains(id)));
            marked.into_iter().try_for_each(|id| mark(connection, *id, now))
        }
    }
}

/// An attempt whose outcome nobody knows: so its message is marked, or has the same key.
fn mark(connection: &dyn Connection, id: DeliveryId, now: Timestamp) -> Result<()> {
    let attempt = "INSERT INTO attempts (delivery, part, form, started_at, ended_at, outcome, answer)
        SELECT id, 0, form, ?2, ?2, 'unknown', ?3 FROM deliveries WHERE id = ?1";
    connection.execute(attempt, params![id, now, UNKNOWN])?;
    let sql = "UPDATE deliveries SET attempts = attempts + 1, outcome = 'unknown', answer = ?2 WHERE id = ?1";
    connection.execute(sql, params![id, UNKNOWN]).map(drop)
}

fn waiting(connection: &dyn Connection) -> Result<Vec<DeliveryId>> {
    connection.all("SELECT id FROM deliveries WHERE state = 'waiting' ORDER BY id", &[], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::plans::in_memory;

    #[test]
    fn whoever_was_logged_in_when_the_backup_was_made_is_not_any_more() {
        let store = in_memory();
        let store: &dyn Connection = &store;
        let sql = "INSERT INTO sessions VALUES (?1, 'ann', ?1, 1, 1, '')";
        store.execute(sql, params![[7; 32][..]]).unwrap();
        decide(store, WaitingChoice::Send, None, Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(sessions::all(store).unwrap(), []);
    }
}
