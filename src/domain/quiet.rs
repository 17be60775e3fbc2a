//! Quiet hours: when a channel is left in peace, and when what was held goes out.

use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use crate::domain::event::Kind;
use crate::domain::route::Glob;

/// Hours in which a channel is left in peace; over midnight where `to` is not after `from`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quiet {
    pub from: Time,
    pub to: Time,
    /// Kinds that come through.
    pub except: Vec<Glob>,
}

impl Quiet {
    /// Until when a kind is held, if it is now. A test that a person asked for always passes.
    pub fn holds(&self, kind: &Kind, now: Timestamp, timezone: &TimeZone) -> Option<Timestamp> {
        let text = kind.to_string();
        if *kind == Kind::Test || self.except.iter().any(|glob| glob.matches(&text)) {
            return None;
        }
        self.until(now, timezone)
    }

    /// When the quiet hours end in which `now` is.
    pub fn until(&self, now: Timestamp, timezone: &TimeZone) -> Option<Timestamp> {
        let local = now.to_zoned(timezone.clone());
        let (date, time) = (local.date(), local.time());
        let ends = match self.from < self.to {
            true => (self.from <= time && time < self.to).then_some(date),
            false if time >= self.from => date.tomorrow().ok(),
            false => (time < self.to).then_some(date),
        }?;
        // A time that a clock change skips is taken as the moment after it; one that comes twice as its first.
        let end = timezone.to_ambiguous_timestamp(ends.to_datetime(self.to)).compatible().ok()?;
        (end > now).then_some(end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    fn until(quiet: &Quiet, now: &str, zone: &str) -> Option<String> {
        let zone = TimeZone::get(zone).unwrap();
        quiet.until(now.parse().unwrap(), &zone).map(|until| until.to_string())
    }

    #[test]
    fn the_night_ends_in_the_morning_by_the_readers_clock() {
        let night = Quiet { from: time("23:00"), to: time("07:30"), except: Vec::new() };
        let until = |now: &str| until(&night, now, "Asia/Hong_Kong");
        assert_eq!(until("2026-11-05T14:59:59Z"), None, "22:59:59");
        assert_eq!(until("2026-11-05T15:00:00Z").as_deref(), Some("2026-11-05T23:30:00Z"), "23:00");
        assert_eq!(until("2026-11-05T23:29:59Z").as_deref(), Some("2026-11-05T23:30:00Z"), "07:29:59");
        assert_eq!(until("2026-11-05T23:30:00Z"), None, "07:30");
    }

    #[test]
    fn a_rest_at_noon_stays_within_its_day() {
        let noon = Quiet { from: time("12:00"), to: time("13:00"), except: Vec::new() };
        assert_eq!(until(&noon, "2026-11-05T12:30:00Z", "UTC").as_deref(), Some("2026-11-05T13:00:00Z"));
        assert_eq!(until(&noon, "2026-11-05T13:00:00Z", "UTC"), None);
        assert_eq!(until(&noon, "2026-11-05T11:59:00Z", "UTC"), None);
    }

    #[test]
    fn a_change_of_the_clock_in_the_night_does_not_shift_the_morning() {
        let night = Quiet { from: time("23:00"), to: time("07:30"), except: Vec::new() };
        assert_eq!(until(&night, "2026-03-28T23:30:00Z", "Europe/London").as_deref(), Some("2026-03-29T06:30:00Z"));
        let until_gap = Quiet { to: time("01:30"), ..night };
        assert_eq!(until(&until_gap, "2026-03-28T23:30:00Z", "Europe/London").as_deref(), Some("2026-03-29T01:30:00Z"));
    }

    #[test]
    fn exceptions_and_tests_come_through() {
        let quiet = Quiet { from: time("00:00"), to: time("23:59"), except: vec![Glob::new("order.placed")] };
        let now = "2026-11-05T10:00:00Z".parse().unwrap();
        assert_eq!(quiet.holds(&Kind::OrderPlaced, now, &TimeZone::UTC), None);
        assert_eq!(quiet.holds(&Kind::Test, now, &TimeZone::UTC), None);
        assert!(quiet.holds(&Kind::OrderCancelled, now, &TimeZone::UTC).is_some());
    }
}
