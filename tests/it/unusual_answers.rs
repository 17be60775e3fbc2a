//! Answers in an unusual dress: compressed, in other encodings, of mail servers that log in otherwise than they say, and of
//! receivers whose limits are smaller than the vendor's.

mod answers;
mod log_in;
mod too_long;

use jiff::Timestamp;
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::{Attempt, Channel};
use orderbell::domain::event::Kind;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::retry::Answer;

use crate::support::in_time;

fn client() -> Http {
    Http::new(&Settings { allow_private: true, ..Settings::default() }).expect("a client")
}

async fn send(channel: &dyn Channel, body: &str) -> Answer {
    let part = Part { index: 0, form: PartForm::Full, body: body.to_owned() };
    let attempt = Attempt { key: "key".to_owned(), kind: Kind::Test, now: Timestamp::now() };
    in_time(channel.send(&client(), &part, &attempt)).await
}
