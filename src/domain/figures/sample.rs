//! Reports of shops that do not exist: for looking at templates before the first day is over, and for tests. Their orders are
//! made up; their figures are made of these as those of any report are.

mod incidents;
mod made;

use crate::domain::figures::facts::Scope;
use crate::domain::figures::sample::made::{SampleData, SampleShop, made};
use crate::domain::report::ServiceHealth;
use crate::domain::shop::Shop;

/// Every sample, by what is special about it. The first is an ordinary day.
pub fn all(name: &str) -> Vec<(&'static str, SampleData)> {
    vec![
        ("day", day(name)),
        ("late", late(name)),
        ("currencies", currencies(name)),
        ("none", none(name)),
        ("troubled", incidents::troubled(name)),
        ("shops", shops(name, 60, 1, |number| format!("Noodle House {number}"))),
    ]
}

/// An ordinary day of two shops.
pub fn day(name: &str) -> SampleData {
    made(name, 1, &hong_kong())
}

/// Three days at once, because the machine was off.
pub fn late(name: &str) -> SampleData {
    let sample = made(name, 3, &hong_kong());
    SampleData { scope: Scope { late: true, ..sample.scope.clone() }, ..sample }
}

/// Two currencies, one of them with three decimals.
pub fn currencies(name: &str) -> SampleData {
    let kuwait = [("Machboos", 3_250), ("Karak tea", 450), ("Falafel", 1_100)];
    let mut houses = hong_kong();
    houses.truncate(1);
    houses.push(SampleShop::new("keeta-kw", "880021", "Salmiya Kitchen", "KWD", &kuwait, 41));
    made(name, 1, &houses)
}

/// A day without any order, as the first days are.
pub fn none(name: &str) -> SampleData {
    let mut sample = made(name, 1, &[]);
    sample.facts.begun_at = None;
    sample.facts.bell = ServiceHealth::default();
    sample
}

/// So many shops, with such names.
pub fn shops(name: &str, shops: usize, days: i64, called: impl Fn(usize) -> String) -> SampleData {
    let house = |number: usize| SampleShop {
        shop: Shop { id: (500_000 + number).to_string(), name: Some(called(number)) },
        orders: 4 + i64::try_from(number % 9).unwrap_or_default(),
        ..hong_kong().swap_remove(number % 2)
    };
    made(name, days, &(1..=shops).map(house).collect::<Vec<_>>())
}

fn hong_kong() -> Vec<SampleShop> {
    let harbour = [("云吞面 Wonton noodles", 4_200), ("糖醋排骨 Sweet and sour ribs", 6_800), ("Lemon tea", 1_500)];
    let peak = [("Beef brisket noodles", 5_600), ("Lemon tea", 1_500), ("Dumplings, 8 pieces", 4_800)];
    vec![
        SampleShop::new("keeta-hk", "145541", "Harbour Noodle House", "HKD", &harbour, 68),
        SampleShop::new("keeta-hk", "466663", "Peak Noodle House", "HKD", &peak, 37),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_agrees_with_itself() {
        for (what, sample) in all("daily") {
            let report = sample.report();
            let total = &report.total;
            assert_eq!(report.hours.iter().map(|hour| hour.orders).sum::<i64>(), total.orders, "{what}");
            assert_eq!(report.shops.iter().map(|shop| shop.figures.orders).sum::<i64>(), total.orders, "{what}");
            let cancelled: i64 = report.cancellations.by.iter().map(|by| by.orders).sum();
            assert_eq!(cancelled, total.cancelled, "{what}");
            assert_eq!(sample.table().lines().count() as i64, total.orders + 1, "{what}");
            assert_eq!(report.history.len(), 14, "{what}");
            for amounts in &total.amounts {
                let hours = report.hours.iter().flat_map(|hour| &hour.gross);
                let gross: i64 = hours.filter(|sum| sum.currency == amounts.currency).map(|sum| sum.minor).sum();
                assert_eq!(gross, amounts.gross.minor, "{what}");
                assert!(amounts.refunded.minor > 0 && amounts.refunded.minor < amounts.gross.minor / 10, "{what}");
            }
        }
    }

    #[test]
    fn each_sample_shows_what_it_is_for() {
        let of = |what: &str| all("daily").into_iter().find(|(known, _)| *known == what).unwrap().1.report();
        assert_eq!((of("day").total.orders, of("day").days.len(), of("day").shops.len()), (105, 1, 2));
        assert!(of("day").days[0].day_before.is_some() && of("day").days[0].same_weekdays.is_some());
        assert!(of("late").late && of("late").days.len() == 3);
        assert_eq!(of("currencies").total.amounts.len(), 2);
        assert_eq!(of("none").total, Default::default());
        assert_eq!(of("shops").shops.len(), 60);
    }
}
