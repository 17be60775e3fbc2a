//! Figures as JSON in one object with what they are of: a shop, or a day. `#[serde(flatten)]` would write the same, but
//! leaves out what is unknown without a word, and then a template could not ask for it.

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::domain::report::{DayFigures, Figures, ShopFigures};

impl Serialize for ShopFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { source, shop, figures } = self;
        let mut object = serializer.serialize_struct("ShopFigures", 8)?;
        object.serialize_field("source", source)?;
        known(&mut object, "shop", shop.as_ref())?;
        all(&mut object, figures)?;
        object.end()
    }
}

impl Serialize for DayFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { day, figures, day_before, same_weekdays } = self;
        let mut object = serializer.serialize_struct("DayFigures", 9)?;
        object.serialize_field("day", day)?;
        all(&mut object, figures)?;
        known(&mut object, "day_before", day_before.as_ref())?;
        known(&mut object, "same_weekdays", same_weekdays.as_ref())?;
        object.end()
    }
}

fn all<S: SerializeStruct>(object: &mut S, figures: &Figures) -> Result<(), S::Error> {
    let Figures { orders, cancelled, refunds, without_total, refunds_without_amount, amounts } = figures;
    object.serialize_field("orders", orders)?;
    object.serialize_field("cancelled", cancelled)?;
    object.serialize_field("refunds", refunds)?;
    object.serialize_field("without_total", without_total)?;
    object.serialize_field("refunds_without_amount", refunds_without_amount)?;
    object.serialize_field("amounts", amounts)
}

/// A field that is absent when its value is unknown.
fn known<S: SerializeStruct, T: Serialize>(
    object: &mut S,
    name: &'static str,
    value: Option<&T>,
) -> Result<(), S::Error> {
    match value {
        Some(value) => object.serialize_field(name, value),
        None => object.skip_field(name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again_and_what_is_unknown_is_absent() {
        let figures = Figures { orders: 3, cancelled: 1, refunds: 2, without_total: 4, ..Figures::default() };
        let shop = ShopFigures { source: "licences".to_owned(), figures: figures.clone(), ..ShopFigures::default() };
        let text = serde_json::to_string(&shop).unwrap();
        let expected = concat!(
            r#"{"source":"licences","orders":3,"cancelled":1,"refunds":2,"without_total":4,"#,
            r#""refunds_without_amount":0,"amounts":[]}"#
        );
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<ShopFigures>(&text).unwrap(), shop);
        let day = DayFigures { figures, ..DayFigures::default() };
        let text = serde_json::to_string(&day).unwrap();
        assert!(!text.contains("day_before") && !text.contains("null"), "{text}");
        assert_eq!(serde_json::from_str::<DayFigures>(&text).unwrap(), day);
    }
}
