//! In which language somebody reads: kept in a cookie of their browser.

use http::{StatusCode, header};
use poem::web::Form;
use poem::{Response, handler};
use serde::Deserialize;

use crate::web::admin::page::reader::{LANGUAGE_COOKIE, own, way_back};
use crate::web::admin::problem::Problem;

#[derive(Deserialize)]
struct Choice {
    language: String,
    #[serde(default)]
    next: String,
}

#[handler]
pub async fn choose(Form(choice): Form<Choice>) -> Result<Response, Problem> {
    let unknown = || Problem::of_status(StatusCode::BAD_REQUEST).detail("there is no such language");
    let language = own(&choice.language).ok_or_else(unknown)?;
    let year = 365 * 24 * 60 * 60;
    let cookie = format!("{LANGUAGE_COOKIE}={language}; Path=/; Max-Age={year}; SameSite=Lax; HttpOnly");
    let answer = Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, way_back(&choice.next));
    Ok(answer.header(header::SET_COOKIE, cookie).finish())
}
