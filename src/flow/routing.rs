//! What a configuration makes of the receiving side: its sources, routes and channels as they are at one moment.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jiff::SignedDuration;

use crate::channel::Channel;
use crate::domain::event::Kind;
use crate::domain::glob::Glob;
use crate::domain::local_time::Zone;
use crate::domain::report::settings::ReportSettings;
use crate::domain::route::{self, Routes, Target};
use crate::domain::route_decision::RouteDecisions;
use crate::flow::config_summary::ConfigSummary;
use crate::platform::kinds::Source;
use crate::render::Isolation;

/// One source and the address under which its platform knows it.
pub struct SourceEndpoint {
    pub source: Arc<Source>,
    pub address: String,
    /// After how long without a webhook it is silent; zero is never.
    pub silent_after: Option<SignedDuration>,
    /// Why its secret cannot be read: nobody can say whether to believe what comes.
    pub closed: Option<String>,
}

impl SourceEndpoint {
    /// One whose secret is known, and that may be silent as long as it likes.
    pub fn new(source: Source, address: String) -> Self {
        Self { source: Arc::new(source), address, silent_after: None, closed: None }
    }
}

/// A channel as far as messages are written for it.
pub struct ChannelWriter {
    pub channel: Arc<dyn Channel>,
    pub language: String,
    pub timezone: Zone,
}

/// Where a merchant's templates stand, and where they are rendered.
#[derive(Clone, Debug, Default)]
pub struct OwnTemplates {
    /// None is configured where it is absent.
    pub folder: Option<PathBuf>,
    pub isolation: Isolation,
}

/// What a configuration makes of the receiving side. A webhook is judged by one of these from its first to its last step.
#[derive(Default)]
pub struct RoutingSnapshot {
    /// By name.
    pub endpoints: BTreeMap<String, SourceEndpoint>,
    pub routes: Routes,
    /// For amounts that come without a currency; ISO 4217.
    pub currency: String,
    /// The channels that there are, each with the kinds that are urgent to it.
    pub channels: BTreeMap<String, Vec<Glob>>,
    /// Whose clock the receiver of a channel shows, where it shows one.
    pub far_hosts: BTreeMap<String, String>,
    /// By name.
    pub reports: BTreeMap<String, ReportSettings>,
    /// The language of readers who have none of their own.
    pub language: String,
    /// How the internet reaches us.
    pub public_url: Option<String>,
    /// What the configuration says, without any secret, by which is explained what is remembered.
    pub summary: Arc<ConfigSummary>,
    /// What messages are written with, for looking at them. By name.
    pub writers: BTreeMap<String, ChannelWriter>,
    /// The merchant's templates.
    pub own_templates: OwnTemplates,
    /// The kinds of which the log has said that no route matches them.
    pub unrouted: Mutex<HashSet<String>>,
    /// The conditions of which the operator knows that they cannot be judged.
    pub unjudged: Mutex<HashSet<(usize, String)>>,
    /// That of the routes.
    pub fingerprint: OnceLock<String>,
}

impl RoutingSnapshot {
    /// The channels to which a kind is urgent.
    pub fn urgent(&self, kind: &Kind) -> Vec<String> {
        let text = kind.to_string();
        let is_urgent = |globs: &[Glob]| *kind == Kind::Test || globs.iter().any(|glob| glob.matches(&text));
        self.channels.iter().filter(|(_, globs)| is_urgent(globs)).map(|(name, _)| name.clone()).collect()
    }

    /// The sources that observe.
    pub fn observing(&self) -> Vec<String> {
        let observes = |endpoint: &SourceEndpoint| endpoint.source.platform().observes(&endpoint.address).is_some();
        self.endpoints.iter().filter(|(_, endpoint)| observes(endpoint)).map(|(name, _)| name.clone()).collect()
    }

    /// Which channels could get an event, and what each route came to.
    pub fn judge(&self, kind: &Kind, source: &str, shop: Option<&str>) -> (Vec<Target>, RouteDecisions) {
        let fingerprint = self.fingerprint.get_or_init(|| route::fingerprint(&self.routes.routes));
        self.routes.judge(kind, source, shop, fingerprint)
    }

    /// Once per kind, so that a forgotten route is seen and the log stays readable.
    pub fn say_unrouted(&self, kind: &str) {
        let mut said = self.unrouted.lock().unwrap_or_else(PoisonError::into_inner);
        if said.insert(kind.to_owned()) {
            tracing::warn!(kind, "no route matches this kind: it is recorded and delivered to nobody");
        }
    }
}
