//! What every channel takes, whatever its kind, as a value.

use jiff::SignedDuration;
use jiff::civil::Time;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::channel::http;
use crate::config::Zone;
use crate::config::values;
use crate::domain::duration;
use crate::domain::fallback::AfterFallback;
use crate::domain::quiet;
use crate::domain::route::Glob;
use crate::domain::secret::Secret;

/// What every channel takes, whatever its kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelSettings {
    pub language: String,
    pub timezone: Zone,
    /// Instead of the vendor's own.
    pub rate: Option<Rate>,
    /// The waits between tries.
    pub retry: Vec<SignedDuration>,
    pub quiet: Option<Quiet>,
    pub urgent: Vec<Glob>,
    pub fallback: Option<String>,
    pub fallback_after: SignedDuration,
    pub after_fallback: AfterFallback,
    /// May its address be loopback or private, and plain `http://`?
    pub allow_private: bool,
    pub timeout: SignedDuration,
    /// Stands in the address of the robot already.
    pub base_url: Option<Secret>,
    pub proxy: Option<Secret>,
}

impl ChannelSettings {
    /// The settings of the HTTP client that the channel sends with.
    pub fn http(&self) -> http::Settings {
        let timeout = self.timeout.unsigned_abs();
        http::Settings { allow_private: self.allow_private, timeout, proxy: self.proxy.clone(), ca_file: None }
    }
}

/// So many messages within a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    #[serde(deserialize_with = "crate::domain::duration::deserialize")]
    /// The window.
    #[schemars(with = "duration::Written", example = &"1m")]
    pub per: SignedDuration,
    /// How many messages within it.
    #[schemars(range(min = 1), example = 18)]
    pub count: u32,
}

/// Hours in which a channel is left in peace; over midnight where `to` is before `from`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    #[serde(deserialize_with = "values::deserialize_time")]
    /// When they begin.
    #[schemars(with = "values::WrittenTime", example = &"23:00")]
    pub from: Time,
    #[serde(deserialize_with = "values::deserialize_time")]
    /// When they end.
    #[schemars(with = "values::WrittenTime", example = &"07:30")]
    pub to: Time,
    /// Kinds that come through.
    #[serde(default)]
    pub except: Vec<Glob>,
    /// Kinds that are held although they would come through by themselves, which `operator.notice` does.
    #[serde(default)]
    #[schemars(example = &["operator.notice"])]
    pub hold: Vec<Glob>,
}

impl Quiet {
    pub fn hours(&self) -> quiet::Quiet {
        quiet::Quiet { from: self.from, to: self.to, except: self.except.clone(), hold: self.hold.clone() }
    }
}
