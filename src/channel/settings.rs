//! `[channel.<name>]`: what every channel takes, whatever its kind, from the configuration down to the worker that sends.

use std::path::Path;

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::channel::kinds::ChannelConfig;
use crate::channel::{SharedSettings, http, kinds};
use crate::domain::duration;
use crate::domain::duration::DurationText;
use crate::domain::fallback::AfterFallback;
use crate::domain::glob::Glob;
use crate::domain::language::folders::LanguageTag;
use crate::domain::local_time::Zone;
use crate::domain::quiet::Quiet;
use crate::domain::rate_limit::RateLimit;
use crate::domain::retry::DEFAULT_WAITS;
use crate::domain::secret::Secret;
use crate::domain::settings::SettingsTable;

/// What every channel takes, whatever its kind.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = { "required": ["base_url", "proxy"] }))]
pub struct ChannelSettings {
    /// What sort of way out it is.
    #[schemars(extend("enum" = kinds::kind_names()))]
    pub kind: String,
    /// The language of this channel's messages; that at the top of the file where absent.
    #[serde(default)]
    #[schemars(with = "LanguageTag", example = &"zh-CN", extend("default" = null))]
    pub language: String,
    /// The time zone of times in this channel's messages, an IANA name; that at the top of the file where absent.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = &"Asia/Hong_Kong")]
    pub timezone: Zone,
    /// How many messages within which time, instead of the vendor's own limit.
    #[schemars(example = serde_json::json!({ "per": "1m", "count": 18 }))]
    pub rate: Option<RateLimit>,
    /// The waits between tries, each ±10 %; after the last the message is dead.
    #[serde(default = "default_retry", deserialize_with = "duration::deserialize_list")]
    #[schemars(with = "Vec<DurationText>", extend("default" = ["5s", "30s", "2m", "10m", "30m", "2h", "6h", "12h"]))]
    pub retry: Vec<SignedDuration>,
    /// Hours in which the channel is left in peace.
    #[schemars(example = serde_json::json!({ "from": "23:00", "to": "07:30", "except": ["order.placed"] }))]
    pub quiet: Option<Quiet>,
    /// Kinds that go first and are not kept waiting.
    #[serde(default = "default_urgent")]
    #[schemars(extend("default" = ["order.placed", "order.cancelled"]))]
    pub urgent: Vec<Glob>,
    /// The channel that is notified instead when this one fails.
    pub fallback: Option<String>,
    /// How long an urgent message waits before the other channel is notified of it.
    #[serde(default = "default_fallback_after", deserialize_with = "duration::deserialize")]
    #[schemars(with = "DurationText", extend("default" = "2m"))]
    pub fallback_after: SignedDuration,
    /// What this channel gets, when it works again, of what the other channel was sent meanwhile: "tell" sends it as well,
    /// marked; "skip" does not.
    #[serde(default)]
    pub after_fallback: AfterFallback,
    /// May the address be of this machine or of a private network, and without TLS?
    #[serde(default)]
    pub allow_private: bool,
    /// How long one try may take; up to 2 minutes.
    #[serde(default = "default_timeout", deserialize_with = "duration::deserialize")]
    #[schemars(with = "DurationText", extend("default" = "15s"))]
    pub timeout: SignedDuration,
    /// For robots: another server in the vendor's place. The path and the token of `webhook` are put behind it.
    #[schemars(example = &"https://relay.example.com/dingtalk", extend("format" = "uri"))]
    pub base_url: Option<Secret>,
    /// For robots instead of `base_url`, and for WebHooks: an HTTP proxy on the way, with user and password if it wants them.
    #[schemars(example = &"http://user:password@proxy.example.com:3128", extend("format" = "uri"))]
    pub proxy: Option<Secret>,
}

fn default_retry() -> Vec<SignedDuration> {
    DEFAULT_WAITS.to_vec()
}

fn default_urgent() -> Vec<Glob> {
    ["order.placed", "order.cancelled"].map(Glob::new).to_vec()
}

fn default_fallback_after() -> SignedDuration {
    SignedDuration::from_mins(2)
}

fn default_timeout() -> SignedDuration {
    SignedDuration::from_secs(15)
}

impl ChannelSettings {
    /// The settings of the HTTP client that the channel sends with.
    pub fn http(&self) -> http::Settings {
        let timeout = self.timeout.unsigned_abs();
        http::Settings { allow_private: self.allow_private, timeout, proxy: self.proxy.clone(), ca_file: None }
    }

    /// Hands on to a channel what it needs of this, when its own table is read. Paths in that are relative to `folder`.
    pub fn apply(&self, way: &mut ChannelConfig, folder: &Path, table: &mut dyn SettingsTable) {
        if let Some(base_url) = &self.base_url {
            way.channel_mut().replace_server(base_url);
        }
        if let Some(proxy) = &self.proxy {
            way.goes_by(proxy);
        }
        let Self { language, timeout, allow_private, .. } = self;
        let shared = SharedSettings { language, timeout: *timeout, allow_private: *allow_private, folder };
        way.channel_mut().configure(shared, table);
    }
}
