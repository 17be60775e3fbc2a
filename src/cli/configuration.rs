//! The configuration as the commands name it, and the names in it.

use crate::cli::failure::Failure;

/// The configuration where none is named.
pub const USUAL_FILE: &str = "orderbell.toml";

/// That there is no channel or source of this name, and which there are.
pub fn unknown(family: &str, name: &str, mut known: Vec<String>) -> Failure {
    known.sort();
    let others = match known.is_empty() {
        true => format!("nor any other: {}", how_to_add(family)),
        false => format!("there are: {}", known.join(", ")),
    };
    Failure::Misused(format!("there is no {family} \"{name}\"; {others}"))
}

/// What to do where the configuration has none of a family of tables.
pub fn how_to_add(family: &str) -> String {
    format!("add a [{family}.NAME], as `orderbell init --source keeta --channel dingtalk` prints it")
}
