//! The forms in which a secret may stand in a text: as it is, in base64 at each alignment, in hex. What escapes make of it is
//! found by [`views`](super::views).

use base64::Engine;
use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use crate::domain::mask::views::resolved;

/// Shorter secrets are words like others, so they are only found as whole words.
const SHORTEST: usize = 6;

/// Of longer secrets so much of the beginning is found as well: programs cut what they say back.
const BEGINNING: usize = 12;
const SHORTEST_BEGUN: usize = 16;

/// One form of a secret. It is found in whatever case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SecretForm {
    pub bytes: Vec<u8>,
    pub sort: Sort,
    /// What may follow where `bytes` is a beginning.
    pub rest: Vec<u8>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// The secret or its hex digits, anywhere.
    Anywhere,
    /// Only where no letter or digit stands beside it.
    Word,
    /// The characters of base64 that hang on the secret alone; one before or after it may hang on it as well.
    Coded { before: bool, after: bool },
    /// Anywhere, with so much of the rest as stands there.
    Begun,
}

impl SecretForm {
    fn new(bytes: impl Into<Vec<u8>>, sort: Sort) -> Self {
        Self { bytes: bytes.into(), sort, rest: Vec::new() }
    }

    fn begun(&self) -> Option<Self> {
        let is_long = self.sort != Sort::Word && self.bytes.len() >= SHORTEST_BEGUN;
        let (bytes, rest) = self.bytes.split_at_checked(BEGINNING).filter(|_| is_long)?;
        Some(Self { bytes: bytes.to_vec(), sort: Sort::Begun, rest: rest.to_vec() })
    }
}

/// All forms of a secret.
pub fn forms(secret: &[u8]) -> Vec<SecretForm> {
    let mut forms = Vec::new();
    for plain in spellings(secret) {
        let sort = if length(&plain) < SHORTEST { Sort::Word } else { Sort::Anywhere };
        let is_long = plain.len() >= SHORTEST;
        forms.push(SecretForm::new(plain.clone(), sort));
        match is_long {
            true => forms.extend((0..3).flat_map(|shift| coded(&plain, shift))),
            // Alone, as in a log-in step by step.
            false if plain.len() >= 3 => {
                let coded = [BASE64_STANDARD_NO_PAD.encode(&plain), BASE64_URL_SAFE_NO_PAD.encode(&plain)];
                forms.extend(coded.map(|coded| SecretForm::new(coded, Sort::Word)));
            }
            false => {}
        }
        if plain.len() >= 3 {
            let sort = if is_long { Sort::Anywhere } else { Sort::Word };
            forms.push(SecretForm::new(hex::encode(&plain), sort));
        }
    }
    let begun: Vec<SecretForm> = forms.iter().filter_map(SecretForm::begun).collect();
    forms.extend(begun);
    forms
}

/// A secret as it is, without blanks around it, in letters that ASCII does not know of as other cases, and as escapes in it are
/// resolved with those around it.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut spellings = vec![secret.to_vec(), secret.trim_ascii().to_vec()];
    if let Ok(text) = std::str::from_utf8(secret)
        && !text.is_ascii()
    {
        spellings.extend([text.to_lowercase(), text.to_uppercase()].map(String::into_bytes));
    }
    for _ in 0..2 {
        let deeper: Vec<Vec<u8>> = spellings.iter().map(|spelling| resolved(spelling)).collect();
        spellings.extend(deeper);
        spellings.sort_unstable();
        spellings.dedup();
    }
    spellings.retain(|spelling| !spelling.trim_ascii().is_empty());
    spellings
}

fn length(secret: &[u8]) -> usize {
    std::str::from_utf8(secret).map_or(secret.len(), |text| text.chars().count())
}

/// The secret in base64 when so many bytes, from a blob's beginning, stand before it.
fn coded(secret: &[u8], shift: usize) -> [SecretForm; 2] {
    let blob = [&[0; 2][..shift], secret].concat();
    let (from, to) = ((shift * 8).div_ceil(6), blob.len() * 8 / 6);
    let sort = Sort::Coded { before: shift > 0, after: !(blob.len() * 8).is_multiple_of(6) };
    [BASE64_STANDARD_NO_PAD.encode(&blob), BASE64_URL_SAFE_NO_PAD.encode(&blob)]
        .map(|coded| SecretForm::new(&coded.as_bytes()[from..to], sort))
}
