//! The command line, nothing else.

use std::process::ExitCode;

/// Many small, short-lived texts are made for each webhook; this allocator is the quicker one at that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    orderbell::cli::main()
}
