//! One event by itself: its story, as `orderbell why` says it.

use minijinja::context;
use poem::web::Path;
use poem::{Response, handler};
use uuid::Uuid;

use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::shown;
use crate::web::admin::problem::Problem;

#[handler]
pub async fn event(reader: Reader, Path(id): Path<Uuid>) -> Result<Response, Problem> {
    let event = reader.resources().event(id).await?;
    let story = reader.resources().why(id.to_string(), None, None).await?;
    Ok(reader.page("event", context! { found => shown(&event), story => story.text }))
}
