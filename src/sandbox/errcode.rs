//! How the robots of DingTalk and WeCom answer: HTTP accepts everything, `errcode` says what it means.

use http::StatusCode;
use serde_json::json;

use crate::sandbox::inbox::MockVerdict;
use crate::sandbox::reply::{MockResponse, json_answer};

/// An `errcode` other than 0, with its `errmsg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MockRefusal {
    pub errcode: i64,
    pub errmsg: String,
}

impl MockRefusal {
    pub fn new(errcode: i64, errmsg: impl Into<String>) -> Self {
        Self { errcode, errmsg: errmsg.into() }
    }
}

/// The answer's body.
pub fn body(refusal: Option<&MockRefusal>) -> String {
    match refusal {
        None => json!({ "errcode": 0, "errmsg": "ok" }).to_string(),
        Some(refusal) => json!({ "errcode": refusal.errcode, "errmsg": refusal.errmsg }).to_string(),
    }
}

/// A robot's verdict with its answer.
pub fn answered(judged: Result<(), MockRefusal>) -> (MockVerdict, MockResponse) {
    let answer = json_answer(StatusCode::OK, body(judged.as_ref().err()));
    let verdict = judged.map_or_else(
        |refusal| MockVerdict::Refused(format!("{} {}", refusal.errcode, refusal.errmsg)),
        |()| MockVerdict::Accepted,
    );
    (verdict, answer)
}
