//! The message of a delivery: as it was composed before, or composed now, away from the threads that others need where a
//! merchant's templates do it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::domain::event::{DeliveryId, Kind};
use crate::domain::message::Part;
use crate::domain::template::Templates;
use crate::flow::context::SendContext;
use crate::flow::notice::Topic;
use crate::flow::render;
use crate::flow::render::{RenderFailure, Rendered, budget};
use crate::store::StoreError;
use crate::store::queue::pending::PendingDelivery;

/// Why no template composes a message again.
const INTERRUPTED: &str = "orderbell ended while it composed this message, so its plain form goes out";

/// A message that is being sent.
pub(super) struct OutgoingMessage {
    pub leader: PendingDelivery,
    /// What it carries, and is not stored yet.
    pub carries: Vec<DeliveryId>,
    /// What it carried, and has no room for in this form.
    pub released: Vec<DeliveryId>,
    pub parts: Vec<Part>,
    /// The parts were composed just now, or one of them was marked.
    pub fresh: bool,
}

/// The message: as it was composed before, or composed now.
///
/// # Errors
/// [`StoreError`] when what it carries already cannot be read.
pub(super) async fn compose(
    sending: &SendContext,
    leader: PendingDelivery,
    carried: Vec<PendingDelivery>,
) -> Result<OutgoingMessage, StoreError> {
    let SendContext { channel, context, .. } = sending;
    let templates = context.templates.get();
    let (mut parts, mut fresh) = (leader.parts.clone(), false);
    if channel.channel.per_recipient() {
        let next = parts.iter().position(|part| part.index == leader.next_part).unwrap_or(0);
        parts.rotate_left(next);
    }
    let (mut carries, mut released) = (Vec::new(), Vec::new());
    if parts.is_empty() {
        let (attached, attached_ids) = attached(sending, &leader).await?;
        let is_new = attached_ids.is_empty();
        let carried = if is_new { carried } else { attached };
        let written = written(sending, &templates, &leader, carried).await;
        let included = written.carries;
        released = attached_ids.into_iter().filter(|id| !included.contains(id)).collect();
        if is_new {
            carries = included;
        }
        if let Some(failure) = written.failure {
            tell(sending, &templates, &leader, failure).await;
        }
        (parts, fresh) = (written.parts, true);
    }
    if leader.maybe_accepted {
        fresh |= render::mark_repeat(channel, &templates, &mut parts);
    }
    Ok(OutgoingMessage { leader, carries, released, parts, fresh })
}

/// Composes; where a merchant's templates do, it is noted before, and no thread of the runtime waits for them.
async fn written(
    sending: &SendContext,
    templates: &Arc<Templates>,
    leader: &PendingDelivery,
    carried: Vec<PendingDelivery>,
) -> Rendered {
    let SendContext { channel, context, composing, .. } = sending;
    let ids: Vec<DeliveryId> = carried.iter().map(|due| due.id).chain([leader.id]).collect();
    if context.composing.was_interrupted(&ids) {
        let _mark = context.composing.begin(ids);
        return render::plain(channel, leader, &carried, INTERRUPTED);
    }
    if !templates.are_apart() {
        let _mark = context.composing.begin(ids);
        return render::written(channel, (templates, &context.shared), leader, &carried);
    }
    // It is never closed.
    let _turn = composing.acquire().await;
    let mark = context.composing.begin(ids);
    let given_up = CancellationToken::new();
    let _waiting = given_up.clone().drop_guard();
    let (channel, leader, shared) = (channel.clone(), leader.clone(), context.shared.clone());
    let templates = budget::of_one_message(templates, given_up);
    let work = tokio::task::spawn_blocking(move || {
        let written = render::written(&channel, (&templates, &shared), &leader, &carried);
        drop(mark);
        written
    });
    work.await.unwrap_or_else(|_| Rendered::nothing())
}

/// Notifies the operator that a template failed: once for each template as it is, also over restarts.
async fn tell(sending: &SendContext, templates: &Templates, leader: &PendingDelivery, failure: RenderFailure) {
    let SendContext { channel, context, .. } = sending;
    let RenderFailure { template, detail, is_unavailable } = failure;
    let instead = if is_unavailable { "the built-in template" } else { "the plain form" };
    tracing::error!(channel = channel.name, delivery = %leader.id, failure = detail, "a template failed; {instead} goes out");
    let (kind, now) = (&leader.event.kind, context.clock.now());
    // A notice about a notice would never end.
    if *kind == Kind::OperatorNotice {
        return;
    }
    match template {
        Some(template) => {
            context
                .notices
                .notify_once(Topic::Template, &kind.to_string(), (&template, templates.version()), detail, now)
                .await;
        }
        None => context.notices.notify(Topic::Template, &kind.to_string(), detail, now).await,
    }
}

/// What a delivery carries already, when its message is to be composed in another form: as far as it can be read, and all of
/// it by its ids.
async fn attached(
    sending: &SendContext,
    leader: &PendingDelivery,
) -> Result<(Vec<PendingDelivery>, Vec<DeliveryId>), StoreError> {
    if leader.attempts == 0 {
        return Ok((Vec::new(), Vec::new()));
    }
    let reader = &sending.context.store;
    let ids = reader.carried(leader.id).await?;
    let (known, _) = reader.load(ids.clone(), sending.context.clock.now()).await?;
    Ok((known, ids))
}
