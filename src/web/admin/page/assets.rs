//! The files that a page consists of besides its HTML: built in, compressed once, and kept by browsers as long as they like,
//! because their addresses change with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use flate2::Compression;
use http::{HeaderMap, StatusCode, header};
use poem::web::Path;
use poem::{Response, handler};
use sha2::{Digest, Sha256};

use crate::web::admin::page::compressed::{gzip, takes_gzip};
use crate::web::admin::problem::Problem;

#[derive(rust_embed::Embed)]
#[folder = "templates/page/assets/"]
struct Files;

struct Asset {
    kind: &'static str,
    bytes: Vec<u8>,
    gzip: Option<Vec<u8>>,
    /// Changes with its bytes.
    version: String,
}

static ASSETS: LazyLock<BTreeMap<String, Asset>> = LazyLock::new(|| {
    let read =
        |name: Cow<'static, str>| Some((name.to_string(), Asset::of(&name, Files::get(&name)?.data.into_owned())));
    Files::iter().filter_map(read).collect()
});

impl Asset {
    fn of(name: &str, bytes: Vec<u8>) -> Self {
        let kind = match name.rsplit('.').next() {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("svg") => "image/svg+xml",
            Some("png") => "image/png",
            Some("webmanifest") => "application/manifest+json",
            _ => "application/octet-stream",
        };
        let version = hex::encode(&Sha256::digest(&bytes)[..6]);
        let gzip = (kind != "image/png").then(|| gzip(&bytes, Compression::best()));
        Self { kind, bytes, gzip, version }
    }
}

/// The addresses of all files, by their names without the ending.
pub fn addresses() -> &'static BTreeMap<String, String> {
    static ADDRESSES: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
        let address = |(name, known): (&String, &Asset)| {
            (name.replace(['.', '-'], "_"), format!("/assets/{name}?v={}", known.version))
        };
        ASSETS.iter().map(address).collect()
    });
    &ADDRESSES
}

#[handler]
pub async fn file(Path(name): Path<String>, headers: &HeaderMap) -> Result<Response, Problem> {
    let missing = || Problem::of_status(StatusCode::NOT_FOUND).detail("there is no such file");
    let found = ASSETS.get(&name).ok_or_else(missing)?;
    let answer = Response::builder()
        .content_type(found.kind)
        .header(header::CACHE_CONTROL, "public, max-age=31536000, immutable")
        .header(header::VARY, "accept-encoding");
    Ok(match &found.gzip {
        Some(gzip) if takes_gzip(headers) => answer.header(header::CONTENT_ENCODING, "gzip").body(gzip.clone()),
        _ => answer.body(found.bytes.clone()),
    })
}
