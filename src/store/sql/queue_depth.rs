//! How many deliveries of each channel wait, and since when the oldest of them does.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::store::health::QueueDepth;
use crate::store::queue::pending::ParkedState;
use crate::store::sql::{Connection, Result, params, pausing};

const DEPTH: &str =
    "SELECT count(*), min(event_seq) FROM deliveries WHERE channel = ?1 AND state = 'waiting' AND digest IS NULL";

// Since it was made, and from the end of the quiet hours on, or since a person asked for it once more, or since the clock was put
// back.
const SINCE: &str = "SELECT d.created_at, coalesce((
        SELECT CASE s.step WHEN 'held' THEN unixepoch(s.detail) * 1000 ELSE s.at END FROM steps s
        WHERE s.delivery = d.id AND s.step IN ('held', 'let_go', 'redelivered', 'clock_set') ORDER BY s.seq DESC LIMIT 1
    ), 0)
    FROM events e JOIN deliveries d ON d.event = e.id
    WHERE e.seq = ?1 AND d.channel = ?2 AND d.state = 'waiting'";

const PARKED: &str = "SELECT channel, since, reason, probes, next_probe_at FROM parked_channels";

pub fn depths(connection: &dyn Connection, channels: &[String]) -> Result<Vec<QueueDepth>> {
    let parked = connection.all(PARKED, &[], |row| {
        let (since, reason, probes, next_probe_at) = (row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?);
        Ok((row.get(0)?, ParkedState { since, reason, probes, next_probe_at }))
    })?;
    let mut parked: BTreeMap<String, ParkedState> = parked.into_iter().collect();
    let mut paused = pausing::all(connection)?;
    let depth = |channel: &String| {
        let (waiting, first): (u64, Option<i64>) =
            connection.one(DEPTH, params![channel], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let oldest = first.map(|first| oldest(connection, first, channel)).transpose()?.flatten();
        let (parked, paused) = (parked.remove(channel), paused.remove(channel));
        Ok(QueueDepth { channel: channel.clone(), waiting, oldest, parked, paused })
    };
    channels.iter().map(depth).collect()
}

/// Since when the delivery of an event to a channel waits.
fn oldest(connection: &dyn Connection, event_seq: i64, channel: &str) -> Result<Option<Timestamp>> {
    let since = connection
        .all(SINCE, params![event_seq, channel], |row| Ok(row.get::<Timestamp>(0)?.max(row.get::<Timestamp>(1)?)))?;
    Ok(since.into_iter().min())
}
