//! A message that a person has sent to try a channel: through the running daemon, or where none runs through a worker of its
//! own; in both cases on the way of real messages, pacing included.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::app::setup;
use crate::app::start_error::StartError;
use crate::config::configured::ConfiguredChannel;
use crate::domain::effective::{DifferenceCause, EffectiveSettings, SettingDifference, SettingsComparison};
use crate::domain::event::DeliveryId;
use crate::domain::template::Templates;
use crate::flow::clock_skew::ClockSkews;
use crate::flow::command_lease::CommandLease;
use crate::flow::composing::Composing;
use crate::flow::context::WorkerContext;
use crate::flow::metrics::Metrics;
use crate::flow::notice::Notices;
use crate::flow::notifier::Notifier;
use crate::flow::pacers::Pacers;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::settings_check::{self, DaemonSettings};
use crate::flow::shared_messages::SharedMessages;
use crate::flow::tenure::Tenure;
use crate::flow::worker::ChannelWorker;
use crate::flow::{Clock, Current, test_send};
use crate::store::address::StoreUrl;
use crate::store::ingest::Record;
use crate::store::queue::attempt::{PacingState, TestSend};
use crate::store::queue::pending::{ParkedRow, UNREADY};
use crate::store::{self, Store, StoreError};

/// A digest that is compared where it is made needs no secret key.
const COMPARED_HERE: &[u8] = b"here";

/// What a test send takes.
pub struct TestSender<'a> {
    /// The store, which need not be there yet.
    pub store: &'a StoreUrl,
    pub clock: Clock,
    pub templates: Current<Templates>,
    pub sender: Sender,
    /// What stands in the file, by channel, where another configuration is in force.
    pub file: Option<BTreeMap<String, EffectiveSettings>>,
    /// Cancelled when a person asks for an end.
    pub stop: CancellationToken,
}

/// Who sends a test message.
pub enum Sender {
    /// With its settings, where it says them.
    Daemon(Option<DaemonSettings>),
    /// This command, because no daemon runs.
    Command,
}

impl Sender {
    /// Who sends to the channels of a store now.
    ///
    /// # Errors
    /// [`StartError::Store`]: the daemon cannot be asked.
    pub async fn of(store: &StoreUrl, clock: &Clock) -> Result<Self, StartError> {
        match store::is_held_by_daemon(store).await? {
            true => {
                let asked = store::open_beside(store).await?;
                Ok(Sender::Daemon(settings_check::ask(&*asked, clock).await?))
            }
            false => Ok(Sender::Command),
        }
    }

    /// What the message was sent with, compared with what is here. `None` where that is not known.
    fn compare(
        &self,
        name: &str,
        channel: &ConfiguredChannel,
        file: Option<&BTreeMap<String, EffectiveSettings>>,
    ) -> Option<SettingsComparison> {
        let here = match file.map(|file| file.get(name)) {
            None => &channel.effective,
            Some(Some(settings)) => settings,
            Some(None) => {
                let difference =
                    SettingDifference { key: format!("channel.{name}"), cause: DifferenceCause::Unreadable };
                return Some(SettingsComparison { differing: vec![difference], ..SettingsComparison::default() });
            }
        };
        match self {
            Sender::Daemon(settings) => Some(settings.as_ref()?.compare(name, here)),
            Sender::Command => Some(here.compare(&channel.effective.digests(COMPARED_HERE), COMPARED_HERE)),
        }
    }
}

/// What a test send came to.
pub struct Tested {
    pub fared: Fared,
    /// How the values that it was sent with compare with those here; `None` where the daemon did not say.
    pub comparison: Option<SettingsComparison>,
}

/// How the message fared.
pub enum Fared {
    /// It was on its way.
    Tried(TestSend),
    /// The daemon waits for a secret of the channel, for this reason.
    Unready(String),
    /// The daemon has no channel of this name.
    Unknown,
}

impl TestSender<'_> {
    /// Sends a test message to a channel and answers how it fared once its first try is over; a message that was not taken is
    /// not tried again.
    ///
    /// # Errors
    /// [`StartError`]: the store or the channel cannot be used.
    pub async fn send(&self, name: &str, channel: &ConfiguredChannel) -> Result<Tested, StartError> {
        let comparison = self.sender.compare(name, channel, self.file.as_ref());
        let fared = match &self.sender {
            Sender::Daemon(settings) => self.send_through(settings.as_ref(), name, channel).await?,
            Sender::Command => Fared::Tried(self.send_here(name, channel).await?),
        };
        Ok(Tested { fared, comparison })
    }

    /// Through the daemon.
    async fn send_through(
        &self,
        settings: Option<&DaemonSettings>,
        name: &str,
        channel: &ConfiguredChannel,
    ) -> Result<Fared, StartError> {
        let (record, delivery) = test_send::record(name, self.clock.now());
        let way = channel.way.channel();
        let credential = match settings.map(|settings| settings.credential(name)) {
            Some(Some(credential)) => credential.to_owned(),
            Some(None) => return Ok(Fared::Unknown),
            None => way.credential(),
        };
        let store = store::open_beside(self.store).await?;
        if let Some(parked) = store.parked(name).await?
            && let Some(reason) = parked.reason.strip_prefix(UNREADY)
        {
            return Ok(Fared::Unready(reason.to_owned()));
        }
        store.record(record).await?;
        let longest = way.longest(channel.settings.timeout);
        let ended = test_send::ended(&*store, delivery, &credential, longest);
        let test_send = self.unless_stopped(async { Ok(ended.await) }).await;
        // However that went, nobody sends it again.
        store.take_back(delivery, self.clock.now()).await?;
        let test_send = test_send??;
        Ok(Fared::Tried(test_send.unwrap_or_else(test_send::vanished)))
    }

    async fn parking(&self, name: &str) -> Result<Option<ParkedRow>, StoreError> {
        store::open_beside(self.store).await?.parking(name).await
    }

    /// Where no daemon runs.
    async fn send_here(&self, name: &str, channel: &ConfiguredChannel) -> Result<TestSend, StartError> {
        // It is read before the store is opened as the daemon does. No store, or an older one, is made or brought up to date first.
        let before = self.parking(name).await;
        let store = store::open(self.store, self.clock.now()).await?;
        let before = match before {
            Ok(before) => before,
            Err(_) => store.parking(name).await?,
        };
        let (credential, timeout) = (channel.way.channel().credential(), channel.settings.timeout);
        let acquired = CommandLease::acquire(store.clone(), &credential, name, timeout, &self.clock).await?;
        let (lease, pacing) = acquired.ok_or_else(held)?;
        let (record, delivery) = test_send::record(name, self.clock.now());
        let sending = self.send_leased((&store, lease.tenure(), pacing), name, channel, record, delivery);
        let sent = self.unless_stopped(sending).await;
        // However that went: nobody sends it again, the channel is parked as it was, and free.
        let taken_back = store.take_back(delivery, self.clock.now()).await;
        let left = store.leave_parking(name, before).await;
        lease.release().await;
        store.close().await;
        let sent = sent?;
        taken_back.and(left)?;
        Ok(sent.unwrap_or_else(test_send::vanished))
    }

    /// Sends it as long as the channel is this command's.
    async fn send_leased(
        &self,
        (store, tenure, pacing): (&Arc<dyn Store>, &Arc<Tenure>, PacingState),
        name: &str,
        channel: &ConfiguredChannel,
        record: Record,
        delivery: DeliveryId,
    ) -> Result<Option<TestSend>, StartError> {
        let clock = self.clock.clone();
        store.record(record).await?;
        let notifier = Notifier::default();
        let notices = Notices::new(store.clone(), Current::new(RoutingSnapshot::default()), notifier.clone());
        let pacers = Pacers::take_up(pacing, clock.now(), clock.elapsed());
        let context = WorkerContext {
            store: store.clone(),
            templates: self.templates.clone(),
            notifier,
            notices,
            clock_skews: ClockSkews::default(),
            clock,
            pacers,
            composing: Composing::default(),
            shared: SharedMessages::default(),
            metrics: Metrics::default(),
        };
        let channel_settings = Arc::new(setup::worker_channel(name.to_owned(), channel.clone())?);
        let mut runner = ChannelWorker::new(channel_settings, context, tenure.clone(), CancellationToken::new());
        // How long the credential is rate-limited is in the store.
        let _ = runner.send_only(delivery, test_send::PATIENCE).await;
        drop(runner);
        Ok(store.test_send(delivery, channel.way.channel().credential()).await?)
    }

    /// As long as nobody asks for a stop.
    async fn unless_stopped<T>(&self, sending: impl Future<Output = Result<T, StartError>>) -> Result<T, StartError> {
        self.stop.run_until_cancelled(sending).await.unwrap_or(Err(StartError::Interrupted))
    }
}

/// Says that a command cannot send, because a daemon that was ended a moment ago holds the lease yet.
fn held() -> StartError {
    let reason = "an instance that was ended just now may still be sending to the channel; try again in a minute";
    StartError::Store(StoreError::Unavailable(reason.to_owned()))
}
