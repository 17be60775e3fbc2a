//! The channels as the workers see them: they write as the real ones do, and what they send goes to the simulated receivers.

use std::sync::{Arc, Mutex, MutexGuard};

use jiff::SignedDuration;
use orderbell::channel::http::Http;
use orderbell::channel::{Attempt, Channel, SendFuture};
use orderbell::domain::event::{DeliveryId, Kind};
use orderbell::domain::mask::known::{Mask, Masking};
use orderbell::domain::message::{Message, Part, PartForm};
use orderbell::domain::rate_limit::RateLimit;
use orderbell::domain::retry::{Answer, Outcome};
use tokio::sync::{Notify, oneshot};

/// A message that a worker has begun to send, and that waits for its answer.
pub struct Begun {
    pub worker: usize,
    pub delivery: DeliveryId,
    pub key: String,
    pub kind: Kind,
    pub part: Part,
    pub answer: oneshot::Sender<Answer>,
}

/// Where the workers' messages come in.
#[derive(Default)]
pub struct Counter {
    begun: Mutex<Vec<Begun>>,
    pub signal: Notify,
}

impl Counter {
    fn begun(&self) -> MutexGuard<'_, Vec<Begun>> {
        self.begun.lock().expect("no panic elsewhere")
    }

    /// How many of a worker have come in and were not taken.
    pub fn waiting(&self, worker: usize) -> usize {
        self.begun().iter().filter(|begun| begun.worker == worker).count()
    }

    /// Takes what has come in, in a sequence that no thread decides.
    pub fn take(&self) -> Vec<Begun> {
        let mut begun = std::mem::take(&mut *self.begun());
        begun.sort_by(|one, other| (one.worker, &one.key).cmp(&(other.worker, &other.key)));
        begun
    }
}

/// One worker's way to the receivers.
pub struct CountedChannel {
    pub worker: usize,
    pub inner: Arc<dyn Channel>,
    pub counter: Arc<Counter>,
}

impl Channel for CountedChannel {
    fn kind(&self) -> &'static str {
        self.inner.kind()
    }

    fn credential(&self) -> String {
        self.inner.credential()
    }

    fn at_once(&self) -> usize {
        self.inner.at_once()
    }

    fn in_order(&self) -> bool {
        self.inner.in_order()
    }

    fn allowance(&self) -> Option<RateLimit> {
        self.inner.allowance()
    }

    fn supports_digest(&self) -> bool {
        self.inner.supports_digest()
    }

    fn per_recipient(&self) -> bool {
        self.inner.per_recipient()
    }

    fn parts_of_one(&self) -> usize {
        self.inner.parts_of_one()
    }

    fn longest(&self, timeout: SignedDuration) -> SignedDuration {
        self.inner.longest(timeout)
    }

    fn write(&self, message: &Message, form: PartForm) -> Vec<Part> {
        self.inner.write(message, form)
    }

    fn write_within(&self, message: &Message, form: PartForm, most: Option<usize>) -> Vec<Part> {
        self.inner.write_within(message, form, most)
    }

    fn size(&self, part: &Part) -> usize {
        self.inner.size(part)
    }

    fn exchange<'a>(&'a self, _: &'a Http, part: &'a Part, attempt: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            let (answer, incoming) = oneshot::channel();
            let delivery = attempt.key[..36].parse().expect("a key begins with its delivery");
            let (key, kind) = (attempt.key.clone(), attempt.kind.clone());
            let begun = Begun { worker: self.worker, delivery, key, kind, part: part.clone(), answer };
            self.counter.begun().push(begun);
            self.counter.signal.notify_one();
            let gone = || Answer { outcome: Outcome::Unknown, detail: "the world has ended".to_owned() };
            incoming.await.unwrap_or_else(|_| gone())
        })
    }

    fn mask(&self) -> &Mask {
        self.inner.mask()
    }

    fn marked(&self, part: &Part, mark: &str) -> Option<Part> {
        self.inner.marked(part, mark)
    }
}

/// As a mailbox: one part for each recipient, none of whom waits for another. Its words are plain, because what a real
/// mail costs to make is no matter here.
pub struct Mailbox {
    pub recipients: Vec<&'static str>,
    pub masking: Masking,
}

impl Channel for Mailbox {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn credential(&self) -> String {
        "mailbox".to_owned()
    }

    fn at_once(&self) -> usize {
        2
    }

    fn in_order(&self) -> bool {
        false
    }

    fn per_recipient(&self) -> bool {
        true
    }

    fn parts_of_one(&self) -> usize {
        self.recipients.len()
    }

    fn write(&self, message: &Message, form: PartForm) -> Vec<Part> {
        let body = |to: &&str| format!("To: {to}\r\nSubject: {}\r\n\r\n{}", message.title, message.markdown);
        (0..).zip(&self.recipients).map(|(index, to)| Part { index, form, body: body(to) }).collect()
    }

    fn exchange<'a>(&'a self, _: &'a Http, _: &'a Part, _: &'a Attempt) -> SendFuture<'a> {
        unreachable!("the receivers are simulated")
    }

    fn mask(&self) -> &Mask {
        self.masking.mask(|secrets| secrets)
    }
}
