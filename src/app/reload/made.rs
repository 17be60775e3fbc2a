//! What a changed configuration makes new: read, compared with the one in force, and built without touching that.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::app::setup;
use crate::app::start_error::StartError;
use crate::config;
use crate::config::Anew;
use crate::config::configured::{Config, ConfiguredChannel, ConfiguredHeartbeat};
use crate::diagnostic;
use crate::diagnostic::Diagnostic;
use crate::domain::language::folders::Sources;
use crate::domain::secret::Secret;
use crate::domain::template::Templates;
use crate::flow::context::WorkerChannel;
use crate::in_force;
use crate::render;

/// What can be made of a new configuration without touching the running one.
pub struct Made {
    pub anew: Anew,
    /// The workers of channels that are new or have changed.
    pub fresh: Vec<WorkerChannel>,
    /// The templates, where they are others and without mistakes.
    pub templates: Option<Templates>,
}

/// Why a new configuration is not taken.
pub enum Unfit {
    Wrong(Vec<Diagnostic>),
    Channel(StartError),
}

/// What a new configuration is compared with.
pub struct InForce {
    /// As it stood in the file.
    pub text: Secret,
    pub channels: BTreeMap<String, ConfiguredChannel>,
    /// The sources whose secret is known.
    pub open: BTreeSet<String>,
    /// Those whose secret is not.
    pub closed: BTreeSet<String>,
    pub overlay: Sources,
    pub heartbeat: Option<ConfiguredHeartbeat>,
}

impl InForce {
    /// Whether something works now, and would wait for a secret with the new configuration.
    fn loses(&self, config: &Config) -> bool {
        let was_ready = |name: &String| self.channels.get(name).is_some_and(is_ready);
        config.channels.iter().any(|(name, channel)| !is_ready(channel) && was_ready(name))
            || config.sources.iter().any(|(name, source)| source.closed.is_some() && self.open.contains(name))
            || (waits(&config.heartbeat) && calls(&self.heartbeat))
    }

    /// Whether something waits for a secret now, and would work with the new configuration.
    fn gains(&self, config: &Config) -> bool {
        let waited = |name: &String| self.channels.get(name).is_some_and(|channel| !is_ready(channel));
        config.channels.iter().any(|(name, channel)| is_ready(channel) && waited(name))
            || config.sources.iter().any(|(name, source)| source.closed.is_none() && self.closed.contains(name))
            || (calls(&config.heartbeat) && waits(&self.heartbeat))
    }

    fn waits(&self) -> bool {
        !self.closed.is_empty() || self.channels.values().any(|channel| !is_ready(channel)) || waits(&self.heartbeat)
    }

    fn is_bare(&self) -> bool {
        self.channels.is_empty() && self.open.is_empty() && self.closed.is_empty()
    }
}

/// Reads the file and makes what takes time: not on a thread that others need.
pub fn make(file: &Path, in_force: &InForce) -> Result<Made, Unfit> {
    made_of(file, config::read_anew(file).map_err(Unfit::Wrong)?, in_force)
}

/// The configuration in force once more, where it has got a secret that it waited for.
pub fn with_its_secrets(file: &Path, in_force: &InForce) -> Option<Made> {
    let anew = in_force.waits().then(|| config::read_text_anew(file, in_force.text.expose()).ok()).flatten()?;
    if !in_force.gains(&anew.config) {
        return None;
    }
    made_of(file, anew, in_force).ok()
}

/// Whether the heartbeat waits for a secret.
fn waits(heartbeat: &Option<ConfiguredHeartbeat>) -> bool {
    heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.closed.is_some())
}

fn calls(heartbeat: &Option<ConfiguredHeartbeat>) -> bool {
    heartbeat.as_ref().is_some_and(|heartbeat| heartbeat.closed.is_none())
}

fn is_ready(channel: &ConfiguredChannel) -> bool {
    channel.way.channel().unready().is_none()
}

fn made_of(file: &Path, mut anew: Anew, in_force: &InForce) -> Result<Made, Unfit> {
    if in_force.loses(&anew.config) {
        return Err(Unfit::Wrong(anew.secrets));
    }
    if in_force::is_bare(&anew.config) && !in_force.is_bare() {
        return Err(Unfit::Wrong(vec![in_force::bare(file)]));
    }
    let InForce { channels, overlay, .. } = in_force;
    let changed = anew.config.channels.iter().filter(|(name, channel)| channels.get(*name) != Some(channel));
    let fresh =
        changed.map(|(name, channel)| setup::worker_channel(name.clone(), channel.clone())).collect::<Result<_, _>>();
    let fresh = fresh.map_err(Unfit::Channel)?;
    let is_new = anew.mistakes.is_empty() && anew.config.overlay != *overlay;
    let templates = is_new.then(|| render::templates(&anew.config.overlay, &anew.config.isolation)).transpose();
    let templates = templates.unwrap_or_else(|errors| {
        // They were compiled a moment ago, so this is for nothing that is known.
        anew.mistakes.push(diagnostic::unreadable(file.display().to_string(), errors.to_string(), ""));
        None
    });
    Ok(Made { anew, fresh, templates })
}
