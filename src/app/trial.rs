//! A message that a person has sent to try a channel: through the running daemon, or where none runs through a lane of its
//! own; in both cases on the way of real messages, pacing included.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::app;
use crate::app::StartError;
use crate::config::ConfiguredChannel;
use crate::domain::data::Data;
use crate::domain::event::DeliveryId;
use crate::domain::event::Event;
use crate::domain::event::EventId;
use crate::domain::event::Kind;
use crate::domain::event::OWN_SOURCE;
use crate::domain::event::Proof;
use crate::domain::route::Hearer;
use crate::domain::template::Templates;
use crate::domain::verdict::Verdicts;
use crate::flow::Clock;
use crate::flow::Current;
use crate::flow::Wake;
use crate::flow::composing::Composing;
use crate::flow::far_clocks::FarClocks;
use crate::flow::intake::Reception;
use crate::flow::lane::Post;
use crate::flow::lane::Runner;
use crate::flow::notice::Notices;
use crate::flow::pacers::Pacers;
use crate::store::Record;
use crate::store::Trial;
use crate::store::UNREADY;
use crate::store::sqlite;
use crate::store::sqlite::Sqlite;
use crate::store::sqlite::asked;
use crate::store::sqlite::read::Reader;

/// How long an allowance that is used up is waited for: a little more than a robot's window.
const PATIENCE: SignedDuration = SignedDuration::from_secs(75);
/// The daemon looks at the table every second.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What a trial takes.
pub struct Tester<'a> {
    /// The store, which need not be there yet.
    pub store: &'a Path,
    pub clock: Clock,
    pub templates: Current<Templates>,
}

impl Tester<'_> {
    /// Sends a test message to a channel and answers how it fared once its first try is over; a message that was not taken is
    /// not tried again.
    ///
    /// # Errors
    /// [`StartError`]: the store or the channel cannot be used.
    pub async fn send(&self, name: &str, channel: &ConfiguredChannel) -> Result<Trial, StartError> {
        let (record, delivery) = record(name, self.clock.now());
        let credential = channel.way.channel().credential();
        let longest = channel.way.channel().longest(channel.settings.timeout);
        if sqlite::lock::is_held(self.store) {
            let reader = Reader::open(self.store)?;
            if let Some(parked) = reader.parked(name).await?
                && parked.reason.starts_with(UNREADY)
            {
                let reason = format!("{}; the daemon has to read it again", parked.reason);
                return Err(StartError::Channel { channel: name.to_owned(), reason });
            }
            asked::record(self.store, &record)?;
            let over = async {
                loop {
                    match reader.trial(delivery, credential.clone()).await? {
                        Some(trial) if !is_over(&trial) => tokio::time::sleep(LOOK_EVERY).await,
                        trial => return Ok::<_, StartError>(trial),
                    }
                }
            };
            let patience = (longest + PATIENCE).unsigned_abs();
            let ended = tokio::time::timeout(patience, over).await;
            let trial = match ended {
                Ok(trial) => trial?,
                Err(_) => reader.trial(delivery, credential).await?,
            };
            asked::take_back(self.store, delivery, self.clock.now())?;
            return Ok(trial.unwrap_or_else(vanished));
        }
        self.send_here(name, channel, record, delivery).await
    }

    /// Where no daemon runs.
    async fn send_here(
        &self,
        name: &str,
        channel: &ConfiguredChannel,
        record: Record,
        delivery: DeliveryId,
    ) -> Result<Trial, StartError> {
        let clock = self.clock.clone();
        let before = asked::parking(self.store, name);
        let store = Arc::new(Sqlite::open(self.store, clock.now())?);
        // There was no store, or an older one, which had to be brought up to date first.
        let before = before.or_else(|_| asked::parking(self.store, name))?;
        store.record(record).await?;
        let wake = Wake::default();
        let notices = Notices::new(store.clone(), Current::new(Reception::default()), wake.clone());
        let pacers = Pacers::take_up(store.reader().taken_slots().await?, clock.now(), clock.elapsed());
        let post = Post {
            store: store.clone(),
            templates: self.templates.clone(),
            wake,
            notices,
            far_clocks: FarClocks::default(),
            clock: clock.clone(),
            pacers,
            composing: Composing::default(),
        };
        let lane = Arc::new(app::setup::lane(name.to_owned(), channel.clone())?);
        let mut runner = Runner::new(lane, post, CancellationToken::new());
        // How long the credential is shut is in the store.
        let _ = runner.send_only(delivery, PATIENCE).await;
        drop(runner);
        let trial = store.reader().trial(delivery, channel.way.channel().credential()).await?;
        if let Some(store) = Arc::into_inner(store) {
            store.close().await;
        }
        asked::take_back(self.store, delivery, clock.now())?;
        asked::leave_parking(self.store, name, before.as_ref())?;
        Ok(trial.unwrap_or_else(vanished))
    }
}

/// Whether the first try has come to its end, which is the last part's where each before it was taken.
fn is_over(trial: &Trial) -> bool {
    trial.state != "waiting" || trial.attempts.last().is_some_and(|last| last.outcome != "delivered")
}

/// Only a person with a tool of his own can take the row away.
fn vanished() -> Trial {
    Trial { state: "cancelled".to_owned(), attempts: Vec::new(), shut_until: None }
}

fn record(channel: &str, now: Timestamp) -> (Record, DeliveryId) {
    let delivery = DeliveryId(Uuid::now_v7());
    let event = Event {
        id: EventId(Uuid::now_v7()),
        kind: Kind::Test,
        source: OWN_SOURCE.to_owned(),
        occurred_at: Some(now),
        received_at: now,
        shop: None,
        order: None,
        data: Data::default(),
        proof: Proof::Own,
    };
    let hearers = vec![(Hearer::always(channel), delivery)];
    (
        Record {
            event,
            body: Vec::new(),
            repeat_keys: Vec::new(),
            hearers,
            urgent: vec![channel.to_owned()],
            verdicts: Verdicts::default(),
        },
        delivery,
    )
}
