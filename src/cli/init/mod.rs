//! `orderbell init`: a commented configuration to begin with: the example, or the real form of chosen sources and channels; or
//! the unit by which systemd runs the daemon.

pub mod systemd;

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValue, TypedValueParser};
use clap::error::ErrorKind as Misuse;
use clap::{Arg, Args, Command};

use crate::cli::failure::Failure;
use crate::cli::init::systemd::UnitPlan;
use crate::cli::{example, output};
use crate::config::scaffold;
use crate::config::scaffold::ScaffoldPlan;
use crate::config::scaffold::table::Wanted;

#[derive(Args)]
pub struct Init {
    /// A platform whose webhooks are to come in; several may be named. After = a name, as in keeta=keeta-hk
    #[arg(long = "source", value_name = "KIND[=NAME]", value_parser = SOURCES)]
    sources: Vec<Wanted>,
    /// A kind of channel that messages are to go to; several may be named. After = a name, as in email=owner
    #[arg(long = "channel", value_name = "KIND[=NAME]", value_parser = CHANNELS)]
    channels: Vec<Wanted>,
    /// Of the messages
    #[arg(long, value_name = "TAG", value_parser = scaffold::language, requires_all = ["sources", "channels"])]
    language: Option<String>,
    /// Of the times in the messages; an IANA name such as Asia/Shanghai
    #[arg(long, value_name = "ZONE", value_parser = scaffold::timezone, requires_all = ["sources", "channels"])]
    timezone: Option<String>,
    /// Of amounts that come without one; an ISO 4217 code
    #[arg(long, value_name = "CODE", value_parser = scaffold::currency, requires_all = ["sources", "channels"])]
    currency: Option<String>,
    /// How the internet reaches this daemon, such as `https://bell.example.com`
    #[arg(long, value_name = "URL", value_parser = scaffold::public_url, requires_all = ["sources", "channels"])]
    public_url: Option<String>,
    /// Instead of a configuration: the unit by which systemd runs the daemon with the configuration that --config names, or
    /// orderbell.toml of this folder
    #[arg(long, conflicts_with_all = ["sources", "channels"])]
    systemd: bool,
    /// Write it to this file, which must not be there yet, instead of printing it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(init: &Init, configuration: &Path) -> Result<(), Failure> {
    if init.systemd {
        return unit(init, configuration);
    }
    let form = form(init)?;
    let text = form.as_deref().unwrap_or(example::TEXT);
    let Some(file) = &init.output else { return output::print(text) };
    write(file, text)?;
    let file = file.display();
    match form {
        Some(_) => output::line(format_args!("{file} is written; its first lines say what is left to do")),
        None => output::line(format_args!(
            "{file} is written; change it, then try it with `orderbell --config {file} check`"
        )),
    }
}

/// The unit, and with a file what to type next; printed, it says so in comments.
fn unit(init: &Init, configuration: &Path) -> Result<(), Failure> {
    let plan = UnitPlan::here(configuration)
        .map_err(|error| Failure::Failed(format!("no unit can be made for {}: {error}", configuration.display())))?;
    let text = plan.unit().map_err(Failure::Failed)?;
    let Some(file) = &init.output else { return output::print(text) };
    write(file, &text)?;
    output::line(format_args!("{} is written. {}", file.display(), plan.next(file).join("\n")))
}

/// The real form, where sources and channels are named.
fn form(init: &Init) -> Result<Option<String>, Failure> {
    let (what, option, kinds) = match (init.sources.is_empty(), init.channels.is_empty()) {
        (true, true) => return Ok(None),
        (true, false) => ("where webhooks come from", "source", scaffold::platforms()),
        (false, true) => ("where messages go", "channel", scaffold::channel_kinds()),
        (false, false) => {
            let plan = ScaffoldPlan {
                sources: init.sources.clone(),
                channels: init.channels.clone(),
                language: init.language.clone().unwrap_or_else(|| "en".to_owned()),
                timezone: init.timezone.clone().unwrap_or_else(|| "Asia/Hong_Kong".to_owned()),
                currency: init.currency.clone(),
                public_url: init.public_url.clone(),
                decided: None,
            };
            let file = init.output.as_deref().unwrap_or(Path::new("orderbell.toml"));
            return scaffold::write(&plan, file).map(Some).map_err(Failure::Misused);
        }
    };
    let kinds = kinds.join(", ");
    Err(Failure::Misused(format!("say {what} as well, with --{option} KIND; there are: {kinds}")))
}

/// Writes a text to a file of its own: whatever is there already stays as it is.
fn write(file: &Path, text: &str) -> Result<(), Failure> {
    let opened = OpenOptions::new().write(true).create_new(true).open(file);
    let written = opened.and_then(|mut opened| {
        let done = opened.write_all(text.as_bytes()).and_then(|()| opened.sync_all());
        // Half a configuration would be in the way of the next try.
        done.inspect_err(|_| drop(std::fs::remove_file(file)))
    });
    match written {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(Failure::Failed(format!(
            "{} is there already and stays as it is; choose another name, or move it away first",
            file.display()
        ))),
        Err(error) => Err(Failure::Failed(format!("{} cannot be written: {error}", file.display()))),
    }
}

/// Reads a kind, and completes it: the kinds are those that the configuration knows.
#[derive(Clone)]
struct Kinds {
    all: fn() -> Vec<&'static str>,
    read: fn(&str) -> Result<Wanted, String>,
}

const SOURCES: Kinds = Kinds { all: scaffold::platforms, read: scaffold::source };
const CHANNELS: Kinds = Kinds { all: scaffold::channel_kinds, read: scaffold::channel };

impl TypedValueParser for Kinds {
    type Value = Wanted;

    fn parse_ref(&self, command: &Command, arg: Option<&Arg>, value: &OsStr) -> Result<Wanted, clap::Error> {
        (self.read)(&value.to_string_lossy()).map_err(|said| {
            let option = arg.and_then(Arg::get_long).unwrap_or_default();
            clap::Error::raw(Misuse::InvalidValue, format!("--{option}: {said}\n")).with_cmd(command)
        })
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new((self.all)().into_iter().map(PossibleValue::new)))
    }
}
