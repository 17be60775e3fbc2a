//! Undoes the compression of a body, within the limit for bodies: what unpacks to more is never unpacked whole.

use std::io::Read;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use tokio::sync::OwnedSemaphorePermit;

use crate::web::server::connections::Connection;
use crate::web::server::request::{BodyError, SMALL_BODY_BYTES, Shared};

/// How gzip begins. A proxy may have undone it and left the header.
const MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Whether a request says that its body is gzip, and nothing else besides.
pub fn is_gzip(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(CONTENT_ENCODING).into_iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let value = value.as_bytes().trim_ascii();
    value.eq_ignore_ascii_case(b"gzip") || value.eq_ignore_ascii_case(b"x-gzip")
}

/// A body as it was before it was packed, with the room that it takes; the header goes with the packing. A body that says gzip
/// and cannot be unpacked stays as it is, with its header.
///
/// # Errors
/// [`BodyError::TooLarge`] beyond the limit; [`BodyError::Crowded`] when there is no room for it.
pub async fn undone<E>(
    headers: &mut HeaderMap,
    body: Bytes,
    mut room: Option<OwnedSemaphorePermit>,
    (shared, connection): (&Shared<E>, &Connection),
) -> Result<(Bytes, Option<OwnedSemaphorePermit>), BodyError> {
    // Some lose the header on the way, and nothing else that is sent begins so. A larger one would need more room besides.
    let is_unsaid = !is_gzip(headers) && room.is_none() && body.starts_with(&MAGIC);
    if !is_gzip(headers) && !is_unsaid {
        return Ok((body, room));
    }
    if !body.starts_with(&MAGIC) {
        headers.remove(CONTENT_ENCODING);
        return Ok((body, room));
    }
    let limit = shared.limits.max_body_bytes;
    // Both together are one small body.
    let small = SMALL_BODY_BYTES.saturating_sub(body.len()).min(limit);
    let unpacked = match unpacked(&body, small) {
        Unpacked::TooMuch if small < limit => {
            if room.is_none() {
                room = Some(shared.room_for(connection, limit).await?);
            }
            let packed = body.clone();
            let unpacking = tokio::task::spawn_blocking(move || unpacked(&packed, limit));
            unpacking.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()))
        }
        unpacked => unpacked,
    };
    match unpacked {
        Unpacked::Whole(plain) => {
            headers.remove(CONTENT_ENCODING);
            Ok((plain.into(), room))
        }
        Unpacked::TooMuch => Err(BodyError::TooLarge(limit)),
        Unpacked::Broken => Ok((body, room)),
    }
}

enum Unpacked {
    Whole(Vec<u8>),
    TooMuch,
    Broken,
}

fn unpacked(packed: &[u8], limit: usize) -> Unpacked {
    let mut plain = Vec::new();
    match MultiGzDecoder::new(packed).take(limit as u64 + 1).read_to_end(&mut plain) {
        Ok(_) if plain.len() > limit => Unpacked::TooMuch,
        Ok(_) => Unpacked::Whole(plain),
        Err(_) => Unpacked::Broken,
    }
}
