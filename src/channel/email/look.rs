//! How a mail looks: the styles of its pieces, and the colour of its head by what the message says.
//!
//! Outlook's old engine knows no classes, and Gmail drops some style sheets, so each piece carries its style; the classes are
//! for readers in the dark (`templates/mail.html`).

use crate::domain::event::Kind;
use crate::domain::message::Message;
use crate::domain::order::OrderState;

pub const HEADING: &str = "margin:0 0 16px;font-size:20px;line-height:28px;font-weight:bold";
pub const SMALL_HEADING: &str = "margin:20px 0 8px;font-size:17px;line-height:24px;font-weight:bold";
/// What stands first below the head of a message about an order: when it is expected.
pub const LEAD: &str = "margin:0 0 16px;font-size:24px;line-height:32px;font-weight:bold";
pub const BAND_TITLE: &str = "margin:0;font-size:24px;line-height:30px;font-weight:bold;color:#ffffff";
pub const BAND_MORE: &str = "margin:2px 0 0;font-size:17px;line-height:24px;color:#ffffff";
pub const PARAGRAPH: &str = "margin:0 0 12px";
pub const LIST: &str = "margin:0 0 12px;padding:0 0 0 22px";
pub const ITEM: &str = "margin:0 0 6px";
/// How many: as wide as it must be, so that the names stand below one another.
pub const QUANTITY: &str =
    "padding:0 12px 10px 0;font-size:20px;line-height:26px;font-weight:bold;vertical-align:top;white-space:nowrap";
pub const NAMED: &str =
    "padding:0 0 10px;font-size:17px;line-height:26px;vertical-align:top;width:100%;word-break:break-word";
/// A buyer's wish, within the dish that it is about.
pub const NOTE: &str = "margin:4px 0 0;padding:6px 10px;border-left:4px solid #d98a1f;background-color:#fdf4e3;font-size:16px;line-height:22px;color:#4a3510";
/// Words of others about the whole message: a reason, what a receiver answered.
pub const QUOTE: &str = "padding:8px 12px;border-left:4px solid #8c959f;background-color:#f1f3f5;font-size:16px;line-height:24px;color:#22282c";
pub const KEY: &str =
    "padding:0 14px 4px 0;font-size:14px;line-height:22px;color:#5f676c;vertical-align:top;white-space:nowrap";
pub const LONG_KEY: &str =
    "padding:4px 0 0;font-size:14px;line-height:22px;color:#5f676c;vertical-align:top;word-break:break-word";
pub const VALUE: &str =
    "padding:0 0 4px;font-size:16px;line-height:22px;color:#22282c;vertical-align:top;width:100%;word-break:break-word";
/// The second line of a value: what it is compared with.
pub const ASIDE: &str = "font-size:13px;line-height:18px;color:#5f676c";
pub const AMOUNT: &str =
    "padding:0 0 4px;font-size:16px;line-height:22px;color:#22282c;text-align:right;white-space:nowrap";
/// What the amounts above it come to.
pub const SUM: &str = "border-top:1px solid #8c959f;padding-top:6px;";
/// Wider, and the eye loses the line from a name to its amount.
pub const SUMS_WIDTH: &str = "width:100%;max-width:340px;margin:0 0 16px";
pub const TABLE: &str = "role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"";

/// What a message says, as the colour of its head. The words say it too: colours alone are lost on some readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Something to do that is as it should be: a new order; or all is well again.
    Good,
    /// Look here: it is other than it was, or something is amiss.
    Attention,
    /// Stop: it is cancelled.
    Stop,
    /// News that ask for nothing.
    Calm,
    /// A head without colour: reports, and several messages in one.
    Plain,
}

impl Look {
    /// By the kind of event, what changed, and how the order stands.
    pub fn of(message: &Message) -> Self {
        let event = &message.event;
        let data = &event.data;
        let is_over = message.order.as_ref().is_some_and(|order| {
            matches!(order.state, OrderState::Cancelled | OrderState::Refunded | OrderState::Completed)
        });
        match &event.kind {
            // Several in one: it is about no single order.
            _ if event.order.is_some() && message.order.is_none() => Look::Plain,
            Kind::OrderCancelled => Look::Stop,
            Kind::OrderPlaced | Kind::OrderPaid if data.changed.is_some() || data.late.is_some() || is_over => {
                Look::Attention
            }
            Kind::OrderPlaced | Kind::OrderPaid => Look::Good,
            Kind::OrderRefund | Kind::OrderPartialRefund | Kind::OrderOutOfStock => Look::Attention,
            Kind::StockLow | Kind::StockKeysLow | Kind::Unrecognised | Kind::AppDeauthorised => Look::Attention,
            Kind::OperatorNotice => match data.notice().is_some_and(|notice| notice.until.is_some()) {
                true => Look::Good,
                false => Look::Attention,
            },
            Kind::Report(_) | Kind::TotalsReported => Look::Plain,
            _ => Look::Calm,
        }
    }

    /// The colour that white letters stand on; none for a plain head.
    pub fn ground(self) -> Option<&'static str> {
        match self {
            Look::Good => Some("#1a7f37"),
            Look::Attention => Some("#9a5b00"),
            Look::Stop => Some("#c02626"),
            Look::Calm => Some("#3d5a80"),
            Look::Plain => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The contrast of white on a colour, by WCAG 2.
    fn contrast(colour: &str) -> f64 {
        let channel = |at: usize| {
            let shade = f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
            if shade <= 0.04045 { shade / 12.92 } else { ((shade + 0.055) / 1.055).powf(2.4) }
        };
        1.05 / (0.2126 * channel(1) + 0.7152 * channel(3) + 0.0722 * channel(5) + 0.05)
    }

    #[test]
    fn the_words_of_each_head_can_be_read() {
        for look in [Look::Good, Look::Attention, Look::Stop, Look::Calm] {
            let ground = look.ground().unwrap();
            assert!(contrast(ground) >= 4.5, "{look:?}: {}", contrast(ground));
        }
    }
}
