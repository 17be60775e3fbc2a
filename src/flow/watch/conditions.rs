//! What is wrong with the daemon now: pure functions of what was read, time included.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::data::Notice;
use crate::flow::clock_skew::ClockVerdict;
use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::{ConditionState, ConditionStates, IncidentDetail, IncidentKey, wrong};
use crate::flow::watch::incidents::KnownIncident;
use crate::flow::watch::mistakes::{self, CurrentMistakes};
use crate::flow::watch::observing::{self, Observing};
use crate::flow::watch::reports::{self, LastReport};
use crate::store::health::{HealthSnapshot, UnroutedEvent};
use crate::store::queue::pending::UNREADY;

/// An urgent delivery that waits for so long is an incident: three tries have failed by then.
pub const URGENT_WAITS: SignedDuration = SignedDuration::from_mins(5);
/// The disk is nearly full below this: room for some hundred thousand orders, so that there is time to do something about it …
const LOW_BYTES: u64 = 1 << 30;
/// … or, on a disk that is small itself, below this part of it.
const LOW_PART: u64 = 10;

/// How full a disk is, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// For whoever is not root.
    pub free: u64,
    pub total: u64,
}

/// What the conditions are judged by.
pub struct WatchInput<'a> {
    pub now: Timestamp,
    pub health: &'a HealthSnapshot,
    /// What the operator knows already.
    pub known: &'a BTreeMap<IncidentKey, KnownIncident>,
    pub channels: &'a BTreeSet<String>,
    /// Whether a channel may still have to catch up: the daemon has just started, or the channel has just been reopened.
    pub may_lag: &'a dyn Fn(&str) -> bool,
    /// The sources that are watched: since when something should have come, and when the last webhook came.
    pub sources: &'a [(String, Timestamp, Timestamp)],
    pub clock: ClockVerdict,
    /// By the clock of the database, where it has one of its own.
    pub database_clock: ClockVerdict,
    /// The folder of the store, and its disk where that can be asked.
    pub disk: (&'a str, Option<Space>),
    /// The first event of each kind that no route matched.
    pub unrouted: &'a [UnroutedEvent],
    /// Whether a route matches such an event now.
    pub is_routed: &'a dyn Fn(&UnroutedEvent) -> bool,
    pub reports: &'a [LastReport],
    /// What is wrong with the configuration and the templates.
    pub mistakes: &'a CurrentMistakes,
    /// All sources, and why those are closed that are.
    pub closed: &'a BTreeMap<String, Option<String>>,
    /// The sources that observe.
    pub observing: &'a [Observing],
}

/// Everything that can be wrong, and whether it is.
pub fn states(scene: &WatchInput<'_>) -> ConditionStates {
    let mut states = ConditionStates::new();
    parked(scene, &mut states);
    waiting(scene, &mut states);
    dead(scene, &mut states);
    silent(scene, &mut states);
    states.insert(IncidentKey { topic: Topic::MachineClock, subject: String::new() }, clock(scene.clock));
    let database_clock = IncidentKey { topic: Topic::DatabaseClock, subject: String::new() };
    states.insert(database_clock, clock(scene.database_clock));
    states.insert(IncidentKey { topic: Topic::Disk, subject: scene.disk.0.to_owned() }, disk(scene.now, scene.disk.1));
    unrouted(scene, &mut states);
    reports::note(scene.reports, scene.now, &mut states);
    mistakes::note(scene.mistakes, scene.known, &mut states);
    mistakes::closed(scene.closed, scene.known, scene.now, &mut states);
    observing::note(scene.observing, scene.known, scene.now, &mut states);
    states
}

fn parked(scene: &WatchInput<'_>, states: &mut ConditionStates) {
    for channel in scene.channels {
        let parked = scene.health.parked.iter().find(|parked| parked.channel == *channel);
        let state = parked.map_or(ConditionState::Fine, |parked| {
            let notice = Notice {
                detail: Some(parked.reason.clone()).filter(|reason| !reason.is_empty()),
                count: Some(parked.waiting),
                // Without its secret nothing is tried.
                next_at: (!parked.reason.starts_with(UNREADY)).then_some(parked.next_probe_at),
                ..Notice::default()
            };
            wrong(parked.since, notice)
        });
        states.insert(IncidentKey { topic: Topic::Parked, subject: channel.clone() }, state);
    }
}

fn waiting(scene: &WatchInput<'_>, states: &mut ConditionStates) {
    for channel in scene.channels {
        let waiting = scene.health.waiting.iter().find(|waiting| waiting.channel == *channel);
        let is_parked = scene.health.parked.iter().any(|parked| parked.channel == *channel);
        let state = match waiting {
            // Of that the operator is notified with its cause.
            _ if is_parked => ConditionState::Unclear,
            Some(_) if (scene.may_lag)(channel) => ConditionState::Unclear,
            Some(waiting) => {
                let (detail, count) = (waiting.words.clone(), Some(waiting.count));
                wrong(waiting.oldest, Notice { detail, count, ..Notice::default() })
            }
            None => ConditionState::Fine,
        };
        states.insert(IncidentKey { topic: Topic::Waiting, subject: channel.clone() }, state);
    }
}

/// Also for channels that there are no more: their dead still want somebody.
fn dead(scene: &WatchInput<'_>, states: &mut ConditionStates) {
    for key in scene.known.keys().filter(|key| key.topic == Topic::Dead) {
        states.insert(key.clone(), ConditionState::Fine);
    }
    for (channel, deaths) in &scene.health.dead {
        if let Some(dead) = &deaths.dead {
            let notice = Notice {
                detail: Some(dead.words.clone()),
                count: Some(dead.count),
                last_at: Some(dead.newest),
                ..Notice::default()
            };
            states.insert(IncidentKey { topic: Topic::Dead, subject: channel.clone() }, wrong(dead.first, notice));
        }
    }
}

fn silent(scene: &WatchInput<'_>, states: &mut ConditionStates) {
    for (source, should_since, last) in scene.sources {
        let key = IncidentKey { topic: Topic::Silent, subject: source.clone() };
        let state = if last <= should_since {
            wrong(*last, Notice { last_at: Some(*last), ..Notice::default() })
        } else if scene.known.get(&key).is_some_and(|incident| incident.notice.last_at >= Some(*last)) {
            // Nothing came; only the setting allows more silence than it did.
            continue;
        } else {
            ConditionState::Fine
        };
        states.insert(key, state);
    }
}

fn clock(skew: ClockVerdict) -> ConditionState {
    match skew {
        ClockVerdict::Off { by, since } => {
            wrong(since, Notice { off_by_seconds: Some(by.as_secs()), ..Notice::default() })
        }
        ClockVerdict::Right => ConditionState::Fine,
        ClockVerdict::Unclear => ConditionState::Unclear,
    }
}

/// It begins below the mark and ends at one and a half times as much.
fn disk(now: Timestamp, space: Option<Space>) -> ConditionState {
    let Some(space) = space else { return ConditionState::Unclear };
    let mark = LOW_BYTES.min(space.total / LOW_PART);
    match space.free {
        free if free < mark => {
            let detail = format!("{} / {}", size(space.free), size(space.total));
            wrong(now, Notice { detail: Some(detail), ..Notice::default() })
        }
        free if free < mark + mark / 2 => ConditionState::Unclear,
        _ => ConditionState::Fine,
    }
}

fn unrouted(scene: &WatchInput<'_>, states: &mut ConditionStates) {
    let known = scene.known.iter().filter(|(key, _)| key.topic == Topic::Unrouted);
    for (key, incident) in known {
        let state = match &incident.example {
            Some(example) if (scene.is_routed)(example) => ConditionState::Fine,
            _ => ConditionState::Unclear,
        };
        states.insert(key.clone(), state);
    }
    for unrouted in scene.unrouted.iter().filter(|unrouted| !(scene.is_routed)(unrouted)) {
        let notice = Notice { detail: Some(unrouted.source.clone()), ..Notice::default() };
        let wrong = IncidentDetail { since: scene.now, notice, example: Some(unrouted.clone()) };
        let key = IncidentKey { topic: Topic::Unrouted, subject: unrouted.kind.to_string() };
        states.insert(key, ConditionState::Wrong(Box::new(wrong)));
    }
}

/// `812 MiB`, `1.2 GiB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    match tenths {
        0..100 => format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit]),
        _ => format!("{} {}", tenths / 10, UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::event::Kind;
    use crate::store::health::{DeadLetter, DeadLetterStats, OverdueDeliveries, ParkedChannel};

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    fn key(topic: Topic, subject: &str) -> IncidentKey {
        IncidentKey { topic, subject: subject.to_owned() }
    }

    /// A house with the channels `kitchen` and `office`.
    #[derive(Default)]
    struct House {
        sight: HealthSnapshot,
        known: BTreeMap<IncidentKey, KnownIncident>,
        lagging: &'static str,
        sources: Vec<(String, Timestamp, Timestamp)>,
        disk: Option<Space>,
        unrouted: Vec<UnroutedEvent>,
    }

    impl House {
        /// How things stand at minute 100. Events of the source `routed` have a route.
        fn states(&self) -> ConditionStates {
            states(&WatchInput {
                now: at(100),
                health: &self.sight,
                known: &self.known,
                channels: &BTreeSet::from(["kitchen".to_owned(), "office".to_owned()]),
                may_lag: &|channel| channel == self.lagging,
                sources: &self.sources,
                clock: ClockVerdict::Right,
                database_clock: ClockVerdict::Right,
                disk: ("/var", self.disk),
                unrouted: &self.unrouted,
                is_routed: &|unrouted| unrouted.source == "routed",
                reports: &[],
                mistakes: &CurrentMistakes::default(),
                closed: &BTreeMap::new(),
                observing: &[],
            })
        }
    }

    fn said(states: &ConditionStates, topic: Topic, subject: &str) -> Option<(Timestamp, Notice)> {
        match states.get(&key(topic, subject)) {
            Some(ConditionState::Wrong(wrong)) => Some((wrong.since, wrong.notice.clone())),
            _ => None,
        }
    }

    fn known_once(notice: Notice, example: Option<UnroutedEvent>) -> KnownIncident {
        KnownIncident { since: at(0), at: at(0), notice, example }
    }

    fn late(channel: &str) -> OverdueDeliveries {
        OverdueDeliveries { channel: channel.to_owned(), oldest: at(90), words: Some("HTTP 503".to_owned()), count: 2 }
    }

    #[test]
    fn a_parked_channel_says_its_cause_and_what_waits_and_urgent_ones_add_nothing_to_it() {
        let parked = ParkedChannel {
            channel: "kitchen".to_owned(),
            since: at(70),
            reason: "errcode 310000".to_owned(),
            next_probe_at: at(110),
            waiting: 12,
        };
        let waiting = ["kitchen", "office", "gone"].map(late).into();
        let sight = HealthSnapshot { parked: vec![parked.clone()], waiting, ..HealthSnapshot::default() };
        let states = House { sight, ..House::default() }.states();
        let (since, notice) = said(&states, Topic::Parked, "kitchen").unwrap();
        assert_eq!((since, notice.count, notice.next_at), (at(70), Some(12), Some(at(110))));
        assert_eq!(notice.detail.as_deref(), Some("errcode 310000"));
        assert_eq!(states[&key(Topic::Parked, "office")], ConditionState::Fine);
        assert_eq!(states[&key(Topic::Waiting, "kitchen")], ConditionState::Unclear);
        let (since, notice) = said(&states, Topic::Waiting, "office").unwrap();
        assert_eq!((since, notice.count, notice.detail.as_deref()), (at(90), Some(2), Some("HTTP 503")));
        assert!(!states.contains_key(&key(Topic::Waiting, "gone")), "that is nobody's channel");
        let unready = ParkedChannel { reason: format!("{UNREADY}it is not set"), ..parked };
        let states =
            House { sight: HealthSnapshot { parked: vec![unready], ..HealthSnapshot::default() }, ..House::default() }
                .states();
        assert_eq!(said(&states, Topic::Parked, "kitchen").unwrap().1.next_at, None, "nothing is tried");
    }

    #[test]
    fn a_channel_that_may_have_to_catch_up_is_not_late_yet() {
        let sight = HealthSnapshot { waiting: vec![late("kitchen")], ..HealthSnapshot::default() };
        let states = House { sight, lagging: "kitchen", ..House::default() }.states();
        assert_eq!(states[&key(Topic::Waiting, "kitchen")], ConditionState::Unclear);
        assert_eq!(states[&key(Topic::Waiting, "office")], ConditionState::Fine);
    }

    #[test]
    fn the_dead_are_counted_by_channel_also_where_the_channel_is_gone_and_notices_are_not_counted() {
        let dead = |channel: &str, dead: Option<DeadLetter>| (channel.to_owned(), DeadLetterStats { all: 9, dead });
        let three =
            DeadLetter { count: 3, first: at(10), newest: at(80), words: "order.placed 1: HTTP 422".to_owned() };
        let dead = BTreeMap::from([dead("gone", Some(three)), dead("office", None)]);
        let known = BTreeMap::from([(key(Topic::Dead, "kitchen"), known_once(Notice::default(), None))]);
        let states =
            House { sight: HealthSnapshot { dead, ..HealthSnapshot::default() }, known, ..House::default() }.states();
        let (since, notice) = said(&states, Topic::Dead, "gone").unwrap();
        assert_eq!((since, notice.count, notice.last_at), (at(10), Some(3), Some(at(80))));
        assert_eq!(states[&key(Topic::Dead, "kitchen")], ConditionState::Fine, "all of them were dealt with");
        assert!(!states.contains_key(&key(Topic::Dead, "office")));
    }

    #[test]
    fn a_source_is_silent_when_nothing_came_for_its_time() {
        let hour = SignedDuration::from_hours(1);
        let sources = [("just", 1, at(40)), ("nearly", 1, at(41)), ("again", 1, at(99)), ("patient", 2, at(30))];
        let sources = sources.map(|(name, hours, last)| (name.to_owned(), at(100) - hour * hours, last)).into();
        let last = Notice { last_at: Some(at(30)), ..Notice::default() };
        let known =
            ["again", "patient", "removed"].map(|name| (key(Topic::Silent, name), known_once(last.clone(), None)));
        let states = House { sources, known: known.into(), ..House::default() }.states();
        let (since, notice) = said(&states, Topic::Silent, "just").unwrap();
        assert_eq!((since, notice.last_at), (at(40), Some(at(40))));
        assert_eq!(states[&key(Topic::Silent, "nearly")], ConditionState::Fine);
        assert_eq!(states[&key(Topic::Silent, "again")], ConditionState::Fine, "something came");
        assert!(!states.contains_key(&key(Topic::Silent, "patient")), "nothing came; only the setting is another");
        assert!(!states.contains_key(&key(Topic::Silent, "removed")));
    }

    #[test]
    fn the_disk_begins_below_a_mark_and_ends_well_above_it() {
        let (mib, gib) = (1_u64 << 20, 1_u64 << 30);
        for (free, total, expected) in [
            (gib - 1, 2000 * gib, Err("1023 MiB / 1.9 TiB")),
            (gib, 2000 * gib, Ok(ConditionState::Unclear)),
            (gib + gib / 2, 2000 * gib, Ok(ConditionState::Fine)),
            (99 * mib, 1000 * mib, Err("99 MiB / 1000 MiB")),
            (149 * mib, 1000 * mib, Ok(ConditionState::Unclear)),
            (150 * mib, 1000 * mib, Ok(ConditionState::Fine)),
            (0, 8 * gib, Err("0.0 KiB / 8.0 GiB")),
        ] {
            let states = House { disk: Some(Space { free, total }), ..House::default() }.states();
            match expected {
                Ok(state) => assert_eq!(states[&key(Topic::Disk, "/var")], state, "{free} of {total}"),
                Err(words) => {
                    let (_, notice) = said(&states, Topic::Disk, "/var").unwrap();
                    assert_eq!(notice.detail.as_deref(), Some(words));
                }
            }
        }
        let states = House::default().states();
        assert_eq!(states[&key(Topic::Disk, "/var")], ConditionState::Unclear, "who cannot see says nothing");
    }

    #[test]
    fn a_kind_without_a_route_is_over_when_its_first_event_would_be_routed() {
        let event = |kind: Kind, source: &str| UnroutedEvent { kind, source: source.to_owned(), shop: None };
        let unrouted = vec![event(Kind::StoreHours, "keeta"), event(Kind::StoreStatus, "routed")];
        let known = [(Kind::MenuSync, "routed"), (Kind::MenuImages, "keeta")].map(|(kind, source)| {
            (key(Topic::Unrouted, &kind.to_string()), known_once(Notice::default(), Some(event(kind, source))))
        });
        let states = House { unrouted, known: known.into(), ..House::default() }.states();
        let (_, notice) = said(&states, Topic::Unrouted, "store.hours").unwrap();
        assert_eq!(notice.detail.as_deref(), Some("keeta"));
        assert!(!states.contains_key(&key(Topic::Unrouted, "store.status")), "a route has come meanwhile");
        assert_eq!(states[&key(Topic::Unrouted, "menu.sync")], ConditionState::Fine);
        assert_eq!(states[&key(Topic::Unrouted, "menu.images")], ConditionState::Unclear);
    }
}
