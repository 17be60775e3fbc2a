//! What is in force of the configuration and what its file says, and which instances run by it.

use std::sync::Arc;

use jiff::Timestamp;

use crate::flow::configuration_file::{FileExamination, ShownConfiguration};
use crate::flow::leadership::LEADER;
use crate::flow::resources::{ResourceError, Resources};
use crate::store::StoreError;
use crate::store::leases::ListedInstance;

/// One of the instances that share the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunningInstance {
    pub name: String,
    pub version: String,
    pub since: Timestamp,
    /// Whether it does what is done once for all.
    pub leads: bool,
}

impl Resources {
    /// The configuration in force as it may be shown.
    pub fn shown_configuration(&self) -> Option<Arc<ShownConfiguration>> {
        self.configuration_file.as_ref().map(|file| file.in_force())
    }

    /// Reads the file of the configuration anew, one at a time; `None` where no file is read while the daemon runs.
    pub async fn examine_file(&self) -> Result<Option<FileExamination>, ResourceError> {
        let Some(file) = self.configuration_file.clone() else { return Ok(None) };
        let busy = || ResourceError::Busy("the file is just being read for somebody else".to_owned());
        let turn = self.examining.take("").ok_or_else(busy)?;
        // Also where nobody waits for it any more, the next one begins when this one has ended.
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            file.examine()
        });
        Ok(reading.await.map_err(|_| StoreError::Unavailable("reading the file met an internal error".to_owned()))?)
    }

    /// The instances that share the store; none where one daemon has it alone.
    pub async fn instances(&self) -> Result<Vec<RunningInstance>, ResourceError> {
        if !self.store.is_shared() {
            return Ok(Vec::new());
        }
        let (roster, now) = (self.store.roster().await?, self.clock.now());
        let leads = |one: &ListedInstance| {
            let mut leases = roster.leases.iter();
            leases.any(|held| held.token.lease == LEADER && held.instance == one.announcement.id)
        };
        let running = |one: &ListedInstance| RunningInstance {
            name: one.announcement.name.clone(),
            version: one.announcement.version.clone(),
            since: now.checked_sub(one.began_ago).unwrap_or(now),
            leads: leads(one),
        };
        Ok(roster.instances.iter().map(running).collect())
    }
}
