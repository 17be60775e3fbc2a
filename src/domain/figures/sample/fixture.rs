//! What the sample reports are made of, as it stands in `assets/report-samples.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use jiff::civil::{Date, Time};
use serde::Deserialize;

use crate::domain::coded::Coded;
use crate::domain::data::StockItem;
use crate::domain::event::Kind;
use crate::domain::report::ServiceHealth;
use crate::domain::shop::Shop;

/// A dish and its price in the smallest unit of the shop's currency.
pub type Dish = (String, i64);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fixture {
    /// The last day that every sample covers.
    pub day: Date,
    pub zone: String,
    /// When a sample is made, on the day after.
    pub made_at: Time,
    /// How many of a hundred orders come in each hour.
    pub hours: [i64; 24],
    /// How busy each of the days before was, in percent, the day itself last.
    pub busy: Vec<i64>,
    pub cancelled: Vec<CancelledOrder>,
    pub health: ServiceHealth,
    pub accepted: Vec<ChannelMoment>,
    pub shops: BTreeMap<String, SampleShop>,
    pub samples: Vec<SampleDays>,
    pub incidents: Incidents,
}

/// Of every so many orders, the one of this number is cancelled.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CancelledOrder {
    pub order: i64,
    pub by: Coded,
    pub reason: String,
    pub after_minutes: i64,
}

/// What happened to a channel so long before a sample is made.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChannelMoment {
    pub channel: String,
    pub minutes_before: i64,
    #[serde(default)]
    pub reason: String,
}

/// A shop, what it sells, and how much of it in a day.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleShop {
    pub source: String,
    pub shop: Shop,
    pub currency: String,
    pub menu: Vec<Dish>,
    pub orders: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SampleDays {
    pub name: String,
    pub days: i64,
    pub shops: Vec<String>,
    #[serde(default)]
    pub late: bool,
}

/// A day on which much went wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Incidents {
    pub currency: String,
    pub menu: Vec<Dish>,
    /// A source for each way in which the figures of a platform and ours can stand to each other.
    pub totals: Vec<PlatformTotal>,
    /// What has changed since on the day before.
    pub restated: Vec<RestatedFigure>,
    pub stock: Vec<StockEvent>,
    pub health: ServiceHealth,
    pub parked: Vec<ChannelMoment>,
}

/// What a platform says of the day, beside what we have of it.
#[derive(Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PlatformTotal {
    pub source: String,
    /// So many more or fewer orders than we count, and so much more or less in amounts.
    pub orders: i64,
    pub minor: i64,
    /// How often the amount of what was cancelled is in it.
    pub cancelled: i64,
    /// Before the report is made; more than nine are before the day was over.
    pub hours_before: i64,
}

impl Default for PlatformTotal {
    fn default() -> Self {
        Self { source: String::new(), orders: 0, minor: 0, cancelled: 0, hours_before: 8 }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RestatedFigure {
    pub figure: String,
    pub minor: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockEvent {
    pub kind: Kind,
    pub hours_before: i64,
    pub items: Vec<StockItem>,
}

pub static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let text = include_str!("../../../../assets/report-samples.json");
    serde_json::from_str(text).expect("the fixture is read by a test")
});
