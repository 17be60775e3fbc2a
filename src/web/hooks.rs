//! `/hooks/<source>`, `/charts/<name>.png` and `/healthz`: the only place where an outcome becomes a status.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri, header};
use poem::web::{Data, Path};
use poem::{Endpoint, EndpointExt, Response, Route, get, handler};

use crate::flow::chart_cache::ChartCache;
use crate::flow::health::HealthCheck;
use crate::flow::intake::{Intake, IntakeOutcome};
use crate::flow::refusals;
use crate::platform::{Method, PlatformReply};
use crate::web::server::ListenerNotes;
use crate::web::server::connections::Shed;
use crate::web::server::limits::ListenerLimits;
use crate::web::server::request::BodyError;

/// What the internet sees. Bodies come whole and within the limit: the accept loop sees to that.
pub fn routes(
    intake: Arc<Intake>,
    charts: Arc<ChartCache>,
    health: Arc<HealthCheck>,
) -> impl Endpoint<Output = Response> + 'static {
    Route::new()
        .at("/hooks/:source", hook)
        // Some proxies and registrations add a slash; where it enters the signature is the platform's business.
        .at("/hooks/:source/", hook)
        .at("/charts/:file", get(chart))
        .at("/healthz", get(healthz))
        .data(intake)
        .data(charts)
        .data(health)
        .catch_all_error(|error| async move { no_such_address(error.status()) })
}

#[handler]
async fn healthz(Data(health): Data<&Arc<HealthCheck>>) -> Response {
    let response = Response::builder().content_type("text/plain; charset=utf-8");
    match health.reason().await {
        None => response.body("ok\n"),
        Some(reason) => response.status(StatusCode::SERVICE_UNAVAILABLE).body(format!("{reason}\n")),
    }
}

#[handler]
async fn chart(Path(file): Path<String>, Data(charts): Data<&Arc<ChartCache>>) -> Response {
    let picture = match file.strip_suffix(".png") {
        Some(name) => charts.picture(name).await,
        None => None,
    };
    let Some(picture) = picture else { return no_such_address(StatusCode::NOT_FOUND) };
    Response::builder()
        .content_type("image/png")
        .header(header::CACHE_CONTROL, "private, max-age=86400")
        .header("x-robots-tag", "noindex")
        .header(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        .body(picture.to_vec())
}

#[handler]
async fn hook(
    method: http::Method,
    uri: &Uri,
    headers: &HeaderMap,
    Path(source): Path<String>,
    Data(intake): Data<&Arc<Intake>>,
    body: Bytes,
) -> Response {
    let method = match method {
        http::Method::POST => Method::Post,
        http::Method::GET => Method::Get,
        _ if intake.has(&source) => {
            intake.note_refusal(&source, refusals::of_method, body.len() as u64);
            return status_of(IntakeOutcome::Method);
        }
        _ => return status_of(IntakeOutcome::UnknownSource),
    };
    status_of(intake.receive(&source, method, uri.query(), headers, body).await)
}

/// Notes the webhooks that never come to their source, because their bodies were not read whole or their connections were shed.
pub fn notes(intake: Arc<Intake>, limits: ListenerLimits) -> ListenerNotes {
    let for_shed = intake.clone();
    let unread = move |path: &str, unread, bytes| {
        let Some(source) = path.strip_prefix("/hooks/") else { return };
        let reason = || match unread {
            BodyError::TooLarge(most) => refusals::too_large(most),
            BodyError::Late(after) => refusals::late(after),
            BodyError::Broken => refusals::BROKEN_OFF.to_owned(),
            BodyError::Crowded | BodyError::Stopping => refusals::NOT_NOW.to_owned(),
        };
        intake.note_refusal(source.strip_suffix('/').unwrap_or(source), reason, bytes);
    };
    let shed = move |shed: Shed| {
        let intake = for_shed.clone();
        // An idle connection that was closed early harms nobody.
        if shed.unfinished > 0 {
            tokio::spawn(async move { intake.note_shed(shed.unfinished, limits.max_connections).await });
        }
    };
    ListenerNotes { unread: Arc::new(unread), shed: Arc::new(shed), ..ListenerNotes::default() }
}

fn no_such_address(status: StatusCode) -> Response {
    let (status, body) = match status {
        StatusCode::METHOD_NOT_ALLOWED => (status, r#"{"code":405,"message":"this address takes GET"}"#),
        _ => (StatusCode::NOT_FOUND, r#"{"code":404,"message":"no such address"}"#),
    };
    Response::builder().status(status).content_type("application/json").body(body)
}

fn status_of(outcome: IntakeOutcome) -> Response {
    let (status, body) = match outcome {
        IntakeOutcome::UnknownSource => (StatusCode::NOT_FOUND, r#"{"code":404,"message":"no such source"}"#),
        IntakeOutcome::Method => {
            (StatusCode::METHOD_NOT_ALLOWED, r#"{"code":405,"message":"this address takes POST"}"#)
        }
        IntakeOutcome::Answer(PlatformReply::Received, body) => (StatusCode::OK, body),
        IntakeOutcome::Answer(PlatformReply::Refused, body) => (StatusCode::UNAUTHORIZED, body),
        IntakeOutcome::Answer(PlatformReply::NotRemembered, body) => (StatusCode::SERVICE_UNAVAILABLE, body),
    };
    let response = Response::builder().status(status).content_type("application/json");
    match status {
        StatusCode::METHOD_NOT_ALLOWED => response.header(header::ALLOW, "POST").body(body),
        _ => response.body(body),
    }
}
