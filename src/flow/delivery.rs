//! From a waiting delivery to a far side that says yes: one lane per channel, so that none delays another.

use std::collections::HashMap;
use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::SignedDuration;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use tokio::task::Id;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::channel::Attempt;
use crate::channel::Way;
use crate::channel::http::Http;
use crate::domain::compose;
use crate::domain::compose::Composed;
use crate::domain::compose::View;
use crate::domain::event::DeliveryId;
use crate::domain::event::Kind;
use crate::domain::message::Message;
use crate::domain::message::Part;
use crate::domain::message::idempotency_key;
use crate::domain::retry;
use crate::domain::retry::Answer;
use crate::domain::retry::Outcome;
use crate::domain::retry::Standing;
use crate::domain::retry::Step;
use crate::domain::template::Templates;
use crate::flow::Clock;
use crate::flow::Current;
use crate::flow::Wake;
use crate::flow::far_clocks::FarClocks;
use crate::flow::notice::Notices;
use crate::flow::notice::Topic;
use crate::flow::round::Round;
use crate::store::Claim;
use crate::store::Claimed;
use crate::store::Due;
use crate::store::Settle;
use crate::store::sqlite::Sqlite;

/// A lane looks at the table at least this often, because a command may have changed it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// What a lease has beyond the channel's own time-out.
const LEASE_MARGIN: SignedDuration = SignedDuration::from_secs(60);
/// How long sends under way may take to finish when the daemon stops. What is not done then is released, and taken up at
/// the next start.
const FINISH: Duration = Duration::from_secs(7);
/// Between two tries to store an outcome.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

/// One configured channel, ready to send.
pub struct Lane {
    pub name: String,
    pub way: Way,
    pub http: Http,
    pub language: String,
    pub timezone: TimeZone,
    /// The waits between tries.
    pub waits: Vec<SignedDuration>,
    pub timeout: SignedDuration,
}

/// What all lanes share.
#[derive(Clone)]
pub struct Post {
    pub store: Arc<Sqlite>,
    pub templates: Current<Templates>,
    pub wake: Wake,
    pub notices: Notices,
    pub far_clocks: FarClocks,
    pub clock: Clock,
}

/// Sends what waits for one channel, until it is told to `retire` or until `shutdown`. Then it takes nothing new, and lets
/// the sends under way end.
pub async fn run(lane: Arc<Lane>, post: Post, retire: CancellationToken, shutdown: CancellationToken) {
    let bell = post.wake.bell(&lane.name);
    let mut sending = JoinSet::new();
    let mut under_way: HashMap<Id, DeliveryId> = HashMap::new();
    let mut unreadable: HashSet<DeliveryId> = HashSet::new();
    let mut shut_until: Option<Timestamp> = None;
    while !shutdown.is_cancelled() && !retire.is_cancelled() {
        let now = post.clock.now();
        shut_until = shut_until.filter(|until| *until > now);
        if shut_until.is_none() {
            start(&lane, &post, &retire, now, &mut sending, &mut under_way, &mut unreadable).await;
        }
        tokio::select! {
            Some(ended) = sending.join_next_with_id(), if !sending.is_empty() => {
                let id = match ended {
                    Ok((id, closed)) => {
                        shut_until = shut_until.max(closed);
                        id
                    }
                    Err(fault) => {
                        tracing::error!(channel = lane.name, "a send met a fault of its own; its delivery is tried again when its lease ends");
                        fault.id()
                    }
                };
                under_way.remove(&id);
            }
            () = bell.notified() => {}
            () = tokio::time::sleep(until_next(&lane, &post, now).await) => {}
            () = retire.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    }
    let released = tokio::select! {
        () = async { while sending.join_next().await.is_some() {} } => return,
        () = async { shutdown.cancelled().await; tokio::time::sleep(FINISH).await } => "at the next start",
        // Its successor waits. A send ends within the channel's longest time; after it its lease has ended, too.
        () = tokio::time::sleep((lane.way.channel().longest(lane.timeout) + LEASE_MARGIN).unsigned_abs()) => "when their leases end",
    };
    tracing::warn!(
        channel = lane.name,
        sends = sending.len(),
        "sends under way were released; they are taken up {released}"
    );
    sending.shutdown().await;
}

/// Starts as many sends as the channel may have under way.
async fn start(
    lane: &Arc<Lane>,
    post: &Post,
    retire: &CancellationToken,
    now: Timestamp,
    sending: &mut JoinSet<Option<Timestamp>>,
    under_way: &mut HashMap<Id, DeliveryId>,
    unreadable: &mut HashSet<DeliveryId>,
) {
    let channel = lane.way.channel();
    let room = channel.at_once().saturating_sub(under_way.len());
    if room == 0 {
        return;
    }
    // What is under way may still look due, until its claim is committed.
    let due = match post.store.reader().due(&lane.name, now, channel.at_once(), channel.in_order()).await {
        Ok(due) => due,
        Err(error) => {
            tracing::error!(channel = lane.name, %error, "what is due cannot be read");
            return;
        }
    };
    for id in due.unreadable.into_iter().filter(|id| unreadable.insert(*id)) {
        tracing::error!(channel = lane.name, delivery = %id, "a delivery waits that only a newer orderbell can read; start that version again");
    }
    let fresh: Vec<Due> =
        due.deliveries.into_iter().filter(|due| !under_way.values().any(|id| *id == due.id)).take(room).collect();
    for due in fresh {
        let id = due.id;
        let task = sending.spawn(deliver(lane.clone(), post.clone(), retire.clone(), due));
        under_way.insert(task.id(), id);
    }
}

/// Until the next delivery of the channel falls due, and a second at most.
async fn until_next(lane: &Lane, post: &Post, now: Timestamp) -> Duration {
    let Ok(Some(next)) = post.store.reader().next_due(&lane.name).await else { return LOOK_EVERY };
    // What is due already waits for a send under way to end, or for the channel to open.
    if next <= now {
        LOOK_EVERY
    } else {
        Duration::try_from(next.duration_since(now)).unwrap_or(LOOK_EVERY).min(LOOK_EVERY)
    }
}

/// Makes one attempt at each part that is still to send. Answers until when the whole channel should rest.
async fn deliver(lane: Arc<Lane>, post: Post, retire: CancellationToken, due: Due) -> Option<Timestamp> {
    let (mut parts, mut composed) = match due.parts.is_empty() {
        true => (compose_parts(&lane, &post, &due).await, true),
        false => (due.parts.clone(), false),
    };
    if parts.is_empty() {
        give_up(&lane, &post, &due).await;
        return None;
    }
    if due.maybe_told {
        composed |= mark_repeat(&lane, &post, &mut parts);
    }
    let mut attempts = due.attempts;
    let mut round = lane.way.channel().to_each_his_own().then(|| Round::new(due.told));
    let longest = lane.way.channel().longest(lane.timeout);
    for (position, part) in parts.iter().enumerate() {
        if retire.is_cancelled() {
            // The lane's successor goes on from here.
            return None;
        }
        let now = post.clock.now();
        let claim = Claim {
            delivery: due.id,
            composed: if composed && position == 0 { parts.clone() } else { Vec::new() },
            part: part.index,
            form: part.form,
            at: now,
            lease_until: now.checked_add(longest + LEASE_MARGIN).unwrap_or(now),
        };
        let attempt = match post.store.claim(claim).await {
            Ok(Claimed::Yes(attempt)) => attempt,
            Ok(Claimed::No) => return None,
            Err(error) => {
                tracing::error!(delivery = %due.id, channel = lane.name, %error, "an attempt cannot be stored, so it is not made");
                tokio::time::sleep(SETTLE_AGAIN).await;
                return None;
            }
        };
        attempts += 1;
        let surroundings =
            Attempt { key: idempotency_key(due.id, part.index, part.form), kind: due.event.kind.clone(), now };
        let sending = AssertUnwindSafe(lane.way.channel().send(&lane.http, part, &surroundings)).catch_unwind();
        let answer = sending.await.unwrap_or_else(|_| own_fault(Outcome::Unknown, "sending"));
        let ended = post.clock.now();
        lane.http.far_clock_ahead().into_iter().for_each(|ahead| post.far_clocks.note(&lane.name, ended, ahead));
        let standing = Standing { delivery: due.id, attempts, spent: due.spent, form: part.form };
        let step = retry::next(&answer.outcome, standing, &lane.waits, ended);
        let more_parts = position + 1 < parts.len();
        // Where each recipient has a turn of his own, the delivery ends with the last.
        let turn = round.as_mut().map(|round| round.turn(&answer, &step, more_parts));
        if turn.is_some() {
            log_recipient(&lane, &due, &answer, &step);
        }
        let next_recipient = || (answer.clone(), Step::Wait { until: ended, spends: false });
        let settle = Settle {
            delivery: due.id,
            attempt,
            part: part.index,
            form: part.form,
            more_parts,
            at: ended,
            answer: answer.clone(),
            step: step.clone(),
            whole: turn.clone().map(|end| end.unwrap_or_else(next_recipient)),
        };
        keep(&post, settle).await;
        let (answer, step) = match turn {
            Some(None) => continue,
            Some(Some(end)) => end,
            None => (answer, step),
        };
        log(&lane, &due, attempts, &answer, &step, more_parts && round.is_none(), ended);
        tell_operator(&lane, &post, &due, &answer, &step, ended).await;
        if let Some(refused) = round.as_ref().map(Round::refused).filter(|refused| !refused.is_empty())
            && step != Step::Dead
            && due.event.kind != Kind::OperatorNotice
        {
            post.notices.tell(Topic::Recipient, &lane.name, refused.join("; "), ended).await;
        }
        match (step, answer.outcome) {
            (Step::Delivered, _) if round.is_none() => {}
            (Step::Wait { until, .. }, Outcome::Throttled { .. } | Outcome::Misconfigured) => return Some(until),
            _ => return None,
        }
    }
    None
}

/// Composes the message of a delivery in its present form. No parts: not even the plain form can be written.
async fn compose_parts(lane: &Lane, post: &Post, due: &Due) -> Vec<Part> {
    let view = View {
        event: &due.event,
        order: due.order.as_ref(),
        language: &lane.language,
        timezone: &lane.timezone,
        channel: &lane.name,
        channel_kind: lane.way.channel().kind(),
    };
    let failure = match unpanicked(|| post.templates.get().compose(&view).map(|composed| write(lane, due, composed))) {
        Some(Ok(parts)) => return parts,
        Some(Err(error)) => error.to_string(),
        None => own_fault(Outcome::Bug, "composing").words,
    };
    tracing::error!(channel = lane.name, delivery = %due.id, failure, "a template failed; the plain form goes out");
    // A notice about a notice would never end.
    if due.event.kind != Kind::OperatorNotice {
        post.notices.tell(Topic::Template, &due.event.kind.to_string(), failure, post.clock.now()).await;
    }
    unpanicked(|| write(lane, due, compose::plain(&view))).unwrap_or_default()
}

/// A composed message in the channel's dialect.
fn write(lane: &Lane, due: &Due, composed: Composed) -> Vec<Part> {
    let message = Message {
        delivery: due.id,
        event: due.event.clone(),
        order: due.order.clone(),
        title: composed.title,
        markdown: composed.markdown,
        document: composed.document,
    };
    lane.way.channel().write(&message, due.form)
}

/// Gives up a delivery of which no message can be made, visibly.
async fn give_up(lane: &Lane, post: &Post, due: &Due) {
    let at = post.clock.now();
    let (delivery, form) = (due.id, due.form);
    let claim = Claim { delivery, composed: Vec::new(), part: 0, form, at, lease_until: at };
    let Ok(Claimed::Yes(attempt)) = post.store.claim(claim).await else {
        tokio::time::sleep(SETTLE_AGAIN).await;
        return;
    };
    let (answer, step) = (own_fault(Outcome::Bug, "writing"), Step::Dead);
    log(lane, due, due.attempts + 1, &answer, &step, false, at);
    tell_operator(lane, post, due, &answer, &step, at).await;
    keep(post, Settle { delivery, attempt, part: 0, form, more_parts: false, at, answer, step, whole: None }).await;
}

/// What is said when the fault is ours; the panic itself has said where.
fn own_fault(outcome: Outcome, while_doing: &str) -> Answer {
    Answer { outcome, words: format!("orderbell met a fault of its own while {while_doing} the message") }
}

/// What a panic is made into: one bad message must cost no other.
fn unpanicked<T>(work: impl FnOnce() -> T) -> Option<T> {
    std::panic::catch_unwind(AssertUnwindSafe(work)).ok()
}

/// Marks the part that may have arrived already, which is the first one still to send. Answers whether the far side needs
/// that, because it knows no idempotency keys.
fn mark_repeat(lane: &Lane, post: &Post, parts: &mut [Part]) -> bool {
    let templates = post.templates.get();
    let mark = templates.word(&lane.language, "label.repeat").unwrap_or("possibly a repeat");
    let Some(first) = parts.first_mut() else { return false };
    match lane.way.channel().marked(first, mark) {
        Some(marked) => {
            *first = marked;
            true
        }
        None => false,
    }
}

/// Stores an outcome, however long the store cannot be used: a forgotten yes would be told twice.
async fn keep(post: &Post, settle: Settle) {
    while let Err(error) = post.store.settle(settle.clone()).await {
        tracing::error!(delivery = %settle.delivery, %error, "an outcome cannot be stored; tried again in a second");
        tokio::time::sleep(SETTLE_AGAIN).await;
    }
}

fn log(lane: &Lane, due: &Due, attempt: u32, answer: &Answer, step: &Step, more_parts: bool, now: Timestamp) {
    let delay_ms = now.duration_since(due.event.received_at).as_millis();
    let (delivery, event, channel) = (due.id, due.event.id, &lane.name);
    let (outcome, words) = (answer.outcome.as_str(), answer.own_words());
    match step {
        Step::Delivered if more_parts => {
            tracing::debug!(%delivery, %event, channel, attempt, "a part of it is delivered")
        }
        Step::Delivered => tracing::info!(%delivery, %event, channel, attempt, delay_ms, "delivered"),
        Step::Wait { until, .. } => {
            tracing::warn!(%delivery, %event, channel, attempt, outcome, words, until = format!("{until:.0}"), "not delivered yet; it will be tried again");
        }
        Step::Recompose(_) => tracing::warn!(%delivery, %event, channel, attempt, outcome, words, "composed anew"),
        Step::Dead => tracing::error!(%delivery, %event, channel, attempt, outcome, words, "given up"),
    }
}

/// What became of one recipient of several; of the whole, [`log`] tells.
fn log_recipient(lane: &Lane, due: &Due, answer: &Answer, step: &Step) {
    let (delivery, channel) = (due.id, &lane.name);
    let (outcome, words) = (answer.outcome.as_str(), answer.own_words());
    match step {
        Step::Dead | Step::Recompose(_) => {
            tracing::warn!(%delivery, channel, outcome, words, "a recipient does not get it");
        }
        Step::Delivered | Step::Wait { .. } => tracing::debug!(%delivery, channel, outcome, "a recipient had his turn"),
    }
}

async fn tell_operator(lane: &Lane, post: &Post, due: &Due, answer: &Answer, step: &Step, now: Timestamp) {
    // A notice about a notice would never end.
    if due.event.kind == Kind::OperatorNotice {
        return;
    }
    let words = answer.own_words();
    if *step == Step::Dead {
        let about = match &due.event.order {
            Some(order) => format!("{} {}", due.event.kind, order.number),
            None => due.event.kind.to_string(),
        };
        post.notices.tell(Topic::Dead, &lane.name, format!("{about}: {words}"), now).await;
    }
    if answer.outcome == Outcome::Misconfigured {
        post.notices.tell(Topic::Misconfigured, &lane.name, words.to_owned(), now).await;
    }
}
