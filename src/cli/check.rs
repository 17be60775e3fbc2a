//! `orderbell check`: every problem of the configuration at once.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::cli::Failure;
use crate::cli::Format;
use crate::cli::colour;
use crate::config;
use crate::config::problem;
use crate::config::problem::Severity;

#[derive(Args)]
pub struct Check {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

pub fn run(check: &Check, file: &Path) -> Result<(), Failure> {
    let (problems, starts) = match config::read(file) {
        Ok(loaded) => (loaded.warnings, true),
        Err(problems) => (problems, false),
    };
    match check.format {
        Format::Text if problems.is_empty() => println!("{}: no errors, no warnings", file.display()),
        Format::Text => print!("{}", problem::render(&problems, colour(std::io::stdout().is_terminal()))),
        Format::Json => println!("{}", json!({ "starts": starts, "problems": problems })),
    }
    let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
    match errors {
        0 => Ok(()),
        _ => Err(Failure::Misused(format!("{} would not start", file.display()))),
    }
}
