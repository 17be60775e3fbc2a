//! What is to be measured, as the command line says.

use std::path::PathBuf;
use std::time::Duration;

use crate::rows::{Method, Row};

/// The choice of rows, and how long and how often each is measured.
pub struct Options {
    pub rows: Vec<Row>,
    pub connections: Vec<usize>,
    pub rounds: usize,
    /// Of one round, about.
    pub time: Duration,
    /// The binary of the daemon.
    pub daemon: PathBuf,
    /// What is measured goes there, too, as JSON.
    pub json: Option<PathBuf>,
    /// A PostgreSQL server, by the address of a user that may make databases.
    pub postgres: Option<String>,
    /// Large stores are kept there, and found there; without it they are made anew and removed.
    pub stores: Option<PathBuf>,
    /// So many deliveries wait in the store of the row of this name.
    pub waiting: u64,
    /// So many events are in the store of the row of this name, and in that of what is measured beside something.
    pub old: u64,
    pub beside: u64,
    /// So many events are in the store of an older version that is converted.
    pub converted: u64,
}

impl Options {
    /// # Errors
    /// What cannot be understood, in one sentence.
    pub fn read(arguments: &[String]) -> Result<Self, String> {
        let mut options = Self {
            rows: Row::named("usual")?,
            connections: vec![64],
            rounds: 3,
            time: Duration::from_secs(3),
            daemon: PathBuf::from(env!("CARGO_BIN_EXE_orderbell")),
            json: None,
            postgres: None,
            stores: None,
            waiting: 1_000_000,
            old: 3_000_000,
            beside: 300_000,
            converted: 1_000_000,
        };
        let mut arguments = arguments.iter();
        while let Some(name) = arguments.next() {
            if name == "--bench" {
                // Of cargo's own.
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rows" => options.rows = list(value, Row::named)?.concat(),
                "--connections" => options.connections = list(value, number)?,
                "--rounds" => options.rounds = number(value)?,
                "--seconds" => options.time = Duration::from_secs_f64(seconds(value)?),
                "--daemon" => options.daemon = PathBuf::from(value),
                "--json" => options.json = Some(PathBuf::from(value)),
                "--postgres" => options.postgres = Some(value.clone()),
                "--stores" => options.stores = Some(PathBuf::from(value)),
                "--waiting" => options.waiting = number(value)? as u64,
                "--old" => options.old = number(value)? as u64,
                "--beside" => options.beside = number(value)? as u64,
                "--converted" => options.converted = number(value)? as u64,
                _ => return Err(format!("there is no option {name}")),
            }
        }
        let needs_server = options.rows.iter().any(|row| row.method() == Method::Postgres);
        if needs_server && options.postgres.is_none() {
            return Err("these rows need a PostgreSQL server: --postgres postgres://user:password@127.0.0.1/postgres"
                .to_owned());
        }
        Ok(options)
    }
}

fn list<T>(text: &str, read: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(read).collect()
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("{text} is no number above zero"))
}

fn seconds(text: &str) -> Result<f64, String> {
    let seconds = text.parse().ok().filter(|seconds| (0.1..=600.0).contains(seconds));
    seconds.ok_or_else(|| format!("{text} is no number of seconds from 0.1 to 600"))
}
