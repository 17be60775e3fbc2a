//! What is compared, and what the reports have said so far of each day.

use std::collections::BTreeMap;

use jiff::civil::Date;
use orderbell::domain::report::Report;
use serde_json::Value;

use crate::report_month::count::Count;
use crate::report_month::house::civil;
use crate::report_month::place::{About, Place};
use crate::report_month::{compare, expected};

/// What differs, and how much was compared.
#[derive(Default)]
pub struct Judge {
    pub reports: usize,
    pub figures: usize,
    pub differences: Vec<String>,
    /// How often each reason for a difference from the platform's totals was given.
    pub reasons: BTreeMap<String, usize>,
}

impl Judge {
    /// Compares a report with the count, as of a moment.
    pub fn compare(&mut self, report: &Report, count: &Count, about: &About, as_of: i64, when: &str) {
        let (mut ours, mut counted) = (compare::of(report), expected::report(count, about, as_of));
        if about.place != Place::HongKong {
            // The platform's days are those of Hong Kong.
            ours["reconciled"] = Value::Null;
            counted["reconciled"] = Value::Null;
        }
        self.reports += 1;
        self.figures += compare::figures(&counted);
        for reconciled in counted["reconciled"].as_array().into_iter().flatten() {
            *self.reasons.entry(reconciled["difference"].to_string()).or_default() += 1;
        }
        let found = compare::differences(&ours, &counted);
        let say = |difference: String| format!("{} of {} {when}: {difference}", report.name, report.from);
        self.differences.extend(found.into_iter().map(say));
    }

    /// Compares what was said of all days so far, and corrected up to this report, with the count as it is now: whatever has
    /// changed is restated, and nothing else.
    pub fn compare_figures(&mut self, stated: &Stated, report: &Report, count: &Count, about: &About) {
        let stands = expected::row(count, about);
        let stands = stands.into_iter().map(|((day, name), value)| ((civil(day), name), value));
        let stands: BTreeMap<(Date, String), i64> = stands.filter(|((day, _), _)| stated.has(*day)).collect();
        self.figures += stands.len();
        for key in stated.0.keys().chain(stands.keys().filter(|key| !stated.0.contains_key(*key))) {
            let (said, is) = (stated.0.get(key).unwrap_or(&0), stands.get(key).unwrap_or(&0));
            if said != is {
                self.differences.push(format!(
                    "{} of {}: what is known of {key:?} is {said}, and the count has {is}",
                    report.name, report.to
                ));
            }
        }
    }

    /// Compares what was said of a day at first, and corrected since, with what stands in the end.
    pub fn compare_stated(&mut self, stated: &Stated, report: &Report) {
        let mut stands = Stated::default();
        stands.pass(report);
        for key in stated.of(report.to).chain(stands.0.keys()) {
            let (said, is) = (stated.0.get(key).unwrap_or(&0), stands.0.get(key).unwrap_or(&0));
            if said != is {
                self.differences.push(format!("{}: of {key:?} was reported {said}, and it is {is}", report.name));
            }
        }
    }
}

/// What one report has said so far: orders, cancelled, and gross, refunded and net by currency, of each day.
#[derive(Default)]
pub struct Stated(BTreeMap<(Date, String), i64>);

impl Stated {
    fn of(&self, day: Date) -> impl Iterator<Item = &(Date, String)> {
        self.0.range((day, String::new())..).map(|(key, _)| key).take_while(move |(own, _)| *own == day)
    }

    pub fn has(&self, day: Date) -> bool {
        self.of(day).next().is_some()
    }

    /// What a report says of its own days, none of which was reported before.
    pub fn pass(&mut self, report: &Report) {
        for day in &report.days {
            let mut set = |name: String, value: i64| {
                assert_eq!(self.0.insert((day.day, name), value), None, "{} is reported twice", day.day);
            };
            set("orders".to_owned(), day.figures.orders);
            set("cancelled".to_owned(), day.figures.cancelled);
            for amounts in &day.figures.amounts {
                set(format!("gross {}", amounts.currency), amounts.gross.minor);
                set(format!("refunded {}", amounts.currency), amounts.refunded.minor);
                set(format!("net {}", amounts.currency), amounts.net.minor);
            }
        }
    }

    /// What it says of days that were reported before. Answers of how many figures.
    pub fn correct(&mut self, report: &Report) -> usize {
        let mut corrections = 0;
        for restated in &report.restated {
            let mut change = |name: String, before: i64, after: i64| {
                corrections += 1;
                let known = self.0.entry((restated.day, name.clone())).or_default();
                assert_eq!(*known, before, "{name} of {} in the report of {}: what it was", restated.day, report.to);
                assert_ne!(before, after, "{name} of {}: no correction", restated.day);
                *known = after;
            };
            if let Some(orders) = &restated.orders {
                change("orders".to_owned(), orders.before, orders.after);
            }
            if let Some(cancelled) = &restated.cancelled {
                change("cancelled".to_owned(), cancelled.before, cancelled.after);
            }
            let amounts = [("gross", &restated.gross), ("refunded", &restated.refunded), ("net", &restated.net)];
            for (name, changes) in amounts {
                for money in changes {
                    change(format!("{name} {}", money.before.currency), money.before.minor, money.after.minor);
                }
            }
        }
        corrections
    }
}
