//! The instances, each a process of its own, their database and their receivers.

use std::fs::File;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use orderbell::domain::secret::Secret;
use orderbell::sandbox::Sandbox;
use orderbell::sandbox::inbox::Received;
use orderbell::sandbox::rules::{RobotRules, Rules};
use orderbell::store;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio_postgres::Client;

use crate::postgres::cluster::{Cluster, Database, cluster, value};
use crate::support::address::own_address;

/// How many WebHooks each event of an order goes to.
pub const HOOKS: usize = 4;
pub const ROBOTS: [&str; 2] = ["kitchen", "office"];
/// Of the channels. So a lease lasts for 22 seconds.
const TIMEOUT: &str = "2s";
/// After the last mishap everything must have arrived within this time.
const PATIENCE: Duration = Duration::from_secs(300);
const TOO_LONG: Duration = Duration::from_secs(60);

/// All of it.
pub struct House {
    pub instances: Vec<InstanceProcess>,
    pub database: Database,
    _folder: TempDir,
    _receivers: Sandbox,
    received: Arc<Mutex<Vec<Received>>>,
    /// When the report is due.
    report_at: Timestamp,
}

/// One `orderbell serve`.
pub struct InstanceProcess {
    pub address: SocketAddr,
    folder: PathBuf,
    child: Option<Child>,
}

impl Drop for InstanceProcess {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.folder.join("log.txt")).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("{}:\n{}", self.folder.display(), lines[lines.len().saturating_sub(60)..].join("\n"));
        }
        self.kill();
    }
}

impl InstanceProcess {
    pub fn start(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.join("log.txt")).expect("a log");
        let child = Command::new(env!("CARGO_BIN_EXE_orderbell"))
            .args(["--config", "orderbell.toml", "serve"])
            .current_dir(&self.folder)
            .env("ORDERBELL_LOG", "warn,orderbell::flow::lease_keeper=info")
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.expect("the program starts"));
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let child = self.child.as_ref().expect("it runs");
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().expect("kill");
        assert!(sent.success(), "{signal}: {sent}");
    }

    /// Ends it with SIGTERM; answers whether it did so properly.
    pub async fn stop(&mut self) -> bool {
        self.signal("-TERM");
        let mut child = self.child.take().expect("it runs");
        tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").is_ok_and(|status| status.success())
    }

    /// Fails where it has ended by itself.
    pub fn must_run(&mut self) {
        if let Some(child) = &mut self.child {
            let ended = child.try_wait().expect("a child");
            assert!(ended.is_none(), "{} ended by itself: {ended:?}", self.folder.display());
        }
    }
}

impl House {
    /// `None` where there is no PostgreSQL.
    pub async fn start() -> Option<Self> {
        let programs = tokio::task::spawn_blocking(|| cluster().map(|cluster| cluster.programs.clone()));
        let programs = programs.await.expect("no panic")?;
        // Of its own, because it is restarted.
        let own = tokio::task::spawn_blocking(move || Cluster::start(&programs)).await.expect("it starts");
        let database = Database::make_in(Box::leak(Box::new(own)), "").await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let robot = RobotRules { secret: Some(Secret::new("SECtogether")), keyword: None };
        let receivers = Sandbox::start(listener, Rules::new().robot("kitchen", robot).wecom("office"));
        let received = collect(&receivers);
        let folder = tempfile::tempdir().expect("a folder");
        let report_at = next_minute(Timestamp::now() + SignedDuration::from_secs(25));
        let mut instances: Vec<InstanceProcess> = Vec::new();
        for number in 0..3 {
            let (address, folder) = (own_address(), folder.path().join(format!("instance-{number}")));
            std::fs::create_dir(&folder).expect("a folder");
            let text = configuration(address, &database.url(), &receivers, report_at);
            std::fs::write(folder.join("orderbell.toml"), text).expect("written");
            let mut instance = InstanceProcess { address, folder, child: None };
            instance.start();
            instances.push(instance);
        }
        let mut house = Self { instances, database, _folder: folder, _receivers: receivers, received, report_at };
        house.until_all_listen().await;
        Some(house)
    }

    async fn until_all_listen(&mut self) {
        let begun = Instant::now();
        for instance in &mut self.instances {
            while tokio::net::TcpStream::connect(instance.address).await.is_err() {
                instance.must_run();
                assert!(begun.elapsed() < TOO_LONG, "{} does not listen", instance.address);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// Everything that a receiver got, in its sequence.
    pub fn received(&self) -> Vec<Received> {
        self.received.lock().expect("no panic elsewhere").clone()
    }

    /// A connection to the database.
    pub async fn connect(&self) -> Client {
        self.database.connect().await
    }

    /// Whoever ends properly is taken over without a wait.
    pub async fn one_ends_and_leaves_its_leases_at_once(&mut self) {
        let client = self.connect().await;
        let held = async |port: u16| {
            let sql = format!("SELECT count(*) FROM leases WHERE owner LIKE '%:{port} %'");
            value(&client, &sql).await.parse::<u32>().expect("a number")
        };
        let instance = &mut self.instances[0];
        let port = instance.address.port();
        let begun = Instant::now();
        while held(port).await == 0 {
            assert!(begun.elapsed() < TOO_LONG, "it holds no lease");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert!(instance.stop().await, "it ends properly");
        assert_eq!(held(port).await, 0, "it holds leases yet");
    }

    /// Waits until nothing waits any more, the report included.
    pub async fn until_everything_is_done(&mut self) {
        let begun = Instant::now();
        let reader = store::open_beside(&self.database.store_url()).await.expect("the store");
        let client = self.connect().await;
        loop {
            let waiting = reader.waiting().await.expect("reading");
            let is_reported = value(&client, "SELECT count(*) FROM events WHERE kind = 'report.daily'").await != "0";
            // Then a second one would have been made, too.
            let is_past = Timestamp::now() > self.report_at + SignedDuration::from_secs(10);
            if waiting.is_empty() && is_reported && is_past {
                return;
            }
            self.instances.iter_mut().for_each(InstanceProcess::must_run);
            assert!(begun.elapsed() < PATIENCE, "deliveries wait: {waiting:?}, reported: {is_reported}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

fn collect(receivers: &Sandbox) -> Arc<Mutex<Vec<Received>>> {
    let mut arrivals = receivers.subscribe();
    let received: Arc<Mutex<Vec<Received>>> = Arc::default();
    let seen = received.clone();
    tokio::spawn(async move {
        loop {
            match arrivals.recv().await {
                Ok(one) => seen.lock().expect("no panic elsewhere").push(one),
                Err(RecvError::Lagged(missed)) => panic!("{missed} messages were not counted"),
                Err(RecvError::Closed) => return,
            }
        }
    });
    received
}

fn next_minute(at: Timestamp) -> Timestamp {
    Timestamp::from_second((at.as_second() / 60 + 1) * 60).expect("a time")
}

fn configuration(address: SocketAddr, url: &str, receivers: &Sandbox, report_at: Timestamp) -> String {
    let more = format!("allow_private = true\ntimeout = \"{TIMEOUT}\"\nretry = {:?}", ["1s"; 20]);
    let hook =
        |name: &str| format!("[channel.{name}]\nkind = \"webhook\"\nurl = \"{}\"\n{more}\n", receivers.hook_url(name));
    let names: Vec<String> = (0..HOOKS).map(|number| format!("erp{number}")).collect();
    let hooks: String = names.iter().map(|name| hook(name)).collect();
    format!(
        r#"
        timezone = "UTC"
        language = "en"
        [server]
        listen = "{address}"
        public_url = "https://bell.example.com"
        [store]
        url = "{url}"
        [operator]
        to = ["ops"]
        [source.keeta-hk]
        platform = "keeta"
        app_id = 1
        app_secret = "s"
        [channel.kitchen]
        kind = "dingtalk"
        webhook = "{}"
        secret = "SECtogether"
        {more}
        [channel.office]
        kind = "wecom"
        webhook = "{}"
        {more}
        {hooks}
        {}
        [[route]]
        events = ["order.placed"]
        to = {ROBOTS:?}
        [[route]]
        events = ["order.*"]
        to = {names:?}
        [report.daily]
        at = "{}"
        to = ["ops"]
        "#,
        receivers.robot_url("kitchen"),
        receivers.wecom_url("office"),
        hook("ops"),
        report_at.to_zoned(TimeZone::UTC).strftime("%H:%M"),
    )
}
