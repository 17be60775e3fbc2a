//! What a configuration says, of its parts as far as they can be read.

use crate::app::setup;
use crate::config::parts::{KnownChannel, Parts};
use crate::flow::config_summary::{ChannelSummary, ConfigSummary};

/// What the readable parts of a configuration say.
pub fn of(part: &Parts) -> ConfigSummary {
    let channel = |known: &KnownChannel| ChannelSummary {
        kind: known.kind,
        sending: known.channel.as_ref().map(setup::sending_summary),
    };
    let reports = part.reports();
    ConfigSummary {
        timezone: part.timezone.clone(),
        channels: part.channels.iter().map(|(name, known)| (name.clone(), channel(known))).collect(),
        sources: part.source_names(),
        routes: part.routes.clone(),
        reports: reports.map(|reports| reports.into_iter().map(|(name, report)| (name, report.clone())).collect()),
    }
}
