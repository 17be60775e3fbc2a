//! What a report is made of: what it asks the store, and what the store knows.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::domain::event::Event;
use crate::domain::ledger::Figure;
use crate::domain::order::Order;
use crate::domain::report::calendar::LocalDay;
use crate::domain::report::settings::ReportSettings;
use crate::domain::report::{ServiceHealth, Unproven};

/// How many days the picture shows.
pub const HISTORY_DAYS: i64 = 14;
/// Of how many same weekdays the mean is taken.
pub const WEEKS: i64 = 4;

/// What a report covers.
#[derive(Clone, Debug)]
pub struct Scope {
    pub name: String,
    pub from: Date,
    pub to: Date,
    pub zone: TimeZone,
    /// All where absent.
    pub sources: Option<Vec<String>>,
    /// All where absent.
    pub shops: Option<Vec<String>>,
    pub late: bool,
}

impl Scope {
    /// What a report of these days is about.
    pub fn of(report: &ReportSettings, name: &str, from: Date, to: Date, late: bool) -> Self {
        let (sources, shops) = (report.sources.clone(), report.shops.clone());
        Self { name: name.to_owned(), from, to, zone: report.timezone.zone.clone(), sources, shops, late }
    }

    /// The days that it covers.
    pub fn days(&self) -> Vec<LocalDay> {
        LocalDay::all(self.from, self.to, &self.zone)
    }

    /// The days whose sums it needs: those it covers, and those before that they are measured against.
    pub fn known_days(&self) -> Vec<LocalDay> {
        let back = (7 * WEEKS).max(HISTORY_DAYS);
        let first = self.from.checked_sub(jiff::Span::new().days(back)).unwrap_or(Date::MIN);
        LocalDay::all(first, self.to, &self.zone)
    }

    pub fn has_source(&self, source: &str) -> bool {
        self.sources.as_ref().is_none_or(|sources| sources.iter().any(|name| name == source))
    }

    pub fn has(&self, source: &str, shop: Option<&str>) -> bool {
        let has_shop = |shops: &Vec<String>| shop.is_some_and(|shop| shops.iter().any(|id| id == shop));
        self.has_source(source) && self.shops.as_ref().is_none_or(has_shop)
    }
}

/// What the store knows of a scope, all of it at one moment.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The sums of the ledger, by day.
    pub sums: Vec<Sum>,
    /// When the first webhook came that it knows of.
    pub begun_at: Option<Timestamp>,
    /// What the ledger has got since the report before, on days that were reported: the differences, by day.
    pub changes: Vec<Sum>,
    /// The sums of those days, as they are now.
    pub changed: Vec<Sum>,
    /// The number of the newest entry of the ledger.
    pub ledger_seq: i64,
    /// The orders of the days covered, with their sources.
    pub orders: Vec<(String, Order)>,
    /// When each webhook of the days covered came, in the sequence of arrival, with its source.
    pub arrivals: Vec<(String, Timestamp)>,
    /// Events of stock and of totals that came since the first day began, the earliest first.
    pub totals_and_stock: Vec<Event>,
    /// Without what is counted of `arrivals`.
    pub service: ServiceHealth,
}

impl Facts {
    /// The sources that observe now are named also where nothing unproven came; what the store knows is of those from which
    /// something did.
    pub fn note_observing(&mut self, scope: &Scope, observing: &[String]) {
        let unproven = &mut self.service.unproven;
        for source in observing.iter().filter(|source| scope.has_source(source)) {
            if !unproven.iter().any(|known| known.source == *source) {
                unproven.push(Unproven { source: source.clone(), webhooks: 0 });
            }
        }
        unproven.sort();
    }
}

/// What a day comes to in one figure, for one shop and currency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    pub day: Date,
    pub source: String,
    pub shop: Option<String>,
    pub figure: Figure,
    pub currency: Option<String>,
    pub count: i64,
    pub minor: i64,
}
