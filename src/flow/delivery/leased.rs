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

/// Goes on with a send as long as this instance holds the lease. It is looked at before each step, because a process that was
/// frozen meanwhile goes on in the middle of one; `None`: the lease has ended.
pub async fn within<T>(sending: &SendContext, send: impl Future<Output = T>) -> Option<T> {
    let (mut send, mut lost) = (pin!(send), pin!(sending.tenure.lost().cancelled()));
    poll_fn(|context| {
        let is_held = sending.tenure.outlasts(SignedDuration::ZERO, sending.context.clock.elapsed());
        if !is_held || lost.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        send.as_mut().poll(context).map(Some)
    })
    .await
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
