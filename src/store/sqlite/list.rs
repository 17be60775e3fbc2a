//! Lists of deliveries, page by page, so that a store of any size can be printed.

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::domain::event::{DeliveryId, EventId};
use crate::store::sqlite::read::Reader;
use crate::store::sqlite::rows;
use crate::store::{DeliveryFilter, DeliveryRow, StoreError};

impl Reader {
    /// How many deliveries there are of those that are wanted.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn count(&self, wanted: DeliveryFilter) -> Result<u64, StoreError> {
        self.look(move |connection| count(connection, &wanted)).await
    }

    /// The first of the newest so many deliveries, in the sequence of their making; `None` where there are no more than that.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn first_of_newest(&self, wanted: DeliveryFilter, newest: u64) -> Result<Option<DeliveryId>, StoreError> {
        self.look(move |connection| first_of_newest(connection, &wanted, newest)).await
    }

    /// The next so many deliveries in the sequence of their making.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn page(&self, wanted: DeliveryFilter, start: Start, rows: u32) -> Result<Vec<DeliveryRow>, StoreError> {
        self.look(move |connection| page(connection, &wanted, start, rows)).await
    }
}

/// Where a page begins.
#[derive(Clone, Copy, Debug)]
pub enum Start {
    Beginning,
    /// With this one.
    At(DeliveryId),
    /// With the one after this.
    After(DeliveryId),
}

const IS_WANTED: &str = "(?1 IS NULL OR d.state = ?1) AND (?2 IS NULL OR d.channel = ?2)";

fn count(connection: &Connection, wanted: &DeliveryFilter) -> rusqlite::Result<u64> {
    let sql = format!("SELECT count(*) FROM deliveries d WHERE {IS_WANTED}");
    let count = |row: &Row<'_>| row.get::<_, i64>(0);
    connection.prepare_cached(&sql)?.query_row(params![wanted.state, wanted.channel], count).map(i64::unsigned_abs)
}

fn first_of_newest(
    connection: &Connection,
    wanted: &DeliveryFilter,
    newest: u64,
) -> rusqlite::Result<Option<DeliveryId>> {
    let sql = format!("SELECT d.id FROM deliveries d WHERE {IS_WANTED} ORDER BY d.id DESC LIMIT 1 OFFSET ?3");
    let skipped = i64::try_from(newest.saturating_sub(1)).unwrap_or(i64::MAX);
    let id = |row: &Row<'_>| rows::uuid(0, row.get_ref(0)?.as_blob()?).map(DeliveryId);
    connection.prepare_cached(&sql)?.query_row(params![wanted.state, wanted.channel, skipped], id).optional()
}

fn page(
    connection: &Connection,
    wanted: &DeliveryFilter,
    start: Start,
    rows: u32,
) -> rusqlite::Result<Vec<DeliveryRow>> {
    let (comparison, id) = match &start {
        Start::Beginning => (">=", &[0; 16]),
        Start::At(id) => (">=", id.0.as_bytes()),
        Start::After(id) => (">", id.0.as_bytes()),
    };
    let sql = format!(
        "{ROWS}
         WHERE d.id {comparison} ?3 AND {IS_WANTED} ORDER BY d.id LIMIT ?4"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(params![wanted.state, wanted.channel, id, rows], delivery_row)?;
    found.collect()
}

/// All deliveries in this state, or in any, in the sequence of their events.
pub fn in_state(connection: &Connection, state: Option<&str>) -> rusqlite::Result<Vec<DeliveryRow>> {
    let sql = format!("{ROWS} WHERE ?1 IS NULL OR d.state = ?1 ORDER BY d.event_seq, d.id");
    connection.prepare_cached(&sql)?.query_map(params![state], delivery_row)?.collect()
}

/// What [`delivery_row`] reads.
const ROWS: &str =
    "SELECT d.id, d.event, e.kind, e.source, e.order_number, d.channel, d.state, d.attempts, d.created_at,
        d.due_at, d.answer, d.digest
    FROM deliveries d JOIN events e ON e.id = d.event";

fn delivery_row(row: &Row<'_>) -> rusqlite::Result<DeliveryRow> {
    Ok(DeliveryRow {
        id: DeliveryId(rows::uuid(0, row.get_ref(0)?.as_blob()?)?),
        event: EventId(rows::uuid(1, row.get_ref(1)?.as_blob()?)?),
        kind: row.get(2)?,
        source: row.get(3)?,
        order: row.get(4)?,
        channel: row.get(5)?,
        state: row.get(6)?,
        attempts: row.get(7)?,
        created_at: rows::of_millisecond(8, row.get(8)?)?,
        due_at: rows::of_millisecond(9, row.get(9)?)?,
        answer: row.get(10)?,
        digest: row.get_ref(11)?.as_blob_or_null()?.map(|id| rows::uuid(11, id).map(DeliveryId)).transpose()?,
    })
}
