//! *Sessions*: in which browsers somebody is logged in, and how to end that.

use http::{StatusCode, header};
use minijinja::{Value, context};
use poem::web::{Data, Form, Query};
use poem::{Response, handler};
use serde::Deserialize;

use crate::domain::session::{LoginSession, SessionDigest};
use crate::flow::resources::ResourceError;
use crate::web::admin::access::Authenticator;
use crate::web::admin::page::reader::Reader;
use crate::web::admin::problem::Problem;

/// What has been done, as the address of the list says it.
#[derive(Deserialize)]
struct Done {
    ended: Option<u32>,
}

#[derive(Deserialize)]
struct Ended {
    session: String,
}

#[handler]
pub async fn list(
    reader: Reader,
    Query(done): Query<Done>,
    Data(authenticator): Data<&Authenticator>,
) -> Result<Response, Problem> {
    let all = reader.resources().sessions.all().await.map_err(ResourceError::from)?;
    let (may_change, own) = (reader.may_change(), reader.caller.as_ref().map(|caller| caller.name.clone()));
    // Whoever only reads is shown their own.
    let is_seen = |session: &&LoginSession| {
        authenticator.has_token(&session.token) && (may_change || own.as_deref() == Some(&*session.token))
    };
    let rows: Vec<Value> = all.iter().filter(is_seen).map(|session| row(session, this(&reader))).collect();
    let others = rows.len() > usize::from(this(&reader).is_some());
    let takes_log_ins = authenticator.takes_log_ins();
    let shown = context! { sessions => rows, others => others, takes_log_ins => takes_log_ins, ended => done.ended };
    Ok(reader.page("sessions", shown))
}

#[handler]
pub async fn end(reader: Reader, Form(sent): Form<Ended>) -> Result<Response, Problem> {
    let missing = || Problem::from(ResourceError::Missing("such session".to_owned()));
    let digest = SessionDigest::read(&sent.session).ok_or_else(missing)?;
    let was_there = reader.resources().sessions.end(digest).await.map_err(ResourceError::from)?;
    Ok(back(usize::from(was_there)))
}

#[handler]
pub async fn end_others(reader: Reader) -> Result<Response, Problem> {
    let ended = reader.resources().sessions.end_others(this(&reader)).await.map_err(ResourceError::from)?;
    Ok(back(ended))
}

/// The session by which the page itself is read.
fn this(reader: &Reader) -> Option<SessionDigest> {
    reader.session.as_ref().map(|current| current.session.digest)
}

fn row(session: &LoginSession, this: Option<SessionDigest>) -> Value {
    context! {
        id => session.digest.to_string(),
        token => session.token.as_str(),
        browser => session.browser.as_str(),
        begun_at => session.begun_at.to_string(),
        used_at => session.used_at.to_string(),
        is_this => this == Some(session.digest),
    }
}

fn back(ended: usize) -> Response {
    let address = format!("/sessions?ended={ended}");
    Response::builder().status(StatusCode::SEE_OTHER).header(header::LOCATION, address).finish()
}
