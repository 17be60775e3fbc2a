//! The assistant of a first start: the one draft of this process, from its first value to a file on disk, and the daemon that
//! goes on by that.

mod draft;
pub mod saving;
mod testing;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::app::assistant::draft::{Draft, secrets_in};
use crate::app::assistant::saving::Handover;
use crate::app::assistant::testing::Tests;
use crate::config::scaffold::table::SecretsIn;
use crate::flow::Clock;
use crate::flow::resources::channel::TestOutcome;
use crate::flow::setup_assistant::{
    EndingValues, Family, GeneralValues, GivenTable, SampleRead, SetupAssistant, SetupError, SetupStage, SetupView,
};
use crate::in_force::Errors;

/// Cloning shares it.
#[derive(Clone)]
pub struct Assistant(Arc<Inner>);

struct Inner {
    /// The file that is to be written, by its whole path.
    file: PathBuf,
    /// Where the page is.
    admin: SocketAddr,
    /// What the start does with errors of the file.
    errors: Errors,
    clock: Clock,
    draft: Mutex<Draft>,
    tests: Tests,
    handover: Mutex<Option<Handover>>,
    /// Cancelled when there is a handover.
    ended: CancellationToken,
}

impl Assistant {
    /// One whose page is at `admin`, and which is to write `file`.
    pub fn new(file: &Path, admin: SocketAddr, errors: Errors, clock: Clock) -> Self {
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
        Self(Arc::new(Inner {
            file,
            admin,
            errors,
            clock,
            draft: Mutex::new(Draft::new()),
            tests: Tests::default(),
            handover: Mutex::default(),
            ended: CancellationToken::new(),
        }))
    }

    /// Cancelled when the daemon is to go on: nothing more is asked for here from then on.
    pub fn end(&self) -> CancellationToken {
        self.0.ended.clone()
    }

    /// What the daemon goes on with, once it is to.
    pub fn handover(&self) -> Option<Handover> {
        self.0.handover.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Inner {
    fn draft(&self) -> MutexGuard<'_, Draft> {
        self.draft.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The whole text, with its secrets, and the name of a table in it.
    fn text_and_name(&self, family: Family, place: usize) -> Result<(String, String), SetupError> {
        let draft = self.draft();
        let table = draft.tables(family).get(place);
        let table = table.ok_or_else(|| SetupError::Refused("there is nothing at this place yet".to_owned()))?;
        Ok((draft.text(&self.file, self.admin, SecretsIn::File), table.name().to_owned()))
    }
}

impl SetupAssistant for Assistant {
    fn view(&self) -> SetupView {
        let stage = saving::stage(&self.0.file, self.0.errors);
        self.0.draft().view(&self.0.file, self.0.admin, stage)
    }

    fn set_general(&self, general: GeneralValues) {
        self.0.draft().set_general(general);
    }

    fn set_table(&self, family: Family, place: usize, given: GivenTable) -> Result<(), SetupError> {
        self.0.draft().set(family, place, given)
    }

    fn remove_table(&self, family: Family, place: usize) {
        let mut draft = self.0.draft();
        let tables = draft.tables_mut(family);
        if place < tables.len() {
            tables.remove(place);
        }
    }

    fn set_ending(&self, ending: EndingValues) {
        self.0.draft().ending = ending;
    }

    fn try_sample(&self, place: usize) -> Result<SampleRead, SetupError> {
        let (text, name) = self.0.text_and_name(Family::Source, place)?;
        testing::sample(&self.0.file, &text, &name, self.0.clock.now())
    }

    fn test(&self, place: usize) -> BoxFuture<'_, Result<TestOutcome, SetupError>> {
        let inner = self.0.clone();
        // To its end, whatever becomes of who asked: what is sent is sent.
        let test = async move { inner.test(place).await };
        let interrupted = || SetupError::Refused("the test met an internal error; the log says more".to_owned());
        async move { tokio::spawn(test).await.unwrap_or_else(|_| Err(interrupted())) }.boxed()
    }

    fn text(&self) -> String {
        self.0.draft().text(&self.0.file, self.0.admin, SecretsIn::Variables)
    }

    fn save(&self) -> Result<(), SetupError> {
        let draft = self.0.draft();
        let whole = draft.text(&self.0.file, self.0.admin, SecretsIn::File);
        let view = draft.view(&self.0.file, self.0.admin, SetupStage::Draft);
        if !view.is_right {
            let errors = view.findings.into_iter().filter(|found| found.severity == "error");
            return Err(SetupError::Wrong(errors.collect()));
        }
        // While it can still be changed here; it is taken at the start.
        if let Ok(address) = view.general.listen.parse() {
            saving::listen(address)?;
        }
        let text = match secrets_in(draft.ending.secrets) {
            SecretsIn::File => whole,
            variables => draft.text(&self.0.file, self.0.admin, variables),
        };
        saving::write(&self.0.file, &text)?;
        tracing::info!(file = %self.0.file.display(), "the configuration is written");
        Ok(())
    }

    fn start(&self) -> BoxFuture<'_, Result<(), SetupError>> {
        async {
            let (file, errors) = (self.0.file.clone(), self.0.errors);
            let prepared = tokio::task::spawn_blocking(move || saving::prepare(&file, errors)).await;
            let failed = || SetupError::Refused("reading the file met an internal error; the log says more".to_owned());
            let (started, before, listeners) = prepared.map_err(|_| failed())??;
            let handover = Handover { started, before, hooks: listeners.hooks };
            *self.0.handover.lock().unwrap_or_else(PoisonError::into_inner) = Some(handover);
            self.0.ended.cancel();
            Ok(())
        }
        .boxed()
    }
}

impl Inner {
    async fn test(&self, place: usize) -> Result<TestOutcome, SetupError> {
        let tested = self.draft().tables(Family::Channel).get(place).cloned();
        let (text, name) = self.text_and_name(Family::Channel, place)?;
        let channel = testing::channel(&self.file, &text, &name)?;
        let outcome = self.tests.send(&name, &channel, self.clock.clone()).await?;
        let mut draft = self.draft();
        let now = draft.tables_mut(Family::Channel).get_mut(place);
        // It says nothing of other values.
        if let Some(now) = now.filter(|now| tested.is_some_and(|tested| now.is_same(&tested))) {
            now.tested = Some((&outcome).into());
        }
        Ok(outcome)
    }
}
