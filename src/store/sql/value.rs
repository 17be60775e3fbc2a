//! What stands in a column or is given to a statement, and how our words become it and are read of it.

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::event::{DeliveryId, EventId};

/// A value. Moments are milliseconds since 1970, UTC; truths are 0 and 1; ids are their 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    Null,
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// What can be given to a statement.
pub trait AsValue {
    fn as_value(&self) -> Value<'_>;
}

impl<T: AsValue + ?Sized> AsValue for &T {
    fn as_value(&self) -> Value<'_> {
        (**self).as_value()
    }
}

impl<T: AsValue> AsValue for Option<T> {
    fn as_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null, AsValue::as_value)
    }
}

macro_rules! as_value {
    ($($type:ty => |$value:ident| $result:expr),* $(,)?) => {
        $(impl AsValue for $type {
            fn as_value(&self) -> Value<'_> {
                let $value = self;
                $result
            }
        })*
    };
}

as_value! {
    i64 => |value| Value::Integer(*value),
    u32 => |value| Value::Integer((*value).into()),
    u16 => |value| Value::Integer((*value).into()),
    bool => |value| Value::Integer((*value).into()),
    Timestamp => |value| Value::Integer(value.as_millisecond()),
    str => |value| Value::Text(value),
    String => |value| Value::Text(value),
    [u8] => |value| Value::Blob(value),
    Vec<u8> => |value| Value::Blob(value),
    [u8; 16] => |value| Value::Blob(value),
    Uuid => |value| Value::Blob(value.as_bytes()),
    EventId => |value| Value::Blob(value.0.as_bytes()),
    DeliveryId => |value| Value::Blob(value.0.as_bytes()),
}

/// What can be read of a column; `Err`: why not.
pub trait FromValue<'a>: Sized {
    /// # Errors
    /// What it is, and what it should be.
    fn from_value(value: Value<'a>) -> Result<Self, String>;
}

impl<'a, T: FromValue<'a>> FromValue<'a> for Option<T> {
    fn from_value(value: Value<'a>) -> Result<Self, String> {
        match value {
            Value::Null => Ok(None),
            value => T::from_value(value).map(Some),
        }
    }
}

impl<'a> FromValue<'a> for &'a str {
    fn from_value(value: Value<'a>) -> Result<Self, String> {
        match value {
            Value::Text(text) => Ok(text),
            other => Err(not("text", other)),
        }
    }
}

impl<'a> FromValue<'a> for &'a [u8] {
    fn from_value(value: Value<'a>) -> Result<Self, String> {
        match value {
            Value::Blob(bytes) => Ok(bytes),
            other => Err(not("bytes", other)),
        }
    }
}

impl FromValue<'_> for i64 {
    fn from_value(value: Value<'_>) -> Result<Self, String> {
        match value {
            Value::Integer(integer) => Ok(integer),
            other => Err(not("a number", other)),
        }
    }
}

macro_rules! from_value {
    ($($type:ty: $from:ty => $read:expr),* $(,)?) => {
        $(impl<'a> FromValue<'a> for $type {
            fn from_value(value: Value<'a>) -> Result<Self, String> {
                let read: fn($from) -> Result<Self, String> = $read;
                read(<$from>::from_value(value)?)
            }
        })*
    };
}

from_value! {
    u16: i64 => |value| value.try_into().map_err(|_| out_of_range(value)),
    u32: i64 => |value| value.try_into().map_err(|_| out_of_range(value)),
    u64: i64 => |value| value.try_into().map_err(|_| out_of_range(value)),
    bool: i64 => |value| Ok(value != 0),
    Timestamp: i64 => |value| Timestamp::from_millisecond(value).map_err(|_| out_of_range(value)),
    String: &str => |text| Ok(text.to_owned()),
    Vec<u8>: &[u8] => |bytes| Ok(bytes.to_owned()),
    Uuid: &[u8] => |bytes| Self::from_slice(bytes).map_err(|error| error.to_string()),
    EventId: Uuid => |id| Ok(Self(id)),
    DeliveryId: Uuid => |id| Ok(Self(id)),
}

fn not(wanted: &str, found: Value<'_>) -> String {
    let found = match found {
        Value::Null => "nothing",
        Value::Integer(_) => "a number",
        Value::Text(_) => "text",
        Value::Blob(_) => "bytes",
    };
    format!("{wanted} was expected, and {found} found")
}

fn out_of_range(value: i64) -> String {
    format!("{value} is out of range")
}
