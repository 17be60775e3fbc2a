//! `orderbell init`: a commented configuration to begin with.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Write;
use std::path::Path;
use std::path::PathBuf;

use clap::Args;

use crate::cli::Failure;
use crate::cli::example;
use crate::cli::output;

#[derive(Args)]
pub struct Init {
    /// Write it to this file, which must not be there yet, instead of printing it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub fn run(init: &Init) -> Result<(), Failure> {
    match &init.output {
        None => output::print(example::TEXT),
        Some(file) => write(file),
    }
}

/// Writes the example to a file of its own: whatever is there already stays as it is.
fn write(file: &Path) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut opened| {
        let done = opened.write_all(example::TEXT.as_bytes()).and_then(|()| opened.sync_all());
        // Half a configuration would be in the way of the next try.
        done.inspect_err(|_| drop(std::fs::remove_file(file)))
    });
    match written {
        Ok(()) => output::line(format_args!(
            "{0} is written; change it, then try it with `orderbell --config {0} check`",
            file.display()
        )),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::Failed(format!(
            "{} is there already and stays as it is; choose another name, or move it away first",
            file.display()
        ))),
        Err(error) => Err(Failure::Failed(format!("{} cannot be written: {error}", file.display()))),
    }
}
