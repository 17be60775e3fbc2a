//! What other programs see of Orderbell and may change: the same functions that the commands use, over the store and the
//! configuration in force.

pub mod change;
pub mod channel;
pub mod configuration_file;
mod cursor;
pub mod delivery;
mod edit;
pub mod event;
pub mod moment;
pub mod notices;
pub mod order;
pub mod overview;
pub mod pressed;
pub mod preview;
pub mod query;
mod read;
pub mod report;
mod report_day;
pub mod sample;
pub mod source;
mod source_states;
pub mod story;
pub mod stream;
pub mod template;
mod today;
mod turns;
pub mod unsent;
pub mod values;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::domain::template::Templates;
use crate::flow::config_summary::ConfigSummary;
use crate::flow::configuration_file::ConfigurationFile;
use crate::flow::notifier::Notifier;
use crate::flow::resources::source_states::SourceStates;
use crate::flow::resources::today::TodayFigures;
use crate::flow::resources::turns::Turns;
use crate::flow::routing::RoutingSnapshot;
use crate::flow::samples::SampleSender;
use crate::flow::sessions::SessionKeeper;
use crate::flow::{Clock, Current};
use crate::store::{Store, StoreError};

/// So many streams at a time.
pub const STREAMS: usize = 32;
/// So many templates are tried at a time.
const TRIALS: usize = 2;

/// Everything that programs ask for and change.
#[derive(Clone)]
pub struct Resources {
    pub store: Arc<dyn Store>,
    pub routing: Current<RoutingSnapshot>,
    pub notifier: Notifier,
    pub clock: Clock,
    pub stop: CancellationToken,
    /// Who is logged in to the page.
    pub sessions: SessionKeeper,
    /// The channels to which a test is under way.
    testing: Turns,
    /// The reports that a person has sent right now.
    sending: Turns,
    /// Who tries a template right now, and how many may in all.
    trying: Turns,
    trials: Arc<Semaphore>,
    /// By which messages are composed.
    templates: Current<Templates>,
    /// The sources to which a sample is under way.
    sampling: Turns,
    /// Absent where no webhooks are taken.
    samples: Option<SampleSender>,
    /// Absent where nobody has read one.
    configuration_file: Option<Arc<dyn ConfigurationFile>>,
    examining: Turns,
    streams: Arc<Semaphore>,
    source_states: Arc<SourceStates>,
    today: Arc<TodayFigures>,
}

impl Resources {
    pub fn new(
        store: Arc<dyn Store>,
        routing: Current<RoutingSnapshot>,
        notifier: Notifier,
        clock: Clock,
        stop: CancellationToken,
    ) -> Self {
        let sessions = SessionKeeper::new(store.clone(), clock.clone());
        let ours = Templates::ours().cloned().map_or_else(Templates::built_in, Ok);
        let templates = Current::new(ours.expect("the built-in templates parse"));
        Self {
            store,
            routing,
            notifier,
            clock,
            stop,
            sessions,
            sending: Turns::default(),
            trying: Turns::default(),
            trials: Arc::new(Semaphore::new(TRIALS)),
            templates,
            testing: Turns::default(),
            sampling: Turns::default(),
            samples: None,
            configuration_file: None,
            examining: Turns::default(),
            streams: Arc::new(Semaphore::new(STREAMS)),
            source_states: Arc::default(),
            today: Arc::default(),
        }
    }

    /// With the intake of this daemon, for samples.
    #[must_use]
    pub fn with_samples(self, samples: SampleSender) -> Self {
        Self { samples: Some(samples), ..self }
    }

    /// With the file of the configuration, as it is shown.
    #[must_use]
    pub fn with_configuration_file(self, file: Arc<dyn ConfigurationFile>) -> Self {
        Self { configuration_file: Some(file), ..self }
    }
}

impl Resources {
    /// With the templates that are in force, which else are the built-in ones.
    pub fn composing_by(self, templates: Current<Templates>) -> Self {
        Self { templates, ..self }
    }

    /// What the configuration in force says.
    fn config(&self) -> Arc<ConfigSummary> {
        self.routing.get().summary.clone()
    }
}

/// Why something is not answered or not done.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ResourceError {
    /// There is no such thing.
    #[error("there is no {0}")]
    Missing(String),
    /// A cursor is not one of this list with these filters.
    #[error("this cursor is none of this list with these filters")]
    Cursor,
    /// What is asked makes no sense, whatever there is.
    #[error("{0}")]
    Senseless(String),
    /// Things stand otherwise than whoever asks takes for granted.
    #[error("{0}")]
    Conflict(String),
    /// Somebody else has the same done just now.
    #[error("{0}")]
    UnderWay(String),
    /// What was to answer did not.
    #[error("{0}")]
    Unanswered(String),
    /// Too many ask for the same at once.
    #[error("{0}")]
    Busy(String),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ResourceError {
    /// A thread that was to find it out has panicked.
    fn internal() -> Self {
        Self::Busy("orderbell met an internal error".to_owned())
    }
}
