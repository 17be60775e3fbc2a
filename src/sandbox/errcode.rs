//! How the robots of DingTalk and WeCom answer: HTTP says yes to everything, `errcode` says what it means.

use http::StatusCode;
use serde_json::json;

use crate::sandbox::inbox::Verdict;
use crate::sandbox::reply::{Answer, json_answer};

/// An `errcode` other than 0, with its `errmsg`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub errcode: i64,
    pub errmsg: String,
}

impl Refusal {
    pub fn new(errcode: i64, errmsg: impl Into<String>) -> Self {
        Self { errcode, errmsg: errmsg.into() }
    }
}

/// The answer's body.
pub fn body(refusal: Option<&Refusal>) -> String {
    match refusal {
        None => json!({ "errcode": 0, "errmsg": "ok" }).to_string(),
        Some(refusal) => json!({ "errcode": refusal.errcode, "errmsg": refusal.errmsg }).to_string(),
    }
}

/// A robot's verdict with its answer.
pub fn answered(judged: Result<(), Refusal>) -> (Verdict, Answer) {
    let answer = json_answer(StatusCode::OK, body(judged.as_ref().err()));
    let verdict = judged.map_or_else(
        |refusal| Verdict::Refused(format!("{} {}", refusal.errcode, refusal.errmsg)),
        |()| Verdict::Accepted,
    );
    (verdict, answer)
}
