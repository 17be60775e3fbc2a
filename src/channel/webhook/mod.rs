//! WebHook: each event as one JSON object to an address of the merchant's own, signed.
//!
//! source  · our own contract; APSDAI's help page "notification-config"; the Standard Webhooks specification; November 2026
//! proof   · one of four schemes ([`WebhookSigning`]); the delivery's id stays the same across attempts
//! units   · money in minor units with its text; times in UTC with milliseconds; header times in ms (APSDAI) or s
//! limits  · none of ours: one object per event, never a digest, never split
//! answers · 2xx is acceptance; 401, 403 and 410 say that the setting is wrong; 400, 413, 415 and 422 refuse the message; all
//!           else, redirects and 404 included, is a retry (see [`answers`])

pub mod answers;
mod preview;
mod settings;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::channel::charset::decoded;
use crate::channel::http::Http;
use crate::channel::{Attempt, Channel, SendFuture};
use crate::domain::mask::known::{Mask, Masking, Secrets};
use crate::domain::message::{Message, Part, PartForm};
use crate::domain::secret::Secret;
use crate::domain::simulated::{Addressee, Demands, Simulated};
use crate::domain::{apsdai, sign};

/// One receiver of events.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookChannel {
    /// Where to post, such as `https://erp.example.com/orderbell`
    #[schemars(extend("format" = "uri"), example = &"https://erp.example.com/orderbell")]
    pub url: Secret,
    /// How the receiver can tell that a request is ours.
    #[serde(default)]
    #[schemars(with = "WrittenSigning", example = serde_json::json!({ "scheme": "standard-webhooks", "secret": { "env": "ERP_SECRET" } }), extend("default" = { "scheme": "none" }))]
    pub signing: WebhookSigning,
    /// Sent along with each request.
    #[serde(default)]
    #[schemars(example = serde_json::json!({ "X-Shop": "1" }))]
    pub headers: BTreeMap<String, Secret>,
    /// How many requests may be under way at once. The events of one order come one after another all the same.
    #[serde(default = "default_at_once")]
    #[schemars(range(min = 1, max = 256))]
    pub at_once: u16,
    #[serde(skip)]
    pub masking: Masking,
}

fn default_at_once() -> u16 {
    8
}

/// How the receiver can tell that a request is ours.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "WrittenSigning")]
pub enum WebhookSigning {
    /// The `X-Apsdai-*` headers with a signed token. It does not cover the body.
    Apsdai { secret: Secret },
    /// The `X-Apsdai-*` headers with the password as the token.
    ApsdaiPassword { secret: Secret },
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature` over id, time and body.
    StandardWebhooks { secret: Secret },
    #[default]
    None,
}

// An enum with a tag would lose the place of a wrong key.
/// How the receiver can tell that a request is ours.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "Signing",
    extend(
        "if" = { "properties": { "scheme": { "const": "none" } } },
        "then" = { "not": { "required": ["secret"] } },
        "else" = { "required": ["secret"] },
    )
)]
struct WrittenSigning {
    /// Which headers prove it.
    scheme: Scheme,
    /// What signs; every scheme but "none" needs it.
    secret: Option<Secret>,
}

#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Scheme {
    /// The `X-Apsdai-*` headers with a signed token. It does not cover the body.
    Apsdai,
    /// The `X-Apsdai-*` headers with the password as the token.
    ApsdaiPassword,
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature` over id, time and body.
    StandardWebhooks,
    /// Nothing is proven.
    None,
}

impl TryFrom<WrittenSigning> for WebhookSigning {
    type Error = &'static str;

    fn try_from(written: WrittenSigning) -> Result<Self, Self::Error> {
        match (written.scheme, written.secret) {
            (Scheme::Apsdai, Some(secret)) => Ok(WebhookSigning::Apsdai { secret }),
            (Scheme::ApsdaiPassword, Some(secret)) => Ok(WebhookSigning::ApsdaiPassword { secret }),
            (Scheme::StandardWebhooks, Some(secret)) => Ok(WebhookSigning::StandardWebhooks { secret }),
            (Scheme::None, None) => Ok(WebhookSigning::None),
            (Scheme::None, Some(_)) => Err("the scheme \"none\" takes no secret"),
            (_, None) => Err("this scheme needs a secret beside it"),
        }
    }
}

impl Channel for WebhookChannel {
    fn kind(&self) -> &'static str {
        "webhook"
    }

    fn at_once(&self) -> usize {
        usize::from(self.at_once)
    }

    fn in_order(&self) -> bool {
        true
    }

    fn supports_digest(&self) -> bool {
        false
    }

    fn credential(&self) -> String {
        hex::encode(&Sha256::digest(self.url.expose())[..16])
    }

    fn address(&self) -> Option<&Secret> {
        Some(&self.url)
    }

    fn simulated(&self) -> Option<Simulated> {
        let url = Url::parse(self.url.expose()).ok()?;
        let addressee = Addressee::Name(url.path().strip_prefix("/webhook/")?.to_owned());
        let demands = match &self.signing {
            WebhookSigning::Apsdai { secret } => Demands::default().with("apsdai", Some(secret.clone())),
            WebhookSigning::ApsdaiPassword { secret } => {
                Demands::default().with("apsdai-password", Some(secret.clone()))
            }
            WebhookSigning::StandardWebhooks { secret } => {
                Demands::default().with("standard-webhooks", Some(secret.clone()))
            }
            WebhookSigning::None => Demands::default(),
        };
        Some(Simulated { addressee, demands })
    }

    fn masking(&mut self) -> Option<&mut Masking> {
        Some(&mut self.masking)
    }

    /// One object per event, whatever its size: a receiver that finds it too long says so.
    fn write(&self, message: &Message, form: PartForm) -> Vec<Part> {
        let body = serde_json::to_string(&message.json()).expect("texts, numbers and lists always serialise");
        vec![Part { index: 0, form, body }]
    }

    fn exchange<'a>(&'a self, http: &'a Http, part: &'a Part, attempt: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            let headers = self.signed_headers(&part.body, attempt);
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            match http.post(self.url.expose(), &headers, part.body.clone()).await {
                Ok(response) => {
                    let response = response.without_cut_end(self.mask());
                    let said = without_proofs(&decoded(&response.body), &headers);
                    answers::judge(response.status, response.retry_after, &said).answer
                }
                Err(failure) => failure.into(),
            }
        })
    }

    fn mask(&self) -> &Mask {
        self.masking.mask(|secrets| {
            let secrets = secrets.address(self.url.expose());
            let secrets = self.headers.values().fold(secrets, |all, value| all.header(value.expose()));
            match &self.signing {
                WebhookSigning::Apsdai { secret } | WebhookSigning::ApsdaiPassword { secret } => {
                    secrets.text(secret.expose())
                }
                WebhookSigning::StandardWebhooks { secret } => {
                    let key = sign::standard_webhooks_key(secret.expose());
                    let secrets = secrets.text(secret.expose()).text(sign::without_prefix(secret.expose()));
                    secrets.bytes(key.as_deref().unwrap_or_default())
                }
                WebhookSigning::None => secrets,
            }
        })
    }
}

impl WebhookChannel {
    /// The merchant's own headers, and those of the scheme.
    fn signed_headers(&self, body: &str, attempt: &Attempt) -> Vec<(String, String)> {
        let own = self.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
        let mut headers: Vec<(String, String)> = own.collect();
        let mut add = |name: &str, value: String| headers.push((name.to_owned(), value));
        add("content-type", "application/json".to_owned());
        let milliseconds = attempt.now.as_millisecond();
        let mut apsdai = |token: String| {
            add("user-agent", "apsdai-hook".to_owned());
            add("x-apsdai-token", token);
            add("x-apsdai-timestamp", milliseconds.to_string());
            add("x-apsdai-event", apsdai::hook(&attempt.kind));
            add("x-orderbell-delivery", attempt.key.clone());
        };
        match &self.signing {
            WebhookSigning::Apsdai { secret } => apsdai(sign::apsdai_token(secret.expose(), milliseconds)),
            WebhookSigning::ApsdaiPassword { secret } => apsdai(secret.expose().to_owned()),
            WebhookSigning::StandardWebhooks { secret } => {
                let seconds = attempt.now.as_second();
                add("webhook-id", attempt.key.clone());
                add("webhook-timestamp", seconds.to_string());
                add(
                    "webhook-signature",
                    sign::standard_webhooks(secret.expose(), &attempt.key, seconds, body.as_bytes()),
                );
            }
            WebhookSigning::None => add("x-orderbell-delivery", attempt.key.clone()),
        }
        headers
    }
}

/// What a receiver says back of a request, without what proved that request.
fn without_proofs(said: &str, headers: &[(&str, &str)]) -> String {
    if said.is_empty() {
        return String::new();
    }
    let is_proof = |name: &str| matches!(name, "x-apsdai-token" | "webhook-signature");
    let proofs = headers.iter().filter(|(name, _)| is_proof(name)).map(|(_, proof)| *proof);
    Secrets::default().texts(proofs).mask().text(said)
}
