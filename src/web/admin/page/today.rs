//! *Today*: does it work, what came, what waits, and what is to be done.

use minijinja::{Value, context};
use poem::{Response, handler};

use crate::domain::report::{Hour, Report};
use crate::flow::resources::channel::{ChannelState, ChannelStatus};
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::{plain, shown};
use crate::web::admin::problem::Problem;

/// How high the highest bar of the picture is, in its own units.
const HIGHEST: i64 = 100;

#[handler]
pub async fn today(reader: Reader) -> Result<Response, Problem> {
    let resources = reader.resources();
    let report = resources.today().await?;
    let (channels, sources) = (resources.channels().await?.items, resources.sources().await?.items);
    let notices = resources.worded_notices(reader.language).await?;
    let waiting: u64 = channels.iter().map(|channel| channel.waiting).sum();
    let dead: u64 = channels.iter().map(|channel| channel.dead).sum();
    Ok(reader.page(
        "today",
        context! {
            figures => plain(&report.total),
            as_of => report.as_of.to_string(),
            hours => hours(&report),
            is_well => notices.is_empty() && channels.iter().all(is_well),
            notices => plain(&notices),
            waiting => waiting,
            dead => dead,
            has_routes => !resources.configuration().routes.is_empty(),
            channels => channels.iter().map(shown).collect::<Vec<_>>(),
            sources => sources.iter().map(shown).collect::<Vec<_>>(),
        },
    ))
}

/// Whether nobody has to do anything for a channel.
fn is_well(channel: &ChannelStatus) -> bool {
    !matches!(channel.state, ChannelState::Parked | ChannelState::Unready) && channel.dead == 0
}

/// The orders of each hour, and how high their bars are.
fn hours(report: &Report) -> Vec<Value> {
    let most = report.hours.iter().map(|hour| hour.orders).max().unwrap_or_default().max(1);
    let hour = |(place, hour): (usize, &Hour)| {
        let height = hour.orders * HIGHEST / most;
        context! {
            hour => hour.hour,
            orders => hour.orders,
            gross => plain(&hour.gross),
            x => place * 10,
            y => HIGHEST - height,
            height => height,
        }
    };
    report.hours.iter().enumerate().map(hour).collect()
}
