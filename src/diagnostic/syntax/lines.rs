//! How a line begins: with a header, or with a key and its sign.

pub fn is_of_key(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '-'
}

pub fn begins_statement(text: &str) -> bool {
    is_header(text) || is_assignment(text)
}

/// Whether a text begins with a line that is a header.
pub fn is_header(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default().trim();
    let Some((name, rest)) = line.trim_start_matches('[').split_once(']') else { return false };
    let rest = rest.trim_start_matches(']').trim_start();
    let is_value = ["true", "false", "inf", "nan"].contains(&name.trim());
    line.starts_with('[')
        && name.trim_start().starts_with(|c: char| c.is_alphabetic())
        && name.chars().all(|c| is_of_key(c) || "\"'. ".contains(c))
        && !is_value
        && (rest.is_empty() || rest.starts_with('#'))
}

/// Whether a text begins with a line that gives a value to a key.
pub fn is_assignment(text: &str) -> bool {
    let line = text.lines().next().unwrap_or_default();
    line.split_once(['=', '＝']).is_some_and(|(key, _)| {
        let is_paired = |quote: char| key.matches(quote).count() % 2 == 0;
        let is_key = key.chars().all(|c| is_of_key(c) || "\"'. \t".contains(c));
        !key.trim().is_empty() && is_key && is_paired('"') && is_paired('\'')
    })
}

pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}
