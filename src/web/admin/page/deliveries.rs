//! *Deliveries*: the newest first, filtered; and many of them changed at once, after a count.

use http::{StatusCode, header};
use jiff::Timestamp;
use jiff::civil::DateTime;
use minijinja::{Value, context};
use poem::web::{Form, Query};
use poem::{Response, handler};
use serde::{Deserialize, Serialize};

use crate::flow::resources::ResourceError;
use crate::flow::resources::change::CountedDeliveries;
use crate::flow::resources::delivery::{DeliveryState, DeliverySummary};
use crate::flow::resources::query::{DeliveryQuery, PageRequest};
use crate::web::admin::page::address;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::{filter, plain, shown};
use crate::web::admin::problem::Problem;

/// So many deliveries stand on a page.
const ROWS: u32 = 30;

const STATES: [DeliveryState; 5] = [
    DeliveryState::Waiting,
    DeliveryState::Delivered,
    DeliveryState::Merged,
    DeliveryState::Dead,
    DeliveryState::Cancelled,
];

/// By what deliveries are filtered, as the form has it.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Asked {
    state: String,
    channel: String,
    kind: String,
    source: String,
    /// In the time zone of the configuration, or in UTC with a `Z`.
    since: String,
    until: String,
}

impl Asked {
    fn query(&self, reader: &Reader) -> Result<DeliveryQuery, ResourceError> {
        let known = |state: &&DeliveryState| state.as_str() == self.state;
        let state = STATES.iter().find(known).copied();
        if state.is_none() && !self.state.is_empty() {
            return Err(ResourceError::Senseless("there is no such state of deliveries".to_owned()));
        }
        Ok(DeliveryQuery {
            state,
            channel: filter(&self.channel)?,
            kind: filter(self.kind.trim())?,
            source: filter(&self.source)?,
            since: moment(&self.since, reader)?,
            until: moment(&self.until, reader)?,
        })
    }

    fn pairs(&self) -> [(&str, &str); 6] {
        [
            ("state", &self.state),
            ("channel", &self.channel),
            ("kind", &self.kind),
            ("source", &self.source),
            ("since", &self.since),
            ("until", &self.until),
        ]
    }

    /// The address of the list.
    fn list(&self, more: &[(&str, &str)]) -> String {
        address::address("/deliveries", &[&self.pairs(), more].concat())
    }

    /// The address where many are counted before something is done with them.
    fn counting(&self, act: Act) -> String {
        address::address("/deliveries/all", &[&self.pairs()[..], &[("act", act.name())]].concat())
    }
}

/// A moment as a browser's field has it.
fn moment(text: &str, reader: &Reader) -> Result<Option<Timestamp>, ResourceError> {
    if text.is_empty() {
        return Ok(None);
    }
    let local = || text.parse::<DateTime>().ok()?.to_zoned(reader.zone.zone.clone()).ok().map(|at| at.timestamp());
    let at = text.parse::<Timestamp>().ok().or_else(local);
    at.map(Some).ok_or_else(|| ResourceError::Senseless("write a time as 2026-11-22T19:54".to_owned()))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct PageAsked {
    #[serde(flatten)]
    asked: Asked,
    cursor: String,
    /// What was done just now: with so many of so many.
    changed: String,
    matched: String,
}

#[handler]
pub async fn list(reader: Reader, Query(page): Query<PageAsked>) -> Result<Response, Problem> {
    let (resources, asked) = (reader.resources(), &page.asked);
    let query = asked.query(&reader)?;
    let request = PageRequest { rows: ROWS, cursor: Some(page.cursor.clone()) };
    let found = resources.deliveries(query, request).await?;
    let config = resources.routing.get().summary.clone();
    let act = |act: Act| (reader.may_change() && act.fits(&asked.state)).then(|| asked.counting(act));
    let done = page.changed.parse::<u64>().ok().zip(page.matched.parse::<u64>().ok());
    Ok(reader.page(
        "deliveries",
        context! {
            asked => plain(asked),
            states => STATES.map(DeliveryState::as_str),
            channels => config.channels.keys().cloned().collect::<Vec<_>>(),
            sources => config.sources.clone(),
            deliveries => found.items.iter().map(row).collect::<Vec<_>>(),
            is_filtered => asked.pairs().iter().any(|(_, value)| !value.is_empty()),
            done => done.map(|(changed, matched)| context! { changed => changed, matched => matched }),
            redeliver_all => act(Act::Redeliver),
            cancel_all => act(Act::Cancel),
            live => page.cursor.is_empty().then(|| asked.list(&[])),
            next => found.next.as_deref().map(|cursor| asked.list(&[("cursor", cursor)])),
        },
    ))
}

fn row(delivery: &DeliverySummary) -> Value {
    let order = delivery.order.as_ref().map(|number| address::order(&delivery.source, number));
    context! { order_address => order, ..shown(delivery) }
}

/// What is to be done with all that a filter matches.
#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
enum Act {
    Redeliver,
    Cancel,
}

impl Act {
    fn name(self) -> &'static str {
        match self {
            Act::Redeliver => "redeliver",
            Act::Cancel => "cancel",
        }
    }

    /// Whether it makes sense for deliveries in this state.
    fn fits(self, state: &str) -> bool {
        match self {
            Act::Redeliver => state == "dead",
            Act::Cancel => matches!(state, "dead" | "waiting"),
        }
    }
}

#[derive(Deserialize)]
struct Counting {
    #[serde(flatten)]
    asked: Asked,
    act: Act,
}

/// How many would be changed, and a button that changes these and no others.
#[handler]
pub async fn before_all(reader: Reader, Query(counting): Query<Counting>) -> Result<Response, Problem> {
    reader.must_change()?;
    counted(&reader, &counting, StatusCode::OK).await
}

async fn counted(reader: &Reader, Counting { asked, act }: &Counting, status: StatusCode) -> Result<Response, Problem> {
    if !act.fits(&asked.state) {
        let text =
            "choose the state of the deliveries first: dead ones are sent once more, dead or waiting ones cancelled";
        return Err(ResourceError::Senseless(text.to_owned()).into());
    }
    let count = reader.resources().count(asked.query(reader)?).await?;
    let shown = context! {
        act => act.name(),
        asked => plain(asked),
        is_faster => status == StatusCode::CONFLICT,
        back => asked.list(&[]),
        ..shown(&count)
    };
    Ok(reader.answer(status, "deliveries_all", shown))
}

#[derive(Deserialize)]
struct Changing {
    #[serde(flatten)]
    counting: Counting,
    /// As text: what is flattened knows no numbers.
    expected: String,
    token: String,
}

#[handler]
pub async fn change_all(reader: Reader, Form(changing): Form<Changing>) -> Result<Response, Problem> {
    let Changing { counting, expected, token } = changing;
    let Counting { asked, act } = &counting;
    if !act.fits(&asked.state) {
        return counted(&reader, &counting, StatusCode::OK).await;
    }
    let senseless = |_| ResourceError::Senseless("count them first".to_owned());
    let (query, count) = (asked.query(&reader)?, expected.parse().map_err(senseless)?);
    let (resources, meant) = (reader.resources(), CountedDeliveries { count, token });
    let changed = match act {
        Act::Redeliver => resources.redeliver_many(query, meant).await,
        Act::Cancel => resources.cancel_many(query, meant).await,
    };
    match changed {
        Ok(outcome) => {
            let (changed, matched) = (outcome.changed.to_string(), outcome.matched.to_string());
            let address = asked.list(&[("changed", &changed), ("matched", &matched)]);
            Ok(Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, address).finish())
        }
        // Somebody else was faster, or the filter matches others by now: they are counted anew.
        Err(ResourceError::Conflict(_)) => counted(&reader, &counting, StatusCode::CONFLICT).await,
        Err(error) => Err(error.into()),
    }
}
