//! Files that are no UTF-8: what they probably are instead, and where that begins to show.

use encoding_rs::{BIG5, Encoding, GBK};

/// What to do about it.
pub const HELP: &str = "save it as UTF-8: Notepad asks for the encoding in its Save as dialog, other editors show it below the \
    text";

/// Why bytes are no text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongEncoding {
    /// Such as `it is not UTF-8 text but UTF-16`.
    pub reason: String,
    /// The first place that shows it; both from 1, the column in characters.
    pub line: usize,
    pub column: usize,
}

/// A text in UTF-8.
///
/// # Errors
/// [`WrongEncoding`] for anything else.
pub fn read(bytes: Vec<u8>) -> Result<String, WrongEncoding> {
    let wrong = |name: &str, line, column| {
        let reason = if name.is_empty() { String::new() } else { format!(" but {name}") };
        Err(WrongEncoding { reason: format!("it is not UTF-8 text{reason}"), line, column })
    };
    if let Some(name) = wide(&bytes) {
        return wrong(name, 1, 1);
    }
    String::from_utf8(bytes).or_else(|error| {
        let (bytes, at) = (error.as_bytes(), error.utf8_error().valid_up_to());
        let before = String::from_utf8_lossy(&bytes[..at]);
        let line = before.rsplit('\n').next().unwrap_or_default();
        let is_chinese = |encoding: &'static Encoding| {
            let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
            text.is_some_and(|text| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)))
        };
        let name = match (is_chinese(GBK), is_chinese(BIG5)) {
            (true, true) => "probably GBK or Big5",
            (true, false) => "probably GBK",
            (false, true) => "probably Big5",
            (false, false) => "",
        };
        wrong(name, before.matches('\n').count() + 1, line.chars().count() + 1)
    })
}

/// Whether characters are of two or four bytes: by the mark at the beginning, or by where the bytes of nothing are.
fn wide(bytes: &[u8]) -> Option<&'static str> {
    let is_nothing_at = |rest: usize| bytes.iter().skip(rest).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (is_nothing_at(0), is_nothing_at(1));
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        _ if even > 0 && odd > 0 && (even + odd) * 2 > bytes.len() => Some("UTF-32"),
        _ if even.min(odd) == 0 && even + odd > 1 => Some("UTF-16"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "language = \"zh-CN\"\n# 海港面馆\ntemplates = \"模板\"\n";

    fn said(bytes: Vec<u8>) -> (String, usize, usize) {
        let wrong = read(bytes).unwrap_err();
        (wrong.reason, wrong.line, wrong.column)
    }

    #[test]
    fn what_is_no_utf_8_is_named_where_that_can_be_seen() {
        let utf16 = |mark: &[u16], to_bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
            mark.iter().copied().chain(TEXT.encode_utf16()).flat_map(to_bytes).collect()
        };
        for bytes in [
            utf16(&[0xfeff], u16::to_le_bytes),
            utf16(&[0xfeff], u16::to_be_bytes),
            utf16(&[], u16::to_le_bytes),
            utf16(&[], u16::to_be_bytes),
        ] {
            assert_eq!(said(bytes), ("it is not UTF-8 text but UTF-16".to_owned(), 1, 1));
        }
        let utf32 = |mark: &str| mark.chars().chain(TEXT.chars()).flat_map(|c| u32::from(c).to_le_bytes()).collect();
        for bytes in [utf32("\u{feff}"), utf32("")] {
            assert_eq!(said(bytes).0, "it is not UTF-8 text but UTF-32");
        }
        let gbk = GBK.encode(TEXT).0.into_owned();
        let (reason, line, column) = said(gbk);
        assert!(reason.starts_with("it is not UTF-8 text but probably GBK"), "{reason}");
        assert_eq!((line, column), (2, 3));
        assert!(said(BIG5.encode("a\n海港麵館").0.into_owned()).0.contains("Big5"));
        assert_eq!(said(b"a = \"caf\xe9\"\n".to_vec()), ("it is not UTF-8 text".to_owned(), 1, 9));
    }

    #[test]
    fn utf_8_is_taken_with_its_mark_and_without() {
        for text in [TEXT, "", "a", "\u{feff}a = 1", "a\0b"] {
            assert_eq!(read(text.as_bytes().to_vec()).as_deref(), Ok(text));
        }
    }
}
