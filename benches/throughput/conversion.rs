//! The conversion of a store that an older version wrote: how long it takes, what it costs, and what webhooks are answered
//! meanwhile.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use rusqlite::Connection;
use serde::Serialize;

use crate::daemon::Daemon;
use crate::in_process::STORE;
use crate::options::Options;
use crate::requests;
use crate::requests::Content;
use crate::scene::folder;
use crate::table;

/// Of schema 7: events of every kind of both platforms, orders, deliveries in every state.
const SCHEMA_7: &[u8] = include_bytes!("../../tests/stored/schema7.db.gz");
/// Between two webhooks.
const EVERY: Duration = Duration::from_millis(50);
const PATIENCE: Duration = Duration::from_secs(1800);

/// One conversion.
#[derive(Debug, Serialize)]
pub struct Conversion {
    pub events: i64,
    pub bytes: u64,
    /// From the start of the process to its first answer, and until a webhook was recorded.
    pub started_in_ms: f64,
    pub seconds: f64,
    pub processor_seconds: f64,
    pub most_mib: f64,
    /// Webhooks that were answered 503 meanwhile, and how long the slowest of those answers took.
    pub refused: usize,
    pub slowest_ms: f64,
    /// Lines of the log that say how far it is.
    pub lines: usize,
    pub bytes_after: u64,
}

/// Converts a store of so many events.
pub fn measure(options: &Options) -> Conversion {
    let place = folder();
    let store = place.path().join(STORE);
    let begin = Instant::now();
    let events = seed(&store, options.converted);
    let bytes = size(&store);
    println!(
        "\na store of schema 7: {events} events, {} MB, made in {:.0} s",
        mega(bytes),
        begin.elapsed().as_secs_f64()
    );
    let begin = Instant::now();
    let daemon = Daemon::start(&options.daemon, place.path(), &[]);
    let request = requests::make(Content::Thin, 0, 1).remove(0);
    let (mut refused, mut slowest) = (0, Duration::ZERO);
    loop {
        let asked = Instant::now();
        match post(daemon.address, &request) {
            200 => break,
            503 => (refused, slowest) = (refused + 1, slowest.max(asked.elapsed())),
            other => panic!("a webhook is answered {other}"),
        }
        assert!(begin.elapsed() < PATIENCE, "the conversion does not end");
        std::thread::sleep(EVERY);
    }
    let seconds = begin.elapsed().as_secs_f64();
    let log = fs::read_to_string(place.path().join("log")).expect("the log");
    let conversion = Conversion {
        events,
        bytes,
        started_in_ms: daemon.started_in.as_secs_f64() * 1e3,
        seconds,
        processor_seconds: daemon.running.processor(),
        most_mib: daemon.running.memory_mib("VmHWM"),
        refused,
        slowest_ms: slowest.as_secs_f64() * 1e3,
        lines: log.lines().filter(|line| line.contains("is being converted: event")).count(),
        bytes_after: size(&store),
    };
    print(&conversion);
    conversion
}

/// The stored events and orders so many times, under other ids and numbers.
fn seed(store: &Path, events: u64) -> i64 {
    let mut bytes = Vec::new();
    GzDecoder::new(SCHEMA_7).read_to_end(&mut bytes).expect("the stored database");
    File::create(store).and_then(|mut file| file.write_all(&bytes)).expect("a file");
    let connection = Connection::open(store).expect("it opens");
    let stored: u64 = count(&connection).try_into().expect("a few");
    let times = events / stored;
    let many = |insert: &str| {
        format!("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {times}) {insert}")
    };
    let events = many(&format!(
        "INSERT INTO events (id, kind, source, order_number, received_at, event, body, repeat_keys, repeats, routes)
         SELECT randomblob(16), kind, source, order_number || '-' || i, received_at + i, event, body, '[]', 0, routes
         FROM n, events WHERE seq <= {stored}"
    ));
    let orders = many(
        "INSERT INTO orders (source, number, body, day_at) SELECT source, number || '-' || i, body, day_at
         FROM n, (SELECT * FROM orders WHERE number NOT LIKE '%-%')",
    );
    let pragmas = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN;";
    connection.execute_batch(&format!("{pragmas} {events}; {orders}; COMMIT")).expect("written");
    count(&connection)
}

fn count(connection: &Connection) -> i64 {
    connection.query_row("SELECT count(*) FROM events", [], |row| row.get(0)).expect("a count")
}

fn size(store: &Path) -> u64 {
    fs::metadata(store).expect("a store").len()
}

fn mega(bytes: u64) -> u64 {
    bytes / 1_000_000
}

/// The status of the answer.
fn post(address: SocketAddr, request: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(address).expect("a connection is taken");
    stream.set_read_timeout(Some(PATIENCE)).expect("a time");
    stream.write_all(request).expect("it is read");
    let mut head = [0; 12];
    stream.read_exact(&mut head).expect("an answer");
    str::from_utf8(&head[9..]).ok().and_then(|status| status.parse().ok()).expect("a status")
}

fn print(conversion: &Conversion) {
    let columns = [
        ("events", conversion.events.to_string()),
        ("MB", mega(conversion.bytes).to_string()),
        ("first answer ms", format!("{:.0}", conversion.started_in_ms)),
        ("seconds", format!("{:.1}", conversion.seconds)),
        ("of processor", format!("{:.1}", conversion.processor_seconds)),
        ("most MiB", format!("{:.1}", conversion.most_mib)),
        ("answered 503", conversion.refused.to_string()),
        ("slowest ms", format!("{:.1}", conversion.slowest_ms)),
        ("lines of the log", conversion.lines.to_string()),
        ("MB then", mega(conversion.bytes_after).to_string()),
    ];
    let (head, row): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    table::print(&head, &[row]);
}
