//! What reports are made of, of every database.

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::event::{Event, EventId};
use crate::domain::figures::facts::{Facts, Scope};
use crate::domain::report::upcoming::Past;
use crate::store::StoreFuture;
use crate::store::history::found::ReportHistory;
use crate::store::ingest::Recorded;
use crate::store::reports::{ReportRun, ReportStatus, Reports};
use crate::store::sql::database::Database;
use crate::store::sql::report;

impl<D: Database> Reports for D {
    fn report_facts(&self, scope: Scope) -> StoreFuture<'_, Facts> {
        Box::pin(self.look_in_background(move |connection| report::facts(connection, &scope)))
    }

    fn first_arrival(&self) -> StoreFuture<'_, Option<Timestamp>> {
        Box::pin(self.look(report::begun_at))
    }

    fn report_past(&self, report: &str) -> StoreFuture<'_, Past> {
        let report = report.to_owned();
        Box::pin(self.look(move |connection| report::history::past(connection, &report)))
    }

    fn begin_report(&self, report: &str, after: Date) -> StoreFuture<'_, ()> {
        let report = report.to_owned();
        Box::pin(self.change(move |connection| report::begin(connection, &report, after)))
    }

    fn forget_report_days(&self, report: &str, from: Date) -> StoreFuture<'_, ()> {
        let report = report.to_owned();
        Box::pin(self.change(move |connection| report::forget_days(connection, &report, from)))
    }

    fn record_report(&self, run: ReportRun) -> StoreFuture<'_, Option<Recorded>> {
        Box::pin(self.change(move |connection| report::record_run(connection, &run)))
    }

    fn report_status(&self, report: &str, day: Date) -> StoreFuture<'_, ReportStatus> {
        let report = report.to_owned();
        Box::pin(self.look(move |connection| report::status(connection, &report, day)))
    }

    fn report_history(&self, report: &str, newest: u32) -> StoreFuture<'_, ReportHistory> {
        let report = report.to_owned();
        Box::pin(self.look_up(move |connection| report::history::of_report(connection, &report, newest)))
    }

    fn report_table(&self, report: EventId) -> StoreFuture<'_, Option<String>> {
        Box::pin(self.look(move |connection| report::table(connection, report)))
    }

    fn pictured(&self, token: &str, now: Timestamp) -> StoreFuture<'_, Option<Event>> {
        let token = token.to_owned();
        Box::pin(self.look(move |connection| report::pictured(connection, &token, now)))
    }
}
