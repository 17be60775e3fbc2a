//! Pages are compressed on their way to a telephone. Nothing secret stands beside what a stranger could put in.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};
use poem::{Endpoint, IntoResponse, Request, Response};

/// Shorter ones fit into a packet anyway.
const SHORTEST: usize = 1_000;

pub async fn compressed<E: Endpoint>(endpoint: Arc<E>, request: Request) -> poem::Result<Response> {
    let takes_it = takes_gzip(request.headers());
    let answer = endpoint.call(request).await?.into_response();
    let is_page = answer.content_type().is_some_and(|kind| kind.starts_with("text/html"));
    if !is_page {
        return Ok(answer);
    }
    let (mut parts, body) = answer.into_parts();
    parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding, accept-language, cookie"));
    let body = body.into_bytes().await.map_err(poem::Error::from)?;
    if !takes_it || body.len() < SHORTEST {
        return Ok(Response::from_parts(parts, body.into()));
    }
    parts.headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    Ok(Response::from_parts(parts, gzip(&body, Compression::fast()).into()))
}

/// Whether whoever asks takes what is compressed.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        name.trim().eq_ignore_ascii_case("gzip") && !matches!(weight.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    })
}

pub fn gzip(bytes: &[u8], level: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), level);
    // A vector takes everything.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}
