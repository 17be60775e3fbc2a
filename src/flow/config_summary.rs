//! What a configuration says, as far as what is remembered is explained with it: for commands and for the API, which so say the
//! same.

use std::collections::BTreeMap;

use jiff::SignedDuration;

use crate::domain::glob::Glob;
use crate::domain::local_time::Zone;
use crate::domain::rate_limit::RateLimit;
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::Routes;

/// What a configuration says, without any secret.
#[derive(Clone, Debug, Default)]
pub struct ConfigSummary {
    pub timezone: Zone,
    /// By name.
    pub channels: BTreeMap<String, ChannelSummary>,
    /// The names of the sources.
    pub sources: Vec<String>,
    /// Absent where they cannot be read as they are.
    pub routes: Option<Routes>,
    /// By name; absent where they cannot be read as they are.
    pub reports: Option<BTreeMap<String, ReportSettings>>,
}

/// A channel as far as it can be read.
#[derive(Clone, Debug, Default)]
pub struct ChannelSummary {
    pub kind: Option<&'static str>,
    /// Absent where its secrets cannot be read.
    pub sending: Option<SendingSummary>,
}

/// With what a channel sends.
#[derive(Clone, Debug)]
pub struct SendingSummary {
    /// A hash, which names whatever its receiver paces.
    pub credential: String,
    pub allowance: Option<RateLimit>,
    /// The kinds that are urgent to it.
    pub urgent: Vec<Glob>,
    /// How long one message may take, all its parts and recipients together.
    pub longest: SignedDuration,
}
