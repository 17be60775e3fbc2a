//! Masks secrets that are known, in whatever form they stand in a text that comes from outside: what a receiver says back is
//! stored, logged and shown only so.
//!
//! The forms: in upper and lower case; percent-encoded, as form or as path; with the escapes of JSON, of HTML and of programming
//! languages, also one in the other; in base64 of both alphabets, padded or not, at any place of a larger blob, which is how a
//! mail server knows a log-in; in hex; and broken over lines.

use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::domain::mask::address;
use crate::domain::mask::forms::{SecretForm, Sort, forms};
use crate::domain::mask::tokens::without_tokens;
use crate::domain::mask::views::{TextReading, views, without_begun_escape};
use crate::domain::secret::Secret;
use crate::domain::text::clean_line;

/// What stands in the place of a secret.
pub const MASKED: &str = "***";

/// Longest piece of a receiver's words that is kept, in graphemes.
const SAID_GRAPHEMES: usize = 300;

/// What is looked at of a receiver's words once they are masked, in bytes; the rest would be cut off anyway.
const SAID_BYTES: usize = 8 * 1024;

/// Shorter texts are not looked for across line breaks: they may stand there by chance.
const SHORTEST_FOLDED: usize = 12;

/// The secrets of one channel.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    texts: Vec<Secret>,
    /// What is no text: the bytes of a decoded key.
    bytes: Vec<Vec<u8>>,
    guesses: bool,
    is_whole: bool,
}

impl Secrets {
    /// A text that is secret as it stands.
    pub fn text(mut self, secret: &str) -> Self {
        if !secret.trim().is_empty() {
            self.texts.push(Secret::new(secret));
        }
        self
    }

    pub fn texts<'a>(self, secrets: impl IntoIterator<Item = &'a str>) -> Self {
        secrets.into_iter().fold(self, Secrets::text)
    }

    pub fn bytes(mut self, secret: &[u8]) -> Self {
        match std::str::from_utf8(secret) {
            Ok(text) => self.text(text),
            Err(_) => {
                self.bytes.push(secret.to_vec());
                self
            }
        }
    }

    /// What is secret of an address: the user and the password, the path, and what follows it. Not the host.
    pub fn address(self, url: &str) -> Self {
        address::of_url(url).iter().fold(self, |all, secret| all.text(secret))
    }

    /// What is secret of a header's value: all of it, and by itself what follows the name of a scheme, or a name and `=`.
    pub fn header(self, value: &str) -> Self {
        address::of_header(value).iter().fold(self, |all, secret| all.text(secret))
    }

    /// A user's log-in: the password, and both together as `AUTH PLAIN` and `Basic` have them.
    pub fn login(self, user: &str, password: &str) -> Self {
        let (plain, basic) = (format!("\0{user}\0{password}"), format!("{user}:{password}"));
        // Without what cannot be seen.
        let seen = format!("{user}{password}");
        self.texts([password, &plain, &basic, &seen])
    }

    /// And whatever looks like a credential, known or not.
    pub fn guessing(mut self) -> Self {
        self.guesses = true;
        self
    }

    /// Beginnings of secrets count as other texts.
    pub fn whole(mut self) -> Self {
        self.is_whole = true;
        self
    }

    pub fn mask(&self) -> Mask {
        let texts = self.texts.iter().map(|secret| secret.expose().as_bytes());
        let mut all: Vec<SecretForm> = texts.chain(self.bytes.iter().map(Vec::as_slice)).flat_map(forms).collect();
        all.retain(|form| !(self.is_whole && form.sort == Sort::Begun));
        all.sort_unstable();
        all.dedup();
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .build(all.iter().map(|form| &form.bytes))
            .ok();
        Mask { search, forms: all, guesses: self.guesses }
    }
}

/// Finds the forms of the secrets of one channel. Making one takes a while, so it is made once.
#[derive(Clone)]
pub struct Mask {
    /// Absent only where there is no room for it; then nothing is let through.
    search: Option<AhoCorasick>,
    forms: Vec<SecretForm>,
    guesses: bool,
}

impl fmt::Debug for Mask {
    // Not derived: it is made of the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mask").field("forms", &self.forms.len()).finish_non_exhaustive()
    }
}

impl Mask {
    /// Masks nothing.
    pub fn none() -> Self {
        Secrets::default().mask()
    }

    /// The text with `***` in the place of each secret. All else stays as it is.
    pub fn text(&self, text: &str) -> String {
        let Some(search) = &self.search else { return MASKED.to_owned() };
        let mut spans: Vec<Range<usize>> = Vec::new();
        for view in views(text) {
            let found = search.find_overlapping_iter(view.bytes.as_ref());
            let found = found.filter_map(|found| self.span(&view, found.pattern().as_usize(), found.range()));
            spans.extend(found.map(|span| text.floor_char_boundary(span.start)..text.ceil_char_boundary(span.end)));
        }
        replaced(text, spans)
    }

    /// What a receiver said, as it may be stored and shown: masked, on one line, and short.
    pub fn said(&self, said: &str) -> String {
        let masked = self.text(said);
        let line = clean_line(&masked[..masked.floor_char_boundary(SAID_BYTES)], usize::MAX);
        // What could not be seen may have stood between the letters of a secret.
        let masked = self.text(&line);
        let masked = if self.guesses { without_tokens(&masked) } else { masked };
        clean_line(&masked, SAID_GRAPHEMES)
    }

    /// A text that breaks off, without the beginning of a secret at its end.
    pub fn without_cut_end<'t>(&self, text: &'t str) -> &'t str {
        let longest = self.forms.iter().map(|form| form.bytes.len()).max().unwrap_or(0);
        let begun = |view: &TextReading<'_>| {
            let bytes = without_begun_escape(&view.bytes);
            let begins = |form: &SecretForm, end: &[u8]| {
                form.bytes.get(..end.len()).is_some_and(|form| form.eq_ignore_ascii_case(end))
            };
            let mut starts = bytes.len().saturating_sub(longest)..bytes.len();
            let start = starts.find(|start| self.forms.iter().any(|form| begins(form, &bytes[*start..])))?;
            Some(view.place(start..start + 1).start)
        };
        let cut = views(text).iter().filter_map(begun).min();
        &text[..text.floor_char_boundary(cut.unwrap_or(text.len()))]
    }

    /// The place in the text of what was found in a view, where it counts.
    fn span(&self, view: &TextReading<'_>, form: usize, found: Range<usize>) -> Option<Range<usize>> {
        let bytes = view.bytes.as_ref();
        let SecretForm { sort, bytes: form, rest } = &self.forms[form];
        if view.is_folded && (*sort == Sort::Word || form.len() < SHORTEST_FOLDED) {
            return None;
        }
        match sort {
            Sort::Anywhere => Some(view.place(found)),
            Sort::Word => is_word(bytes, &found).then(|| view.place(found)),
            Sort::Begun => {
                let follows = bytes[found.end..].iter().zip(rest);
                let more = follows.take_while(|(byte, wanted)| byte.eq_ignore_ascii_case(wanted)).count();
                Some(view.place(found.start..found.end + more))
            }
            Sort::Coded { before, after } => {
                let is_code = |at: usize| bytes.get(at).is_some_and(|byte| is_base64(*byte));
                let start = found.start - usize::from(*before && found.start > 0 && is_code(found.start - 1));
                let mut end = found.end + usize::from(*after && is_code(found.end));
                end += bytes[end..].iter().take(2).take_while(|byte| **byte == b'=').count();
                Some(view.place(start..end))
            }
        }
    }
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+/-_".contains(&byte)
}

/// Whether a range is not a part of a longer word. Bytes beyond ASCII are letters.
fn is_word(bytes: &[u8], found: &Range<usize>) -> bool {
    let is_letter =
        |at: usize| bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80);
    let runs_on = |outer: Option<usize>, inner: usize| outer.is_some_and(is_letter) && is_letter(inner);
    !runs_on(found.start.checked_sub(1), found.start) && !runs_on(Some(found.end), found.end - 1)
}

/// The text with the mask in the place of each of these ranges; of those that touch each other, one.
fn replaced(text: &str, mut spans: Vec<Range<usize>>) -> String {
    spans.sort_unstable_by_key(|span| span.start);
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for span in spans {
        if span.start > at || (at == 0 && out.is_empty()) {
            out.push_str(&text[at..span.start]);
            out.push_str(MASKED);
        }
        at = at.max(span.end);
    }
    out.push_str(&text[at..]);
    out
}

/// The mask of a channel, made when something is said for the first time. It says nothing about what the channel is, so all are
/// equal.
#[derive(Debug, Default)]
pub struct Masking {
    /// What the channel itself does not know: the log-in of its proxy.
    also: Secrets,
    mask: OnceLock<Mask>,
}

impl Masking {
    pub fn also(&mut self, more: impl FnOnce(Secrets) -> Secrets) {
        self.also = more(std::mem::take(&mut self.also));
        self.mask = OnceLock::new();
    }

    /// The mask of the channel's own secrets, which `own` adds, and of the others.
    pub fn mask(&self, own: impl FnOnce(Secrets) -> Secrets) -> &Mask {
        self.mask.get_or_init(|| own(self.also.clone()).mask())
    }
}

impl Clone for Masking {
    fn clone(&self) -> Self {
        // A copy may become another channel.
        Self { also: self.also.clone(), mask: OnceLock::new() }
    }
}

impl PartialEq for Masking {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Masking {}
