//! The parts of a message: their exact bytes, of which what several of them end with is kept once.

use rusqlite::{Connection, OptionalExtension, params};

use crate::domain::event::DeliveryId;
use crate::domain::message::{Part, PartForm};
use crate::store::queue::pending::{form_of, form_text};

/// A shorter ending is not worth a look at another row, in bytes.
const WORTH_SHARING: usize = 1024;

/// Keeps the parts of a message: all that are not done, so that none is left that goes on as one whose bytes have changed.
pub fn keep(connection: &Connection, delivery: DeliveryId, parts: &[Part]) -> rusqlite::Result<()> {
    let sql = "INSERT INTO parts (delivery, form, part, body, goes_on_as, goes_on_from) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (delivery, form, part) DO UPDATE SET
            body = excluded.body, goes_on_as = excluded.goes_on_as, goes_on_from = excluded.goes_on_from";
    let mut insert = connection.prepare_cached(sql)?;
    let mut whole: Option<&Part> = None;
    for part in parts {
        let same = whole.filter(|whole| whole.form == part.form).map_or(0, |whole| ending(&whole.body, &part.body));
        let shared = whole.filter(|_| same >= WORTH_SHARING.max(part.body.len() / 2));
        let own = part.body.len() - shared.map_or(0, |_| same);
        let goes_on_as = shared.map(|whole| whole.index);
        let goes_on_from = shared.map(|whole| (whole.body.len() - same + 1).cast_signed());
        if shared.is_none() {
            whole = Some(part);
        }
        let (id, form) = (delivery.0.as_bytes(), form_text(part.form));
        insert.execute(params![id, form, part.index, &part.body[..own], goes_on_as, goes_on_from])?;
    }
    Ok(())
}

/// A part was taken, or is given up.
pub fn done(connection: &Connection, delivery: DeliveryId, form: PartForm, part: u16) -> rusqlite::Result<()> {
    let sql = "UPDATE parts SET done = 1 WHERE delivery = ?1 AND form = ?2 AND part = ?3";
    connection.prepare_cached(sql)?.execute(params![delivery.0.as_bytes(), form_text(form), part]).map(drop)
}

/// The message is not sent again as it is: it was taken, or is composed anew.
pub fn forget(connection: &Connection, delivery: DeliveryId) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM parts WHERE delivery = ?1")?.execute([delivery.0.as_bytes()]).map(drop)
}

/// How many bytes two texts end with alike, whole characters only.
fn ending(one: &str, other: &str) -> usize {
    let same = one.bytes().rev().zip(other.bytes().rev()).take_while(|(one, other)| one == other).count();
    (0..=same).rev().find(|same| other.is_char_boundary(other.len() - same)).unwrap_or(0)
}

/// A part with its whole body. As blobs, because of a text it is characters that are counted, and those from the beginning.
const WHOLE: &str = "SELECT p.part, CASE WHEN p.goes_on_as IS NULL THEN p.body
        ELSE p.body || CAST(substr(CAST(whole.body AS BLOB), p.goes_on_from) AS TEXT) END, p.form
    FROM parts p LEFT JOIN parts whole
        ON whole.delivery = p.delivery AND whole.form = p.form AND whole.part = p.goes_on_as
    WHERE p.delivery = ?1 AND p.form";

/// The part that was found too long last.
pub fn too_long(connection: &Connection, delivery: DeliveryId) -> rusqlite::Result<Option<Part>> {
    let sql = format!(
        "{WHOLE} || ' ' || p.part = (SELECT a.form || ' ' || a.part FROM attempts a
            WHERE a.delivery = ?1 AND a.outcome = 'too_long' ORDER BY a.seq DESC LIMIT 1)"
    );
    let mut select = connection.prepare_cached(&sql)?;
    let read = |row: &rusqlite::Row<'_>| {
        Ok(Part { index: row.get(0)?, form: form_of(row.get_ref(2)?.as_str()?), body: row.get(1)? })
    };
    select.query_row([delivery.0.as_bytes()], read).optional()
}

/// The parts that are still to send, in their sequence.
pub fn undone(connection: &Connection, delivery: DeliveryId, form: PartForm) -> rusqlite::Result<Vec<Part>> {
    let sql = format!("{WHOLE} = ?2 AND p.done = 0 ORDER BY p.part");
    let mut select = connection.prepare_cached(&sql)?;
    let found = select.query_map(params![delivery.0.as_bytes(), form_text(form)], |row| {
        Ok(Part { index: row.get(0)?, form, body: row.get(1)? })
    })?;
    found.collect()
}

/// Which of the parts that are still to send had the fewest attempts, the first of them.
pub fn next(connection: &Connection, delivery: DeliveryId, form: PartForm) -> rusqlite::Result<u16> {
    let sql = "SELECT part FROM parts p WHERE delivery = ?1 AND form = ?2 AND done = 0 ORDER BY
        (SELECT count(*) FROM attempts a WHERE a.delivery = p.delivery AND a.form = p.form AND a.part = p.part), part LIMIT 1";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row(params![delivery.0.as_bytes(), form_text(form)], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(0))
}
