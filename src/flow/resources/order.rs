//! Orders as programs see them.

use jiff::Timestamp;
use poem_openapi::{Enum, Object};

use crate::domain;
use crate::domain::order::{Order, OrderLine, OrderState};
use crate::flow::resources::delivery::DeliverySummary;
use crate::flow::resources::event::EventSummary;
use crate::flow::resources::moment::Moment;
use crate::flow::resources::values::{Amount, ShopName};
use crate::store::history::found::{EventHistory, OrderHistory};
use crate::store::history::pages::ListedOrder;

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case", rename = "OrderState")]
pub enum OrderStatus {
    Unknown,
    Placed,
    Paid,
    Accepted,
    Ready,
    Completed,
    Cancelled,
    Refunded,
}

impl From<OrderState> for OrderStatus {
    fn from(state: OrderState) -> Self {
        match state {
            OrderState::Unknown => Self::Unknown,
            OrderState::Placed => Self::Placed,
            OrderState::Paid => Self::Paid,
            OrderState::Accepted => Self::Accepted,
            OrderState::Ready => Self::Ready,
            OrderState::Completed => Self::Completed,
            OrderState::Cancelled => Self::Cancelled,
            OrderState::Refunded => Self::Refunded,
        }
    }
}

/// An order in a list.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderSummary {
    pub source: String,
    /// The platform's own number.
    pub number: String,
    /// The number that people call out.
    pub short_number: Option<String>,
    pub shop: Option<ShopName>,
    pub state: OrderStatus,
    pub placed_at: Option<Moment>,
    /// When the newest event of it happened that is known.
    pub latest_at: Option<Moment>,
    pub total: Option<Amount>,
    /// The platform sent no total: this one is the sum of the lines.
    pub total_is_approximate: bool,
    /// How many events it has had.
    pub revision: u64,
}

impl OrderSummary {
    fn of(source: &str, order: &Order) -> Self {
        Self {
            source: source.to_owned(),
            number: order.number.clone(),
            short_number: order.short_number.clone(),
            shop: order.shop.as_ref().map(ShopName::from),
            state: order.state.into(),
            placed_at: order.placed_at.map(Moment),
            latest_at: order.latest_at.map(Moment),
            total: order.total.as_ref().map(Amount::from),
            total_is_approximate: order.total_is_approximate,
            revision: order.revision,
        }
    }
}

impl From<&ListedOrder> for OrderSummary {
    fn from(row: &ListedOrder) -> Self {
        Self::of(&row.source, &row.order)
    }
}

/// A page of orders, those that came last first.
#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderPage {
    /// There may be none although `next` is there: then none was found among those that were looked at.
    pub items: Vec<OrderSummary>,
    /// The cursor of the next page; absent at the end.
    pub next: Option<String>,
}

/// A line of an order.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "OrderLine", skip_serializing_if_is_none)]
pub struct OrderedItem {
    /// Empty where it could not be read.
    pub name: String,
    /// What was chosen with it.
    pub options: Vec<String>,
    pub quantity: Option<u64>,
    pub unit_price: Option<Amount>,
    /// The buyer's words about it.
    pub note: Option<String>,
}

impl From<&OrderLine> for OrderedItem {
    fn from(line: &OrderLine) -> Self {
        Self {
            name: line.name.clone(),
            options: line.options.clone(),
            quantity: line.quantity,
            unit_price: line.unit_price.as_ref().map(Amount::from),
            note: line.note.clone(),
        }
    }
}

/// A refund that has taken effect.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(rename = "OrderRefund", skip_serializing_if_is_none)]
pub struct EffectiveRefund {
    /// The platform's id of it.
    pub id: String,
    /// Absent where no event says it.
    pub amount: Option<Amount>,
    pub effect_at: Moment,
}

/// An event of an order, with what became of it at each channel.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderEvent {
    pub event: EventSummary,
    pub deliveries: Vec<DeliverySummary>,
}

impl From<&EventHistory> for OrderEvent {
    fn from(history: &EventHistory) -> Self {
        let deliveries = history.deliveries.iter();
        Self {
            event: EventSummary::from(history),
            deliveries: deliveries.map(|delivery| DeliverySummary::of(&history.event, delivery)).collect(),
        }
    }
}

/// An order with its events and their deliveries.
#[derive(Clone, Debug, PartialEq, Eq, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct OrderDetail {
    pub source: String,
    pub number: String,
    /// As it stands; absent where nothing that came of it was proved genuine.
    pub order: Option<OrderSummary>,
    pub lines: Vec<OrderedItem>,
    /// What came and could not be read, as JSON pointers.
    pub unreadable: Vec<String>,
    pub refunds: Vec<EffectiveRefund>,
    pub cancelled_at: Option<Moment>,
    /// In the sequence of their arrival.
    pub events: Vec<OrderEvent>,
}

impl From<&OrderHistory> for OrderDetail {
    fn from(history: &OrderHistory) -> Self {
        let order = history.order.as_ref();
        let refund = |(id, refund): (&String, &domain::order::RefundStatus)| EffectiveRefund {
            id: id.clone(),
            amount: refund.amount.as_ref().map(Amount::from),
            effect_at: Moment(refund.effect_at()),
        };
        let cancelled_at: Option<Timestamp> = order.and_then(|order| order.counted.cancelled_at);
        Self {
            source: history.source.clone(),
            number: history.number.clone(),
            order: order.map(|order| OrderSummary::of(&history.source, order)),
            lines: order.iter().flat_map(|order| &order.lines).map(OrderedItem::from).collect(),
            unreadable: order.map(|order| order.unreadable.clone()).unwrap_or_default(),
            refunds: order.iter().flat_map(|order| &order.refunds).map(refund).collect(),
            cancelled_at: cancelled_at.map(Moment),
            events: history.events.iter().map(OrderEvent::from).collect(),
        }
    }
}
