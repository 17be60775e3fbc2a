//! What the configuration may say already and this version does not do yet: the one list of it.

use std::ops::Range;

use crate::diagnostic::collect::Diagnostics;

/// A feature that is not built yet.
pub struct Unsupported {
    what: &'static str,
    /// What happens, or what to do, until it is.
    meanwhile: &'static str,
}

pub const ADMIN: Unsupported = Unsupported { what: "admin page or API", meanwhile: "until then nothing listens there" };

impl Unsupported {
    /// Where the daemon works without it.
    pub fn warn(&self, span: Range<usize>, problems: &Diagnostics<'_>) {
        problems.warning(span, self.words(), self.meanwhile);
    }

    fn words(&self) -> String {
        format!("not yet: this version has no {}", self.what)
    }
}
