//! From a request to a committed event: believe, parse, route, record, and only then acknowledge.

mod notify;
mod sample;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::Semaphore;

use crate::domain::data::Notice;
use crate::domain::event::{DedupeKey, Event, OWN_SOURCE, SignatureCheck};
use crate::domain::route_decision::RouteDecisions;
use crate::flow::metrics::{Metrics, WebhookResult};
use crate::flow::notice::{Notices, Topic};
use crate::flow::notifier::Notifier;
use crate::flow::refusals::{self, Refusals};
use crate::flow::routing::{RoutingSnapshot, SourceEndpoint};
use crate::flow::samples::SampleMarks;
use crate::flow::source_activity::SourceActivity;
use crate::flow::unproven::HourlyBudget;
use crate::flow::{Clock, Current, ids, request_shape};
use crate::platform::{Incoming, Method, ParsedWebhook, PlatformReply, Refusal, WebhookRequest};
use crate::store::Store;
use crate::store::health::UnroutedEvent;
use crate::store::ingest::{Record, Recorded};

/// Larger bodies are verified off the threads that serve everyone.
const INLINE_BYTES: usize = 64 * 1024;
/// So much of a body tells what it looks like.
const START_BYTES: usize = 64;
/// What is shed in this time is one notice.
const SHED_TOGETHER: Duration = Duration::from_secs(10);
/// So many of them at a time.
const PARSING_AT_ONCE: usize = 2;

/// Takes requests to `/hooks/<source>`.
pub struct Intake {
    routing: Current<RoutingSnapshot>,
    store: Arc<dyn Store>,
    notifier: Notifier,
    notices: Notices,
    clock: Clock,
    activity: SourceActivity,
    unproven: HourlyBudget,
    /// What was refused, on its way to the store.
    pub refusals: Refusals,
    pub metrics: Metrics,
    /// What this daemon sends to itself.
    pub samples: SampleMarks,
    /// A permit for each larger body that may be verified at a time.
    parsing: Arc<Semaphore>,
    /// Connections that were shed and are still to be said.
    shed: AtomicU64,
}

/// What is answered, before it becomes a status.
#[derive(Debug)]
pub enum IntakeOutcome {
    /// No source of this name.
    UnknownSource,
    /// The source does not take this method.
    Method,
    /// With the platform's own words.
    Answer(PlatformReply, &'static str),
}

impl Intake {
    pub fn new(
        routing: Current<RoutingSnapshot>,
        notices: Notices,
        store: Arc<dyn Store>,
        notifier: Notifier,
        clock: Clock,
    ) -> Self {
        let (unproven, refusals, activity) =
            (HourlyBudget::default(), Refusals::default(), SourceActivity::since(clock.now()));
        let parsing = Arc::new(Semaphore::new(PARSING_AT_ONCE));
        Self {
            routing,
            store,
            notifier,
            notices,
            clock,
            activity,
            unproven,
            refusals,
            metrics: Metrics::default(),
            samples: SampleMarks::default(),
            parsing,
            shed: AtomicU64::new(0),
        }
    }

    /// What it notices, for the watch.
    pub fn source_activity(&self) -> SourceActivity {
        self.activity.clone()
    }

    /// Whether a source of this name is configured.
    pub fn has(&self, name: &str) -> bool {
        self.routing.get().endpoints.contains_key(name)
    }

    /// Notes a request to a source that was refused before the source could look at it.
    pub fn note_refusal(&self, name: &str, reason: impl FnOnce() -> String, bytes: u64) {
        if self.has(name) {
            self.metrics.webhook(name, WebhookResult::Refused);
            self.refusals.note(name, reason, bytes, self.clock.now());
        }
    }

    /// Notifies the operator that connections were shed: how many in ten seconds from the first on, and how many there may be
    /// at a time.
    pub async fn note_shed(&self, unfinished: u64, most: usize) {
        if self.shed.fetch_add(unfinished, Ordering::AcqRel) > 0 {
            return;
        }
        tokio::time::sleep(SHED_TOGETHER).await;
        let count = self.shed.swap(0, Ordering::AcqRel);
        let notice = Notice { count: Some(count), detail: Some(most.to_string()), ..Notice::default() };
        self.notices.say(Topic::Crowded, OWN_SOURCE, notice, self.clock.now()).await;
    }

    /// Receives one request. When the answer is [`PlatformReply::Received`], the event is on disk.
    pub async fn receive(
        &self,
        name: &str,
        method: Method,
        query: Option<&str>,
        headers: &HeaderMap,
        body: Bytes,
    ) -> IntakeOutcome {
        let begun = self.clock.elapsed();
        let outcome = self.answer(name, (method, query, headers), body).await;
        if let IntakeOutcome::Answer(PlatformReply::Received, _) = outcome {
            self.metrics.acknowledged(self.clock.elapsed() - begun);
        }
        outcome
    }

    async fn answer(
        &self,
        name: &str,
        (method, query, headers): (Method, Option<&str>, &HeaderMap),
        body: Bytes,
    ) -> IntakeOutcome {
        let routing = self.routing.get();
        let Some(endpoint) = routing.endpoints.get(name) else { return IntakeOutcome::UnknownSource };
        let platform = endpoint.source.platform();
        let (now, bytes) = (self.clock.now(), body.len());
        if let Some(reason) = &endpoint.closed {
            self.metrics.webhook(name, WebhookResult::NotStored);
            self.refusals.note_unchecked(name, reason, bytes as u64, (now, self.clock.elapsed()));
            return IntakeOutcome::Answer(PlatformReply::NotRemembered, platform.reply(PlatformReply::NotRemembered));
        }
        let Ok(sample) = self.samples.take(name, headers) else {
            self.metrics.webhook(name, WebhookResult::NotStored);
            return IntakeOutcome::Answer(PlatformReply::NotRemembered, platform.reply(PlatformReply::NotRemembered));
        };
        // Of the body there is no more than this when it has been refused.
        let start = Bytes::copy_from_slice(&body[..body.len().min(START_BYTES)]);
        let believed = self.believe(&routing, endpoint, (method, query, headers), body, now).await;
        let reply = match (believed, sample) {
            (Ok(Incoming::Webhook(webhook)), Some(sample)) => {
                self.remember_sample(&routing, *webhook, sample, now).await
            }
            (Ok(Incoming::Heartbeat), _) => {
                tracing::debug!(source = name, "heartbeat");
                self.metrics.webhook(name, WebhookResult::Heartbeat);
                self.note_life(name, now);
                PlatformReply::Received
            }
            (Ok(Incoming::Webhook(webhook)), None) => {
                let is_believed = webhook.signature != SignatureCheck::Invalid;
                let reply = self.remember(&routing, name, *webhook, now).await;
                match reply {
                    PlatformReply::Refused => {}
                    _ if is_believed => {
                        self.note_life(name, now);
                        self.activity.fits(name);
                    }
                    PlatformReply::Received if self.activity.does_not_fit(name, now) => {
                        self.notifier.watch().notify_one()
                    }
                    _ => {}
                }
                reply
            }
            (Err(Refusal::Method), _) => {
                self.note_refusal(name, refusals::of_method, bytes as u64);
                return IntakeOutcome::Method;
            }
            (Err(refusal), _) => {
                if let Some(left_out) = self.admit_line(name, refusals::log_key(&refusal)) {
                    tracing::warn!(source = name, bytes, left_out, "a webhook was refused: {refusal}");
                }
                let address = platform.checked_address(&endpoint.address);
                let reason =
                    || refusals::reason_with_looks(&refusal, address, &request_shape::of_request(headers, &start));
                self.metrics.webhook(name, WebhookResult::Refused);
                self.refusals.note(name, reason, bytes as u64, now);
                self.tell_operator(name, &refusal, address, now).await;
                PlatformReply::Refused
            }
        };
        IntakeOutcome::Answer(reply, platform.reply(reply))
    }

    /// Verifies and parses a request: a small one here, a larger one on a thread of its own when it is its turn, so that
    /// whoever sends much without being believed keeps nobody waiting. The body is dropped as soon as it has been read.
    async fn believe(
        &self,
        routing: &Arc<RoutingSnapshot>,
        endpoint: &SourceEndpoint,
        (method, query, headers): (Method, Option<&str>, &HeaderMap),
        body: Bytes,
        now: Timestamp,
    ) -> Result<Incoming, Refusal> {
        let source = endpoint.source.clone();
        // What a header says of the coding counts for nothing where the body is plain all the same.
        let coding = request_shape::coding(headers, &body);
        let named = |refusal| match (refusal, coding) {
            (Refusal::Shape(_), Some(coding)) => Refusal::Encoding(coding),
            (refusal, _) => refusal,
        };
        if body.len() <= INLINE_BYTES {
            let (address, currency) = (endpoint.address.as_str(), routing.currency.as_str());
            let request = WebhookRequest { method, query, headers, body: &body, address, currency, now };
            return source.platform().receive(&request).map_err(named);
        }
        let (query, headers) = (query.map(str::to_owned), headers.clone());
        let (address, currency) = (endpoint.address.clone(), routing.currency.clone());
        let permit = self.parsing.clone().acquire_owned().await.expect("the semaphore is never closed");
        let believing = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let (query, address, currency) = (query.as_deref(), address.as_str(), currency.as_str());
            let request = WebhookRequest { method, query, headers: &headers, body: &body, address, currency, now };
            source.platform().receive(&request)
        });
        believing.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic())).map_err(named)
    }

    /// As [`Refusals::admit_line`], now.
    fn admit_line(&self, source: &str, key: &'static str) -> Option<u64> {
        self.refusals.admit_line(source, key, self.clock.elapsed())
    }

    /// The source lives, whatever it says.
    fn note_life(&self, name: &str, now: Timestamp) {
        if self.activity.from(name, now) && !self.store.sign_of_life(name, Some(now)) {
            tracing::debug!(source = name, "a sign of life was not written down: the store is busy");
        }
    }

    async fn remember(
        &self,
        routing: &RoutingSnapshot,
        name: &str,
        webhook: ParsedWebhook,
        now: Timestamp,
    ) -> PlatformReply {
        let ParsedWebhook { kind, occurred_at, shop, order, data, signature: proof, mut dedupe_keys, body } = webhook;
        let (mut targets, mut decisions, mut unrouted) = (Vec::new(), RouteDecisions::default(), None);
        if proof == SignatureCheck::Invalid {
            if !self.unproven.admits(name, body.len(), now) {
                if let Some(left_out) = self.admit_line(name, "unproven, too many") {
                    tracing::warn!(
                        source = name,
                        left_out,
                        "a webhook was refused: its signature fits none of the recipes, and enough such were kept in this hour"
                    );
                }
                self.metrics.webhook(name, WebhookResult::Refused);
                self.refusals.note(name, || refusals::TOO_MANY_UNPROVEN.to_owned(), body.len() as u64, now);
                return PlatformReply::Refused;
            }
            if let Some(left_out) = self.admit_line(name, "unproven") {
                tracing::warn!(
                    source = name,
                    left_out,
                    "a webhook is recorded and delivered to nobody: its signature fits none of the recipes; look at public_url, registered_url and app_secret"
                );
            }
            // What nobody proved must not make a genuine webhook look like a repeat.
            dedupe_keys = vec![DedupeKey::Once(format!("unproven:{}", ids::unique()))];
        } else {
            (targets, decisions) = routing.judge(&kind, name, shop.as_ref().map(|shop| shop.id.as_str()));
            if targets.is_empty() {
                routing.say_unrouted(&kind.to_string());
                let shop = shop.as_ref().map(|shop| shop.id.clone());
                unrouted = Some(UnroutedEvent { kind: kind.clone(), source: name.to_owned(), shop });
            }
        }
        let recipe = match &proof {
            SignatureCheck::Valid(recipe) => recipe.clone(),
            SignatureCheck::Invalid => "none".to_owned(),
            SignatureCheck::Own => "own".to_owned(),
        };
        let is_proven = proof != SignatureCheck::Invalid;
        let id = ids::event();
        let event =
            Event { id, kind, source: name.to_owned(), occurred_at, received_at: now, shop, order, data, proof };
        let urgent = routing.urgent(&event.kind);
        let kind = event.kind.to_string();
        let targets = targets.into_iter().map(|target| (target, ids::delivery())).collect();
        let bytes = body.len() as u64;
        let damaged = event.data.unrecognised().filter(|unrecognised| unrecognised.malformed);
        let damaged = damaged.map(|unrecognised| unrecognised.event.clone().unwrap_or_default());
        match self.store.record(Record { event, body, dedupe_keys, targets, urgent, decisions }).await {
            Ok(Recorded::New { channels, unjudged, committed }) => {
                self.metrics.webhook(name, WebhookResult::Recorded);
                // Of what nobody proved, anybody could fill the log.
                if is_proven || self.admit_line(name, "unproven, recorded").is_some() {
                    tracing::info!(event = %id, kind, source = name, deliveries = channels.len(), proof = recipe, "webhook recorded");
                }
                match committed {
                    Some(committed) => self.notifier.deliver(&committed, self.clock.elapsed()),
                    None => self.notifier.wake(&channels),
                }
                if unrouted.is_some_and(|unrouted| self.activity.unrouted(unrouted)) {
                    self.notifier.watch().notify_one();
                }
                for rule in unjudged {
                    self.say_unjudged(routing, rule, &kind, now).await;
                }
                if let Some(event) = damaged.filter(|_| is_proven) {
                    let detail = format!("event {event}, {bytes} bytes: orderbell why {id}");
                    // Each of them may be an order that nobody cooks.
                    self.notices.notify_once(Topic::Unreadable, name, (name, &id.to_string()), detail, now).await;
                }
                PlatformReply::Received
            }
            Ok(Recorded::Repeat { of }) => {
                self.metrics.webhook(name, WebhookResult::Duplicate);
                if let Some(left_out) = self.admit_line(name, "duplicate") {
                    tracing::info!(event = %of, kind, source = name, left_out, "a duplicate of a webhook that is known already");
                }
                PlatformReply::Received
            }
            Ok(Recorded::Replay) => {
                self.metrics.webhook(name, WebhookResult::Refused);
                if let Some(left_out) = self.admit_line(name, "replayed") {
                    tracing::warn!(
                        kind,
                        source = name,
                        left_out,
                        "a webhook was refused: its proof has come before, with other content"
                    );
                }
                self.refusals.note(name, || refusals::REPLAYED.to_owned(), bytes, now);
                // It may be a genuine one: a second thing that happened in the same millisecond, and came late.
                self.notices.notify(Topic::Replayed, name, kind, now).await;
                PlatformReply::Refused
            }
            Err(error) => {
                self.metrics.webhook(name, WebhookResult::NotStored);
                if let Some(left_out) = self.admit_line(name, "not stored") {
                    tracing::error!(kind, source = name, left_out, %error, "a webhook could not be stored; the platform is asked to send it again");
                }
                PlatformReply::NotRemembered
            }
        }
    }
}
