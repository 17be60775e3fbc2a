//! Pieces of a text as they may be shown: with `***` in the place of each secret.

use std::ops::Range;

use crate::domain::mask::known::{MASKED, Mask};

/// A text with what of it must not be shown.
pub struct MaskedText<'t> {
    pub text: &'t str,
    /// In the sequence of the text, none of them in another.
    pub masks: Vec<Range<usize>>,
    /// What is shown nowhere, wherever else it stands.
    pub hidden: Mask,
}

impl MaskedText<'_> {
    /// What stands there, as it may be shown.
    pub fn shown(&self, span: Range<usize>) -> String {
        let (mut out, mut at) = (String::new(), span.start);
        for mask in self.masks.iter().filter(|mask| mask.start < span.end && mask.end > span.start) {
            out.push_str(&self.text[at..mask.start.max(at)]);
            out.push_str(MASKED);
            at = mask.end.min(span.end);
        }
        out.push_str(&self.text[at..span.end]);
        self.hidden.text(&out)
    }
}
