//! `/readyz`: whether webhooks can be recorded, for whoever sends them here; what waits since when and what is wrong, for
//! whoever has a token.

use std::sync::Arc;

use http::{StatusCode, header};
use jiff::Timestamp;
use poem::web::Data;
use poem::{Request, Response, handler};
use serde::Serialize;
use serde_with::skip_serializing_none;

use crate::flow::readiness::{OpenIncident, Readiness, ReadinessReport, Waiting, WaitingChannel};
use crate::web::admin::access::Authenticator;
use crate::web::admin::problem::Problem;

/// What everybody is answered.
#[derive(Serialize)]
struct Short {
    status: &'static str,
    can_record: bool,
}

/// What a caller with access is answered.
#[skip_serializing_none]
#[derive(Serialize)]
struct Full<'a> {
    #[serde(flatten)]
    short: Short,
    at: Timestamp,
    /// Why webhooks cannot be recorded, or what waits cannot be read.
    reasons: Vec<&'a str>,
    waiting: Option<WaitingDeliveries>,
    channels: Option<&'a [WaitingChannel]>,
    incidents: Option<&'a [OpenIncident]>,
}

#[skip_serializing_none]
#[derive(Serialize)]
struct WaitingDeliveries {
    count: u64,
    since: Option<Timestamp>,
}

#[handler]
pub async fn readyz(
    request: &Request,
    Data(authenticator): Data<&Authenticator>,
    Data(readiness): Data<&Arc<Readiness>>,
) -> Result<Response, Problem> {
    let (status, body) = match authenticator.identify(request).await? {
        None => {
            let short = short(readiness.unready().await.is_none());
            (short.can_record, serde_json::to_string(&short))
        }
        Some(_) => {
            let report = readiness.report().await;
            (report.unready.is_none(), serde_json::to_string(&full(&report)))
        }
    };
    let status = if status { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = body.map_err(|_| Problem::of_status(StatusCode::INTERNAL_SERVER_ERROR))?;
    let response = Response::builder().status(status).content_type("application/json");
    Ok(response.header(header::CACHE_CONTROL, "no-store").body(body))
}

fn short(can_record: bool) -> Short {
    Short { status: if can_record { "ready" } else { "not_ready" }, can_record }
}

fn full(report: &ReadinessReport) -> Full<'_> {
    let waiting: Option<&Waiting> = report.waiting.as_deref().ok();
    let unreadable = report.waiting.as_ref().err();
    Full {
        short: short(report.unready.is_none()),
        at: report.at,
        reasons: report.unready.iter().chain(unreadable).map(String::as_str).collect(),
        waiting: waiting.map(|waiting| WaitingDeliveries { count: waiting.count(), since: waiting.since() }),
        channels: waiting.map(|waiting| waiting.channels.as_slice()),
        incidents: waiting.map(|waiting| waiting.incidents.as_slice()),
    }
}
