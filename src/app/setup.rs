//! What the rooms get of a configuration: the receiving side, a report, the worker of a channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::SignedDuration;

use crate::app::start_error::StartError;
use crate::channel::http::Http;
use crate::channel::kinds::ChannelConfig;
use crate::channel::unready::Unready;
use crate::config::routes::ReportSettings;
use crate::config::settings::{self, ChannelSettings};
use crate::config::{Config, ConfiguredChannel, ConfiguredSource};
use crate::domain::fallback::CatchUp;
use crate::domain::pace::RateLimit;
use crate::domain::quiet::Quiet;
use crate::domain::report::calendar::Schedule;
use crate::flow::context::WorkerChannel;
use crate::flow::routing::{ReportPlan, RoutingSnapshot, SourceEndpoint};
use crate::flow::settings_check::InUse;
use crate::store::Fallback;

/// What the receiving side needs.
pub fn routing(mut config: Config) -> RoutingSnapshot {
    let sources = std::mem::take(&mut config.sources);
    let silent_after = |(name, configured): (&String, &ConfiguredSource)| {
        let silent_after = configured.silent_after.filter(SignedDuration::is_positive);
        silent_after.map(|silent_after| (name.clone(), silent_after))
    };
    let silent_after = sources.iter().filter_map(silent_after).collect();
    let closed = |(name, configured): (&String, &ConfiguredSource)| Some((name.clone(), configured.closed.clone()?));
    let closed = sources.iter().filter_map(closed).collect();
    let far_host = |(name, channel): (&String, &ConfiguredChannel)| Some((name.clone(), channel.way.clock_host()?));
    let endpoint = |(name, configured): (String, ConfiguredSource)| {
        let address = config.source_address(&name);
        (name, SourceEndpoint { source: Arc::new(configured.source), address })
    };
    RoutingSnapshot {
        endpoints: sources.into_iter().map(endpoint).collect(),
        closed,
        silent_after,
        far_hosts: config.channels.iter().filter_map(far_host).collect(),
        reports: config.reports.iter().map(|(name, report)| (name.clone(), plan(report))).collect(),
        language: config.language.clone(),
        public_url: config.server.public_url.clone(),
        channels: config.channels.into_iter().map(|(name, channel)| (name, channel.settings.urgent)).collect(),
        routes: config.routes,
        currency: config.currency,
        ..RoutingSnapshot::default()
    }
}

/// What the flow needs of a configured report.
pub fn plan(report: &ReportSettings) -> ReportPlan {
    let schedule = Schedule { at: report.at, zone: report.timezone.zone.clone(), days: report.days.clone() };
    ReportPlan {
        schedule,
        to: report.to.clone(),
        sources: report.sources.clone(),
        shops: report.shops.clone(),
        attach_csv: report.attach_csv,
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

/// How many messages a channel may be sent within how long: what the merchant has set, else the vendor's own.
pub fn allowance(way: &ChannelConfig, settings: &ChannelSettings) -> Option<RateLimit> {
    let rate = settings.rate.map(|rate| RateLimit { count: rate.count, per: rate.per });
    rate.or_else(|| way.channel().allowance())
}

/// The quiet hours of a channel.
pub fn quiet(settings: &ChannelSettings) -> Option<Quiet> {
    settings.quiet.as_ref().map(settings::QuietSetting::hours)
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
    let settings = channel.settings;
    let http = Http::new(&settings.http())
        .map_err(|error| StartError::Channel { channel: name.clone(), reason: error.to_string() })?;
    let (allowance, quiet) = (allowance(&channel.way, &settings), quiet(&settings));
    let channel = channel.way.shared();
    let catch_up = CatchUp::of(settings.after_fallback, channel.supports_digest());
    let fallback = settings.fallback.map(|to| Fallback { channel: name.clone(), to, catch_up });
    Ok(WorkerChannel {
        allowance,
        name,
        channel,
        http,
        language: settings.language,
        timezone: settings.timezone.zone,
        waits: settings.retry,
        timeout: settings.timeout,
        quiet,
        urgent: settings.urgent,
        fallback,
        fallback_after: settings.fallback_after,
    })
}
