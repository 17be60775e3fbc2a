//! Quiet hours: when a channel is left in peace, and when what was held goes out.

use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::event::Kind;
use crate::domain::glob::Glob;
use crate::domain::local_time::TimeText;

/// Of this year it is looked whether quiet hours overlap: the zones' rules are much the same in any other.
const YEAR: i16 = 2026;

/// Hours in which a channel is left in peace; over midnight where `to` is before `from`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quiet {
    /// When they begin.
    #[schemars(with = "TimeText", example = &"23:00")]
    pub from: Time,
    /// When they end.
    #[schemars(with = "TimeText", example = &"07:30")]
    pub to: Time,
    /// Kinds that come through.
    #[serde(default)]
    pub except: Vec<Glob>,
    /// Kinds that are held although they would come through by themselves, which `operator.notice` does.
    #[serde(default)]
    #[schemars(example = &["operator.notice"])]
    pub hold: Vec<Glob>,
}

impl Quiet {
    /// Until when a kind is held, if it is now.
    pub fn holds(&self, kind: &Kind, now: Timestamp, timezone: &TimeZone) -> Option<Timestamp> {
        if self.passes(&kind.to_string()) { None } else { self.until(now, timezone) }
    }

    /// Whether a kind, as it is written, goes out in these hours: what is in `except`; a test that a person asked for, always;
    /// and a notice about Orderbell itself, unless it is in `hold`.
    pub fn passes(&self, kind: &str) -> bool {
        let is_in = |globs: &[Glob]| globs.iter().any(|glob| glob.matches(kind));
        match kind.parse() {
            Ok(Kind::Test) => true,
            Ok(Kind::OperatorNotice) => is_in(&self.except) || !is_in(&self.hold),
            _ => is_in(&self.except),
        }
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

/// When all of these quiet hours, each by its own time zone, are at the same time: the first such hours of a year.
pub fn overlap(all: &[(&Quiet, &TimeZone)]) -> Option<(Timestamp, Timestamp)> {
    let days = Date::constant(YEAR, 1, 1).series(1.day()).take_while(|day| day.year() == YEAR);
    // What is in all of them begins with one of them.
    let mut beginnings = days.flat_map(|day| all.iter().map(move |(quiet, zone)| (day.to_datetime(quiet.from), *zone)));
    beginnings.find_map(|(begins, zone)| {
        let begins = zone.to_ambiguous_timestamp(begins).compatible().ok()?;
        let ends = all.iter().map(|(quiet, zone)| quiet.until(begins, zone)).collect::<Option<Vec<_>>>()?;
        Some((begins, ends.into_iter().min()?))
    })
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
        let night = Quiet { from: time("23:00"), to: time("07:30"), except: Vec::new(), hold: Vec::new() };
        let until = |now: &str| until(&night, now, "Asia/Hong_Kong");
        assert_eq!(until("2026-11-05T14:59:59Z"), None, "22:59:59");
        assert_eq!(until("2026-11-05T15:00:00Z").as_deref(), Some("2026-11-05T23:30:00Z"), "23:00");
        assert_eq!(until("2026-11-05T23:29:59Z").as_deref(), Some("2026-11-05T23:30:00Z"), "07:29:59");
        assert_eq!(until("2026-11-05T23:30:00Z"), None, "07:30");
    }

    #[test]
    fn a_rest_at_noon_stays_within_its_day() {
        let noon = Quiet { from: time("12:00"), to: time("13:00"), except: Vec::new(), hold: Vec::new() };
        assert_eq!(until(&noon, "2026-11-05T12:30:00Z", "UTC").as_deref(), Some("2026-11-05T13:00:00Z"));
        assert_eq!(until(&noon, "2026-11-05T13:00:00Z", "UTC"), None);
        assert_eq!(until(&noon, "2026-11-05T11:59:00Z", "UTC"), None);
    }

    #[test]
    fn a_change_of_the_clock_in_the_night_does_not_shift_the_morning() {
        let night = Quiet { from: time("23:00"), to: time("07:30"), except: Vec::new(), hold: Vec::new() };
        assert_eq!(until(&night, "2026-03-28T23:30:00Z", "Europe/London").as_deref(), Some("2026-03-29T06:30:00Z"));
        let until_gap = Quiet { to: time("01:30"), ..night };
        assert_eq!(until(&until_gap, "2026-03-28T23:30:00Z", "Europe/London").as_deref(), Some("2026-03-29T01:30:00Z"));
    }

    fn globs(texts: &[&str]) -> Vec<Glob> {
        texts.iter().map(|text| Glob::new(text)).collect()
    }

    #[test]
    fn each_kind_is_held_or_passes_by_the_hour_and_by_what_the_channel_says_of_it() {
        let (night, noon) = ("2026-11-05T23:30:00Z", "2026-11-05T12:00:00Z");
        let (placed, stock) = (Kind::OrderPlaced, Kind::StockLow);
        let report = Kind::Report("daily".to_owned());
        let (notice, test) = (Kind::OperatorNotice, Kind::Test);
        for (except, hold, passing) in [
            (&[][..], &[][..], vec![&notice, &test]),
            (&["order.placed"], &[], vec![&placed, &notice, &test]),
            (&[], &["operator.notice"], vec![&test]),
            (&[], &["operator.*"], vec![&test]),
            (&[], &["*"], vec![&test]),
            (&["order.*", "report.daily"], &["*"], vec![&placed, &report, &test]),
            (&["operator.notice"], &["operator.notice"], vec![&notice, &test]),
            (&["*"], &["*"], vec![&placed, &stock, &report, &notice, &test]),
            (&[], &["order.placed", "stock.*", "test"], vec![&notice, &test]),
        ] {
            let quiet = Quiet { from: time("23:00"), to: time("07:30"), except: globs(except), hold: globs(hold) };
            for kind in [&placed, &stock, &report, &notice, &test] {
                let holds = |now: &str| quiet.holds(kind, now.parse().unwrap(), &TimeZone::UTC);
                assert_eq!(holds(noon), None, "{kind} at noon");
                let until = (!passing.contains(&kind)).then(|| "2026-11-06T07:30:00Z".parse().unwrap());
                assert_eq!(holds(night), until, "{kind}: except {except:?}, hold {hold:?}");
            }
            assert_eq!(quiet.passes("dreams.sweet"), except.contains(&"*"), "of a version that knows more");
        }
    }

    #[test]
    fn hours_overlap_by_the_clocks_of_their_zones() {
        let hours = |from: &str, to: &str| Quiet { from: time(from), to: time(to), except: vec![], hold: vec![] };
        let found = |all: &[(&str, &str, &str)]| {
            let all: Vec<_> =
                all.iter().map(|(from, to, zone)| (hours(from, to), TimeZone::get(zone).unwrap())).collect();
            let found = overlap(&all.iter().map(|(quiet, zone)| (quiet, zone)).collect::<Vec<_>>());
            found.map(|(begins, ends)| format!("{begins} {ends}"))
        };
        let first = |text: &str| Some(text.to_owned());
        let night = ("23:00", "07:30", "Asia/Hong_Kong");
        assert_eq!(found(&[night]), first("2026-01-01T15:00:00Z 2026-01-01T23:30:00Z"));
        // Over midnight, and one within the other.
        assert_eq!(
            found(&[night, ("01:00", "02:00", "Asia/Hong_Kong")]),
            first("2025-12-31T17:00:00Z 2025-12-31T18:00:00Z")
        );
        assert_eq!(
            found(&[night, ("07:00", "09:00", "Asia/Hong_Kong")]),
            first("2025-12-31T23:00:00Z 2025-12-31T23:30:00Z")
        );
        // One begins when the other ends.
        assert_eq!(found(&[night, ("07:30", "23:00", "Asia/Hong_Kong")]), None);
        // The same clock times are other hours elsewhere, and other ones the same.
        assert_eq!(found(&[night, ("23:00", "07:30", "America/New_York")]), None);
        assert_eq!(
            found(&[night, ("10:00", "18:30", "America/New_York")]),
            first("2026-01-01T15:00:00Z 2026-01-01T23:30:00Z")
        );
        // Only in summer, when London's 23:00 is 22:00 by UTC.
        assert_eq!(
            found(&[("22:00", "22:30", "UTC"), ("23:00", "23:30", "Europe/London")]),
            first("2026-03-29T22:00:00Z 2026-03-29T22:30:00Z")
        );
        // Each two of them overlap, but not all three.
        let three = [("00:00", "10:00", "UTC"), ("09:00", "20:00", "UTC"), ("19:00", "01:00", "UTC")];
        assert_eq!(found(&three), None);
        assert!(found(&three[..2]).is_some() && found(&three[1..]).is_some());
    }
}
