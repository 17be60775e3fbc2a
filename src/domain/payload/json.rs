//! `data` as JSON: one object with the keys of all payloads, in a fixed sequence, each only where it is known.
//!
//! Written by hand because `#[serde(flatten)]` leaves out what is unknown without a word, and then a template could not ask
//! for it ([`crate::domain::template::values`]); and because events tell by their keys alone which payload they have.

use std::fmt;

use jiff::Timestamp;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::domain::payload::{CourierProgress, Data, OrderProgress, Payload, Placement, StoreStatus};
use crate::domain::timestamp::known_milliseconds;

struct Milliseconds<'a>(&'a Option<Timestamp>);

impl Serialize for Milliseconds<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        known_milliseconds(self.0, serializer)
    }
}

/// Writes each key whose value is known and names the others.
macro_rules! keys {
    ($object:ident: $($key:literal = $value:expr,)*) => {
        $(match $value {
            Some(value) => $object.serialize_field($key, &value)?,
            None => $object.skip_field($key)?,
        })*
    };
}

/// What a payload of this variant holds.
macro_rules! held {
    ($payload:expr, $variant:ident) => {
        match $payload {
            Payload::$variant(held) => Some(held),
            _ => None,
        }
    };
}

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { payload, changed, buyer, unnumbered, details, late } = self;
        let placed = held!(payload, Placed);
        let progress = held!(payload, Progress);
        let delivery = held!(payload, Delivery);
        let status = held!(payload, Status);
        let mut object = serializer.serialize_struct("Data", 27)?;
        keys! { object:
            "handover" = placed.and_then(|placed| placed.handover.as_ref()),
            "payment" = placed.and_then(|placed| placed.payment.as_ref()),
            "expected_at" = placed.map(|placed| &placed.expected_at).filter(|at| at.is_some()).map(Milliseconds),
            "charges" = placed.and_then(|placed| placed.charges.as_ref()),
            "changed" = changed.as_ref(),
            "reason" = progress.and_then(|progress| progress.reason.as_ref()),
            "by" = progress.and_then(|progress| progress.by.as_ref()),
            "cancel_type" = progress.and_then(|progress| progress.cancel_type.as_ref()),
            "refund" = held!(payload, Refund),
            "delivery" = delivery.and_then(|delivery| delivery.delivery.as_ref()),
            "courier" = delivery.and_then(|delivery| delivery.courier.as_ref()),
            "hours" = held!(payload, Hours),
            "status" = status.and_then(|status| status.status.as_ref()),
            "delivery_rest" = status.and_then(|status| status.delivery_rest.as_ref()),
            "pickup_rest" = status.and_then(|status| status.pickup_rest.as_ref()),
            "task" = held!(payload, Task),
            "authorisation" = held!(payload, Authorisation),
            "stock" = held!(payload, Stock),
            "totals" = held!(payload, Totals),
            "buyer" = buyer.as_ref(),
            "unnumbered" = unnumbered.as_ref(),
            "details" = details.as_ref(),
            "unrecognised" = held!(payload, Unrecognised),
            "sample" = held!(payload, Sample),
            "notice" = held!(payload, Notice),
            "report" = held!(payload, Report),
            "late" = late.as_ref(),
        }
        object.end()
    }
}

impl<'de> Deserialize<'de> for Data {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(DataVisitor)
    }
}

struct DataVisitor;

impl<'de> Visitor<'de> for DataVisitor {
    type Value = Data;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what an event says beside its order")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Data, A::Error> {
        let mut data = Data::default();
        let (mut placed, mut progress) = (Placement::default(), OrderProgress::default());
        let (mut delivery, mut status) = (CourierProgress::default(), StoreStatus::default());
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "handover" => placed.handover = map.next_value()?,
                "payment" => placed.payment = map.next_value()?,
                "expected_at" => placed.expected_at = map.next_value()?,
                "charges" => placed.charges = map.next_value()?,
                "changed" => data.changed = map.next_value()?,
                "reason" => progress.reason = map.next_value()?,
                "by" => progress.by = map.next_value()?,
                "cancel_type" => progress.cancel_type = map.next_value()?,
                "refund" => data.payload = Payload::Refund(map.next_value()?),
                "delivery" => delivery.delivery = map.next_value()?,
                "courier" => delivery.courier = map.next_value()?,
                "hours" => data.payload = Payload::Hours(map.next_value()?),
                "status" => status.status = map.next_value()?,
                "delivery_rest" => status.delivery_rest = map.next_value()?,
                "pickup_rest" => status.pickup_rest = map.next_value()?,
                "task" => data.payload = Payload::Task(map.next_value()?),
                "authorisation" => data.payload = Payload::Authorisation(map.next_value()?),
                "stock" => data.payload = Payload::Stock(map.next_value()?),
                "totals" => data.payload = Payload::Totals(map.next_value()?),
                "buyer" => data.buyer = map.next_value()?,
                "unnumbered" => data.unnumbered = map.next_value()?,
                "details" => data.details = map.next_value()?,
                "unrecognised" => data.payload = Payload::Unrecognised(map.next_value()?),
                "sample" => data.payload = Payload::Sample(map.next_value()?),
                "notice" => data.payload = Payload::Notice(map.next_value()?),
                "report" => data.payload = Payload::Report(map.next_value()?),
                "late" => data.late = map.next_value()?,
                _ => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        let groups = [
            Payload::Placed(placed),
            Payload::Progress(progress),
            Payload::Delivery(delivery),
            Payload::Status(status),
        ];
        let payload = groups.map(|group| Data::from(group).payload).into_iter().find(|group| *group != Payload::None);
        if let Some(payload) = payload {
            data.payload = payload;
        }
        Ok(data)
    }
}
