//! What is wrong with the configuration and with the templates now: noted by whoever reads them, said by the watch.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::data::Notice;
use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::{ConditionState, ConditionStates, IncidentKey, wrong};
use crate::flow::watch::incidents::KnownIncident;

/// What can be mistaken.
pub const TOPICS: [Topic; 2] = [Topic::Configuration, Topic::Templates];
/// Whoever mends a mistake sooner was at it already: that it is mended is no news.
const NEWS_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// One mistake that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where it is, as in `orderbell.toml:12:5`.
    pub place: String,
    /// What it is, and what holds meanwhile; no secret.
    pub detail: String,
    pub since: Timestamp,
}

/// When a mistake was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FoundAt {
    /// The daemon started around it.
    AtStart,
    /// Somebody has just changed the files.
    AtReload,
}

/// The mistakes of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CurrentMistakes {
    mistakes: BTreeMap<Topic, Mistake>,
    /// Those that were found at a reload, also when they stand no more.
    of_reloads: BTreeSet<IncidentKey>,
}

/// The mistakes of now, shared by whoever finds them and the watch.
#[derive(Clone, Default)]
pub struct Mistakes(Arc<Mutex<CurrentMistakes>>);

impl Mistakes {
    /// A mistake stands, in the place of any other one of its topic.
    pub fn stands(&self, topic: Topic, mistake: Mistake, found: FoundAt) {
        let mut current = self.current();
        match current.mistakes.get_mut(&topic) {
            Some(known) if known.place == mistake.place => known.detail = mistake.detail,
            _ => {
                if found == FoundAt::AtReload {
                    current.of_reloads.insert(IncidentKey { topic, subject: mistake.place.clone() });
                }
                current.mistakes.insert(topic, mistake);
            }
        }
    }

    /// Nothing is mistaken any more.
    pub fn mended(&self, topic: Topic) {
        self.current().mistakes.remove(&topic);
    }

    pub fn now(&self) -> CurrentMistakes {
        self.current().clone()
    }

    fn current(&self) -> MutexGuard<'_, CurrentMistakes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Adds what stands, and what of that which is known is over. A mistake that another one has replaced lapses.
pub fn note(current: &CurrentMistakes, known: &BTreeMap<IncidentKey, KnownIncident>, states: &mut ConditionStates) {
    for topic in TOPICS {
        if let Some(Mistake { place, detail, since }) = current.mistakes.get(&topic) {
            let notice = Notice { detail: Some(detail.clone()), ..Notice::default() };
            states.insert(IncidentKey { topic, subject: place.clone() }, wrong(*since, notice));
            continue;
        }
        for (key, incident) in known.iter().filter(|(key, _)| key.topic == topic) {
            let is_brief = incident.at.duration_since(incident.since).abs() < NEWS_AFTER;
            if !(is_brief && current.of_reloads.contains(key)) {
                states.insert(key.clone(), ConditionState::Fine);
            }
        }
    }
}

/// Adds the sources whose secret cannot be read, and those whose secret can.
pub fn closed(
    sources: &BTreeMap<String, Option<String>>,
    known: &BTreeMap<IncidentKey, KnownIncident>,
    now: Timestamp,
    states: &mut ConditionStates,
) {
    for (source, reason) in sources {
        let key = IncidentKey { topic: Topic::Secret, subject: source.clone() };
        let since = known.get(&key).map_or(now, |incident| incident.since);
        let state = reason.as_ref().map_or(ConditionState::Fine, |reason| {
            wrong(since, Notice { detail: Some(reason.clone()), ..Notice::default() })
        });
        states.insert(key, state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    fn mistake(place: &str) -> Mistake {
        Mistake { place: place.to_owned(), detail: "there is no channel".to_owned(), since: at(0) }
    }

    fn key(topic: Topic, place: &str) -> IncidentKey {
        IncidentKey { topic, subject: place.to_owned() }
    }

    fn known_incident(topic: Topic, place: &str, last: i64) -> BTreeMap<IncidentKey, KnownIncident> {
        let incident = KnownIncident { since: at(0), at: at(last), notice: Notice::default(), example: None };
        [(key(topic, place), incident)].into()
    }

    fn states(mistakes: &Mistakes, known: &BTreeMap<IncidentKey, KnownIncident>) -> ConditionStates {
        let mut states = ConditionStates::new();
        note(&mistakes.now(), known, &mut states);
        states
    }

    #[test]
    fn a_mistake_stands_until_it_is_mended_or_another_one_takes_its_place() {
        let mistakes = Mistakes::default();
        mistakes.stands(Topic::Configuration, mistake("a:1"), FoundAt::AtStart);
        let known = known_incident(Topic::Configuration, "a:1", 0);
        assert!(matches!(states(&mistakes, &known)[&key(Topic::Configuration, "a:1")], ConditionState::Wrong(_)));
        mistakes.stands(Topic::Configuration, mistake("a:2"), FoundAt::AtReload);
        let now = states(&mistakes, &known);
        assert!(!now.contains_key(&key(Topic::Configuration, "a:1")), "it lapses");
        assert!(now.contains_key(&key(Topic::Configuration, "a:2")));
        mistakes.mended(Topic::Configuration);
        assert_eq!(states(&mistakes, &known)[&key(Topic::Configuration, "a:1")], ConditionState::Fine);
    }

    #[test]
    fn what_is_mended_while_somebody_is_at_it_is_no_news_and_what_stood_for_an_hour_is() {
        let mistakes = Mistakes::default();
        mistakes.stands(Topic::Templates, mistake("en/order.md:3"), FoundAt::AtReload);
        mistakes.mended(Topic::Templates);
        assert!(states(&mistakes, &known_incident(Topic::Templates, "en/order.md:3", 0)).is_empty());
        let long = states(&mistakes, &known_incident(Topic::Templates, "en/order.md:3", 60));
        assert_eq!(long[&key(Topic::Templates, "en/order.md:3")], ConditionState::Fine);
        // After a restart nobody knows any more who was at it.
        let anew = states(&Mistakes::default(), &known_incident(Topic::Templates, "en/order.md:3", 0));
        assert_eq!(anew[&key(Topic::Templates, "en/order.md:3")], ConditionState::Fine);
    }
}
