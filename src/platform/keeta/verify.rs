//! Whether a request is Keeta's: the envelope's shape, the signature over its raw values, and its time.

use std::borrow::Cow;
use std::fmt;

use jiff::SignedDuration;
use jiff::Timestamp;
use serde::de::Deserializer;
use serde::de::Error as _;
use serde::de::MapAccess;
use serde::de::Visitor;
use serde_json::value::RawValue;

use crate::domain::event::Proof;
use crate::domain::json;
use crate::domain::sign;
use crate::platform::Method;
use crate::platform::Platform;
use crate::platform::Refusal;
use crate::platform::Request;
use crate::platform::keeta::Keeta;
use crate::platform::keeta::Verify;

/// A request that was believed. Only [`verify`] makes one.
pub struct Verified<'a> {
    content: Content<'a>,
    proof: Proof,
}

impl<'a> Verified<'a> {
    pub fn content(&self) -> &Content<'a> {
        &self.content
    }

    pub fn proof(&self) -> &Proof {
        &self.proof
    }
}

/// What a believed request holds.
pub enum Content<'a> {
    /// The heartbeat: an empty packet. It carries no signature, so it counts for nothing but a sign of life.
    Nothing,
    Envelope(Envelope<'a>),
    /// Event 1: the authorisation code, flat. The code itself goes no further than this.
    AuthorisationCode {
        /// SHA-256 of the code, to recognise a repeat.
        fingerprint: [u8; 32],
        at: Timestamp,
    },
}

/// The envelope of every other event.
pub struct Envelope<'a> {
    pub event_id: u64,
    /// At most 64 letters, digits, `_` and `-`.
    pub message_id: String,
    /// Digits.
    pub shop_id: String,
    /// Empty, or JSON; by the documentation an object.
    pub message: Cow<'a, str>,
    pub at: Timestamp,
}

/// Believes a request or refuses it.
///
/// # Errors
/// [`Refusal::Shape`] for what is no envelope of Keeta's; [`Refusal::AnotherApp`]; [`Refusal::Signature`] when no recipe
/// matches and the source enforces; [`Refusal::Stale`] when the signature holds and the time does not.
pub fn verify<'a>(keeta: &Keeta, request: &Request<'a>) -> Result<Verified<'a>, Refusal> {
    let members = match request.method {
        Method::Get => Members::of_query(request.query.unwrap_or_default())?,
        Method::Post if is_empty_packet(request.body) => {
            return Ok(Verified { content: Content::Nothing, proof: Proof::Unproven });
        }
        Method::Post => Members::of_body(request.body)?,
    };
    if request.method == Method::Get && members.get("code").is_none() {
        return Err(Refusal::Method);
    }
    let app_id = members.integer("appId")?;
    if app_id != keeta.app_id {
        return Err(Refusal::AnotherApp(app_id.to_string()));
    }
    let content = match request.method {
        Method::Get => members.authorisation_code()?,
        Method::Post if members.get("code").is_some() && members.get("message").is_none() => {
            members.authorisation_code()?
        }
        Method::Post => Content::Envelope(members.envelope()?),
    };
    let proof = match (members.matching_recipe(keeta, request.address)?, keeta.verify) {
        (Some(recipe), _) => Proof::Held(recipe.to_owned()),
        (None, Verify::Observe) => Proof::Unproven,
        (None, Verify::Enforce) => return Err(Refusal::Signature),
    };
    let at = match &content {
        Content::Envelope(envelope) => envelope.at,
        Content::AuthorisationCode { at, .. } => *at,
        Content::Nothing => request.now,
    };
    let off_by = request.now.duration_since(at);
    // Of a webhook that nobody proved, the time is nothing to go by either.
    if proof != Proof::Unproven && keeta.max_age != SignedDuration::ZERO && off_by.abs() > keeta.max_age {
        return Err(Refusal::Stale { off_by_seconds: off_by.as_secs() });
    }
    Ok(Verified { content, proof })
}

/// Zero bytes, blanks, `{}`, `null`, `""` and `[]` all ask whether we live.
fn is_empty_packet(body: &[u8]) -> bool {
    let mut bytes = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace());
    let start: [Option<u8>; 5] = std::array::from_fn(|_| bytes.next());
    matches!(
        start,
        [None, ..]
            | [Some(b'{'), Some(b'}'), None, ..]
            | [Some(b'['), Some(b']'), None, ..]
            | [Some(b'"'), Some(b'"'), None, ..]
            | [Some(b'n'), Some(b'u'), Some(b'l'), Some(b'l'), None]
    )
}

/// The ways in which the address may enter the signed string, tried in this sequence. Which one live webhooks follow is
/// not documented; the first is the best supported.
const RECIPES: [(&str, bool, &str); 4] = [
    ("address as registered, with '?'", false, "?"),
    ("address with the other trailing slash, with '?'", true, "?"),
    ("address as registered, without '?'", false, ""),
    ("address with the other trailing slash, without '?'", true, ""),
];

/// The string that is signed begins with this for the default recipe.
pub fn default_address(address: &str) -> String {
    format!("{address}?")
}

/// More members than any envelope has. What is not signed yet is not looked at any further, so that comparing each with each
/// costs no more than a constant.
const MAX_MEMBERS: usize = 64;

/// The members of the request in their sequence, with the raw text of each value: at most [`MAX_MEMBERS`], each name once.
struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Members<'a> {
    fn of_body(body: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| shape("the body is not UTF-8"))?;
        serde_json::from_str::<Self>(text)
            .map_err(|error| shape(format!("the body is no flat JSON object: {}", category(&error))))
    }

    fn of_query(query: &'a str) -> Result<Self, Refusal> {
        let mut members = Self(Vec::with_capacity(8));
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            members.add(name, value).map_err(|unfit| shape(format!("the query: {unfit}")))?;
        }
        Ok(members)
    }

    /// # Errors
    /// What is wrong with it, one of [`UNFIT`].
    fn add(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) -> Result<(), &'static str> {
        if self.0.len() == MAX_MEMBERS {
            return Err(TOO_MANY);
        }
        if self.get(&name).is_some() {
            return Err(TWICE);
        }
        self.0.push((name, value));
        Ok(())
    }

    fn get(&self, name: &str) -> Option<&Cow<'a, str>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    fn need(&self, name: &str) -> Result<&Cow<'a, str>, Refusal> {
        self.get(name).ok_or_else(|| shape(format!("{name} is missing")))
    }

    /// A whole number without sign, whether it came as a number in any spelling or as a string of digits: the signed string
    /// is the same.
    fn integer(&self, name: &str) -> Result<u64, Refusal> {
        let text = self.need(name)?;
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = match digits {
            true => text.parse().ok(),
            false => json::whole(text).and_then(|number| number.try_into().ok()),
        };
        number.ok_or_else(|| shape(format!("{name} is no whole number")))
    }

    /// A text, or a number: a whole one by its digits, in whatever spelling.
    fn id(&self, name: &str) -> Result<String, Refusal> {
        let text = self.need(name)?;
        let whole = if is_text(text) { None } else { json::whole(text) };
        Ok(whole.map_or_else(|| text.clone().into_owned(), |whole| whole.to_string()))
    }

    fn instant(&self, name: &str) -> Result<Timestamp, Refusal> {
        // Documented in seconds; one integrator met milliseconds at event 1.
        const SMALLEST_MILLISECONDS: i64 = 100_000_000_000;
        let number = i64::try_from(self.integer(name)?).map_err(|_| shape(format!("{name} is out of range")))?;
        let at = if number < SMALLEST_MILLISECONDS {
            Timestamp::from_second(number)
        } else {
            Timestamp::from_millisecond(number)
        };
        at.map_err(|_| shape(format!("{name} is out of range")))
    }

    fn envelope(&self) -> Result<Envelope<'a>, Refusal> {
        let message_id = self.id("messageId")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if message_id.is_empty() || message_id.len() > 64 || !message_id.bytes().all(plain) {
            return Err(shape("messageId is not 1 to 64 letters, digits, '_' or '-'"));
        }
        let message = self.need("message")?;
        if !message.is_empty() && !is_json(message) {
            return Err(shape("message is neither empty nor JSON"));
        }
        Ok(Envelope {
            event_id: self.integer("eventId")?,
            message_id,
            shop_id: self.integer("shopId")?.to_string(),
            message: message.clone(),
            at: self.instant("timestamp")?,
        })
    }

    fn authorisation_code(&self) -> Result<Content<'a>, Refusal> {
        use sha2::Digest;
        let code = self.need("code")?;
        Ok(Content::AuthorisationCode {
            fingerprint: sha2::Sha256::digest(code.as_bytes()).into(),
            at: self.instant("timestamp")?,
        })
    }

    /// The first recipe under which the signature holds. That some hold and others do not is no secret, so the rest need not
    /// be tried; each comparison takes the same time whatever it finds.
    fn matching_recipe(&self, keeta: &Keeta, address: &str) -> Result<Option<&'static str>, Refusal> {
        let claimed = self.need("sig")?.to_ascii_lowercase();
        if claimed.len() != 64 || !claimed.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(shape("sig is not 64 hex digits"));
        }
        let registered = keeta.checked_address(address);
        let other = match registered.strip_suffix('/') {
            Some(shorter) => shorter.to_owned(),
            None => format!("{registered}/"),
        };
        let parameters = self.parameters();
        let holds = |other_slash: bool, joint: &str| {
            let address = if other_slash { &other } else { registered };
            let expected = sign::keeta(&format!("{address}{joint}"), &parameters, keeta.app_secret.expose());
            sign::same(expected.as_bytes(), claimed.as_bytes())
        };
        Ok(RECIPES.into_iter().find(|(_, other_slash, joint)| holds(*other_slash, joint)).map(|(name, ..)| name))
    }

    /// All members but `sig` as `k=v`, joined by `&`, in the sequence of their keys.
    fn parameters(&self) -> String {
        let mut members: Vec<_> = self.0.iter().filter(|(name, _)| name != "sig").collect();
        members.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let length = members.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
        let mut joined = String::with_capacity(length);
        for (name, value) in members {
            if !joined.is_empty() {
                joined.push('&');
            }
            joined.push_str(name);
            joined.push('=');
            joined.push_str(value);
        }
        joined
    }
}

/// Whether a text is one JSON value, however deep; nothing of it is kept. Of two JSON texts, none is the other cut off before
/// a `&`, so the signed string can hold only one message.
fn is_json(text: &str) -> bool {
    serde_json::from_str::<&RawValue>(text).is_ok()
}

/// Whether a value of [`Members::of_body`] was a string: what is none is borrowed from the body.
fn is_text(value: &Cow<'_, str>) -> bool {
    matches!(value, Cow::Owned(_))
}

fn shape(what: impl Into<String>) -> Refusal {
    Refusal::Shape(what.into())
}

/// Why members are not taken.
const TOO_MANY: &str = "it has more than 64 members";
const TWICE: &str = "a member comes twice";
const ODD_NAME: &str = "a member has an odd name";
const NOT_UNICODE: &str = "a string is not valid Unicode";
const UNFIT: [&str; 4] = [TOO_MANY, TWICE, ODD_NAME, NOT_UNICODE];

/// What is wrong with a JSON text, in words that hold nothing of it.
fn category(error: &serde_json::Error) -> String {
    match error.classify() {
        serde_json::error::Category::Eof => "it ends too early".to_owned(),
        serde_json::error::Category::Data => {
            let said = error.to_string();
            UNFIT.into_iter().find(|unfit| said.starts_with(unfit)).unwrap_or("it is no object").to_owned()
        }
        _ => format!("it is not valid at line {} column {}", error.line(), error.column()),
    }
}

/// Reads an object member by member. The value of a string is its decoded text; of anything else its raw text, so that no
/// number passes through a float. A name that comes twice or is not plain is refused: both could hide another reading of
/// the same signed string.
impl<'de: 'a, 'a> serde::Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;
        impl<'de> Visitor<'de> for Collect {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object was expected")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Members(Vec::with_capacity(8));
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if name.is_empty()
                        || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'))
                    {
                        return Err(A::Error::custom(ODD_NAME));
                    }
                    let text = match value.get().as_bytes().first() {
                        Some(b'"') => {
                            let decoded = serde_json::from_str::<String>(value.get());
                            Cow::Owned(decoded.map_err(|_| A::Error::custom(NOT_UNICODE))?)
                        }
                        _ => Cow::Borrowed(value.get()),
                    };
                    members.add(Cow::Owned(name), text).map_err(A::Error::custom)?;
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Collect)
    }
}
