//! What was probably meant by a name that nothing has.

use crate::domain::language::folders;

/// What was probably meant, else what there is to choose from.
pub fn meant(name: &str, known: &[&str]) -> String {
    match nearest(name, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => format!("possible here: {}", known.join(", ")),
    }
}

/// The language that was probably meant by a tag that none has, else which there are.
pub fn language(tag: &str, known: &[&str]) -> String {
    match folders::meant(tag, known) {
        Some(near) => format!("did you mean \"{near}\"?"),
        // Of two letters each is near to any other.
        None if tag.len() < 4 => format!("possible here: {}", known.join(", ")),
        None => meant(tag, known),
    }
}

/// `did you mean "order.placed"? `, before all that are known are listed; nothing where none is near.
pub fn slip(name: &str, known: &[String]) -> String {
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    nearest(name, &known).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default()
}

/// The known name that is so near to this one that it is probably a slip.
pub fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    let lower = name.to_lowercase();
    let distance = |known: &str| match known {
        _ if known.to_lowercase() == lower => 0,
        _ if lower.len() > 3 && known.starts_with(&lower) => 1,
        _ if known.len() > 2 && lower.starts_with(known) => 2,
        _ => strsim::damerau_levenshtein(&lower, &known.to_lowercase()),
    };
    let allowed = if name.chars().count() < 4 { 1 } else { (name.chars().count() / 3).clamp(2, 4) };
    let near = known.iter().map(|&known| (distance(known), known)).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= allowed).then_some(near.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_an_unknown_word_is_not() {
        let known = ["webhook", "secret", "keyword", "kind", "to"];
        assert_eq!(nearest("kyword", &known), Some("keyword"));
        assert_eq!(nearest("Webhook", &known), Some("webhook"));
        assert_eq!(nearest("key", &known), None);
        assert_eq!(nearest("tp", &known), Some("to"));
        assert_eq!(nearest("colour", &known), None);
    }
}
