//! The order of event 1001, in each of the shapes that were seen: wrapped, bare, and with hardly more than its number.

use std::borrow::Cow;
use std::fmt::Display;

use jiff::Timestamp;

use crate::domain::data::{Charges, Unnumbered};
use crate::domain::money::Money;
use crate::domain::order::{MAX_LINES, OrderLine, OrderState, OrderUpdate};
use crate::domain::payload::{Data, Payload, Placement};
use crate::platform::field::{Below, JsonField, UnreadableFields};

/// An order as event 1001 has it.
pub struct Placed {
    /// None where its number cannot be read; then what it says is [`Data::unnumbered`].
    pub update: Option<OrderUpdate>,
    pub placed_at: Option<Timestamp>,
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
    let is_code = |code: &str| code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase());
    field.raw_text().filter(|code| is_code(code)).map(Cow::into_owned)
}

/// Reads the order of a message; `None` when there is none in it.
pub fn read(message: &JsonField, default_currency: &str) -> Option<Placed> {
    let unread = UnreadableFields::default();
    // `orderInfo`, or `data.orderInfo`, or the order itself.
    let info = message.get("orderInfo").or(message.get("data").get("orderInfo")).or(message.clone());
    let base = unread.object(info.get("baseOrder"), "/placed_at");
    let merchant = unread.object(info.get("merchantOrder"), "/short_number");
    let order = Parts { fee: fees(&info, &unread), info, base, merchant, unread };
    let number = order.number();
    if number.is_none() && !order.base.is_object() && !order.merchant.is_object() {
        return None;
    }
    let Parts { base, merchant, unread, .. } = &order;
    let products = order.products();
    let code = order.currency(&products).unwrap_or_else(|| default_currency.to_owned());
    let charges = order.charges(&code);
    let lines: Vec<OrderLine> = products
        .iter()
        .take(MAX_LINES)
        .enumerate()
        .map(|(index, product)| line(product, Below("/lines", index), &code, unread))
        .collect();
    if products.len() > MAX_LINES {
        unread.note(Below("/lines", MAX_LINES));
    }
    let paid = order.charge("payTotal", "payTotal", "/total", &code);
    let is_unknown = paid.is_none() && unread.has("/total");
    let sum = if paid.is_none() && !is_unknown { sum(&lines) } else { None };
    let total_is_approximate = sum.is_some();
    let total = paid.or(sum);
    let reached = unread.read(&merchant.get("status"), "/state", JsonField::integer).and_then(state);
    let text = |field: &JsonField, pointer: &str| unread.read(field, pointer, JsonField::text);
    let mut data = Data::from(Payload::Placed(Placement {
        handover: text(&merchant.get("userGetMode"), "/handover"),
        payment: text(&base.get("payTypeDesc"), "/payment").or_else(|| text(&base.get("payType"), "/payment")),
        expected_at: unread.read(&base.get("deliveryTime"), "/expected_at", JsonField::moment).flatten(),
        charges: (charges != Charges::default()).then_some(charges),
    }));
    let placed = |place: &JsonField| unread.read(&place.get("ctime"), "/placed_at", JsonField::moment).flatten();
    let placed_at = placed(base).or_else(|| placed(merchant));
    let short_number = text(&merchant.get("seqNoStr"), "/short_number");
    let shop_name = text(&merchant.get("shopName"), "/shop/name");
    let state = Some(reached.unwrap_or(OrderState::Placed).max(OrderState::Placed));
    let unreadable = order.unread.into_pointers();
    let update = match number {
        Some(number) => Some(OrderUpdate {
            number,
            short_number,
            state,
            placed_at,
            total,
            total_is_approximate,
            lines,
            unreadable,
            ..OrderUpdate::default()
        }),
        None => {
            data.unnumbered =
                Some(Unnumbered { short_number, placed_at, total, total_is_approximate, lines, unreadable });
            None
        }
    };
    Some(Placed { update, placed_at, shop_name, data })
}

/// The parts of an order's message.
struct Parts {
    info: JsonField,
    base: JsonField,
    merchant: JsonField,
    fee: JsonField,
    unread: UnreadableFields,
}

fn fees(info: &JsonField, unread: &UnreadableFields) -> JsonField {
    let fees = unread.object(info.get("feeDtl"), "/total");
    unread.object(fees.get("customerFee"), "/total")
}

impl Parts {
    fn number(&self) -> Option<String> {
        let id = |place: &JsonField, name: &str| self.unread.read(&place.get(name), "/number", JsonField::id);
        let number = id(&self.base, "orderViewIdStr")
            .or_else(|| id(&self.base, "orderViewId"))
            .or_else(|| id(&self.merchant, "orderViewId"))
            .or_else(|| id(&self.info, "orderViewId"));
        if number.is_none() {
            self.unread.note("/number");
        }
        number
    }

    /// The list that live webhooks from Hong Kong carry instead of `feeDtl`.
    fn listed(&self, pointer: &str) -> Vec<JsonField> {
        self.unread.list(&self.info.get("feeDtls"), pointer)
    }

    fn currency(&self, products: &[JsonField]) -> Option<String> {
        let code = |place: &JsonField| self.unread.read(&place.get("currency"), "/total/currency", currency);
        if !self.base.is_object() && self.base.says_something() {
            self.unread.note("/total/currency");
        }
        code(&self.fee.get("i18n"))
            .or_else(|| code(&self.base))
            .or_else(|| self.listed("/total/currency").iter().find_map(code))
            .or_else(|| products.iter().find_map(code))
    }

    /// One amount: of `feeDtl`, or of the list.
    fn charge(&self, own: &str, listed: &str, pointer: &str, code: &str) -> Option<Money> {
        let money = |field: &JsonField| {
            let minor = self.unread.read(field, pointer, JsonField::integer);
            minor.map(|minor| Money::new(minor, code))
        };
        money(&self.fee.get(own)).or_else(|| {
            let fees = self.listed(pointer);
            let fee = fees.iter().find(|fee| fee.get("code").raw_text().as_deref() == Some(listed));
            // One that does not say which it is may be this one.
            if fee.is_none() && fees.iter().any(|fee| fee.get("code").name().is_none()) {
                self.unread.note(pointer);
            }
            money(&fee?.get("price"))
        })
    }

    fn charges(&self, code: &str) -> Charges {
        let charge = |own: &str, pointer: &str| self.charge(own, own, pointer, code).filter(|money| money.minor != 0);
        Charges {
            items: charge("productPrice", "/charges/items"),
            delivery: charge("shippingFee", "/charges/delivery"),
            platform: charge("platformFee", "/charges/platform"),
            discounts: charge("discounts", "/charges/discounts")
                .map(|money| Money::new(money.minor.saturating_abs(), money.currency)),
            tip: charge("tip", "/charges/tip"),
        }
    }

    /// The products of the order, or of its parts when its own list is empty.
    fn products(&self) -> Vec<JsonField> {
        let own = self.unread.list(&self.info.get("products"), "/lines");
        if !own.is_empty() {
            return own;
        }
        let parts = self.unread.list(&self.info.get("subOrderInfoList"), "/lines");
        let of_parts: Vec<JsonField> =
            parts.iter().flat_map(|part| self.unread.list(&part.get("products"), "/lines")).collect();
        // A null stands where the list belongs, and nowhere is another one.
        let products = self.info.get("products");
        if of_parts.is_empty() && products.is_there() && !products.is_list() {
            self.unread.note("/lines");
        }
        of_parts
    }
}

/// One product. Whatever of it cannot be read, it is a line: somebody has ordered it.
fn line(product: &JsonField, at: impl Display + Copy, code: &str, unread: &UnreadableFields) -> OrderLine {
    if !product.is_object() {
        unread.note(at);
        return OrderLine::default();
    }
    let at = |name: &'static str| Below(at, name);
    let name = |field: &str| unread.read(&product.get(field), at("name"), JsonField::name);
    let name = name("name").or_else(|| name("nameI18n"));
    if name.is_none() {
        unread.note(at("name"));
    }
    let count = product.get("count");
    let quantity = unread.read(&count, at("quantity"), JsonField::count);
    // A null stands where a number belongs.
    if quantity.is_none() && count.is_there() {
        unread.note(at("quantity"));
    }
    let with_options = unread.object(product.get("priceWithGroup"), at("unit_price")).get("unitPrice");
    let price = |field: &JsonField| unread.read(field, at("unit_price"), JsonField::integer);
    let unit_price = price(&with_options).or_else(|| price(&product.get("price")));
    if unit_price.is_none() && product.get("price").is_there() {
        unread.note(at("unit_price"));
    }
    let spec = unread.read(&product.get("spec"), at("options"), JsonField::text);
    let mut options: Vec<String> = spec.into_iter().filter(|spec| Some(spec) != name.as_ref()).collect();
    gather_options(&product.get("groups"), 0, at("options"), unread, &mut options);
    OrderLine {
        name: name.unwrap_or_default(),
        options,
        quantity,
        unit_price: unit_price.map(|minor| Money::new(minor, code)),
        note: unread.read(&product.get("remark"), at("note"), JsonField::text),
    }
}

/// `Spice: Mild`, outermost first; twice chosen is `Egg ×2`; what cannot be read is `?`.
fn gather_options(
    groups: &JsonField,
    depth: usize,
    at: impl Display + Copy,
    unread: &UnreadableFields,
    options: &mut Vec<String>,
) {
    let groups = unread.list(groups, at);
    if depth >= MAX_OPTION_DEPTH {
        if !groups.is_empty() {
            unread.note(at);
        }
        return;
    }
    for group in groups {
        let group_name = unread.read(&group.get("groupName"), at, JsonField::text);
        let choices = group.get("shopProductGroupSkuList");
        if !choices.is_list() {
            unread.note(at);
        }
        for choice in unread.list(&choices, at) {
            let own = Below(at, options.len());
            let chosen = unread.read(&choice.get("spuName"), own, JsonField::name);
            if chosen.is_none() {
                unread.note(own);
            }
            let count = choice.get("count");
            let times = match unread.read(&count, own, JsonField::count) {
                Some(..=1) => String::new(),
                Some(count) => format!(" ×{count}"),
                None if unread.has(own) && count.says_something() => " ×?".to_owned(),
                None => String::new(),
            };
            let group = group_name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            options.push(format!("{group}{}{times}", chosen.as_deref().unwrap_or("?")));
            gather_options(&choice.get("groups"), depth + 1, at, unread, options);
        }
    }
}

/// The sum of the lines; `None` when one of them has no price or no quantity.
fn sum(lines: &[OrderLine]) -> Option<Money> {
    let amounts: Option<Vec<Money>> =
        lines.iter().map(|line| line.unit_price.as_ref()?.times(line.quantity?)).collect();
    amounts?.into_iter().try_fold(None, |sum: Option<Money>, amount| match sum {
        None => Some(Some(amount)),
        Some(sum) => sum.plus(&amount).map(Some),
    })?
}
