//! The order of event 1001, in each of the shapes that were seen: wrapped, bare, and with hardly more than its number.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::domain::data::Charges;
use crate::domain::data::Data;
use crate::domain::money::Money;
use crate::domain::order::Line;
use crate::domain::order::MAX_LINES;
use crate::domain::order::OrderNews;
use crate::domain::order::OrderState;
use crate::platform::field;
use crate::platform::field::Field;

/// An order as event 1001 tells it.
pub struct Placed {
    pub news: OrderNews,
    pub shop_name: Option<String>,
    pub data: Data,
}

/// `orderInfo`, or `data.orderInfo`, or the order itself.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Root<'a> {
    #[serde(borrow)]
    order_info: Field<'a>,
    #[serde(borrow)]
    data: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Info<'a> {
    #[serde(borrow)]
    order_view_id: Field<'a>,
    #[serde(borrow)]
    base_order: Field<'a>,
    #[serde(borrow)]
    merchant_order: Field<'a>,
    #[serde(borrow)]
    fee_dtl: Field<'a>,
    #[serde(borrow)]
    fee_dtls: Field<'a>,
    #[serde(borrow)]
    products: Field<'a>,
    #[serde(borrow)]
    sub_order_info_list: Field<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Base<'a> {
    #[serde(borrow)]
    order_view_id: Field<'a>,
    #[serde(borrow)]
    order_view_id_str: Field<'a>,
    #[serde(borrow)]
    ctime: Field<'a>,
    #[serde(borrow)]
    delivery_time: Field<'a>,
    #[serde(borrow)]
    pay_type: Field<'a>,
    #[serde(borrow)]
    pay_type_desc: Field<'a>,
    #[serde(borrow)]
    currency: Field<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Merchant<'a> {
    #[serde(borrow)]
    order_view_id: Field<'a>,
    #[serde(borrow)]
    seq_no_str: Field<'a>,
    #[serde(borrow)]
    status: Field<'a>,
    #[serde(borrow)]
    shop_name: Field<'a>,
    #[serde(borrow)]
    ctime: Field<'a>,
    #[serde(borrow)]
    user_get_mode: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fees<'a> {
    #[serde(borrow)]
    customer_fee: Field<'a>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct CustomerFee<'a> {
    #[serde(borrow)]
    i18n: Field<'a>,
    #[serde(borrow)]
    product_price: Field<'a>,
    #[serde(borrow)]
    shipping_fee: Field<'a>,
    #[serde(borrow)]
    platform_fee: Field<'a>,
    #[serde(borrow)]
    discounts: Field<'a>,
    #[serde(borrow)]
    tip: Field<'a>,
    #[serde(borrow)]
    pay_total: Field<'a>,
}

#[derive(Deserialize)]
struct I18n<'a> {
    #[serde(borrow)]
    currency: Field<'a>,
}

/// One fee of the list that live webhooks from Hong Kong carry instead of `feeDtl`.
#[derive(Deserialize)]
struct ListedFee<'a> {
    #[serde(borrow)]
    code: Field<'a>,
    #[serde(borrow)]
    currency: Field<'a>,
    #[serde(borrow)]
    price: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Product<'a> {
    #[serde(borrow)]
    name: Field<'a>,
    #[serde(rename = "nameI18n", borrow)]
    name_i18n: Field<'a>,
    #[serde(borrow)]
    count: Field<'a>,
    #[serde(borrow)]
    price: Field<'a>,
    #[serde(borrow)]
    currency: Field<'a>,
    #[serde(borrow)]
    spec: Field<'a>,
    #[serde(borrow)]
    remark: Field<'a>,
    #[serde(borrow)]
    groups: Field<'a>,
    #[serde(borrow)]
    price_with_group: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupPrice<'a> {
    #[serde(borrow)]
    unit_price: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Group<'a> {
    #[serde(borrow)]
    group_name: Field<'a>,
    #[serde(borrow)]
    shop_product_group_sku_list: Field<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Choice<'a> {
    #[serde(borrow)]
    spu_name: Field<'a>,
    #[serde(borrow)]
    count: Field<'a>,
    #[serde(borrow)]
    groups: Field<'a>,
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
pub fn currency(field: Field<'_>) -> Option<String> {
    field::raw_text(field).filter(|code| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Reads the order of a message; `None` when no order number can be found in it.
pub fn read(message: &str, default_currency: &str) -> Option<Placed> {
    let root: Root = serde_json::from_str(message).ok()?;
    let nested = || field::object::<Root>(root.data).and_then(|data| data.order_info);
    let info: Info = match root.order_info.or_else(nested) {
        Some(info) => serde_json::from_str(info.get()).ok()?,
        None => serde_json::from_str(message).ok()?,
    };
    let base: Base = field::object(info.base_order).unwrap_or_default();
    let merchant: Merchant = field::object(info.merchant_order).unwrap_or_default();
    let fee: CustomerFee =
        field::object::<Fees>(info.fee_dtl).and_then(|fees| field::object(fees.customer_fee)).unwrap_or_default();

    let number = field::id(base.order_view_id_str)
        .or_else(|| field::id(base.order_view_id))
        .or_else(|| field::id(merchant.order_view_id))
        .or_else(|| field::id(info.order_view_id))?;
    let listed: Vec<ListedFee> =
        field::list(info.fee_dtls).into_iter().filter_map(|raw| field::object(Some(raw))).collect();
    let products = products(&info);
    let code = field::object::<I18n>(fee.i18n)
        .and_then(|i18n| currency(i18n.currency))
        .or_else(|| currency(base.currency))
        .or_else(|| listed.iter().find_map(|fee| currency(fee.currency)))
        .or_else(|| products.iter().find_map(|product| currency(product.currency)))
        .unwrap_or_else(|| default_currency.to_owned());
    let money = |field: Field<'_>| field::integer(field).map(|minor| Money::new(minor, &code));
    let listed_fee = |name: &str| {
        listed.iter().find(|fee| field::raw_text(fee.code).as_deref() == Some(name)).and_then(|fee| money(fee.price))
    };
    let charge =
        |field: Field<'_>, name: &str| money(field).or_else(|| listed_fee(name)).filter(|money| money.minor != 0);

    let lines: Vec<Line> = products.iter().filter_map(|product| line(product, &code)).take(MAX_LINES).collect();
    let paid = money(fee.pay_total).or_else(|| listed_fee("payTotal"));
    let total_is_approximate = paid.is_none();
    let total = paid.or_else(|| sum(&lines));
    let charges = Charges {
        items: charge(fee.product_price, "productPrice"),
        delivery: charge(fee.shipping_fee, "shippingFee"),
        platform: charge(fee.platform_fee, "platformFee"),
        discounts: charge(fee.discounts, "discounts")
            .map(|money| Money::new(money.minor.saturating_abs(), money.currency)),
        tip: charge(fee.tip, "tip"),
    };
    let reached = field::integer(merchant.status).and_then(state).unwrap_or(OrderState::Placed);
    let data = Data {
        handover: field::text(merchant.user_get_mode),
        payment: field::text(base.pay_type_desc).or_else(|| field::text(base.pay_type)),
        expected_at: field::instant(base.delivery_time),
        charges: (charges != Charges::default()).then_some(charges),
        ..Data::default()
    };
    let news = OrderNews {
        number,
        short_number: field::text(merchant.seq_no_str),
        state: Some(reached.max(OrderState::Placed)),
        placed_at: field::instant(base.ctime).or_else(|| field::instant(merchant.ctime)),
        total_is_approximate: total_is_approximate && total.is_some(),
        total,
        lines,
        refund: None,
    };
    Some(Placed { news, shop_name: field::text(merchant.shop_name), data })
}

/// The products of the order, or of its parts when its own list is empty.
fn products<'a>(info: &Info<'a>) -> Vec<Product<'a>> {
    #[derive(Deserialize)]
    struct Part<'a> {
        #[serde(borrow)]
        products: Field<'a>,
    }
    let read = |list: Field<'a>| -> Vec<Product<'a>> {
        field::list(list).into_iter().filter_map(|raw| field::object(Some(raw))).collect()
    };
    let own = read(info.products);
    if !own.is_empty() {
        return own;
    }
    let parts = field::list(info.sub_order_info_list).into_iter().filter_map(|raw| field::object::<Part>(Some(raw)));
    parts.flat_map(|part| read(part.products)).collect()
}

fn line(product: &Product<'_>, code: &str) -> Option<Line> {
    let name = field::text(product.name).or_else(|| field::text(product.name_i18n))?;
    let with_options =
        field::object::<GroupPrice>(product.price_with_group).and_then(|price| field::integer(price.unit_price));
    let unit_price = with_options.or_else(|| field::integer(product.price)).map(|minor| Money::new(minor, code));
    let mut options: Vec<String> = field::text(product.spec).into_iter().filter(|spec| *spec != name).collect();
    gather_options(product.groups, 0, &mut options);
    Some(Line { name, options, quantity: field::count(product.count), unit_price, note: field::text(product.remark) })
}

/// `Spice: Mild`, outermost first; twice chosen is `Egg ×2`.
fn gather_options(groups: Field<'_>, depth: usize, options: &mut Vec<String>) {
    if depth >= MAX_OPTION_DEPTH {
        return;
    }
    for group in field::list(groups).into_iter().filter_map(|raw: &RawValue| field::object::<Group>(Some(raw))) {
        let group_name = field::text(group.group_name);
        for choice in field::list(group.shop_product_group_sku_list)
            .into_iter()
            .filter_map(|raw| field::object::<Choice>(Some(raw)))
        {
            if let Some(chosen) = field::text(choice.spu_name) {
                let times = field::count(choice.count).filter(|count| *count > 1).map(|count| format!(" ×{count}"));
                let group = group_name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
                options.push(format!("{group}{chosen}{}", times.unwrap_or_default()));
            }
            gather_options(choice.groups, depth + 1, options);
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
