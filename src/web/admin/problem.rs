//! What the admin listener answers when it does not do what was asked: a problem document (RFC 9457).

use std::borrow::Cow;
use std::fmt;

use http::{HeaderName, HeaderValue, StatusCode, header};
use poem::error::{MethodNotAllowedError, NotFoundError, ResponseError};
use poem::{IntoResponse, Response};
use serde::{Serialize, Serializer};

/// Media type of a problem document.
pub const CONTENT_TYPE: &str = "application/problem+json";
/// The `type` of a problem that is no more than its status.
const BLANK: &str = "about:blank";

/// Why a request was not answered. Its texts go to whoever asks, so they hold no secret and no buyer's data.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// What sort of problem it is: a URI that programs go by, and nothing stands behind.
    #[serde(rename = "type")]
    pub kind: Cow<'static, str>,
    /// The same for each problem of its sort.
    pub title: Cow<'static, str>,
    #[serde(serialize_with = "number")]
    pub status: StatusCode,
    /// What is wrong with this request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    #[serde(skip)]
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Problem {
    /// A problem that is no more than its status.
    pub fn of_status(status: StatusCode) -> Self {
        let title = status.canonical_reason().unwrap_or("Refused").into();
        Self { kind: BLANK.into(), title, status, detail: None, headers: Vec::new() }
    }

    /// A problem of a sort of its own; `name` is in kebab-case.
    pub fn new(status: StatusCode, name: &str, title: &'static str) -> Self {
        let kind = format!("urn:orderbell:problem:{name}").into();
        Self { kind, title: title.into(), status, detail: None, headers: Vec::new() }
    }

    pub fn detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    /// With a header of the answer. A value that is none is left out.
    pub fn header(mut self, name: HeaderName, value: &str) -> Self {
        self.headers.extend(HeaderValue::from_str(value).ok().map(|value| (name, value)));
        self
    }

    /// There is no token, or a wrong one.
    pub fn unauthorised(challenge: &str, detail: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "no-access", "An access token is needed")
            .detail(detail)
            .header(header::WWW_AUTHENTICATE, challenge)
    }

    /// The address takes only these methods, with commas between them.
    pub fn method(allowed: &str) -> Self {
        Self::of_status(StatusCode::METHOD_NOT_ALLOWED)
            .detail(format!("this address takes {allowed}"))
            .header(header::ALLOW, allowed)
    }

    /// What stands behind any error of an endpoint.
    pub fn of(error: &poem::Error) -> Self {
        if let Some(problem) = error.downcast_ref::<Problem>() {
            return problem.clone();
        }
        let problem = Self::of_status(error.status());
        match error {
            _ if error.is::<NotFoundError>() => problem.detail("there is nothing at this address"),
            _ if error.is::<MethodNotAllowedError>() => problem.detail("this address does not take this method"),
            _ if error.status().is_client_error() => problem.detail(error.to_string()),
            // What went wrong within is for the log.
            _ => problem,
        }
    }
}

fn number<S: Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail.as_deref().unwrap_or(&self.title))
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }

    fn as_response(&self) -> Response {
        let body = serde_json::to_string(self).unwrap_or_default();
        let mut response = Response::builder().status(self.status).content_type(CONTENT_TYPE).body(body);
        response.headers_mut().extend(self.headers.iter().cloned());
        response
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        self.as_response()
    }
}

/// For the accept loop: an answer after which the connection closes.
pub fn refusal(status: StatusCode, detail: String) -> Response {
    let problem = Problem::of_status(status).detail(detail).header(header::CONNECTION, "close");
    problem.into_response()
}
