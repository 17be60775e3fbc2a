//! `orderbell check`: every problem of the configuration and of its templates at once.

use std::io::IsTerminal;
use std::path::Path;

use clap::Args;
use serde_json::json;

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::cli::output::{OutputFormat, colour};
use crate::config;
use crate::config::Examined;
use crate::diagnostic;
use crate::diagnostic::Severity;

#[derive(Args)]
pub struct Check {
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    format: OutputFormat,
}

pub fn run(check: &Check, file: &Path) -> Result<(), Failure> {
    let Examined { problems, starts } = config::examine(file);
    let printed = match check.format {
        OutputFormat::Text if problems.is_empty() => {
            output::line(format_args!("{}: no errors, no warnings", file.display()))
        }
        OutputFormat::Text => output::print(diagnostic::render(&problems, colour(std::io::stdout().is_terminal()))),
        OutputFormat::Json => output::line(json!({ "starts": starts, "problems": problems })),
    };
    let errors = problems.iter().any(|problem| problem.severity == Severity::Error);
    match (errors, starts) {
        (false, _) => printed,
        // Whether or not anybody reads them to the end.
        (true, true) => Err(Failure::Misused("some messages would not go out as they are meant".to_owned())),
        (true, false) => Err(Failure::Misused(format!(
            "the daemon would not start with {}; where it ran before, it goes on with what was last in force",
            file.display()
        ))),
    }
}
