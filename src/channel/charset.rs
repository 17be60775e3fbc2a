//! Text as it came over the wire: UTF-8, with a byte order mark or without, UTF-16 with one, or what servers in China still
//! send, GBK.

use std::borrow::Cow;

use encoding_rs::{Encoding, GB18030};

/// The text of these bytes. Whatever they are, what is ASCII in them can be read afterwards.
pub fn decoded(bytes: &[u8]) -> Cow<'_, str> {
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return encoding.decode_without_bom_handling(&bytes[mark..]).0;
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        // Cut within its last character.
        Err(error) if error.error_len().is_none() => String::from_utf8_lossy(bytes),
        // A character of GBK may end in the byte of a backslash or a brace, so it must be read as one.
        Err(_) => GB18030
            .decode_without_bom_handling_and_without_replacement(bytes)
            .unwrap_or_else(|| String::from_utf8_lossy(bytes)),
    }
}

/// Whether a character at the rim of a text says nothing: blanks of every sort, control characters, a byte order mark.
pub fn is_blank(character: char) -> bool {
    character.is_whitespace() || character.is_control() || character == '\u{feff}'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_read_in_the_encodings_that_servers_use() {
        let table: [(&[u8], &str); 7] = [
            (b"plain", "plain"),
            ("关键词".as_bytes(), "关键词"),
            (b"\xef\xbb\xbf{}", "{}"),
            (b"\xff\xfe{\0}\0", "{}"),
            (b"\xfe\xff\0{\0}", "{}"),
            (b"\xb9\xd8\xbc\xfc\xb4\xca", "关键词"),
            // Cut within the last character; no encoding at all.
            (b"\xe5\x85\xb3\xe9\x94", "关\u{fffd}"),
        ];
        for (bytes, text) in table {
            assert_eq!(decoded(bytes), text);
        }
        assert!(decoded(b"a\xff\xffb").starts_with('a') && decoded(b"a\xff\xffb").ends_with('b'));
    }
}
