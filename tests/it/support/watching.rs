//! A daemon that watches its configuration, and the file that it watches.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use orderbell::app;
use orderbell::app::reload::Watch;
use orderbell::config;
use orderbell::flow::service_manager::ServiceManager;
use orderbell::in_force::fingerprint::Fingerprint;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::start::bound;
use crate::support::{Daemon, Scene, TOO_LONG, keeta, whole};

/// How often the daemon looks, where a test waits for it to see a change.
pub const OFTEN: Duration = Duration::from_millis(20);
/// Where it must not look by itself.
pub const NEVER: Duration = Duration::from_secs(3600);

pub struct Watching {
    pub daemon: Daemon,
    pub file: PathBuf,
    asked: Arc<Notify>,
}

impl Deref for Watching {
    type Target = Daemon;

    fn deref(&self) -> &Daemon {
        &self.daemon
    }
}

impl Scene {
    /// Starts a daemon on a file with this configuration, as `serve` does.
    pub async fn start_watching(&self, look_every: Duration, top: &str, text: &str) -> Watching {
        self.start_watching_by(ServiceManager::default(), look_every, top, text).await
    }

    /// As [`Scene::start_watching`], under a service manager.
    pub async fn start_watching_by(
        &self,
        service_manager: ServiceManager,
        look_every: Duration,
        top: &str,
        text: &str,
    ) -> Watching {
        let file = self.folder.path().join("orderbell.toml");
        replace(&file, &whole(top, text));
        let before = Fingerprint::of(&file);
        let config = config::read(&file).unwrap_or_else(|problems| panic!("{problems:#?}")).config;
        let (listeners, address, admin) = bound(&config).await;
        let (shutdown, asked) = (CancellationToken::new(), Arc::new(Notify::new()));
        let watch = Watch { file: file.clone(), before, look_every, asked: asked.clone(), service_manager };
        let run = app::run_watching(config, watch, listeners, self.hands.clock(), shutdown.clone());
        let daemon = Daemon::new(address, shutdown, tokio::spawn(run), &self.store()).await.with_admin(admin);
        Watching { daemon, file, asked }
    }
}

impl Watching {
    /// Puts another configuration in the place of the file, all at once.
    pub fn write(&self, top: &str, text: &str) {
        replace(&self.file, &whole(top, text));
    }

    /// As SIGHUP does.
    pub fn ask(&self) {
        self.asked.notify_one();
    }

    /// Writes a configuration with one more source of this name, asks the daemon to read it, and waits until it takes
    /// webhooks for that source.
    pub async fn reload(&self, marker: &str, top: &str, text: &str) {
        self.write(top, &marked(marker, text));
        self.ask();
        self.until_takes(marker).await;
    }

    /// Waits until the daemon takes webhooks for a source.
    pub async fn until_takes(&self, source: &str) {
        let deadline = Instant::now() + TOO_LONG;
        // An empty packet, which asks whether the daemon lives.
        while self.post_to(source, b"{}").await.status != 200 {
            assert!(Instant::now() < deadline, "no configuration with {source} came in force");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// A configuration that can be known by a source of this name.
pub fn marked(marker: &str, text: &str) -> String {
    format!("{}{text}", keeta::source(marker, ""))
}

/// Writes a file beside and moves it into its place, as a careful program does.
pub fn replace(file: &Path, text: &str) {
    let beside = file.with_extension("new");
    std::fs::write(&beside, text).expect("written");
    std::fs::rename(&beside, file).expect("moved");
}
