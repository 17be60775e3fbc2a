//! The count that goes along with the month, on a thread of its own: it hears what came, and judges each report that is made.

use std::collections::BTreeMap;
use std::sync::mpsc::Receiver;

use orderbell::domain::report::Report;

use crate::report_month::count::Count;
use crate::report_month::house::{civil, day_of, reports};
use crate::report_month::judge::{Judge, Told};
use crate::report_month::month::{Arrival, BEGIN};
use crate::report_month::place::About;

/// What has happened in the house, in its sequence.
pub enum News<'a> {
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
    told: BTreeMap<&'static str, Told>,
    pub corrections: usize,
}

impl Tally {
    /// Listens until there is no more news.
    pub fn of(news: Receiver<News<'_>>) -> Self {
        let mut tally = Self::default();
        for news in news {
            match news {
                News::Came(batch) => batch.iter().for_each(|arrival| tally.count.hear(arrival)),
                News::Made(report, now) => tally.made(&report, now),
                News::Again(report, about, now, when) => tally.again(&report, &about, now, when),
            }
        }
        tally
    }

    fn made(&mut self, report: &Report, now: i64) {
        let (name, about) = reports().into_iter().find(|(name, _)| *name == report.name).expect("configured");
        let about = About { from: day_of(report.from), to: day_of(report.to), ..about };
        self.judge.compare(report, &self.count, &about, now, "when it is made");
        let told = self.told.entry(name).or_default();
        told.tell(report);
        self.corrections += told.correct(report);
        self.judge.compare_standing(told, report, &self.count, &about);
    }

    fn again(&mut self, report: &Report, about: &About, now: i64, when: &str) {
        self.judge.compare(report, &self.count, about, now, when);
        if about.from < about.to {
            return;
        }
        match self.told.get(report.name.as_str()).filter(|told| told.has(civil(about.to))) {
            Some(told) => self.judge.compare_told(told, report),
            // The first report begins with the day after the first look.
            None => assert_eq!(about.to, about.place.day(BEGIN), "{}: {}", report.name, report.to),
        }
    }
}
