//! The page: what a merchant looks at in a browser, and the buttons there. Each view is rendered here, in the language of whoever
//! reads it, from the functions that the API has.

pub mod address;
mod assets;
mod channels;
pub mod compressed;
mod configuration;
mod deliveries;
mod delivery;
mod events;
mod frames;
mod happenings;
pub mod language;
mod login;
mod meaning;
pub mod message;
mod orders;
mod outcomes;
pub mod problems;
pub mod reader;
mod reports;
mod sessions;
pub mod setup;
mod sources;
mod story;
mod templates;
mod today;
mod values;

use std::sync::Arc;

use http::{HeaderValue, header};
use poem::middleware::SetHeader;
use poem::{Endpoint, EndpointExt, IntoResponse, Response, Route, get, post};

use crate::flow::resources::Resources;
use crate::flow::resources::channel::TestOutcome;
use crate::flow::resources::sample::SentSample;
use crate::web::admin::access::Authenticator;
use crate::web::admin::logged_in::{LOG_IN, LoggedIn};
use crate::web::admin::method::{alone, reading};
use crate::web::admin::page::outcomes::LastOutcomes;
use crate::web::admin::page::reader::Pages;
use crate::web::admin::problem::Problem;

/// What a browser may load for a page and where it may send things: only from and to here, and no script that stands in a page.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; manifest-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Files of the page, which are the same for everybody.
pub fn assets() -> impl Endpoint<Output = Response> + 'static {
    let headers = SetHeader::new().overriding(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let files = Route::new().at("/:file", reading(assets::file));
    files.catch_all_error(|error| async move { Problem::of(&error).into_response() }).with(headers).map_to_response()
}

/// Every view.
pub fn routes(resources: &Resources, authenticator: &Authenticator) -> impl Endpoint<Output = Response> + 'static {
    let pages = Arc::new(Pages::new(resources.clone()));
    let views = Route::new()
        .at("/", reading(today::today))
        .at("/channels", reading(channels::list))
        .at("/channels/:name", reading(channels::one))
        .at("/channels/:name/open", alone(post(channels::open_again), "POST"))
        .at("/channels/:name/pause", alone(post(channels::pause), "POST"))
        .at("/channels/:name/resume", alone(post(channels::resume), "POST"))
        .at("/channels/:name/test", alone(post(channels::test), "POST"))
        .at("/configuration", reading(configuration::configuration))
        .at("/events/:id", reading(events::event))
        .at("/deliveries", reading(deliveries::list))
        .at("/deliveries/all", alone(get(deliveries::before_all).post(deliveries::change_all), "GET, HEAD, POST"))
        .at("/deliveries/:id", reading(delivery::one))
        .at("/deliveries/:id/cancel", alone(post(delivery::cancel), "POST"))
        .at("/deliveries/:id/redeliver", alone(post(delivery::redeliver), "POST"))
        .at("/frames/:name", reading(message::composed_frame))
        .at("/frames/:delivery/:at", reading(message::stored_frame))
        .at("/happenings", reading(happenings::happenings))
        .at("/reports", reading(reports::list))
        .at("/reports/:name", reading(reports::chosen))
        .at("/reports/:name/:day", reading(reports::one_day))
        .at("/reports/:name/:day/picture", reading(reports::picture))
        .at("/reports/:name/:day/send", alone(post(reports::send), "POST"))
        .at("/orders", reading(orders::list))
        .at("/orders/:source/:number", reading(orders::one))
        .at("/sessions", reading(sessions::list))
        .at("/sessions/end", alone(post(sessions::end), "POST"))
        .at("/sessions/end-others", alone(post(sessions::end_others), "POST"))
        .at("/sources", reading(sources::list))
        .at("/sources/:name/sample", alone(post(sources::sample), "POST"))
        .at("/setup", reading(setup::there::there))
        .at("/templates", reading(templates::table))
        .at("/templates/:language/:name", reading(templates::file))
        .at("/templates/:language/:name/try", alone(post(templates::try_it), "POST"))
        .data(LastOutcomes::<TestOutcome>::default())
        .data(LastOutcomes::<SentSample>::default());
    let (authenticator, sessions) = (authenticator.clone(), resources.sessions.clone());
    let everybody = Route::new()
        .at(LOG_IN, alone(get(login::form).post(login::log_in), "GET, HEAD, POST"))
        .at("/logout", alone(post(login::log_out), "POST"))
        .at("/language", alone(post(language::choose), "POST"))
        .nest_no_strip("/", LoggedIn { authenticator, sessions, endpoint: views });
    everybody.around(problems::as_page).data(pages).around(compressed::compressed).map_to_response().map(confined)
}

/// What a browser may do with an answer, where that does not say it itself.
pub async fn confined(mut answer: Response) -> Response {
    for (name, value) in [(header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY), (header::X_FRAME_OPTIONS, "DENY")]
    {
        answer.headers_mut().entry(name).or_insert(HeaderValue::from_static(value));
    }
    answer
}
