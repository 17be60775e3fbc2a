//! The count that goes along with the month, on a thread of its own: it counts what came, and judges each report that is made.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

use orderbell::domain::report::Report;

use crate::report_month::count::Count;
use crate::report_month::house::{civil, day_of, reports};
use crate::report_month::judge::{Judge, Stated};
use crate::report_month::month::{Arrival, BEGIN};
use crate::report_month::place::About;

/// What has happened in the house, in its sequence.
pub enum TallyStep<'a> {
    /// These webhooks came.
    Came(&'a [Arrival]),
    /// A report was due at this moment, and is this one.
    Made(Box<Report>, i64),
    /// At this moment it was made again, of these days, as the text says.
    Again(Box<Report>, About, i64, &'static str),
}

#[derive(Default)]
pub struct Tally {
    count: Count,
    pub judge: Judge,
    /// By report.
    stated: BTreeMap<&'static str, Stated>,
    pub corrections: usize,
}

impl Tally {
    /// Listens until there is no more news.
    pub fn of(steps: Receiver<TallyStep<'_>>) -> Self {
        let mut tally = Self::default();
        for steps in steps {
            match steps {
                TallyStep::Came(batch) => batch.iter().for_each(|arrival| tally.count.receive(arrival)),
                TallyStep::Made(report, now) => tally.made(&report, now),
                TallyStep::Again(report, about, now, when) => tally.again(&report, &about, now, when),
            }
        }
        tally
    }

    fn made(&mut self, report: &Report, now: i64) {
        let (name, about) = reports().into_iter().find(|(name, _)| *name == report.name).expect("configured");
        let about = About { from: day_of(report.from), to: day_of(report.to), ..about };
        self.judge.compare(report, &self.count, &about, now, "when it is made");
        let stated = self.stated.entry(name).or_default();
        stated.pass(report);
        self.corrections += stated.correct(report);
        self.judge.compare_figures(stated, report, &self.count, &about);
    }

    fn again(&mut self, report: &Report, about: &About, now: i64, when: &str) {
        self.judge.compare(report, &self.count, about, now, when);
        if about.from < about.to {
            return;
        }
        match self.stated.get(report.name.as_str()).filter(|stated| stated.has(civil(about.to))) {
            Some(stated) => self.judge.compare_stated(stated, report),
            // The first report begins with the day after the first look.
            None => assert_eq!(about.to, about.place.day(BEGIN), "{}: {}", report.name, report.to),
        }
    }
}
