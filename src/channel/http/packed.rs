//! Answers that come compressed, though nobody asked for it: unpacked within the bounds of an answer.

use std::io::Read;

use flate2::read::{DeflateDecoder, GzDecoder, ZlibDecoder};
use http::{HeaderMap, header};

/// How the body of a gzip file begins, and how often one is unpacked: a proxy may pack what is packed already.
const GZIP: [u8; 2] = [0x1f, 0x8b];
const LAYERS: usize = 2;

/// Whether the headers say that the body is packed in the way that they call "deflate".
pub fn says_deflate(headers: &HeaderMap) -> bool {
    let said = headers.get(header::CONTENT_ENCODING).and_then(|value| value.to_str().ok());
    said.is_some_and(|said| said.trim().eq_ignore_ascii_case("deflate"))
}

/// A body as it was before it was packed, and whether something of it is missing: `most` bytes at most. What cannot be
/// unpacked at all stays as it is. What is gzip is known by how it begins; a header may be lost on the way or stay behind.
pub fn unpacked(mut body: Vec<u8>, says_deflate: bool, most: usize) -> (Vec<u8>, bool) {
    let mut is_cut = false;
    for _ in 0..LAYERS {
        if !body.starts_with(&GZIP) {
            break;
        }
        let Some((plain, cut)) = within_bounds(GzDecoder::new(body.as_slice()), most) else { return (body, true) };
        is_cut |= cut;
        body = plain;
    }
    if says_deflate {
        // The standard means zlib; some servers send what is within it alone.
        let plain = within_bounds(ZlibDecoder::new(body.as_slice()), most)
            .or_else(|| within_bounds(DeflateDecoder::new(body.as_slice()), most));
        if let Some((plain, cut)) = plain {
            return (plain, is_cut || cut);
        }
    }
    (body, is_cut)
}

/// What is read from a decoder, and whether there is more or it broke off. `None`: nothing could be read.
fn within_bounds(decoder: impl Read, most: usize) -> Option<(Vec<u8>, bool)> {
    let mut plain = Vec::new();
    let read = decoder.take(most as u64 + 1).read_to_end(&mut plain);
    let is_cut = read.is_err() || plain.len() > most;
    plain.truncate(most);
    (read.is_ok() || !plain.is_empty()).then_some((plain, is_cut))
}
