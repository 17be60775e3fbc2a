//! What the operator knows, and what comes next: one notice when an incident begins and one when it is over, however it
//! flutters in between.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::domain::data::Notice;
use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::{ConditionState, ConditionStates, IncidentDetail, IncidentKey};
use crate::store::health::{Incident, UnroutedEvent};

/// An incident that begins again so soon after its end flutters …
const FLUTTERS_WITHIN: SignedDuration = SignedDuration::from_hours(1);
/// … and then must have been away for so long before it is said to be over: so there are three notices an hour at most.
const LONG_CALM: SignedDuration = SignedDuration::from_mins(30);
/// That more of the same has happened is said once in so long.
const AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// That a source only observes is said once in so long.
const DAILY: SignedDuration = SignedDuration::from_hours(24);

/// What the operator knows of an incident, as it stands in the store.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownIncident {
    pub since: Timestamp,
    /// When the last notice was sent.
    pub at: Timestamp,
    pub notice: Notice,
    /// For what no route matched: the event with which it showed.
    pub example: Option<UnroutedEvent>,
}

/// The column `detail`.
#[skip_serializing_none]
#[derive(Deserialize, Serialize)]
struct Detail {
    at: Timestamp,
    notice: Notice,
    kind: Option<String>,
    source: Option<String>,
    shop: Option<String>,
}

impl KnownIncident {
    /// Reads a row; `None` when it is of a topic that is not watched, which is not ours to end.
    pub fn of(row: &Incident) -> Option<(IncidentKey, Self)> {
        let topic = Topic::WATCHED.into_iter().find(|topic| topic.as_str() == row.topic)?;
        let key = IncidentKey { topic, subject: row.subject.clone() };
        let bare = Self { since: row.since, at: row.since, notice: Notice::default(), example: None };
        let incident = serde_json::from_str::<Detail>(&row.detail).map_or(bare, |detail| {
            let kind = detail.kind.and_then(|kind| kind.parse().ok());
            let example =
                kind.zip(detail.source).map(|(kind, source)| UnroutedEvent { kind, source, shop: detail.shop });
            Self { since: row.since, at: detail.at, notice: detail.notice, example }
        });
        Some((key, incident))
    }

    pub fn row(&self, key: &IncidentKey) -> Incident {
        let example = self.example.as_ref();
        let detail = Detail {
            at: self.at,
            notice: self.notice.clone(),
            kind: example.map(|example| example.kind.to_string()),
            source: example.map(|example| example.source.clone()),
            shop: example.and_then(|example| example.shop.clone()),
        };
        let (topic, subject) = (key.topic.as_str().to_owned(), key.subject.clone());
        let detail = serde_json::to_string(&detail).unwrap_or_default();
        Incident { topic, subject, since: self.since, detail }
    }
}

/// What the operator is to be notified of, or what is to be forgotten.
#[derive(Clone, Debug, PartialEq)]
pub enum IncidentChange {
    Begins(KnownIncident),
    /// It has begun; the notice comes later, should it last.
    Noted(KnownIncident),
    /// More of the same has happened.
    Again(KnownIncident),
    Ends(Notice),
    /// Cleared: what it is about is no longer configured; there is no notice.
    Lapses,
}

/// What the watch remembers between two looks. A restart forgets it, and then an end is said a little later.
#[derive(Debug, Default)]
pub struct WatchMemory {
    /// Since when a known incident is away.
    away: BTreeMap<IncidentKey, Timestamp>,
    /// When an incident ended last.
    ended: BTreeMap<IncidentKey, Timestamp>,
}

impl WatchMemory {
    /// A change is on disk.
    pub fn keep(&mut self, key: &IncidentKey, change: &IncidentChange, now: Timestamp) {
        if matches!(change, IncidentChange::Ends(_) | IncidentChange::Lapses) {
            self.away.remove(key);
            self.ended.retain(|_, at| now.duration_since(*at).abs() < FLUTTERS_WITHIN);
            self.ended.insert(key.clone(), now);
        }
    }

    /// When an incident ended last, if not long ago.
    pub fn ended(&self, key: &IncidentKey) -> Option<Timestamp> {
        self.ended.get(key).copied()
    }

    /// Since when an incident is away, where that is long enough.
    fn over_since(&mut self, key: &IncidentKey, incident: &KnownIncident, now: Timestamp) -> Option<Timestamp> {
        let since = *self.away.entry(key.clone()).or_insert(now);
        // What is said again and again began before that.
        let began = if recurs(key.topic) { incident.since } else { incident.at };
        let flutters = self.ended.get(key).is_some_and(|ended| began.duration_since(*ended) < FLUTTERS_WITHIN);
        let calm = if flutters { LONG_CALM.max(calm(key.topic)) } else { calm(key.topic) };
        // Either way: the clock may have been put back.
        (now.duration_since(since).abs() >= calm).then_some(since)
    }
}

/// How long an incident must be away before it is said to be over.
fn calm(topic: Topic) -> SignedDuration {
    match topic {
        // The next message may meet the same answer.
        Topic::Parked | Topic::Waiting => SignedDuration::from_mins(1),
        // What frees room may need it again.
        Topic::Disk => SignedDuration::from_mins(5),
        // So it begins once an hour at most.
        Topic::Unproven => AGAIN_AFTER,
        _ => SignedDuration::ZERO,
    }
}

/// Compares how things stand with what the operator knows.
pub fn changes(
    states: ConditionStates,
    known: &BTreeMap<IncidentKey, KnownIncident>,
    memory: &mut WatchMemory,
    now: Timestamp,
) -> Vec<(IncidentKey, IncidentChange)> {
    let lapsed = known.keys().filter(|key| !states.contains_key(key)).map(|key| (key.clone(), IncidentChange::Lapses));
    let mut changes: Vec<_> = lapsed.collect();
    for (key, state) in states {
        let change = match (state, known.get(&key)) {
            (ConditionState::Wrong(wrong), known) => {
                memory.away.remove(&key);
                match known {
                    None if key.topic == Topic::Observing => Some(IncidentChange::Noted(begun(&key, *wrong, now))),
                    None => Some(IncidentChange::Begins(begun(&key, *wrong, now))),
                    Some(known) if is_more(&key, &wrong, known, now) => {
                        let again = KnownIncident { since: known.since, ..begun(&key, *wrong, now) };
                        Some(IncidentChange::Again(again))
                    }
                    Some(_) => None,
                }
            }
            (ConditionState::Unclear, _) => {
                memory.away.remove(&key);
                None
            }
            (ConditionState::Fine, None) => None,
            (ConditionState::Fine, Some(known)) => memory.over_since(&key, known, now).map(|until| {
                let lasted = until.duration_since(known.since).as_secs().max(0);
                IncidentChange::Ends(Notice {
                    since: Some(known.since),
                    until: Some(until),
                    lasted_seconds: Some(lasted),
                    detail: cause(&key, known),
                    ..about(&key)
                })
            }),
        };
        changes.extend(change.map(|change| (key, change)));
    }
    changes
}

fn about(key: &IncidentKey) -> Notice {
    let subject = Some(key.subject.clone()).filter(|subject| !subject.is_empty());
    Notice { topic: key.topic.as_str().to_owned(), subject, ..Notice::default() }
}

/// What was wrong, where that still says something.
fn cause(key: &IncidentKey, known: &KnownIncident) -> Option<String> {
    known.notice.detail.clone().filter(|_| matches!(key.topic, Topic::Parked | Topic::Unrouted))
}

fn begun(key: &IncidentKey, wrong: IncidentDetail, now: Timestamp) -> KnownIncident {
    let IncidentDetail { since, notice, example } = wrong;
    let Notice { topic, subject, .. } = about(key);
    let lasted_seconds = Some(now.duration_since(since).as_secs()).filter(|seconds| *seconds > 0);
    let notice = Notice { topic, subject, since: Some(since), lasted_seconds, ..notice };
    KnownIncident { since, at: now, notice, example }
}

/// Whether it is time to say it again: more messages have died, or more signatures do not fit, than the operator knows of; or
/// a mistake still stands with which the next start, or a source, does not do what it should; or a source still observes.
fn is_more(key: &IncidentKey, wrong: &IncidentDetail, known: &KnownIncident, now: Timestamp) -> bool {
    let (was, is) = (&known.notice, &wrong.notice);
    let is_counted = matches!(key.topic, Topic::Dead | Topic::Unproven);
    let is_news = is_counted && (is.last_at > was.last_at || is.count > was.count);
    let again_after = if key.topic == Topic::Observing { DAILY } else { AGAIN_AFTER };
    let is_time = now.duration_since(known.at).abs() >= again_after;
    let is_another = recurs(key.topic) && first(was) != first(is);
    is_another || (is_time && (is_news || recurs(key.topic)))
}

/// The first of several mistakes, without how many there are more.
fn first(notice: &Notice) -> Option<&str> {
    let detail = notice.detail.as_deref()?;
    Some(detail.rsplit_once(" (and ").map_or(detail, |(first, _)| first))
}

/// What is said again as long as it stands.
fn recurs(topic: Topic) -> bool {
    matches!(topic, Topic::Configuration | Topic::Templates | Topic::Secret | Topic::Observing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Kind;

    /// The watch and the operator, looked at minute by minute.
    #[derive(Default)]
    struct House {
        known: BTreeMap<IncidentKey, KnownIncident>,
        memory: WatchMemory,
    }

    impl House {
        /// What is said in this minute of this one incident, as it is kept in the store.
        fn look(&mut self, minute: i64, key: &IncidentKey, state: Option<ConditionState>) -> Option<IncidentChange> {
            let states = state.into_iter().map(|state| (key.clone(), state)).collect();
            let made = changes(states, &self.known, &mut self.memory, at(minute));
            for (key, change) in &made {
                self.memory.keep(key, change, at(minute));
                match change {
                    IncidentChange::Begins(incident)
                    | IncidentChange::Noted(incident)
                    | IncidentChange::Again(incident) => {
                        let (read, incident) = KnownIncident::of(&incident.row(key)).unwrap();
                        drop(self.known.insert(read, incident));
                    }
                    IncidentChange::Ends(_) | IncidentChange::Lapses => drop(self.known.remove(key)),
                }
            }
            made.into_iter().next().map(|(_, change)| change)
        }

        fn restart(self) -> Self {
            Self { known: self.known, memory: WatchMemory::default() }
        }
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    fn key(topic: Topic, subject: &str) -> IncidentKey {
        IncidentKey { topic, subject: subject.to_owned() }
    }

    fn wrong(since: i64, notice: Notice) -> Option<ConditionState> {
        Some(ConditionState::Wrong(Box::new(IncidentDetail { since: at(since), notice, example: None })))
    }

    fn dead(count: u64, newest: i64) -> Option<ConditionState> {
        wrong(0, Notice { count: Some(count), last_at: Some(at(newest)), ..Notice::default() })
    }

    #[test]
    fn an_incident_is_notified_once_when_it_begins_and_once_when_it_is_over_whatever_restarts() {
        let (mut house, parked) = (House::default(), key(Topic::Parked, "kitchen"));
        let state = || wrong(10, Notice { detail: Some("HTTP 401".to_owned()), count: Some(3), ..Notice::default() });
        assert_eq!(house.look(9, &parked, Some(ConditionState::Fine)), None);
        let Some(IncidentChange::Begins(begun)) = house.look(12, &parked, state()) else { panic!("it began") };
        assert_eq!((begun.notice.since, begun.notice.lasted_seconds), (Some(at(10)), Some(120)));
        assert_eq!((begun.notice.topic.as_str(), begun.notice.subject.as_deref()), ("parked", Some("kitchen")));
        assert_eq!(house.look(13, &parked, state()), None);
        house = house.restart();
        assert_eq!(house.look(14, &parked, state()), None);
        assert_eq!(house.look(15, &parked, Some(ConditionState::Unclear)), None);
        assert_eq!(
            house.look(40, &parked, Some(ConditionState::Fine)),
            None,
            "the next message may meet the same answer"
        );
        let Some(IncidentChange::Ends(over)) = house.look(41, &parked, Some(ConditionState::Fine)) else {
            panic!("it is over")
        };
        assert_eq!((over.since, over.until, over.lasted_seconds), (Some(at(10)), Some(at(40)), Some(1_800)));
        assert_eq!((over.detail.as_deref(), over.count), (Some("HTTP 401"), None));
        assert_eq!(house.restart().look(42, &parked, Some(ConditionState::Fine)), None);
    }

    #[test]
    fn an_incident_that_flutters_is_notified_three_times_an_hour_at_most() {
        for topic in Topic::WATCHED {
            let (mut house, incident) = (House::default(), key(topic, "kitchen"));
            let mut begins = Vec::new();
            for minute in 0..600 {
                // Two minutes wrong, two minutes fine.
                let state = if minute % 4 < 2 { wrong(minute, Notice::default()) } else { Some(ConditionState::Fine) };
                if let Some(IncidentChange::Begins(_)) = house.look(minute, &incident, state) {
                    begins.push(minute);
                }
            }
            assert!(begins.len() <= 2, "{topic:?}: {begins:?}");
            // And it still ends, when it has been away for long.
            let ended =
                (600..700).filter(|minute| house.look(*minute, &incident, Some(ConditionState::Fine)).is_some());
            assert_eq!(ended.count(), 1, "{topic:?}");
        }
    }

    #[test]
    fn more_dead_are_notified_once_an_hour() {
        let (mut house, incident) = (House::default(), key(Topic::Dead, "kitchen"));
        assert!(matches!(house.look(0, &incident, dead(1, 0)), Some(IncidentChange::Begins(_))));
        assert_eq!(house.look(59, &incident, dead(5, 58)), None);
        house = house.restart();
        let Some(IncidentChange::Again(again)) = house.look(60, &incident, dead(6, 58)) else {
            panic!("there are more")
        };
        assert_eq!((again.notice.count, again.since), (Some(6), at(0)));
        assert_eq!(house.look(200, &incident, dead(6, 58)), None, "of these the operator knows");
        assert_eq!(house.look(201, &incident, dead(2, 58)), None, "a person is at it");
        assert!(matches!(house.look(300, &incident, dead(2, 299)), Some(IncidentChange::Again(_))));
        assert!(matches!(house.look(301, &incident, Some(ConditionState::Fine)), Some(IncidentChange::Ends(_))));
    }

    #[test]
    fn a_mistake_in_the_configuration_is_notified_once_an_hour_until_it_is_mended_over_restarts_too() {
        for topic in [Topic::Configuration, Topic::Templates, Topic::Secret] {
            let (mut house, incident) = (House::default(), key(topic, "orderbell.toml:12:5"));
            assert!(matches!(house.look(0, &incident, wrong(0, Notice::default())), Some(IncidentChange::Begins(_))));
            let mut notified_at = Vec::new();
            for minute in 1..=190 {
                if minute % 7 == 0 {
                    house = house.restart();
                }
                match house.look(minute, &incident, wrong(minute, Notice::default())) {
                    Some(IncidentChange::Again(again)) if again.since == at(0) => notified_at.push(minute),
                    Some(other) => panic!("{other:?}"),
                    None => {}
                }
            }
            assert_eq!(notified_at, [60, 120, 180], "{topic:?}");
            // Another one at the same place is said at once, and how many there are more is no news.
            let said = |detail: &str| wrong(190, Notice { detail: Some(detail.to_owned()), ..Notice::default() });
            assert!(matches!(house.look(190, &incident, said("it is a folder")), Some(IncidentChange::Again(_))));
            assert_eq!(house.look(190, &incident, said("it is a folder (and 3 more)")), None);
            assert!(matches!(house.look(191, &incident, Some(ConditionState::Fine)), Some(IncidentChange::Ends(_))));
        }
    }

    #[test]
    fn what_means_nothing_any_more_is_forgotten_without_a_word() {
        let (mut house, silent) = (House::default(), key(Topic::Silent, "keeta"));
        house.look(0, &silent, wrong(0, Notice::default()));
        assert_eq!(house.look(1, &silent, None), Some(IncidentChange::Lapses));
        assert_eq!(house.look(2, &silent, None), None);
    }

    #[test]
    fn a_clock_that_is_put_back_holds_up_no_end() {
        let (mut house, disk) = (House::default(), key(Topic::Disk, "/var"));
        house.look(1000, &disk, wrong(1000, Notice::default()));
        assert_eq!(house.look(1001, &disk, Some(ConditionState::Fine)), None);
        let Some(IncidentChange::Ends(over)) = house.look(500, &disk, Some(ConditionState::Fine)) else {
            panic!("it is over")
        };
        assert_eq!(over.lasted_seconds, Some(60));
    }

    #[test]
    fn a_row_says_what_was_notified_and_one_of_another_version_is_no_hindrance() {
        let example = UnroutedEvent { kind: Kind::StoreHours, source: "keeta".to_owned(), shop: Some("7".to_owned()) };
        let notice = Notice { topic: "unrouted".to_owned(), count: Some(3), last_at: Some(at(2)), ..Notice::default() };
        let incident = KnownIncident { since: at(0), at: at(1), notice, example: Some(example) };
        let key = key(Topic::Unrouted, "store.hours");
        let row = incident.row(&key);
        assert_eq!(KnownIncident::of(&row), Some((key.clone(), incident)));
        let bare = KnownIncident { since: at(0), at: at(0), notice: Notice::default(), example: None };
        assert_eq!(KnownIncident::of(&Incident { detail: "plain words".to_owned(), ..row.clone() }), Some((key, bare)));
        assert_eq!(KnownIncident::of(&Incident { topic: "stars".to_owned(), ..row }), None);
    }
}
