//! What a story is written with: today's configuration, the present moment, and how times and spans of time are said.

use jiff::{SignedDuration, Timestamp};

use crate::domain::local_time;
use crate::domain::rate_limit::RateLimit;
use crate::domain::route::{self, Route};
use crate::flow::config_summary::ConfigSummary;
use crate::store::history::found::{FoundHistory, ParkedHistory, RateLimitHistory};
use crate::store::queue::pending::PausedState;

/// What a story is written with.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    pub config: &'a ConfigSummary,
    pub now: Timestamp,
}

impl Setting<'_> {
    /// A moment as people read it.
    pub fn time(&self, at: Timestamp) -> String {
        local_time::second(at, &self.config.timezone.zone)
    }

    /// As [`Setting::time`], as short as can be: `at 19:54` of today.
    pub fn near(&self, at: Timestamp) -> String {
        let zone = &self.config.timezone.zone;
        let (at, now) = (at.to_zoned(zone.clone()), self.now.to_zoned(zone.clone()));
        at.strftime(if at.date() == now.date() { "at %H:%M" } else { "on %Y-%m-%d at %H:%M" }).to_string()
    }

    /// The kind of a channel that there is.
    pub fn kind(&self, channel: &str) -> Option<&'static str> {
        self.config.channels.get(channel).and_then(|known| known.kind)
    }

    pub fn has(&self, channel: &str) -> bool {
        self.config.channels.contains_key(channel)
    }

    /// Today's routes, if they are those of this fingerprint.
    pub fn routes(&self, fingerprint: &str) -> Option<&[Route]> {
        let routes = &self.config.routes.as_ref()?.routes;
        (route::fingerprint(routes) == fingerprint).then_some(routes)
    }

    /// Whether a channel is parked because its setting is wrong.
    pub fn parked<'h>(&self, channel: &str, history: &'h FoundHistory) -> Option<&'h ParkedHistory> {
        history.parked.iter().find(|parked| parked.channel == channel)
    }

    /// Whether a person has paused a channel.
    pub fn paused<'h>(&self, channel: &str, history: &'h FoundHistory) -> Option<&'h PausedState> {
        history.paused.get(channel)
    }

    /// Whether a channel's receiver takes nothing for now. Without its secrets, the receiver of a channel is not known.
    pub fn rate_limited<'h>(&self, channel: &str, history: &'h FoundHistory) -> Option<&'h RateLimitHistory> {
        let sending = self.config.channels.get(channel)?.sending.as_ref()?;
        history.rate_limited.iter().find(|shut| shut.credential == sending.credential && shut.until > self.now)
    }

    /// Whether the allowance of a channel is used up, and until when, where that is known.
    pub fn paced(&self, channel: &str, is_urgent: bool, history: &FoundHistory) -> Option<UsedUp> {
        let sending = self.config.channels.get(channel)?.sending.as_ref()?;
        let (allowance, credential) = (sending.allowance?, &sending.credential);
        let free_at = |ended_at: Option<Timestamp>| ended_at.and_then(|at| at.checked_add(allowance.per).ok());
        let permits = history.slots.iter().filter(|permit| permit.credential == *credential);
        let permits = permits.map(|permit| free_at(permit.ended_at)).filter(|at| at.is_none_or(|at| at > self.now));
        let until = allowance.held(&permits.collect::<Vec<_>>(), is_urgent)?;
        Some(UsedUp { allowance, until })
    }
}

/// An allowance that is used up.
#[derive(Clone, Copy, Debug)]
pub struct UsedUp {
    pub allowance: RateLimit,
    pub until: Option<Timestamp>,
}

impl UsedUp {
    /// `its 18 messages in 1m are used up`, some of which may be kept for urgent ones.
    pub fn words(self, is_urgent: bool) -> String {
        let RateLimit { count, per } = self.allowance;
        let messages = if count == 1 { "message" } else { "messages" };
        let are = if count == 1 { "is" } else { "are" };
        match if is_urgent { 0 } else { self.allowance.reserve() } {
            0 => format!("its {count} {messages} in {per:#} {are} used up"),
            kept => format!("its {count} {messages} in {per:#} {are} used up but for {kept}, kept for urgent ones"),
        }
    }
}

/// `26 s`, `5 min`, `3 h`, `2 days`: the larger, the rougher.
pub fn span(span: SignedDuration) -> String {
    match span.abs().as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} days", seconds / 86_400),
    }
}

/// `1 event`, `2 events`.
pub fn count(count: u64, one: &str, more: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { more })
}
