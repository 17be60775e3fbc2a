//! What the log says of a message on its way, and what the operator is notified of.

use jiff::Timestamp;

use crate::domain::event::Kind;
use crate::domain::retry::{Answer, Outcome, Step};
use crate::flow::context::{WorkerChannel, WorkerContext};
use crate::flow::notice::Topic;
use crate::store::queue::pending::PendingDelivery;

pub fn log(
    channel: &WorkerChannel,
    due: &PendingDelivery,
    attempt: u32,
    answer: &Answer,
    step: &Step,
    more_parts: bool,
    now: Timestamp,
) {
    let delay_ms = now.duration_since(due.event.received_at).as_millis();
    let (delivery, event, channel) = (due.id, due.event.id, &channel.name);
    let (outcome, words) = (answer.outcome.as_str(), answer.redacted_detail());
    match step {
        Step::Delivered if more_parts => {
            tracing::debug!(%delivery, %event, channel, attempt, "a part of it is delivered")
        }
        Step::Delivered => tracing::info!(%delivery, %event, channel, attempt, delay_ms, "delivered"),
        Step::Wait { until, .. } => {
            tracing::warn!(%delivery, %event, channel, attempt, outcome, words, until = format!("{until:.0}"), "not delivered yet; it will be tried again");
        }
        Step::Park { probe_at } => {
            tracing::warn!(%delivery, %event, channel, attempt, outcome, words, until = format!("{probe_at:.0}"), "the channel is parked; its messages wait");
        }
        Step::Recompose(_) => tracing::warn!(%delivery, %event, channel, attempt, outcome, words, "composed anew"),
        Step::Dead => tracing::error!(%delivery, %event, channel, attempt, outcome, words, "given up"),
    }
}

/// What became of one recipient of several; of the whole, [`log`] speaks.
pub fn log_recipient(channel: &WorkerChannel, due: &PendingDelivery, answer: &Answer, step: &Step) {
    let (delivery, channel) = (due.id, &channel.name);
    let (outcome, words) = (answer.outcome.as_str(), answer.redacted_detail());
    match step {
        Step::Dead | Step::Recompose(_) => {
            tracing::warn!(%delivery, channel, outcome, words, "a recipient does not get it");
        }
        Step::Delivered | Step::Wait { .. } | Step::Park { .. } => {
            tracing::debug!(%delivery, channel, outcome, "a recipient was attempted")
        }
    }
}

pub async fn notify_operator(
    channel: &WorkerChannel,
    context: &WorkerContext,
    due: &PendingDelivery,
    answer: &Answer,
    step: &Step,
    now: Timestamp,
) {
    // A notice about a notice would never end.
    if due.event.kind == Kind::OperatorNotice {
        return;
    }
    let words = answer.redacted_detail();
    if *step == Step::Dead {
        let about = match &due.event.order {
            Some(order) => format!("{} {}", due.event.kind, order.number),
            None => due.event.kind.to_string(),
        };
        context.notices.notify(Topic::Dead, &channel.name, format!("{about}: {words}"), now).await;
    }
    if matches!(step, Step::Park { .. }) || matches!(answer.outcome, Outcome::Misconfigured) {
        context.notices.notify(Topic::Parked, &channel.name, words.to_owned(), now).await;
    }
}
