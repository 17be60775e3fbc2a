//! What may be shown of a line with a syntax error: there, tables, keys and values may not be what they seem. A line is shown
//! whole only when each word in it has its place, and none of them may be the name of a secret; in doubt it is hidden.

use crate::config::hidden::keys::{KEYS, MAPS};
use crate::config::hidden::words::{has_long_run, holds_part_of_a_secret, is_like_a_name, is_slip_of_an_open_key};
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::suggest;
use crate::diagnostic::syntax::characters::LookAlike;

/// Marks what may be a value in a line.
pub fn hide_in_line(at: usize, text: &str, problems: &Diagnostics<'_>) {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = text[start..].lines().next().unwrap_or_default();
    let from = if line.trim_start().starts_with('[') { shown_of_header(line) } else { shown_of_statement(line) };
    problems.mask(start + from..start + line.len());
}

/// How much of a line with a header is shown: no more than the header, and nothing below the name of a secret.
fn shown_of_header(line: &str) -> usize {
    let closed = line.find(']').map_or(line.len(), |at| line.len() - line[at..].trim_start_matches(']').len());
    let (header, behind) = line.split_at(closed);
    let is_behind_shown = behind.chars().all(|c| c == ' ' || c == ']' || c == '[');
    let names = header.trim().trim_matches(['[', ']']);
    let mut pieces = names.split('.').map(str::trim);
    let is_shown = |name: &str| name.chars().all(|c| is_name(c) || c == '-') && !has_long_run(name);
    match pieces.clone().all(is_shown) {
        true if pieces.clone().count() > 2 && pieces.any(may_name_a_secret) => 0,
        true if is_behind_shown => line.len(),
        true => header.len(),
        false => 0,
    }
}

/// How much of a line with keys and values is shown: all of it, or the first key, or nothing. What only looks like a key may as
/// well be the end of a value.
fn shown_of_statement(line: &str) -> usize {
    let tokens = tokens(line);
    if is_open(line, &tokens) {
        return line.len();
    }
    match tokens.as_slice() {
        [Token { what: What::Word(key), .. }, Token { what: What::Sign, .. }, value, ..] if is_known_key(key) => {
            value.at
        }
        [Token { what: What::Word(key), .. }, Token { what: What::Sign, .. }] if is_known_key(key) => line.len(),
        _ => 0,
    }
}

struct Token {
    at: usize,
    end: usize,
    what: What,
}

#[derive(PartialEq)]
enum What {
    Word(String),
    /// A text in quotes.
    Quoted,
    /// What stands between a key and its value.
    Sign,
    Comma,
    Open(char),
    Close,
    /// What has no place in a line that is shown.
    Odd,
}

/// The line in pieces, its characters as they are meant.
fn tokens(line: &str) -> Vec<Token> {
    let letters: Vec<(usize, char)> = line.char_indices().map(|(at, c)| (at, meant(c))).collect();
    let (mut tokens, mut next) = (Vec::new(), 0);
    while let Some(&(at, c)) = letters.get(next) {
        let rest = &letters[next..];
        let (length, what) = match c {
            ' ' | '\t' | '\r' => {
                next += 1;
                continue;
            }
            '=' | ':' => (1, What::Sign),
            ',' => (1, What::Comma),
            '[' | '{' => (1, What::Open(c)),
            ']' | '}' => (1, What::Close),
            '"' | '\'' => quoted(rest, c),
            _ if is_of_word(c) => {
                let word: String = rest.iter().map(|(_, c)| *c).take_while(|c| is_of_word(*c)).collect();
                (word.chars().count(), What::Word(word))
            }
            _ => (1, What::Odd),
        };
        next += length;
        tokens.push(Token { at, end: letters.get(next).map_or(line.len(), |(end, _)| *end), what });
    }
    tokens
}

/// A text in quotes, and how long it is. One without its end holds no signs that could begin something else.
fn quoted(rest: &[(usize, char)], quote: char) -> (usize, What) {
    let three = rest.len() >= 3 && rest[..3].iter().all(|(_, c)| *c == quote);
    let width = if three { 3 } else { 1 };
    let inner: String = rest[width..].iter().map(|(_, c)| *c).collect();
    let end = inner.find(&quote.to_string().repeat(width));
    let text = &inner[..end.unwrap_or(inner.len())];
    let length = end.map_or(rest.len(), |_| text.chars().count() + 2 * width);
    let may_hold_more = text.ends_with('\\') || text.contains("\\'") || text.contains("\\\"");
    let may_go_on = end.is_none() && text.contains(['=', ':', ',', ';', '#', '"', '\'']);
    (length, if may_hold_more || may_go_on { What::Odd } else { What::Quoted })
}

/// Whether a line gives values to keys that are certainly no secrets, or names where one is to be found, and holds nothing else.
fn is_open(line: &str, tokens: &[Token]) -> bool {
    let is_value = |before: &What| matches!(before, What::Sign | What::Comma | What::Open('['));
    let plain: String = line.chars().map(meant).collect();
    let holds_login = plain.contains("://") && plain.contains('@');
    if is_reference(line, tokens) {
        return true;
    }
    if holds_login || has_long_run(&plain) || plain.split(|c: char| !is_name(c) && c != '-').any(may_name_a_secret) {
        return false;
    }
    let map = matches!(tokens, [Token { what: What::Word(key), .. }, ..] if MAPS.contains(&key.as_str()));
    let mut lists = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| &tokens[before]);
        let after = tokens.get(at + 1);
        let follows = before.map(|before| &before.what);
        let is_key = after.is_some_and(|after| after.what == What::Sign);
        let in_list = lists.last() == Some(&'[');
        // A word that touches texts on both sides is within a text that has a quote too many.
        let is_within = |at: usize| {
            let around = at.checked_sub(1).and_then(|before| tokens.get(before..at + 2));
            around.is_some_and(|around| {
                matches!(around, [left, word, right] if left.what == What::Quoted && right.what == What::Quoted
                    && left.end == word.at && word.end == right.at)
            })
        };
        let fits = match &token.what {
            What::Word(key) if is_key => {
                let opens_table = tokens.get(at + 2).is_none_or(|value| value.what == What::Open('{'));
                // A list holds no keys: here it is not closed.
                if in_list && follows == Some(&What::Comma) {
                    lists.pop();
                }
                let has_place = follows != Some(&What::Sign) && lists.last() != Some(&'[');
                has_place && is_open_key(key, opens_table, map && at > 0)
            }
            What::Word(_) => is_within(at) || (follows.is_some_and(is_value) && has_place(follows, in_list)),
            What::Quoted if is_key => false,
            What::Quoted => {
                (follows == Some(&What::Quoted) && in_list)
                    || at.checked_sub(1).is_some_and(is_within)
                    || (follows.is_some_and(is_value) && has_place(follows, in_list))
            }
            What::Sign => matches!(follows, Some(What::Word(_))),
            What::Open(bracket) => {
                lists.push(*bracket);
                follows.is_some_and(|before| is_value(before) || *before == What::Open('{'))
            }
            What::Close => {
                lists.pop();
                at > 0
            }
            What::Comma => at > 0,
            What::Odd => false,
        };
        if !fits {
            return false;
        }
    }
    !tokens.is_empty() && tokens.iter().any(|token| token.what == What::Sign)
}

/// A comma separates values in lists only.
fn has_place(follows: Option<&What>, in_list: bool) -> bool {
    follows != Some(&What::Comma) || in_list
}

/// `key = { env = "NAME" }`, with whatever brackets.
fn is_reference(line: &str, tokens: &[Token]) -> bool {
    let [first, sign, open, env, second, name, end @ ..] = tokens else { return false };
    let is_word =
        |token: &Token, wanted: &dyn Fn(&str) -> bool| matches!(&token.what, What::Word(word) if wanted(word));
    let signs = [sign, second].iter().all(|token| token.what == What::Sign);
    let variable = line[name.at..name.end].trim_matches(|c: char| !is_name(c));
    is_word(first, &is_known_key)
        && signs
        && matches!(open.what, What::Open(_))
        && is_word(env, &|word| word == "env")
        && name.what == What::Quoted
        && !variable.is_empty()
        && is_like_a_name(variable)
        && end.iter().all(|token| matches!(token.what, What::Close | What::Comma))
}

/// Whether what stands under a key, with the tables before it, is no secret.
fn is_open_key(key: &str, opens_table: bool, in_map: bool) -> bool {
    let mut pieces: Vec<&str> = key.split('.').collect();
    let last = pieces.pop().unwrap_or_default();
    let is_outer = |key: &&str| KEYS.open.contains(*key) || KEYS.tables.contains(*key);
    let is_last = KEYS.open.contains(last)
        || (KEYS.tables.contains(last) && opens_table)
        || (in_map && last.parse::<u64>().is_ok());
    last != "scheme" && is_last && pieces.iter().all(is_outer)
}

/// Whether this is a key of the file, or a slip of one, or a name in Chinese.
fn is_known_key(key: &str) -> bool {
    let lists = [&KEYS.open, &KEYS.tables, &KEYS.families, &KEYS.secrets, &KEYS.secret_maps];
    key.split('.').all(|piece| {
        let known = || lists.iter().flat_map(|list| list.iter().map(String::as_str));
        let is_short_and_foreign =
            piece.chars().count() <= 4 && !piece.is_empty() && !piece.chars().any(|c| c.is_ascii());
        // What only begins like a key may go on as a secret.
        let is_slip = || {
            let near = suggest::nearest(piece, &known().collect::<Vec<_>>());
            piece.len() > 3 && near.is_some_and(|near| piece.len() <= near.len() + 2)
        };
        is_short_and_foreign || known().any(|known| known == piece) || is_slip()
    })
}

/// Whether this is, or resembles, what a secret is called.
fn may_name_a_secret(word: &str) -> bool {
    let word = word.to_lowercase();
    let known = || [&KEYS.secrets, &KEYS.secret_maps].into_iter().flatten().map(String::as_str);
    if known().any(|secret| secret == word) {
        return true;
    }
    let is_slip = || word.len() > 3 && suggest::nearest(&word, &known().collect::<Vec<_>>()).is_some();
    !KEYS.open.contains(&word) && !is_slip_of_an_open_key(&word) && (holds_part_of_a_secret(&word) || is_slip())
}

fn meant(written: char) -> char {
    LookAlike::of(written).map_or(written, |alike| alike.meant)
}

fn is_of_word(c: char) -> bool {
    is_name(c) || "-.*+/".contains(c)
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}
