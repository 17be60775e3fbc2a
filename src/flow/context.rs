//! What a message is sent with: the channel and its settings, what all channel workers share, and what one send has of its own.

use std::sync::Arc;

use jiff::SignedDuration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::channel::Channel;
use crate::channel::http::Http;
use crate::channel::settings::ChannelSettings;
use crate::domain::fallback::CatchUp;
use crate::domain::rate_limit::RateLimit;
use crate::domain::template::Templates;
use crate::flow::clock_skew::ClockSkews;
use crate::flow::composing::Composing;
use crate::flow::metrics::Metrics;
use crate::flow::notice::Notices;
use crate::flow::notifier::Notifier;
use crate::flow::pacers::{Pacer, Pacers, Permit};
use crate::flow::shared_messages::SharedMessages;
use crate::flow::tenure::Tenure;
use crate::flow::{Clock, Current};
use crate::store::Store;
use crate::store::queue::attempt::Fallback;

/// What a lease has beyond the channel's own time-out.
pub const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(60);

/// One configured channel, ready to send.
pub struct WorkerChannel {
    pub name: String,
    pub channel: Arc<dyn Channel>,
    pub http: Http,
    pub settings: ChannelSettings,
}

impl WorkerChannel {
    /// How many messages the receiver takes: what the merchant has set, else the vendor's own; no limit where absent.
    pub fn allowance(&self) -> Option<RateLimit> {
        self.settings.rate.or_else(|| self.channel.allowance())
    }

    /// Who gets what this channel fails to send.
    pub fn fallback(&self) -> Option<Fallback> {
        let catch_up = CatchUp::of(self.settings.after_fallback, self.channel.supports_digest());
        let to = self.settings.fallback.clone()?;
        Some(Fallback { channel: self.name.clone(), to, catch_up })
    }
}

/// What all channel workers share.
#[derive(Clone)]
pub struct WorkerContext {
    pub store: Arc<dyn Store>,
    pub templates: Current<Templates>,
    pub notifier: Notifier,
    pub notices: Notices,
    pub clock_skews: ClockSkews,
    pub clock: Clock,
    pub pacers: Pacers,
    pub composing: Composing,
    pub shared: SharedMessages,
    pub metrics: Metrics,
}

/// What a message is sent with.
pub struct SendContext {
    pub channel: Arc<WorkerChannel>,
    pub context: WorkerContext,
    pub tenure: Arc<Tenure>,
    pub pacer: Arc<Pacer>,
    pub retire: CancellationToken,
    /// How often the channel was tried since it is parked; 0 when it is not.
    pub probes: u32,
    /// The channel's messages are composed one after another, where that takes its time.
    pub composing: Arc<Semaphore>,
}

impl SendContext {
    /// Whether the lease runs until the time-out of what would be sent now.
    pub fn is_leased(&self) -> bool {
        let time = self.context.clock.of_real(self.channel.settings.timeout);
        self.tenure.outlasts(time, self.context.clock.elapsed())
    }

    /// A permit for a further part.
    pub fn go_on(&self) -> Option<Permit> {
        let clock = &self.context.clock;
        let id = self.pacer.go_on(clock.elapsed())?;
        Some(Permit::new(self.pacer.clone(), clock.clone(), id))
    }
}
