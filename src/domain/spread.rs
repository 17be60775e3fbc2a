//! Which instance works which credential: evenly, moving as few as can be. Pure, so that every instance that knows the same
//! comes to the same, and nobody has to decide for the others.

use std::collections::{BTreeMap, BTreeSet};

/// A credential that is to be worked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// The instances that could.
    pub candidates: BTreeSet<String>,
    /// The one that does.
    pub holder: Option<String>,
}

/// Gives each credential that any instance could work to one of those. The shares differ by one at most, as far as each could
/// work each; whoever works one keeps it unless that would be beyond its share.
pub fn spread(demands: &BTreeMap<String, Demand>) -> BTreeMap<String, String> {
    let mut shares = Shares::of(demands);
    let mut spread = BTreeMap::new();
    // What fewer could work is placed first, because the others have somewhere else to go.
    let mut sequence: Vec<(&String, &Demand)> = demands.iter().collect();
    sequence.sort_by_key(|(name, demand)| (demand.candidates.len(), *name));
    for (name, demand) in &sequence {
        let holder = demand.holder.as_ref().filter(|holder| demand.candidates.contains(*holder));
        let instance = match demand.candidates.len() {
            1 => shares.least_of(demand),
            _ => holder.filter(|holder| shares.keep(holder)).cloned(),
        };
        spread.extend(instance.map(|instance| ((*name).clone(), instance)));
    }
    for (name, demand) in sequence {
        if !spread.contains_key(name)
            && let Some(instance) = shares.least_of(demand)
        {
            spread.insert(name.clone(), instance);
        }
    }
    spread
}

/// How much each instance may keep, and how much it has.
struct Shares {
    share: usize,
    /// Those that may have one more.
    larger: BTreeSet<String>,
    loads: BTreeMap<String, usize>,
}

impl Shares {
    fn of(demands: &BTreeMap<String, Demand>) -> Self {
        let mut held: BTreeMap<String, usize> = BTreeMap::new();
        for instance in demands.values().flat_map(|demand| &demand.candidates) {
            held.entry(instance.clone()).or_default();
        }
        for demand in demands.values() {
            if let Some(holder) = &demand.holder
                && let Some(count) = held.get_mut(holder)
            {
                *count += 1;
            }
        }
        let worked = demands.values().filter(|demand| !demand.candidates.is_empty()).count();
        let instances = held.len().max(1);
        let mut sequence: Vec<(&String, &usize)> = held.iter().collect();
        sequence.sort_by_key(|(name, count)| (std::cmp::Reverse(**count), *name));
        let larger = sequence.into_iter().take(worked % instances).map(|(name, _)| name.clone()).collect();
        Self { share: worked / instances, larger, loads: held.into_keys().map(|name| (name, 0)).collect() }
    }

    fn most(&self, instance: &str) -> usize {
        self.share + usize::from(self.larger.contains(instance))
    }

    fn keep(&mut self, instance: &str) -> bool {
        let most = self.most(instance);
        let Some(load) = self.loads.get_mut(instance).filter(|load| **load < most) else { return false };
        *load += 1;
        true
    }

    /// The candidate that is farthest below its share, the one that works it where none is farther.
    fn least_of(&mut self, demand: &Demand) -> Option<String> {
        let room = |instance: &&String| {
            let load = self.loads[*instance];
            let over = i64::try_from(load).unwrap_or(i64::MAX) - i64::try_from(self.most(instance)).unwrap_or(i64::MAX);
            (over, demand.holder.as_ref() != Some(*instance), (*instance).clone())
        };
        let chosen = demand.candidates.iter().min_by_key(room)?.clone();
        *self.loads.get_mut(&chosen)? += 1;
        Some(chosen)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn demands(credentials: &[(&str, &str, Option<&str>)]) -> BTreeMap<String, Demand> {
        let demand = |(name, candidates, holder): &(&str, &str, Option<&str>)| {
            let candidates = candidates.split(' ').filter(|name| !name.is_empty()).map(str::to_owned).collect();
            ((*name).to_owned(), Demand { candidates, holder: holder.map(str::to_owned) })
        };
        credentials.iter().map(demand).collect()
    }

    fn given(credentials: &[(&str, &str, Option<&str>)]) -> Vec<(String, String)> {
        spread(&demands(credentials)).into_iter().collect()
    }

    fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, instance)| ((*name).to_owned(), (*instance).to_owned())).collect()
    }

    #[test]
    fn one_instance_works_all_and_a_second_one_gets_half_and_nothing_moves_that_need_not() {
        let all = given(&[("a", "x", None), ("b", "x", None), ("c", "x", None)]);
        assert_eq!(all, owned(&[("a", "x"), ("b", "x"), ("c", "x")]));
        let two = given(&[("a", "x y", Some("x")), ("b", "x y", Some("x")), ("c", "x y", Some("x"))]);
        assert_eq!(two, owned(&[("a", "x"), ("b", "x"), ("c", "y")]));
        let after_a_death = given(&[("a", "y", Some("x")), ("b", "y", Some("x")), ("c", "y", Some("y"))]);
        assert_eq!(after_a_death, owned(&[("a", "y"), ("b", "y"), ("c", "y")]));
    }

    #[test]
    fn what_only_one_could_work_stays_with_it_and_what_nobody_could_is_not_given() {
        let spread = given(&[("a", "x", None), ("b", "x y", Some("x")), ("c", "", Some("z")), ("d", "x", None)]);
        assert_eq!(spread, owned(&[("a", "x"), ("b", "y"), ("d", "x")]));
    }

    proptest! {
        #[test]
        fn shares_differ_by_one_at_most_and_what_was_spread_stays_so(
            holders in prop::collection::vec(0_usize..6, 0..30),
            instances in 1_usize..6,
        ) {
            let candidates: BTreeSet<String> = (0..instances).map(|number| format!("i{number}")).collect();
            // The last ones are of instances that are gone, or of nobody.
            let demand = |(number, holder): (usize, &usize)| {
                let holder = (*holder < 5).then(|| format!("i{holder}"));
                (format!("c{number:02}"), Demand { candidates: candidates.clone(), holder })
            };
            let before: BTreeMap<String, Demand> = holders.iter().enumerate().map(demand).collect();
            let after = spread(&before);
            prop_assert_eq!(after.len(), before.len());
            let loads = candidates.iter().map(|one| after.values().filter(|other| *other == one).count());
            let (least, most) = loads.fold((usize::MAX, 0), |(least, most), load| (least.min(load), most.max(load)));
            prop_assert!(most - least <= 1);
            let held = |(name, demand): (&String, &Demand)| {
                (name.clone(), Demand { holder: after.get(name).cloned(), ..demand.clone() })
            };
            prop_assert_eq!(spread(&before.iter().map(held).collect()), after);
        }

        #[test]
        fn what_was_spread_stays_so_whoever_could_work_what(
            credentials in prop::collection::vec((1_u8..16, prop::option::of(0_u8..4)), 0..20),
        ) {
            let demand = |(number, (mask, holder)): (usize, &(u8, Option<u8>))| {
                let candidates = (0..4).filter(|bit| mask & (1 << bit) != 0).map(|bit| format!("i{bit}")).collect();
                (format!("c{number:02}"), Demand { candidates, holder: holder.map(|holder| format!("i{holder}")) })
            };
            let mut demands: BTreeMap<String, Demand> = credentials.iter().enumerate().map(demand).collect();
            let mut moves = 0;
            loop {
                let after = spread(&demands);
                let is_at_rest = demands.iter().all(|(name, demand)| after.get(name) == demand.holder.as_ref());
                if is_at_rest {
                    break;
                }
                moves += 1;
                prop_assert!(moves < 8, "it comes to rest");
                for (name, demand) in &mut demands {
                    demand.holder = after.get(name).cloned();
                }
            }
        }
    }
}
