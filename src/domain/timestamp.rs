//! How times are written for whoever reads our JSON.

use jiff::Timestamp;
use serde::Serializer;

/// As all times that receivers see: with three decimals, so that they may compare texts.
pub fn milliseconds<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{at:.3}"))
}

/// As [`milliseconds`], where the time is known.
pub fn known_milliseconds<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => milliseconds(at, serializer),
        None => serializer.serialize_none(),
    }
}
