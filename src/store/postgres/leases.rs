//! Instances and leases on PostgreSQL. Every moment here is by the database's clock, in milliseconds since 1970.
//!
//! The tables are of the first migration:
//!
//! ```sql
//! CREATE TABLE leases (
//!     name  TEXT COLLATE "C" PRIMARY KEY,
//!     owner TEXT COLLATE "C" NOT NULL,
//!     fence BIGINT NOT NULL,
//!     until BIGINT NOT NULL
//! );
//! CREATE TABLE instances (
//!     id          TEXT COLLATE "C" PRIMARY KEY,
//!     name        TEXT COLLATE "C" NOT NULL,
//!     version     TEXT COLLATE "C" NOT NULL,
//!     schema      BIGINT NOT NULL,
//!     fingerprint TEXT COLLATE "C" NOT NULL,
//!     credentials TEXT COLLATE "C" NOT NULL, -- a JSON array
//!     began_at    BIGINT NOT NULL,
//!     seen_at     BIGINT NOT NULL
//! );
//! ```

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::store::fencing::{Fenced, FencingToken};
use crate::store::leases::{AcquiredLease, Announcement, Grant, HeldLease, ListedInstance, Roster, WantedLease};
use crate::store::queue::attempt::PacingState;
use crate::store::sql::take_over;
use crate::store::sql::take_over::TakenCredential;
use crate::store::sql::{Connection, Result, Row, params};

/// Now, by the database's clock: also in a transaction that began long ago.
macro_rules! now {
    () => {
        "CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)"
    };
}

/// An instance that was not seen for so long is listed no more, in milliseconds.
const LISTED_MS: i64 = 15_000;
/// And its row goes after so long, in milliseconds.
const FORGOTTEN_MS: i64 = 3_600_000;

/// Notes that an instance runs.
///
/// # Errors
/// As the statements'.
pub fn announce(connection: &dyn Connection, instance: &Announcement, schema: i64) -> Result<()> {
    let Announcement { id, name, version, fingerprint, credentials } = instance;
    let credentials = serde_json::to_string(credentials).unwrap_or_default();
    let sql = concat!(
        "INSERT INTO instances (id, name, version, schema, fingerprint, credentials, began_at, seen_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ",
        now!(),
        ", ",
        now!(),
        ") ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version, schema = excluded.schema,
            fingerprint = excluded.fingerprint, credentials = excluded.credentials, seen_at = excluded.seen_at"
    );
    connection.execute(sql, params![id, name, version, schema, fingerprint, credentials])?;
    let sql = concat!("DELETE FROM instances WHERE seen_at < ", now!(), " - ?1");
    connection.execute(sql, params![FORGOTTEN_MS]).map(drop)
}

/// Which instances run, and who holds what.
///
/// # Errors
/// As the statements'.
pub fn roster(connection: &dyn Connection) -> Result<Roster> {
    let sql = concat!(
        "SELECT id, name, version, schema, fingerprint, credentials, ",
        now!(),
        " - began_at, ",
        now!(),
        " - seen_at FROM instances WHERE seen_at > ",
        now!(),
        " - ?1 ORDER BY id"
    );
    let instances = connection.all(sql, params![LISTED_MS], listed)?;
    let sql =
        concat!("SELECT name, fence, owner, until - ", now!(), " FROM leases WHERE until > ", now!(), " ORDER BY name");
    let held = |row: &Row<'_>| {
        let token = FencingToken { lease: row.get(0)?, number: row.get(1)? };
        Ok(HeldLease { token, instance: row.get(2)?, lasts: Some(milliseconds(row, 3)?) })
    };
    let leases = connection.all(sql, params![], held)?;
    let left = take_over::left_at(connection, &leases.iter().map(|held| held.token.lease.clone()).collect())?;
    Ok(Roster { instances, leases, left })
}

fn listed(row: &Row<'_>) -> Result<ListedInstance> {
    let announcement = Announcement {
        id: row.get(0)?,
        name: row.get(1)?,
        version: row.get(2)?,
        fingerprint: row.get(4)?,
        // What a newer version writes otherwise, it works by itself.
        credentials: serde_json::from_str(row.get(5)?).unwrap_or_default(),
    };
    let (began_ago, seen_ago) = (milliseconds(row, 6)?, milliseconds(row, 7)?);
    Ok(ListedInstance { announcement, schema: row.get(3)?, began_ago, seen_ago })
}

fn milliseconds(row: &Row<'_>, column: usize) -> Result<SignedDuration> {
    Ok(SignedDuration::from_millis(row.get(column)?))
}

/// Whether any instance runs, or was running so short a time ago that it may still be sending.
///
/// # Errors
/// As the statements'.
pub fn is_any_listed(connection: &dyn Connection) -> Result<bool> {
    if is_any_leasing(connection)? {
        return Ok(true);
    }
    let sql = concat!("SELECT 1 FROM instances WHERE seen_at > ", now!(), " - ?1 LIMIT 1");
    Ok(connection.optional(sql, params![LISTED_MS], |row| row.get::<i64>(0))?.is_some())
}

fn is_any_leasing(connection: &dyn Connection) -> Result<bool> {
    let sql = concat!("SELECT 1 FROM leases WHERE until > ", now!(), " LIMIT 1");
    Ok(connection.optional(sql, params![], |row| row.get::<i64>(0))?.is_some())
}

/// Forgets an instance.
///
/// # Errors
/// As the statements'.
pub fn withdraw(connection: &dyn Connection, instance: &str) -> Result<()> {
    connection.execute("DELETE FROM instances WHERE id = ?1", params![instance])?;
    // What was acquired while the instance ended already, and it knows nothing of.
    let sql = "UPDATE leases SET until = 0 WHERE owner = ?1";
    connection.execute(sql, params![instance]).map(drop)
}

/// Rows of what is asked about, in one value of a statement.
macro_rules! given {
    ($columns:literal) => {
        concat!("jsonb_to_recordset(CAST(?1 AS jsonb)) AS given(", $columns, ")")
    };
}

/// Acquires those of the leases that have ended, that were never given, or that this instance holds already; in each case under
/// a new number.
///
/// # Errors
/// As the statements'.
pub fn acquire(
    connection: &dyn Connection,
    wanted: &[WantedLease],
    instance: &str,
    now: Timestamp,
) -> Result<Vec<Option<AcquiredLease>>> {
    let sql = concat!(
        "INSERT INTO leases (name, owner, fence, until) SELECT given.name, ?2, 1, ",
        now!(),
        " + given.lasts FROM ",
        given!("name TEXT, lasts BIGINT"),
        " ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, fence = leases.fence + 1, until = excluded.until
            WHERE leases.owner = excluded.owner OR leases.until <= ",
        now!(),
        " RETURNING name, fence"
    );
    let rows: Vec<_> = wanted.iter().map(|one| json!({ "name": one.lease, "lasts": whole(one.lasts) })).collect();
    let rows = serde_json::to_string(&rows)?;
    let acquired = connection.all(sql, params![rows, instance], |row| Ok((row.get::<String>(0)?, row.get(1)?)))?;
    let numbers: BTreeMap<String, i64> = acquired.into_iter().collect();
    let is_acquired = |one: &&WantedLease| numbers.contains_key(&one.lease);
    let taken: Vec<_> = wanted.iter().filter(is_acquired).map(|one| (&*one.lease, &*one.channels)).collect();
    let mut running = running(connection)?;
    running.retain(|lease| !numbers.contains_key(lease));
    let mut pacing = take_up(connection, &taken, &running, now)?.into_iter();
    let acquired = |one: &WantedLease| {
        let token = FencingToken { lease: one.lease.clone(), number: *numbers.get(&one.lease)? };
        Some(AcquiredLease {
            grant: Grant { token, lasts: Some(one.lasts) },
            pacing: pacing.next().unwrap_or_default(),
        })
    };
    Ok(wanted.iter().map(acquired).collect())
}

/// Has leases run on. One that has ended and was acquired by nobody since is as good as before; one that was released is not.
///
/// # Errors
/// As the statements'.
pub fn renew(
    connection: &dyn Connection,
    tokens: &[FencingToken],
    lasts: &[SignedDuration],
) -> Result<Vec<Option<Grant>>> {
    let sql = concat!(
        "UPDATE leases SET until = ",
        now!(),
        " + given.lasts FROM ",
        given!("name TEXT, fence BIGINT, lasts BIGINT"),
        " WHERE leases.name = given.name AND leases.fence = given.fence AND leases.owner <> '' RETURNING leases.name"
    );
    let row = |(token, lasts): (&FencingToken, &SignedDuration)| json!({ "name": token.lease, "fence": token.number, "lasts": whole(*lasts) });
    let rows = serde_json::to_string(&tokens.iter().zip(lasts).map(row).collect::<Vec<_>>())?;
    let renewed = connection.all(sql, params![rows], |row| row.get::<String>(0))?;
    let renewed: BTreeSet<String> = renewed.into_iter().collect();
    let grant = |(token, lasts): (&FencingToken, &SignedDuration)| {
        renewed.contains(&token.lease).then(|| Grant { token: token.clone(), lasts: Some(*lasts) })
    };
    Ok(tokens.iter().zip(lasts).map(grant).collect())
}

/// Ends leases now. Their rows stay, so that their numbers grow on.
///
/// # Errors
/// As the statements'.
pub fn release(connection: &dyn Connection, tokens: &[FencingToken]) -> Result<()> {
    let sql = concat!(
        "UPDATE leases SET owner = '', until = ",
        now!(),
        " FROM ",
        given!("name TEXT, fence BIGINT"),
        " WHERE leases.name = given.name AND leases.fence = given.fence"
    );
    connection.execute(sql, params![named(tokens)?]).map(drop)
}

/// Those of the tokens that are good, until this transaction ends.
///
/// # Errors
/// As the statements'.
pub fn good(
    connection: &dyn Connection,
    tokens: &BTreeSet<FencingToken>,
    fenced: Fenced,
) -> Result<BTreeSet<FencingToken>> {
    let sql = match fenced {
        Fenced::Claim => concat!(
            "SELECT leases.name, leases.fence FROM leases JOIN ",
            given!("name TEXT, fence BIGINT"),
            " ON leases.name = given.name AND leases.fence = given.fence WHERE leases.until > ",
            now!(),
            " FOR SHARE OF leases"
        ),
        Fenced::Settle => concat!(
            "SELECT leases.name, leases.fence FROM leases JOIN ",
            given!("name TEXT, fence BIGINT"),
            " ON leases.name = given.name AND leases.fence = given.fence FOR SHARE OF leases"
        ),
    };
    let token = |row: &Row<'_>| Ok(FencingToken { lease: row.get(0)?, number: row.get(1)? });
    let mut good: BTreeSet<FencingToken> = connection.all(sql, params![named(tokens)?], token)?.into_iter().collect();
    // A command that works nothing else has none.
    good.extend(tokens.iter().filter(|token| token.number == 0).cloned());
    Ok(good)
}

fn named<'t>(tokens: impl IntoIterator<Item = &'t FencingToken>) -> Result<String> {
    let row = |token: &FencingToken| json!({ "name": token.lease, "fence": token.number });
    Ok(serde_json::to_string(&tokens.into_iter().map(row).collect::<Vec<_>>())?)
}

/// Takes up what an earlier holder left under way; `None` where the token is not good.
///
/// # Errors
/// As the statements'.
pub fn take_over(
    connection: &dyn Connection,
    token: &FencingToken,
    channels: &[String],
    now: Timestamp,
) -> Result<Option<PacingState>> {
    if good(connection, &BTreeSet::from([token.clone()]), Fenced::Claim)?.is_empty() {
        return Ok(None);
    }
    Ok(take_up(connection, &[(&token.lease, channels)], &running(connection)?, now)?.pop())
}

/// The leases that have not ended.
fn running(connection: &dyn Connection) -> Result<BTreeSet<String>> {
    let sql = concat!("SELECT name FROM leases WHERE owner <> '' AND until > ", now!());
    Ok(connection.all(sql, params![], |row| row.get::<String>(0))?.into_iter().collect())
}

fn take_up(
    connection: &dyn Connection,
    taken: &[TakenCredential<'_>],
    running: &BTreeSet<String>,
    now: Timestamp,
) -> Result<Vec<PacingState>> {
    let left = take_over::left_under_way(connection, taken, running)?;
    let is_taken = |lease: &&String| taken.iter().any(|(credential, _)| credential == lease);
    let others: BTreeSet<&String> =
        left.iter().filter_map(|attempt| attempt.lease.as_ref()).filter(|lease| !is_taken(lease)).collect();
    // Their holders may come back, and must neither go on with the attempts nor end them.
    let sql = concat!(
        "UPDATE leases SET owner = '', fence = fence + 1 FROM ",
        given!("name TEXT"),
        " WHERE leases.name = given.name"
    );
    if !others.is_empty() {
        let rows: Vec<_> = others.into_iter().map(|name| json!({ "name": name })).collect();
        connection.execute(sql, params![serde_json::to_string(&rows)?])?;
    }
    take_over::take_over(connection, taken, &left, now)
}

fn whole(duration: SignedDuration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
