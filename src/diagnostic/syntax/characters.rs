//! Characters that look like those of TOML and are none: typed by Chinese keyboards, or set by word processors and web pages.

/// A character, and the one that was meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookAlike {
    pub written: char,
    pub meant: char,
}

impl LookAlike {
    /// `None` for a character that stands for itself.
    pub fn of(written: char) -> Option<Self> {
        let meant = match written {
            '“' | '”' | '„' | '‟' | '«' | '»' | '「' | '」' | '『' | '』' | '″' | '＂' => '"',
            '‘' | '’' | '‚' | '‛' | '‹' | '›' | '′' | '＇' | '´' => '\'',
            '、' | '，' => ',',
            '。' => '.',
            '【' | '〔' | '〖' => '[',
            '】' | '〕' | '〗' => ']',
            '–' | '—' | '−' | '‐' | '‑' => '-',
            '\u{200b}'..='\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{2060}' | '\u{feff}' | '\u{ad}' => ' ',
            '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(written) - 0xFEE0)?,
            _ if written.is_whitespace() && !written.is_ascii() => ' ',
            _ => return None,
        };
        Some(Self { written, meant })
    }

    pub fn is_quote(self) -> bool {
        matches!(self.meant, '"' | '\'')
    }

    /// What it is, in words.
    pub fn words(self) -> String {
        let Self { written, meant } = self;
        let code = u32::from(written);
        match written {
            '\u{a0}' | '\u{202f}' => format!("this is a no-break space (U+{code:04X})"),
            '\u{3000}' => format!("this is a full-width space (U+{code:04X})"),
            _ if written.is_whitespace() => format!("this is a special space (U+{code:04X})"),
            _ if meant == ' ' => format!("this is a character that cannot be seen (U+{code:04X})"),
            '“' | '”' | '„' | '‟' | '‘' | '’' | '‚' | '‛' => format!("{written} is a curly quote"),
            '\u{ff01}'..='\u{ff5e}' | '、' | '。' | '「' | '」' | '『' | '』' | '【' | '】' => {
                format!("{written} is a full-width character")
            }
            _ => format!("{written} is a special character"),
        }
    }

    /// What stands in its place, in words.
    pub fn cure(self) -> String {
        match self.meant {
            ' ' => format!("a plain space in place of U+{:04X}", u32::from(self.written)),
            meant => format!("{meant} in place of {}", self.written),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_look_alike_has_the_character_that_was_meant() {
        for (written, meant) in [
            ("“”＂「」", '"'),
            ("‘’＇", '\''),
            ("，、", ','),
            ("＝", '='),
            ("：", ':'),
            ("［【", '['),
            ("］】", ']'),
            ("｛", '{'),
            ("｝", '}'),
            ("＃", '#'),
            ("\u{3000}\u{a0}\u{2003}\u{200b}", ' '),
            ("１", '1'),
            ("ｋ", 'k'),
        ] {
            for written in written.chars() {
                assert_eq!(LookAlike::of(written).map(|alike| alike.meant), Some(meant), "{written}");
            }
        }
        for itself in ['a', '"', ' ', '\n', '店', 'é'] {
            assert_eq!(LookAlike::of(itself), None, "{itself}");
        }
    }
}
