//! A configuration as a value: what the daemon is built from.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::SignedDuration;

use crate::channel::kinds::ChannelConfig;
use crate::channel::settings::ChannelSettings;
use crate::config::listeners::{ConfiguredAdmin, Server};
use crate::config::store::StoreConfig;
use crate::domain::backup::BackupSettings;
use crate::domain::effective::EffectiveSettings;
use crate::domain::heartbeat::HeartbeatSettings;
use crate::domain::language::folders::Sources;
use crate::domain::local_time::Zone;
use crate::domain::rate_limit::RateLimit;
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::Routes;
use crate::domain::secret::Secret;
use crate::platform::kinds::Source;
use crate::render::Isolation;

/// A configuration that the daemon can start with.
#[derive(Debug)]
pub struct Config {
    /// As it was read, with whatever secrets stand in it.
    pub text: Secret,
    /// For channels that set none.
    pub language: String,
    pub timezone: Zone,
    /// ISO 4217 code for amounts that come without one; `XXX`, ISO's own word for none, where it is not configured.
    pub currency: String,
    /// A folder whose templates take precedence.
    pub templates: Option<PathBuf>,
    /// The files of that folder, as they were read.
    pub overlay: Sources,
    /// Where they are rendered.
    pub isolation: Isolation,
    pub server: Server,
    /// Nothing listens for it where it is absent.
    pub admin: Option<ConfiguredAdmin>,
    pub store: StoreConfig,
    /// By name.
    pub sources: BTreeMap<String, ConfiguredSource>,
    /// By name.
    pub channels: BTreeMap<String, ConfiguredChannel>,
    pub routes: Routes,
    /// By name.
    pub reports: BTreeMap<String, ReportSettings>,
    pub heartbeat: Option<ConfiguredHeartbeat>,
    pub backup: Option<BackupSettings>,
}

impl Config {
    /// The address under which a platform reaches a source.
    pub fn source_address(&self, name: &str) -> String {
        self.server.source_address(name)
    }
}

/// `[heartbeat]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredHeartbeat {
    pub settings: HeartbeatSettings,
    /// Why nothing can be called, where one of its addresses cannot be read: then it is one that nobody has.
    pub closed: Option<String>,
}

/// One `[source.<name>]`.
#[derive(Debug)]
pub struct ConfiguredSource {
    pub source: Source,
    /// The operator is notified when nothing at all has come for so long.
    pub silent_after: Option<SignedDuration>,
    /// Why nothing can be believed of it, where its secret cannot be read: then that of `source` is one that nobody knows.
    pub closed: Option<String>,
}

/// One `[channel.<name>]`. Two are equal when they send the same in the same way, however that is written.
#[derive(Clone, Debug)]
pub struct ConfiguredChannel {
    pub way: ChannelConfig,
    pub settings: ChannelSettings,
    /// As they are written, with the secrets that are referred to.
    pub effective: EffectiveSettings,
}

impl ConfiguredChannel {
    /// How many messages it may be sent within how long: what the merchant has set, else the vendor's own.
    pub fn allowance(&self) -> Option<RateLimit> {
        self.settings.rate.or_else(|| self.way.channel().allowance())
    }
}

impl PartialEq for ConfiguredChannel {
    fn eq(&self, other: &Self) -> bool {
        self.way == other.way && self.settings == other.settings
    }
}

impl Eq for ConfiguredChannel {}
