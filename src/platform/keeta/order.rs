//! The order of event 1001, in each of the shapes that were seen: wrapped, bare, and with hardly more than its number.

use crate::domain::data::Charges;
use crate::domain::data::Data;
use crate::domain::money::Money;
use crate::domain::order::Line;
use crate::domain::order::MAX_LINES;
use crate::domain::order::OrderNews;
use crate::domain::order::OrderState;
use crate::platform::field::JsonField;

/// An order as event 1001 tells it.
pub struct Placed {
    pub news: OrderNews,
    pub shop_name: Option<String>,
    pub data: Data,
}

/// How deep options of options are read.
const MAX_OPTION_DEPTH: usize = 8;

/// The life of an order; two pages of the documentation disagree on 20 and 30, both are accepted.
fn state(status: i64) -> Option<OrderState> {
    match status {
        10 => Some(OrderState::Placed),
        20 | 30 => Some(OrderState::Accepted),
        35 => Some(OrderState::Ready),
        40 => Some(OrderState::Completed),
        50 => Some(OrderState::Cancelled),
        _ => None,
    }
}

/// Three letters that may be a currency's code.
pub fn currency(field: &JsonField) -> Option<String> {
    field.raw_text().filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Reads the order of a message; `None` when no order number can be found in it.
pub fn read(message: &JsonField, default_currency: &str) -> Option<Placed> {
    // `orderInfo`, or `data.orderInfo`, or the order itself.
    let info = message.get("orderInfo").or(message.get("data").get("orderInfo")).or(message.clone());
    let (base, merchant) = (info.get("baseOrder"), info.get("merchantOrder"));
    let fee = info.get("feeDtl").get("customerFee");
    let number = base.get("orderViewIdStr").id().or_else(|| {
        let ids = [&base, &merchant, &info].map(|place| place.get("orderViewId").id());
        ids.into_iter().flatten().next()
    })?;
    // The list that live webhooks from Hong Kong carry instead of `feeDtl`.
    let listed: Vec<JsonField> = info.get("feeDtls").list().collect();
    let products = products(&info);
    let code = currency(&fee.get("i18n").get("currency"))
        .or_else(|| currency(&base.get("currency")))
        .or_else(|| listed.iter().find_map(|fee| currency(&fee.get("currency"))))
        .or_else(|| products.iter().find_map(|product| currency(&product.get("currency"))))
        .unwrap_or_else(|| default_currency.to_owned());
    let money = |field: &JsonField| field.integer().map(|minor| Money::new(minor, &code));
    let listed_fee = |name: &str| {
        let fee = listed.iter().find(|fee| fee.get("code").raw_text().as_deref() == Some(name))?;
        money(&fee.get("price"))
    };
    let charge =
        |own: &str, name: &str| money(&fee.get(own)).or_else(|| listed_fee(name)).filter(|money| money.minor != 0);

    let lines: Vec<Line> = products.iter().filter_map(|product| line(product, &code)).take(MAX_LINES).collect();
    let paid = money(&fee.get("payTotal")).or_else(|| listed_fee("payTotal"));
    let total_is_approximate = paid.is_none();
    let total = paid.or_else(|| sum(&lines));
    let charges = Charges {
        items: charge("productPrice", "productPrice"),
        delivery: charge("shippingFee", "shippingFee"),
        platform: charge("platformFee", "platformFee"),
        discounts: charge("discounts", "discounts")
            .map(|money| Money::new(money.minor.saturating_abs(), money.currency)),
        tip: charge("tip", "tip"),
    };
    let reached = merchant.get("status").integer().and_then(state).unwrap_or(OrderState::Placed);
    let data = Data {
        handover: merchant.get("userGetMode").text(),
        payment: base.get("payTypeDesc").text().or_else(|| base.get("payType").text()),
        expected_at: base.get("deliveryTime").instant(),
        charges: (charges != Charges::default()).then_some(charges),
        ..Data::default()
    };
    let news = OrderNews {
        number,
        short_number: merchant.get("seqNoStr").text(),
        state: Some(reached.max(OrderState::Placed)),
        placed_at: base.get("ctime").instant().or_else(|| merchant.get("ctime").instant()),
        total_is_approximate: total_is_approximate && total.is_some(),
        total,
        lines,
        refund: None,
    };
    Some(Placed { news, shop_name: merchant.get("shopName").text(), data })
}

/// The products of the order, or of its parts when its own list is empty.
fn products(info: &JsonField) -> Vec<JsonField> {
    let own: Vec<JsonField> = info.get("products").list().collect();
    match own.is_empty() {
        false => own,
        true => info.get("subOrderInfoList").list().flat_map(|part| part.get("products").list()).collect(),
    }
}

fn line(product: &JsonField, code: &str) -> Option<Line> {
    let name = product.get("name").text().or_else(|| product.get("nameI18n").text())?;
    let with_options = product.get("priceWithGroup").get("unitPrice").integer();
    let unit_price = with_options.or_else(|| product.get("price").integer()).map(|minor| Money::new(minor, code));
    let mut options: Vec<String> = product.get("spec").text().into_iter().filter(|spec| *spec != name).collect();
    gather_options(&product.get("groups"), 0, &mut options);
    let (quantity, note) = (product.get("count").count(), product.get("remark").text());
    Some(Line { name, options, quantity, unit_price, note })
}

/// `Spice: Mild`, outermost first; twice chosen is `Egg ×2`.
fn gather_options(groups: &JsonField, depth: usize, options: &mut Vec<String>) {
    if depth >= MAX_OPTION_DEPTH {
        return;
    }
    for group in groups.list() {
        let group_name = group.get("groupName").text();
        for choice in group.get("shopProductGroupSkuList").list() {
            if let Some(chosen) = choice.get("spuName").text() {
                let times = choice.get("count").count().filter(|count| *count > 1).map(|count| format!(" ×{count}"));
                let group = group_name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
                options.push(format!("{group}{chosen}{}", times.unwrap_or_default()));
            }
            gather_options(&choice.get("groups"), depth + 1, options);
        }
    }
}

/// The sum of the lines; `None` when one of them has no price or no quantity.
fn sum(lines: &[Line]) -> Option<Money> {
    let amounts: Option<Vec<Money>> =
        lines.iter().map(|line| line.unit_price.as_ref()?.times(line.quantity?)).collect();
    amounts?.into_iter().try_fold(None, |sum: Option<Money>, amount| match sum {
        None => Some(Some(amount)),
        Some(sum) => sum.plus(&amount).map(Some),
    })?
}
