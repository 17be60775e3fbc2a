//! *Channels*: how each does, what somebody has to do for it, and the buttons: test, pause, resume, open again.

use minijinja::{Value, context};
use poem::web::{Data, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::flow::resources::ResourceError;
use crate::flow::resources::channel::{ChannelState, ChannelStatus, TestOutcome};
use crate::web::admin::page::meaning::meaning;
use crate::web::admin::page::outcomes::LastOutcomes;
use crate::web::admin::page::reader::{Reader, see};
use crate::web::admin::page::values::shown;
use crate::web::admin::problem::Problem;

/// What a press came to, as the address says where it leads; the words stand below `page.channel_said.`.
const SAID: [&str; 9] = [
    "paused",
    "paused_already",
    "resumed",
    "not_paused",
    "probed",
    "nothing_waits",
    "not_parked",
    "under_way",
    "unready",
];

#[derive(Deserialize)]
struct Said {
    said: Option<String>,
}

#[handler]
pub async fn list(reader: Reader) -> Result<Response, Problem> {
    let channels = reader.resources().channels().await?.items;
    let channels: Vec<Value> = channels.iter().map(|channel| card(channel, &reader)).collect();
    Ok(reader.page("channels", context! { channels => channels }))
}

#[handler]
pub async fn one(
    reader: Reader,
    Path(name): Path<String>,
    Query(Said { said }): Query<Said>,
    Data(last): Data<&LastOutcomes<TestOutcome>>,
) -> Result<Response, Problem> {
    let channel = reader.resources().channel(&name).await?;
    let said = said.filter(|said| SAID.contains(&said.as_str()));
    let last_test = last.of(&name).map(|(at, outcome)| tested(&outcome, &at.to_string(), &reader));
    let one = context! { test => last_test, said => said, ..card(&channel, &reader) };
    Ok(reader.page("channels", context! { one => one }))
}

#[handler]
pub async fn test(
    reader: Reader,
    Path(name): Path<String>,
    Data(last): Data<&LastOutcomes<TestOutcome>>,
) -> Result<Response, Problem> {
    reader.must_change()?;
    let said = match reader.resources().test_channel(&name).await {
        Ok(outcome) => {
            last.keep(&name, reader.resources().clock.now(), outcome);
            None
        }
        Err(ResourceError::UnderWay(_)) => Some("under_way"),
        Err(ResourceError::Conflict(_)) => Some("unready"),
        Err(error) => return Err(error.into()),
    };
    Ok(back(&name, said))
}

#[handler]
pub async fn pause(reader: Reader, Path(name): Path<String>) -> Result<Response, Problem> {
    reader.must_change()?;
    let by = reader.caller.as_ref().map(|caller| caller.name.to_string()).unwrap_or_default();
    let outcome = reader.resources().pause_channel(&name, &by).await?;
    Ok(back(&name, Some(if outcome.changed { "paused" } else { "paused_already" })))
}

#[handler]
pub async fn resume(reader: Reader, Path(name): Path<String>) -> Result<Response, Problem> {
    reader.must_change()?;
    let outcome = reader.resources().resume_channel(&name).await?;
    Ok(back(&name, Some(if outcome.changed { "resumed" } else { "not_paused" })))
}

#[handler]
pub async fn open_again(reader: Reader, Path(name): Path<String>) -> Result<Response, Problem> {
    reader.must_change()?;
    let channel = reader.resources().channel(&name).await?;
    let said = match channel.state {
        ChannelState::Parked if channel.waiting == 0 => "nothing_waits",
        ChannelState::Parked => {
            reader.resources().probe_channel(&name).await?;
            "probed"
        }
        _ => "not_parked",
    };
    Ok(back(&name, Some(said)))
}

fn back(name: &str, said: Option<&str>) -> Response {
    see(&["channels", name], &said.map(|said| [("said", said)]).into_iter().flatten().collect::<Vec<_>>())
}

/// A channel, with what is wrong in the words of whoever reads it.
fn card(channel: &ChannelStatus, reader: &Reader) -> Value {
    let parked = channel.parked.as_ref().map(|parked| {
        context! {
            since => parked.since.0.to_string(),
            answer => reader.localized(&parked.reason),
            probes => parked.probes,
            next_probe_at => parked.next_probe_at.0.to_string(),
            meaning => meaning(reader, parked.cause.as_deref(), parked.change.as_deref()),
        }
    });
    context! { trouble => parked, ..shown(channel) }
}

/// What a test came to.
fn tested(outcome: &TestOutcome, at: &str, reader: &Reader) -> Value {
    let refused: Vec<String> = outcome.refused.iter().map(|answer| reader.localized(answer)).collect();
    context! {
        at => at,
        accepted => outcome.accepted,
        outcome => outcome.outcome.as_str(),
        answer => reader.localized(&outcome.answer),
        refused => refused,
        meaning => meaning(reader, outcome.cause.as_deref(), outcome.change.as_deref()),
        clock_ahead_s => outcome.receiver_clock_ahead_s.filter(|seconds| seconds.abs() > 60),
    }
}
