//! Reports of shops that do not exist: for looking at templates before the first day is over, and for tests. Their orders are
//! made up; their figures are made of these as those of any report are.

mod fixture;
mod incidents;
mod made;

use crate::domain::figures::facts::Scope;
use crate::domain::figures::sample::fixture::{FIXTURE, SampleDays, SampleShop};
use crate::domain::figures::sample::made::{SampleData, made};
use crate::domain::report::ServiceHealth;
use crate::domain::shop::Shop;

/// Every sample, by what is special about it. The first is an ordinary day of two shops.
pub fn all(name: &str) -> Vec<(&'static str, SampleData)> {
    let days = FIXTURE.samples.iter().map(|sample| (sample.name.as_str(), of(name, sample)));
    let others = [
        ("troubled", incidents::troubled(name)),
        ("shops", shops(name, 60, 1, |number| format!("Noodle House {number}"))),
    ];
    days.chain(others).collect()
}

/// An ordinary day.
pub fn day(name: &str) -> SampleData {
    of(name, &FIXTURE.samples[0])
}

fn of(name: &str, sample: &SampleDays) -> SampleData {
    let shops: Vec<SampleShop> = sample.shops.iter().map(|shop| FIXTURE.shops[shop].clone()).collect();
    let mut data = made(name, sample.days, &shops);
    data.scope = Scope { late: sample.late, ..data.scope };
    if shops.is_empty() {
        // As the first days are.
        data.facts.begun_at = None;
        data.facts.service = ServiceHealth::default();
    }
    data
}

/// So many shops, with such names.
pub fn shops(name: &str, shops: usize, days: i64, called: impl Fn(usize) -> String) -> SampleData {
    let shop = |number: usize| SampleShop {
        shop: Shop { id: (500_000 + number).to_string(), name: Some(called(number)) },
        orders: 4 + i64::try_from(number % 9).unwrap_or_default(),
        ..FIXTURE.shops[&FIXTURE.samples[0].shops[number % 2]].clone()
    };
    made(name, days, &(1..=shops).map(shop).collect::<Vec<_>>())
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
            assert_eq!(report.history.len(), if what == "none" { 1 } else { 14 }, "{what}");
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
