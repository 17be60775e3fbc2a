//! Moments as people write them: in the configuration's time zone, or how long ago.

use jiff::civil::{DateTime, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::cli::failure::Failure;
use crate::domain::duration;

/// A moment with its offset, or in the zone; a time alone is today's.
pub fn at(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    local(text, zone, now).ok_or_else(|| {
        Failure::Misused(format!("\"{text}\" is no time; write it like \"2026-11-22 19:54\", or \"19:54\" for today"))
    })
}

/// As [`at`], or so long ago; `today` and `yesterday` begin at midnight.
pub fn since(text: &str, zone: &TimeZone, now: Timestamp) -> Result<Timestamp, Failure> {
    let ago = || duration::parse(text).ok().and_then(|ago| now.checked_sub(ago).ok());
    ago().or_else(|| local(text, zone, now)).ok_or_else(|| {
        let moments = "\"today\", \"yesterday\", \"19:54\", \"2026-11-22\" or \"2026-11-22 19:54\"";
        Failure::Misused(format!(
            "\"{text}\" is no time; write how long ago, like \"2h\" or \"7d\", or since when: {moments}"
        ))
    })
}

fn local(text: &str, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let today = now.to_zoned(zone.clone()).date();
    let local = match text {
        // What is only digits may be an hour, a date or a number of hours.
        _ if !text.contains([':', '-']) && !matches!(text, "today" | "yesterday") => return None,
        "today" => today.to_datetime(Time::midnight()),
        "yesterday" => today.saturating_sub(1.day()).to_datetime(Time::midnight()),
        _ => text.parse::<DateTime>().or_else(|_| text.parse::<Time>().map(|time| today.to_datetime(time))).ok()?,
    };
    local.to_zoned(zone.clone()).ok().map(|zoned| zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_read_as_people_write_it() {
        let zone = TimeZone::get("Asia/Hong_Kong").unwrap();
        let now: Timestamp = "2026-11-22T20:00:00Z".parse().unwrap();
        let read = |made: Result<Timestamp, Failure>| made.ok().map(|at| at.to_string());
        for (text, moment) in [
            ("2026-11-22 19:54", "2026-11-22T11:54:00Z"),
            ("2026-11-22T19:54:08", "2026-11-22T11:54:08Z"),
            ("2026-11-22T19:54:08Z", "2026-11-22T19:54:08Z"),
            ("2026-11-22T19:54:08+09:00", "2026-11-22T10:54:08Z"),
            ("2026-11-22", "2026-11-21T16:00:00Z"),
            // In Hong Kong it is the 23rd already.
            ("01:30", "2026-11-22T17:30:00Z"),
            ("today", "2026-11-22T16:00:00Z"),
            ("yesterday", "2026-11-21T16:00:00Z"),
        ] {
            assert_eq!(read(at(text, &zone, now)).as_deref(), Some(moment), "{text}");
            assert_eq!(read(since(text, &zone, now)).as_deref(), Some(moment), "{text}");
        }
        for (text, moment) in
            [("2h", "2026-11-22T18:00:00Z"), ("7d", "2026-11-15T20:00:00Z"), ("1h30m", "2026-11-22T18:30:00Z")]
        {
            assert_eq!(read(since(text, &zone, now)).as_deref(), Some(moment), "{text}");
        }
        for wrong in [
            "tomorrow",
            "2",
            "12",
            "1930",
            "193000",
            "20261129",
            "20261129T1930",
            "T12",
            "-2h",
            "2 hours",
            "",
            "2026-13-01",
            "99999999999d",
        ] {
            assert!(matches!(since(wrong, &zone, now), Err(Failure::Misused(_))), "{wrong}");
        }
        assert!(matches!(at("2h", &zone, now), Err(Failure::Misused(_))));
    }
}
