//! `orderbell schema`: the JSON Schema of the configuration, for editors.

use crate::cli::{Failure, output};
use crate::config::schema;

pub fn run() -> Result<(), Failure> {
    output::line(format_args!("{:#}", schema::schema()))
}
