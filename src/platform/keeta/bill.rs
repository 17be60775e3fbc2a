//! Currency, total, items and note of a sample order, where they are to be others than the sample's own.

use serde_json::{Value, json};

use crate::domain::money::Money;
use crate::platform::sample;
use crate::platform::sample::{SampleContent, SampleItem, visit};

/// Writes what is asked for into a message; one that is about no whole order has no items, and no total.
pub fn write(message: &mut Value, content: &SampleContent) {
    if let Some(currency) = &content.currency {
        convert(message, currency);
    }
    if content.total.is_some() || !content.items.is_empty() {
        bill(message, content);
    }
    if let (Some(note), Some(remark)) = (&content.note, message.pointer_mut("/orderInfo/products/0/remark")) {
        *remark = json!(note);
    }
}

/// All amounts keep their minor units.
fn convert(message: &mut Value, currency: &str) {
    let mut before = None;
    visit(message, &mut |name, value| {
        if name == "currency" && value.is_string() {
            before = before.take().or_else(|| value.as_str().map(str::to_owned));
            *value = json!(currency);
        }
    });
    let Some(before) = before else { return };
    visit(message, &mut |_, value| {
        let amount = value.as_str().and_then(|text| text.strip_prefix(&before)?.strip_prefix(' '));
        if let Some(money) = amount.and_then(|amount| Money::of_major(amount, &before)) {
            *value = json!(Money::new(money.minor, currency).to_string());
        }
    });
}

fn bill(message: &mut Value, content: &SampleContent) {
    let own_total = message.pointer("/orderInfo/feeDtl/customerFee/payTotal").and_then(Value::as_i64);
    let own_products = message.pointer("/orderInfo/products").and_then(Value::as_array).cloned();
    let (Some(own_total), Some(own_products)) = (own_total, own_products) else { return };
    let total = content.total.as_ref().map_or(own_total, |total| total.minor);
    let currency = message.pointer("/orderInfo/baseOrder/currency").and_then(Value::as_str).unwrap_or_default();
    let products: Vec<Value> = match (content.items.is_empty(), own_products.first()) {
        (true, _) => own_products,
        (false, Some(form)) => content.items.iter().map(|item| product(form, item)).collect(),
        (false, None) => return,
    };
    let quantities: Vec<u64> = products.iter().map(|product| product["count"].as_u64().unwrap_or(1)).collect();
    let priced = sample::prices(&quantities, total);
    let products: Vec<Value> = priced
        .iter()
        .map(|priced| {
            let mut product = products[priced.item].clone();
            let unit = priced.unit_minor;
            let amount = unit.saturating_mul(i64::try_from(priced.quantity).unwrap_or(i64::MAX));
            let prices = json!({
                "amount": amount, "unitPrice": unit, "originAmount": amount, "originUnitPrice": unit
            });
            product["count"] = json!(priced.quantity);
            product["price"] = json!(unit);
            product["originPrice"] = json!(unit);
            product["priceStr"] = json!(Money::new(unit, currency).to_string());
            product["priceWithGroup"] = prices.clone();
            product["priceWithoutGroup"] = prices;
            product
        })
        .collect();
    message["orderInfo"]["products"] = json!(products);
    // Delivery is free in the sample, so the items are the whole.
    for (place, value) in [("customerFee/productPrice", total), ("customerFee/payTotal", total)] {
        if let Some(fee) = message.pointer_mut(&format!("/orderInfo/feeDtl/{place}")) {
            *fee = json!(value);
        }
    }
    if let Some(merchant) = message.pointer_mut("/orderInfo/feeDtl/merchantFee") {
        let brokerage = total / 100 * 15;
        merchant["productPrice"] = json!(total);
        merchant["brokerage"] = json!(brokerage);
        merchant["total"] = json!(total - brokerage);
    }
}

/// A product of this name, in the form of another.
fn product(form: &Value, item: &SampleItem) -> Value {
    let mut product = form.clone();
    for (name, value) in [
        ("name", json!(item.name)),
        ("nameI18n", json!(item.name)),
        ("count", json!(item.quantity)),
        ("remark", json!("")),
        ("spec", json!("")),
        ("specI18n", json!("")),
        ("groups", json!([])),
    ] {
        product[name] = value;
    }
    product
}
