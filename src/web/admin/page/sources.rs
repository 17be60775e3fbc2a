//! *Sources*: the address of each for the platform's settings, what comes of its webhooks, and a signed sample sent through.

use minijinja::{Value, context};
use poem::web::{Data, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::flow::resources::ResourceError;
use crate::flow::resources::sample::SentSample;
use crate::flow::resources::source::SourceStatus;
use crate::web::admin::page::meaning::meaning;
use crate::web::admin::page::outcomes::LastOutcomes;
use crate::web::admin::page::reader::{Reader, see};
use crate::web::admin::page::values::shown;
use crate::web::admin::problem::Problem;

/// What a press came to where no sample was sent; the words stand below `page.source_said.`.
const SAID: [&str; 3] = ["under_way", "closed", "failed"];

/// What a press came to, and of which source.
#[derive(Deserialize)]
struct Said {
    said: Option<String>,
    source: Option<String>,
}

#[handler]
pub async fn list(
    reader: Reader,
    Query(Said { said, source }): Query<Said>,
    Data(last): Data<&LastOutcomes<SentSample>>,
) -> Result<Response, Problem> {
    let said = said.filter(|said| SAID.contains(&said.as_str()));
    let sources = reader.resources().sources().await?.items;
    let card = |one: &SourceStatus| {
        let said = said.as_ref().filter(|_| source.as_ref() == Some(&one.name));
        let last_sample = last.of(&one.name).map(|(at, outcome)| context! { at => at.to_string(), ..shown(&outcome) });
        context! { said => said, sample => last_sample, ..card(one, &reader) }
    };
    Ok(reader.page("sources", context! { sources => sources.iter().map(card).collect::<Vec<Value>>() }))
}

#[handler]
pub async fn sample(
    reader: Reader,
    Path(name): Path<String>,
    Data(last): Data<&LastOutcomes<SentSample>>,
) -> Result<Response, Problem> {
    reader.must_change()?;
    let said = match reader.resources().send_sample(&name).await {
        Ok(outcome) => {
            last.keep(&name, reader.resources().clock.now(), outcome);
            None
        }
        Err(ResourceError::UnderWay(_)) => Some("under_way"),
        Err(ResourceError::Conflict(_)) => Some("closed"),
        Err(ResourceError::Unanswered(_)) => Some("failed"),
        Err(error) => return Err(error.into()),
    };
    let said: Vec<_> = said.map(|said| [("said", said), ("source", &name)]).into_iter().flatten().collect();
    Ok(see(&["sources"], &said))
}

/// A source, with its last refusal in the words of whoever reads it.
fn card(source: &SourceStatus, reader: &Reader) -> Value {
    let refused = source.last_refused.as_ref().map(|refused| {
        context! {
            at => refused.at.0.to_string(),
            reason => reader.localized(&refused.reason),
            meaning => meaning(reader, refused.cause.as_deref(), refused.change.as_deref()),
        }
    });
    let closed = source.closed.as_ref().map(|reason| reader.localized(reason));
    context! { refused => refused, closed => closed, ..shown(source) }
}
