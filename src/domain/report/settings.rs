//! `[report.<name>]`: when a report is sent, to whom, and what it is about.

use jiff::civil::{Time, Weekday};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::domain::id::Id;
use crate::domain::local_time::{TimeText, Zone};
use crate::domain::report::calendar::Schedule;

/// The figures of the day before, sent once a day.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReportSettings {
    /// When it is sent; local time.
    #[schemars(with = "TimeText", example = &"08:57")]
    pub at: Time,
    /// The channels that get it.
    #[schemars(length(min = 1), example = ["owner"])]
    pub to: Vec<String>,
    /// The time zone of `at` and of the day; that at the top of the file where absent.
    #[serde(default)]
    #[schemars(with = "Option<String>", example = &"Asia/Hong_Kong")]
    pub timezone: Zone,
    /// On which days; every day where absent.
    #[serde(default, deserialize_with = "deserialize_days")]
    #[schemars(with = "Vec<Day>", length(min = 1), example = ["mon", "tue"])]
    pub days: Option<Vec<Weekday>>,
    /// Only these sources; all where absent.
    #[schemars(example = ["keeta-hk"])]
    pub sources: Option<Vec<String>>,
    /// Only these shops; all where absent.
    #[serde(default, deserialize_with = "crate::domain::id::deserialize_list")]
    #[schemars(with = "Vec<Id>", example = [145541])]
    pub shops: Option<Vec<String>>,
    /// Send the figures along as a table, where the channel can.
    #[serde(default)]
    pub attach_csv: bool,
}

impl ReportSettings {
    pub fn schedule(&self) -> Schedule {
        Schedule { at: self.at, zone: self.timezone.zone.clone(), days: self.days.clone() }
    }
}

fn deserialize_days<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<Weekday>>, D::Error> {
    let days = Vec::<Day>::deserialize(deserializer)?;
    Ok(Some(days.into_iter().map(Day::weekday).collect()))
}

/// A day of the week.
#[derive(Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Day {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl Day {
    fn weekday(self) -> Weekday {
        match self {
            Day::Mon => Weekday::Monday,
            Day::Tue => Weekday::Tuesday,
            Day::Wed => Weekday::Wednesday,
            Day::Thu => Weekday::Thursday,
            Day::Fri => Weekday::Friday,
            Day::Sat => Weekday::Saturday,
            Day::Sun => Weekday::Sunday,
        }
    }
}
