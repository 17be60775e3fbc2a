//! The table of names under which a detail may stand in a body, and where a source says that it stands.
//!
//! APSDAI does not publish its bodies. The names are those that shop systems of its kind use; case, `_` and `-` do not count.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Where a source says that details stand.
pub type Fields = BTreeMap<FieldName, Pointer>;

/// A detail that can be read from a body. The texts are what the configuration calls it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
pub enum FieldName {
    /// The order's number; text.
    #[serde(rename = "order.number")]
    OrderNumber,
    /// What the buyer pays in all.
    #[serde(rename = "order.total")]
    OrderTotal,
    /// When it was placed.
    #[serde(rename = "order.placed_at")]
    PlacedAt,
    /// When it was paid.
    #[serde(rename = "order.paid_at")]
    PaidAt,
    /// When it happened, whatever it is.
    #[serde(rename = "occurred_at")]
    OccurredAt,
    /// ISO 4217 code of all amounts of the body.
    #[serde(rename = "currency")]
    Currency,
    /// Why it was cancelled or refunded.
    #[serde(rename = "reason")]
    Reason,
    /// The buyer's e-mail address.
    #[serde(rename = "buyer.email")]
    BuyerEmail,
    /// What is paid back.
    #[serde(rename = "refund.amount")]
    RefundAmount,
    /// The list of products, of an order or of an alarm.
    #[serde(rename = "products")]
    Products,
    /// What a product is called.
    #[serde(rename = "product.name")]
    ProductName,
    /// The product's id or path.
    #[serde(rename = "product.id")]
    ProductId,
    /// How many of it.
    #[serde(rename = "product.quantity")]
    ProductQuantity,
    /// The price of one piece.
    #[serde(rename = "product.price")]
    ProductPrice,
    /// How much is left of it.
    #[serde(rename = "product.stock")]
    ProductStock,
    /// At how much the platform warns.
    #[serde(rename = "product.threshold")]
    ProductThreshold,
    /// The list of days in the totals.
    #[serde(rename = "days")]
    Days,
    /// Which day it is.
    #[serde(rename = "day.date")]
    DayDate,
    /// How many orders.
    #[serde(rename = "day.count")]
    DayCount,
    /// What the orders come to.
    #[serde(rename = "day.amount")]
    DayAmount,
    /// Which hook it is; asked only when no header says so.
    #[serde(skip)]
    Event,
    /// That the platform only tries the address out.
    #[serde(skip)]
    Test,
}

/// The schema of [`Fields`]: a key for each detail.
pub fn schema(generator: &mut SchemaGenerator) -> Schema {
    let mut details = FieldName::json_schema(generator);
    let pointer = generator.subschema_for::<Pointer>();
    let details = details.remove("oneOf").unwrap_or_default();
    let properties = details.as_array().into_iter().flatten().filter_map(|detail| {
        let key = detail.get("const")?.as_str()?.to_owned();
        let mut pointer = pointer.clone();
        pointer.insert("description".to_owned(), detail.get("description")?.clone());
        Some((key, pointer.to_value()))
    });
    json_schema!({
        "type": "object",
        "properties": properties.collect::<serde_json::Map<_, _>>(),
        "additionalProperties": false,
        "examples": [{ "order.number": "/data/orderNo" }],
    })
}

/// Objects in which the details may stand when they are not at the root.
pub const WRAPPERS: [&str; 5] = ["data", "order", "payload", "content", "body"];

/// The names, folded, the likeliest first. A dot leads into an object.
#[rustfmt::skip]
const NAMES: [(FieldName, &[&str]); 22] = [
    (FieldName::OrderNumber, &[
        "orderno", "ordersn", "ordernumber", "orderid", "order.number", "order.no", "order.sn", "order.id",
        "tradeno", "outtradeno", "sn", "id",
    ]),
    (FieldName::OrderTotal, &["payamount", "paidamount", "totalamount", "amount", "total", "price", "money"]),
    (FieldName::PlacedAt, &["createdat", "createtime"]),
    (FieldName::PaidAt, &["paidat", "paytime"]),
    (FieldName::OccurredAt, &["time"]),
    (FieldName::Currency, &["currency", "currencycode"]),
    (FieldName::Reason, &["refundreason", "cancelreason", "reason"]),
    (FieldName::BuyerEmail, &["email", "buyeremail", "customeremail", "buyer.email", "customer.email"]),
    (FieldName::RefundAmount, &["refundamount", "refundmoney", "refund.amount", "refund.money"]),
    (FieldName::Products, &["products", "items", "goods", "orderitems", "lines", "list"]),
    (FieldName::ProductName, &["productname", "goodsname", "product.name", "product.title", "name", "title"]),
    (FieldName::ProductId, &["productpath", "product.path", "path", "productid", "product.id"]),
    (FieldName::ProductQuantity, &["quantity", "count", "num", "qty"]),
    (FieldName::ProductPrice, &["unitprice", "price", "product.price"]),
    (FieldName::ProductStock, &["stock", "inventory", "remain", "left", "surplus", "keystock", "keycount"]),
    (FieldName::ProductThreshold, &["threshold", "alarm", "warning", "min"]),
    (FieldName::Days, &["days", "list", "items", "rows", "totals"]),
    (FieldName::DayDate, &["date", "day"]),
    (FieldName::DayCount, &["count", "num", "ordercount", "ordernum"]),
    (FieldName::DayAmount, &["amount", "total", "totalamount", "orderamount", "money"]),
    (FieldName::Event, &["event", "type", "hook"]),
    (FieldName::Test, &["test", "istest"]),
];

impl FieldName {
    /// The names under which it may stand.
    pub fn names(self) -> &'static [&'static str] {
        NAMES.iter().find(|(detail, _)| *detail == self).map_or(&[], |(_, names)| names)
    }
}

/// A name as the table has it: `orderNo`, `Order_No` and `order-no` are one.
pub fn folded(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '_' | '-')).flat_map(char::to_lowercase).collect()
}

/// A JSON pointer (RFC 6901), such as `/data/orderNo` or `/items/0/price`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer(Vec<String>);

impl Pointer {
    /// `None` when the text is no pointer.
    pub fn new(text: &str) -> Option<Self> {
        let Some(steps) = text.strip_prefix('/') else { return text.is_empty().then(|| Self(Vec::new())) };
        let steps = steps.split('/').map(|step| {
            let right = step.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
            right.then(|| step.replace("~1", "/").replace("~0", "~"))
        });
        steps.collect::<Option<Vec<String>>>().map(Self)
    }

    /// As [`Pointer::new`].
    ///
    /// # Errors
    /// What is wrong, and after a semicolon what was probably meant.
    pub fn read(text: &str) -> Result<Self, String> {
        Self::new(text).ok_or_else(|| {
            let steps = text.trim_start_matches('$').split(['.', '/']).filter(|step| !step.is_empty());
            let meant = Self(steps.map(str::to_owned).collect());
            format!("\"{text}\" is not a JSON pointer; write it like \"{meant}\"")
        })
    }

    /// The names and numbers that lead to the value, decoded.
    pub fn steps(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|step| write!(f, "/{}", step.replace('~', "~0").replace('/', "~1")))
    }
}

impl<'de> Deserialize<'de> for Pointer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl JsonSchema for Pointer {
    fn schema_name() -> Cow<'static, str> {
        "Pointer".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A JSON pointer (RFC 6901), such as /data/orderNo.",
            "type": "string",
            "pattern": "^(/([^~]|~[01])*)?$",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_detail_has_names_and_every_name_is_folded() {
        for (detail, names) in NAMES {
            assert!(!names.is_empty() && detail.names() == names, "{detail:?}");
            for name in names {
                assert_eq!(&folded(name), name);
            }
        }
        assert_eq!(folded("Order_No"), "orderno");
        assert_eq!(folded("orderNo"), "orderno");
    }

    #[test]
    fn pointers_are_read_by_their_rule() {
        let steps = |text: &str| Pointer::new(text).map(|pointer| pointer.0);
        assert_eq!(steps("/data/orderNo"), Some(vec!["data".to_owned(), "orderNo".to_owned()]));
        assert_eq!(steps("/a~1b/m~0n/"), Some(vec!["a/b".to_owned(), "m~n".to_owned(), String::new()]));
        assert_eq!(steps(""), Some(Vec::new()));
        for wrong in ["data", "data.orderNo", "$.data", "/a~2", "/a~"] {
            assert_eq!(steps(wrong), None, "{wrong}");
        }
        assert_eq!(Pointer::new("/a~1b/~01").map(|pointer| pointer.to_string()).as_deref(), Some("/a~1b/~01"));
    }
}
