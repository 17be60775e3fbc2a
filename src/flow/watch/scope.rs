//! Who of several instances watches what: each its own machine and configuration, the one that leads what is common to all. So
//! an incident has one instance that begins and ends it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::SignedDuration;

use crate::domain::pace::Elapsed;
use crate::flow::Current;
use crate::flow::instance::Instance;
use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::IncidentKey;
use crate::flow::watch::incidents::{IncidentChange, KnownIncident};
use crate::store::health::Incident;
use crate::store::leases::Roster;

/// Between what an incident of one instance is about and the name of that instance, in the store.
const AT: &str = " @ ";
/// An instance that is away for so long has left its incidents behind; before, it may be starting again.
const LEFT_BEHIND: SignedDuration = SignedDuration::from_mins(10);

/// This instance among those that share its store.
#[derive(Clone)]
pub struct Company {
    pub instance: Instance,
    pub roster: Current<Roster>,
}

/// Since when instances are away of which incidents are known.
#[derive(Default)]
pub struct Absences(BTreeMap<String, Elapsed>);

/// What one look is about.
pub struct WatchScope {
    /// Absent where there is no other instance.
    name: Option<String>,
    leads: Leads,
}

/// Whether it is about what is common to all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leads {
    Yes,
    No,
}

impl WatchScope {
    pub fn new(name: Option<String>, leads: Leads) -> Self {
        Self { name, leads }
    }

    pub fn covers(&self, topic: Topic) -> bool {
        // Whoever receives such an event first begins it.
        topic.is_local() || self.leads == Leads::Yes || topic == Topic::Unrouted
    }

    /// Whether a change of an incident is this instance's to make.
    pub fn makes(&self, key: &IncidentKey, change: &IncidentChange) -> bool {
        let is_common = key.topic == Topic::Unrouted && self.leads == Leads::No;
        !is_common || matches!(change, IncidentChange::Begins(_))
    }

    /// What an incident is about, as it stands in the store.
    pub fn subject(&self, key: &IncidentKey) -> String {
        match &self.name {
            Some(name) if key.topic.is_local() => format!("{}{AT}{name}", key.subject),
            _ => key.subject.clone(),
        }
    }

    /// A row of the store, where it is about something that this look covers.
    pub fn known(&self, row: &Incident) -> Option<(IncidentKey, KnownIncident)> {
        let (key, known) = KnownIncident::of(row)?;
        match &self.name {
            _ if !self.covers(key.topic) => None,
            Some(name) if key.topic.is_local() => {
                let subject = key.subject.strip_suffix(name.as_str())?.strip_suffix(AT)?.to_owned();
                Some((IncidentKey { subject, ..key }, known))
            }
            _ => Some((key, known)),
        }
    }
}

impl Absences {
    /// Incidents of instances that have gone for good, which this one is to clear. `running`: the names of those that run.
    pub fn left_behind(&mut self, incidents: &[Incident], running: &BTreeSet<String>, now: Elapsed) -> Vec<Incident> {
        let owners = |incident: &Incident| {
            let (key, _) = KnownIncident::of(incident).filter(|(key, _)| key.topic.is_local())?;
            let (_, owner) = key.subject.rsplit_once(AT)?;
            (!running.contains(owner)).then(|| owner.to_owned())
        };
        let away: BTreeSet<String> = incidents.iter().filter_map(owners).collect();
        self.0.retain(|owner, _| away.contains(owner));
        for owner in away {
            self.0.entry(owner).or_insert(now);
        }
        let has_left = |owner: String| self.0.get(&owner).is_some_and(|since| now - *since >= LEFT_BEHIND);
        incidents.iter().filter(|incident| owners(incident).is_some_and(has_left)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::domain::data::Notice;

    fn row(topic: Topic, subject: &str) -> Incident {
        let at = Timestamp::UNIX_EPOCH;
        let known = KnownIncident { since: at, at, notice: Notice::default(), example: None };
        known.row(&IncidentKey { topic, subject: subject.to_owned() })
    }

    fn scope(name: &str, leads: Leads) -> WatchScope {
        WatchScope::new(Some(name.to_owned()), leads)
    }

    #[test]
    fn each_instance_sees_the_incidents_of_its_own_machine_and_the_leader_the_common_ones() {
        let rows = [
            row(Topic::Disk, "/var @ one:1"),
            row(Topic::Disk, "/var @ two:1"),
            row(Topic::MachineClock, " @ one:1"),
            row(Topic::Dead, "kitchen"),
        ];
        let seen = |scope: &WatchScope| {
            let known = rows.iter().filter_map(|row| scope.known(row));
            known.map(|(key, _)| (key.subject.clone(), scope.subject(&key))).collect::<Vec<_>>()
        };
        let owned = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(plain, stored)| ((*plain).to_owned(), (*stored).to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(seen(&scope("one:1", Leads::No)), owned(&[("/var", "/var @ one:1"), ("", " @ one:1")]));
        assert_eq!(seen(&scope("two:1", Leads::Yes)), owned(&[("/var", "/var @ two:1"), ("kitchen", "kitchen")]));
        let alone = WatchScope::new(None, Leads::Yes);
        assert_eq!(alone.subject(&IncidentKey { topic: Topic::Disk, subject: "/var".to_owned() }), "/var");
    }

    #[test]
    fn whoever_meets_what_no_route_matches_says_so_and_the_leader_says_when_it_is_over() {
        let key = IncidentKey { topic: Topic::Unrouted, subject: "store.hours".to_owned() };
        let (_, known) = KnownIncident::of(&row(Topic::Unrouted, "store.hours")).unwrap();
        let (begins, ends) = (IncidentChange::Begins(known), IncidentChange::Ends(Notice::default()));
        let may = |leads| [&begins, &ends].map(|change| scope("one:1", leads).makes(&key, change));
        assert_eq!((may(Leads::No), may(Leads::Yes)), ([true, false], [true, true]));
    }

    #[test]
    fn what_an_instance_that_is_gone_has_left_behind_is_cleared_and_one_that_starts_again_keeps_its_own() {
        let rows = [row(Topic::Disk, "/var @ one:1"), row(Topic::Disk, "/var @ two:1"), row(Topic::Dead, "kitchen")];
        let running = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>();
        let mut absences = Absences::default();
        let mut left = |names: &[&str], minute: i64| {
            let left = absences.left_behind(&rows, &running(names), Elapsed::from_mins(minute));
            left.into_iter().map(|incident| incident.subject).collect::<Vec<_>>()
        };
        assert_eq!(left(&["two:1"], 0), [""; 0]);
        assert_eq!(left(&["one:1", "two:1"], 5), [""; 0], "it is there again");
        assert_eq!(left(&["two:1"], 6), [""; 0]);
        assert_eq!(left(&["two:1"], 15), [""; 0]);
        assert_eq!(left(&["two:1"], 16), ["/var @ one:1"]);
    }
}
