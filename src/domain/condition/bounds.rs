//! What keeps a condition from making much of little: it is judged within the commit of a webhook, where nothing can stop it.

use std::ops::Range;

use minijinja::{Environment, Error, ErrorKind, Value};

use crate::domain::condition::error::ConditionError;

/// What a condition makes on its way may not be longer.
const TEXT_BYTES: usize = 256 * 1024;

/// Takes away the filters that make much of little, or bounds them: fuel counts steps, not what a step makes.
pub(super) fn install(environment: &mut Environment<'static>) {
    for growing in ["batch", "format", "indent", "slice", "tojson"] {
        environment.remove_filter(growing);
    }
    environment.add_filter("join", joined);
    environment.add_filter("replace", replaced);
}

/// Texts and lists can be multiplied, too, and would be until memory is gone: only what is surely a number may be.
pub(super) fn products(text: &str) -> Result<(), ConditionError> {
    let quoted = quoted(text);
    let is_quoted = |at: usize| quoted.iter().any(|range| range.contains(&at));
    for (found, _) in text.match_indices('*').filter(|(found, _)| !is_quoted(*found)) {
        if text[found + 1..].starts_with('*') {
            // Of a power, the second star is looked at.
            continue;
        }
        let (before, after) =
            (text[..found].trim_end_matches('*'), text[found + 1..].trim_start().trim_start_matches('-'));
        if !(ends_in_a_number(before.trim_end()) && begins_with_a_number(after)) {
            let message = "only amounts, quantities and numbers can be multiplied".to_owned();
            return Err(ConditionError { message, offset: found });
        }
    }
    Ok(())
}

/// The numbers of an order, and of one of its lines.
const NUMBERS: [&str; 2] = ["order.total", "order.revision"];
const LINES: &str = "order.lines";
const NUMBERS_OF_A_LINE: [&str; 2] = [".quantity", ".unit_price"];

fn of_name(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || matches!(letter, '.' | '_')
}

fn is_number(word: &str) -> bool {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b'_');
    NUMBERS.contains(&word) || (!word.is_empty() && word.bytes().all(is_digit))
}

fn ends_in_a_number(text: &str) -> bool {
    let before = text.trim_end_matches(of_name);
    let word = &text[before.len()..];
    let list = before.strip_suffix(']').and_then(|indexed| indexed.rsplit_once('['));
    match list {
        Some((list, index)) => {
            let is_lines = list.strip_suffix(LINES).is_some_and(|outer| !outer.ends_with(of_name));
            is_lines && is_number(index) && NUMBERS_OF_A_LINE.contains(&word)
        }
        None => is_number(word),
    }
}

fn begins_with_a_number(text: &str) -> bool {
    let (word, rest) = text.split_at(text.find(|letter| !of_name(letter)).unwrap_or(text.len()));
    let list = rest.strip_prefix('[').filter(|_| word == LINES).and_then(|indexed| indexed.split_once(']'));
    let (is_number, rest) = match list {
        Some((index, rest)) => {
            let (field, rest) = rest.split_at(rest.find(|letter| !of_name(letter)).unwrap_or(rest.len()));
            (is_number(index) && NUMBERS_OF_A_LINE.contains(&field), rest)
        }
        None => (is_number(word), rest),
    };
    is_number && !rest.trim_start().starts_with(['|', '[', '('])
}

/// The texts in quotes.
fn quoted(text: &str) -> Vec<Range<usize>> {
    let (mut ranges, mut open, mut escaped) = (Vec::new(), None, false);
    for (at, letter) in text.char_indices() {
        match open {
            Some((start, quote)) if letter == quote && !escaped => {
                ranges.push(start..at + 1);
                open = None;
            }
            None if matches!(letter, '"' | '\'') => open = Some((at, letter)),
            _ => {}
        }
        escaped = letter == '\\' && !escaped;
    }
    ranges
}

fn joined(value: &Value, between: Option<&str>) -> Result<String, Error> {
    let mut text = String::new();
    for (index, item) in value.try_iter()?.enumerate() {
        let (between, item) = (between.filter(|_| index > 0).unwrap_or_default(), item.to_string());
        bounded(text.len() + between.len() + item.len())?;
        text.push_str(between);
        text.push_str(&item);
    }
    Ok(text)
}

fn replaced(text: &str, from: &str, to: &str) -> Result<String, Error> {
    bounded(text.len().saturating_add(text.matches(from).count().saturating_mul(to.len())))?;
    Ok(text.replace(from, to))
}

fn bounded(bytes: usize) -> Result<(), Error> {
    match bytes <= TEXT_BYTES {
        true => Ok(()),
        false => Err(Error::new(ErrorKind::InvalidOperation, "it makes too long a text")),
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::condition::Condition;

    #[test]
    fn numbers_can_be_multiplied() {
        for text in [
            "order.total * 1.1 >= 500",
            "2*order.total > 5",
            "order.total ** 2 > 5",
            "kind == '*' or 2 * 3 > 5",
            "order.lines[0].quantity*order.lines[0].unit_price > 5",
        ] {
            Condition::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        }
    }

    #[test]
    fn no_condition_takes_more_stack_or_memory_than_there_is() {
        let long = [
            format!("1{} > 5", "+1".repeat(990)),
            format!("kind{} == 'x'", "|upper".repeat(320)),
            format!("{}true", "not ".repeat(490)),
            format!("{}1{} > 5", "(".repeat(900), ")".repeat(900)),
            format!("{}1{} == 1", "[".repeat(900), "]".repeat(900)),
            format!("data{} is defined", ".a".repeat(980)),
            format!("kind == 'x'{}", " or 1 > 2".repeat(215)),
            format!("'{}'|list|join('{}') == 'x'", "a".repeat(900), "b".repeat(900)),
            format!("'{}'|replace('a', '{}') == 'x'", "a".repeat(900), "b".repeat(900)),
            "1+".repeat(200_000),
        ];
        for text in long {
            // Whatever is answered, it is answered.
            let _ = Condition::parse(&text);
        }
        let sums = Condition::parse(&format!("1{} > 5", "+1".repeat(990))).unwrap();
        assert_eq!(sums.to_string().len(), 1985);
    }
}
