//! `orderbell man`: the manual page of the whole program, in roff.

use std::io;

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use crate::cli::failure::Failure;
use crate::cli::output;

/// What the exit code of a command says to programs.
pub const EXIT_CODES: [(&str, &str); 3] =
    [("0", "done"), ("1", "it did not work; standard error says why"), ("2", "wrong usage or configuration")];

/// What can be set around a command.
pub const VARIABLES: [(&str, &str); 4] = [
    ("ORDERBELL_CONFIG", "the configuration file, where --config is not given"),
    (
        "ORDERBELL_LOG",
        "how much serve says: error, warn, info (default), debug or trace, or by part, as in warn,orderbell::flow=debug; --log-level goes before it",
    ),
    ("ORDERBELL_LOG_FORMAT", "text (default), or json for one JSON object a line; --log-format goes before it"),
    ("NO_COLOR", "set to anything: no colours"),
];

const FILES: [(&str, &str); 2] = [
    ("orderbell.toml", "the configuration, in the present folder unless --config or ORDERBELL_CONFIG says otherwise"),
    (
        "orderbell.db",
        "the store, beside the configuration unless [store] says otherwise; with -wal and -shm while in use",
    ),
];

pub fn run(command: Command) -> Result<(), Failure> {
    let mut page = Vec::new();
    write(command, &mut page).map_err(|error| Failure::Failed(format!("the page cannot be made: {error}")))?;
    output::print(String::from_utf8_lossy(&page))
}

/// The page of the whole, and behind it one of each command.
fn write(mut command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    command.build();
    let man = Man::new(command.clone());
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    man.render_subcommands_section(page)?;
    table("EXIT STATUS", &EXIT_CODES).to_writer(page)?;
    table("ENVIRONMENT", &VARIABLES).to_writer(page)?;
    table("FILES", &FILES).to_writer(page)?;
    of_each(&command, page)
}

fn of_each(command: &Command, page: &mut Vec<u8>) -> io::Result<()> {
    for command in command.get_subcommands() {
        // What all commands have stands above.
        Man::new(command.clone().mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg }))
            .render(page)?;
        of_each(command, page)?;
    }
    Ok(())
}

fn table(heading: &str, rows: &[(&str, &str)]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", [heading]);
    for (name, meaning) in rows {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*meaning)]);
    }
    roff
}
