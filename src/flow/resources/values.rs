//! Amounts and shops as programs see them.

use std::borrow::Cow;

use poem_openapi::Object;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::domain;

/// An amount.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "Money")]
pub struct Amount {
    /// In the currency's smallest unit.
    pub minor: i64,
    /// ISO 4217.
    pub currency: String,
    /// As people read it.
    pub text: String,
}

impl From<&domain::money::Money> for Amount {
    fn from(money: &domain::money::Money) -> Self {
        Self { minor: money.minor, currency: money.currency.clone(), text: money.to_string() }
    }
}

/// A shop, as its platform and the configuration know it.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "Shop", skip_serializing_if_is_none)]
pub struct ShopName {
    pub id: String,
    pub name: Option<String>,
}

impl From<&domain::shop::Shop> for ShopName {
    fn from(shop: &domain::shop::Shop) -> Self {
        Self { id: shop.id.clone(), name: shop.name.clone() }
    }
}

/// A text by which a request filters, as a parameter or in JSON: nothing else than a text stands for it, and it holds no U+0000.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterText(pub String);

/// The most characters of a [`FilterText`].
const LONGEST: usize = 200;

impl Type for FilterText {
    const IS_REQUIRED: bool = true;

    type RawValueType = String;
    type RawElementValueType = String;

    fn name() -> Cow<'static, str> {
        "string_filter".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let pattern = Some(format!(r"^[^\x00]{{0,{LONGEST}}}$"));
        MetaSchemaRef::Inline(Box::new(MetaSchema { pattern, ..MetaSchema::new("string") }))
    }

    fn as_raw_value(&self) -> Option<&String> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        Box::new(std::iter::once(&self.0))
    }
}

impl ToJSON for FilterText {
    fn to_json(&self) -> Option<Value> {
        Some(Value::String(self.0.clone()))
    }
}

impl FilterText {
    fn read(text: &str) -> ParseResult<Self> {
        if text.chars().count() > LONGEST || text.contains('\0') {
            return Err(ParseError::custom("it is longer than 200 characters, or holds U+0000"));
        }
        Ok(Self(text.to_owned()))
    }
}

impl ParseFromParameter for FilterText {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        Self::read(value)
    }
}

impl ParseFromJSON for FilterText {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        match value {
            Some(Value::String(text)) => Self::read(&text),
            other => Err(ParseError::expected_type(other.unwrap_or_default())),
        }
    }
}

/// A day as a request names it: `today`, `yesterday`, or what is written as a date, be there such a day or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportDay(pub String);

impl Type for ReportDay {
    const IS_REQUIRED: bool = true;

    type RawValueType = String;
    type RawElementValueType = String;

    fn name() -> Cow<'static, str> {
        "string_day".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        let pattern = Some("^(today|yesterday|[0-9]{4}-[0-9]{2}-[0-9]{2})$".to_owned());
        MetaSchemaRef::Inline(Box::new(MetaSchema { pattern, ..MetaSchema::new("string") }))
    }

    fn as_raw_value(&self) -> Option<&String> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a String> + 'a> {
        Box::new(std::iter::once(&self.0))
    }
}

impl ParseFromParameter for ReportDay {
    fn parse_from_parameter(value: &str) -> ParseResult<Self> {
        let is_of_date = |(place, letter): (usize, char)| match place {
            4 | 7 => letter == '-',
            _ => letter.is_ascii_digit(),
        };
        let is_date = value.len() == "2026-11-21".len() && value.char_indices().all(is_of_date);
        if is_date || matches!(value, "today" | "yesterday") {
            return Ok(Self(value.to_owned()));
        }
        Err(ParseError::custom("write today, yesterday, or 2026-11-21"))
    }
}
