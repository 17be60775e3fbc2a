//! One thing that happened, in our words: the event, its kind, and how a duplicate of it is recognised.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::order::OrderUpdate;
use crate::domain::payload::Data;
use crate::domain::shop::Shop;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    };
}

id! {
    /// Names an event; a UUIDv7, so that keys arrive in the store in order.
    EventId
}
id! {
    /// Names a delivery; a UUIDv7 as well. It stays the same across attempts.
    DeliveryId
}

impl DeliveryId {
    /// The id of the delivery to `channel` that stands in for this one; there is never a second. The time comes first, as in
    /// every id; the rest is a hash, so that what hangs on ids, such as the waits between tries, is no matter of chance.
    pub fn standing_in(self, channel: &str, at: Timestamp) -> Self {
        let hash = Sha256::new().chain_update(self.0.as_bytes()).chain_update(channel).finalize();
        let rest = std::array::from_fn(|byte| hash[byte]);
        let milliseconds = u64::try_from(at.as_millisecond()).unwrap_or(0);
        Self(uuid::Builder::from_unix_timestamp_millis(milliseconds, &rest).into_uuid())
    }
}

macro_rules! kinds {
    ($($variant:ident = $text:literal,)*) => {
        /// What sort of thing happened. The texts are the contract: routes, templates and receivers name them.
        #[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Kind {
            $(#[doc = concat!("`", $text, "`")] $variant,)*
            /// `report.<name>`: the daily figures of one configured report.
            Report(String),
        }

        impl Kind {
            /// Every kind but the reports, whose names the merchant chooses.
            pub const ALL: &'static [Kind] = &[$(Kind::$variant,)*];
        }

        impl fmt::Display for Kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Kind::$variant => f.write_str($text),)*
                    Kind::Report(name) => write!(f, "report.{name}"),
                }
            }
        }

        impl FromStr for Kind {
            type Err = UnknownKind;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                match text {
                    $($text => Ok(Kind::$variant),)*
                    _ => match text.strip_prefix("report.") {
                        Some(name) if !name.is_empty() => Ok(Kind::Report(name.to_owned())),
                        _ => Err(UnknownKind(text.to_owned())),
                    },
                }
            }
        }
    };
}

kinds! {
    OrderPlaced = "order.placed",
    OrderPaid = "order.paid",
    OrderAccepted = "order.accepted",
    OrderCompleted = "order.completed",
    OrderCancelled = "order.cancelled",
    OrderRefund = "order.refund",
    OrderPartialRefund = "order.partial_refund",
    OrderDelivery = "order.delivery",
    OrderOutOfStock = "order.out_of_stock",
    StoreHours = "store.hours",
    StoreStatus = "store.status",
    MenuImages = "menu.images",
    MenuSync = "menu.sync",
    AppAuthorised = "app.authorised",
    AppDeauthorised = "app.deauthorised",
    StockLow = "stock.low",
    StockKeysLow = "stock.keys_low",
    TotalsReported = "totals.reported",
    OperatorNotice = "operator.notice",
    Test = "test",
    Unrecognised = "unrecognised",
}

impl Kind {
    /// The part before the first dot: `order` of `order.placed`. A template of this name serves all its kinds.
    pub fn family(&self) -> String {
        let text = self.to_string();
        text.split('.').next().unwrap_or_default().to_owned()
    }
}

/// A text that names no kind.
#[derive(Debug, thiserror::Error)]
#[error("there is no kind \"{0}\"")]
pub struct UnknownKind(pub String);

impl Serialize for Kind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// One thing that happened. It is immutable once recorded.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    pub id: EventId,
    pub kind: Kind,
    /// The configured source that sent it; `orderbell` for our own kinds.
    pub source: String,
    /// When it happened, by the platform's clock.
    pub occurred_at: Option<Timestamp>,
    /// When it arrived, by our clock.
    pub received_at: Timestamp,
    pub shop: Option<Shop>,
    /// What it says of an order, when it is about one.
    pub order: Option<OrderUpdate>,
    /// What only this kind has to tell.
    #[serde(default)]
    pub data: Data,
    /// How the sender was believed, for `why`: the name of the signature recipe that held, or that none did.
    pub proof: SignatureCheck,
}

/// How far a webhook was believed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignatureCheck {
    /// The signature held; the text names the recipe.
    #[serde(rename = "held")]
    Valid(String),
    /// No recipe matched, and the source only observes: recorded, and no target.
    #[serde(rename = "unproven")]
    Invalid,
    /// Made by Orderbell itself.
    Own,
}

/// The source name of events that Orderbell makes itself.
pub const OWN_SOURCE: &str = "orderbell";

/// How a repeat is recognised: looked up and written in the transaction of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DedupeKey {
    /// The same key of the same source, ever, is the same event.
    Once(String),
    /// The same key of the same source is the same event, unless it changes what is known of its order
    /// ([`crate::domain::changed`]).
    Unchanged(String),
    /// Equal content to the latest under this key is the same event while that one is younger than the window.
    Latest {
        key: String,
        /// SHA-256 of the content.
        content: [u8; 32],
        window_seconds: i64,
    },
    /// A proof that does not cover the content. Equal content under the same key is the same event, ever. Other content
    /// under it is another event while the proof is fresh, because two things may happen within one tick of the sender's
    /// clock; later it is a replay, and nothing of it is kept.
    Guarded {
        /// Stands for the proof; never the proof itself.
        key: String,
        /// SHA-256 of the content.
        content: [u8; 32],
        /// Whether the proof was made just now.
        fresh: bool,
    },
}
