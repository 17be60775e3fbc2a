//! What the listener of a first start answers: the set-up, and nothing else before there is a configuration.

use std::sync::Arc;

use http::header;
use poem::middleware::SetHeader;
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route, get, post};

use crate::flow::Clock;
use crate::web::admin::access::{Authenticator, Protected};
use crate::web::admin::method::{alone, reading};
use crate::web::admin::page::reader::Pages;
use crate::web::admin::page::setup::steps::SharedAssistant;
use crate::web::admin::page::setup::{forms, steps};
use crate::web::admin::page::{assets, compressed, confined, language, problems};
use crate::web::admin::problem::Problem;

/// Everything that the listener of a first start answers.
pub fn routes(
    assistant: SharedAssistant,
    authenticator: Authenticator,
    clock: Clock,
) -> impl Endpoint<Output = Response> + 'static {
    let table = || alone(get(steps::table_form).post(forms::take_table), "GET, HEAD, POST");
    let views = Route::new()
        .at("/", reading(steps::begin))
        .at("/setup", reading(steps::first))
        .at("/setup/general", alone(get(steps::general).post(forms::general), "GET, HEAD, POST"))
        .at("/setup/:family<source|channel>/:place<\\d+>", table())
        .at("/setup/:family<source|channel>/:place<\\d+>/remove", alone(post(forms::remove), "POST"))
        .at("/setup/ending", alone(get(steps::ending).post(forms::ending), "GET, HEAD, POST"))
        .at("/setup/file", reading(steps::file))
        .at("/setup/orderbell.toml", reading(steps::download))
        .at("/setup/save", alone(post(forms::save), "POST"))
        .at("/setup/start", alone(post(forms::start), "POST"))
        .at("/language", alone(post(language::choose), "POST"));
    let headers = SetHeader::new()
        .overriding(header::X_CONTENT_TYPE_OPTIONS, "nosniff")
        // With none at all, browsers say `Origin: null` of what a page of ours posts.
        .overriding(header::REFERRER_POLICY, "same-origin")
        .overriding(header::CACHE_CONTROL, "no-store");
    let answered = Protected { authenticator, endpoint: views }
        .around(problems::as_page)
        .data(Arc::new(Pages::of_first_start(clock)))
        .data(assistant)
        .around(compressed::compressed)
        .catch_all_error(|error| async move { Problem::of(&error).into_response() })
        .with(headers)
        .map_to_response()
        .map(confined);
    Route::new().nest("/assets", assets()).nest("/", answered).map_to_response()
}
