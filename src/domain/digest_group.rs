//! Which deliveries of one channel share a message: those of one order, and in a digest those of many.

use std::collections::BTreeMap;

use crate::domain::digest;
use crate::domain::event::{DeliveryId, Kind};
use crate::domain::pace::Backlog;

/// A delivery whose time has come, without its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub id: DeliveryId,
    pub kind: Kind,
    pub urgent: bool,
    /// Deliveries of one order belong together.
    pub order_key: Option<String>,
    /// In the sequence of arrival.
    pub event_seq: i64,
    /// It was begun, may have arrived, or carries others: it goes on as the message that it is, and joins no other.
    pub steady: bool,
    /// It was held in quiet hours and not tried since.
    pub held: bool,
    /// It was tried, so its message is composed already.
    pub tried: bool,
    /// A digest that carried it died, so it goes alone.
    pub returned: bool,
    /// Its fallback was asked.
    pub fell_back: bool,
    /// Its fallback was sent it, or something that its message carries: the channel catches up with it in one message.
    pub catches_up: bool,
}

/// What makes one message by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestGroup {
    /// The earliest first; the last one leads.
    pub ids: Vec<DeliveryId>,
    pub order_key: Option<String>,
    pub urgent: bool,
    pub steady: bool,
    pub held: bool,
    /// The message of its leader is composed already: about this group alone.
    pub tried: bool,
    /// May it join a digest?
    pub joins: bool,
    /// What the channel catches up with: one message, whatever it carries.
    pub catches_up: bool,
}

/// The sequence of arrival, the delivery, and whether its message is composed already.
type Member = (i64, DeliveryId, bool);

/// The messages that these deliveries, given by urgency and then as they fell due, make at most. With `supports_digest`, several of
/// one order are one. What goes on as it is comes first.
pub fn digest_groups(candidates: Vec<Candidate>, supports_digest: bool) -> Vec<DigestGroup> {
    let mut groups: Vec<(Vec<Member>, DigestGroup)> = Vec::new();
    let mut of_order: BTreeMap<String, usize> = BTreeMap::new();
    let (behind, candidates): (Vec<_>, Vec<_>) =
        candidates.into_iter().partition(|candidate| supports_digest && candidate.catches_up && !candidate.returned);
    for mut candidate in candidates {
        // Somebody waits for it.
        candidate.steady |= candidate.kind == Kind::Test;
        // A line of a digest would be all that is said of a day.
        let is_report = matches!(candidate.kind, Kind::Report(_));
        let joins = supports_digest && !candidate.steady && !candidate.returned && !is_report;
        let order_key = candidate.order_key.filter(|_| joins);
        let member = (candidate.event_seq, candidate.id, candidate.tried);
        if let Some(at) = order_key.as_ref().and_then(|key| of_order.get(key)) {
            let (members, group) = &mut groups[*at];
            group.urgent |= candidate.urgent;
            group.held &= candidate.held;
            members.push(member);
            continue;
        }
        if let Some(key) = &order_key {
            of_order.insert(key.clone(), groups.len());
        }
        let Candidate { urgent, steady, held, tried, .. } = candidate;
        groups.push((
            vec![member],
            DigestGroup { ids: Vec::new(), order_key, urgent, steady, held, tried, joins, catches_up: false },
        ));
    }
    if !behind.is_empty() {
        let members = behind.iter().map(|candidate| (candidate.event_seq, candidate.id, candidate.tried)).collect();
        let one = DigestGroup {
            ids: Vec::new(),
            order_key: None,
            urgent: false,
            steady: false,
            held: false,
            tried: false,
            joins: false,
            catches_up: true,
        };
        groups.push((members, one));
    }
    let ordered = |(mut members, group): (Vec<Member>, DigestGroup)| {
        members.sort_unstable();
        let tried = members.last().is_some_and(|(.., tried)| *tried);
        DigestGroup { ids: members.into_iter().map(|(_, id, _)| id).collect(), tried, ..group }
    };
    let mut groups: Vec<DigestGroup> = groups.into_iter().map(ordered).collect();
    groups.sort_by_key(|group| (!group.steady, !group.urgent));
    groups
}

/// How many messages they make.
pub fn waiting(groups: &[DigestGroup]) -> Backlog {
    // What was begun goes on before all else.
    let urgent = groups.iter().filter(|group| group.urgent || group.steady).count();
    Backlog { urgent, ordinary: groups.len() - urgent }
}

/// Takes out those that share the next message: all that may, of the urgent ones where there are some, when it is to be a
/// digest; what was held in quiet hours is one anyway; else the first one.
pub fn choose(groups: &mut Vec<DigestGroup>, digest: bool) -> Vec<DigestGroup> {
    let Some(first) = groups.first().cloned() else { return Vec::new() };
    let shares = |group: &DigestGroup| match (digest, first.held) {
        _ if first.steady || !group.joins => false,
        (true, _) => group.urgent == first.urgent,
        (false, true) => group.held,
        (false, false) => false,
    };
    let mut room = digest::MOST;
    let mut taken = Vec::new();
    let mut is_first = true;
    groups.retain(|group| {
        let takes = std::mem::take(&mut is_first) || (first.joins && shares(group) && group.ids.len() <= room);
        if takes {
            room = room.saturating_sub(group.ids.len());
            taken.push(group.clone());
        }
        !takes
    });
    // What leads must not be composed already, or it would go alone.
    if let Some(at) = taken.iter().rposition(|group| !group.tried) {
        let leader = taken.remove(at);
        taken.push(leader);
    }
    taken
}

/// Which of these, given by their orders, a message still tells when it has room for so many beside its leader: what belongs
/// to the leader's own order in any case, and of the others the earliest. An order is shown whole or goes another time: in
/// quiet hours what is held comes along only with what comes through.
pub fn fitting(orders: &[Option<&str>], leaders: Option<&str>, most: usize) -> Vec<usize> {
    let mut together: Vec<(Option<&str>, Vec<usize>)> = Vec::new();
    for (at, order) in orders.iter().enumerate() {
        match together.iter_mut().find(|(known, _)| order.is_some() && known == order) {
            Some((_, members)) => members.push(at),
            None => together.push((*order, vec![at])),
        }
    }
    let is_own = |order: Option<&str>| order.is_some() && order == leaders;
    together.sort_by_key(|(order, _)| !is_own(*order));
    let mut fitting = Vec::new();
    for (order, members) in together {
        if !is_own(order) && fitting.len() + members.len() > most {
            break;
        }
        fitting.extend(members);
    }
    fitting.sort_unstable();
    fitting
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn ids(groups: &[DigestGroup]) -> Vec<Vec<u128>> {
        groups.iter().map(|group| group.ids.iter().map(|id| id.0.as_u128()).collect()).collect()
    }

    fn one(id: u128) -> Candidate {
        Candidate {
            id: DeliveryId(Uuid::from_u128(id)),
            kind: Kind::OrderPlaced,
            urgent: false,
            order_key: None,
            event_seq: id as i64,
            steady: false,
            held: false,
            tried: false,
            returned: false,
            fell_back: false,
            catches_up: false,
        }
    }

    fn of(order: &str, candidate: Candidate) -> Candidate {
        Candidate { order_key: Some(order.to_owned()), ..candidate }
    }

    #[test]
    fn deliveries_of_one_order_are_one_message_led_by_the_newest() {
        let given = vec![
            of("a", Candidate { urgent: true, ..one(3) }),
            of("b", one(2)),
            of("a", one(1)),
            of("a", Candidate { steady: true, ..one(4) }),
        ];
        let made = digest_groups(given.clone(), true);
        assert_eq!(ids(&made), [vec![4], vec![1, 3], vec![2]]);
        assert_eq!(waiting(&made), Backlog { urgent: 2, ordinary: 1 });
        assert_eq!(ids(&digest_groups(given, false)).len(), 4, "each event by itself");
    }

    #[test]
    fn a_digest_takes_the_urgent_ones_first_and_nothing_that_goes_alone() {
        let urgent = |id| Candidate { urgent: true, ..one(id) };
        let given = vec![urgent(1), Candidate { returned: true, ..urgent(2) }, urgent(3), one(4), one(5)];
        let mut made = digest_groups(given, true);
        assert_eq!(ids(&choose(&mut made, true)), [[1], [3]]);
        assert_eq!(ids(&choose(&mut made, true)), [[2]]);
        assert_eq!(ids(&choose(&mut made, true)), [[4], [5]]);
        assert_eq!(choose(&mut made, true), []);
    }

    #[test]
    fn what_was_held_at_night_is_one_message_in_the_morning() {
        let held = |id| Candidate { held: true, ..one(id) };
        let mut made =
            digest_groups(vec![Candidate { urgent: true, held: true, ..one(1) }, held(2), one(3), held(4)], true);
        assert_eq!(ids(&choose(&mut made, false)), [[1], [2], [4]]);
        assert_eq!(ids(&choose(&mut made, false)), [[3]]);
    }

    #[test]
    fn what_a_channel_catches_up_with_is_one_message_and_mixes_with_no_other() {
        let behind = |id| Candidate { catches_up: true, steady: true, ..one(id) };
        let alone = Candidate { returned: true, ..behind(5) };
        let mut made = digest_groups(vec![of("a", behind(1)), of("a", one(2)), one(3), behind(4), alone], true);
        assert_eq!(ids(&choose(&mut made, true)), [[5]], "it died in one message already");
        assert_eq!(ids(&choose(&mut made, true)), [[2], [3]]);
        assert_eq!(ids(&choose(&mut made, true)), [vec![1, 4]]);
        assert_eq!(ids(&digest_groups(vec![behind(1), behind(2)], false)).len(), 2, "each event by itself");
    }

    #[test]
    fn a_report_is_a_message_by_itself() {
        let report = Candidate { kind: Kind::Report("daily".to_owned()), held: true, ..one(2) };
        let mut made =
            digest_groups(vec![Candidate { held: true, ..one(1) }, report, Candidate { held: true, ..one(3) }], true);
        assert_eq!(ids(&choose(&mut made, true)), [[1], [3]]);
        assert_eq!(ids(&choose(&mut made, true)), [[2]]);
    }

    #[test]
    fn a_digest_is_led_by_what_is_not_composed_yet() {
        let tried = |id| Candidate { tried: true, ..one(id) };
        let mut made = digest_groups(vec![one(1), one(2), tried(3), tried(4)], true);
        assert_eq!(ids(&choose(&mut made, true)), [[1], [3], [4], [2]]);
        let mut made = digest_groups(vec![of("a", tried(1)), of("a", one(2)), tried(3)], true);
        assert_eq!(ids(&choose(&mut made, true)), [vec![3], vec![1, 2]]);
    }

    #[test]
    fn what_belongs_to_one_order_stays_together_when_a_digest_has_no_room_for_all() {
        let orders = [Some("a"), None, Some("b"), Some("c"), Some("a"), None, Some("b")];
        assert_eq!(fitting(&orders, None, 7), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(fitting(&orders, None, 5), [0, 1, 2, 4, 6]);
        assert_eq!(fitting(&orders, None, 4), [0, 1, 4], "what is of no order stands by itself");
        assert_eq!(fitting(&orders, None, 1), [0; 0]);
        assert_eq!(fitting(&orders, Some("b"), 5), [0, 1, 2, 4, 6]);
        assert_eq!(fitting(&orders, Some("b"), 3), [2, 6], "the leader's own first");
        assert_eq!(fitting(&orders, Some("b"), 1), [2, 6]);
    }

    #[test]
    fn a_digest_is_no_longer_than_people_read() {
        let mut made = digest_groups((0..500).map(one).collect(), true);
        assert_eq!(choose(&mut made, true).len(), digest::MOST);
        assert_eq!(made.len(), 500 - digest::MOST);
    }
}
