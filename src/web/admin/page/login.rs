//! Logging in by an access token, and out.

use std::net::IpAddr;

use http::{HeaderMap, StatusCode, header};
use minijinja::context;
use poem::web::{Data, Form, Query};
use poem::{Request, Response, handler};
use serde::Deserialize;

use crate::flow::resources::ResourceError;
use crate::web::admin::access::{Authenticator, asks_from, peer};
use crate::web::admin::cookie::Transport;
use crate::web::admin::page::reader::{Reader, way_back};
use crate::web::admin::problem::Problem;
use crate::web::admin::{cookie, logged_in, same_site};

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: String,
    /// Somebody has logged out just now.
    out: Option<String>,
}

#[derive(Deserialize)]
struct LogIn {
    #[serde(default)]
    token: String,
    #[serde(default)]
    next: String,
}

/// What is said above the form.
#[derive(Clone, Copy)]
enum Said {
    Nothing,
    LoggedOut,
    Wrong,
    TooMany,
    Busy,
    NoStore,
}

impl Said {
    /// The name of its words.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Said::Nothing => return None,
            Said::LoggedOut => "logged_out",
            Said::Wrong => "wrong",
            Said::TooMany => "too_many",
            Said::Busy => "busy",
            Said::NoStore => "no_store",
        })
    }
}

#[handler]
pub async fn form(
    reader: Reader,
    request: &Request,
    Query(query): Query<Next>,
    Data(authenticator): Data<&Authenticator>,
) -> Result<Response, Problem> {
    let sessions = &reader.resources().sessions;
    let is_in =
        !authenticator.takes_log_ins() || logged_in::find(authenticator, sessions, request.headers()).await?.is_some();
    if is_in {
        return Ok(see(&way_back(&query.next)));
    }
    let said = if query.out.is_some() { Said::LoggedOut } else { Said::Nothing };
    Ok(shown(&reader, request, StatusCode::OK, &query.next, said))
}

#[handler]
pub async fn log_in(
    reader: Reader,
    request: &Request,
    Form(sent): Form<LogIn>,
    Data(authenticator): Data<&Authenticator>,
) -> Result<Response, Problem> {
    let headers = request.headers();
    same_site::check_posted(headers)?;
    if !authenticator.takes_log_ins() {
        return Ok(see("/"));
    }
    let (caller, digest) = match authenticator.log_in(sent.token.trim(), asks_from(request)).await {
        Ok(found) => found,
        Err(problem) => {
            let said = match problem.status {
                StatusCode::TOO_MANY_REQUESTS => Said::TooMany,
                StatusCode::SERVICE_UNAVAILABLE => Said::Busy,
                _ => Said::Wrong,
            };
            return Ok(shown(&reader, request, problem.status, &sent.next, said));
        }
    };
    let sessions = &reader.resources().sessions;
    for before in cookie::keys(headers) {
        // Where it stays, it ends by itself.
        let _ = sessions.end(before.digest()).await;
    }
    let browser = headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    let Ok(key) = sessions.begin(&caller.name, &digest, browser).await else {
        return Ok(shown(&reader, request, StatusCode::SERVICE_UNAVAILABLE, &sent.next, Said::NoStore));
    };
    tracing::info!(token = &*caller.name, peer = ?peer(request), "somebody has logged in to the page");
    let mut answer = see(&way_back(&sent.next));
    set(answer.headers_mut(), &cookie::kept(&key, Transport::of(headers)));
    Ok(answer)
}

#[handler]
pub async fn log_out(reader: Reader, request: &Request) -> Result<Response, Problem> {
    same_site::check_posted(request.headers())?;
    for key in cookie::keys(request.headers()) {
        reader.resources().sessions.end(key.digest()).await.map_err(ResourceError::from)?;
    }
    let mut answer = see("/login?out=1");
    cookie::forgotten().iter().for_each(|cookie| set(answer.headers_mut(), cookie));
    Ok(answer)
}

fn shown(reader: &Reader, request: &Request, status: StatusCode, next: &str, said: Said) -> Response {
    let is_readable = can_be_overheard(request.headers(), peer(request));
    let shown = context! { next => way_back(next), said => said.name(), is_readable => is_readable };
    reader.answer(status, "login", shown)
}

/// Whether, as far as is known, the token crosses a network without encryption. Browsers send `Sec-Fetch-Site` only where they
/// trust the way: by https, or to their own machine.
fn can_be_overheard(headers: &HeaderMap, peer: Option<IpAddr>) -> bool {
    Transport::of(headers) == Transport::Plain
        && !headers.contains_key("sec-fetch-site")
        && peer.is_some_and(|peer| !peer.to_canonical().is_loopback())
}

/// Leads on to another page.
fn see(path: &str) -> Response {
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, path).finish()
}

fn set(headers: &mut HeaderMap, cookie: &str) {
    if let Ok(cookie) = cookie.parse() {
        headers.append(header::SET_COOKIE, cookie);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_can_be_overheard_is_warned_and_nobody_else() {
        let headers = |name: &'static str, value: &str| {
            let request = Request::builder().header(name, value).finish();
            request.headers().clone()
        };
        let (lan, own) = ("192.168.1.7".parse().ok(), "::ffff:127.0.0.1".parse().ok());
        assert!(can_be_overheard(&HeaderMap::new(), lan));
        assert!(!can_be_overheard(&HeaderMap::new(), own), "it does not leave this machine, or a proxy passes it on");
        assert!(!can_be_overheard(&headers("x-forwarded-proto", "https"), lan));
        assert!(!can_be_overheard(&headers("sec-fetch-site", "none"), lan));
    }
}
