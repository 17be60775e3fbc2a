//! What becomes, for the first channel, of what its fallback was sent.

use schemars::JsonSchema;
use serde::Deserialize;

/// What a channel gets, when it works again, of what its fallback was sent meanwhile: the configuration's word for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AfterFallback {
    /// It gets it as well.
    #[default]
    Tell,
    /// It does not.
    Skip,
}

/// How a channel catches up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CatchUp {
    /// Not at all.
    Never,
    /// In one message, marked.
    Digest,
    /// With each event by itself, in order.
    Each,
}

impl CatchUp {
    /// `supports_digest`: several deliveries may share a message of the channel.
    pub fn of(after: AfterFallback, supports_digest: bool) -> Self {
        match (after, supports_digest) {
            (AfterFallback::Skip, _) => CatchUp::Never,
            (AfterFallback::Tell, true) => CatchUp::Digest,
            (AfterFallback::Tell, false) => CatchUp::Each,
        }
    }
}
