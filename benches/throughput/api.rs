//! How long each read of the API, and each view of the page, takes on a very large store, and how much memory it costs.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::Value;

use crate::daemon::{self, Daemon, Erp};
use crate::database::Database;
use crate::options::Options;
use crate::process::{Core, pinned};
use crate::rows::Row;
use crate::scene::folder;
use crate::seed::{History, Seeded};
use crate::{page, seed, table};

const TOKEN: &str = "a-token-of-the-bench";
/// What belongs to the start is over by then.
const SETTLED: Duration = Duration::from_secs(3);
/// Requests of each sort; the first is not counted.
const TIMES: usize = 50;

/// The answers to one request.
#[derive(Debug, Serialize)]
struct Answers {
    request: String,
    bytes: usize,
    p50_ms: f64,
    p95_ms: f64,
    most_ms: f64,
    /// By how much the daemon's peak of memory has grown.
    memory_mib: f64,
}

#[derive(Debug, Serialize)]
pub struct Api {
    row: &'static str,
    database: &'static str,
    store: Seeded,
    answers: Vec<Answers>,
}

/// Measures these rows: on SQLite, and where the command line names a server, on PostgreSQL as well.
pub fn measure(options: &Options, rows: &[Row]) -> Vec<Api> {
    rows.iter().flat_map(|row| one_row(options, *row)).collect()
}

fn one_row(options: &Options, row: Row) -> Vec<Api> {
    let (history, events, name) = match row {
        Row::ApiWaiting | Row::PageWaiting => (History::Waiting, options.waiting, Row::Waiting.name()),
        _ => (History::Old, options.old, Row::Old.name()),
    };
    let own = folder();
    let place: PathBuf = match &options.stores {
        Some(stores) => stores.join(format!("{name}-{events}")),
        None => own.path().join(name),
    };
    let store = seed::ensure(&place, history, events);
    let of = |database, answers| Api { row: row.name(), database, store: store.clone(), answers };
    let mut measured = vec![of("sqlite", on(options, row, &place, None))];
    if let Some(server) = &options.postgres {
        let database = Database::make(server);
        move_store(options, &place, &database.address());
        measured.push(of("postgres", on(options, row, folder().path(), Some(&database.address()))));
    }
    measured.iter().for_each(print);
    measured
}

fn on(options: &Options, row: Row, place: &Path, url: Option<&str>) -> Vec<Answers> {
    let admin = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
    let store = url.map(|url| format!("[store]\nurl = \"{url}\"\n")).unwrap_or_default();
    let more = format!("{store}[admin]\nlisten = \"{admin}\"\ntoken = \"{TOKEN}\"\n");
    let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
    let channels = [Erp { name: "erp", receiver: nowhere, at_once: None }];
    let daemon = Daemon::start_with(&options.daemon, place, &channels, &more);
    std::thread::sleep(SETTLED);
    let requests = match row {
        Row::PageWaiting | Row::PageOld => page::views(admin),
        _ => requests(admin),
    };
    requests.into_iter().map(|request| ask(&daemon, admin, request)).collect()
}

/// Moves a copy of the store: what is kept stays as it is.
fn move_store(options: &Options, place: &Path, to: &str) {
    let copy = folder();
    let file = copy.path().join("bench.db");
    std::fs::copy(place.join(crate::in_process::STORE), &file).expect("room for a copy");
    let mut command: Command = pinned(Core::Any, &options.daemon);
    command.arg("move-store").arg("--from").arg(format!("sqlite:{}", file.display())).arg("--to").arg(to);
    let output = command.output().expect("the command runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Status and body of the answer to whoever may read everything.
pub fn get(admin: SocketAddr, path: &str) -> (u16, String) {
    let token = format!("authorization: Bearer {TOKEN}\r\n");
    daemon::get_with(admin, path, &token).expect("the daemon answers")
}

/// Every list, filtered and not, the second page of each, one of each sort, and what is asked of all of them.
fn requests(admin: SocketAddr) -> Vec<String> {
    let json = |path: &str| -> Value { serde_json::from_str(&get(admin, path).1).unwrap_or_default() };
    let first = |list: &Value, field: &str| {
        list["items"][0][field].as_str().unwrap_or_else(|| panic!("{list} has a {field}")).to_owned()
    };
    let (events, orders, deliveries) = (json("/api/v1/events"), json("/api/v1/orders"), json("/api/v1/deliveries"));
    let (event, number, source) = (first(&events, "id"), first(&orders, "number"), first(&orders, "source"));
    let mut paths = ["events", "orders", "deliveries", "channels", "sources", "reports", "notices", "configuration"]
        .map(str::to_owned)
        .to_vec();
    for (list, name) in [(&events, "events"), (&orders, "orders"), (&deliveries, "deliveries")] {
        paths.extend(list["next"].as_str().map(|next| format!("{name}?cursor={next}")));
    }
    paths.extend([
        "events?kind=order.cancelled".to_owned(),
        "events?kind=order.placed&limit=200".to_owned(),
        format!("events/{event}"),
        format!("orders?number={number}"),
        "orders?number=0042".to_owned(),
        "orders?shop=1".to_owned(),
        format!("orders/{source}/{number}"),
        "deliveries?state=waiting".to_owned(),
        "deliveries?state=dead".to_owned(),
        "deliveries?channel=erp&kind=order.cancelled".to_owned(),
        "deliveries/count?state=waiting".to_owned(),
        "channels/erp".to_owned(),
        format!("why?about={number}"),
    ]);
    if deliveries["items"].as_array().is_some_and(|items| !items.is_empty()) {
        paths.push(format!("deliveries/{}", first(&deliveries, "id")));
    }
    let mut paths: Vec<String> = paths.into_iter().map(|path| format!("/api/v1/{path}")).collect();
    paths.extend(["/metrics".to_owned(), "/readyz".to_owned()]);
    paths
}

fn ask(daemon: &Daemon, admin: SocketAddr, request: String) -> Answers {
    let before = daemon.running.memory_mib("VmHWM");
    let mut bytes = 0;
    let mut times: Vec<f64> = (0..=TIMES)
        .map(|_| {
            let begin = Instant::now();
            let (status, body) = get(admin, &request);
            assert_eq!(status, 200, "{request}: {body}");
            bytes = body.len();
            begin.elapsed().as_secs_f64() * 1e3
        })
        .skip(1)
        .collect();
    times.sort_by(f64::total_cmp);
    Answers {
        request,
        bytes,
        p50_ms: times[times.len() / 2],
        p95_ms: times[times.len() * 95 / 100],
        most_ms: times[times.len() - 1],
        memory_mib: daemon.running.memory_mib("VmHWM") - before,
    }
}

fn print(Api { row, database, store, answers }: &Api) {
    println!("\n{row} on {database}: {} events, {} MB", store.events, store.bytes / 1_000_000);
    let head = ["request", "bytes", "p50 ms", "p95 ms", "most ms", "memory MiB"];
    let tenths = |number: f64| format!("{number:.1}");
    // Ids and cursors are of no interest.
    let short = |request: &str| request.chars().take(60).collect::<String>();
    let line = |one: &Answers| {
        let numbers = [one.p50_ms, one.p95_ms, one.most_ms, one.memory_mib].map(tenths);
        [&[short(&one.request), one.bytes.to_string()][..], &numbers].concat()
    };
    table::print(&head, &answers.iter().map(line).collect::<Vec<_>>());
}
