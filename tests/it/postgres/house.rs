//! Daemons of this process on one PostgreSQL, with receivers beside them.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use orderbell::app;
use orderbell::app::Listeners;
use orderbell::domain::template::Templates;
use orderbell::flow::Clock;
use orderbell::sandbox::rules::Rules;
use orderbell::store::Store;
use orderbell::store::address::StoreUrl;
use orderbell::store::postgres::Postgres;
use orderbell::store::postgres::schema::Migrations;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::postgres::cluster::{Cluster, Database, value};
use crate::support::{Answer, Scene, in_time, keeta, request};

/// The channels of each instance, which get all events of orders.
pub const HOOKS: [&str; 2] = ["erp", "shop"];

/// A database and the receivers, and a connection of the test's own.
pub struct House {
    pub scene: Scene,
    pub database: Database,
    pub client: Client,
}

/// A daemon of some version.
pub struct Instance {
    address: SocketAddr,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
    pub store: Arc<dyn Store>,
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.shutdown.cancel();
        self.task.abort();
    }
}

impl House {
    /// `None` where PostgreSQL is not installed.
    pub async fn new() -> Option<Self> {
        Some(Self::on(Database::make().await?).await)
    }

    /// In a server of the test's own.
    pub async fn new_in(cluster: &'static Cluster) -> Self {
        Self::on(Database::make_in(cluster, "").await).await
    }

    async fn on(database: Database) -> Self {
        let client = database.connect().await;
        Self { scene: Scene::new(Rules::new()).await, database, client }
    }

    pub async fn open(&self, migrations: Migrations) -> Arc<dyn Store> {
        self.open_at(&self.database.store_url(), migrations).await
    }

    async fn open_at(&self, url: &StoreUrl, migrations: Migrations) -> Arc<dyn Store> {
        let StoreUrl::Postgres(url) = url else { panic!("{url} is no PostgreSQL") };
        Arc::new(Postgres::open_with(url, migrations, Timestamp::now()).await.expect("a store that may come later"))
    }

    pub async fn start(&self, migrations: Migrations) -> Instance {
        self.start_at(&self.database.store_url(), migrations, "").await
    }

    /// By another address of the database, and with more in the configuration.
    pub async fn start_at(&self, url: &StoreUrl, migrations: Migrations, more: &str) -> Instance {
        let store = self.open_at(url, migrations).await;
        let hook = |name: &&str| self.scene.hook(name, "timeout = \"2s\"\nretry = [\"1s\"]");
        let hooks: String = HOOKS.iter().map(hook).collect();
        let routes = format!("[[route]]\nevents = [\"order.*\"]\nto = {HOOKS:?}\n");
        let mut config = self.scene.config(&format!("{hooks}{routes}{more}"));
        config.store.url = url.clone().within(self.scene.folder.path());
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let (address, shutdown) = (listener.local_addr().expect("an address"), CancellationToken::new());
        let templates = Templates::built_in().expect("they compile");
        let listeners = Listeners { hooks: listener, admin: None };
        let run = app::run_on(store.clone(), templates, config, listeners, Clock::system(), shutdown.clone());
        Instance { address, shutdown, task: tokio::spawn(async move { run.await.expect("it runs") }), store }
    }

    /// Waits until a query comes to this.
    pub async fn until(&self, sql: &str, wanted: &str) {
        in_time(async {
            while value(&self.client, sql).await != wanted {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
    }

    pub async fn until_channels_are_worked_by(&self, instances: u32) {
        let sql = "SELECT count(DISTINCT owner) || ' of ' || count(*) FROM leases WHERE name <> 'leader' AND until > 0 AND owner <> ''";
        self.until(sql, &format!("{instances} of {}", HOOKS.len())).await;
    }

    pub async fn until_nothing_waits(&self) {
        self.until("SELECT count(*) FROM deliveries WHERE state = 'waiting'", "0").await;
    }

    /// Which orders a receiver got in which state, each as often as it came.
    fn received(&self, name: &str) -> Vec<String> {
        let json = |body: &str| serde_json::from_str::<serde_json::Value>(body).expect("JSON");
        let said = |body: serde_json::Value| format!("{} {}", body["order"]["number"], body["kind"]).replace('"', "");
        let mut all: Vec<String> = self.scene.received(name).iter().map(|one| said(json(&one.body))).collect();
        all.sort();
        all
    }

    /// Each order placed and accepted, once.
    pub fn assert_received(&self, orders: RangeInclusive<u64>) {
        let mut expected: Vec<String> =
            orders.flat_map(|order| ["accepted", "placed"].map(|kind| format!("{order} order.{kind}"))).collect();
        expected.sort();
        for name in HOOKS {
            assert_eq!(self.received(name), expected, "{name}");
        }
    }
}

impl Instance {
    pub async fn post(&self, body: &[u8]) -> Answer {
        request(self.address, "POST", "/hooks/keeta", body).await
    }

    pub async fn acknowledged(&self, body: &[u8]) {
        let answer = self.post(body).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, keeta::RECEIVED));
    }

    pub async fn stop(mut self) {
        self.shutdown.cancel();
        in_time(&mut self.task).await.expect("it ends");
    }
}
