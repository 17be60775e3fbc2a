//! When a report is due and which local days it covers: right where the clock is put forward or back, after days off, and
//! when the clock is set.

use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// After so long a report is late, and the operator is notified when there is none.
pub const LATE_AFTER: SignedDuration = SignedDuration::from_mins(15);

/// So many days one report covers at most; where there are more, further ones follow at once.
pub const MOST_DAYS: i32 = 31;

/// When a report is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// Local time. Where the clock is put forward over it, so much later; where it comes twice, the first time.
    pub at: Time,
    pub zone: TimeZone,
    /// Every day where absent.
    pub days: Option<Vec<Weekday>>,
}

/// One local calendar day: the moments from `from` up to `until`. It begins at midnight, or where there is none that day, when
/// the clock was put forward over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalDay {
    pub day: Date,
    pub from: Timestamp,
    pub until: Timestamp,
}

/// A report that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DueReport {
    pub from: Date,
    pub to: Date,
    /// When it should be sent.
    pub due_at: Timestamp,
    /// It is sent late, or one before it was missed.
    pub late: bool,
}

impl LocalDay {
    /// A day in a zone; at the ends of the calendar an empty one.
    pub fn of(day: Date, zone: &TimeZone) -> Self {
        let begin = |day: Date| day.to_zoned(zone.clone()).map_or(Timestamp::MAX, |begin| begin.timestamp());
        let from = begin(day);
        Self { day, from, until: day.tomorrow().map_or(from, begin) }
    }

    /// The days from one to another, both included.
    pub fn all(from: Date, to: Date, zone: &TimeZone) -> Vec<Self> {
        from.series(1.day()).take_while(|day| *day <= to).map(|day| Self::of(day, zone)).collect()
    }

    pub fn contains(&self, at: Timestamp) -> bool {
        self.from <= at && at < self.until
    }
}

impl Schedule {
    /// When the report of a day's morning is due.
    pub fn due_on(&self, day: Date) -> Option<Timestamp> {
        day.to_datetime(self.at).to_zoned(self.zone.clone()).ok().map(|due| due.timestamp())
    }

    /// Whether one is sent on a day.
    pub fn is_on(&self, day: Date) -> bool {
        self.days.as_ref().is_none_or(|days| days.contains(&day.weekday()))
    }

    /// The last time that it was due, and that day.
    pub fn latest(&self, now: Timestamp) -> Option<(Date, Timestamp)> {
        let today = now.to_zoned(self.zone.clone()).date();
        // One of seven days of the week, and a zone may skip a whole day.
        let days = std::iter::successors(Some(today), |day| day.yesterday().ok()).take(9);
        let mut due = days.filter(|day| self.is_on(*day)).filter_map(|day| Some((day, self.due_on(day)?)));
        due.find(|(_, due)| *due <= now)
    }

    /// The last day that a report covers when it is due on a day.
    pub fn covers(day: Date) -> Option<Date> {
        day.yesterday().ok()
    }

    /// The last day that should have been covered by now.
    pub fn covered_by(&self, now: Timestamp) -> Option<Date> {
        self.latest(now).and_then(|(day, _)| Self::covers(day))
    }

    /// The report that is due when the days up to `covered` have been covered.
    pub fn owed(&self, covered: Date, now: Timestamp) -> Option<DueReport> {
        let (day, due_at) = self.latest(now)?;
        let to = Self::covers(day).filter(|to| *to > covered)?;
        let from = covered.tomorrow().ok()?;
        // An earlier one that should have covered some of it.
        let before = std::iter::successors(day.yesterday().ok(), |day| day.yesterday().ok()).take(7);
        let missed =
            before.into_iter().find(|day| self.is_on(*day)).and_then(Self::covers).is_some_and(|to| to > covered);
        let last = from.checked_add((MOST_DAYS - 1).days()).unwrap_or(to);
        let to = to.min(last);
        let late = missed || now.duration_since(due_at) > LATE_AFTER;
        Some(DueReport { from, to, due_at, late })
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::{date, time};

    use super::*;

    fn schedule(zone: &str, at: Time) -> Schedule {
        Schedule { at, zone: TimeZone::get(zone).unwrap(), days: None }
    }

    /// Goes through two years minute by minute, from the first minute of `year`.
    fn each_day_once(zone: &str, at: Time, year: i16) -> Vec<DueReport> {
        let schedule = schedule(zone, at);
        let begin = date(year, 1, 1).to_zoned(schedule.zone.clone()).unwrap().timestamp();
        let end = date(year + 2, 1, 1).to_zoned(schedule.zone.clone()).unwrap().timestamp();
        let mut covered = schedule.covered_by(begin).unwrap();
        let mut sent: Vec<DueReport> = Vec::new();
        let mut now = begin;
        while now < end {
            if let Some(owed) = schedule.owed(covered, now) {
                assert_eq!(owed.from, covered.tomorrow().unwrap(), "{zone}: a day is left out or reported twice");
                assert!(owed.to < now.to_zoned(schedule.zone.clone()).date(), "{zone}: the day is over");
                assert!(!owed.late, "{zone}: {owed:?}");
                covered = owed.to;
                sent.push(owed);
            }
            now += SignedDuration::from_mins(1);
        }
        sent
    }

    #[test]
    fn over_two_years_each_local_day_is_covered_exactly_once_whatever_the_clocks_do() {
        // Years in which the clocks change; in Cairo, Beirut and São Paulo they skip midnight.
        for (zone, year) in [
            ("Asia/Hong_Kong", 2025),
            ("Europe/London", 2025),
            ("Africa/Cairo", 2024),
            ("Asia/Beirut", 2024),
            ("America/Sao_Paulo", 2017),
        ] {
            // Half past midnight is where the clocks change; it comes twice, or never.
            for at in [time(0, 30, 0, 0), time(8, 57, 0, 0)] {
                let sent = each_day_once(zone, at, year);
                let days = date(year + 2, 1, 1).since(date(year, 1, 1)).unwrap().get_days();
                assert_eq!(sent.len(), usize::try_from(days).unwrap(), "{zone} at {at}");
                assert!(sent.iter().all(|owed| owed.from == owed.to), "{zone} at {at}: one day each");
            }
        }
    }

    #[test]
    fn local_days_follow_one_another_without_a_gap_and_may_begin_after_midnight() {
        for (zone, year) in
            [("Africa/Cairo", 2024), ("Asia/Beirut", 2024), ("America/Sao_Paulo", 2017), ("Pacific/Apia", 2011)]
        {
            let zone = TimeZone::get(zone).unwrap();
            let days = LocalDay::all(date(year, 1, 1), date(year + 1, 12, 31), &zone);
            for pair in days.windows(2) {
                assert_eq!(pair[0].until, pair[1].from);
            }
        }
        let cairo = TimeZone::get("Africa/Cairo").unwrap();
        let short = LocalDay::of(date(2024, 4, 26), &cairo);
        assert_eq!(short.from.to_zoned(cairo).time(), time(1, 0, 0, 0));
        assert_eq!(short.until.duration_since(short.from), SignedDuration::from_hours(23));
    }

    fn on(day: Date, at: Time, schedule: &Schedule) -> Timestamp {
        day.to_datetime(at).to_zoned(schedule.zone.clone()).unwrap().timestamp()
    }

    #[test]
    fn after_days_off_one_report_covers_them_and_says_that_it_is_late() {
        let schedule = schedule("Asia/Hong_Kong", time(8, 57, 0, 0));
        let now = on(date(2026, 11, 24), time(8, 57, 0, 0), &schedule);
        let owed = schedule.owed(date(2026, 11, 20), now).unwrap();
        assert_eq!((owed.from, owed.to, owed.due_at, owed.late), (date(2026, 11, 21), date(2026, 11, 23), now, true));
        // The same day, but after the daemon was away for an hour.
        let later = now + SignedDuration::from_hours(1);
        assert!(schedule.owed(date(2026, 11, 22), later).unwrap().late);
        assert!(!schedule.owed(date(2026, 11, 22), now + LATE_AFTER).unwrap().late);
    }

    #[test]
    fn after_months_off_several_reports_follow_one_another_and_leave_nothing_out() {
        let schedule = schedule("Asia/Hong_Kong", time(8, 57, 0, 0));
        let now = on(date(2026, 11, 24), time(12, 0, 0, 0), &schedule);
        let mut covered = date(2026, 8, 1);
        let mut days = Vec::new();
        while let Some(owed) = schedule.owed(covered, now) {
            assert_eq!((owed.from, owed.late), (covered.tomorrow().unwrap(), true));
            days.push((owed.to - owed.from).get_days() + 1);
            covered = owed.to;
        }
        assert_eq!((days, covered), (vec![31, 31, 31, 21], date(2026, 11, 23)));
    }

    #[test]
    fn on_some_days_of_the_week_it_covers_those_between_and_is_not_late_for_that() {
        let weekdays = vec![Weekday::Monday, Weekday::Tuesday, Weekday::Wednesday, Weekday::Thursday, Weekday::Friday];
        let schedule = Schedule { days: Some(weekdays), ..schedule("Asia/Hong_Kong", time(8, 57, 0, 0)) };
        let monday = on(date(2026, 11, 23), time(8, 57, 0, 0), &schedule);
        let owed = schedule.owed(date(2026, 11, 19), monday).unwrap();
        assert_eq!((owed.from, owed.to, owed.late), (date(2026, 11, 20), date(2026, 11, 22), false));
        assert_eq!(
            schedule.owed(date(2026, 11, 19), monday - SignedDuration::from_mins(1)),
            None,
            "nor at the weekend"
        );
        // It missed Friday's.
        let owed = schedule.owed(date(2026, 11, 18), monday).unwrap();
        assert_eq!((owed.from, owed.late), (date(2026, 11, 19), true));
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_second_report() {
        let schedule = schedule("Europe/London", time(8, 57, 0, 0));
        let now = on(date(2026, 11, 24), time(8, 58, 0, 0), &schedule);
        let covered = schedule.owed(date(2026, 11, 22), now).unwrap().to;
        for back in [2, 60, 60 * 24, 60 * 24 * 40] {
            let set_back = now - SignedDuration::from_mins(back);
            assert_eq!(schedule.owed(covered, set_back), None, "{back} minutes back");
        }
        assert_eq!(schedule.owed(covered, now), None, "nor when it comes round again");
    }
}
