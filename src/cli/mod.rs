//! The commands: one file each, and what they share.

#![expect(clippy::disallowed_methods, reason = "the rim: a command asks what time it is, and hands it on")]

mod backup;
mod cancel;
mod change;
mod check;
mod completions;
pub mod config_summary;
mod configuration;
mod deliveries;
mod demo;
mod example;
mod failure;
mod first_start;
mod health;
pub mod init;
mod keeta;
mod log;
mod man;
mod message;
mod moment;
mod move_store;
mod output;
mod redeliver;
mod render;
mod report;
mod restore;
mod sandbox;
mod schema;
mod serve;
mod signals;
mod simulate;
mod store;
mod table;
mod templates;
mod test;
mod test_values;
mod token;
mod why;

use std::future::Future;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory, Parser, Subcommand};

use crate::cli::configuration::USUAL_FILE;
use crate::cli::failure::Failure;
use crate::cli::output::colour;
use crate::diagnostic;
use crate::diagnostic::{Effect, Severity};
use crate::in_force;
use crate::in_force::Instead;
use crate::render as rendering;

/// Rings the right people when a shop or food-delivery platform pushes an order or stock webhook.
#[derive(Parser)]
#[command(name = "orderbell", version, max_term_width = 100, disable_help_subcommand = true)]
#[command(after_help = "Exit codes: 0 done, 1 it did not work, 2 wrong usage or configuration.
New here? `orderbell demo` shows everything without any account. Then
`orderbell init --source keeta --channel dingtalk` writes what you need, and says what to do.")]
struct Arguments {
    /// The configuration file
    #[arg(long, global = true, value_name = "FILE", env = "ORDERBELL_CONFIG", default_value = USUAL_FILE)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Shows Orderbell at work: the example configuration, simulated receivers, a sample webhook of every kind
    Demo(demo::Demo),
    /// Runs the daemon; a changed configuration is taken up without a restart, at once on SIGHUP. With a broken one it
    /// starts with that last in force
    Serve(serve::Serve),
    /// Reads the configuration, renders every template with every sample where some are your own, and prints all problems
    Check(check::Check),
    /// Sends a real test message to channels; says what a refusal means and what to change, and with whose values it was
    /// sent: a running daemon's may differ from those here
    Test(test::Test),
    /// Prints what a channel would be sent of a sample of this kind, or of a stored event
    Render(render::Render),
    /// Lists the templates of messages, built in and yours; `templates export` writes the built-in ones out to be changed
    Templates(templates::TemplatesArgs),
    /// Makes a signed sample webhook and posts it to the running daemon
    Simulate(simulate::Simulate),
    /// Sets up Keeta itself: registers the webhook address
    Keeta(keeta::Command),
    /// Runs the simulated receivers alone: robots, a WebHook receiver and a mail server to send to
    Sandbox(sandbox::SandboxArgs),
    /// Asks the running daemon whether webhooks can be recorded: exit code 0 when they can, 1 when not
    Health(health::HealthArgs),
    /// Lists what is waiting, delivered and dead
    Deliveries(deliveries::Deliveries),
    /// Shows the daily figures, of any day, or sends them once more; without a name, when each report comes next
    Report(report::ReportArgs),
    /// Says why a message did or did not arrive: what came, what each route made of it, each try, each hold
    Why(why::Why),
    /// Sends messages once more, composed anew; also those that were given up
    Redeliver(redeliver::Redeliver),
    /// Cancels messages that have not arrived
    Cancel(cancel::Cancel),
    /// Copies the store to a file, also while the daemon runs
    Backup(backup::Backup),
    /// Puts a backup into the place of the store, while no daemon runs; says what is in it and what is missing, and asks
    Restore(restore::Restore),
    /// Moves the store into another database, with all that waits, and proves that nothing is missing there
    MoveStore(move_store::MoveStore),
    /// Prints a commented configuration to begin with: the example, or what the sources and channels that you name need; or the
    /// unit by which systemd runs the daemon
    Init(init::Init),
    /// Makes an access token for the admin listener: prints it once, and what the configuration says of it
    Token(token::Token),
    /// Prints the JSON Schema of the configuration, by which editors complete and check it
    Schema,
    /// Prints what a shell needs to complete the commands and their options
    Completions(completions::Completions),
    /// Prints the manual page
    Man,
}

/// The commands with all that can be given to them.
pub fn command_line() -> clap::Command {
    Arguments::command()
}

/// Reads the command line and does what it says.
pub fn main() -> ExitCode {
    // No command for people: it stands in no help.
    if std::env::args_os().nth(1).is_some_and(|first| first == rendering::serve::COMMAND) {
        return match rendering::serve::run() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    }
    rendering::this_program_has_the_command();
    let arguments = Arguments::parse();
    let file = &arguments.config;
    say_instead(&arguments.command, file);
    // Nobody may read what a daemon says, and it must end all the same.
    let complain = match arguments.command {
        Command::Serve(_) => output::complain_in_time,
        _ => output::complain::<String>,
    };
    let done = match arguments.command {
        Command::Demo(demo) => run(demo::run(demo)),
        Command::Serve(serve) => run(serve::run(serve, file)),
        Command::Check(check) => check::run(&check, file),
        Command::Test(test) => run(test::run(test, file)),
        Command::Render(render) => run(render::run(render, file)),
        Command::Templates(templates) => templates::run(&templates, file),
        Command::Simulate(simulate) => run(simulate::run(simulate, file)),
        Command::Keeta(command) => run(keeta::run(command, file)),
        Command::Sandbox(sandbox) => run(sandbox::run(sandbox, file)),
        Command::Health(health) => run(health::run(health, file)),
        Command::Deliveries(deliveries) => run(deliveries::run(deliveries, file)),
        Command::Report(report) => run(report::run(report, file)),
        Command::Why(why) => run(why::run(why, file)),
        Command::Redeliver(redeliver) => run(redeliver::run(redeliver, file)),
        Command::Cancel(cancel) => run(cancel::run(cancel, file)),
        Command::Backup(backup) => run(backup::run(backup, file)),
        Command::Restore(restore) => run(restore::run(restore, file)),
        Command::MoveStore(command) => run(move_store::run(command)),
        Command::Init(init) => init::run(&init, file),
        Command::Token(token) => token::run(&token),
        Command::Schema => schema::run(),
        Command::Completions(completions) => completions::run(&completions, Arguments::command()),
        Command::Man => man::run(Arguments::command()),
    };
    match done {
        Ok(()) | Err(Failure::ReaderGone) => ExitCode::SUCCESS,
        Err(Failure::Failed(text)) => {
            complain(format!("error: {text}\n"));
            ExitCode::from(1)
        }
        Err(Failure::Misused(text)) => {
            complain(format!("error: {text}\n"));
            ExitCode::from(2)
        }
        Err(Failure::Configuration(problems)) => {
            complain(diagnostic::render(&problems, colour(std::io::stderr().is_terminal())));
            ExitCode::from(2)
        }
    }
}

/// What a command has left behind in the background, such as the look-up of a name, may take so long to end with it.
const LEFT_BEHIND: Duration = Duration::from_secs(1);

/// Runs an asynchronous command.
fn run(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(format!("the runtime cannot be started: {error}")))?;
    let done = runtime.block_on(command);
    // What is still computed on other threads is for nobody any more.
    runtime.shutdown_timeout(LEFT_BEHIND);
    done
}

/// Says on standard error, in one line, when a command goes by another configuration than that of the file, as the daemon
/// does.
fn say_instead(command: &Command, file: &Path) {
    let goes_by_it = match command {
        Command::Demo(_) | Command::Serve(_) | Command::Check(_) => false,
        Command::Init(_) | Command::Token(_) | Command::Schema | Command::Completions(_) | Command::Man => false,
        Command::Sandbox(_) => file.exists(),
        Command::Templates(templates) => templates.reads_the_configuration(),
        _ => true,
    };
    if let Some(Instead { copy, at, problems }) = goes_by_it.then(|| in_force::instead(file)).flatten() {
        let (file, copy) = (file.display(), copy.display());
        // A secret that is missing here alone is not why.
        let first = problems.iter().find(|one| one.severity == Severity::Error && one.effect == Effect::Unusable);
        let first = first.or(problems.first());
        let line = first.and_then(|first| first.line).map(|line| format!(" (line {line})")).unwrap_or_default();
        let why = first.map(|first| first.message.as_str()).unwrap_or_default();
        output::complain(format_args!(
            "note: {file} cannot be used{line}: {why}; as in the daemon, the configuration last in force since {at} is used: {copy}\n"
        ));
    }
}
