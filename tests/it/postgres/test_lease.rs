//! `orderbell test` where no daemon runs: it holds the lease of the channel's credential for a short time, and however the test
//! ends, whoever wants it next finds it free.

use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use orderbell::sandbox::fault::{Fault, MailPhase, Times};
use orderbell::sandbox::rules::Rules;
use orderbell::sandbox::smtp::{MailServer, Tls};
use orderbell::store;
use orderbell::store::leases::WantedLease;
use tokio_postgres::Client;

use crate::postgres::cluster::{Database, value};
use crate::support::{Scene, in_time, whole};

/// The time-out of the channels here, and what a lease has beyond it, in milliseconds.
const LEASE_MS: i64 = 15_000 + 20_000;

struct House {
    scene: Scene,
    database: Database,
    client: Client,
}

impl House {
    async fn new() -> Option<Self> {
        let database = Database::make().await?;
        let client = database.connect().await;
        let scene = Scene::new(Rules::new()).await;
        let post = MailServer { tls: Tls::Never, ..MailServer::default() };
        let channels = [
            scene.mailbox("box", post, "[\"owner@example.com\"]", "timeout = \"15s\"").await,
            scene.hook("erp", "timeout = \"15s\""),
        ];
        let text = whole("", &channels.concat()).replace("sqlite:bell.db", &database.url());
        std::fs::write(scene.folder.path().join("orderbell.toml"), text).expect("written");
        Some(Self { scene, database, client })
    }

    fn begin(&self, channel: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
        command.args(["test", channel]).current_dir(self.scene.folder.path());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it runs")
    }

    /// Nobody holds anything, nothing waits, and whoever asks gets the lease.
    async fn assert_free(&self, times: &str) {
        assert_eq!(value(&self.client, "SELECT count(*) FROM leases WHERE owner <> ''").await, "0", "{times}");
        assert_eq!(
            value(&self.client, "SELECT count(*) FROM deliveries WHERE state = 'waiting'").await,
            "0",
            "{times}"
        );
        let store = store::open(&self.database.store_url(), Timestamp::now()).await.expect("the store opens");
        let lease = value(&self.client, "SELECT name FROM leases LIMIT 1").await;
        let wanted = WantedLease { lease, lasts: SignedDuration::from_secs(1), channels: Vec::new() };
        let acquired = store.acquire(vec![wanted], "a daemon", Timestamp::now()).await.expect("asked").remove(0);
        let acquired = acquired.unwrap_or_else(|| panic!("{times}: it is held"));
        store.release(vec![acquired.grant.token]).await.expect("released");
        store.close().await;
    }
}

async fn ended(child: Child) -> Output {
    let ended = tokio::task::spawn_blocking(move || child.wait_with_output());
    in_time(ended).await.expect("no panic").expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_send_that_is_interrupted_leaves_the_channel_free_at_once() {
    let Some(house) = House::new().await else { return };
    let silence = Fault::Silence { phase: MailPhase::Answer };
    house.scene.sandbox.order("smtp", silence, Times::Always);
    house.scene.sandbox.order("erp", Fault::Delay { delay_ms: 60_000 }, Times::Always);
    for (channel, attempts) in [("box", "1"), ("erp", "2")] {
        let child = house.begin(channel);
        in_time(async {
            let is_made = "SELECT to_regclass('attempts') IS NOT NULL";
            while value(&house.client, is_made).await != "t" {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            while value(&house.client, "SELECT count(*) FROM attempts").await != attempts {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await;
        let lasts =
            "SELECT max(until) - CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) FROM leases";
        let lasts: i64 = value(&house.client, lasts).await.parse().expect("a number");
        assert!(lasts <= LEASE_MS, "{channel}: a command that is killed would hold it for {lasts} ms");
        let sent = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
        assert!(sent.success());
        let output = ended(child).await;
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{channel}: {output:?}");
        assert!(said.contains("interrupted"), "{channel}: {said}");
        house.assert_free(channel).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_send_leaves_the_channel_free_whatever_comes_of_it() {
    let Some(house) = House::new().await else { return };
    let refused = Fault::Status { status: 401, body: String::new() };
    for (fault, code) in [(None, 0), (Some(Fault::Cut), 1), (Some(refused), 1), (None, 0)] {
        let times = format!("{fault:?}");
        if let Some(fault) = fault {
            house.scene.sandbox.order("erp", fault, Times::Next(1));
        }
        let output = ended(house.begin("erp")).await;
        assert_eq!(output.status.code(), Some(code), "{times}: {output:?}");
        house.assert_free(&times).await;
    }
}
