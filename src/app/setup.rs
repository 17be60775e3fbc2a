//! What the rooms get of a configuration: the receiving side, a report, the worker of a channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::app::start_error::StartError;
use crate::channel::http::Http;
use crate::channel::kinds::ChannelConfig;
use crate::channel::settings::ChannelSettings;
use crate::channel::unready::Unready;
use crate::config::configured::{Config, ConfiguredChannel, ConfiguredSource};
use crate::flow::config_summary::{ChannelSummary, ConfigSummary, SendingSummary};
use crate::flow::context::WorkerChannel;
use crate::flow::routing::{ChannelWriter, OwnTemplates, RoutingSnapshot, SourceEndpoint};
use crate::flow::settings_check::InUse;

/// What the receiving side needs.
pub fn routing(config: Config) -> RoutingSnapshot {
    let summary = Arc::new(config_summary(&config));
    let endpoint = |(name, configured): (String, ConfiguredSource)| {
        let ConfiguredSource { source, silent_after, closed } = configured;
        let address = config.server.source_address(&name);
        (name, SourceEndpoint { source: Arc::new(source), address, silent_after, closed })
    };
    let writer = |(name, configured): (&String, &ConfiguredChannel)| {
        let ConfiguredChannel { way, settings, .. } = configured.clone();
        let (language, timezone) = (settings.language, settings.timezone);
        (name.clone(), ChannelWriter { channel: way.shared(), language, timezone })
    };
    let far_host = |(name, channel): (&String, &ConfiguredChannel)| Some((name.clone(), channel.way.clock_host()?));
    RoutingSnapshot {
        endpoints: config.sources.into_iter().map(endpoint).collect(),
        writers: config.channels.iter().map(writer).collect(),
        own_templates: OwnTemplates { folder: config.templates, isolation: config.isolation },
        far_hosts: config.channels.iter().filter_map(far_host).collect(),
        reports: config.reports,
        language: config.language,
        public_url: config.server.public_url,
        channels: config.channels.into_iter().map(|(name, channel)| (name, channel.settings.urgent)).collect(),
        routes: config.routes,
        currency: config.currency,
        summary,
        ..RoutingSnapshot::default()
    }
}

/// With which settings each channel is sent, for commands that compare them with their own.
pub fn in_use(channels: &BTreeMap<String, ConfiguredChannel>) -> BTreeMap<String, InUse> {
    let in_use = |channel: &ConfiguredChannel| InUse {
        settings: channel.effective.clone(),
        credential: channel.way.channel().credential(),
    };
    channels.iter().map(|(name, channel)| (name.clone(), in_use(channel))).collect()
}

/// What a configuration says, without any secret.
fn config_summary(config: &Config) -> ConfigSummary {
    let channel = |(name, channel): (&String, &ConfiguredChannel)| {
        let kind = Some(channel.way.channel().kind());
        (name.clone(), ChannelSummary { kind, sending: Some(sending_summary(channel)) })
    };
    ConfigSummary {
        timezone: config.timezone.clone(),
        channels: config.channels.iter().map(channel).collect(),
        sources: config.sources.keys().cloned().collect(),
        routes: Some(config.routes.clone()),
        reports: Some(config.reports.clone()),
    }
}

/// With what a channel sends.
pub fn sending_summary(channel: &ConfiguredChannel) -> SendingSummary {
    let way = channel.way.channel();
    SendingSummary {
        credential: way.credential(),
        allowance: channel.allowance(),
        urgent: channel.settings.urgent.clone(),
        longest: way.longest(channel.settings.timeout),
    }
}

/// The worker of a channel; where its settings make no client, one that waits until they are mended.
pub fn some_channel(name: &str, channel: &ConfiguredChannel) -> Result<WorkerChannel, StartError> {
    worker_channel(name.to_owned(), channel.clone()).or_else(|error| {
        let StartError::Channel { reason, .. } = error else { return Err(error) };
        let (kind, settings) = (channel.way.channel().kind(), channel.settings.clone());
        let settings = ChannelSettings { proxy: None, ..settings };
        let (way, effective) = (ChannelConfig::Unready(Unready { kind, reason }), channel.effective.clone());
        worker_channel(name.to_owned(), ConfiguredChannel { way, settings, effective })
    })
}

/// # Errors
/// [`StartError::Channel`] where its settings make no client.
pub fn worker_channel(name: String, channel: ConfiguredChannel) -> Result<WorkerChannel, StartError> {
    let ConfiguredChannel { way, settings, .. } = channel;
    let http = Http::new(&settings.http())
        .map_err(|error| StartError::Channel { channel: name.clone(), reason: error.to_string() })?;
    Ok(WorkerChannel { name, channel: way.shared(), http, settings })
}
