//! What a provider or receiver is to the sandbox: which requests are its own, how it judges them, and what it shows of them.

use std::time::Duration;

use http::request::Parts;
use jiff::Timestamp;

use crate::domain::simulated::{Addressee, Demands};
use crate::sandbox::inbox::{MockVerdict, Received};
use crate::sandbox::reply::MockResponse;

/// A request to a simulated provider or receiver, with what it is judged by.
pub struct Call<'a> {
    pub parts: &'a Parts,
    pub body: &'a [u8],
    /// What its addressee demands; none where there is no such addressee.
    pub demands: Option<&'a Demands>,
    /// By the clock that signatures are checked by.
    pub now: Timestamp,
    /// Takes one of the addressee's allowance, which is blocked for so long when it is used up.
    pub admit: &'a dyn Fn(Duration) -> bool,
}

impl Call<'_> {
    pub fn query(&self) -> &str {
        self.parts.uri.query().unwrap_or_default()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.parts.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// What stands in a request, as far as it can be read.
#[derive(Debug, Default)]
pub struct Content {
    pub title: Option<String>,
    pub text: Option<String>,
    /// The idempotency key.
    pub key: Option<String>,
}

/// A simulated kind of provider or receiver.
pub trait Mock: Sync {
    /// As the configuration calls it.
    fn kind(&self) -> &'static str;

    /// What one of them is to people.
    fn label(&self) -> &'static str;

    /// What a person or a program at the other end gets to see.
    fn shown(&self, received: &Received) -> String {
        received.text.clone().unwrap_or_else(|| received.body.clone())
    }

    /// How it answers over HTTP, where it does.
    fn http(&self) -> Option<&dyn HttpMock> {
        None
    }
}

/// A simulated kind that is asked over HTTP.
pub trait HttpMock: Mock {
    /// Its line on the page that says what can be done here.
    fn help(&self) -> &'static str;

    /// Whom a request is for, where that is known without its body.
    fn addressee(&self, path: &str, query: &str) -> Option<Addressee>;

    /// Whom a request is for that says so in its body.
    fn addressee_in_body(&self, _path: &str, _body: &[u8]) -> Option<Addressee> {
        None
    }

    /// Reads a request without judging it.
    fn read(&self, parts: &Parts, body: &[u8]) -> Content;

    /// What it makes of a request, and what it answers.
    fn judge(&self, call: &Call<'_>) -> (MockVerdict, MockResponse);
}
