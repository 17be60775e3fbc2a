//! What the daemon does a second, beside bare poem answering a constant: webhooks recorded, webhooks delivered, each with its
//! ratio to the constant of the same round.
//!
//! `cargo bench --bench throughput -- [--rows A,B] [--connections 1,64] [--rounds 3] [--seconds 3] [--json FILE]`;
//! `docs/performance.md` says what each row is, which options there are and how to read the table. Without any argument nothing
//! is measured.
//!
//! Server, load and receiver are processes of their own: this binary starts itself anew with a role. The server has one core
//! to itself, load and receiver have another.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod api;
mod beside;
mod busy;
mod constant;
mod conversion;
mod daemon;
mod database;
mod in_process;
mod large;
mod load;
mod options;
mod page;
mod process;
mod receiver;
mod requests;
mod rest;
mod rounds;
mod rows;
mod scene;
mod seed;
mod steady;
mod table;

use std::process::ExitCode;

use serde_json::json;

use crate::busy::Task;
use crate::constant::Work;
use crate::options::Options;
use crate::receiver::Reaction;
use crate::requests::Content;
use crate::rows::Method;

/// What is under way at a WebHook channel, where that is a setting.
const AT_ONCE: u32 = 64;

/// The daemon's own, so that the constant has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, role, ..] = arguments.as_slice()
        && flag == "--role"
    {
        return act(role);
    }
    if arguments.is_empty() {
        println!("nothing is measured without an argument: cargo bench --bench throughput");
        return ExitCode::SUCCESS;
    }
    match Options::read(&arguments) {
        Ok(options) => {
            measure(&options);
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(2)
        }
    }
}

/// Measures what is asked for, and prints and writes it.
fn measure(options: &Options) {
    process::pin_own();
    let (machine, version) = (table::machine(), daemon::version(&options.daemon));
    println!("{version}; {machine}");
    let bytes = [Content::Thin, Content::Order].map(|content| requests::make(content, 0, 1)[0].len());
    println!("a thin webhook has {} bytes, an order {}, heads included", bytes[0], bytes[1]);
    let at_once = daemon::knows_at_once(&options.daemon).then_some(AT_ONCE);
    if at_once.is_none() {
        println!("this daemon has no at_once: its WebHooks have as many sends under way as it likes");
    }
    let of = |method: Method| options.rows.iter().copied().filter(move |row| row.method() == method);
    let compared: Vec<_> = of(Method::Throughput).chain(of(Method::Postgres)).collect();
    let throughput = rounds::measure(options, &compared, at_once);
    let steady: Vec<_> = of(Method::Steady).map(|_| steady::measure(options, at_once)).collect();
    let rest: Vec<_> = of(Method::Rest).map(|_| rest::measure(options)).collect();
    let large = large::measure(options, &of(Method::Large).collect::<Vec<_>>());
    let api = api::measure(options, &of(Method::Api).collect::<Vec<_>>());
    let beside = beside::measure(options, &of(Method::Beside).collect::<Vec<_>>());
    let conversion: Vec<_> = of(Method::Conversion).map(|_| conversion::measure(options)).collect();
    if let Some(file) = &options.json {
        let document = json!({
            "machine": machine,
            "daemon": version,
            "seconds": options.time.as_secs_f64(),
            "bytes": { "thin": bytes[0], "order": bytes[1] },
            "at_once": at_once,
            "throughput": throughput,
            "steady": steady.first(),
            "rest": rest.first(),
            "large": large,
            "api": api,
            "beside": beside,
            "conversion": conversion.first(),
        });
        table::write(file, &document);
    }
}

/// What a child of the benchmark does, until its parent has no more use for it.
fn act(role: &str) -> ExitCode {
    match role {
        "server-constant" => constant::serve(Work::Nothing),
        "server-append-log" => constant::serve(Work::AppendLog),
        "receiver" => receiver::serve(Reaction::Take),
        "receiver-noting" => receiver::serve(Reaction::Note),
        "receiver-refusing" => receiver::serve(Reaction::Refuse),
        "load" => load::run(),
        "seed" => seed::run(),
        "daemon-sweeping" => busy::serve(Task::Sweep),
        "daemon-reporting" => busy::serve(Task::Report),
        _ => {
            eprintln!("there is no role {role}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
