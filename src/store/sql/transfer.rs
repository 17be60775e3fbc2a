//! A store's rows copied from one database into another, table by table, and what proves that both hold the same.

use sha2::{Digest, Sha256};

use crate::store::sql::value::Value;
use crate::store::sql::{Connection, Result, Row};

/// So many bytes are read at a time, about: a page of rows has as many as that comes to.
const PAGE_BYTES: usize = 4 << 20;
const PAGE_ROWS: usize = 1_000;

/// A table whose rows are a store's.
#[derive(Debug)]
pub struct Table {
    pub name: &'static str,
    /// Its columns, those of its key first.
    pub columns: &'static [&'static str],
    /// How many of them are its key.
    pub key: usize,
}

/// All of a store, but for what is of its database: the number of the schema, leases, and what commands ask at the moment.
pub const TABLES: &[Table] = &[
    table(
        "events",
        1,
        &[
            "seq",
            "id",
            "received_at",
            "kind",
            "source",
            "shop",
            "order_number",
            "unproven",
            "repeats",
            "last_repeat_at",
            "routes",
            "packed",
        ],
    ),
    table("repeat_keys", 2, &["source", "key", "event", "content", "at"]),
    table("orders", 1, &["seq", "source", "number", "short_number", "day_at", "packed"]),
    table(
        "ledger",
        1,
        &[
            "seq",
            "event",
            "source",
            "shop",
            "order_number",
            "figure",
            "count",
            "minor",
            "currency",
            "effect_at",
            "recorded_at",
        ],
    ),
    table(
        "deliveries",
        1,
        &[
            "id",
            "event",
            "event_seq",
            "channel",
            "order_key",
            "state",
            "due_at",
            "created_at",
            "attempts",
            "spent",
            "form",
            "outcome",
            "answer",
            "digest",
            "urgent",
            "round",
            "returned",
            "instead_of",
            "unreached",
            "fell_back",
            "wait_ms",
        ],
    ),
    table("parts", 3, &["delivery", "form", "part", "body", "done", "goes_on_as", "goes_on_from"]),
    table(
        "attempts",
        1,
        &["seq", "delivery", "part", "form", "started_at", "ended_at", "outcome", "answer", "far_ahead_s", "lease"],
    ),
    table("steps", 1, &["seq", "delivery", "at", "step", "detail"]),
    table("pacing_slots", 2, &["credential", "attempt", "free_at"]),
    table("credentials", 1, &["credential", "closed_until", "reason", "closings", "wait_ms"]),
    table("parked_channels", 1, &["channel", "since", "reason", "probes", "next_probe_at", "probed_at", "wait_ms"]),
    table("paused_channels", 1, &["channel", "since", "paused_by"]),
    table("ranked_channels", 1, &["channel", "urgent"]),
    table("last_yes", 1, &["channel", "at"]),
    table("report_runs", 2, &["report", "day", "event", "ledger_seq"]),
    table("pictures", 1, &["token", "event", "expires_at"]),
    table("refusals", 1, &["seq", "source", "at", "reason", "bytes", "count"]),
    table("refusal_tally", 2, &["quarter", "source", "count"]),
    table("repeat_tally", 2, &["quarter", "source", "count"]),
    table("signs_of_life", 1, &["source", "at"]),
    table("troubles", 2, &["topic", "subject", "since", "detail"]),
    table("sessions", 1, &["digest", "token", "proof", "begun_at", "used_at", "browser"]),
];

/// Tables of a database itself.
pub const OF_THE_DATABASE: &[&str] =
    &["schema_floor", "schema_history", "store_version", "store_commits", "settings_inquiries", "leases", "instances"];

const fn table(name: &'static str, key: usize, columns: &'static [&'static str]) -> Table {
    Table { name, columns, key }
}

/// What a table holds: two that hold the same rows have the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    pub rows: u64,
    /// SHA-256 of all of them, in the sequence of the key.
    pub hash: [u8; 32],
}

/// Copies a table; `each` is given how many rows have been copied so far. Answers what was read.
///
/// # Errors
/// As the connections say it.
pub fn copy(
    table: &Table,
    (from, to): (&dyn Connection, &dyn Connection),
    each: &mut dyn FnMut(u64),
) -> Result<Holding> {
    let places: Vec<String> = (1..=table.columns.len()).map(|place| format!("?{place}")).collect();
    let insert = format!("INSERT INTO {} ({}) VALUES ({})", table.name, table.columns.join(", "), places.join(", "));
    through(table, from, &mut |page, so_far| {
        let given: Vec<Vec<Value<'_>>> = page.iter().map(|row| row.iter().map(Stored::as_given).collect()).collect();
        to.execute_many(&insert, &given)?;
        each(so_far);
        Ok(())
    })
}

/// What a table holds.
///
/// # Errors
/// As the connection says it.
pub fn holding(table: &Table, connection: &dyn Connection) -> Result<Holding> {
    through(table, connection, &mut |_, _| Ok(()))
}

/// Whether no table holds anything.
///
/// # Errors
/// As the connection says it.
pub fn is_empty(connection: &dyn Connection) -> Result<bool> {
    for table in TABLES {
        if connection.exists(&format!("SELECT 1 FROM {} LIMIT 1", table.name), &[])? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// How many rows all tables have together.
///
/// # Errors
/// As the connection says it.
pub fn rows(connection: &dyn Connection) -> Result<u64> {
    let count =
        |table: &Table| connection.one(&format!("SELECT count(*) FROM {}", table.name), &[], |row| row.get::<u64>(0));
    TABLES.iter().map(count).sum()
}

type Page = [Vec<Stored>];

/// Reads a table page by page, in the sequence of its key.
fn through(
    table: &Table,
    connection: &dyn Connection,
    take: &mut dyn FnMut(&Page, u64) -> Result<()>,
) -> Result<Holding> {
    let (mut hash, mut rows, mut limit) = (Sha256::new(), 0, PAGE_ROWS / 10);
    let mut last: Vec<Stored> = Vec::new();
    loop {
        let (select, mut given) = (page_after(table, !last.is_empty()), Vec::new());
        given.extend(last.iter().map(Stored::as_given));
        let wanted = i64::try_from(limit).unwrap_or(i64::MAX);
        given.push(Value::Integer(wanted));
        let page = connection.all(&select, &given, |row| read(table, row))?;
        if let Some(row) = page.last() {
            last = row[..table.key].to_vec();
        }
        page.iter().flatten().for_each(|value| value.hash_into(&mut hash));
        rows += page.len() as u64;
        take(&page, rows)?;
        if page.len() < limit {
            return Ok(Holding { rows, hash: hash.finalize().into() });
        }
        let bytes: usize = page.iter().flatten().map(Stored::bytes).sum();
        limit = (page.len() * PAGE_BYTES / bytes.max(1)).clamp(1, PAGE_ROWS);
    }
}

/// Parameters are the key behind which the page begins, and how many rows it has.
fn page_after(table: &Table, is_behind: bool) -> String {
    let (columns, key) = (table.columns.join(", "), table.columns[..table.key].join(", "));
    let places: Vec<String> = (1..=table.key).map(|place| format!("?{place}")).collect();
    let (behind, limit) = match is_behind {
        true => (format!(" WHERE ({key}) > ({})", places.join(", ")), table.key + 1),
        false => (String::new(), 1),
    };
    format!("SELECT {columns} FROM {}{behind} ORDER BY {key} LIMIT ?{limit}", table.name)
}

fn read(table: &Table, row: &Row<'_>) -> Result<Vec<Stored>> {
    (0..table.columns.len()).map(|column| Ok(Stored::of(row.0.column(column)?))).collect()
}

/// A value of its own.
#[derive(Clone, Debug)]
enum Stored {
    Null,
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Stored {
    fn of(value: Value<'_>) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Integer(integer) => Self::Integer(integer),
            Value::Text(text) => Self::Text(text.to_owned()),
            Value::Blob(bytes) => Self::Blob(bytes.to_owned()),
        }
    }

    fn as_given(&self) -> Value<'_> {
        match self {
            Self::Null => Value::Null,
            Self::Integer(integer) => Value::Integer(*integer),
            Self::Text(text) => Value::Text(text),
            Self::Blob(bytes) => Value::Blob(bytes),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Null | Self::Integer(_) => 8,
            Self::Text(text) => text.len(),
            Self::Blob(bytes) => bytes.len(),
        }
    }

    fn hash_into(&self, hash: &mut Sha256) {
        let (kind, bytes): (u8, &[u8]) = match self {
            Self::Null => (0, &[]),
            Self::Integer(integer) => (1, &integer.to_be_bytes()),
            Self::Text(text) => (2, text.as_bytes()),
            Self::Blob(bytes) => (3, bytes),
        };
        hash.update([kind]);
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    }
}
