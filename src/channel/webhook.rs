//! WebHook: each event as one JSON object to an address of the merchant's own, signed.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::secret::Secret;

/// One receiver of events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    pub url: Secret,
    #[serde(default)]
    pub signing: Signing,
    /// Sent along with each request.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
}

/// How the receiver can tell that a request is ours.
#[derive(Debug, Default, Deserialize)]
#[serde(tag = "scheme", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Signing {
    /// The `X-Apsdai-*` headers with a signed token. It does not cover the body.
    Apsdai { secret: Secret },
    /// The `X-Apsdai-*` headers with the password as the token.
    ApsdaiPassword { secret: Secret },
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature` over id, time and body.
    StandardWebhooks { secret: Secret },
    #[default]
    None,
}
impl crate::channel::Channel for Webhook {
    fn kind(&self) -> &'static str {
        "webhook"
    }
    fn at_once(&self) -> usize {
        8
    }

    fn in_order(&self) -> bool {
        true
    }

    fn credential(&self) -> String {
        todo!()
    }
    fn write(
        &self,
        _: &crate::domain::message::Message,
        _: crate::domain::message::Form,
    ) -> Vec<crate::domain::message::Part> {
        todo!()
    }
    fn send<'a>(
        &'a self,
        _: &'a crate::channel::http::Http,
        _: &'a crate::domain::message::Part,
        _: &'a crate::channel::Attempt,
    ) -> crate::channel::Sending<'a> {
        todo!()
    }
}
