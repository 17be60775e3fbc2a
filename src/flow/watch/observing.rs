//! Sources that only observe: that webhooks come whose signature does not fit, and, once a day, that nothing is enforced.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::data::Notice;
use crate::flow::notice::Topic;
use crate::flow::source_activity::Signatures;
use crate::flow::watch::condition_state::{ConditionState, ConditionStates, IncidentKey, wrong};
use crate::flow::watch::incidents::KnownIncident;

/// A source that observes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observing {
    pub source: String,
    /// What its signatures are checked with, without the secret.
    pub checked_with: String,
    pub signatures: Signatures,
}

/// What came so long before a daemon ended may be what the operator was not notified of, where they were of none.
const UNTOLD: SignedDuration = SignedDuration::from_mins(10);
/// Of more the operator is notified an hour after the last time, so what has come later they know.
const NOTIFIED_ANEW: SignedDuration = SignedDuration::from_hours(2);

/// Between which moments that came of which the operator may not know, when a daemon starts: after what they were notified of
/// last, or shortly before its `last` event.
pub fn unknown(incident: Option<&KnownIncident>, last: Timestamp, began_at: Timestamp) -> (Timestamp, Timestamp) {
    let later = |at: Timestamp, by: SignedDuration| at.checked_add(by).unwrap_or(Timestamp::MAX);
    match incident {
        Some(incident) => {
            (incident.notice.last_at.unwrap_or(incident.at), later(incident.at, NOTIFIED_ANEW).min(began_at))
        }
        None => (later(last, -UNTOLD), began_at),
    }
}

/// A source that enforces is not among them, and what is known of it lapses: whoever set that knows.
pub fn note(
    sources: &[Observing],
    known: &BTreeMap<IncidentKey, KnownIncident>,
    now: Timestamp,
    states: &mut ConditionStates,
) {
    for observing in sources {
        let key = |topic| IncidentKey { topic, subject: observing.source.clone() };
        let (unproven, observes) = (key(Topic::Unproven), key(Topic::Observing));
        let state = unfit(observing, known.get(&unproven));
        states.insert(unproven, state);
        let since = known.get(&observes).map_or(now, |incident| incident.since);
        states.insert(observes, wrong(since, Notice::default()));
    }
}

/// Wrong as long as some have come of which the operator does not know; over when the newest one fits.
fn unfit(observing: &Observing, incident: Option<&KnownIncident>) -> ConditionState {
    let Signatures { unfit, unfit_from, unfit_to, fits } = observing.signatures;
    if unfit == 0 {
        return if fits { ConditionState::Fine } else { ConditionState::Unclear };
    }
    let known = incident.and_then(|incident| incident.notice.count).unwrap_or(0);
    let notice = Notice {
        detail: Some(observing.checked_with.clone()),
        count: Some(known.saturating_add(unfit)),
        last_at: Some(unfit_to),
        ..Notice::default()
    };
    wrong(incident.map_or(unfit_from, |incident| incident.since), notice)
}

/// What `check` notes, in the log.
pub fn log(source: &str) {
    tracing::warn!(
        source,
        "the source only observes: a webhook whose signature does not fit is acknowledged, recorded and delivered to nobody; set verify = \"enforce\" once signatures fit, which `orderbell why {source}` shows"
    );
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::flow::clock_skew::ClockVerdict;
    use crate::flow::source_activity::SourceActivity;
    use crate::flow::watch::conditions::{self, WatchInput};
    use crate::flow::watch::incidents::{self, IncidentChange, WatchMemory};
    use crate::flow::watch::mistakes::CurrentMistakes;
    use crate::store::health::HealthSnapshot;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap()
    }

    /// A watch that is restarted as often as one likes, and a source.
    #[derive(Default)]
    struct House {
        activity: SourceActivity,
        memory: WatchMemory,
        known: BTreeMap<IncidentKey, KnownIncident>,
    }

    impl House {
        /// What the operator is notified of in this minute, by topic, with the number of webhooks.
        fn look(&mut self, minute: i64, sources: &[&str]) -> Vec<String> {
            let observing = sources.iter().map(|source| Observing {
                source: (*source).to_owned(),
                checked_with: "app_id = 7, https://bell.example.com".to_owned(),
                signatures: self.activity.signatures(source),
            });
            let states = conditions::states(&WatchInput {
                now: at(minute),
                health: &HealthSnapshot::default(),
                known: &self.known,
                channels: &BTreeSet::new(),
                may_lag: &|_| false,
                sources: &[],
                clock: ClockVerdict::Right,
                database_clock: ClockVerdict::Right,
                disk: ("/var", None),
                unrouted: &[],
                is_routed: &|_| false,
                reports: &[],
                mistakes: &CurrentMistakes::default(),
                closed: &BTreeMap::new(),
                observing: &observing.collect::<Vec<_>>(),
            });
            let mut notified = Vec::new();
            for (key, change) in incidents::changes(states, &self.known, &mut self.memory, at(minute)) {
                self.memory.keep(&key, &change, at(minute));
                let known = self.known.get(&key).and_then(|incident| incident.notice.count).unwrap_or(0);
                let topic = format!("{} {}", key.topic.as_str(), key.subject);
                let incident = match change {
                    IncidentChange::Noted(incident) => Some(incident),
                    IncidentChange::Begins(incident) | IncidentChange::Again(incident) => {
                        let count = incident.notice.count.unwrap_or(0);
                        self.activity.notified_of_unfit(&key.subject, count - known);
                        notified.push(format!("{topic} {count}"));
                        Some(incident)
                    }
                    IncidentChange::Ends(_) => {
                        notified.push(format!("{topic} over"));
                        None
                    }
                    IncidentChange::Lapses => None,
                };
                match incident {
                    // As it is kept in the store.
                    Some(incident) => self.known.extend(KnownIncident::of(&incident.row(&key))),
                    None => drop(self.known.remove(&key)),
                }
            }
            notified
        }

        fn restart(&mut self) {
            (self.activity, self.memory) = Default::default();
        }
    }

    #[test]
    fn signatures_that_do_not_fit_are_notified_at_once_and_then_once_an_hour_over_restarts_too() {
        let mut house = House::default();
        let mut notified_at = Vec::new();
        for minute in 0..200 {
            if minute % 7 == 3 {
                house.restart();
            }
            // Also beside ones that fit.
            house.activity.does_not_fit("watch", at(minute));
            house.activity.fits("watch");
            let said = house.look(minute, &["watch", "other"]);
            notified_at.extend(said.into_iter().map(|_| minute));
        }
        assert_eq!(notified_at, [0, 60, 120, 180]);
    }

    #[test]
    fn it_is_over_when_for_an_hour_all_signatures_fit_and_not_while_nothing_comes() {
        let mut house = House::default();
        assert_eq!([0; 3].map(|minute| house.activity.does_not_fit("watch", at(minute))), [true, false, false]);
        assert_eq!(house.look(0, &["watch"]), ["unproven watch 3"]);
        house.activity.does_not_fit("watch", at(59));
        assert_eq!(house.look(59, &["watch"]), [""; 0]);
        assert_eq!(house.look(60, &["watch"]), ["unproven watch 4"]);
        assert_eq!(house.look(300, &["watch"]), [""; 0], "nothing has come");
        house.restart();
        assert_eq!(house.look(301, &["watch"]), [""; 0], "nobody knows");
        house.activity.fits("watch");
        assert_eq!(house.look(302, &["watch"]), [""; 0]);
        assert_eq!(house.look(361, &["watch"]), [""; 0]);
        assert_eq!(house.look(362, &["watch"]), ["unproven watch over"]);
        house.activity.does_not_fit("watch", at(363));
        assert_eq!(house.look(363, &["watch"]), ["unproven watch 1"], "that is another one");
    }

    #[test]
    fn that_a_source_observes_is_notified_after_a_day_and_then_once_a_day_over_restarts_too() {
        let mut house = House::default();
        let (mut notified_at, day) = (Vec::new(), SignedDuration::from_hours(24).as_secs() / 60);
        for minute in 0..=3 * day {
            if minute % 101 == 50 {
                house.restart();
            }
            notified_at.extend(house.look(minute, &["watch"]).into_iter().map(|said| (minute, said)));
        }
        let expected = [day, 2 * day, 3 * day].map(|minute| (minute, "observing watch 0".to_owned()));
        assert_eq!(notified_at, expected);
    }

    #[test]
    fn the_incident_of_a_source_lapses_when_it_enforces_or_is_renamed() {
        let mut house = House::default();
        house.activity.does_not_fit("watch", at(0));
        assert_eq!(house.look(0, &["watch"]), ["unproven watch 1"]);
        assert_eq!(house.look(1, &["renamed"]), [""; 0]);
        assert_eq!(house.known.keys().map(|key| key.subject.as_str()).collect::<Vec<_>>(), ["renamed"]);
        assert_eq!(house.look(2, &[]), [""; 0]);
        assert!(house.known.is_empty());
        // Should it observe again, its days begin anew.
        assert_eq!(house.look(2_000, &["watch"]), [""; 0]);
    }
}
