//! Starts daemons in a scene: from a text, in another folder, with another clock or store.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use orderbell::app;
use orderbell::app::Listeners;
use orderbell::app::reload::Watch;
use orderbell::config::configured::Config;
use orderbell::domain::template::Templates;
use orderbell::flow::Clock;
use orderbell::flow::service_manager::ServiceManager;
use orderbell::flow::supervisor::BeforeRun;
use orderbell::in_force::fingerprint::Fingerprint;
use orderbell::store::Store;
use tokio_util::sync::CancellationToken;

use crate::support::{A_WHILE, Daemon, Scene, listen, whole};

/// The sockets that a configuration needs, and their addresses.
pub async fn bound(config: &Config) -> (Listeners, SocketAddr, Option<SocketAddr>) {
    let (hooks, address) = listen().await;
    match config.admin {
        Some(_) => {
            let (admin, at) = listen().await;
            (Listeners { hooks, admin: Some(admin) }, address, Some(at))
        }
        None => (Listeners { hooks, admin: None }, address, None),
    }
}

impl Scene {
    pub async fn start(&self, text: &str) -> Daemon {
        self.start_in(self.folder.path(), text).await
    }

    pub async fn start_in(&self, folder: &Path, text: &str) -> Daemon {
        self.start_with(self.config_in(folder, text), folder).await
    }

    pub async fn start_with(&self, config: Config, folder: &Path) -> Daemon {
        let (listeners, address, admin) = bound(&config).await;
        let shutdown = CancellationToken::new();
        let run = app::run(config, listeners, self.hands.clock(), shutdown.clone());
        Daemon::new(address, shutdown, tokio::spawn(run), &folder.join("bell.db")).await.with_admin(admin)
    }

    /// By a clock of the test's own.
    pub async fn start_by(&self, clock: &Clock, text: &str) -> Daemon {
        let (config, (hooks, address)) = (self.config(text), listen().await);
        let shutdown = CancellationToken::new();
        let run = app::run(config, Listeners { hooks, admin: None }, clock.clone(), shutdown.clone());
        Daemon::new(address, shutdown, tokio::spawn(run), &self.store()).await
    }

    /// With something to call before each run of a task that must run, and with a watch over the file of the configuration.
    pub async fn start_probed(&self, before_run: BeforeRun, text: &str) -> Daemon {
        self.start_notifying(before_run, ServiceManager::default(), text).await
    }

    /// As [`Scene::start_probed`], under a service manager.
    pub async fn start_notifying(&self, before_run: BeforeRun, service_manager: ServiceManager, text: &str) -> Daemon {
        let (config, (hooks, address)) = (self.config(text), listen().await);
        let file = self.folder.path().join("orderbell.toml");
        std::fs::write(&file, whole("", text)).expect("written");
        let watch =
            Watch { before: Fingerprint::of(&file), file, look_every: A_WHILE, asked: Arc::default(), service_manager };
        let (clock, shutdown) = (self.hands.clock(), CancellationToken::new());
        let run =
            app::run_probed(config, Listeners { hooks, admin: None }, clock, Some(watch), before_run, shutdown.clone());
        Daemon::new(address, shutdown, tokio::spawn(run), &self.store()).await
    }

    /// With a watch over the file of the configuration that looks so often.
    pub async fn start_watched(&self, text: &str, look_every: Duration) -> Daemon {
        let config = self.config(text);
        let (listeners, address, admin) = bound(&config).await;
        let file = self.folder.path().join("orderbell.toml");
        std::fs::write(&file, whole("", text)).expect("written");
        let (before, service_manager) = (Fingerprint::of(&file), ServiceManager::default());
        let watch = Watch { before, file, look_every, asked: Arc::default(), service_manager };
        let (clock, shutdown) = (self.hands.clock(), CancellationToken::new());
        let run = app::run_watching(config, watch, listeners, clock, shutdown.clone());
        Daemon::new(address, shutdown, tokio::spawn(run), &self.store()).await.with_admin(admin)
    }

    /// On a store and with templates of the test's own.
    pub async fn start_on(&self, store: Arc<dyn Store>, templates: Templates, text: &str) -> Daemon {
        self.start_on_with(store, templates, self.config(text)).await
    }

    pub async fn start_on_with(&self, store: Arc<dyn Store>, templates: Templates, config: Config) -> Daemon {
        let (listeners, address, admin) = bound(&config).await;
        let shutdown = CancellationToken::new();
        let run = app::run_on(store, templates, config, listeners, self.hands.clock(), shutdown.clone());
        Daemon::new(address, shutdown, tokio::spawn(run), &self.store()).await.with_admin(admin)
    }
}
