//! `orderbell man`: the manual page of the whole program, in roff.

use std::io;

use clap::{Arg, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, italic, roman};

use crate::cli::{Failure, output};

/// What a program can tell from the way a command ends.
pub const EXIT_CODES: [(&str, &str); 3] =
    [("0", "done"), ("1", "it did not work; standard error says why"), ("2", "wrong usage or configuration")];

/// What can be set around a command.
pub const VARIABLES: [(&str, &str); 4] = [
    ("ORDERBELL_CONFIG", "the configuration file, where --config is not given"),
    (
        "ORDERBELL_LOG",
        "how much serve says: error, warn, info (default), debug or trace, or by part, as in warn,orderbell::flow=debug",
    ),
    ("ORDERBELL_LOG_FORMAT", "text (default), or json for one JSON object a line"),
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

fn write(mut command: Command, page: &mut Vec<u8>) -> io::Result<()> {
    command.build();
    let subcommands: Vec<Command> = command.get_subcommands().cloned().collect();
    let man = Man::new(command);
    man.render_title(page)?;
    man.render_name_section(page)?;
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    commands(&subcommands).to_writer(page)?;
    table("EXIT STATUS", &EXIT_CODES).to_writer(page)?;
    table("ENVIRONMENT", &VARIABLES).to_writer(page)?;
    table("FILES", &FILES).to_writer(page)
}

/// Every command with its options; those that all commands have stand above.
fn commands(subcommands: &[Command]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["COMMANDS"]);
    for command in subcommands {
        let own = |arg: &&Arg| {
            !arg.is_hide_set() && !arg.is_global_set() && !["help", "version"].contains(&arg.get_id().as_str())
        };
        let (options, operands): (Vec<&Arg>, Vec<&Arg>) =
            command.get_arguments().filter(own).partition(|arg| !arg.is_positional());
        let operands = operands.iter().map(|arg| arg.to_string()).collect::<Vec<_>>().join(" ");
        roff.control("SS", [format!("orderbell {} {operands}", command.get_name()).trim()]);
        roff.text([roman(command.get_about().map(ToString::to_string).unwrap_or_default())]);
        for arg in command.get_positionals().chain(options) {
            roff.control("TP", []);
            roff.text([if arg.is_positional() { italic(arg.to_string()) } else { bold(arg.to_string()) }]);
            roff.text([roman(explained(arg))]);
        }
    }
    roff
}

/// The help of an argument, with what may be written for it and what holds where it is absent.
fn explained(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if arg.get_action().takes_values() {
        let possible: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_owned()).collect();
        if !possible.is_empty() {
            text += &format!(" [one of: {}]", possible.join(", "));
        }
        if let [default] = arg.get_default_values() {
            text += &format!(" [default: {}]", default.to_string_lossy());
        }
    }
    text
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
