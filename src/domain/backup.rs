//! `[backup]`: when copies of the store are made, what they are called, and which of them stay.

use std::path::PathBuf;

use jiff::Timestamp;
use jiff::civil::{DateTime, Time};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::domain::local_time::{TimeText, Zone};
use crate::domain::report::calendar::Schedule;

/// Between this and [`ENDING`] a copy has the local day and time at which it was made.
const BEGINNING: &str = "orderbell-";
const ENDING: &str = ".db";
const WHEN: &str = "%Y%m%d-%H%M";
/// Besides the copy itself so much of the disk must stay free, in bytes: the store may lie on the same one.
const RESERVE_BYTES: u64 = 64 << 20;

/// A copy of the SQLite database once a day, beside the running daemon: checked, and the oldest ones removed.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Backup")]
pub struct BackupSettings {
    /// The folder for the copies, relative to that of the configuration; best on another disk. It is made where it is missing.
    #[schemars(example = &"backups")]
    pub to: PathBuf,
    /// When a copy is made; local time. One that was missed is made at the next start.
    #[serde(default = "default_at")]
    #[schemars(with = "TimeText", extend("default" = "04:10"))]
    pub at: Time,
    /// How many copies stay; other files in the folder are never touched.
    #[serde(default = "default_keep")]
    #[schemars(range(min = 1, max = 1000), extend("default" = 7))]
    pub keep: u32,
    /// That at the top of the file.
    #[serde(skip)]
    pub timezone: Zone,
}

fn default_at() -> Time {
    Time::constant(4, 10, 0, 0)
}

fn default_keep() -> u32 {
    7
}

impl BackupSettings {
    /// What a copy that is made now is called.
    pub fn name(&self, now: Timestamp) -> String {
        let local = now.to_zoned(self.timezone.zone.clone());
        format!("{BEGINNING}{}{ENDING}", local.strftime(WHEN))
    }

    /// When a copy was due last.
    pub fn latest(&self, now: Timestamp) -> Option<Timestamp> {
        let schedule = Schedule { at: self.at, zone: self.timezone.zone.clone(), days: None };
        schedule.latest(now).map(|(_, due_at)| due_at)
    }

    /// Since when a copy is due, where none of those that are there was made since.
    pub fn due(&self, names: &[String], now: Timestamp) -> Option<Timestamp> {
        let due_at = self.latest(now)?;
        let local = |at: Timestamp| at.to_zoned(self.timezone.zone.clone()).datetime();
        // One of tomorrow was made by a clock that was wrong.
        let made = names.iter().filter_map(|name| made_at(name)).filter(|made| *made <= local(now)).max();
        made.is_none_or(|made| made < local(due_at)).then_some(due_at)
    }

    /// Which copies go, once the one of this name is there: nothing else counts that was not named here.
    pub fn outlived(&self, names: &[String], fresh: &str) -> Vec<String> {
        let mut copies: Vec<&String> =
            names.iter().filter(|name| made_at(name).is_some() && name.as_str() != fresh).collect();
        copies.sort_by_key(|name| std::cmp::Reverse(made_at(name)));
        copies.into_iter().skip(self.keep.saturating_sub(1) as usize).cloned().collect()
    }
}

/// The local time at which a copy was made, by its name; `None` for a file that is no such copy.
fn made_at(name: &str) -> Option<DateTime> {
    let when = name.strip_prefix(BEGINNING)?.strip_suffix(ENDING)?;
    let made = DateTime::strptime(WHEN, when).ok()?;
    // Read leniently it may have been written in another way.
    (made.strftime(WHEN).to_string() == when).then_some(made)
}

/// How much room a copy of so many bytes needs.
pub fn room_needed(store_bytes: u64) -> u64 {
    store_bytes.saturating_add(RESERVE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(keep: u32) -> BackupSettings {
        let timezone = Zone::named("Asia/Hong_Kong").unwrap();
        BackupSettings { to: PathBuf::from("backups"), at: default_at(), keep, timezone }
    }

    /// In Hong Kong.
    fn at(local: &str) -> Timestamp {
        format!("{local}:00+08:00").parse().unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_copy_is_called_by_the_local_day_and_time() {
        assert_eq!(settings(7).name(at("2026-11-29T04:10")), "orderbell-20261129-0410.db");
        assert_eq!(settings(7).name("2026-11-28T20:10:59Z".parse().unwrap()), "orderbell-20261129-0410.db");
    }

    #[test]
    fn one_is_due_once_a_day_and_one_that_was_missed_at_once() {
        let settings = settings(7);
        let due = |made: &[&str], now: &str| settings.due(&names(made), at(now));
        let (today, yesterday) = (at("2026-11-29T04:10"), at("2026-11-28T04:10"));
        assert_eq!(due(&[], "2026-11-29T04:09"), Some(yesterday), "there is none at all");
        assert_eq!(due(&["orderbell-20261128-0410.db"], "2026-11-29T04:09"), None);
        assert_eq!(due(&["orderbell-20261128-0410.db"], "2026-11-29T04:10"), Some(today));
        assert_eq!(due(&["orderbell-20261129-0410.db"], "2026-11-29T04:11"), None);
        assert_eq!(due(&["orderbell-20261127-0410.db"], "2026-11-29T09:30"), Some(today), "it was off meanwhile");
        assert_eq!(due(&["orderbell-20261129-0930.db"], "2026-11-30T04:09"), None, "that one was late");
        assert_eq!(due(&["orderbell-20271129-0410.db"], "2026-11-29T04:10"), Some(today), "made by a wrong clock");
        assert_eq!(due(&["before.db", "orderbell-2026.db"], "2026-11-29T04:10"), Some(today));
    }

    #[test]
    fn the_newest_stay_and_a_file_of_another_name_is_never_touched() {
        let there = names(&[
            "orderbell-20261126-0410.db",
            "orderbell-20261129-0410.db",
            "orderbell-20261127-0930.db",
            "orderbell-20261128-0410.db",
            "orderbell-20250101-0410.db.gz",
            "orderbell-20250101-041.db",
            "orderbell-20250132-0410.db",
            "orderbell-2025 101-0410.db",
            "orderbell.db",
            "before.db",
        ]);
        let outlived = |keep| settings(keep).outlived(&there, "orderbell-20261129-0410.db");
        assert_eq!(outlived(7), names(&[]));
        assert_eq!(outlived(3), names(&["orderbell-20261126-0410.db"]));
        let all = ["orderbell-20261128-0410.db", "orderbell-20261127-0930.db", "orderbell-20261126-0410.db"];
        assert_eq!(outlived(1), names(&all));
        // What was made just now stays, however wrong the clock is or was.
        let wrong = settings(1).outlived(&there, "orderbell-20261126-0410.db");
        assert!(!wrong.contains(&"orderbell-20261126-0410.db".to_owned()) && wrong.len() == 3, "{wrong:?}");
    }
}
