//! Who is logged in to the page.

use jiff::Timestamp;

use crate::domain::session::{LoginSession, SessionDigest};
use crate::store::sessions::SESSIONS_OF_A_TOKEN;
use crate::store::sql::{Connection, Error, Result, Row, params};

const COLUMNS: &str = "digest, token, proof, begun_at, used_at, browser";

const TOO_MANY: &str = "DELETE FROM sessions WHERE token = ?1 AND digest NOT IN
    (SELECT digest FROM sessions WHERE token = ?1 ORDER BY used_at DESC, digest LIMIT ?2)";

/// Keeps a new session, and of those of its token so many.
pub fn begin(connection: &dyn Connection, session: &LoginSession) -> Result<()> {
    let LoginSession { digest, token, proof, begun_at, used_at, browser } = session;
    connection.execute(TOO_MANY, params![token, SESSIONS_OF_A_TOKEN - 1])?;
    let sql = format!("INSERT INTO sessions ({COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
    connection.execute(&sql, params![digest.0[..], token, proof[..], begun_at, used_at, browser]).map(drop)
}

pub fn session(connection: &dyn Connection, digest: SessionDigest) -> Result<Option<LoginSession>> {
    connection.optional(&format!("SELECT {COLUMNS} FROM sessions WHERE digest = ?1"), params![digest.0[..]], read)
}

/// All of them, the last used first.
pub fn all(connection: &dyn Connection) -> Result<Vec<LoginSession>> {
    connection.all(&format!("SELECT {COLUMNS} FROM sessions ORDER BY used_at DESC, digest"), &[], read)
}

/// Notes that a session was used.
pub fn note_use(connection: &dyn Connection, digest: SessionDigest, now: Timestamp) -> Result<()> {
    let sql = "UPDATE sessions SET used_at = ?2 WHERE digest = ?1 AND used_at < ?2";
    connection.execute(sql, params![digest.0[..], now]).map(drop)
}

/// Ends a session. Answers whether there was one.
pub fn end(connection: &dyn Connection, digest: SessionDigest) -> Result<bool> {
    Ok(connection.execute("DELETE FROM sessions WHERE digest = ?1", params![digest.0[..]])? > 0)
}

/// Ends all: whoever was logged in logs in once more.
pub fn end_all(connection: &dyn Connection) -> Result<()> {
    connection.execute("DELETE FROM sessions", &[]).map(drop)
}

/// Ends those that were not used since one moment or were begun before another. Answers how many.
pub fn sweep(
    connection: &dyn Connection,
    unused_since: Timestamp,
    begun_before: Timestamp,
    now: Timestamp,
) -> Result<u64> {
    connection.execute("UPDATE sessions SET used_at = ?1 WHERE used_at > ?1", params![now])?;
    connection.execute("UPDATE sessions SET begun_at = ?1 WHERE begun_at > ?1", params![now])?;
    let sql = "DELETE FROM sessions WHERE used_at <= ?1 OR begun_at <= ?2";
    Ok(connection.execute(sql, params![unused_since, begun_before])? as u64)
}

fn read(row: &Row<'_>) -> Result<LoginSession> {
    let (digest, proof) = (row.get::<&[u8]>(0)?, row.get::<&[u8]>(2)?);
    let whole = |column, bytes: &[u8]| {
        let reason = || format!("32 bytes were expected, and {} found", bytes.len());
        bytes.try_into().map_err(|_| Error::Unreadable { column, reason: reason() })
    };
    Ok(LoginSession {
        digest: SessionDigest(whole(0, digest)?),
        token: row.get(1)?,
        proof: whole(2, proof)?,
        begun_at: row.get(3)?,
        used_at: row.get(4)?,
        browser: row.get(5)?,
    })
}
