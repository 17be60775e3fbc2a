//! Undoes the compression of a body, within the limit for bodies: what unpacks to more is never unpacked whole.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// How gzip begins. A proxy may have undone it and left the header.
pub const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Whether a request says that its body is gzip, and nothing else besides.
pub fn is_gzip(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_ENCODING).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let value = value.as_bytes().trim_ascii();
    value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip")
}

/// What comes of unpacking.
pub enum Unpacked {
    Whole(Vec<u8>),
    TooMuch,
    Broken,
}

/// Unpacks a body, up to so many bytes.
pub fn unpacked(packed: &[u8], limit: usize) -> Unpacked {
    let mut plain = Vec::new();
    match MultiGzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut plain) {
        Ok(_) if plain.len() > limit => Unpacked::TooMuch,
        Ok(_) => Unpacked::Whole(plain),
        Err(_) => Unpacked::Broken,
    }
}
