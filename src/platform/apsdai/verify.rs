//! Whether a request is APSDAI's: its token and its time. What it says is not covered by either.

use http::HeaderMap;
use jiff::{SignedDuration, Timestamp};

use crate::domain::sign;
use crate::platform::apsdai::settings::Apsdai;
use crate::platform::{Method, Refusal, WebhookRequest};

/// The headers of a request.
pub const TOKEN: &str = "x-apsdai-token";
pub const TIMESTAMP: &str = "x-apsdai-timestamp";
pub const EVENT: &str = "x-apsdai-event";

/// How far from its making a proof may come with more than one content: two sales can share a millisecond. Of a time that lies
/// further ahead, too, the proof may have been seen long before.
const FRESH: SignedDuration = SignedDuration::from_secs(10);

/// A request that was believed. Only [`verify`] makes one.
pub struct VerifiedApsdai<'a> {
    body: &'a [u8],
    event: Option<String>,
    stamp: Option<Stamp>,
    recipe: &'static str,
    fresh: bool,
}

impl<'a> VerifiedApsdai<'a> {
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The event as the header names it.
    pub fn event(&self) -> Option<&str> {
        self.event.as_deref()
    }

    /// When it was triggered; unknown only in token mode "password".
    pub fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// How it was believed, for people.
    pub fn recipe(&self) -> &'static str {
        self.recipe
    }

    /// Whether its proof was made just now.
    pub fn is_fresh(&self) -> bool {
        self.fresh
    }
}

/// The value of `X-Apsdai-Timestamp`.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// As it enters the signature.
    pub number: i64,
    pub at: Timestamp,
}

/// Believes a request or refuses it.
///
/// # Errors
/// [`Refusal::Method`] for anything but POST; [`Refusal::Shape`] without a token, or without a timestamp that is one where the
/// token is made of it; [`Refusal::Token`] when the token is wrong; [`Refusal::Stale`] when it is right and the time is not.
pub fn verify<'a>(apsdai: &Apsdai, request: &WebhookRequest<'a>) -> Result<VerifiedApsdai<'a>, Refusal> {
    if request.method != Method::Post {
        return Err(Refusal::Method);
    }
    let token = request.headers.get(TOKEN).ok_or_else(|| shape("X-Apsdai-Token is missing"))?.as_bytes();
    let (stamp, unread) = match stamp(request.headers) {
        Ok(stamp) => (stamp, None),
        // The password says who sends without it.
        Err(refusal) => (None, Some(refusal)),
    };
    let (holds, recipe) = match (&apsdai.secret, &apsdai.password) {
        (Some(secret), _) => {
            let stamp = stamp.ok_or_else(|| unread.unwrap_or_else(|| shape("X-Apsdai-Timestamp is missing")))?;
            // The rule is that of DingTalk's robots.
            let expected = sign::dingtalk(secret.expose(), stamp.number);
            (sign::same(&decoded(token), expected.as_bytes()), "signed token")
        }
        (None, Some(password)) => (sign::same(token, password.expose().as_bytes()), "password"),
        (None, None) => (false, ""),
    };
    if !holds {
        return Err(Refusal::Token);
    }
    let age = stamp.map(|stamp| request.now.duration_since(stamp.at));
    if let Some(age) = age.filter(|age| apsdai.max_age != SignedDuration::ZERO && age.abs() > apsdai.max_age) {
        return Err(Refusal::Stale { off_by_seconds: age.as_secs() });
    }
    let event = request.headers.get(EVENT).map(|event| String::from_utf8_lossy(event.as_bytes()).into_owned());
    let fresh = age.is_some_and(|age| age.abs() <= FRESH);
    Ok(VerifiedApsdai { body: request.body, event, stamp, recipe, fresh })
}

/// A number as it is written without a sign or leading zeros, so that no second spelling of it makes another proof.
fn stamp(headers: &HeaderMap) -> Result<Option<Stamp>, Refusal> {
    /// Documented for the signature in milliseconds; a smaller number can only be seconds.
    const SMALLEST_MILLISECONDS: i64 = 100_000_000_000;
    let Some(value) = headers.get(TIMESTAMP) else { return Ok(None) };
    let wrong = || shape("X-Apsdai-Timestamp is not a time in milliseconds");
    let text = value.to_str().map_err(|_| wrong())?.trim();
    let number: i64 = text.parse().map_err(|_| wrong())?;
    if number <= 0 || number.to_string() != text {
        return Err(wrong());
    }
    let at = match number {
        ..SMALLEST_MILLISECONDS => Timestamp::from_second(number),
        _ => Timestamp::from_millisecond(number),
    };
    Ok(Some(Stamp { number, at: at.map_err(|_| wrong())? }))
}

/// The bytes that `%2B` and its like stand for, in either case; all else stays.
fn decoded(token: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(token.len());
    let mut rest = token;
    while let Some((&byte, after)) = rest.split_first() {
        let escaped = (byte == b'%').then(|| after.get(..2)).flatten().and_then(|digits| hex::decode(digits).ok());
        match escaped.as_deref() {
            Some([byte]) => {
                plain.push(*byte);
                rest = &after[2..];
            }
            _ => {
                plain.push(byte);
                rest = after;
            }
        }
    }
    plain
}

fn shape(what: &str) -> Refusal {
    Refusal::Shape(what.to_owned())
}
