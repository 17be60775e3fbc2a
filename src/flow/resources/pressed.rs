//! Buttons of a delivery: what came of one, where others may have pressed it at the same moment.

use uuid::Uuid;

use crate::flow::changes;
use crate::flow::config_summary::ConfigSummary;
use crate::flow::resources::{ResourceError, Resources};
use crate::store::history::change::{Applied, ChangeRequest, ChangeResult};

/// What came of a button.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pressed {
    Done,
    /// Somebody else was faster, and it is so already.
    Already,
    /// It cannot be done, and why.
    Hindered(String),
}

impl Pressed {
    fn of(request: ChangeRequest, change: &ChangeResult, config: &ConfigSummary) -> Self {
        match &change.result {
            Ok(Applied::Already) => Self::Already,
            Ok(_) => Self::Done,
            Err(_) => Self::Hindered(changes::words(request, change, config)),
        }
    }
}

impl Resources {
    /// As [`Resources::redeliver`].
    ///
    /// # Errors
    /// As there.
    pub async fn press_redeliver(&self, id: Uuid, round: u32) -> Result<Pressed, ResourceError> {
        let changed = self.redelivered(id, round).await?;
        Ok(Pressed::of(ChangeRequest::Redeliver, &changed, &self.config()))
    }

    /// As [`Resources::cancel`].
    ///
    /// # Errors
    /// As there.
    pub async fn press_cancel(&self, id: Uuid) -> Result<Pressed, ResourceError> {
        let changed = self.cancelled(id).await?;
        Ok(Pressed::of(ChangeRequest::Cancel, &changed, &self.config()))
    }
}
