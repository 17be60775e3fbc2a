//! Makes template values of our types. A field that is left out because it is unknown becomes `none` instead of undefined:
//! so a template may print it (nothing appears) and ask for it, while a misspelt name is still an error.

use std::fmt;
use std::sync::Arc;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};
use serde::{Serialize, ser};

/// The template value of anything that serialises to the JSON of this project.
pub fn value_of<T: Serialize + ?Sized>(value: &T) -> Value {
    value.serialize(ToValue).unwrap_or_default()
}

/// Serialising into template values cannot fail, except where a type says so itself.
#[derive(Debug)]
pub struct ValueError(String);

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ValueError {}

impl ser::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self(message.to_string())
    }
}

struct ToValue;

macro_rules! plain {
    ($($method:ident: $type:ty,)*) => {
        $(fn $method(self, value: $type) -> Result<Value, ValueError> {
            Ok(Value::from(value))
        })*
    };
}

impl ser::Serializer for ToValue {
    type Ok = Value;
    type Error = ValueError;
    type SerializeSeq = Items;
    type SerializeTuple = Items;
    type SerializeTupleStruct = Items;
    type SerializeTupleVariant = Items;
    type SerializeMap = Entries;
    type SerializeStruct = Fields;
    type SerializeStructVariant = Fields;

    plain! {
        serialize_bool: bool,
        serialize_i8: i8,
        serialize_i16: i16,
        serialize_i32: i32,
        serialize_i64: i64,
        serialize_u8: u8,
        serialize_u16: u16,
        serialize_u32: u32,
        serialize_u64: u64,
        serialize_f32: f32,
        serialize_f64: f64,
        serialize_str: &str,
    }

    fn serialize_char(self, value: char) -> Result<Value, ValueError> {
        Ok(Value::from(value.to_string()))
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<Value, ValueError> {
        Ok(Value::from_bytes(value.to_vec()))
    }

    fn serialize_none(self) -> Result<Value, ValueError> {
        Ok(Value::from(()))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, ValueError> {
        Ok(Value::from(()))
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, ValueError> {
        Ok(Value::from(()))
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Result<Value, ValueError> {
        Ok(Value::from(variant))
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Result<Value, ValueError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<Value, ValueError> {
        Ok(Value::from_pairs([(variant, value.serialize(Self)?)]))
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<Items, ValueError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple(self, _: usize) -> Result<Items, ValueError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple_struct(self, _: &'static str, _: usize) -> Result<Items, ValueError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_tuple_variant(self, _: &'static str, _: u32, _: &'static str, _: usize) -> Result<Items, ValueError> {
        Ok(Items(Vec::new()))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Entries, ValueError> {
        Ok(Entries::default())
    }

    fn serialize_struct(self, _: &'static str, fields: usize) -> Result<Fields, ValueError> {
        Ok(Fields(Vec::with_capacity(fields)))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        fields: usize,
    ) -> Result<Fields, ValueError> {
        Ok(Fields(Vec::with_capacity(fields)))
    }
}

struct Items(Vec<Value>);

macro_rules! items {
    ($($contract:ident::$method:ident,)*) => {
        $(impl ser::$contract for Items {
            type Ok = Value;
            type Error = ValueError;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
                self.0.push(value.serialize(ToValue)?);
                Ok(())
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(Value::from(self.0))
            }
        })*
    };
}

items! {
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field,
}

#[derive(Default)]
struct Entries {
    key: Value,
    entries: Vec<(Value, Value)>,
}

impl ser::SerializeMap for Entries {
    type Ok = Value;
    type Error = ValueError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), ValueError> {
        self.key = key.serialize(ToValue)?;
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), ValueError> {
        self.entries.push((std::mem::take(&mut self.key), value.serialize(ToValue)?));
        Ok(())
    }

    fn end(self) -> Result<Value, ValueError> {
        Ok(Value::from_pairs(self.entries))
    }
}

/// The fields of a struct: few names, looked through one after another, which takes less than to sort them first.
#[derive(Debug)]
struct Fields(Vec<(&'static str, Value)>);

impl Object for Fields {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, key: &str) -> Option<Value> {
        self.0.iter().find(|(name, _)| *name == key).map(|(_, value)| value.clone())
    }

    /// As every map of a template: by name.
    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut names: Vec<&str> = self.0.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        Enumerator::Values(names.into_iter().map(Value::from).collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.len())
    }
}

macro_rules! fields {
    ($($contract:ident,)*) => {
        $(impl ser::$contract for Fields {
            type Ok = Value;
            type Error = ValueError;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), ValueError> {
                self.0.push((key, value.serialize(ToValue)?));
                Ok(())
            }

            /// Called for what `skip_serializing_if` leaves out: known by name, unknown in value.
            fn skip_field(&mut self, key: &'static str) -> Result<(), ValueError> {
                self.0.push((key, Value::from(())));
                Ok(())
            }

            fn end(self) -> Result<Value, ValueError> {
                Ok(Value::from_object(self))
            }
        })*
    };
}

fields! {
    SerializeStruct,
    SerializeStructVariant,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::order::OrderLine;

    #[test]
    fn what_is_left_out_is_none_and_not_undefined() {
        let line = value_of(&OrderLine { name: "Lemon tea".into(), quantity: Some(2), ..OrderLine::default() });
        assert_eq!(line.get_attr("name").unwrap().as_str(), Some("Lemon tea"));
        assert_eq!(line.get_attr("quantity").unwrap().as_i64(), Some(2));
        assert!(line.get_attr("note").unwrap().is_none());
        assert!(line.get_attr("notes").unwrap().is_undefined());
    }

    #[test]
    fn whoever_goes_through_a_struct_finds_its_fields_by_name() {
        let money = value_of(&crate::domain::money::Money::new(4600, "SAR"));
        let names: Vec<String> = money.try_iter().unwrap().map(|name| name.to_string()).collect();
        assert_eq!(names, ["currency", "minor", "text"]);
        assert_eq!(money.get_attr("text").unwrap().as_str(), Some("SAR 46.00"));
        assert!(money.is_true() && money.len() == Some(3));
    }
}
