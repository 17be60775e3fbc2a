//! PgBouncer in front, in transaction mode: each transaction may have another connection, and there are fewer than are asked for.

use std::io::Write;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use futures_util::future::join_all;
use orderbell::domain::retry::{Outcome, Step};
use orderbell::store;
use orderbell::store::Store;
use orderbell::store::ingest::Recorded;

use crate::postgres::cluster::{Database, value};
use crate::store::conformance::scene::{at, due, placed, states, tried};
use crate::support::{in_time, untested};

const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// A running PgBouncer; dropping it ends it, and so does the end of the tests.
struct PgBouncer {
    port: u16,
    keeper: Child,
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // Its keeper ends it then.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

impl PgBouncer {
    /// With two connections to the server; `None` where it is not installed, which is said.
    fn start(database: &Database, folder: &Path) -> Option<Self> {
        if !Path::new(PROGRAM).exists() {
            untested::say("stores behind PgBouncer: there is no /usr/sbin/pgbouncer; install Debian's pgbouncer");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port();
        let (name, server) = (&database.name, &database.cluster);
        let settings = format!(
            "[databases]\n{name} = host={} port={} dbname={name} user=postgres\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = 2\n",
            server.folder.display(),
            server.port
        );
        let file = folder.join("pgbouncer.ini");
        std::fs::File::create(&file).and_then(|mut file| file.write_all(settings.as_bytes())).expect("a file");
        // As the server's user, by whom the socket can be reached; it refuses to run as root.
        let run = "if [ \"$(id -u)\" = 0 ]; then chown -R postgres \"$2\"; as='setpriv --reuid=postgres --regid=postgres --clear-groups --'; fi\n\
                   $as \"$1\" -q \"$2/pgbouncer.ini\" </dev/null & while read -r _; do :; done; kill $!; wait $!";
        let keeper = Command::new("sh")
            .args(["-c", run, "sh", PROGRAM])
            .arg(folder)
            .stdin(Stdio::piped())
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        Some(Self { port, keeper })
    }
}

#[tokio::test]
async fn a_pool_that_gives_each_transaction_another_connection_is_no_matter() {
    let Some(database) = Database::make().await else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let Some(pool) = PgBouncer::start(&database, folder.path()) else { return };
    let url = database.store_url_at(&format!("127.0.0.1:{}", pool.port), "sslmode=disable");
    let stores = join_all((0..2).map(|_| store::open(&url, at(0)))).await;
    let stores: Vec<_> = stores.into_iter().map(|store| store.expect("a store that may come later")).collect();
    for store in &stores {
        in_time(store.opened()).await;
    }
    // From both at the same time, and looks in between.
    let record = async |store: &dyn Store, number: u32| {
        let recorded = store.record(placed(&number.to_string(), &["kitchen"])).await.expect("recorded");
        assert!(store.version().await.is_ok());
        matches!(recorded, Recorded::New { .. })
    };
    let asked = (0..40).map(|number| record(&*stores[number as usize % 2], number % 20));
    let new = join_all(asked).await.into_iter().filter(|is_new| *is_new).count();
    assert_eq!(new, 20, "of the same webhook at both, one is new");
    let waiting = due(&*stores[0], "kitchen", 1).await;
    assert_eq!(waiting.len(), 20);
    for (delivery, store) in waiting.iter().zip(stores.iter().cycle()) {
        tried(&**store, delivery.id, 1, Outcome::Delivered, Step::Delivered).await;
    }
    assert!(states(&*stores[1]).await.iter().all(|state| *state == ("delivered".to_owned(), 1)));
    let sql = "SELECT count(DISTINCT seq) || ' ' || max(seq) FROM events";
    assert_eq!(value(&database.connect().await, sql).await, "20 20");
    for store in stores {
        store.close().await;
    }
}
