//! Notices in force, in the words in which their readers get them.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::domain::compose::plain;
use crate::domain::data::Notice;
use crate::domain::message_context::MessageContext;
use crate::domain::template::Templates;
use crate::flow::notice::event;
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::watch::incidents::KnownIncident;
use crate::store::health::Incident;

/// What is wrong, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WordedNotice {
    pub topic: String,
    /// What of: a channel, a source; empty where there is one alone.
    pub subject: String,
    pub since: Timestamp,
    pub title: String,
    pub paragraphs: Vec<String>,
}

impl Resources {
    /// All notices in force, the oldest first, in a built-in language.
    pub async fn worded_notices(&self, language: &str) -> Result<Vec<WordedNotice>, ResourceError> {
        let mut incidents = self.store.incidents().await?;
        incidents.sort_by(|one, other| (one.since, &one.topic).cmp(&(other.since, &other.topic)));
        let (config, now) = (self.config(), self.clock.now());
        let worded = |incident| worded(incident, language, &config.timezone.zone, now);
        Ok(incidents.into_iter().map(worded).collect())
    }
}

fn worded(incident: Incident, language: &str, zone: &TimeZone, now: Timestamp) -> WordedNotice {
    let known = KnownIncident::of(&incident).map(|(_, known)| known.notice).unwrap_or_default();
    let Incident { topic, subject, since, .. } = incident;
    let notice = Notice {
        topic: topic.clone(),
        subject: Some(subject.clone()).filter(|subject| !subject.is_empty()),
        since: Some(since),
        lasted_seconds: Some(now.duration_since(since).max(SignedDuration::ZERO).as_secs()),
        ..known
    };
    let event = event(notice, now);
    let context =
        MessageContext { event: &event, order: None, language, timezone: zone, channel: "", channel_kind: "" };
    let composed = Templates::ours().and_then(|templates| templates.compose(&context).ok());
    let composed = composed.unwrap_or_else(|| plain(&context));
    let text = composed.document.plain_text();
    let rest = text.strip_prefix(&composed.title).unwrap_or(&text);
    let paragraphs = rest.lines().map(str::trim).filter(|line| !line.is_empty());
    WordedNotice { topic, subject, since, paragraphs: paragraphs.map(str::to_owned).collect(), title: composed.title }
}
