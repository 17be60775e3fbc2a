//! What the daemon does a second, beside bare poem answering a constant: webhooks recorded, webhooks delivered, each with its
//! ratio to the constant of the same round.
//!
//! `cargo bench --bench throughput -- [--rows A,B] [--connections 1,64] [--rounds 3] [--seconds 3] [--json FILE]`;
//! `docs/performance.md` says what each row is and how to read the table. Without any argument nothing is measured.
//!
//! Server, load and receiver are processes of their own: this binary starts itself anew with a role. The server has one core
//! to itself, load and receiver have another.

#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

mod constant;
mod daemon;
mod load;
mod options;
mod process;
mod receiver;
mod requests;
mod rows;
mod table;

use std::process::ExitCode;

use crate::options::Options;

/// The daemon's own, so that the constant has the same.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, role, ..] = arguments.as_slice()
        && flag == "--role"
    {
        process::end_with_parent();
        return act(role);
    }
    if arguments.is_empty() {
        println!("nothing is measured without an argument: cargo bench --bench throughput");
        return ExitCode::SUCCESS;
    }
    match Options::read(&arguments) {
        Ok(options) => {
            rows::measure(&options);
            ExitCode::SUCCESS
        }
        Err(fault) => {
            eprintln!("{fault}");
            ExitCode::from(2)
        }
    }
}

/// What a child of the benchmark does, until its parent has no more use for it.
fn act(role: &str) -> ExitCode {
    match role {
        "server-constant" => constant::serve(constant::Work::Nothing),
        "server-append-log" => constant::serve(constant::Work::AppendLog),
        "receiver" => receiver::serve("200 OK"),
        "receiver-parking" => receiver::serve("401 Unauthorized"),
        "load" => load::run(),
        _ => {
            eprintln!("there is no role {role}");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
