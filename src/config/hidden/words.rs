//! What a single word or text may be by its looks: a name, a plain word, a secret.

use std::collections::BTreeSet;

use crate::config::hidden::keys::KEYS;
use crate::diagnostic::suggest;

/// The longest run of letters and digits that is taken for a word and not for a secret.
const LONGEST_RUN: usize = 24;

/// Parts of words that name secrets, whatever the file calls them.
const SECRET_PARTS: [&str; 17] = [
    "pass", "pwd", "secret", "token", "key", "sign", "auth", "cred", "webhook", "密", "钥", "鑰", "令牌", "口令",
    "凭证", "憑證", "凭据",
];

/// Whether an unknown key is near to one that is no secret, and to none that is one.
pub fn is_slip_of_an_open_key(key: &str) -> bool {
    let near = |keys: &BTreeSet<String>| {
        let known: Vec<&str> = keys.iter().map(String::as_str).collect();
        suggest::nearest(key, &known).map(str::len)
    };
    let is_near = |keys: &BTreeSet<String>| near(keys).is_some();
    // `smtp_password` is no slip of `smtp`.
    let names_a_secret = |length: usize| key.len() > length + 2 && holds_part_of_a_secret(key);
    key.len() > 3
        && near(&KEYS.open).is_some_and(|length| !names_a_secret(length))
        && ![&KEYS.secrets, &KEYS.secret_maps, &KEYS.tables].into_iter().any(is_near)
}

/// Letters with blanks and dashes between them.
pub fn is_words(text: &str) -> bool {
    text.len() <= 3 || (!has_long_run(text) && text.chars().all(|c| c.is_ascii_alphabetic() || " -_".contains(c)))
}

/// Whether there is more in an open text than belongs there: a token, or further keys, because its quotes are misplaced.
pub fn holds_more(text: &str) -> bool {
    let is_assignment = |(at, _): (usize, &str)| {
        let (before, after) = (&text[..at], text[at + 1..].trim_start());
        !before.ends_with(['=', '<', '>', '!']) && after.starts_with(['"', '\'', '{', '['])
    };
    has_long_run(text) || text.match_indices('=').any(is_assignment)
}

pub fn has_long_run(text: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(|run| run.len() > LONGEST_RUN)
}

/// Whether a text is written as the names of variables usually are: in capitals, or in pieces of one case behind such a
/// prefix, as in `SHOP_kitchen`. A secret that stands in the place of a name hardly is.
pub fn is_like_a_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let is_of_one_case = |piece: &str| piece.len() <= 20 && piece.bytes().all(|byte| byte.is_ascii_lowercase());
    let mut pieces = name.split('_');
    let starts_in_capitals = name.contains('_') && pieces.next().is_some_and(|first| first.bytes().all(is_plain));
    let is_short = !has_long_run(name) && !name.starts_with(|first: char| first.is_ascii_digit());
    // In one piece, with digits here and there, it is rather a key.
    let is_no_key = name.contains('_') || name.bytes().filter(u8::is_ascii_digit).count() <= 2;
    let in_capitals = is_short && is_no_key && name.split('_').all(|piece| piece.bytes().all(is_plain));
    in_capitals || (starts_in_capitals && pieces.all(|piece| piece.bytes().all(is_plain) || is_of_one_case(piece)))
}

pub fn holds_part_of_a_secret(word: &str) -> bool {
    let word = word.to_lowercase();
    SECRET_PARTS.iter().any(|part| word.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_text_with_further_keys_in_it_is_hidden() {
        for text in ["\"webhook\", secret = \"hush\"", "x, headers={ a = 1", "e3b0c44298fc1c149afbf4c8996fb92427"] {
            assert!(holds_more(text), "{text}");
        }
        for text in
            ["order.currency == \"HKD\" and order.total >= 500", "Harbour \"Noodle\" House <a@b.example>", "a=b"]
        {
            assert!(!holds_more(text), "{text}");
        }
    }
}
