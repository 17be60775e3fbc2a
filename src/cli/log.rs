//! The log of a command: on standard error, as the flags or `ORDERBELL_LOG` and `ORDERBELL_LOG_FORMAT` say. Whatever becomes of
//! standard error, the command goes on.

mod writer;

use std::io::IsTerminal;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, fmt, io, panic};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::cli::failure::Failure;
use crate::cli::log::writer::Lines;
use crate::cli::output::{OutputFormat, colour};
use crate::diagnostic::Colour;

/// How long the end of a command waits for its last lines to be written.
const LAST_LINES: Duration = Duration::from_secs(2);

/// The running log; dropping it waits a moment for the last lines to be written.
#[must_use]
pub struct Log(Lines);

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush_within(LAST_LINES);
    }
}

/// How a log is written; the variables of the environment say what is absent here.
pub struct LogOptions {
    /// As in `info` or `warn,orderbell::flow=debug`.
    pub level: Option<String>,
    pub format: Option<OutputFormat>,
    /// Of the times for people; those for programs are UTC.
    pub zone: TimeZone,
}

/// Starts the log. `default` is what is logged where `ORDERBELL_LOG` does not say, as in `info` or
/// `warn,orderbell::flow=debug`.
///
/// # Errors
/// [`Failure::Misused`] for a variable with a value that means nothing.
pub fn start(default: &str) -> Result<Log, Failure> {
    start_with(LogOptions { level: None, format: None, zone: TimeZone::UTC }, default)
}

/// As [`start`], with options that go before the variables.
///
/// # Errors
/// As [`start`]; [`Failure::Misused`] for a level that is none, too.
pub fn start_with(options: LogOptions, default: &str) -> Result<Log, Failure> {
    let filter = match &options.level {
        Some(level) => filter("--log-level", Some(level), default)?,
        None => filter("ORDERBELL_LOG", variable("ORDERBELL_LOG")?.as_deref(), default)?,
    };
    let format = match (options.format, variable("ORDERBELL_LOG_FORMAT")?.as_deref()) {
        (Some(format), _) => format,
        (None, Some("json")) => OutputFormat::Json,
        (None, None | Some("text")) => OutputFormat::Text,
        (None, Some(other)) => {
            return Err(Failure::Misused(format!(
                "ORDERBELL_LOG_FORMAT is \"{other}\"; it may be \"text\" or \"json\""
            )));
        }
    };
    let lines = Lines::start(io::stderr(), say_lost);
    let lines = lines.map_err(|error| Failure::Failed(format!("no thread for the log: {error}")))?;
    let running = Log(lines.clone());
    // Of a line that cannot be formatted, the library would speak on standard error by itself, and panic where it cannot.
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).log_internal_errors(false);
    let log = log.with_writer(move || lines.clone());
    match format {
        OutputFormat::Json => log.json().init(),
        OutputFormat::Text => {
            let colour = colour(std::io::stderr().is_terminal());
            log.with_timer(LocalTime::new(options.zone)).with_ansi(colour == Colour::Always).init();
        }
    }
    panic::set_hook(Box::new(log_panic));
    Ok(running)
}

/// `2026-11-29T20:02:54.249+08:00`
struct LocalTime {
    zone: TimeZone,
    /// The second of the last line: under load many lines are of one.
    second: Mutex<Option<Second>>,
}

/// A second as it is written, without its fractions.
struct Second {
    at: i64,
    before: String,
    after: String,
}

impl LocalTime {
    fn new(zone: TimeZone) -> Self {
        Self { zone, second: Mutex::default() }
    }

    fn write(&self, at: Timestamp, line: &mut impl fmt::Write) -> fmt::Result {
        let millisecond = at.as_millisecond();
        let (whole, fraction) = (millisecond.div_euclid(1000), millisecond.rem_euclid(1000));
        let mut second = self.second.lock().unwrap_or_else(PoisonError::into_inner);
        second.take_if(|second| second.at != whole);
        let Second { before, after, .. } = second.get_or_insert_with(|| {
            let zoned = at.to_zoned(self.zone.clone());
            let before = zoned.strftime("%Y-%m-%dT%H:%M:%S").to_string();
            Second { at: whole, before, after: zoned.strftime("%:z").to_string() }
        });
        write!(line, "{before}.{fraction:03}{after}")
    }
}

impl FormatTime for LocalTime {
    fn format_time(&self, line: &mut Writer<'_>) -> fmt::Result {
        self.write(Timestamp::now(), line)
    }
}

fn say_lost(lost: u64, error: Option<&io::Error>) {
    let reason = error.map_or_else(|| "nobody read it".to_owned(), io::Error::to_string);
    tracing::error!(lost, reason, "log lines were lost, because the log could not be written");
}

/// Where it was, and what the code itself says of it. A text that was made at run time may hold anything, a buyer's name too,
/// so it is left out.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(ToString::to_string);
    let said = panic.payload().downcast_ref::<&'static str>();
    let thread = std::thread::current();
    tracing::error!(place, said, thread = thread.name(), "internal error: a panic; please report it");
}

/// A variable of the environment; an empty one is as good as none.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::Misused(format!("{name} is not UTF-8 text"))),
    }
}

/// Parts that are silent unless they are asked for by name. usvg tries each piece of a label with the fonts of the others too
/// and warns of letters that it does not need there; whether a picture has all its letters, we look ourselves.
const SILENT: &str = "usvg=off";

/// The filter itself would take a misspelt level for the name of a part, and from then on say nothing at all.
fn filter(source: &str, written: Option<&str>, default: &str) -> Result<EnvFilter, Failure> {
    let Some(written) = written else { return Ok(EnvFilter::new(format!("{SILENT},{default}"))) };
    let meaning =
        "levels are error, warn, info, debug, trace and off; a part has its own as in \"warn,orderbell::flow=debug\"";
    let wrong = |piece: &str| Failure::Misused(format!("{source}: \"{piece}\" is no level; {meaning}"));
    let directives: Vec<&str> = written.split(',').map(str::trim).collect();
    for directive in &directives {
        let (part, level) = directive.split_once('=').unwrap_or(("orderbell", directive));
        let is_part = !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || "_-:".contains(c));
        if !is_part || level.is_empty() || level.parse::<LevelFilter>().is_err() {
            return Err(wrong(directive));
        }
    }
    EnvFilter::try_new(format!("{SILENT},{}", directives.join(","))).map_err(|_| wrong(written))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_taken_and_everything_else_is_refused() {
        for right in ["info", "WARN", "off", "warn,orderbell::flow=debug", "warn, hyper=trace", "hyper_util=error"] {
            assert!(filter("ORDERBELL_LOG", Some(right), "info").is_ok(), "{right}");
        }
        for wrong in [
            "inof",
            "warn,",
            "warn,orderbell::flow",
            "orderbell::flow=loud",
            "=debug",
            "info debug",
            "warn;info",
            "[x]=info",
        ] {
            assert!(matches!(filter("ORDERBELL_LOG", Some(wrong), "info"), Err(Failure::Misused(_))), "{wrong}");
        }
        for (written, default, meant) in [
            (None, "info", "usvg=off,info"),
            (Some("warn,hyper=trace"), "info", "hyper=trace,usvg=off,warn"),
            (Some("usvg=warn,error"), "info", "usvg=warn,error"),
        ] {
            assert_eq!(
                filter("ORDERBELL_LOG", written, default).ok().map(|filter| filter.to_string()).as_deref(),
                Some(meant)
            );
        }
    }

    #[test]
    fn each_line_has_its_own_time_also_where_the_offset_changes() {
        // On that day the clocks of New York were put back at two.
        let time = LocalTime::new(TimeZone::get("America/New_York").unwrap());
        for (at, says) in [
            ("2026-11-01T05:59:59.999Z", "2026-11-01T01:59:59.999-04:00"),
            ("2026-11-01T06:00:00.001Z", "2026-11-01T01:00:00.001-05:00"),
            ("2026-11-01T06:00:00.870Z", "2026-11-01T01:00:00.870-05:00"),
            ("2026-11-01T05:59:59Z", "2026-11-01T01:59:59.000-04:00"),
        ] {
            let mut written = String::new();
            time.write(at.parse().unwrap(), &mut written).unwrap();
            assert_eq!(written, says);
        }
    }

    #[test]
    fn times_for_people_are_those_of_their_zone_with_its_offset() {
        let at: Timestamp = "2026-11-29T12:02:54.2497Z".parse().unwrap();
        for (zone, says) in [
            ("Asia/Hong_Kong", "2026-11-29T20:02:54.249+08:00"),
            ("America/Sao_Paulo", "2026-11-29T09:02:54.249-03:00"),
            ("Asia/Kolkata", "2026-11-29T17:32:54.249+05:30"),
            ("UTC", "2026-11-29T12:02:54.249+00:00"),
        ] {
            let (time, mut written) = (LocalTime::new(TimeZone::get(zone).unwrap()), String::new());
            time.write(at, &mut written).unwrap();
            assert_eq!(written, says);
        }
    }
}
