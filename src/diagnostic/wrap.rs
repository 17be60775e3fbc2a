//! Texts in lines of a width, broken between words.

/// A text in lines of at most so many characters, broken between words. What stands between backticks is typed as it is, so
/// it stays in one line.
pub fn wrapped(text: &str, width: usize) -> String {
    let mut is_typed = false;
    let words = text.split(|letter| {
        is_typed ^= letter == '`';
        letter == ' ' && !is_typed
    });
    let mut lines = String::new();
    let mut length = 0;
    for word in words {
        let longer = length + 1 + word.chars().count();
        let (gap, now) = match (lines.is_empty(), longer > width) {
            (true, _) => ("", longer - 1),
            (false, true) => ("\n", longer - length - 1),
            (false, false) => (" ", longer),
        };
        lines.push_str(gap);
        lines.push_str(word);
        length = now;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_between_words_and_never_in_what_is_typed() {
        assert_eq!(wrapped("one two three", 8), "one two\nthree");
        assert_eq!(wrapped("say `set -a; . ./x` once", 8), "say\n`set -a; . ./x`\nonce");
        assert_eq!(wrapped("", 8), "");
    }
}
