//! What the API answers when it does not do what was asked, and how its document says so.

use http::{StatusCode, header};
use poem_openapi::payload::Json;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiResponse, Object};

use crate::flow::resources::ResourceError;
use crate::web::admin::problem::{CONTENT_TYPE, Problem};

/// An answer in JSON, or a problem document.
pub type ApiAnswer<T> = Result<Json<T>, Problem>;

/// Why a request was not answered (RFC 9457).
#[derive(Object)]
#[oai(rename = "Problem", skip_serializing_if_is_none)]
struct ProblemDocument {
    /// What sort of problem it is: a URI that programs go by.
    #[oai(rename = "type")]
    kind: String,
    /// The same for each problem of its sort.
    title: String,
    /// The status of the answer.
    #[oai(validator(minimum(value = "400"), maximum(value = "599")))]
    status: u16,
    /// What is wrong with this request.
    detail: Option<String>,
}

impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        let content = vec![MetaMediaType { content_type: CONTENT_TYPE, schema: ProblemDocument::schema_ref() }];
        let description = "Not done, and why.";
        let any = MetaResponse { description, status: None, status_range: None, content, headers: Vec::new() };
        MetaResponses { responses: vec![any] }
    }

    fn register(registry: &mut Registry) {
        ProblemDocument::register(registry);
    }
}

impl From<ResourceError> for Problem {
    fn from(error: ResourceError) -> Self {
        let detail = error.to_string();
        let problem = match error {
            ResourceError::Missing(_) => Problem::new(StatusCode::NOT_FOUND, "no-such-thing", "There is no such thing"),
            ResourceError::Cursor => Problem::new(StatusCode::BAD_REQUEST, "wrong-cursor", "The cursor does not fit"),
            ResourceError::Senseless(_) => {
                Problem::new(StatusCode::BAD_REQUEST, "senseless", "The request makes no sense")
            }
            ResourceError::Conflict(_) | ResourceError::UnderWay(_) => {
                Problem::new(StatusCode::CONFLICT, "conflict", "Things stand otherwise")
            }
            ResourceError::Unanswered(_) => Problem::new(StatusCode::BAD_GATEWAY, "no-answer", "Nothing answered"),
            ResourceError::Busy(_) => Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", "Too many at once")
                .header(header::RETRY_AFTER, "10"),
            ResourceError::Store(_) => {
                let title = "The store cannot be used now";
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no-store", title).header(header::RETRY_AFTER, "10")
            }
        };
        problem.detail(detail)
    }
}
