//! What holds for the whole of Orderbell, as programs see it: notices in force, stories, and the configuration as it was loaded.

use poem_openapi::Object;
use poem_openapi::types::Any;
use serde_json::Value;

use crate::domain::route::Route;
use crate::flow::config_summary::ChannelSummary;
use crate::flow::resources::moment::Moment;
use crate::flow::routing::{RoutingSnapshot, SourceEndpoint};
use crate::store::health::Incident;

/// Something wrong of which the operator was notified, and not yet of its end.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "Notice")]
pub struct NoticeInForce {
    /// What it is about, such as `parked`.
    pub topic: String,
    /// What of: a channel, a source; empty where there is one alone.
    pub subject: String,
    pub since: Moment,
}

impl From<&Incident> for NoticeInForce {
    fn from(incident: &Incident) -> Self {
        let Incident { topic, subject, since, .. } = incident;
        Self { topic: topic.clone(), subject: subject.clone(), since: Moment(*since) }
    }
}

/// All notices in force, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
pub struct NoticeList {
    pub items: Vec<NoticeInForce>,
}

/// Why a message did or did not arrive, as `orderbell why --format json` prints it.
#[derive(Clone, Debug, Object)]
pub struct Story {
    pub story: Any<Value>,
    /// The same as people read it.
    pub text: String,
}

/// A route.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "Route", skip_serializing_if_is_none)]
pub struct RouteDetail {
    /// Kinds, or patterns over them.
    pub events: Vec<String>,
    pub sources: Option<Vec<String>>,
    pub shops: Option<Vec<String>>,
    pub when: Option<String>,
    pub to: Vec<String>,
}

impl From<&Route> for RouteDetail {
    fn from(route: &Route) -> Self {
        Self {
            events: route.events.iter().map(ToString::to_string).collect(),
            sources: route.sources.clone(),
            shops: route.shops.clone(),
            when: route.when.as_ref().map(ToString::to_string),
            to: route.to.clone(),
        }
    }
}

/// A channel of the configuration, without its secrets and its receiver's address.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ConfiguredChannelDetail {
    pub name: String,
    pub kind: Option<String>,
    /// The kinds that are urgent to it.
    pub urgent: Vec<String>,
    /// How many messages it may be sent within how many seconds; absent where there is no limit.
    pub rate_count: Option<u32>,
    pub rate_per_s: Option<i64>,
}

impl ConfiguredChannelDetail {
    fn of((name, channel): (&String, &ChannelSummary)) -> Self {
        let sending = channel.sending.as_ref();
        let rate = sending.and_then(|sending| sending.allowance);
        Self {
            name: name.clone(),
            kind: channel.kind.map(str::to_owned),
            urgent: sending.iter().flat_map(|sending| &sending.urgent).map(ToString::to_string).collect(),
            rate_count: rate.map(|rate| rate.count),
            rate_per_s: rate.map(|rate| rate.per.as_secs()),
        }
    }
}

/// A source of the configuration, without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ConfiguredSourceDetail {
    pub name: String,
    pub platform: String,
    pub address: String,
    pub observing: bool,
    /// After so many seconds without a webhook the operator is notified.
    pub silent_after_s: Option<i64>,
}

impl ConfiguredSourceDetail {
    fn of((name, endpoint): (&String, &SourceEndpoint)) -> Self {
        let platform = endpoint.source.platform();
        Self {
            name: name.clone(),
            platform: platform.name().to_owned(),
            address: endpoint.address.clone(),
            observing: platform.observes(&endpoint.address).is_some(),
            silent_after_s: endpoint.silent_after.map(|after| after.as_secs()),
        }
    }
}

/// The configuration that is in force, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ConfigurationDetail {
    /// The version of the daemon.
    pub version: String,
    pub language: String,
    /// IANA name.
    pub timezone: String,
    /// ISO 4217 code for amounts that come without one.
    pub currency: String,
    pub public_url: Option<String>,
    /// The channels that are notified about Orderbell itself.
    pub operator: Vec<String>,
    pub sources: Vec<ConfiguredSourceDetail>,
    pub channels: Vec<ConfiguredChannelDetail>,
    pub routes: Vec<RouteDetail>,
    /// The names of the reports.
    pub reports: Vec<String>,
}

impl ConfigurationDetail {
    pub fn of(routing: &RoutingSnapshot) -> Self {
        let config = &routing.summary;
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            language: routing.language.clone(),
            timezone: config.timezone.name.clone(),
            currency: routing.currency.clone(),
            public_url: routing.public_url.clone(),
            operator: routing.routes.operator.clone(),
            sources: routing.endpoints.iter().map(ConfiguredSourceDetail::of).collect(),
            channels: config.channels.iter().map(ConfiguredChannelDetail::of).collect(),
            routes: routing.routes.routes.iter().map(RouteDetail::from).collect(),
            reports: routing.reports.keys().cloned().collect(),
        }
    }
}
