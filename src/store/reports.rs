//! What reports are made of, and which days they have covered: a day is covered in the commit of the event that reports it.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::event::{Event, EventId};
use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::report::upcoming::Past;
use crate::store::StoreFuture;
use crate::store::history::found::ReportHistory;
use crate::store::ingest::{Record, Recorded};

/// Figures and reports.
///
/// # Errors
/// Each fails with [`StoreError::Unavailable`](crate::store::StoreError::Unavailable): then nothing was kept.
pub trait Reports: Send + Sync {
    /// What the store knows of a report's days, as of one moment.
    fn report_facts(&self, scope: Scope) -> StoreFuture<'_, Facts>;

    /// When the first webhook came that the store knows of.
    fn first_arrival(&self) -> StoreFuture<'_, Option<Timestamp>>;

    /// What a report has covered so far.
    fn report_past(&self, report: &str) -> StoreFuture<'_, Past>;

    /// Notes that a report begins after a day, unless it has begun.
    fn begin_report(&self, report: &str, after: Date) -> StoreFuture<'_, ()>;

    /// Forgets that a report has covered days from one on: they have not come yet.
    fn forget_report_days(&self, report: &str, from: Date) -> StoreFuture<'_, ()>;

    /// Records a report and the days that it covers, in one commit. `None`: one of them is covered already, so nothing was done.
    fn record_report(&self, run: ReportRun) -> StoreFuture<'_, Option<Recorded>>;

    /// What became of the report that covers a day.
    fn report_status(&self, report: &str, day: Date) -> StoreFuture<'_, ReportStatus>;

    /// What became of a report so far, with the newest so many of those that were made when they were due; as of one moment.
    fn report_history(&self, report: &str, newest: u32) -> StoreFuture<'_, ReportHistory>;

    /// The orders of a stored report as CSV, where they go along.
    fn report_table(&self, report: EventId) -> StoreFuture<'_, Option<String>>;

    /// The event whose picture has this name, unless its time is over.
    fn pictured(&self, token: &str, now: Timestamp) -> StoreFuture<'_, Option<Event>>;
}

/// A report that is made, with the days that it covers.
#[derive(Clone, Debug)]
pub struct ReportRun {
    pub report: String,
    pub days: Vec<Date>,
    /// The number of the newest entry of the ledger that it knows.
    pub ledger_seq: i64,
    pub record: Record,
    /// The name of its picture, and until when that can be fetched.
    pub picture: Option<(String, Timestamp)>,
}

/// What became of the report that covers a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReportStatus {
    /// There is none.
    Missing,
    /// The day lies before the report's beginning.
    NotBegun,
    /// It was made; these deliveries of it have not arrived.
    Made { event: EventId, undelivered: Vec<Undelivered> },
}

/// A delivery that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    pub channel: String,
    pub state: String,
    pub answer: Option<String>,
}
