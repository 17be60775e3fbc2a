//! Why there is no answer: what is known of the request's fate, in words without addresses and credentials.

use std::error::Error;
use std::io::ErrorKind;

use crate::channel::http::guard::PrivateAddress;
use crate::domain::retry::{Answer, Outcome, quoted};

/// Why there is no answer. No text in it holds the address, since that often holds a credential.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HttpFailure {
    /// We do not send there: a setting must change first.
    #[error("not sent: {0}")]
    Refused(String),
    /// The name, the proxy, the connection or TLS failed: nothing was sent.
    #[error("not connected: {0}")]
    NotConnected(String),
    /// Too late, or broken off after connecting: the request may have arrived.
    #[error("no answer: {0}")]
    NoAnswer(String),
}

impl From<HttpFailure> for Answer {
    /// What becomes of a message that got no answer.
    fn from(failure: HttpFailure) -> Self {
        let outcome = match &failure {
            HttpFailure::Refused(_) => Outcome::Misconfigured,
            HttpFailure::NotConnected(_) => Outcome::Retry { after: None },
            HttpFailure::NoAnswer(_) => Outcome::Unknown,
        };
        Self { outcome, detail: failure.to_string() }
    }
}

/// Where a request goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHop {
    Direct,
    ByProxy,
}

/// What is said when a proxy wants to know who we are (HTTP 407).
pub const PROXY_WANTS_LOG_IN: &str = "the proxy wants a user and a password, or others";

impl HttpFailure {
    pub fn of(error: reqwest::Error, next_hop: NextHop) -> Self {
        if let Some(private) = sources(&error).find_map(|source| source.downcast_ref::<PrivateAddress>()) {
            return HttpFailure::Refused(private.to_string());
        }
        if sources(&error).any(|source| source.to_string().contains("proxy authorization required")) {
            return HttpFailure::Refused(PROXY_WANTS_LOG_IN.to_owned());
        }
        if error.is_builder() {
            HttpFailure::Refused(words(error))
        } else if error.is_connect() {
            HttpFailure::NotConnected(words_of(error, next_hop))
        } else {
            HttpFailure::NoAnswer(words(error))
        }
    }
}

/// What went wrong, from the outside in, without the address. What the receiver may have put in stands in quotes.
pub fn words(error: reqwest::Error) -> String {
    words_of(error, NextHop::Direct)
}

fn words_of(error: reqwest::Error, next_hop: NextHop) -> String {
    let (own, said) = described(error);
    let by = match next_hop {
        NextHop::Direct => "",
        NextHop::ByProxy => ", by way of the proxy",
    };
    quoted(&format!("{own}{by}"), &said)
}

/// Our own words for it, and those that may hold what the receiver said.
fn described(error: reqwest::Error) -> (String, String) {
    let own = |words: &str| (words.to_owned(), String::new());
    if error.is_timeout() {
        return own(if error.is_connect() { "timed out while connecting" } else { "timed out" });
    }
    // The operating system's word for it says more than the layers around it.
    if let Some(cause) = sources(&error).find_map(|source| source.downcast_ref::<std::io::Error>()).and_then(plain) {
        return own(cause);
    }
    let (is_builder, is_connect) = (error.is_builder(), error.is_connect());
    let is_tls = sources(&error).any(is_of_tls);
    let error = error.without_url();
    let mut layers = String::new();
    for text in sources(&error).skip(1).map(ToString::to_string) {
        if !layers.contains(&text) {
            layers.push_str(if layers.is_empty() { "" } else { ": " });
            layers.push_str(&text);
        }
    }
    if layers.is_empty() {
        layers = error.to_string();
    }
    match () {
        // The machine's own resolver, and what our own settings come to.
        () if is_builder || layers.contains("dns error") => (layers, String::new()),
        // A certificate holds names that its maker chose.
        () if is_tls => ("the connection cannot be encrypted".to_owned(), layers),
        () if is_connect && layers.contains("tunnel error") => {
            ("the proxy did not open the way to the receiver".to_owned(), layers)
        }
        // A receiver that closes an HTTP/2 connection may say why.
        () => ("the connection failed".to_owned(), layers),
    }
}

fn is_of_tls(error: &(dyn Error + 'static)) -> bool {
    let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    error.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
}

fn plain(error: &std::io::Error) -> Option<&'static str> {
    match error.kind() {
        ErrorKind::ConnectionRefused => Some("connection refused"),
        ErrorKind::ConnectionReset => Some("the connection was reset"),
        ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe | ErrorKind::UnexpectedEof => {
            Some("the connection was closed before an answer came")
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => Some("the network cannot be reached"),
        _ => None,
    }
}

/// The error itself and what caused it, outermost first.
fn sources<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}
