//! Mails that were composed to be looked at, for as long as somebody may look: each stands in a frame, at an address of its own.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};

/// So many mails that stand nowhere else can be shown, those looked at last.
const KEPT: usize = 16;

/// The pages of mails that were composed to be looked at.
#[derive(Default)]
pub struct Frames(Mutex<VecDeque<(String, Arc<str>)>>);

impl Frames {
    /// Keeps a page for a while; answers its address.
    pub fn keep(&self, html: &str) -> String {
        let name = hex::encode(&Sha256::digest(html)[..16]);
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|(known, _)| *known != name);
        kept.push_front((name.clone(), html.into()));
        kept.truncate(KEPT);
        format!("/frames/{name}")
    }

    pub fn find(&self, name: &str) -> Option<Arc<str>> {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        kept.iter().find(|(known, _)| known == name).map(|(_, html)| html.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_that_were_kept_last_are_found() {
        let frames = Frames::default();
        let address = |number: usize| frames.keep(&format!("<p>{number}</p>"));
        let first = address(0);
        assert_eq!(first, address(0));
        let found = |address: &str| frames.find(address.trim_start_matches("/frames/"));
        assert_eq!(found(&first).as_deref(), Some("<p>0</p>"));
        let last = (1..=KEPT).map(address).last().unwrap_or_default();
        assert_eq!((found(&first), found(&last).is_some(), found("x")), (None, true, None));
    }
}
