//! APSDAI's names of hooks, as it sends them and as we send them to receivers written for it.
//!
//! source · apsd.ai/help/notification-config.html, read in November 2026

use crate::domain::event::Kind;

/// The hooks, by the name that `X-Apsdai-Event` gives them, in the sequence of an order's life.
pub const HOOKS: [(&str, Kind); 9] = [
    ("order_create_hook", Kind::OrderPlaced),
    ("order_pay_hook", Kind::OrderPaid),
    ("order_out_of_stock_hook", Kind::OrderOutOfStock),
    ("order_finish_hook", Kind::OrderCompleted),
    ("order_cancel_hook", Kind::OrderCancelled),
    ("order_refund_hook", Kind::OrderRefund),
    ("stock_alarm_hook", Kind::StockLow),
    ("key_stock_alarm_hook", Kind::StockKeysLow),
    ("order_count_amount_hook", Kind::TotalsReported),
];

/// What a hook tells; [`Kind::Unrecognised`] for a name that is not known.
pub fn kind(hook: &str) -> Kind {
    HOOKS.iter().find(|(known, _)| *known == hook).map_or(Kind::Unrecognised, |(_, kind)| kind.clone())
}

/// The hook's own name where the kind has one, else our kind.
pub fn hook(kind: &Kind) -> String {
    HOOKS.iter().find(|(_, known)| known == kind).map_or_else(|| kind.to_string(), |(hook, _)| (*hook).to_owned())
}
