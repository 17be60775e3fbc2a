//! Notices to the operator about Orderbell itself: a notice is an event like any other, said once per topic, subject and hour.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::data::Notice;
use crate::domain::event::{DedupeKey, Event, Kind, OWN_SOURCE, SignatureCheck};
use crate::domain::payload::Payload;
use crate::flow::notifier::Notifier;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::{Current, ids};
use crate::store::health::IncidentUpdate;
use crate::store::ingest::{Record, Recorded};
use crate::store::{Store, StoreError};

/// A notice is said once in this time.
const HOUR: SignedDuration = SignedDuration::from_hours(1);
/// After which time one that could not be stored is tried again, should there still be cause for it.
const RETRY: SignedDuration = SignedDuration::from_secs(10);

/// What a notice is about; `notice.<topic>` in the language files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// A source's webhooks carry a time that is not this machine's.
    Clock,
    /// A source's webhooks name our application, but their signature does not fit.
    Refused,
    /// A source's webhooks are another application's.
    Application,
    /// The token of a source's webhooks is not what its secret or password makes.
    Token,
    /// A source only observes, and webhooks come whose signature does not fit.
    Unproven,
    /// A source only observes, which is for trying.
    Observing,
    /// A source's webhook had a token that had come before, with other content.
    Replayed,
    /// A genuine webhook was kept that is damaged: what it says cannot be read.
    Unreadable,
    /// The bodies of a source come in a `Content-Encoding` that is not undone.
    Encoding,
    /// Connections were shed before they had sent a whole request, because slots were short.
    Crowded,
    /// Messages were given up.
    Dead,
    /// One recipient of several was refused; the others got the message.
    Recipient,
    /// A template failed; the plain form went out.
    Template,
    /// The templates have a mistake; the last good ones stay in use, or the built-in ones.
    Templates,
    /// The configuration has a mistake; the last good one stays in force.
    Configuration,
    /// The secret of a source cannot be read; its webhooks are answered 503.
    Secret,
    /// Messages wait for a channel that there is no more.
    Stranded,
    /// A task that must run has ended and was started again.
    Restarted,
    /// The condition of a route could not be judged; the event was let through.
    Condition,
    /// A channel rests until its setting is mended.
    Parked,
    /// Urgent messages have waited for too long.
    Waiting,
    /// Nothing has come from a source for too long.
    Silent,
    /// This machine's clock is not that of the receivers.
    MachineClock,
    /// This machine's clock is not that of the database.
    DatabaseClock,
    /// The disk of the store is nearly full.
    Disk,
    /// No route matches a kind of event that comes.
    Unrouted,
    /// A report was not made or has not arrived in time.
    Report,
    /// The database's files were not the right ones for a while.
    Store,
    /// Something is missing in the database that was there before.
    Loss,
    /// Instances that share a store have different configurations.
    Configurations,
    /// Instances that share a store run different versions.
    Versions,
    /// Two instances that share a store have one name.
    Names,
    /// A backup that is due could not be made.
    Backup,
}

impl Topic {
    /// Those that the watch begins and ends ([`crate::flow::watch`]); the others are sent by whoever meets them.
    pub const WATCHED: [Topic; 18] = [
        Topic::Unproven,
        Topic::Observing,
        Topic::Templates,
        Topic::Configuration,
        Topic::Secret,
        Topic::Dead,
        Topic::Parked,
        Topic::Waiting,
        Topic::Silent,
        Topic::MachineClock,
        Topic::DatabaseClock,
        Topic::Disk,
        Topic::Unrouted,
        Topic::Report,
        Topic::Configurations,
        Topic::Versions,
        Topic::Names,
        Topic::Backup,
    ];

    /// Those that are about one instance of several that share a store: its machine, its files, its connections.
    pub const LOCAL: [Topic; 10] = [
        Topic::Configuration,
        Topic::Crowded,
        Topic::DatabaseClock,
        Topic::Disk,
        Topic::MachineClock,
        Topic::Restarted,
        Topic::Secret,
        Topic::Store,
        Topic::Templates,
        Topic::Unproven,
    ];

    pub fn is_local(self) -> bool {
        Self::LOCAL.contains(&self)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Clock => "clock",
            Topic::Refused => "refused",
            Topic::Application => "application",
            Topic::Token => "token",
            Topic::Unproven => "unproven",
            Topic::Observing => "observing",
            Topic::Replayed => "replayed",
            Topic::Unreadable => "unreadable",
            Topic::Encoding => "encoding",
            Topic::Crowded => "crowded",
            Topic::Dead => "dead",
            Topic::Recipient => "recipient",
            Topic::Template => "template",
            Topic::Templates => "templates",
            Topic::Configuration => "configuration",
            Topic::Secret => "secret",
            Topic::Stranded => "stranded",
            Topic::Restarted => "restarted",
            Topic::Condition => "condition",
            Topic::Parked => "parked",
            Topic::Waiting => "waiting",
            Topic::Silent => "silent",
            Topic::MachineClock => "machine_clock",
            Topic::DatabaseClock => "database_clock",
            Topic::Disk => "disk",
            Topic::Unrouted => "unrouted",
            Topic::Report => "report",
            Topic::Store => "store",
            Topic::Loss => "loss",
            Topic::Configurations => "configurations",
            Topic::Versions => "versions",
            Topic::Names => "names",
            Topic::Backup => "backup",
        }
    }
}

/// The event that carries a notice.
pub fn event(notice: Notice, now: Timestamp) -> Event {
    Event {
        id: ids::event(),
        kind: Kind::OperatorNotice,
        source: OWN_SOURCE.to_owned(),
        occurred_at: Some(now),
        received_at: now,
        shop: None,
        order: None,
        data: Payload::Notice(Box::new(notice)).into(),
        proof: SignatureCheck::Own,
    }
}

/// The way to the operator.
#[derive(Clone)]
pub struct Notices {
    store: Arc<dyn Store>,
    routing: Current<RoutingSnapshot>,
    notifier: Notifier,
    /// The name of this instance, where others share its store.
    instance: Option<String>,
    /// Until when nothing more is said of each topic and subject, so that the store need not be asked for each of many.
    silent: Arc<Mutex<HashMap<(Topic, String), Timestamp>>>,
}

impl Notices {
    pub fn new(store: Arc<dyn Store>, routing: Current<RoutingSnapshot>, notifier: Notifier) -> Self {
        Self { store, routing, notifier, instance: None, silent: Arc::default() }
    }

    /// The same, of one instance among others: what is about it alone says so.
    pub fn of_instance(self, name: String) -> Self {
        Self { instance: Some(name), ..self }
    }

    /// Records a notice, unless one of the same topic and subject was sent within this hour. `detail` must hold no secret and
    /// nothing of a buyer.
    pub async fn notify(&self, topic: Topic, subject: &str, detail: String, now: Timestamp) {
        self.say(topic, subject, Notice { detail: Some(detail), ..Notice::default() }, now).await;
    }

    /// As [`Notices::notify`], with more than a detail to tell.
    pub async fn say(&self, topic: Topic, subject: &str, notice: Notice, now: Timestamp) {
        if Topic::WATCHED.contains(&topic) {
            // The watch sees it by itself, and tells of it when it ends, too.
            return self.notifier.watch().notify_one();
        }
        let Some(hour) = self.admit(topic, subject, now) else { return };
        let notice = Notice { subject: Some(subject.to_owned()), ..notice };
        self.say_once(topic, subject, &format!("{subject}:{hour}"), notice, now).await;
    }

    /// Records a notice, unless one of the same topic was ever recorded for this thing in this version. `detail` is as for
    /// [`Notices::notify`].
    pub async fn notify_once(
        &self,
        topic: Topic,
        subject: &str,
        (thing, version): (&str, &str),
        detail: String,
        now: Timestamp,
    ) {
        let key = format!("{thing}:{version}");
        if self.admit(topic, &key, now).is_some() {
            let notice = Notice { subject: Some(subject.to_owned()), detail: Some(detail), ..Notice::default() };
            self.say_once(topic, &key, &key, notice, now).await;
        }
    }

    /// Records a notice, unless one of the same topic and key was. `admitted` is what was asked for by [`Notices::admit`].
    async fn say_once(&self, topic: Topic, admitted: &str, key: &str, notice: Notice, now: Timestamp) {
        let notice = Notice { topic: topic.as_str().to_owned(), ..notice };
        let (subject, detail) = (notice.subject.clone(), notice.detail.clone());
        let key = DedupeKey::Once(format!("notice:{}:{key}", topic.as_str()));
        let record = Record { dedupe_keys: vec![key], ..self.record(notice, now) };
        match self.store.record(record).await {
            Ok(recorded) => {
                if matches!(recorded, Recorded::New { .. }) {
                    tracing::warn!(topic = topic.as_str(), subject, detail, "the operator is notified");
                }
                self.ring(recorded);
            }
            Err(error) => {
                tracing::error!(topic = topic.as_str(), subject, detail, %error, "a notice to the operator could not be stored");
                self.silent().insert((topic, admitted.to_owned()), now + RETRY);
            }
        }
    }

    /// The hour since 1970 to which a notice belongs, once in each; whoever asks again before its end gets none. A time that
    /// lies further ahead is of a clock that was set back since.
    fn admit(&self, topic: Topic, subject: &str, now: Timestamp) -> Option<i64> {
        let hour = now.as_second().div_euclid(HOUR.as_secs());
        let mut silent = self.silent();
        let key = (topic, subject.to_owned());
        if silent.get(&key).is_some_and(|until| *until > now && until.duration_since(now) <= HOUR) {
            return None;
        }
        silent.insert(key, Timestamp::from_second((hour + 1) * HOUR.as_secs()).unwrap_or(Timestamp::MAX));
        Some(hour)
    }

    /// Records a notice that must not be said less often than it happens, under a key that names the occasion.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: it is not stored, and is to be said again.
    pub async fn store(&self, topic: Topic, notice: Notice, occasion: &str, now: Timestamp) -> Result<(), StoreError> {
        let notice = Notice { topic: topic.as_str().to_owned(), ..notice };
        let detail = notice.detail.clone();
        let key = DedupeKey::Once(format!("notice:{}:{occasion}", topic.as_str()));
        let recorded = self.store.record(Record { dedupe_keys: vec![key], ..self.record(notice, now) }).await?;
        tracing::warn!(topic = topic.as_str(), detail, "the operator is notified");
        self.ring(recorded);
        Ok(())
    }

    /// Changes what the operator is known to know, with the notice that says so. Answers whether that is so: somebody else
    /// may have done it.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: nothing has changed, and no notice was sent.
    pub async fn change(&self, telling: IncidentUpdate) -> Result<bool, StoreError> {
        let recorded = self.store.update_incident(telling).await?;
        let is_changed = recorded.is_some();
        recorded.into_iter().for_each(|recorded| self.ring(recorded));
        Ok(is_changed)
    }

    /// The event of a notice, to whom it may concern.
    pub fn record(&self, notice: Notice, now: Timestamp) -> Record {
        let kind = Kind::OperatorNotice;
        let is_local = Topic::LOCAL.iter().any(|topic| topic.as_str() == notice.topic);
        let notice = Notice { instance: self.instance.clone().filter(|_| is_local), ..notice };
        let routing = self.routing.get();
        let ((targets, decisions), urgent) = (routing.judge(&kind, OWN_SOURCE, None), routing.urgent(&kind));
        Record {
            event: event(notice, now),
            body: Vec::new(),
            dedupe_keys: Vec::new(),
            targets: targets.into_iter().map(|target| (target, ids::delivery())).collect(),
            urgent,
            decisions,
        }
    }

    /// Wakes the workers of the channels that a notice goes to.
    fn ring(&self, recorded: Recorded) {
        let Recorded::New { channels, unjudged, .. } = recorded else { return };
        // A notice about a notice would never end.
        for rule in unjudged {
            tracing::warn!(
                route = rule.route,
                reason = rule.reason,
                "the condition of a route cannot be judged for notices"
            );
        }
        self.notifier.wake(&channels);
    }

    fn silent(&self) -> MutexGuard<'_, HashMap<(Topic, String), Timestamp>> {
        self.silent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
