//! What a send does only while this instance holds the lease of its channel: going on, and having its outcome stored.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use jiff::SignedDuration;

use crate::domain::retry::{Answer, Outcome};
use crate::flow::context::SendContext;
use crate::store::StoreError;
use crate::store::queue::attempt::Settle;

/// Between two tries to store an outcome.
const SETTLE_AGAIN: Duration = Duration::from_secs(1);

/// How long it is waited at most until it is looked whether the lease has ended: it may have been renewed.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Goes on with a send as long as this instance holds the lease, so that none outlasts it, however long its steps may take. It
/// is looked at before each step, because a process that was frozen meanwhile goes on in the middle of one, and while one is
/// waited for; `None`: the lease has ended.
pub async fn within<T>(sending: &SendContext, send: impl Future<Output = T>) -> Option<T> {
    let (mut send, mut ended) = (pin!(send), pin!(ended(sending)));
    poll_fn(|context| {
        if !is_held(sending) || ended.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        send.as_mut().poll(context).map(Some)
    })
    .await
}

/// Returns when the lease has ended and was not renewed, or is lost.
async fn ended(sending: &SendContext) {
    let (tenure, clock) = (&sending.tenure, &sending.context.clock);
    while is_held(sending) {
        let Some(remaining) = tenure.remaining(clock.elapsed()) else { return tenure.lost().cancelled().await };
        tokio::select! {
            () = tenure.lost().cancelled() => {}
            () = tokio::time::sleep(clock.real(remaining).min(LOOK_EVERY)) => {}
        }
    }
}

fn is_held(sending: &SendContext) -> bool {
    sending.tenure.outlasts(SignedDuration::ZERO, sending.context.clock.elapsed())
}

/// What is said of a message that was not sent, because the lease ended while its attempt was begun.
pub fn unsent() -> Answer {
    let detail = "the lease of the channel ended before the message was sent".to_owned();
    Answer { outcome: Outcome::Retry { after: None }, detail }
}

/// What is said of a message that was under way when the lease ended.
pub fn unleased() -> Answer {
    let detail = "the lease of the channel ended before the answer came".to_owned();
    Answer { outcome: Outcome::Unknown, detail }
}

/// Who knows of an outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is stored.
    Here,
    /// Another instance has taken the attempt up as one whose answer is lost.
    ByAnother,
}

/// Stores an outcome, however long the store cannot be used: a forgotten acceptance would be delivered twice.
pub async fn keep(sending: &SendContext, settle: Settle) -> Kept {
    loop {
        match sending.context.store.settle(settle.clone()).await {
            Ok(()) => return Kept::Here,
            Err(StoreError::NotLeased) => {
                let (channel, outcome) = (&settle.channel, settle.answer.outcome.as_str());
                tracing::warn!(delivery = %settle.delivery, channel, outcome, "another instance works the channel by now, so the outcome is lost");
                sending.tenure.lose();
                return Kept::ByAnother;
            }
            Err(error) => {
                tracing::error!(delivery = %settle.delivery, %error, "an outcome cannot be stored; tried again in a second");
                tokio::time::sleep(SETTLE_AGAIN).await;
            }
        }
    }
}
