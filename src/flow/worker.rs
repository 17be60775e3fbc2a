//! One worker per channel: what of that which waits is sent now, alone or in a digest, and what is held or goes elsewhere.
//! No worker delays another.

mod catch_up;
mod ending;
mod one_by_one;
mod policy;
mod table;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::panic;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Semaphore;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::domain::digest_group;
use crate::domain::digest_group::{Candidate, DigestGroup};
use crate::domain::event::DeliveryId;
use crate::domain::pace::{Backlog, Elapsed, PacingDecision, PermitId};
use crate::domain::wait::Timeline;
use crate::flow::context::{SendContext, WorkerChannel, WorkerContext};
use crate::flow::delivery;
use crate::flow::delivery::SendEnd;
use crate::flow::notifier::ChannelSignal;
use crate::flow::pacers::{Pacer, Permit};
use crate::flow::tenure::Tenure;
use crate::flow::worker::table::TableView;
use crate::store::queue::pending::{DueBatch, PendingDelivery};

/// A worker asks this often whether the table is to be looked at, because a command may have changed it.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Of so many urgent and so many ordinary deliveries it is looked which could share a message.
const LOOK_AT: usize = 400;
/// The running task of one channel.
pub struct ChannelWorker {
    channel: Arc<WorkerChannel>,
    context: WorkerContext,
    tenure: Arc<Tenure>,
    pacer: Arc<Pacer>,
    retire: CancellationToken,
    signal: Arc<ChannelSignal>,
    sending: JoinSet<SendEnd>,
    under_way: HashMap<Id, UnderWay>,
    table: TableView,
    unreadable: HashSet<DeliveryId>,
    timeline: Timeline,
    /// Waits may be longer than they were made: at the start, and when the clock was put back.
    waits_may_be_wrong: bool,
    composing: Arc<Semaphore>,
}

/// What a send is about.
struct UnderWay {
    /// Its delivery, and those that it carries.
    ids: Vec<DeliveryId>,
    /// The order of its delivery.
    order_key: Option<String>,
}

/// When to look again, if nothing happens before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// As soon as something changes.
    Change,
    /// By the clock that is set by nobody.
    At(Elapsed),
    /// By the calendar.
    On(Timestamp),
}

/// Sends what waits for one channel, until `retire` or `shutdown`. Then it takes nothing new, and lets
/// the sends under way end; so it does before it passes on a panic, because what they send must not be sent twice.
pub async fn run(
    channel: Arc<WorkerChannel>,
    context: WorkerContext,
    tenure: Arc<Tenure>,
    retire: CancellationToken,
    shutdown: CancellationToken,
) {
    let mut runner = ChannelWorker::new(channel, context, tenure, retire.clone());
    let ended = AssertUnwindSafe(turns(&mut runner, &retire, &shutdown)).catch_unwind().await;
    runner.finish(shutdown).await;
    if let Err(panic) = ended {
        panic::resume_unwind(panic);
    }
}

async fn turns(runner: &mut ChannelWorker, retire: &CancellationToken, shutdown: &CancellationToken) {
    let (signal, pacer) = (runner.signal.clone(), runner.pacer.clone());
    runner.prepare().await;
    while !shutdown.is_cancelled() && !retire.is_cancelled() {
        let next = runner.turn().await;
        let pause = runner.pause(next);
        tokio::select! {
            true = runner.one_ended(), if runner.under_way() > 0 => {}
            () = signal.notified() => {}
            () = pacer.changed() => {}
            () = tokio::time::sleep(pause) => runner.table.time_has_passed(),
            () = retire.cancelled() => {}
            () = shutdown.cancelled() => {}
        }
    }
}

impl ChannelWorker {
    pub fn new(
        channel: Arc<WorkerChannel>,
        context: WorkerContext,
        tenure: Arc<Tenure>,
        retire: CancellationToken,
    ) -> Self {
        let elapsed = context.clock.elapsed();
        let pacer = context.pacers.join(&channel.channel.credential(), &channel.name, channel.allowance(), elapsed);
        let (sending, under_way, unreadable) = (JoinSet::new(), HashMap::new(), HashSet::new());
        let (signal, table) = (context.notifier.signal(&channel.name), TableView::default());
        // What the worker before it had in memory waits in the store.
        signal.queue().clear();
        let (timeline, waits_may_be_wrong, composing) = (Timeline::default(), true, Arc::new(Semaphore::new(1)));
        Self {
            channel,
            context,
            tenure,
            pacer,
            retire,
            signal,
            sending,
            under_way,
            table,
            unreadable,
            timeline,
            waits_may_be_wrong,
            composing,
        }
    }

    /// Starts what may be sent now.
    pub async fn turn(&mut self) -> Next {
        // What cannot be stored is not sent either; the store says what is wrong, once.
        if !self.context.store.is_ready() {
            self.table.forget();
            return Next::Change;
        }
        let (now, elapsed) = (self.context.clock.now(), self.context.clock.elapsed());
        // Until the lease is renewed, or lost.
        if !self.tenure.outlasts(self.context.clock.of_real(self.channel.settings.timeout), elapsed) {
            self.table.forget();
            return Next::Change;
        }
        self.heed_the_clock(now, elapsed).await;
        self.fall_back(now, elapsed).await;
        if self.room() == 0 {
            return Next::Change;
        }
        if let Some(PacingDecision::Later(until)) = self.pacer.rate_limited(elapsed) {
            return until.map_or(Next::Change, Next::At);
        }
        self.forget_slots(elapsed).await;
        if let Some(probe_at) = self.table.rests_until(now, elapsed) {
            return Next::On(probe_at);
        }
        if !self.channel.channel.supports_digest() {
            return self.send_one_by_one(now, elapsed).await;
        }
        let Some(batch) = self.look(now, elapsed, LOOK_AT).await else { return Next::Change };
        let candidates = self.hold(batch.candidates, now).await;
        match batch.parked {
            Some(parked) => self.probe(&candidates, &parked, now, elapsed).await,
            None => self.send(candidates, now, elapsed).await,
        }
    }

    /// Sends one delivery and nothing else, when the allowance lets it: for a person who tries a channel.
    ///
    /// # Errors
    /// Until when the credential is shut, where that is longer than `patience`.
    pub async fn send_only(&mut self, id: DeliveryId, patience: SignedDuration) -> Result<(), SignedDuration> {
        let clock = self.context.clock.clone();
        let begin = clock.elapsed();
        loop {
            let elapsed = clock.elapsed();
            let (plan, permit_id) = self.pacer.admit(Backlog { urgent: 1, ordinary: 0 }, elapsed);
            if let Some(permit_id) = permit_id {
                self.start(vec![id], self.permit(permit_id), 0).await;
                self.drain().await;
                return Ok(());
            }
            let wait = match plan {
                PacingDecision::Later(Some(until)) => until - elapsed,
                _ => SignedDuration::from_secs(1),
            };
            if elapsed + wait - begin > patience {
                return Err(wait);
            }
            tokio::time::sleep(clock.real(wait)).await;
        }
    }

    /// Lets every send under way end.
    pub async fn drain(&mut self) {
        while self.one_ended().await {}
    }

    /// Lets one send under way end, and with it those that have ended by then; `false` when there is none. Whoever gives up
    /// waiting for it loses nothing.
    pub async fn one_ended(&mut self) -> bool {
        let Some(ended) = self.sending.join_next_with_id().await else { return false };
        self.ended(ended);
        while let Some(ended) = self.sending.try_join_next_with_id() {
            self.ended(ended);
        }
        true
    }

    /// How many sends are under way.
    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    fn room(&self) -> usize {
        self.channel.channel.at_once().saturating_sub(self.under_way())
    }

    fn ended(&mut self, ended: Result<(Id, SendEnd), tokio::task::JoinError>) {
        let (id, end) = ended.unwrap_or_else(|fault| {
            tracing::error!(
                channel = self.channel.name,
                "a send met an internal error; its delivery is tried again when its lease ends"
            );
            (fault.id(), SendEnd::Look)
        });
        let Some(UnderWay { order_key, .. }) = self.under_way.remove(&id) else { return };
        let queue = || self.signal.queue();
        match (&order_key, end) {
            (Some(key), SendEnd::Done) => queue().ended(key),
            (Some(key), _) => queue().waits(key),
            (None, _) => {}
        }
        self.table.ended(end, order_key);
    }

    /// What waits, without what is being sent.
    async fn look(&mut self, now: Timestamp, elapsed: Elapsed, limit: usize) -> Option<DueBatch> {
        let (name, in_order) = (self.channel.name.clone(), self.channel.channel.in_order());
        let limit = limit + self.unreadable.len();
        let store = self.context.store.clone();
        self.table.begin_look(elapsed);
        let mut looked = store.due_batch(&name, now, limit, in_order).await;
        if let Ok(batch) = &looked
            && batch.parked.is_none()
            && batch.candidates.iter().any(|candidate| candidate.fell_back)
        {
            // What the fallback has delivered in the meantime is delivered.
            if let Err(error) = self.context.store.settle_fallback(&name, now).await {
                tracing::error!(channel = name, %error, "what the fallback has delivered could not be stored");
            }
            looked = store.due_batch(&name, now, limit, in_order).await;
        }
        match looked {
            Ok(mut batch) => {
                self.table.looked(&batch, limit);
                batch.candidates.retain(|candidate| !self.is_under_way(candidate.id));
                self.say_unreadable(std::mem::take(&mut batch.unreadable));
                batch.candidates.retain(|candidate| !self.unreadable.contains(&candidate.id));
                Some(batch)
            }
            Err(error) => {
                tracing::error!(channel = name, %error, "what is due cannot be read");
                self.table.forget();
                None
            }
        }
    }

    fn is_under_way(&self, id: DeliveryId) -> bool {
        self.under_way.values().any(|under_way| under_way.ids.contains(&id))
    }

    fn say_unreadable(&mut self, ids: Vec<DeliveryId>) {
        for id in ids.into_iter().filter(|id| self.unreadable.insert(*id)) {
            tracing::error!(channel = self.channel.name, delivery = %id, "a delivery waits that only a newer orderbell can read; start that version again");
        }
    }

    /// Sends what the allowance lets through: alone, or sharing messages.
    async fn send(&mut self, candidates: Vec<Candidate>, now: Timestamp, elapsed: Elapsed) -> Next {
        let supports_digest = self.channel.channel.supports_digest();
        let mut groups = digest_group::digest_groups(candidates, supports_digest);
        while self.room() > 0 && !groups.is_empty() {
            let (plan, permit_id) = self.pacer.admit(digest_group::waiting(&groups), elapsed);
            let Some(permit_id) = permit_id else {
                let PacingDecision::Later(until) = plan else { return Next::Change };
                return until.map_or(Next::Change, Next::At);
            };
            let permit = self.permit(permit_id);
            let chosen = digest_group::choose(&mut groups, plan == PacingDecision::Gather && supports_digest);
            if let [DigestGroup { catches_up: true, ids, .. }] = chosen.as_slice() {
                self.catch_up(ids, permit_id, 0, now).await;
                continue;
            }
            let ids = self.ids(&chosen).await;
            self.start(ids, permit, 0).await;
        }
        Next::Change
    }

    /// The deliveries of the chosen groups, the leader last. Of an order, also those that wait for a later try.
    async fn ids(&self, chosen: &[DigestGroup]) -> Vec<DeliveryId> {
        let keys: Vec<String> = chosen.iter().filter_map(|group| group.order_key.clone()).collect();
        let orders = match keys.is_empty() {
            true => BTreeMap::new(),
            false => self.context.store.of_orders(&self.channel.name, keys).await.unwrap_or_default(),
        };
        let all = |DigestGroup { order_key, ids, .. }: &DigestGroup| {
            let order = order_key.as_ref().and_then(|key| orders.get(key));
            let end = order.and_then(|order| order.iter().position(|id| ids.last() == Some(id)));
            match (order, end) {
                (Some(order), Some(end)) => {
                    order[..=end].iter().filter(|id| !self.is_under_way(**id)).copied().collect()
                }
                _ => ids.clone(),
            }
        };
        chosen.iter().flat_map(all).collect()
    }

    fn permit(&self, permit_id: PermitId) -> Permit {
        Permit::new(self.pacer.clone(), self.context.clock.clone(), permit_id)
    }

    /// Starts one message about these deliveries, of which the last one leads. Answers whether it did: they may be gone.
    async fn start(&mut self, ids: Vec<DeliveryId>, permit: Permit, probes: u32) -> bool {
        let loaded = self.context.store.load(ids, self.context.clock.now()).await;
        let (known, unreadable) = match loaded {
            Ok(loaded) => loaded,
            Err(error) => {
                tracing::error!(channel = self.channel.name, %error, "what is due cannot be read");
                permit.give_back();
                return false;
            }
        };
        self.say_unreadable(unreadable);
        let mut known: Vec<PendingDelivery> = known;
        let Some(leader) = known.pop() else {
            permit.give_back();
            return false;
        };
        self.start_loaded(leader, known, permit, probes);
        true
    }

    /// Starts one message about a delivery, and those that it is to carry.
    fn start_loaded(&mut self, leader: PendingDelivery, carried: Vec<PendingDelivery>, permit: Permit, probes: u32) {
        let ids = carried.iter().map(|due| due.id).chain([leader.id]).collect();
        let order_key = leader.order_key.clone();
        let sending = SendContext {
            channel: self.channel.clone(),
            context: self.context.clone(),
            tenure: self.tenure.clone(),
            pacer: self.pacer.clone(),
            retire: self.retire.clone(),
            probes,
            composing: self.composing.clone(),
        };
        let task = self.sending.spawn(delivery::deliver(sending, leader, carried, permit));
        self.under_way.insert(task.id(), UnderWay { ids, order_key });
    }

    /// How long to wait for a change.
    fn pause(&self, next: Next) -> Duration {
        let clock = &self.context.clock;
        let wait = match next {
            Next::At(at) => Some(at - clock.elapsed()),
            Next::On(at) => Some(at.duration_since(clock.now())),
            Next::Change => {
                // What is due already waits for a send under way to end.
                self.table.next_due().map(|due| due.duration_since(clock.now())).filter(SignedDuration::is_positive)
            }
        };
        wait.map_or(LOOK_EVERY, |wait| clock.real(wait.max(SignedDuration::ZERO)).min(LOOK_EVERY))
    }
}
