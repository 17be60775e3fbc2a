//! *Reports*: today so far, past days with what became of their messages, the picture, and a day sent again.

use http::{StatusCode, header};
use jiff::civil::Date;
use minijinja::{Value, context};
use poem::web::{Form, Path, Query};
use poem::{Response, handler};
use serde::Deserialize;
use url::Url;

use crate::domain::picture::theme::Theme;
use crate::flow::resources::report::MadeReport;
use crate::web::admin::page::message;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::page::values::{plain, shown};
use crate::web::admin::problem::Problem;

#[derive(Deserialize)]
struct Chosen {
    day: String,
}

#[derive(Deserialize)]
struct Opened {
    /// It was sent just now.
    sent: Option<String>,
}

#[derive(Deserialize)]
struct Drawn {
    theme: Option<String>,
}

#[derive(Deserialize)]
struct Sent {
    /// What stood for what persons had sent when the page was opened.
    so_far: String,
}

#[handler]
pub async fn list(reader: Reader) -> Result<Response, Problem> {
    let reports = reader.resources().reports().await?.items;
    Ok(reader.page("reports", context! { reports => reports.iter().map(shown).collect::<Vec<Value>>() }))
}

/// Leads to the day that was chosen.
#[handler]
pub async fn chosen(Path(name): Path<String>, Query(chosen): Query<Chosen>) -> Result<Response, Problem> {
    let day: Date = chosen
        .day
        .parse()
        .map_err(|_| Problem::of_status(StatusCode::BAD_REQUEST).detail("write the day as 2026-11-21"))?;
    Ok(to_day(&name, &day.to_string(), ""))
}

#[handler]
pub async fn one_day(
    reader: Reader,
    Path((name, day)): Path<(String, String)>,
    Query(opened): Query<Opened>,
) -> Result<Response, Problem> {
    let found = reader.resources().shown_day(&name, &day, reader.language).await?;
    let reports = reader.resources().reports().await?.items;
    let report = reports.iter().find(|report| report.name == name);
    let covers = |made: &&MadeReport| {
        let date = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Date>().ok());
        let (from, to) = (date(&made.from), date(&made.to));
        from.is_some_and(|from| from <= found.day) && to.is_some_and(|to| found.day <= to)
    };
    let past = report.map(|report| report.past.iter().filter(covers).map(shown).collect::<Vec<_>>());
    Ok(reader.page(
        "reports_day",
        context! {
            day => plain(&found),
            parts_shown => message::composed(&reader, &found.message.parts),
            to => report.map(|report| report.to.clone()),
            past => past,
            was_sent => opened.sent.is_some(),
        },
    ))
}

#[handler]
pub async fn picture(
    reader: Reader,
    Path((name, day)): Path<(String, String)>,
    Query(drawn): Query<Drawn>,
) -> Result<Response, Problem> {
    let theme = if drawn.theme.as_deref() == Some("dark") { Theme::Dark } else { Theme::Light };
    let png = reader.resources().day_picture(&name, &day, reader.language, theme).await?;
    Ok(Response::builder().content_type("image/png").body(png))
}

#[handler]
pub async fn send(
    reader: Reader,
    Path((name, day)): Path<(String, String)>,
    Form(sent): Form<Sent>,
) -> Result<Response, Problem> {
    reader.must_change()?;
    reader.resources().send_day(&name, &day, &sent.so_far).await?;
    Ok(to_day(&name, &day, "?sent=1"))
}

fn to_day(name: &str, day: &str, query: &str) -> Response {
    let Ok(mut address) = Url::parse("http://localhost/reports") else { return StatusCode::NOT_FOUND.into() };
    if let Ok(mut path) = address.path_segments_mut() {
        path.push(name).push(day);
    }
    let address = format!("{}{query}", address.path());
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, address).finish()
}
