//! A PostgreSQL of the tests' own, on a free port of this machine: made once for a process of tests, gone at its end, whatever
//! that is; and databases in it, one for each test.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use orderbell::store::address::StoreUrl;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::support::untested;

/// Of the user `postgres`: with each letter that an address has to escape.
const PASSWORD: &str = "a b:@/?#%&=ü";
const PASSWORD_IN_URL: &str = "a%20b%3A%40%2F%3F%23%25%26%3D%C3%BC";

/// Where Debian has its programs, below a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// A running PostgreSQL.
pub struct Cluster {
    pub port: u16,
    pub folder: PathBuf,
    pub programs: PathBuf,
    /// It keeps the server until its input is closed: by the end of this process, however that comes.
    keeper: Child,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// That of this process; `None` where PostgreSQL is not installed, which is said once.
pub fn cluster() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(|| programs().map(|programs| Cluster::start(&programs))).as_ref()
}

fn programs() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("ORDERBELL_POSTGRES_BIN") {
        return Some(PathBuf::from(named));
    }
    let versions = std::fs::read_dir(DEBIAN).into_iter().flatten().filter_map(Result::ok);
    let bins = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists());
    let newest = bins
        .max_by_key(|bin| bin.parent().and_then(Path::file_name).and_then(|name| name.to_str()?.parse::<u32>().ok()));
    if newest.is_none() {
        untested::say(&format!(
            "stores on PostgreSQL: there is no initdb below {DEBIAN}; install Debian's postgresql, or name its folder in ORDERBELL_POSTGRES_BIN"
        ));
    }
    newest
}

impl Cluster {
    /// One more, for tests that restart it or fill its disk.
    pub fn start(programs: &Path) -> Self {
        Self::start_with(programs, &[])
    }

    /// As [`Cluster::start`], by a clock that libfaketime sets: it stands in the file `clock` of its folder.
    pub fn start_by_clock(programs: &Path, library: &Path, clock: &str) -> Self {
        let library = library.display().to_string();
        Self::start_with(programs, &[("ORDERBELL_TEST_CLOCK_LIBRARY", &library), ("ORDERBELL_TEST_CLOCK", clock)])
    }

    fn start_with(programs: &Path, environment: &[(&str, &str)]) -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let port =
            TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port();
        let mut keeper = Command::new("sh")
            .arg(here.join("tests/it/postgres/cluster.sh"))
            .args([programs, Path::new(&port.to_string()), &here.join("tests/data/tls")])
            .env("ORDERBELL_TEST_PASSWORD", PASSWORD)
            .envs(environment.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the tests; this one ends after them.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let said = BufReader::new(keeper.stdout.take().expect("its output")).lines();
        let said: Vec<String> = said.map_while(Result::ok).take(2).collect();
        let [folder, ready] = said.as_slice() else { panic!("PostgreSQL does not start: {said:?}") };
        assert_eq!(ready, "ready");
        Self { port, folder: PathBuf::from(folder), programs: programs.to_owned(), keeper }
    }

    /// The address of a database.
    pub fn url(&self, database: &str) -> String {
        url(&format!("127.0.0.1:{}", self.port), database)
    }

    /// A connection of the tests' own.
    pub async fn connect(&self, database: &str) -> Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.folder).port(self.port).user("postgres").dbname(database);
        let (client, connection) = config.connect(NoTls).await.expect("a connection");
        tokio::spawn(connection);
        client
    }

    /// Has one of its programs do something, as the user under which the server runs.
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let mut command = Command::new("sh");
        let as_user = "if [ \"$(id -u)\" = 0 ]; then exec setpriv --reuid=postgres --regid=postgres --clear-groups -- \"$@\"; else exec \"$@\"; fi";
        command.args(["-c", as_user, "sh"]).arg(self.programs.join(program)).args(arguments);
        let output = command.current_dir("/").stdin(Stdio::null()).output().expect("it starts");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Stops the server at once, as a crash would.
    pub fn stop(&self) {
        self.control(&["-m", "immediate", "stop"]);
    }

    /// Starts it again.
    pub fn start_again(&self) {
        self.control(&["-w", "-l", &self.folder.join("log").display().to_string(), "start"]);
    }

    fn control(&self, arguments: &[&str]) {
        let data = self.folder.join("data").display().to_string();
        let mut all = vec!["-D", data.as_str()];
        all.extend(arguments);
        self.run("pg_ctl", &all);
    }
}

fn url(host: &str, database: &str) -> String {
    format!("postgres://postgres:{PASSWORD_IN_URL}@{host}/{database}")
}

/// A database of one test; it goes at the end of it.
pub struct Database {
    pub cluster: &'static Cluster,
    pub name: String,
}

impl Database {
    /// An empty one; `None` where PostgreSQL is not installed.
    pub async fn make() -> Option<Self> {
        Self::make_with("").await
    }

    /// With more to say of it, such as its encoding.
    pub async fn make_with(more: &str) -> Option<Self> {
        let cluster = tokio::task::spawn_blocking(cluster).await.expect("no panic")?;
        Some(Self::make_in(cluster, more).await)
    }

    pub async fn make_in(cluster: &'static Cluster, more: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let name = format!("bell_{}", MADE.fetch_add(1, Ordering::Relaxed));
        let admin = cluster.connect("postgres").await;
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE template0 {more}")).await.expect("a database");
        Self { cluster, name }
    }

    pub fn url(&self) -> String {
        self.cluster.url(&self.name)
    }

    /// As the configuration has it.
    pub fn store_url(&self) -> StoreUrl {
        self.store_url_at(&format!("127.0.0.1:{}", self.cluster.port), "")
    }

    /// By another host and port, with what stands behind the `?`.
    pub fn store_url_at(&self, host: &str, parameters: &str) -> StoreUrl {
        let url = format!("{}?{parameters}", url(host, &self.name));
        StoreUrl::parse(&url).unwrap_or_else(|invalid| panic!("{url}: {}", invalid.message))
    }

    /// A connection of the test's own.
    pub async fn connect(&self) -> Client {
        self.cluster.connect(&self.name).await
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (cluster, name) = (self.cluster, self.name.clone());
        let dropped = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let admin = cluster.connect("postgres").await;
                admin.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await
            })
        });
        // A test that has failed says why by itself.
        let _ = dropped.join();
    }
}

/// The only value of a query that has one.
pub async fn value(client: &Client, sql: &str) -> String {
    let rows = client.simple_query(sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"));
    let mut values = rows.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or_default().to_owned()),
        _ => None,
    });
    values.next().unwrap_or_default()
}
