//! The parts of a message: their exact bytes, of which what several of them end with is kept once.

use crate::domain::event::DeliveryId;
use crate::domain::message::{Part, PartForm};
use crate::store::history::pages::{SentMessage, SentPart};
use crate::store::queue::pending::{form_of, form_text};
use crate::store::sql::{Connection, Result, Row, params, rows};

/// A shorter ending is not worth a look at another row, in bytes.
const WORTH_SHARING: usize = 1024;

/// Keeps the parts of a message: all that are not done, so that none is left that goes on as one whose bytes have changed.
pub fn keep(connection: &dyn Connection, delivery: DeliveryId, parts: &[Part]) -> Result<()> {
    let sql = "INSERT INTO parts (delivery, form, part, body, goes_on_as, goes_on_from) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
        ON CONFLICT (delivery, form, part) DO UPDATE SET
            body = excluded.body, goes_on_as = excluded.goes_on_as, goes_on_from = excluded.goes_on_from";
    let mut whole: Option<&Part> = None;
    let mut kept = Vec::with_capacity(parts.len());
    for part in parts {
        let same = whole.filter(|whole| whole.form == part.form).map_or(0, |whole| ending(&whole.body, &part.body));
        let shared = whole.filter(|_| same >= WORTH_SHARING.max(part.body.len() / 2));
        let own = part.body.len() - shared.map_or(0, |_| same);
        let goes_on_as = shared.map(|whole| whole.index);
        let goes_on_from = shared.map(|whole| i64::try_from(whole.body.len() - same + 1).unwrap_or(i64::MAX));
        if shared.is_none() {
            whole = Some(part);
        }
        kept.push((form_text(part.form), part.index, &part.body[..own], goes_on_as, goes_on_from));
    }
    let rows = kept.iter().map(|(form, part, body, goes_on_as, goes_on_from)| {
        params![delivery, form, part, body, goes_on_as, goes_on_from].to_vec()
    });
    connection.execute_many(sql, &rows.collect::<Vec<_>>())
}

/// A part was taken, or is given up.
pub fn done(connection: &dyn Connection, delivery: DeliveryId, form: PartForm, part: u16) -> Result<()> {
    let sql = "UPDATE parts SET done = 1 WHERE delivery = ?1 AND form = ?2 AND part = ?3";
    connection.execute(sql, params![delivery, form_text(form), part]).map(drop)
}

/// The message is not sent again as it is: it was taken, or is composed anew. Answers whether it had parts.
pub fn forget(connection: &dyn Connection, delivery: DeliveryId) -> Result<bool> {
    connection.execute("DELETE FROM parts WHERE delivery = ?1", params![delivery]).map(|forgotten| forgotten > 0)
}

/// How many bytes two texts end with alike, whole characters only.
fn ending(one: &str, other: &str) -> usize {
    let same = one.bytes().rev().zip(other.bytes().rev()).take_while(|(one, other)| one == other).count();
    (0..=same).rev().find(|same| other.is_char_boundary(other.len() - same)).unwrap_or(0)
}

/// Of a part that is not to be sent again. Where the message is delivered, that need not stand at each of its parts.
const IS_DONE: &str = "(p.done = 1 OR EXISTS (SELECT 1 FROM deliveries d
    WHERE d.id = p.delivery AND d.state = 'delivered' AND d.form = p.form))";

/// A part with the one with whose bytes it goes on.
const WHOLE: &str = "SELECT p.part, p.form, p.body, p.goes_on_from, whole.body
    FROM parts p LEFT JOIN parts whole
        ON whole.delivery = p.delivery AND whole.form = p.form AND whole.part = p.goes_on_as
    WHERE p.delivery = ?1 AND ";

fn whole(row: &Row<'_>) -> Result<Part> {
    let mut body: String = row.get(2)?;
    if let Some(from) = row.get::<Option<i64>>(3)? {
        let all: &str = row.get(4)?;
        // The first byte is 1.
        let rest = usize::try_from(from - 1).ok().and_then(|from| all.get(from..));
        body += rest.ok_or_else(|| rows::unreadable(3, "no character begins there"))?;
    }
    Ok(Part { index: row.get(0)?, form: form_of(row.get(1)?), body })
}

/// The part that was found too long last.
pub fn too_long(connection: &dyn Connection, delivery: DeliveryId) -> Result<Option<Part>> {
    let sql = format!(
        "{WHOLE} (p.form, p.part) = (SELECT a.form, a.part FROM attempts a
            WHERE a.delivery = ?1 AND a.outcome = 'too_long' ORDER BY a.seq DESC LIMIT 1)"
    );
    connection.optional(&sql, params![delivery], whole)
}

/// All parts, done or not.
pub fn sent(connection: &dyn Connection, delivery: DeliveryId) -> Result<Option<SentMessage>> {
    let sql = "SELECT round FROM deliveries WHERE id = ?1";
    let Some(round) = connection.optional(sql, params![delivery], |row| row.get(0))? else { return Ok(None) };
    let sql = format!("SELECT p.form, p.part, {IS_DONE} FROM parts p WHERE p.delivery = ?1 ORDER BY p.form, p.part");
    let found = connection
        .all(&sql, params![delivery], |row| Ok((row.get::<String>(0)?, row.get::<u16>(1)?, row.get::<bool>(2)?)))?;
    let sql = format!("{WHOLE} p.form = ?2 AND p.part = ?3");
    let one = |(form, part, is_done): (String, u16, bool)| {
        let body = connection.one(&sql, params![delivery, form, part], whole)?.body;
        Ok(SentPart { part, form, is_done, body })
    };
    Ok(Some(SentMessage { round, parts: found.into_iter().map(one).collect::<Result<_>>()? }))
}

/// The parts that are still to send, in their sequence.
pub fn undone(connection: &dyn Connection, delivery: DeliveryId, form: PartForm) -> Result<Vec<Part>> {
    let sql = format!("{WHOLE} p.form = ?2 AND NOT {IS_DONE} ORDER BY p.part");
    connection.all(&sql, params![delivery, form_text(form)], whole)
}

/// Which of the parts that are still to send had the fewest attempts, the first of them.
pub fn next(connection: &dyn Connection, delivery: DeliveryId, form: PartForm) -> Result<u16> {
    let sql = "SELECT part FROM parts p WHERE delivery = ?1 AND form = ?2 AND done = 0 ORDER BY
        (SELECT count(*) FROM attempts a WHERE a.delivery = p.delivery AND a.form = p.form AND a.part = p.part), part LIMIT 1";
    Ok(connection.optional(sql, params![delivery, form_text(form)], |row| row.get(0))?.unwrap_or(0))
}
