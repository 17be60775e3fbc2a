//! From deliveries to the parts of a message: composed by the templates, with notes around it, and in a digest in as much
//! detail as there is room for.

pub mod budget;
mod changes;
mod notes;
pub mod report;
pub mod unsent;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use crate::channel::settings::ChannelSettings;
use crate::domain::compose::Composed;
use crate::domain::digest::{DetailLevel, DigestEntry, DigestView};
use crate::domain::event::{DeliveryId, Event};
use crate::domain::message::{Attachments, Message, Part, PartForm};
use crate::domain::message_context::MessageContext;
use crate::domain::payload::Payload;
use crate::domain::report::Report;
use crate::domain::template::Templates;
use crate::domain::template::digest::DigestNotes;
use crate::domain::template::fault::{ComposeError, TemplateFault};
use crate::domain::{compose, digest, digest_group};
use crate::flow::context::WorkerChannel;
use crate::flow::render::notes::{meanwhile, unreached};
use crate::flow::render::report::ReportAudience;
use crate::flow::shared_messages::SharedMessages;
use crate::store::queue::pending::PendingDelivery;

/// A composed message.
pub struct Rendered {
    /// Empty when not even the plain form could be written.
    pub parts: Vec<Part>,
    /// Which of the others it tells; what is left goes another time.
    pub carries: Vec<DeliveryId>,
    pub failure: Option<RenderFailure>,
}

impl Rendered {
    /// Not even the plain form.
    pub fn nothing() -> Self {
        Self { parts: Vec::new(), carries: Vec::new(), failure: Some(RenderFailure::own(OWN_FAULT)) }
    }
}

const OWN_FAULT: &str = "orderbell met an internal error while composing the message";

/// Why a message is not as its template says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RenderFailure {
    /// The template that is at fault, where one is.
    pub template: Option<String>,
    pub detail: String,
    /// No template of the merchant's can be rendered: the built-in one stands in, not the plain form.
    pub is_unavailable: bool,
}

impl RenderFailure {
    /// Of no template's fault.
    fn own(detail: impl Into<String>) -> Self {
        Self { template: None, detail: detail.into(), is_unavailable: false }
    }
}

impl From<ComposeError> for RenderFailure {
    fn from(error: ComposeError) -> Self {
        let is_unavailable = error.fault == TemplateFault::Unavailable;
        let detail = if is_unavailable { error.message } else { error.to_string() };
        Self { template: Some(error.template).filter(|_| !is_unavailable), detail, is_unavailable }
    }
}

/// Composes the message of a delivery, and of those that it is to carry, without any template of the merchant's.
pub fn plain(
    channel: &WorkerChannel,
    leader: &PendingDelivery,
    carried: &[PendingDelivery],
    because: &str,
) -> Rendered {
    let written = match Templates::ours() {
        Some(ours) => compose_all(channel, Choice { templates: ours, shared: None, is_plain: true }, leader, carried),
        None => Rendered::nothing(),
    };
    Rendered { failure: Some(RenderFailure::own(because)), ..written }
}

/// By what a message is composed.
#[derive(Clone, Copy)]
struct Choice<'a> {
    templates: &'a Templates,
    /// What other channels get alike, where the message is to be composed as it always is.
    shared: Option<&'a SharedMessages>,
    /// In its plain form in any case.
    is_plain: bool,
}

impl Choice<'_> {
    fn compose(
        &self,
        templates: &Templates,
        due: &PendingDelivery,
        view: &MessageContext<'_>,
    ) -> Result<Composed, ComposeError> {
        match self.shared {
            Some(shared) => shared.compose(templates, due, view),
            None => templates.compose(view),
        }
    }
}

/// Composes the message of a delivery in its present form, and of those that it is to carry, the earliest first.
pub fn written(
    channel: &WorkerChannel,
    (templates, shared): (&Templates, &SharedMessages),
    leader: &PendingDelivery,
    carried: &[PendingDelivery],
) -> Rendered {
    compose_all(channel, Choice { templates, shared: Some(shared), is_plain: false }, leader, carried)
}

fn compose_all(
    channel: &WorkerChannel,
    choice: Choice<'_>,
    leader: &PendingDelivery,
    carried: &[PendingDelivery],
) -> Rendered {
    let of_one_order = leader.order_key.is_some() && carried.iter().all(|due| due.order_key == leader.order_key);
    let mut failure = None;
    let (parts, carries) = match (carried, leader.event.data.report()) {
        ([], Some(report)) => return report_alone(channel, choice, leader, report),
        ([], None) => (single(channel, choice, leader, &[], Attachments::default(), &mut failure), Vec::new()),
        _ if of_one_order => {
            let all = carried.iter().map(|due| due.id).collect();
            (single(channel, choice, leader, carried, Attachments::default(), &mut failure), all)
        }
        _ => gathered(channel, choice, leader, carried, &mut failure),
    };
    Rendered { parts: parts.unwrap_or_default(), carries, failure }
}

/// A report goes alone, with its picture and its table, and with shorter lists where there is not room for all.
fn report_alone(channel: &WorkerChannel, choice: Choice<'_>, leader: &PendingDelivery, report: &Report) -> Rendered {
    let mut failed = None;
    let compose = |report: Report, enclosed: Attachments| {
        let mut due = leader.clone();
        Arc::make_mut(&mut due.event).data.payload = Payload::Report(Box::new(report));
        let mut failure = None;
        let parts = single(channel, choice, &due, &[], enclosed, &mut failure);
        failed = failed.take().or(failure);
        parts.ok_or(())
    };
    let audience = ReportAudience {
        channel: channel.channel.as_ref(),
        language: &channel.settings.language,
        templates: choice.templates,
        form: leader.form,
    };
    let mut left_out = None;
    let parts = audience.written(report, leader.table.as_deref(), &mut left_out, compose).unwrap_or_default();
    Rendered { parts, carries: Vec::new(), failure: failed.or(left_out.map(RenderFailure::own)) }
}

/// What a panic is made into: one bad message must cost no other.
fn unpanicked<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Tries the templates, and where they fail the plain form; where the merchant's cannot be rendered at all, the built-in ones
/// before it. `None`: not even the plain form can be written.
fn tried<T>(
    failure: &mut Option<RenderFailure>,
    choice: Choice<'_>,
    by_template: impl Fn(&Templates) -> Result<T, ComposeError>,
    plain: impl FnOnce() -> T,
) -> Option<T> {
    if choice.is_plain {
        return unpanicked(plain);
    }
    match unpanicked(|| by_template(choice.templates)) {
        Some(Ok(done)) => return Some(done),
        Some(Err(error)) => {
            let failed = RenderFailure::from(error);
            let ours = Templates::ours().filter(|_| failed.is_unavailable);
            *failure = Some(failed);
            if let Some(Ok(done)) = ours.and_then(|ours| unpanicked(|| by_template(ours))) {
                return Some(done);
            }
        }
        None => *failure = Some(RenderFailure::own(OWN_FAULT)),
    }
    unpanicked(plain)
}

/// A message about one event, and behind it what it tells of the same order as well.
fn single(
    channel: &WorkerChannel,
    choice: Choice<'_>,
    leader: &PendingDelivery,
    earlier: &[PendingDelivery],
    enclosed: Attachments,
    failure: &mut Option<RenderFailure>,
) -> Option<Vec<Part>> {
    let unreached = unreached(&earlier.iter().chain([leader]).collect::<Vec<_>>());
    let meanwhile = meanwhile(earlier.iter().chain([leader]));
    let shown_leader = changes::leading(earlier, leader);
    let earlier = changes::behind(earlier, leader);
    let leader = shown_leader.as_ref();
    let view = view(channel, leader);
    let ChannelSettings { language, timezone, .. } = &channel.settings;
    let notes = DigestNotes { meanwhile: &meanwhile, unreached: &unreached, earlier: &earlier };
    let by_template = |templates: &Templates| {
        let composed = choice.compose(templates, leader, &view)?;
        let composed = match notes.is_empty() {
            true => composed,
            false => templates.noted(&composed, &notes, language, &timezone.zone, &view)?,
        };
        Ok(write(channel, leader, composed, true, enclosed.clone()))
    };
    let plain = || {
        let composed = compose::plain(&view);
        let noted = match notes.is_empty() {
            true => None,
            false => choice.templates.noted(&composed, &notes, language, &timezone.zone, &view).ok(),
        };
        write(channel, leader, noted.unwrap_or(composed), true, enclosed.clone())
    };
    tried(failure, choice, by_template, plain)
}

/// Several deliveries as one message: in the most detail in which they fit in one part; where they do not fit without any,
/// as many as do ([`digest_group::fitting`]). A receiver that dislikes something in it gets neither items, which hold what buyers
/// wrote, nor reasons.
fn gathered(
    channel: &WorkerChannel,
    choice: Choice<'_>,
    leader: &PendingDelivery,
    carried: &[PendingDelivery],
    failure: &mut Option<RenderFailure>,
) -> (Option<Vec<Part>>, Vec<DeliveryId>) {
    let all: Vec<&PendingDelivery> = carried.iter().chain([leader]).collect();
    let titles: Vec<Option<String>> = all.iter().map(|due| title(channel, choice, due, failure)).collect();
    let is_reduced = leader.form == PartForm::Reduced;
    let plainer = |event: &Event| Event { data: event.data.without_free_text(), ..event.clone() };
    let mut events = changes::in_digest(&all);
    if is_reduced {
        events.iter_mut().flatten().for_each(|event| *event = Arc::new(plainer(event)));
    }
    let entry = |at: usize| {
        let event = events[at].as_deref()?;
        Some(DigestEntry { event, order: all[at].order.as_deref(), title: titles[at].as_deref() })
    };
    let mut write = |included: &[usize], detail: DetailLevel| {
        let mut included: Vec<usize> = included.iter().copied().chain([carried.len()]).collect();
        if !leader.meanwhile.is_empty() {
            // What is oldest leads, so that what has no room is newer.
            included.rotate_right(1);
        }
        let entries: Vec<DigestEntry<'_>> = included.iter().copied().filter_map(entry).collect();
        let unreached = unreached(&included.iter().map(|at| all[*at]).collect::<Vec<_>>());
        let meanwhile = meanwhile(included.iter().map(|at| all[*at]));
        let notes = DigestNotes { meanwhile: &meanwhile, unreached: &unreached, earlier: &[] };
        digest(channel, choice, leader, &entries, &notes, detail, failure)
    };
    // The leader is shown in any case, and so many of the others.
    let orders: Vec<Option<&str>> = carried.iter().map(|due| due.order_key.as_deref()).collect();
    let mut included: Vec<usize> = (0..carried.len()).collect();
    let mut detail = DetailLevel::Heads;
    let mut parts = write(&included, detail);
    while let Some(long) =
        parts.as_ref().filter(|parts| !included.is_empty() && parts.len() > channel.channel.parts_of_one())
    {
        // So many would fit if all took the same room, and a little less.
        let room = long.len().div_ceil(channel.channel.parts_of_one()).max(2);
        let fewer = digest_group::fitting(&orders, leader.order_key.as_deref(), included.len() * 19 / (20 * room));
        included = if fewer.len() < included.len() { fewer } else { Vec::new() };
        parts = write(&included, detail);
    }
    // Where some had to stay behind, there is no room for more of the others either.
    while let Some(more) = detail.more().filter(|_| parts.is_some() && included.len() == carried.len() && !is_reduced) {
        match write(&included, more) {
            Some(longer) if longer.len() <= channel.channel.parts_of_one() => (parts, detail) = (Some(longer), more),
            _ => break,
        }
    }
    (parts, included.into_iter().map(|at| carried[at].id).collect())
}

/// What a delivery's own message is called, where a digest says it.
fn title(
    channel: &WorkerChannel,
    choice: Choice<'_>,
    due: &PendingDelivery,
    failure: &mut Option<RenderFailure>,
) -> Option<String> {
    let view = view(channel, due);
    if !DigestEntry::needs_title(view.event, view.order) {
        return None;
    }
    let by_template = |templates: &Templates| choice.compose(templates, due, &view).map(|composed| composed.title);
    tried(failure, choice, by_template, || compose::plain(&view).title)
}

fn digest(
    channel: &WorkerChannel,
    choice: Choice<'_>,
    leader: &PendingDelivery,
    entries: &[DigestEntry<'_>],
    notes: &DigestNotes<'_>,
    detail: DetailLevel,
    failure: &mut Option<RenderFailure>,
) -> Option<Vec<Part>> {
    let ChannelSettings { language, timezone, .. } = &channel.settings;
    let view = DigestView {
        entries,
        detail,
        language,
        timezone: &timezone.zone,
        channel: &channel.name,
        channel_kind: channel.channel.kind(),
    };
    let by_template = |templates: &Templates| {
        let composed = templates.digest(&view)?;
        let composed = match (notes.is_empty(), entries.first()) {
            (false, Some(first)) => templates.noted(&composed, notes, language, &timezone.zone, &view.view(first))?,
            _ => composed,
        };
        Ok(write(channel, leader, composed, false, Attachments::default()))
    };
    tried(failure, choice, by_template, || write(channel, leader, digest::plain(&view), false, Attachments::default()))
}

fn view<'a>(channel: &'a WorkerChannel, due: &'a PendingDelivery) -> MessageContext<'a> {
    MessageContext {
        event: &due.event,
        order: due.order.as_deref(),
        language: &channel.settings.language,
        timezone: &channel.settings.timezone.zone,
        channel: &channel.name,
        channel_kind: channel.channel.kind(),
    }
}

/// A composed message in the channel's dialect; `about_order` says whether it is about the leader's order alone.
fn write(
    channel: &WorkerChannel,
    leader: &PendingDelivery,
    composed: Composed,
    about_order: bool,
    enclosed: Attachments,
) -> Vec<Part> {
    let message = Message {
        delivery: leader.id,
        round: round(channel, leader),
        event: leader.event.clone(),
        order: leader.order.clone().filter(|_| about_order),
        title: composed.title,
        markdown: composed.markdown,
        document: composed.document,
        enclosed,
    };
    let most = leader.refused.as_ref().map(|refused| channel.channel.size(refused) / 2);
    channel.channel.write_within(&message, leader.form, most)
}

/// The round that counts for idempotency keys: a program keeps an event's id whatever a person asks for.
pub fn round(channel: &WorkerChannel, due: &PendingDelivery) -> u32 {
    if channel.channel.supports_digest() { due.round } else { 0 }
}

/// Marks the part that may have arrived already, which is the first one still to send. Answers whether the receiver needs
/// that, because it knows no idempotency keys.
pub fn mark_repeat(channel: &WorkerChannel, templates: &Templates, parts: &mut [Part]) -> bool {
    let mark = templates.word(&channel.settings.language, "label.repeat").unwrap_or("possibly a repeat");
    let Some(first) = parts.first_mut() else { return false };
    match channel.channel.marked(first, mark) {
        Some(marked) => {
            *first = marked;
            true
        }
        None => false,
    }
}

/// The first part of a message that cannot be written, for its attempt in the store.
pub fn nothing(form: PartForm) -> Part {
    Part { index: 0, form, body: String::new() }
}
