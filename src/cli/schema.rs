//! `orderbell schema`: the JSON Schema of the configuration, for editors.

use crate::cli::Failure;
use crate::config::schema;

pub fn run() -> Result<(), Failure> {
    println!("{:#}", schema::schema());
    Ok(())
}
