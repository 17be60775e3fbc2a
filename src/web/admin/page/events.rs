//! One event by itself: its story, as `orderbell why` says it.

use minijinja::context;
use poem::web::Path;
use poem::{Response, handler};
use uuid::Uuid;

use crate::flow::resources::ResourceError;
use crate::flow::resources::story::EventStory;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::story;
use crate::web::admin::page::values::shown;
use crate::web::admin::problem::Problem;

#[handler]
pub async fn event(reader: Reader, Path(id): Path<String>) -> Result<Response, Problem> {
    let id = id.parse::<Uuid>().map_err(|_| ResourceError::Missing("such event".to_owned()))?;
    let EventStory { detail, sections } = reader.resources().event_story(id).await?;
    Ok(reader.page("event", context! { found => shown(&detail), story => story::sections(&sections, &reader) }))
}
