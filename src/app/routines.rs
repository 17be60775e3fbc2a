//! What the daemon does by the clock and a reload may change: the heartbeat and the backups.

use std::path::Path;
use std::sync::Arc;

use crate::config::configured::{Config, ConfiguredHeartbeat};
use crate::domain::backup::BackupSettings;
use crate::domain::heartbeat::HeartbeatSettings;
use crate::flow::backups::{BackupMaker, BackupStatus};
use crate::flow::health::HealthCheck;
use crate::flow::heartbeat::Heartbeat;
use crate::flow::leadership::Leadership;
use crate::flow::notifier::Notifier;
use crate::flow::supervisor::Supervisor;
use crate::flow::{Clock, Current, watch};
use crate::store::Store;
use crate::store::address::StoreUrl;

/// The settings in force, and how the backups fare. Cloning shares them.
#[derive(Clone)]
pub struct Routines {
    configured: Current<Option<ConfiguredHeartbeat>>,
    heartbeat: Current<Option<HeartbeatSettings>>,
    backup: Current<Option<BackupSettings>>,
    pub backups: BackupStatus,
}

impl Routines {
    pub fn of(config: &Config) -> Self {
        Self {
            configured: Current::new(config.heartbeat.clone()),
            heartbeat: Current::new(heartbeat(config)),
            backup: Current::new(config.backup.clone()),
            backups: BackupStatus::default(),
        }
    }

    /// The heartbeat as it is configured, also where it cannot call.
    pub fn configured(&self) -> Option<ConfiguredHeartbeat> {
        self.configured.get().as_ref().clone()
    }

    /// Goes on with the settings of a new configuration.
    pub fn replace(&self, config: &Config) {
        self.configured.replace(config.heartbeat.clone());
        self.heartbeat.replace(heartbeat(config));
        self.backup.replace(config.backup.clone());
    }

    /// Calls until the daemon stops.
    pub fn keep_calling(
        &self,
        supervisor: &Supervisor,
        health: &Arc<HealthCheck>,
        store: &Arc<dyn Store>,
        clock: &Clock,
    ) {
        let heartbeat = Heartbeat {
            settings: self.heartbeat.clone(),
            health: health.clone(),
            store: store.clone(),
            clock: clock.clone(),
        };
        let stop = supervisor.stop();
        supervisor.keep("heartbeat", move || heartbeat.clone().run(stop.clone()));
    }

    /// Makes backups until the daemon stops.
    pub fn keep_backing_up(
        &self,
        supervisor: &Supervisor,
        store: &StoreUrl,
        leadership: &Leadership,
        notifier: &Notifier,
        clock: &Clock,
    ) {
        let maker = BackupMaker {
            settings: self.backup.clone(),
            store: store.clone(),
            leadership: leadership.clone(),
            status: self.backups.clone(),
            notifier: notifier.clone(),
            free,
            clock: clock.clone(),
        };
        let stop = supervisor.stop();
        supervisor.keep("backups", move || maker.clone().run(stop.clone()));
    }
}

/// What can be called.
fn heartbeat(config: &Config) -> Option<HeartbeatSettings> {
    let ConfiguredHeartbeat { settings, closed } = config.heartbeat.clone()?;
    closed.is_none().then_some(settings)
}

fn free(folder: &Path) -> Option<u64> {
    watch::gauge(folder)().map(|space| space.free)
}
