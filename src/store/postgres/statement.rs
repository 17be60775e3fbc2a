//! How a statement that is written for every database is put to PostgreSQL: its parameters are `$1` and so on, hints at an
//! index are left out, and one that is given many rows takes them as arrays, in one round trip.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use crate::store::sql::value::Value;

/// So many rewritten statements are kept; there are a few hundred.
const KEPT: usize = 1024;

type Kept = RwLock<HashMap<String, Arc<str>>>;

static REWRITTEN: LazyLock<Kept> = LazyLock::new(Kept::default);

/// A statement for one row of values.
pub fn single(sql: &str) -> Arc<str> {
    kept(sql, || rewritten(sql, &|number| format!("${number}")))
}

/// A look-up for many rows of values, of these array types; each row found begins with the place of its values, from 1 on.
pub fn many_found(sql: &str, arrays: &[Option<&str>]) -> Arc<str> {
    kept(&format!("found {arrays:?} {sql}"), || {
        let (arguments, names) = unnest(arrays);
        let query = rewritten(sql, &|number| column(arrays, number));
        format!(
            "SELECT given.place, r.* FROM UNNEST({arguments}) WITH ORDINALITY AS given({names}, place), LATERAL ({query}) AS r ORDER BY given.place"
        )
    })
}

/// An `INSERT … VALUES` for many rows of values, of these array types; `None` of a statement that is none, or to which two of
/// the rows are one.
pub fn many_inserted(sql: &str, arrays: &[Option<&str>], given: &[Vec<Value<'_>>]) -> Option<Arc<str>> {
    let parts = Insert::of(sql)?;
    if !parts.is_distinct(given) {
        return None;
    }
    Some(kept(&format!("inserted {arrays:?} {sql}"), || {
        let (arguments, names) = unnest(arrays);
        let values = rewritten(parts.values, &|number| column(arrays, number));
        format!("{} SELECT {values} FROM UNNEST({arguments}) AS given({names}) {}", parts.head, parts.tail)
    }))
}

fn kept(name: &str, rewrite: impl FnOnce() -> String) -> Arc<str> {
    if let Some(known) = REWRITTEN.read().unwrap_or_else(PoisonError::into_inner).get(name) {
        return known.clone();
    }
    let made: Arc<str> = rewrite().into();
    let mut all = REWRITTEN.write().unwrap_or_else(PoisonError::into_inner);
    if all.len() >= KEPT {
        all.clear();
    }
    all.insert(name.to_owned(), made.clone());
    made
}

/// The arguments of `UNNEST` and the names of its columns; a column of nothing but nulls is none of them.
fn unnest(arrays: &[Option<&str>]) -> (String, String) {
    let typed: Vec<(usize, &str)> =
        arrays.iter().enumerate().filter_map(|(place, array)| array.map(|array| (place, array))).collect();
    let arguments = typed.iter().enumerate().map(|(number, (_, array))| format!("${}::{array}", number + 1));
    let arguments = arguments.collect::<Vec<_>>().join(", ");
    let names = typed.iter().map(|(place, _)| format!("c{}", place + 1)).collect::<Vec<_>>().join(", ");
    (arguments, names)
}

fn column(arrays: &[Option<&str>], number: usize) -> String {
    match arrays.get(number - 1) {
        Some(Some(_)) => format!("given.c{number}"),
        _ => "NULL".to_owned(),
    }
}

/// A statement with its parameters as `name` has them, and without hints at an index. What stands in a text stays.
fn rewritten(sql: &str, name: &dyn Fn(usize) -> String) -> String {
    let mut made = String::with_capacity(sql.len() + 16);
    let mut rest = sql;
    let mut is_text = false;
    while let Some(letter) = rest.chars().next() {
        let behind = &rest[letter.len_utf8()..];
        if letter == '\'' {
            is_text = !is_text;
        } else if !is_text && letter == '?' {
            let digits = behind.len() - behind.trim_start_matches(|digit: char| digit.is_ascii_digit()).len();
            if let Ok(number @ 1..) = behind[..digits].parse() {
                made.push_str(&name(number));
                rest = &behind[digits..];
                continue;
            }
        } else if !is_text
            && letter == 'I'
            && let Some(hint) = rest.strip_prefix("INDEXED BY ")
        {
            rest = hint.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || letter == '_');
            continue;
        }
        made.push(letter);
        rest = behind;
    }
    made
}

/// The parts of an `INSERT … VALUES (…)`.
struct Insert<'a> {
    /// Up to `VALUES`.
    head: &'a str,
    /// Between its brackets.
    values: &'a str,
    /// What stands behind.
    tail: &'a str,
}

impl<'a> Insert<'a> {
    fn of(sql: &'a str) -> Option<Self> {
        let sql = sql.trim();
        if !sql.starts_with("INSERT INTO ") {
            return None;
        }
        let (head, behind) = sql.split_once("VALUES (")?;
        let end = closing(behind)?;
        let (values, tail) = (&behind[..end], behind[end + 1..].trim());
        // A value among the conditions would be of one row and not of all; a second list of values has rows of its own.
        (!tail.contains('?') && !tail.starts_with(',')).then_some(Self { head, values, tail })
    }

    /// Whether no two rows are the same one to `ON CONFLICT`, which takes each once.
    fn is_distinct(&self, given: &[Vec<Value<'_>>]) -> bool {
        let Some(conflict) = self.tail.strip_prefix("ON CONFLICT (") else { return !self.tail.contains("ON CONFLICT") };
        let Some(places) = closing(conflict).and_then(|end| self.places(&conflict[..end])) else { return false };
        let mut seen = BTreeSet::new();
        given.iter().all(|row| seen.insert(places.iter().map(|place| row.get(*place).map(key)).collect::<Vec<_>>()))
    }

    /// At which places of a row the values of these columns stand.
    fn places(&self, columns: &str) -> Option<Vec<usize>> {
        let begin = self.head.find('(')?;
        let all: Vec<&str> =
            self.head[begin + 1..].trim_end().trim_end_matches(')').split(',').map(str::trim).collect();
        let values: Vec<&str> = self.values.split(',').map(str::trim).collect();
        let place = |column: &str| {
            let value = values.get(all.iter().position(|name| *name == column)?)?;
            value.strip_prefix('?')?.parse::<usize>().ok()?.checked_sub(1)
        };
        columns.split(',').map(|column| place(column.trim())).collect()
    }
}

/// A value as something that can be compared.
fn key(value: &Value<'_>) -> (u8, Vec<u8>) {
    match value {
        Value::Null => (0, Vec::new()),
        Value::Integer(integer) => (1, integer.to_be_bytes().to_vec()),
        Value::Text(text) => (2, text.as_bytes().to_vec()),
        Value::Blob(bytes) => (3, bytes.to_vec()),
    }
}

/// Where the bracket closes that was open before a text.
fn closing(text: &str) -> Option<usize> {
    let (mut open, mut is_text) = (1, false);
    for (at, letter) in text.char_indices() {
        match letter {
            '\'' => is_text = !is_text,
            '(' if !is_text => open += 1,
            ')' if !is_text => open -= 1,
            _ => {}
        }
        if open == 0 {
            return Some(at);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_numbered_and_hints_left_out_but_texts_stay() {
        let sql = "SELECT '?1 INDEXED BY x' FROM t INDEXED BY some_index WHERE a = ?1 AND b = ?12";
        assert_eq!(&*single(sql), "SELECT '?1 INDEXED BY x' FROM t  WHERE a = $1 AND b = $12");
        assert_eq!(&*single(sql), &*single(sql));
    }

    #[test]
    fn an_insert_of_many_rows_takes_arrays() {
        let sql = "INSERT INTO t (a, b, c) VALUES (?1, 'waiting', ?2) RETURNING a";
        let arrays = [Some("bytea[]"), None];
        let given = vec![vec![Value::Blob(b"x"), Value::Null]; 2];
        assert_eq!(
            many_inserted(sql, &arrays, &given).as_deref(),
            Some(
                "INSERT INTO t (a, b, c)  SELECT given.c1, 'waiting', NULL FROM UNNEST($1::bytea[]) AS given(c1) RETURNING a"
            )
        );
        assert_eq!(many_inserted("UPDATE t SET a = ?1", &arrays, &given), None);
        assert_eq!(
            many_inserted("INSERT INTO t (a) VALUES (?1) ON CONFLICT (a) DO UPDATE SET b = ?2", &arrays, &given),
            None
        );
    }

    #[test]
    fn rows_that_are_one_to_a_conflict_are_not_inserted_at_once() {
        let sql = "INSERT INTO t (a, n, b) VALUES (?2, 1, ?1) ON CONFLICT (a, b) DO UPDATE SET n = t.n + 1";
        let arrays = [Some("bigint[]"), Some("text[]")];
        let row = |number, text| vec![Value::Integer(number), Value::Text(text)];
        assert!(many_inserted(sql, &arrays, &[row(1, "x"), row(1, "y"), row(2, "x")]).is_some());
        assert_eq!(many_inserted(sql, &arrays, &[row(1, "x"), row(2, "y"), row(1, "x")]), None);
    }

    #[test]
    fn a_look_up_of_many_is_one_query() {
        assert_eq!(
            &*many_found("SELECT a FROM t WHERE b = ?1 AND c = ?2", &[Some("text[]"), Some("bigint[]")]),
            "SELECT given.place, r.* FROM UNNEST($1::text[], $2::bigint[]) WITH ORDINALITY AS given(c1, c2, place), LATERAL (SELECT a FROM t WHERE b = given.c1 AND c = given.c2) AS r ORDER BY given.place"
        );
    }
}
