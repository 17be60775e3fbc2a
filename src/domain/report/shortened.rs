//! A report with shorter lists, for where there is not room for all of it.

use crate::domain::report::{Difference, Report};

/// How much of the lists is shown, from all to next to nothing.
struct Lengths {
    days: usize,
    shops: usize,
    products: usize,
    reasons: usize,
    stock: usize,
    restated: usize,
    reconciled: usize,
}

const STEPS: [Lengths; 7] = [
    Lengths { days: 31, shops: 100, products: 10, reasons: 5, stock: 40, restated: 31, reconciled: 31 },
    Lengths { days: 31, shops: 40, products: 10, reasons: 5, stock: 20, restated: 14, reconciled: 14 },
    Lengths { days: 21, shops: 24, products: 10, reasons: 5, stock: 15, restated: 10, reconciled: 10 },
    Lengths { days: 14, shops: 12, products: 10, reasons: 5, stock: 10, restated: 7, reconciled: 7 },
    Lengths { days: 7, shops: 5, products: 5, reasons: 3, stock: 5, restated: 3, reconciled: 3 },
    Lengths { days: 5, shops: 3, products: 3, reasons: 2, stock: 3, restated: 2, reconciled: 2 },
    Lengths { days: 3, shops: 0, products: 0, reasons: 0, stock: 0, restated: 0, reconciled: 0 },
];

impl Report {
    /// The report with shorter lists, which say how much was left out; never without its totals. `None` when it cannot be
    /// shorter.
    pub fn shortened(&self, times: usize) -> Option<Report> {
        let Lengths { days, shops, products, reasons, stock, restated, reconciled } = *STEPS.get(times)?;
        let mut report = self.clone();
        report.days_left_out += cut(&mut report.days, days);
        report.shops_left_out += cut(&mut report.shops, shops);
        report.stock_left_out += cut(&mut report.stock, stock);
        report.restated_left_out += cut(&mut report.restated, restated);
        report.reconciled.sort_by_key(|beside| rank(beside.difference));
        report.reconciled_left_out += cut(&mut report.reconciled, reconciled);
        report.products.truncate(products);
        report.cancellations.reasons.truncate(reasons);
        Some(report)
    }
}

/// What is shown first: webhooks that are missing, then whatever else differs.
fn rank(difference: Difference) -> u8 {
    match difference {
        Difference::Missing => 0,
        Difference::None => 2,
        _ => 1,
    }
}

/// Answers how many are left out.
fn cut<T>(list: &mut Vec<T>, length: usize) -> i64 {
    let left_out = list.len().saturating_sub(length);
    list.truncate(length);
    i64::try_from(left_out).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use crate::domain::figures::sample;

    use super::*;

    #[test]
    fn each_step_is_shorter_and_says_what_is_left_out() {
        let samples = sample::all("daily");
        let troubled = &samples.iter().find(|(what, _)| *what == "troubled").unwrap().1;
        let whole = troubled.report();
        let mut before = whole.clone();
        for times in 0..STEPS.len() {
            let report = whole.shortened(times).unwrap();
            for (list, left_out, all, earlier) in [
                (report.shops.len(), report.shops_left_out, whole.shops.len(), before.shops.len()),
                (report.stock.len(), report.stock_left_out, whole.stock.len(), before.stock.len()),
                (report.restated.len(), report.restated_left_out, whole.restated.len(), before.restated.len()),
                (report.reconciled.len(), report.reconciled_left_out, whole.reconciled.len(), before.reconciled.len()),
            ] {
                assert!(
                    list + left_out as usize == all && list <= earlier,
                    "step {times}: {list} and {left_out} of {all}"
                );
            }
            assert_eq!((&report.total, &report.service), (&whole.total, &whole.service));
            before = report;
        }
        assert!(before.shops.is_empty() && whole.shortened(STEPS.len()).is_none());
        let differences =
            |report: &Report| report.reconciled.iter().map(|beside| beside.difference).collect::<Vec<_>>();
        assert_eq!(differences(&whole)[..2], [Difference::None, Difference::Amount]);
        assert_eq!(differences(&whole.shortened(5).unwrap()), [Difference::Missing, Difference::Amount]);
    }
}
