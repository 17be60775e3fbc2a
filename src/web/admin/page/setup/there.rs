//! The set-up where there is a configuration: it says so, and what there is.

use minijinja::context;
use poem::{Response, handler};

use crate::web::admin::page::reader::Reader;

#[handler]
pub async fn there(reader: Reader) -> Response {
    let summary = reader.resources().routing.get().summary.clone();
    let channels: Vec<String> = summary.channels.keys().cloned().collect();
    reader.page("setup_there", context! { sources => summary.sources.clone(), channels => channels })
}
