//! Whether the instances that share a store fit together: one configuration, one version, and a name for each.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::data::Notice;
use crate::flow::notice::Topic;
use crate::flow::watch::condition_state::{ConditionState, ConditionStates, IncidentKey, wrong};
use crate::store::leases::{ListedInstance, Roster};

/// A changed file reaches all instances within seconds, and one that was ended is listed for a moment yet.
const MAY_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// Since when instances differ, by what.
#[derive(Debug, Default)]
pub struct Differences(BTreeMap<Topic, Timestamp>);

impl Differences {
    /// Adds what differs, and what no longer does.
    pub fn note(&mut self, roster: &Roster, now: Timestamp, states: &mut ConditionStates) {
        let by = |of: fn(&ListedInstance) -> &str| groups(&roster.instances, of);
        let configurations = by(|one| &one.announcement.fingerprint);
        let versions = by(|one| &one.announcement.version);
        let names = by(|one| &one.announcement.name);
        let listed = |names: &BTreeSet<&str>| names.iter().copied().collect::<Vec<_>>().join(", ");
        let one_each = configurations.values().map(listed).collect::<Vec<_>>().join(" / ");
        let versions_of =
            versions.iter().map(|(version, names)| format!("{version}: {}", listed(names))).collect::<Vec<_>>();
        let several = |name: &&str| roster.instances.iter().filter(|one| one.announcement.name == *name).count() > 1;
        let shared = names.keys().copied().filter(several).collect::<Vec<_>>();
        for (topic, detail) in [
            (Topic::Configurations, (configurations.len() > 1).then_some(one_each)),
            (Topic::Versions, (versions.len() > 1).then(|| versions_of.join(" / "))),
            (Topic::Names, (!shared.is_empty()).then(|| shared.join(", "))),
        ] {
            let state = self.state(topic, detail, now);
            states.insert(IncidentKey { topic, subject: String::new() }, state);
        }
    }

    fn state(&mut self, topic: Topic, detail: Option<String>, now: Timestamp) -> ConditionState {
        let Some(detail) = detail else {
            self.0.remove(&topic);
            return ConditionState::Fine;
        };
        let since = *self.0.entry(topic).or_insert(now);
        if now.duration_since(since).abs() < MAY_DIFFER {
            return ConditionState::Unclear;
        }
        wrong(since, Notice { detail: Some(detail), ..Notice::default() })
    }
}

/// The names of the instances by what they have in common.
fn groups(instances: &[ListedInstance], of: fn(&ListedInstance) -> &str) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut groups: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for instance in instances {
        groups.entry(of(instance)).or_default().insert(&instance.announcement.name);
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::leases::Announcement;

    fn listed(name: &str, version: &str, fingerprint: &str) -> ListedInstance {
        let announcement = Announcement {
            id: format!("{name} {version} {fingerprint}"),
            name: name.to_owned(),
            version: version.to_owned(),
            fingerprint: fingerprint.to_owned(),
            credentials: Vec::new(),
        };
        let ago = SignedDuration::from_secs(1);
        ListedInstance { announcement, schema: 7, began_ago: ago, seen_ago: ago }
    }

    /// What is said after a while, by topic.
    fn said(instances: Vec<ListedInstance>) -> Vec<(Topic, String)> {
        let roster = Roster { instances, ..Roster::default() };
        let mut differences = Differences::default();
        let mut look = |seconds: i64| {
            let mut states = ConditionStates::new();
            differences.note(&roster, Timestamp::from_second(1_790_000_000 + seconds).unwrap(), &mut states);
            states
        };
        assert!(look(0).values().all(|state| !matches!(state, ConditionState::Wrong(_))), "it may be changing");
        let wrong = look(60).into_iter().filter_map(|(key, state)| match state {
            ConditionState::Wrong(wrong) => Some((key.topic, wrong.notice.detail.unwrap())),
            _ => None,
        });
        wrong.collect()
    }

    #[test]
    fn instances_that_fit_together_are_nothing_to_speak_of() {
        assert_eq!(said(vec![listed("a:1", "1", "x"), listed("b:1", "1", "x")]), []);
        assert_eq!(said(Vec::new()), []);
    }

    #[test]
    fn the_operator_is_notified_of_which_instances_differ_in_what() {
        let configurations = said(vec![listed("a:1", "1", "x"), listed("b:1", "1", "y"), listed("c:1", "1", "x")]);
        assert_eq!(configurations, [(Topic::Configurations, "a:1, c:1 / b:1".to_owned())]);
        let versions = said(vec![listed("a:1", "0.2.0", "x"), listed("b:1", "0.1.0", "x")]);
        assert_eq!(versions, [(Topic::Versions, "0.1.0: b:1 / 0.2.0: a:1".to_owned())]);
        let one = listed("a:1", "1", "x");
        let other = ListedInstance {
            announcement: Announcement { id: "other".to_owned(), ..one.announcement.clone() },
            ..one.clone()
        };
        assert_eq!(said(vec![one, other]), [(Topic::Names, "a:1".to_owned())]);
    }
}
