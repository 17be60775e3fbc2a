//! *Templates*: what messages are made of, each beside what becomes of it, and tried with another text. Nothing is written.

use http::HeaderMap;
use minijinja::context;
use poem::web::{Form, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::flow::resources::template::{EventChoice, TemplateChoice, TemplateView};
use crate::web::admin::page::message;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::plain;
use crate::web::admin::problem::Problem;

/// With what a template is looked at, as the forms of the view say it.
#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    sample: String,
    /// `newest`: a real event instead of a sample.
    #[serde(default)]
    event: String,
}

impl From<Wanted> for TemplateChoice {
    fn from(Wanted { channel, sample, event }: Wanted) -> Self {
        let event = match event.as_str() {
            "newest" => EventChoice::Newest,
            _ => EventChoice::Sample(sample.parse().unwrap_or(1)),
        };
        Self { channel: Some(channel).filter(|channel| !channel.is_empty()), event }
    }
}

/// A text to be tried.
#[derive(Deserialize)]
struct Tried {
    source: String,
    #[serde(flatten)]
    wanted: Wanted,
}

#[handler]
pub async fn table(reader: Reader) -> Result<Response, Problem> {
    let table = reader.resources().template_table();
    Ok(reader.page("templates", context! { table => plain(&table) }))
}

#[handler]
pub async fn file(
    reader: Reader,
    Path((language, name)): Path<(String, String)>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, Problem> {
    let choice = TemplateChoice::from(wanted);
    let is_newest = choice.event == EventChoice::Newest;
    let view = reader.resources().template(&language, &name, choice).await?;
    Ok(shown(&reader, &view, is_newest))
}

/// Shows the message that a text would make. It changes nothing, and so leads nowhere else.
#[handler]
pub async fn try_it(
    reader: Reader,
    Path((language, name)): Path<(String, String)>,
    Form(Tried { source, wanted }): Form<Tried>,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    reader.must_change()?;
    let caller = reader.caller.as_ref().map(|caller| caller.name.to_string()).unwrap_or_default();
    let choice = TemplateChoice::from(wanted);
    let is_newest = choice.event == EventChoice::Newest;
    let tried = reader.resources().try_template(&caller, (&language, &name), source, choice).await;
    match tried {
        Ok(view) => Ok(shown(&reader, &view, is_newest)),
        // The place of the message is filled with it: the text that somebody wrote stays.
        Err(refusal) if headers.contains_key("hx-request") => {
            Ok(reader.page("templates_refused", context! { refusal => refusal.to_string() }))
        }
        Err(error) => Err(error.into()),
    }
}

fn shown(reader: &Reader, view: &TemplateView, is_newest: bool) -> Response {
    let parts = view.message.as_ref().map(|message| message::composed(reader, &message.parts)).unwrap_or_default();
    let languages = reader.resources().template_table().languages;
    let folder = view.folder.as_ref().map(|folder| folder.join(&view.path).display().to_string());
    reader.page(
        "templates_file",
        context! {
            template => plain(view),
            parts_shown => parts,
            languages => languages,
            saved_at => folder,
            is_newest => is_newest,
        },
    )
}
