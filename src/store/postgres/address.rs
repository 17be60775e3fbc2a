//! The address of a PostgreSQL database, as libpq means it: hosts, user, password, database, and what stands behind the `?`.

pub mod parameters;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::{Host, TargetSessionAttrs};

use crate::domain::settings::InvalidValue;
use crate::store::postgres::address::parameters::{HELP, Parameters, Roots, TlsMode};

/// How an address begins.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];

/// Until there is a connection, for each host.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A peer that is gone is noticed after so long, without anything being sent.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(5);
const KEEPALIVE_RETRIES: u32 = 3;
/// And when something was sent, after so long.
const SENT_TIMEOUT: Duration = Duration::from_secs(15);

/// The address of a database.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresUrl {
    config: Config,
    tls: TlsMode,
    roots: Option<Roots>,
    /// Where the daemon keeps what lies beside the file of another store.
    folder: PathBuf,
}

/// Whether an address is meant to be that of such a database.
pub fn is_meant(url: &str) -> bool {
    SCHEMES.iter().any(|scheme| url.starts_with(scheme))
}

impl PostgresUrl {
    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, and how it should be; nothing of it is repeated but names of parameters.
    pub fn parse(url: &str) -> Result<Self, InvalidValue> {
        let (head, query) = url.split_once('?').unwrap_or((url, ""));
        let parameters = Parameters::read(query)?;
        let unreadable = || InvalidValue::new("this address of a PostgreSQL database cannot be read", HELP);
        let mut config: Config = format!("{head}?{}", parameters.query()).parse().map_err(|_| unreadable())?;
        if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
            return Err(InvalidValue::new(
                "the store's address names no host",
                "postgres://user:password@host/database, or for the folder of a socket postgres://user@/database?host=/run/postgresql",
            ));
        }
        let is_part_of_password = |host: &Host| matches!(host, Host::Tcp(host) if host.contains('@'));
        if config.get_hosts().iter().any(is_part_of_password)
            || config.get_dbname().is_some_and(|name| name.contains('@'))
        {
            return Err(unreadable());
        }
        defaults(&mut config, &parameters);
        let (tls, roots) = checked(parameters.tls, parameters.roots.clone())?;
        let is_tcp = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
        // Like libpq: a socket of this machine is never encrypted.
        let tls = if is_tcp || config.get_hosts().is_empty() { tls } else { TlsMode::Disable };
        Ok(Self { config, tls, roots, folder: PathBuf::from(".") })
    }

    /// The address as seen from the configuration's folder, with the folder in which the daemon keeps its own files.
    pub fn within(self, folder: &Path) -> Self {
        let roots = self.roots.map(|roots| match roots {
            Roots::File(path) => Roots::File(folder.join(path)),
            Roots::System => Roots::System,
        });
        // systemd names several with colons in between.
        let states = std::env::var("STATE_DIRECTORY").unwrap_or_default();
        let state = states.split(':').next().filter(|state| !state.is_empty());
        let folder = state.map_or_else(|| folder.to_owned(), PathBuf::from);
        Self { roots, folder, ..self }
    }

    /// What the driver needs to know; its mode of TLS is not set.
    pub fn config(&self) -> &Config {
        &self.config
    }

    pub fn tls(&self) -> TlsMode {
        self.tls
    }

    pub fn roots(&self) -> Option<&Roots> {
        self.roots.as_ref()
    }

    /// In which the daemon keeps what belongs to the store and is none of its contents.
    pub fn folder(&self) -> &Path {
        &self.folder
    }
}

/// What an address means that does not say it.
fn defaults(config: &mut Config, parameters: &Parameters) {
    if config.get_application_name().is_none() {
        config.application_name("orderbell");
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(SENT_TIMEOUT);
    }
    if !parameters.has("keepalives_idle") {
        config.keepalives_idle(KEEPALIVE_IDLE);
    }
    if !parameters.has("keepalives_interval") {
        config.keepalives_interval(KEEPALIVE_INTERVAL);
    }
    if !parameters.has("keepalives_retries") {
        config.keepalives_retries(KEEPALIVE_RETRIES);
    }
    // Of several servers, one that can be written to.
    if !parameters.has("target_session_attrs") && config.get_hosts().len() > 1 {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
}

/// Mode and authorities, as far as they go together.
fn checked(tls: Option<TlsMode>, roots: Option<Roots>) -> Result<(TlsMode, Option<Roots>), InvalidValue> {
    match (tls, roots) {
        (None, Some(Roots::System)) => Ok((TlsMode::VerifyFull, Some(Roots::System))),
        (None, roots) => Ok((TlsMode::Prefer, roots)),
        (Some(TlsMode::VerifyFull), None) => Ok((TlsMode::VerifyFull, Some(Roots::System))),
        (Some(TlsMode::VerifyCa), None) => Err(InvalidValue::new(
            "sslmode=verify-ca of the store's address needs the authority that is to be trusted",
            "add sslrootcert=ca.pem, with a path relative to the configuration's folder; or use sslmode=verify-full",
        )),
        (Some(mode), Some(Roots::System)) if mode != TlsMode::VerifyFull => Err(InvalidValue::new(
            "sslrootcert=system of the store's address goes with sslmode=verify-full alone: any server on the web has such a certificate",
            "sslmode=verify-full",
        )),
        (Some(mode), roots) => Ok((mode, roots)),
    }
}

/// Without the password, and without what stands behind the `?`.
impl fmt::Display for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ports = self.config.get_ports();
        let hosts = self.config.get_hosts().iter().enumerate().map(|(place, host)| {
            let host = match host {
                Host::Tcp(host) => host.clone(),
                Host::Unix(folder) => folder.display().to_string(),
            };
            match ports.get(place).or(ports.first()) {
                Some(port) if *port != 5432 => format!("{host}:{port}"),
                _ => host,
            }
        });
        let hosts: Vec<String> = hosts.collect();
        let user = self.config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
        let database = self.config.get_dbname().or(self.config.get_user()).unwrap_or_default();
        write!(formatter, "postgres://{user}{}/{database}", hosts.join(","))
    }
}

impl fmt::Debug for PostgresUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(url: &str) -> PostgresUrl {
        PostgresUrl::parse(url).unwrap_or_else(|invalid| panic!("{url}: {}", invalid.message))
    }

    #[test]
    fn an_address_is_read_as_libpq_reads_it() {
        let url =
            read("postgres://bell:p%40ss%2Fw%3Ard@db.example:6432/orders?connect_timeout=3&application_name=b@ll");
        let config = url.config();
        assert_eq!((config.get_user(), config.get_dbname()), (Some("bell"), Some("orders")));
        assert_eq!(config.get_password(), Some("p@ss/w:rd".as_bytes()));
        assert_eq!((config.get_ports(), config.get_application_name()), (&[6432][..], Some("b@ll")));
        assert_eq!(config.get_connect_timeout(), Some(&Duration::from_secs(3)));
        assert_eq!((url.tls(), url.roots()), (TlsMode::Prefer, None));
        let several = read("postgresql://bell@one,two:5433/orders");
        assert_eq!(several.config().get_ports(), [5432, 5433]);
        assert_eq!(several.config().get_target_session_attrs(), TargetSessionAttrs::ReadWrite);
        assert_eq!(several.to_string(), "postgres://bell@one,two:5433/orders");
        for socket in [
            "postgres://bell@%2Frun%2Fpostgresql/orders",
            "postgres://bell@/orders?host=/run/postgresql&sslmode=require",
        ] {
            let socket = read(socket);
            assert_eq!(socket.config().get_hosts(), [Host::Unix(PathBuf::from("/run/postgresql"))]);
            assert_eq!(socket.tls(), TlsMode::Disable, "a socket of this machine is never encrypted");
        }
    }

    #[test]
    fn the_modes_of_tls_are_those_of_libpq() {
        let of = |query: &str| {
            let url = read(&format!("postgres://bell@db/orders?{query}")).within(Path::new("/etc/bell"));
            (url.tls(), url.roots().cloned())
        };
        let file = || Some(Roots::File(PathBuf::from("/etc/bell/ca.pem")));
        assert_eq!(of("sslmode=disable"), (TlsMode::Disable, None));
        assert_eq!(of("sslmode=allow"), (TlsMode::Allow, None));
        assert_eq!(of("sslmode=require"), (TlsMode::Require, None));
        assert_eq!(of("sslmode=require&sslrootcert=ca.pem"), (TlsMode::Require, file()));
        assert_eq!(of("sslmode=verify-ca&sslrootcert=/etc/bell/ca.pem"), (TlsMode::VerifyCa, file()));
        assert_eq!(of("sslmode=verify-full"), (TlsMode::VerifyFull, Some(Roots::System)));
        assert_eq!(of("sslrootcert=system"), (TlsMode::VerifyFull, Some(Roots::System)));
    }

    #[test]
    fn what_cannot_be_is_refused_and_nothing_of_a_password_is_repeated() {
        for (url, expected) in [
            ("postgres://bell@db/orders?sslmode=strict", "sslmode"),
            ("postgres://bell@db/orders?sslmode=verify-ca", "verify-ca"),
            ("postgres://bell@db/orders?sslmode=require&sslrootcert=system", "sslrootcert=system"),
            ("postgres://bell@db/orders?sslcert=a.pem", "sslcert"),
            ("postgres://bell@db/orders?target_session_attrs=standby", "target_session_attrs"),
            ("postgres://bell@db/orders?gssencmode=require", "GSSAPI"),
            ("postgres:///orders", "no host"),
            ("postgres://bell:hunter2@db:port/orders", "cannot be read"),
            ("postgres://bell:hun?ter2@db/orders", "not known"),
            ("postgres://bell:hun@ter2@db/orders", "cannot be read"),
            ("postgres://bell:hun?hunter2=@db/orders", "not known"),
        ] {
            let invalid = PostgresUrl::parse(url).expect_err(url);
            assert!(invalid.message.contains(expected), "{url}: {}", invalid.message);
            assert!(!invalid.message.contains("ter2"), "{}", invalid.message);
        }
    }

    #[test]
    fn a_password_is_neither_shown_nor_printed() {
        let url = read("postgres://bell:hunter2@db/orders?password=hunter3");
        let shown = format!("{url} {url:?}");
        assert!(!shown.contains("hunter"), "{shown}");
    }
}
