//! Lists from the newest to the oldest, a page at a time. What a page has is looked for by keys, in steps of so many rows, and no
//! further than so many: the next page goes on there.

use uuid::Uuid;

use crate::domain::event::DeliveryId;
use crate::domain::order::Order;
use crate::store::history::list::{DeliveryFilter, DeliveryRow};
use crate::store::history::pages::{DeliveryPage, EventFilter, ListPage, ListedEvent, ListedOrder, OrderFilter};
use crate::store::sql::{Connection, Result, Row, find, list, params};

/// So many rows are read at a time where not all of them are wanted.
const STEP: u32 = 500;
/// So many are looked at for a page.
const LOOKED_AT: u32 = 10_000;
/// And so many where each has to be unpacked, or looked up elsewhere.
const LOOKED_INTO: u32 = 1_000;
/// Up to so many that wait or are dead are found by what holds them alone, and else among all.
const FEW: usize = 6_000;

/// A page that is being filled, one row after another.
struct PageBuilder<R, K> {
    rows: Vec<R>,
    most: usize,
    /// Of the last row that was taken.
    last: Option<K>,
    /// There is one that has no room.
    is_full: bool,
}

impl<R, K: Copy> PageBuilder<R, K> {
    fn new(most: u32) -> Self {
        Self { rows: Vec::new(), most: most as usize, last: None, is_full: false }
    }

    fn add(&mut self, key: K, row: R) {
        if self.rows.len() < self.most {
            self.rows.push(row);
            self.last = Some(key);
        } else {
            self.is_full = true;
        }
    }

    /// `looked`: the last row that was looked at, where there may be more behind it.
    fn end(self, looked: Option<K>) -> ListPage<R, K> {
        ListPage { rows: self.rows, next: if self.is_full { self.last } else { looked } }
    }
}

pub fn events(
    connection: &dyn Connection,
    wanted: &EventFilter,
    before: Option<i64>,
    rows: u32,
) -> Result<ListPage<ListedEvent, i64>> {
    let mut before = before.unwrap_or(i64::MAX);
    if let Some(until) = wanted.until {
        let sql = "SELECT seq FROM events INDEXED BY events_by_arrival WHERE received_at < ?1
            ORDER BY received_at DESC LIMIT 1";
        let newest: Option<i64> = connection.optional(sql, params![until], |row| row.get(0))?;
        before = before.min(newest.map_or(0, |seq| seq.saturating_add(1)));
    }
    let step = if *wanted == EventFilter::default() { rows.saturating_add(1) } else { STEP };
    let (mut page, mut looked_at) = (PageBuilder::new(rows), 0);
    let sql = "SELECT seq, id, received_at, kind, source, shop, order_number, unproven, repeats FROM events
        WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
    loop {
        let found = connection.all(sql, params![before, step], listed_event)?;
        let is_end = found.len() < step as usize || is_too_old(found.iter().map(|row| row.received_at), wanted.since);
        looked_at += step;
        let Some(last) = found.last().map(|row| row.seq) else { return Ok(page.end(None)) };
        found.into_iter().filter(|row| is_wanted(row, wanted)).for_each(|row| page.add(row.seq, row));
        if is_end || page.is_full {
            return Ok(page.end(None));
        }
        if looked_at >= LOOKED_AT {
            return Ok(page.end(Some(last)));
        }
        before = last;
    }
}

/// Events after one, the oldest first.
pub fn events_after(connection: &dyn Connection, seq: i64, rows: u32) -> Result<Vec<ListedEvent>> {
    let sql = "SELECT seq, id, received_at, kind, source, shop, order_number, unproven, repeats FROM events
        WHERE seq > ?1 ORDER BY seq LIMIT ?2";
    connection.all(sql, params![seq, rows], listed_event)
}

fn listed_event(row: &Row<'_>) -> Result<ListedEvent> {
    Ok(ListedEvent {
        seq: row.get(0)?,
        id: row.get(1)?,
        received_at: row.get(2)?,
        kind: row.get(3)?,
        source: row.get(4)?,
        shop: row.get(5)?,
        order: row.get(6)?,
        is_unproven: row.get(7)?,
        duplicates: row.get(8)?,
    })
}

fn is_wanted(row: &ListedEvent, wanted: &EventFilter) -> bool {
    let EventFilter { kind, source, shop, since, until } = wanted;
    kind.as_ref().is_none_or(|kind| kind.matches(&row.kind))
        && source.as_ref().is_none_or(|source| *source == row.source)
        && (shop.is_none() || *shop == row.shop)
        && since.is_none_or(|since| row.received_at >= since)
        && until.is_none_or(|until| row.received_at < until)
}

/// Whether all of a step's rows are from before what is wanted; then those behind them are as well.
fn is_too_old(times: impl Iterator<Item = jiff::Timestamp>, since: Option<jiff::Timestamp>) -> bool {
    times.max().zip(since).is_some_and(|(newest, since)| newest < since)
}

pub fn orders(
    connection: &dyn Connection,
    wanted: &OrderFilter,
    before: Option<i64>,
    rows: u32,
) -> Result<ListPage<ListedOrder, i64>> {
    let number = wanted.number.as_deref().map(find::number);
    if let Some(number) = number {
        let numbers = find::by_number(connection, number)?;
        if !numbers.is_empty() {
            return of_numbers(connection, &numbers, wanted, before, rows);
        }
    }
    let step = if *wanted == OrderFilter::default() { rows.saturating_add(1) } else { STEP };
    let most = if wanted.shop.is_some() { LOOKED_INTO } else { LOOKED_AT };
    let (mut page, mut looked_at, mut before) = (PageBuilder::new(rows), 0, before.unwrap_or(i64::MAX));
    let sql = "SELECT seq, source, short_number, packed FROM orders WHERE seq < ?1 ORDER BY seq DESC LIMIT ?2";
    loop {
        let (mut found, mut last) = (0, before);
        connection.query(sql, params![before, step], &mut |row| {
            found += 1;
            last = row.get(0)?;
            let (source, short): (&str, Option<&str>) = (row.get(1)?, row.get(2)?);
            if number.is_some_and(|number| short != Some(number)) || !is_of(source, wanted) {
                return Ok(());
            }
            let order: Order = row.packed(3)?;
            if is_at(&order, wanted) {
                page.add(last, ListedOrder { seq: last, source: source.to_owned(), order });
            }
            Ok(())
        })?;
        looked_at += step;
        if found < step || page.is_full {
            return Ok(page.end(None));
        }
        if looked_at >= most {
            return Ok(page.end(Some(last)));
        }
        before = last;
    }
}

fn is_of(source: &str, wanted: &OrderFilter) -> bool {
    wanted.source.as_ref().is_none_or(|wanted| wanted == source)
}

fn is_at(order: &Order, wanted: &OrderFilter) -> bool {
    wanted.shop.as_ref().is_none_or(|wanted| order.shop.as_ref().is_some_and(|shop| shop.id == *wanted))
}

/// The orders of these sources and numbers, of which there are few.
fn of_numbers(
    connection: &dyn Connection,
    numbers: &[(String, String)],
    wanted: &OrderFilter,
    before: Option<i64>,
    rows: u32,
) -> Result<ListPage<ListedOrder, i64>> {
    let sql = "SELECT seq, packed FROM orders WHERE source = ?1 AND number = ?2";
    let mut found = Vec::new();
    for (source, number) in numbers {
        let row = connection.optional(sql, params![source, number], |row| {
            Ok(ListedOrder { seq: row.get(0)?, source: source.clone(), order: row.packed(1)? })
        })?;
        found.extend(row.filter(|row| is_of(&row.source, wanted) && is_at(&row.order, wanted)));
    }
    found.sort_unstable_by_key(|row| std::cmp::Reverse(row.seq));
    let mut page = PageBuilder::new(rows);
    let before = before.unwrap_or(i64::MAX);
    found.into_iter().filter(|row| row.seq < before).for_each(|row| page.add(row.seq, row));
    Ok(page.end(None))
}

/// What a look at a delivery alone says of it.
struct Glance {
    id: DeliveryId,
    state: String,
    channel: String,
    created_at: jiff::Timestamp,
}

pub fn deliveries(
    connection: &dyn Connection,
    wanted: &DeliveryFilter,
    before: Option<DeliveryId>,
    rows: u32,
) -> Result<DeliveryPage> {
    let mut before = before.unwrap_or(DeliveryId(Uuid::max()));
    if let Some(known) = few(connection, wanted)? {
        let mut page = PageBuilder::new(rows);
        let ids: Vec<DeliveryId> = known.into_iter().rev().filter(|id| *id < before).collect();
        fill(connection, &ids, wanted, &mut page)?;
        return Ok(page.end(None));
    }
    let is_plain =
        wanted.state.is_none() && wanted.channel.is_none() && wanted.since.is_none() && wanted.until.is_none();
    let is_of_events = wanted.kind.is_some() || wanted.source.is_some();
    let step = if is_plain && !is_of_events { rows.saturating_add(1) } else { STEP };
    let most = if is_of_events { LOOKED_INTO } else { LOOKED_AT };
    let (mut page, mut looked_at) = (PageBuilder::new(rows), 0);
    let sql = "SELECT id, state, channel, created_at FROM deliveries WHERE id < ?1 ORDER BY id DESC LIMIT ?2";
    loop {
        let found = connection.all(sql, params![before, step], |row| {
            Ok(Glance { id: row.get(0)?, state: row.get(1)?, channel: row.get(2)?, created_at: row.get(3)? })
        })?;
        let is_end = found.len() < step as usize || is_too_old(found.iter().map(|row| row.created_at), wanted.since);
        looked_at += step;
        let Some(last) = found.last().map(|row| row.id) else { return Ok(page.end(None)) };
        let ids: Vec<DeliveryId> = found.iter().filter(|glance| may_be(glance, wanted)).map(|one| one.id).collect();
        fill(connection, &ids, wanted, &mut page)?;
        if is_end || page.is_full {
            return Ok(page.end(None));
        }
        if looked_at >= most {
            return Ok(page.end(Some(last)));
        }
        before = last;
    }
}

fn may_be(glance: &Glance, wanted: &DeliveryFilter) -> bool {
    wanted.state.as_ref().is_none_or(|state| *state == glance.state)
        && wanted.channel.as_ref().is_none_or(|channel| *channel == glance.channel)
        && wanted.since.is_none_or(|since| glance.created_at >= since)
        && wanted.until.is_none_or(|until| glance.created_at < until)
}

/// Adds those of these deliveries that are wanted, until there is no room.
fn fill(
    connection: &dyn Connection,
    ids: &[DeliveryId],
    wanted: &DeliveryFilter,
    page: &mut PageBuilder<DeliveryRow, DeliveryId>,
) -> Result<()> {
    for ids in ids.chunks(page.most + 1) {
        if page.is_full {
            break;
        }
        add_wanted(connection, ids, wanted, page)?;
    }
    Ok(())
}

fn add_wanted(
    connection: &dyn Connection,
    ids: &[DeliveryId],
    wanted: &DeliveryFilter,
    page: &mut PageBuilder<DeliveryRow, DeliveryId>,
) -> Result<()> {
    let given: Vec<_> = ids.iter().map(|id| params![id].to_vec()).collect();
    connection.query_many(&format!("{} WHERE d.id = ?1", list::ROWS), &given, &mut |_, row| {
        let row = list::delivery_row(row)?;
        // It may have changed since it was looked at.
        let glance =
            Glance { id: row.id, state: row.state.clone(), channel: row.channel.clone(), created_at: row.created_at };
        let is_kind = wanted.kind.as_ref().is_none_or(|kind| kind.matches(&row.kind));
        let is_source = wanted.source.as_ref().is_none_or(|source| *source == row.source);
        if is_kind && is_source && may_be(&glance, wanted) {
            page.add(row.id, row);
        }
        Ok(())
    })
}

/// Those that may be wanted, in the sequence of their ids, where it is known that there are few: those of some orders, and
/// what waits or is dead.
fn few(connection: &dyn Connection, wanted: &DeliveryFilter) -> Result<Option<Vec<DeliveryId>>> {
    if let Some(found) = list::of_orders(connection, wanted)? {
        return Ok(Some(found));
    }
    match wanted.state.as_deref() {
        Some("dead") => few_in_state(connection, wanted, &DEAD),
        Some("waiting") => few_in_state(connection, wanted, &WAITING),
        _ => Ok(None),
    }
}

/// How those in a state are found by an index that holds no others.
struct Held {
    first_channel: &'static str,
    next_channel: &'static str,
    of_channel: &'static str,
    members: Option<&'static str>,
}

const DEAD: Held = Held {
    first_channel: "SELECT min(channel) FROM deliveries WHERE state = 'dead'",
    next_channel: "SELECT min(channel) FROM deliveries WHERE state = 'dead' AND channel > ?1",
    of_channel: "SELECT id FROM deliveries WHERE state = 'dead' AND channel = ?1 LIMIT ?2",
    members: None,
};

const WAITING: Held = Held {
    first_channel: "SELECT min(channel) FROM deliveries WHERE state = 'waiting' AND digest IS NULL",
    next_channel: "SELECT min(channel) FROM deliveries WHERE state = 'waiting' AND digest IS NULL AND channel > ?1",
    of_channel: "SELECT id FROM deliveries WHERE state = 'waiting' AND digest IS NULL AND channel = ?1 LIMIT ?2",
    members: Some("SELECT id FROM deliveries WHERE digest = ?1 AND state = 'waiting'"),
};

fn few_in_state(connection: &dyn Connection, wanted: &DeliveryFilter, held: &Held) -> Result<Option<Vec<DeliveryId>>> {
    let mut channel = match &wanted.channel {
        Some(channel) => Some(channel.clone()),
        None => connection.one(held.first_channel, &[], |row| row.get(0))?,
    };
    let mut found: Vec<DeliveryId> = Vec::new();
    while let Some(name) = channel {
        let room = FEW + 1 - found.len();
        let room = u32::try_from(room).unwrap_or(u32::MAX);
        found.extend(connection.all(held.of_channel, params![name, room], |row| row.get::<DeliveryId>(0))?);
        if found.len() > FEW {
            return Ok(None);
        }
        channel = match &wanted.channel {
            Some(_) => None,
            None => connection.one(held.next_channel, params![name], |row| row.get(0))?,
        };
    }
    if let Some(members) = held.members {
        let leaders: Vec<_> = found.iter().map(|id| params![id].to_vec()).collect();
        let mut carried = Vec::new();
        connection.query_many(members, &leaders, &mut |_, row| {
            carried.push(row.get::<DeliveryId>(0)?);
            Ok(())
        })?;
        found.extend(carried);
    }
    found.sort_unstable();
    found.dedup();
    Ok(Some(found))
}
