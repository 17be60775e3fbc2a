//! The receiving side of the daemon within this process, where a benchmark needs a hand on its store or its clock.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;
use orderbell::app::setup;
use orderbell::config;
use orderbell::config::configured::Config;
use orderbell::config::context::LoadContext;
use orderbell::flow::intake::{Intake, IntakeOutcome};
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::routing::RoutingSnapshot;
use orderbell::flow::{Clock, Current};
use orderbell::platform::{Method, PlatformReply};
use orderbell::store::Store;
use orderbell::store::sqlite::Sqlite;

use crate::daemon::{Erp, configuration};

/// The daemon's file where the configuration names none.
pub const STORE: &str = "orderbell.db";

pub struct Receiving {
    pub store: Arc<dyn Store>,
    pub intake: Arc<Intake>,
    pub routing: Current<RoutingSnapshot>,
    pub notifier: Notifier,
}

impl Receiving {
    /// On the store in this folder, which is made if there is none.
    pub fn open(folder: &Path, channels: &[Erp], more: &str, clock: &Clock) -> Self {
        let text = configuration(SocketAddr::from(([127, 0, 0, 1], 0)), channels) + more;
        let store: Arc<dyn Store> = Arc::new(Sqlite::open(&folder.join(STORE), clock.now()).expect("a store"));
        let routing = Current::new(setup::routing(read(folder, &text)));
        let notifier = Notifier::default();
        let notices = Notices::new(store.clone(), routing.clone(), notifier.clone());
        let intake = Intake::new(routing.clone(), notices, store.clone(), notifier.clone(), clock.clone());
        Self { store, intake: Arc::new(intake), routing, notifier }
    }

    /// Lets go of the store.
    pub async fn close(self) {
        drop((self.intake, self.routing));
        self.store.close().await;
    }
}

fn read(folder: &Path, text: &str) -> Config {
    let (file, languages) = (folder.join("bench.toml"), config::context::languages());
    let context = LoadContext { file: &file, env: &|_| None, languages, secrets: config::context::SecretReading::Read };
    config::read_text(text, &context).expect("a valid configuration").config
}

/// Has one webhook recorded.
pub async fn receive(intake: &Intake, body: Vec<u8>) {
    let outcome = intake.receive("keeta-hk", Method::Post, None, &HeaderMap::new(), Bytes::from(body)).await;
    assert!(matches!(outcome, IntakeOutcome::Answer(PlatformReply::Received, _)), "{outcome:?}");
}
