//! `orderbell schema`: the JSON Schema of the configuration, for editors.

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::config::schema;

pub fn run() -> Result<(), Failure> {
    output::line(format_args!("{:#}", schema::schema()))
}
