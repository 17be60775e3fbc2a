//! The members of a request, as they enter the signed string: each name once, each value by its decoded text.

use std::borrow::Cow;
use std::fmt;

use jiff::Timestamp;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::domain::event::SignatureCheck;
use crate::domain::json;
use crate::platform::Refusal;
use crate::platform::field::JsonField;

/// What a believed request holds.
pub enum VerifiedContent<'a> {
    /// The heartbeat: an empty packet. It carries no signature, so it counts for nothing but a sign of life.
    Nothing,
    Envelope(KeetaEnvelope<'a>),
    /// Event 1: the authorisation code, flat. The code itself goes no further than this.
    AuthorisationCode {
        /// SHA-256 of the code, to recognise a repeat.
        fingerprint: [u8; 32],
        at: Timestamp,
    },
}

/// The envelope of every other event.
pub struct KeetaEnvelope<'a> {
    pub event_id: u64,
    /// At most 64 letters, digits, `_` and `-`.
    pub message_id: String,
    /// Digits.
    pub shop_id: String,
    /// By the documentation a JSON object.
    pub message: Cow<'a, str>,
    /// What it holds, as soon as it is read.
    pub read: JsonField,
    /// It is empty or JSON, and not only nearly. Of two JSON texts, none is the other cut off before a `&`, so the signed string
    /// can hold only one message.
    pub is_strict: bool,
    pub at: Timestamp,
}

impl KeetaEnvelope<'_> {
    /// Reads the message, which is for when it is proved: what is not costs less.
    pub fn read_message(&mut self) {
        self.read = JsonField::of(&self.message);
        self.is_strict |= self.read.is_strict();
    }
}

/// The members that an envelope is documented to have.
const ENVELOPE: [&str; 7] = ["appId", "eventId", "message", "messageId", "shopId", "sig", "timestamp"];

/// More members than any envelope has. What is not signed yet is not looked at any further, so that comparing each with each
/// costs no more than a constant.
const MAX_MEMBERS: usize = 64;

/// The members of the request in their sequence, with the raw text of each value: at most [`MAX_MEMBERS`], each name once.
pub struct Members<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Members<'a> {
    pub fn of_body(body: &'a [u8]) -> Result<Self, Refusal> {
        let text = std::str::from_utf8(body).map_err(|_| shape("the body is not UTF-8"))?;
        serde_json::from_str::<Self>(text)
            .map_err(|error| shape(format!("the body is no flat JSON object: {}", category(&error))))
    }

    pub fn of_query(query: &'a str) -> Result<Self, Refusal> {
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

    pub fn get(&self, name: &str) -> Option<&Cow<'a, str>> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    pub fn need(&self, name: &str) -> Result<&Cow<'a, str>, Refusal> {
        self.get(name).ok_or_else(|| shape(format!("{name} is missing")))
    }

    /// A whole number without sign, whether it came as a number in any spelling or as a string of digits: the signed string
    /// is the same.
    pub fn integer(&self, name: &str) -> Result<u64, Refusal> {
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
        // What was no string is borrowed from the body.
        let is_text = matches!(text, Cow::Owned(_));
        let whole = if is_text { None } else { json::whole(text) };
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

    pub fn envelope(&self) -> Result<KeetaEnvelope<'a>, Refusal> {
        let message_id = self.id("messageId")?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
        if message_id.is_empty() || message_id.len() > 64 || !message_id.bytes().all(plain) {
            return Err(shape("messageId is not 1 to 64 letters, digits, '_' or '-'"));
        }
        let message = self.need("message")?;
        Ok(KeetaEnvelope {
            event_id: self.integer("eventId")?,
            message_id,
            shop_id: self.integer("shopId")?.to_string(),
            message: message.clone(),
            read: JsonField::default(),
            is_strict: message.is_empty(),
            at: self.instant("timestamp")?,
        })
    }

    pub fn authorisation_code(&self) -> Result<VerifiedContent<'a>, Refusal> {
        use sha2::Digest;
        let code = self.need("code")?;
        Ok(VerifiedContent::AuthorisationCode {
            fingerprint: sha2::Sha256::digest(code.as_bytes()).into(),
            at: self.instant("timestamp")?,
        })
    }

    /// Whether a message that is not strictly JSON may be read at all: the signature has to hold, and the signed string must
    /// not have one that is, were it cut in another way. So no request that was captured comes again as something else.
    pub fn allow_lenient_message(&self, proof: &SignatureCheck) -> Result<(), Refusal> {
        if *proof == SignatureCheck::Invalid {
            return Err(shape("message is neither empty nor JSON"));
        }
        let before = self.0.iter().filter(|(name, _)| name != "sig" && name.as_ref() < "message");
        let start = before.map(|(name, value)| name.len() + value.len() + 2).sum::<usize>() + "message=".len();
        let parameters = self.parameters();
        let signed = parameters.get(start..).unwrap_or_default();
        let mut values = serde_json::Deserializer::from_str(signed).into_iter::<&RawValue>();
        let rest = match values.next() {
            Some(Ok(_)) => signed.get(values.byte_offset()..).unwrap_or_default(),
            _ => signed,
        };
        let blanks = |letter: char| matches!(letter, ' ' | '\t' | '\r' | '\n');
        match rest.trim_start_matches(blanks).starts_with('&') {
            true => Err(shape("the signed string is cut into members in another way than the platform's")),
            false => Ok(()),
        }
    }

    /// The signature, unless the signed string can be cut in one way only: then its message is strictly JSON, which ends where
    /// it ends, and none of the other members can hold a `&`.
    pub fn seal(&self, content: &VerifiedContent<'_>) -> Option<String> {
        let is_plain = match content {
            VerifiedContent::Envelope(envelope) => {
                envelope.is_strict && self.0.iter().all(|(name, _)| ENVELOPE.contains(&name.as_ref()))
            }
            VerifiedContent::AuthorisationCode { .. } | VerifiedContent::Nothing => false,
        };
        self.get("sig").filter(|_| !is_plain).map(|signature| signature.to_ascii_lowercase())
    }

    /// All members but `sig` as `k=v`, joined by `&`, in the sequence of their keys.
    pub fn parameters(&self) -> String {
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

pub fn shape(what: impl Into<String>) -> Refusal {
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
