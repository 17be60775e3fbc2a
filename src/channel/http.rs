//! The one HTTP client: rustls with ring, no redirects, answers read through a cap, private addresses refused.

pub mod failure;
pub(super) mod guard;
mod packed;
pub(super) mod tls;

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::RequestBuilder;
use reqwest::redirect::Policy;
use url::Url;

use crate::channel::http::failure::{HttpFailure, NextHop, PROXY_WANTS_LOG_IN, words};
use crate::channel::http::guard::{PublicOnly, check_literal, check_name};
use crate::channel::http::packed::{says_deflate, unpacked};
use crate::domain::mask::known::Mask;
use crate::domain::secret::Secret;

/// What is read of an answer's body. The receivers' words fit many times over; an error page need not.
pub const MAX_ANSWER_BYTES: usize = 64 * 1024;
/// How long a connection may lie unused. Shorter than what servers allow, so that a request rarely meets one that is just
/// being closed: its outcome would be unknown.
const IDLE: Duration = Duration::from_secs(15);

/// The settings of one client.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Whether the receiver may be loopback or private; then `http://` is allowed too.
    pub allow_private: bool,
    /// For one request, from looking up the name to the last byte of the answer. Two thirds of it are for connecting.
    /// Default 15 s.
    pub timeout: Duration,
    /// `http://` or `https://` address of a proxy, with user and password if it wants them. None connects directly,
    /// whatever the environment says.
    pub proxy: Option<Secret>,
    /// PEM file with further certificate authorities.
    pub ca_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { allow_private: false, timeout: Duration::from_secs(15), proxy: None, ca_file: None }
    }
}

/// Why there is no client with these settings.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("the proxy is not usable: {0}")]
    Proxy(String),
    #[error("ca_file {}: {reason}", path.display())]
    CaFile { path: PathBuf, reason: String },
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
}

/// What the receiver said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status; redirects are answers like any other.
    pub status: u16,
    /// `Retry-After`, in seconds or as a date (then counted from the receiver's own clock); never negative.
    pub retry_after: Option<SignedDuration>,
    /// `Date`: the receiver's clock.
    pub date: Option<Timestamp>,
    /// At most [`MAX_ANSWER_BYTES`]; unpacked where it came compressed.
    pub body: Vec<u8>,
    /// The body is not whole: it was longer, or broke off, or took too long.
    pub truncated: bool,
}

impl Response {
    /// Of a body that is not whole, without the beginning of a secret at its end.
    #[must_use]
    pub fn without_cut_end(self, mask: &Mask) -> Self {
        if !self.truncated {
            return self;
        }
        let body = mask.without_cut_end(&String::from_utf8_lossy(&self.body)).as_bytes().to_vec();
        Self { body, ..self }
    }
}

/// An HTTP client with the settings of one channel. Cloning shares its connections.
#[derive(Clone)]
pub struct Http {
    client: reqwest::Client,
    allow_private: bool,
    next_hop: NextHop,
    /// How far the clock of the side that answered last is ahead of ours, in seconds; `NO_CLOCK` when none said.
    ahead_seconds: Arc<AtomicI64>,
    /// The address that was posted to last, as text and checked: a channel has one.
    address: Arc<Mutex<Option<(String, Url)>>>,
}

const NO_CLOCK: i64 = i64::MIN;

impl fmt::Debug for Http {
    // Not derived: the client inside knows the proxy's password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Http").field("allow_private", &self.allow_private).finish_non_exhaustive()
    }
}

impl Http {
    /// A client with these settings. Reads the machine's certificates, and `ca_file`, once.
    ///
    /// # Errors
    /// [`Unusable`] when the proxy's address or the CA file is wrong.
    pub fn new(settings: &Settings) -> Result<Self, Unusable> {
        let tls = tls::configuration(settings.ca_file.as_deref())
            .map_err(|reason| Unusable::CaFile { path: settings.ca_file.clone().unwrap_or_default(), reason })?;
        let mut builder = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("orderbell/", env!("CARGO_PKG_VERSION")))
            .no_proxy()
            .redirect(Policy::none())
            .referer(false)
            .tcp_nodelay(true)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout * 2 / 3)
            .pool_idle_timeout(IDLE);
        let mut exempt = None;
        if let Some(proxy) = &settings.proxy {
            exempt = proxy_host(proxy.expose()).map_err(Unusable::Proxy)?;
            let proxy = reqwest::Proxy::all(proxy.expose()).map_err(|error| Unusable::Proxy(words(error)))?;
            builder = builder.proxy(proxy);
        }
        if !settings.allow_private {
            builder = builder.dns_resolver(Arc::new(PublicOnly { exempt }));
        }
        let client = builder.build().map_err(|error| Unusable::Client(words(error)))?;
        let ahead_seconds = Arc::new(AtomicI64::new(NO_CLOCK));
        let next_hop = if settings.proxy.is_some() { NextHop::ByProxy } else { NextHop::Direct };
        Ok(Self { client, allow_private: settings.allow_private, next_hop, ahead_seconds, address: Arc::default() })
    }

    /// Posts `body` to `url` with these headers, once: no retry, no redirect. A header given here takes precedence over
    /// the client's own `User-Agent`.
    ///
    /// # Errors
    /// [`HttpFailure`], by what is known of the request's fate. An answer of any status is no error.
    pub async fn post(
        &self,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<reqwest::Body>,
    ) -> Result<Response, HttpFailure> {
        let headers = header_map(headers)?;
        self.send(url, |url| self.client.post(url).headers(headers).body(body)).await
    }

    /// Asks for `url`, once: no retry, no redirect.
    ///
    /// # Errors
    /// As [`Http::post`].
    pub async fn get(&self, url: &str) -> Result<Response, HttpFailure> {
        self.send(url, |url| self.client.get(url)).await
    }

    async fn send(&self, url: &str, request: impl FnOnce(Url) -> RequestBuilder) -> Result<Response, HttpFailure> {
        // What another receiver's clock said says nothing of this one's.
        self.ahead_seconds.store(NO_CLOCK, Ordering::Relaxed);
        let url = self.address(url)?;
        if self.next_hop == NextHop::ByProxy && !self.allow_private {
            // The proxy looks up the name, so no resolver of ours sees where it leads.
            check_name(&url).await.map_err(|error| HttpFailure::Refused(error.to_string()))?;
        }
        let answer = request(url).send().await;
        let answer = answer.map_err(|error| HttpFailure::of(error, self.next_hop))?;
        let arrived = this_machines_clock();
        let response = read(answer, arrived).await;
        if self.next_hop == NextHop::ByProxy && response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED.as_u16() {
            return Err(HttpFailure::Refused(PROXY_WANTS_LOG_IN.to_owned()));
        }
        let ahead = response.date.map(|date| date.as_second() - arrived.as_second());
        self.ahead_seconds.store(ahead.unwrap_or(NO_CLOCK), Ordering::Relaxed);
        Ok(response)
    }

    /// How far the clock of the side that answered last is ahead of this machine's, by its `Date`; exact to about a second.
    /// None when it did not say, and while no answer has come to the last request.
    pub fn clock_ahead(&self) -> Option<SignedDuration> {
        match self.ahead_seconds.load(Ordering::Relaxed) {
            NO_CLOCK => None,
            seconds => Some(SignedDuration::from_secs(seconds)),
        }
    }

    /// The address to post to, checked once.
    fn address(&self, url: &str) -> Result<Url, HttpFailure> {
        let mut last = self.address.lock().unwrap_or_else(PoisonError::into_inner);
        match last.as_ref().filter(|(text, _)| text == url) {
            Some((_, checked)) => Ok(checked.clone()),
            None => {
                let checked = self.checked(url)?;
                *last = Some((url.to_owned(), checked.clone()));
                Ok(checked)
            }
        }
    }

    fn checked(&self, url: &str) -> Result<Url, HttpFailure> {
        let url =
            Url::parse(url).map_err(|error| HttpFailure::Refused(format!("the address is not a URL: {error}")))?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err(HttpFailure::Refused("the address must begin with https://".to_owned()));
        }
        if !self.allow_private {
            check_literal(&url).map_err(|error| HttpFailure::Refused(error.to_string()))?;
            if url.scheme() == "http" {
                return Err(HttpFailure::Refused("http:// is only taken with allow_private = true".to_owned()));
            }
        }
        Ok(url)
    }
}

/// The name of a proxy's host, where it is one and not an IP address.
fn proxy_host(proxy: &str) -> Result<Option<String>, String> {
    let url = Url::parse(proxy).map_err(|error| format!("its address is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err("its address must begin with http:// or https://".to_owned());
    }
    Ok(url.domain().map(str::to_owned))
}

fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap, HttpFailure> {
    let mut map = HeaderMap::with_capacity(headers.len());
    for (name, value) in headers {
        let malformed = |part: &str| HttpFailure::Refused(format!("the {part} of header {name:?} is malformed"));
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| malformed("name"))?;
        let mut value = HeaderValue::from_str(value).map_err(|_| malformed("value"))?;
        value.set_sensitive(true);
        map.insert(key, value);
    }
    Ok(map)
}

/// Asked for when the head of an answer has come, because the answer's dates are compared with it.
#[expect(clippy::disallowed_methods, reason = "it is this machine's clock that is compared with another's")]
fn this_machines_clock() -> Timestamp {
    Timestamp::now()
}

async fn read(mut answer: reqwest::Response, arrived: Timestamp) -> Response {
    let date = answer.headers().get(header::DATE).and_then(http_date);
    let retry_after =
        answer.headers().get(header::RETRY_AFTER).and_then(|value| retry_after(value, date.unwrap_or(arrived)));
    let (status, is_deflate) = (answer.status().as_u16(), says_deflate(answer.headers()));
    let (body, is_cut) = whole_body(&mut answer).await;
    let (body, is_missing_some) = unpacked(body, is_deflate, MAX_ANSWER_BYTES);
    Response { status, retry_after, date, body, truncated: is_cut || is_missing_some }
}

/// At most so many bytes of a body, and whether there is more or it broke off.
async fn whole_body(answer: &mut reqwest::Response) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => {
                let room = MAX_ANSWER_BYTES - body.len();
                body.extend_from_slice(&chunk[..chunk.len().min(room)]);
                if chunk.len() > room {
                    return (body, true);
                }
            }
            Ok(None) => return (body, false),
            Err(_) => return (body, true),
        }
    }
}

/// An HTTP date, which is an RFC 2822 date in GMT.
fn http_date(value: &HeaderValue) -> Option<Timestamp> {
    rfc2822::DateTimeParser::new().parse_timestamp(value.to_str().ok()?).ok()
}

/// `said_at` is when the answer was made, by the clock that its date is of.
fn retry_after(value: &HeaderValue, said_at: Timestamp) -> Option<SignedDuration> {
    let text = value.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse().map_or(SignedDuration::MAX, SignedDuration::from_secs));
    }
    let until = http_date(value)?;
    Some(until.duration_since(said_at).max(SignedDuration::ZERO))
}
