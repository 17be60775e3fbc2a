//! Whether a request is Keeta's: the envelope's shape, the signature over its raw values, and its time.

use jiff::SignedDuration;

use crate::domain::event::SignatureCheck;
use crate::domain::sign;
use crate::platform::keeta::members::{Members, VerifiedContent, shape};
use crate::platform::keeta::settings::{Keeta, Verify};
use crate::platform::{Method, Platform, Refusal, WebhookRequest, without_mark};

/// A request that was believed. Only [`verify`] makes one.
pub struct VerifiedKeeta<'a> {
    content: VerifiedContent<'a>,
    proof: SignatureCheck,
    seal: Option<String>,
}

impl<'a> VerifiedKeeta<'a> {
    pub fn content(&self) -> &VerifiedContent<'a> {
        &self.content
    }

    pub fn signature(&self) -> &SignatureCheck {
        &self.proof
    }

    /// The signature in lower case, where the signed string can be cut into members in more than one way.
    pub fn seal(&self) -> Option<&str> {
        self.seal.as_deref()
    }
}

/// Believes a request or refuses it.
///
/// # Errors
/// [`Refusal::Shape`] for what is no envelope of Keeta's; [`Refusal::AnotherApp`]; [`Refusal::Signature`] when no recipe
/// matches and the source enforces; [`Refusal::Stale`] when the signature holds and the time does not.
pub fn verify<'a>(keeta: &Keeta, request: &WebhookRequest<'a>) -> Result<VerifiedKeeta<'a>, Refusal> {
    let body = without_mark(request.body);
    let members = match request.method {
        Method::Get => Members::of_query(request.query.unwrap_or_default())?,
        Method::Post if is_empty_packet(body) => {
            return Ok(VerifiedKeeta { content: VerifiedContent::Nothing, proof: SignatureCheck::Invalid, seal: None });
        }
        Method::Post => Members::of_body(body)?,
    };
    if request.method == Method::Get && members.get("code").is_none() {
        return Err(Refusal::Method);
    }
    let app_id = members.integer("appId")?;
    if app_id != keeta.app_id {
        return Err(Refusal::AnotherApp(app_id.to_string()));
    }
    let mut content = match request.method {
        Method::Get => members.authorisation_code()?,
        Method::Post if members.get("code").is_some() && members.get("message").is_none() => {
            members.authorisation_code()?
        }
        Method::Post => VerifiedContent::Envelope(members.envelope()?),
    };
    let proof = match (matching_recipe(&members, keeta, request.address)?, keeta.verify) {
        (Some(recipe), _) => SignatureCheck::Valid(recipe.to_owned()),
        (None, Verify::Observe) => SignatureCheck::Invalid,
        (None, Verify::Enforce) => return Err(Refusal::Signature),
    };
    if let VerifiedContent::Envelope(envelope) = &mut content {
        envelope.read_message();
        if !envelope.is_strict {
            members.allow_lenient_message(&proof)?;
        }
    }
    let seal = members.seal(&content);
    let at = match &content {
        VerifiedContent::Envelope(envelope) => envelope.at,
        VerifiedContent::AuthorisationCode { at, .. } => *at,
        VerifiedContent::Nothing => request.now,
    };
    let off_by = request.now.duration_since(at);
    // Of a webhook that is not proven, the time is nothing to go by either.
    if proof != SignatureCheck::Invalid && keeta.max_age != SignedDuration::ZERO && off_by.abs() > keeta.max_age {
        return Err(Refusal::Stale { off_by_seconds: off_by.as_secs() });
    }
    Ok(VerifiedKeeta { content, proof, seal })
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

/// The first recipe under which the signature holds. That some hold and others do not is no secret, so the rest need not
/// be tried; each comparison takes the same time whatever it finds.
fn matching_recipe(members: &Members<'_>, keeta: &Keeta, address: &str) -> Result<Option<&'static str>, Refusal> {
    let claimed = members.need("sig")?.to_ascii_lowercase();
    if claimed.len() != 64 || !claimed.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(shape("sig is not 64 hex digits"));
    }
    let registered = keeta.checked_address(address);
    let other = match registered.strip_suffix('/') {
        Some(shorter) => shorter.to_owned(),
        None => format!("{registered}/"),
    };
    let parameters = members.parameters();
    let holds = |other_slash: bool, joint: &str| {
        let address = if other_slash { &other } else { registered };
        let expected = sign::keeta(&format!("{address}{joint}"), &parameters, keeta.app_secret.expose());
        sign::same(expected.as_bytes(), claimed.as_bytes())
    };
    Ok(RECIPES.into_iter().find(|(_, other_slash, joint)| holds(*other_slash, joint)).map(|(name, ..)| name))
}
