//! Which report comes next, and why the one does not come that somebody waits for today.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan};

use crate::domain::report::calendar::{MOST_DAYS, Schedule};

/// So many days ahead the next one is at most: one of seven days of the week, and a zone may skip a whole day.
const DAYS_AHEAD: usize = 10;

/// What a report has covered so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Past {
    /// The last day that it has covered, or the one before its beginning; absent where no daemon has taken it up yet.
    pub covered: Option<Date>,
    /// When the one was made that covers that day; absent where the report begins after it.
    pub made_at: Option<Timestamp>,
}

/// The report that comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Upcoming {
    /// The days that it is about.
    pub from: Date,
    pub to: Date,
    /// Not in the future where it is due and not made yet.
    pub due_at: Timestamp,
    /// The time of today that brings none.
    pub skipped: Option<Skipped>,
}

/// A time of today at which no report comes, although one might be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    pub at: Timestamp,
    /// The day that it would be about.
    pub day: Date,
    pub why: SkippedFor,
}

/// Why no report comes at a time of today.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SkippedFor {
    /// A new report begins with the day that is due next when it is taken up, and that was a later one.
    Beginning,
    /// The day stands in a report already, which was made then: the time was another one.
    Reported { made_at: Timestamp },
}

impl Schedule {
    /// The report that comes next. Where no daemon has taken the report up yet, the one that comes if one does so `now`.
    pub fn upcoming(&self, past: &Past, now: Timestamp) -> Option<Upcoming> {
        let covered = past.covered.or_else(|| self.covered_by(now))?;
        if let Some(owed) = self.owed(covered, now) {
            return Some(Upcoming { from: owed.from, to: owed.to, due_at: owed.due_at, skipped: None });
        }
        let today = now.to_zoned(self.zone.clone()).date();
        let from = covered.tomorrow().ok()?;
        let days = std::iter::successors(Some(today.max(from)), |day| day.tomorrow().ok()).take(DAYS_AHEAD);
        let mut due = days.filter_map(|day| {
            let to = Self::covers(day).filter(|to| *to > covered && self.is_on(day))?;
            Some((day, to, self.due_on(day)?))
        });
        let first = due.next()?;
        // A day that the zone skips has the time of the day after it.
        let (day, to, due_at) = due.take_while(|(_, _, due_at)| *due_at == first.2).last().unwrap_or(first);
        let to = to.min(from.checked_add((MOST_DAYS - 1).days()).unwrap_or(to));
        let skipped = if day == today { None } else { self.skipped(past, today) };
        Some(Upcoming { from, to, due_at, skipped })
    }

    /// Why none comes at the time of today, unless it was made at that time or after it.
    fn skipped(&self, past: &Past, today: Date) -> Option<Skipped> {
        let at = self.due_on(today).filter(|_| self.is_on(today))?;
        let day = Self::covers(today)?;
        let why = match past.made_at {
            None => SkippedFor::Beginning,
            Some(made_at) if made_at < at => SkippedFor::Reported { made_at },
            Some(_) => return None,
        };
        Some(Skipped { at, day, why })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use jiff::civil::{Time, Weekday, date, time};
    use jiff::tz::TimeZone;

    use super::*;

    fn schedule(zone: &str, at: Time) -> Schedule {
        Schedule { at, zone: TimeZone::get(zone).unwrap(), days: None }
    }

    fn on(day: Date, at: Time, schedule: &Schedule) -> Timestamp {
        day.to_datetime(at).to_zoned(schedule.zone.clone()).unwrap().timestamp()
    }

    /// Goes through two years in steps of five hours and makes each report when it is due: what was foretold is what came.
    #[test]
    fn what_comes_next_is_what_then_comes_over_two_years_whatever_the_clocks_do() {
        for (zone, year) in [
            ("Asia/Hong_Kong", 2025),
            ("Europe/London", 2025),
            ("Africa/Cairo", 2024),
            ("Asia/Beirut", 2024),
            ("America/Sao_Paulo", 2017),
            ("Pacific/Apia", 2011),
        ] {
            for days in [None, Some(vec![Weekday::Monday, Weekday::Thursday])] {
                for at in [time(0, 30, 0, 0), time(8, 57, 0, 0)] {
                    let schedule = Schedule { days: days.clone(), ..schedule(zone, at) };
                    let mut now = on(date(year, 1, 1), time(0, 0, 0, 0), &schedule);
                    let end = now + SignedDuration::from_hours(24 * 730);
                    let mut past = Past { covered: schedule.covered_by(now), made_at: None };
                    let mut made = 0;
                    while now < end {
                        let next = schedule.upcoming(&past, now).unwrap();
                        assert!(next.due_at > now, "{zone} {at}: {next:?} at {now}");
                        assert!(past.made_at.is_none() || next.skipped.is_none(), "{zone} {at}: {next:?}");
                        let before = next.due_at - SignedDuration::from_nanos(1);
                        assert_eq!(schedule.owed(past.covered.unwrap(), before), None, "{zone} {at}: {next:?}");
                        let owed = schedule.owed(past.covered.unwrap(), next.due_at).unwrap();
                        let (foretold, came) = ((next.from, next.to, next.due_at), (owed.from, owed.to, owed.due_at));
                        assert_eq!(came, foretold, "{zone} {at}");
                        // A day that the zone skips counts as one that was missed.
                        assert!(!owed.late || zone == "Pacific/Apia", "{zone} {at}: {owed:?}");
                        let later = now + SignedDuration::from_hours(5);
                        if next.due_at <= later {
                            let due = schedule.upcoming(&past, next.due_at).unwrap();
                            assert_eq!((due.from, due.to, due.due_at), (next.from, next.to, next.due_at), "it is due");
                            past = Past { covered: Some(owed.to), made_at: Some(next.due_at) };
                            made += 1;
                        }
                        now = later;
                    }
                    assert!(made > 200, "{zone} {at}: {made}");
                }
            }
        }
    }

    #[test]
    fn a_new_report_whose_time_has_passed_today_begins_with_today_and_says_so() {
        let schedule = schedule("Asia/Hong_Kong", time(12, 0, 0, 0));
        let (today, tomorrow) = (date(2026, 11, 24), date(2026, 11, 25));
        let noon = on(today, time(12, 0, 0, 0), &schedule);
        let why = SkippedFor::Beginning;
        let skipped = Some(Skipped { at: noon, day: date(2026, 11, 23), why });
        let due_at = on(tomorrow, time(12, 0, 0, 0), &schedule);
        let next = Upcoming { from: today, to: today, due_at, skipped };
        let minute = SignedDuration::from_mins(1);
        // Whether a daemon has taken it up or not.
        let begun = Past { covered: Some(date(2026, 11, 23)), made_at: None };
        for past in [Past::default(), begun] {
            assert_eq!(schedule.upcoming(&past, noon + minute), Some(next));
        }
        let before = Upcoming { from: date(2026, 11, 23), to: date(2026, 11, 23), due_at: noon, skipped: None };
        assert_eq!(schedule.upcoming(&Past::default(), noon - minute), Some(before));
        // It had begun before its time was set to a later one of today.
        assert_eq!(schedule.upcoming(&begun, noon - minute), Some(next));
        // The day after, nothing is left to be said.
        let later = schedule.upcoming(&begun, due_at - SignedDuration::from_hours(1)).unwrap();
        assert_eq!((later.due_at, later.skipped), (due_at, None));
    }

    #[test]
    fn a_time_that_is_set_to_a_later_one_of_the_same_day_brings_none_and_says_why() {
        let schedule = schedule("Asia/Hong_Kong", time(12, 0, 0, 0));
        let today = date(2026, 11, 24);
        let made_at = on(today, time(8, 57, 0, 0), &schedule);
        let past = Past { covered: Some(date(2026, 11, 23)), made_at: Some(made_at) };
        let noon = on(today, time(12, 0, 0, 0), &schedule);
        for now in [noon - SignedDuration::from_mins(1), noon + SignedDuration::from_mins(1)] {
            let next = schedule.upcoming(&past, now).unwrap();
            assert_eq!((next.from, next.to), (today, today), "{now}");
            let why = SkippedFor::Reported { made_at };
            assert_eq!(next.skipped, Some(Skipped { at: noon, day: date(2026, 11, 23), why }), "{now}");
        }
        // Made at its time, or late: there is nothing to wait for.
        for late in [0, 3600] {
            let past = Past { made_at: Some(noon + SignedDuration::from_secs(late)), ..past };
            assert_eq!(schedule.upcoming(&past, noon + SignedDuration::from_hours(2)).unwrap().skipped, None);
        }
    }

    #[test]
    fn what_was_missed_is_due_now_and_a_month_at_most() {
        let schedule = schedule("Europe/London", time(8, 57, 0, 0));
        let due_at = on(date(2026, 11, 24), time(8, 57, 0, 0), &schedule);
        let past = Past { covered: Some(date(2026, 8, 1)), made_at: None };
        let next = schedule.upcoming(&past, due_at + SignedDuration::from_hours(1)).unwrap();
        assert_eq!((next.from, next.to, next.due_at), (date(2026, 8, 2), date(2026, 9, 1), due_at));
        // Where the clock was ahead, what is covered lies before it.
        let past = Past { covered: Some(date(2026, 11, 26)), made_at: Some(due_at) };
        let next = schedule.upcoming(&past, due_at).unwrap();
        assert_eq!((next.from, next.to), (date(2026, 11, 27), date(2026, 11, 27)));
    }

    #[test]
    fn on_a_day_of_the_week_that_has_none_nothing_is_skipped() {
        let days = Some(vec![Weekday::Monday]);
        let schedule = Schedule { days, ..schedule("Asia/Hong_Kong", time(8, 57, 0, 0)) };
        let wednesday = on(date(2026, 11, 25), time(12, 0, 0, 0), &schedule);
        let next = schedule.upcoming(&Past::default(), wednesday).unwrap();
        assert_eq!((next.from, next.to), (date(2026, 11, 23), date(2026, 11, 29)));
        assert_eq!((next.due_at, next.skipped), (on(date(2026, 11, 30), time(8, 57, 0, 0), &schedule), None));
    }
}
