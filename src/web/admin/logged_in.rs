//! Who sees the page: whoever has logged in, or has a token all the same; where no token is configured, whoever is on this
//! machine. Everybody else is led to where one logs in.

use http::{HeaderMap, HeaderName, StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};

use crate::domain::access::Access;
use crate::domain::session::{LoginSession, SessionKey};
use crate::domain::sign::percent_encode;
use crate::flow::resources::ResourceError;
use crate::flow::sessions::SessionKeeper;
use crate::web::admin::access::{Authenticator, Caller};
use crate::web::admin::local_path::LocalPath;
use crate::web::admin::problem::Problem;
use crate::web::admin::{cookie, same_site};

/// Where somebody logs in.
pub const LOG_IN: &str = "/login";

/// The session by which somebody asks; in the data of the request, beside the [`Caller`].
#[derive(Clone, Debug)]
pub struct CurrentSession {
    pub key: SessionKey,
    pub session: LoginSession,
}

/// Endpoints of the page. They find a [`Caller`] and its end in the data of the request, and a [`CurrentSession`] where it is by
/// one. What changes something is refused to whoever may only read.
pub struct LoggedIn<E> {
    pub authenticator: Authenticator,
    pub sessions: SessionKeeper,
    pub endpoint: E,
}

impl<E: Endpoint> Endpoint for LoggedIn<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let end = self.authenticator.end();
        let is_by_token = request.headers().contains_key(header::AUTHORIZATION);
        if is_by_token || !self.authenticator.takes_log_ins() {
            let caller = self.authenticator.admit(&request).await?;
            request.extensions_mut().insert(caller);
        } else {
            let Some((caller, session)) = find(&self.authenticator, &self.sessions, request.headers()).await? else {
                return led_to_log_in(&request).ok_or_else(|| self.authenticator.nobody().into());
            };
            if !request.method().is_safe() {
                same_site::check_posted(request.headers())?;
                caller.must(Access::Write)?;
            }
            request.extensions_mut().insert(caller);
            request.extensions_mut().insert(session);
        }
        request.extensions_mut().insert(end);
        self.endpoint.call(request).await.map(IntoResponse::into_response)
    }
}

/// Who has logged in, and by which session.
///
/// # Errors
/// 503: the store cannot be read.
pub async fn find(
    authenticator: &Authenticator,
    sessions: &SessionKeeper,
    headers: &HeaderMap,
) -> Result<Option<(Caller, CurrentSession)>, Problem> {
    for key in cookie::keys(headers) {
        let found = sessions.find(&key).await.map_err(ResourceError::from)?;
        let Some(session) = found else { continue };
        if let Some(caller) = authenticator.of_session(&session, &key) {
            return Ok(Some((caller, CurrentSession { key, session })));
        }
    }
    Ok(None)
}

/// Leads a browser to where one logs in; `None` where no page is asked for, but a stream, or something by a program.
fn led_to_log_in(request: &Request) -> Option<Response> {
    let (headers, answer) = (request.headers(), Response::builder());
    let said = |name| same_site::one(headers, &name).and_then(Result::ok).unwrap_or_default();
    let here = request.uri().path_and_query().map(|here| here.as_str()).unwrap_or_default();
    if headers.contains_key("hx-request") {
        let page = LocalPath::of_address(said(HeaderName::from_static("hx-current-url")));
        return Some(answer.status(StatusCode::UNAUTHORIZED).header("HX-Redirect", log_in_and(page)).finish());
    }
    if !said(header::ACCEPT).contains("text/html") {
        return None;
    }
    if !request.method().is_safe() {
        // What was posted is not posted again: back to where that was done.
        let page = LocalPath::of_address(said(header::REFERER));
        return Some(answer.status(StatusCode::SEE_OTHER).header(header::LOCATION, log_in_and(page)).finish());
    }
    let page = LocalPath::read(here);
    if matches!(said(HeaderName::from_static("sec-fetch-site")), "cross-site" | "same-site") {
        // By a link of another site a browser comes without its session. From here it asks once more, with it.
        let here = percent_encoded(page.as_ref().map_or("/", LocalPath::as_str));
        let once_more =
            format!("<!doctype html><title>Orderbell</title><meta http-equiv=\"refresh\" content=\"0; url={here}\">");
        return Some(answer.content_type("text/html; charset=utf-8").body(once_more));
    }
    Some(answer.status(StatusCode::SEE_OTHER).header(header::LOCATION, log_in_and(page)).finish())
}

/// Where one logs in and then goes on at this page.
fn log_in_and(page: Option<LocalPath>) -> String {
    match page.filter(|page| page.as_str() != "/") {
        Some(page) => format!("{LOG_IN}?next={}", percent_encode(page.as_str())),
        None => LOG_IN.to_owned(),
    }
}

/// An address without what means something in HTML.
fn percent_encoded(address: &str) -> String {
    address.replace('"', "%22").replace('\'', "%27").replace('<', "%3C").replace('>', "%3E").replace('&', "&amp;")
}
