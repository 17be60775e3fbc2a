//! This daemon as one of those that share a store: its name, the leases that it holds, and who else runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::config::configured::Config;
use crate::config::identity::identity;
use crate::flow::instance::Instance;
use crate::flow::leadership::Leadership;
use crate::flow::lease_keeper::LeaseKeeper;
use crate::flow::notifier::Notifier;
use crate::flow::pacers::Pacers;
use crate::flow::supervisor::Supervisor;
use crate::flow::tenure::Tenures;
use crate::flow::watch::scope::Company;
use crate::flow::{Clock, ids};
use crate::store::leases::Leases;

/// Workers are woken at most this often because of what others have committed.
const WOKEN_EVERY: Duration = Duration::from_millis(200);

/// What the rooms get to know of it.
pub struct Instances {
    pub tenures: Tenures,
    pub leadership: Leadership,
    /// Absent where the store is held by this daemon alone.
    pub company: Option<Company>,
}

/// This instance, on a store that others may share.
pub fn instance(port: u16, fingerprint: String) -> Instance {
    let read =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|path| std::fs::read_to_string(path).ok());
    let host = read.or_else(|| std::env::var("HOSTNAME").ok()).unwrap_or_default();
    let host = Some(host.trim()).filter(|host| !host.is_empty()).unwrap_or("host");
    Instance::new(host, port, fingerprint, ids::unique())
}

/// The digest of a configuration, with the file that it was read from.
pub fn fingerprint(config: &Config, file: Option<&Path>) -> String {
    let folder = file.and_then(Path::parent).unwrap_or(Path::new(""));
    identity(config.text.expose(), folder, &config.overlay)
}

/// Holds leases until the daemon stops; of a store that nobody shares there is nothing to hold.
pub fn hold(
    leases: &Arc<dyn Leases>,
    instance: &Instance,
    pacers: &Pacers,
    clock: &Clock,
    supervisor: &Supervisor,
) -> Instances {
    if !leases.is_shared() {
        return Instances { tenures: Tenures::unlimited(), leadership: Leadership::alone(), company: None };
    }
    let keeper = LeaseKeeper::new(leases.clone(), instance.clone(), pacers.clone(), clock.clone());
    let (tenures, leadership) = (keeper.tenures.clone(), keeper.leadership.clone());
    let company = Company { instance: instance.clone(), roster: keeper.roster.clone() };
    let stop = supervisor.stop();
    supervisor.keep("leases", move || keeper.clone().run(stop.clone()));
    Instances { tenures, leadership, company: Some(company) }
}

/// Wakes the workers when another instance says that something was committed, until `stop`.
pub async fn wake(leases: Arc<dyn Leases>, notifier: Notifier, stop: CancellationToken) {
    while let Some(channels) = stop.run_until_cancelled(leases.woken()).await {
        match channels.as_slice() {
            [] => notifier.wake_all(),
            channels => notifier.wake(channels),
        }
        // However much is committed elsewhere, the store is not read for each of it.
        tokio::time::sleep(WOKEN_EVERY).await;
    }
}
