//! How events and orders are kept: what would stand in a database at length, and much of it twice, as one compressed frame.
//!
//! The first byte of a frame says how it was packed: 0, as it stands; 1, by zstd with the dictionary `assets/store/1.dict`.
//! The second says of how many parts it consists; then come their lengths (LEB128), then what they are, one behind the other.
//! A dictionary is never changed: a better one gets a number of its own (`assets/store/make.py`).

use std::cell::RefCell;
use std::sync::LazyLock;

use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};
use zstd::zstd_safe::CParameter;

/// What webhooks of all kinds have in common.
static DICTIONARY: &[u8] = include_bytes!("../../../assets/store/1.dict");
/// A higher one takes longer and makes no smaller frame of what the dictionary knows.
const LEVEL: i32 = 1;

const AS_IT_STANDS: u8 = 0;
const BY_DICTIONARY_1: u8 = 1;

/// No frame is larger when it is unpacked, in bytes: what says otherwise is damaged.
const MOST_BYTES: usize = 1 << 28;

static TO_PACK: LazyLock<EncoderDictionary<'static>> = LazyLock::new(|| EncoderDictionary::copy(DICTIONARY, LEVEL));
static TO_UNPACK: LazyLock<DecoderDictionary<'static>> = LazyLock::new(|| DecoderDictionary::copy(DICTIONARY));

thread_local! {
    /// To set them up takes longer than a frame.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = RefCell::new(compressor().ok());
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> =
        RefCell::new(Decompressor::with_prepared_dictionary(&TO_UNPACK).ok());
}

fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(&TO_PACK)?;
    // The frame says both by itself.
    compressor.set_parameter(CParameter::ContentSizeFlag(false))?;
    compressor.set_parameter(CParameter::DictIdFlag(false))?;
    Ok(compressor)
}

/// Why a frame cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// A newer version knows more ways.
    #[error("it is packed in a way that this version does not know: {0}")]
    Unknown(u8),
    #[error("it is damaged")]
    Damaged,
}

/// Packs parts into one frame. What does not become smaller stays as it stands.
pub fn pack(parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let packed = COMPRESSOR.with_borrow_mut(|compressor| compressor.as_mut()?.compress(&content).ok());
    let (way, content) = match packed.filter(|packed| packed.len() < content.len()) {
        Some(packed) => (BY_DICTIONARY_1, packed),
        None => (AS_IT_STANDS, content),
    };
    let mut frame = Vec::with_capacity(2 + 5 * parts.len() + content.len());
    frame.extend([way, u8::try_from(parts.len()).expect("a handful of parts")]);
    parts.iter().for_each(|part| put_length(&mut frame, part.len()));
    frame.extend_from_slice(&content);
    frame
}

/// What was packed.
#[derive(Debug)]
pub struct Unpacked {
    content: Vec<u8>,
    ends: Vec<usize>,
}

impl Unpacked {
    /// The part of this number, from 0; empty where there is none.
    pub fn part(&self, number: usize) -> &[u8] {
        let begin = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let range = begin.zip(self.ends.get(number).copied());
        range.and_then(|(begin, end)| self.content.get(begin..end)).unwrap_or_default()
    }
}

/// Unpacks a frame.
///
/// # Errors
/// [`Unreadable`].
pub fn unpack(frame: &[u8]) -> Result<Unpacked, Unreadable> {
    let [way, parts, rest @ ..] = frame else { return Err(Unreadable::Damaged) };
    let (mut rest, mut end, mut ends) = (rest, 0_usize, Vec::with_capacity(usize::from(*parts)));
    for _ in 0..*parts {
        let length = take_length(&mut rest).ok_or(Unreadable::Damaged)?;
        end = end.checked_add(length).filter(|end| *end <= MOST_BYTES).ok_or(Unreadable::Damaged)?;
        ends.push(end);
    }
    let content = match *way {
        AS_IT_STANDS => rest.to_vec(),
        BY_DICTIONARY_1 => DECOMPRESSOR
            .with_borrow_mut(|decompressor| decompressor.as_mut()?.decompress(rest, end).ok())
            .ok_or(Unreadable::Damaged)?,
        unknown => return Err(Unreadable::Unknown(unknown)),
    };
    if content.len() != end {
        return Err(Unreadable::Damaged);
    }
    Ok(Unpacked { content, ends })
}

fn put_length(frame: &mut Vec<u8>, mut length: usize) {
    while length >= 0x80 {
        frame.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    frame.push(length as u8);
}

fn take_length(rest: &mut &[u8]) -> Option<usize> {
    let mut length = 0_usize;
    for shift in (0..usize::BITS).step_by(7) {
        let (byte, behind) = rest.split_first()?;
        *rest = behind;
        length |= usize::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(length);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::any;
    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    #[test]
    fn what_webhooks_have_in_common_takes_no_room() {
        let event = r#"{"id":"01984a10-0000-7000-8000-000000000001","kind":"order.accepted","source":"keeta-hk","occurred_at":"2025-06-04T03:35:38Z","received_at":"2025-06-04T03:35:40Z","shop":{"id":"466663"},"order":{"number":"756823555555859","state":"accepted"},"data":{},"proof":{"held":"sorted parameters"}}"#;
        let frame = pack(&[event.as_bytes()]);
        assert!(frame.len() < event.len() / 2, "{} of {} bytes", frame.len(), event.len());
        assert_eq!(unpack(&frame).unwrap().part(0), event.as_bytes());
    }

    #[test]
    fn what_a_newer_version_packed_is_not_taken_for_damage() {
        assert!(matches!(unpack(&[7, 1, 1, 0]), Err(Unreadable::Unknown(7))));
        assert!(matches!(unpack(&[]), Err(Unreadable::Damaged)));
        assert!(matches!(
            unpack(&[1, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]),
            Err(Unreadable::Damaged)
        ));
    }

    proptest! {
        #[test]
        fn every_part_comes_back_byte_for_byte(parts in vec(vec(any::<u8>(), 0..300), 0..5), times in 1..40_usize) {
            let parts: Vec<Vec<u8>> = parts.into_iter().map(|part| part.repeat(times)).collect();
            let frame = pack(&parts.iter().map(Vec::as_slice).collect::<Vec<_>>());
            let unpacked = unpack(&frame).unwrap();
            for (number, part) in parts.iter().enumerate() {
                prop_assert_eq!(unpacked.part(number), part.as_slice());
            }
            prop_assert!(unpacked.part(parts.len()).is_empty());
        }

        #[test]
        fn no_damaged_frame_ends_the_process(frame in vec(any::<u8>(), 0..200), way in 0..3_u8) {
            let _ = unpack(&frame);
            let _ = unpack(&[&[way][..], &frame].concat());
        }
    }
}
