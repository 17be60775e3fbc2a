//! A message that a person has sent to try a channel, on the way of real messages; and what its receiver made of it.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::channel::{kinds, remedy};
use crate::domain::event::{DeliveryId, Event, Kind, OWN_SOURCE, SignatureCheck};
use crate::domain::payload::Data;
use crate::domain::route::Target;
use crate::domain::route_decision::RouteDecisions;
use crate::flow::notifier::Notifier;
use crate::flow::{Clock, ids};
use crate::store::ingest::Record;
use crate::store::queue::attempt::TestSend;
use crate::store::{Store, StoreError};

/// How long an allowance that is used up is waited for: a little more than a robot's window.
pub const PATIENCE: SignedDuration = SignedDuration::from_secs(75);
/// The worker looks at the table every second, unless it is woken.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What the tries of a test message come to. A mail has one for each recipient; the first that was not taken counts.
pub struct TestVerdict {
    pub accepted: bool,
    /// Whether anything was sent at all.
    pub is_sent: bool,
    /// What the receiver made of it; `not_sent` when the message did not go out.
    pub outcome: String,
    pub answer: String,
    /// Recipients that were refused while others were not.
    pub refused: Vec<String>,
    /// What is wrong, and what to change; absent when it was accepted.
    pub advice: Option<(&'static str, &'static str)>,
    pub clock_ahead: Option<SignedDuration>,
}

impl TestVerdict {
    /// `kind` is that of the channel.
    pub fn of(kind: &str, trial: &TestSend) -> Self {
        let not_taken: Vec<_> = trial.attempts.iter().filter(|tried| tried.outcome != "delivered").collect();
        let accepted = trial.state == "delivered";
        let last = not_taken.first().copied().or(trial.attempts.last());
        let (outcome, answer) = match last {
            Some(tried) => (tried.outcome.clone(), tried.answer.clone()),
            None => ("not_sent".to_owned(), not_sent(trial)),
        };
        let advice = (!accepted).then(|| {
            let known = kinds::remedy_of(kind, &answer).or_else(|| remedy::in_transit(&answer));
            known.map_or_else(|| in_general(&outcome), |remedy| (remedy.cause(), remedy.cure()))
        });
        let refused = if accepted { not_taken.iter().map(|tried| tried.answer.clone()).collect() } else { Vec::new() };
        let clock_ahead = last.and_then(|tried| tried.clock_ahead_s).map(SignedDuration::from_secs);
        Self { accepted, is_sent: last.is_some(), outcome, answer, refused, advice, clock_ahead }
    }
}

/// Records a test message, which the channel's worker takes up, and answers how its first try ended; a message that was not
/// taken is not tried again. `longest`: how long one message may take. A worker of another process finds it within a second.
///
/// # Errors
/// Those of the store.
pub async fn through_worker(
    store: &dyn Store,
    channel: &str,
    credential: &str,
    longest: SignedDuration,
    (clock, notifier): (&Clock, &Notifier),
) -> Result<TestSend, StoreError> {
    let (record, delivery) = record(channel, clock.now());
    store.record(record).await?;
    notifier.wake(&[channel.to_owned()]);
    let test_send = ended(store, delivery, credential, longest).await;
    // However that went, nobody sends it again.
    store.take_back(delivery, clock.now()).await?;
    Ok(test_send?.unwrap_or_else(vanished))
}

/// How a test message fares once its first try is over, or when that takes too long; `None` when it is not there any more.
///
/// # Errors
/// Those of the store.
pub async fn ended(
    store: &dyn Store,
    delivery: DeliveryId,
    credential: &str,
    longest: SignedDuration,
) -> Result<Option<TestSend>, StoreError> {
    let over = async {
        loop {
            match store.test_send(delivery, credential.to_owned()).await? {
                Some(test_send) if !is_over(&test_send) => tokio::time::sleep(LOOK_EVERY).await,
                test_send => return Ok::<_, StoreError>(test_send),
            }
        }
    };
    match tokio::time::timeout((longest + PATIENCE).unsigned_abs(), over).await {
        Ok(test_send) => test_send,
        Err(_) => store.test_send(delivery, credential.to_owned()).await,
    }
}

/// Whether the first try has come to its end, which is the last part's where each before it was taken.
fn is_over(test_send: &TestSend) -> bool {
    test_send.state != "waiting" || test_send.attempts.last().is_some_and(|last| last.outcome != "delivered")
}

/// Only a person with a tool of their own can take the row away.
pub fn vanished() -> TestSend {
    TestSend { state: "cancelled".to_owned(), attempts: Vec::new(), rate_limited_until: None }
}

/// A test message to a channel.
pub fn record(channel: &str, now: Timestamp) -> (Record, DeliveryId) {
    let delivery = ids::delivery();
    let event = Event {
        id: ids::event(),
        kind: Kind::Test,
        source: OWN_SOURCE.to_owned(),
        occurred_at: Some(now),
        received_at: now,
        shop: None,
        order: None,
        data: Data::default(),
        proof: SignatureCheck::Own,
    };
    let targets = vec![(Target::always(channel), delivery)];
    (
        Record {
            event,
            body: Vec::new(),
            dedupe_keys: Vec::new(),
            targets,
            urgent: vec![channel.to_owned()],
            decisions: RouteDecisions::default(),
        },
        delivery,
    )
}

fn not_sent(trial: &TestSend) -> String {
    match trial.rate_limited_until {
        Some(until) => format!("nothing was sent: the receiver has shut this channel until {until:.0}"),
        None => "nothing was sent: other messages to this channel are still on their way".to_owned(),
    }
}

/// The cause and the cure where no table knows more than what becomes of such a message.
fn in_general(outcome: &str) -> (&'static str, &'static str) {
    match outcome {
        "retry" => ("the receiver does not take messages now", "try again; look whether it runs"),
        "unknown" => {
            ("the receiver's answer is not one that we know; the message may have arrived", "look at the receiver")
        }
        "throttled" => ("the receiver finds that too many messages come", "try again later"),
        "misconfigured" => {
            ("the receiver does not accept the address, the token or the secret", "copy them anew from the receiver")
        }
        "too_long" => ("the message is too long for the receiver", "look for a template that makes it so"),
        "content_refused" => ("the receiver does not like what the message says", "look at the template for tests"),
        "full" => ("the recipient's mailbox is full", "its owner must make room"),
        "rejected" => ("the receiver will not take this message", "look at its words below"),
        "bug" => ("the receiver says that our request is malformed", "please report it, with its words below"),
        _ => ("the message could not be sent in time", "try again later"),
    }
}
