//! What a WebHook's table of the configuration must look like.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderName, HeaderValue};
use schemars::JsonSchema;

use crate::channel::webhook::{WebhookChannel, answers, preview};
use crate::channel::{ChannelKind, FromSettings};
use crate::domain::settings::{InvalidValue, Reach, SettingsTable, check_address};

/// Headers that are ours to set.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];
const OWN_PREFIXES: [&str; 2] = ["x-apsdai-", "x-orderbell-"];

impl FromSettings for WebhookChannel {
    const KIND: ChannelKind = ChannelKind {
        name: "webhook",
        refuses: &[("base_url", "there is no vendor's server to replace: write the whole address in \"url\"")],
        robot_parameter: None,
        is_for_programs: true,
        per_minute: None,
        schema: WebhookChannel::json_schema,
        setup: include_str!("setup.toml"),
        preview: preview::preview,
        remedy: answers::remedy,
    };

    fn check(table: &mut dyn SettingsTable, reach: Reach) {
        check_address(table, "url", "https://erp.example.com/orderbell", reach);
        if table.text(&["signing", "scheme"]) == Some("standard-webhooks") {
            table.check(&["signing", "secret"], &|secret| match secret.strip_prefix("whsec_") {
                Some(coded) if BASE64_STANDARD.decode(coded).is_err() => Err(InvalidValue::new(
                    "what follows whsec_ in this secret is not base64",
                    "copy it again, whole; a secret without whsec_ is taken as it is",
                )),
                _ => Ok(()),
            });
        }
        signing(table);
        for name in table.keys(&["headers"]) {
            header(table, &name);
        }
    }
}

/// A scheme has a secret beside it exactly where it needs one.
fn signing(table: &mut dyn SettingsTable) {
    if table.keys(&["signing"]).iter().any(|key| key != "scheme" && key != "secret") {
        // What is unknown is said instead: it may be the secret.
        return;
    }
    let has_secret = table.is_given(&["signing", "secret"]) || table.is_reported("signing.secret");
    let message = match (table.text(&["signing", "scheme"]), has_secret) {
        (Some("none"), true) => "the scheme \"none\" takes no secret",
        (Some("apsdai" | "apsdai-password" | "standard-webhooks"), false) => "this scheme needs a secret beside it",
        _ => return,
    };
    let help = "for example signing = { scheme = \"standard-webhooks\", secret = { env = \"ERP_SECRET\" } }";
    table.refuse(&["signing"], InvalidValue::new(message, help));
}

fn header(table: &mut dyn SettingsTable, name: &str) {
    let lower = name.to_lowercase();
    let ours = OWN_HEADERS.contains(&lower.as_str()) || OWN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        let message = "this cannot be the name of a header";
        table.error_at_key(&["headers", name], InvalidValue::new(message, "letters, digits and -, such as \"X-Shop\""));
    } else if ours {
        let message = format!("the header {name} is set by Orderbell itself");
        table.error_at_key(&["headers", name], InvalidValue::new(message, "choose another one"));
    }
    table.check(&["headers", name], &|value| match HeaderValue::from_str(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(InvalidValue::new(
            format!("this cannot be the value of the header {name}"),
            "one line of visible characters",
        )),
    });
}
