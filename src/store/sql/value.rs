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

/// What can be given to a statement, by reference.
pub trait IntoValue<'a> {
    fn into_value(self) -> Value<'a>;
}

impl<'a, T: ?Sized> IntoValue<'a> for &&'a T
where
    &'a T: IntoValue<'a>,
{
    fn into_value(self) -> Value<'a> {
        (*self).into_value()
    }
}

impl<'a, 'r, T> IntoValue<'a> for &'r Option<T>
where
    &'r T: IntoValue<'a>,
{
    fn into_value(self) -> Value<'a> {
        self.as_ref().map_or(Value::Null, IntoValue::into_value)
    }
}

/// Of what is in the value itself, and of what it borrows.
macro_rules! into_value {
    (copied: $($copied:ty => |$integer:ident| $number:expr),* ; borrowed: $($borrowed:ty => |$value:ident| $result:expr),* $(,)?) => {
        $(impl<'a> IntoValue<'a> for &$copied {
            fn into_value(self) -> Value<'a> {
                let $integer = *self;
                Value::Integer($number)
            }
        })*
        $(impl<'a> IntoValue<'a> for &'a $borrowed {
            fn into_value(self) -> Value<'a> {
                let $value = self;
                $result
            }
        })*
    };
}

into_value! {
    copied:
    i64 => |value| value,
    u32 => |value| value.into(),
    u16 => |value| value.into(),
    bool => |value| value.into(),
    Timestamp => |value| value.as_millisecond();
    borrowed:
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
