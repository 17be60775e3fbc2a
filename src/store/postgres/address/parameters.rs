//! What stands behind the `?` of a PostgreSQL address: which parameters libpq knows, and what they come to.

use std::path::PathBuf;

use crate::domain::settings::InvalidValue;

/// How an address is written.
pub const HELP: &str = "url = \"postgres://user:password@host/database?sslmode=verify-full\", in which letters of the password such as @ : / ? # % are written as %40 %3A %2F %3F %23 %25";

/// How much of TLS is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TlsMode {
    Disable,
    /// Only if the server does not take a connection without.
    Allow,
    /// If the server has it.
    Prefer,
    /// Encrypted, whoever the server is.
    Require,
    /// With a certificate of an authority that is trusted.
    VerifyCa,
    /// And in the name of the host.
    VerifyFull,
}

/// The authorities that are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Roots {
    /// Those of the machine and of the web.
    System,
    /// Those of a PEM file.
    File(PathBuf),
}

/// Parameters that libpq knows and this program does not, with what to do instead.
const UNSUPPORTED: [(&str, &str); 16] = [
    ("sslcert", "log in by a password: certificates of clients are not supported"),
    ("sslkey", "log in by a password: certificates of clients are not supported"),
    ("sslpassword", "log in by a password: certificates of clients are not supported"),
    ("sslcertmode", "log in by a password: certificates of clients are not supported"),
    ("sslcrl", "leave it out: lists of revoked certificates are not supported"),
    ("sslcrldir", "leave it out: lists of revoked certificates are not supported"),
    ("sslsni", "leave it out: the name of the host is always sent"),
    ("sslcompression", "leave it out: nothing is compressed"),
    ("ssl_min_protocol_version", "leave it out: TLS 1.2 and 1.3 are spoken, nothing older"),
    ("ssl_max_protocol_version", "leave it out: TLS 1.2 and 1.3 are spoken"),
    ("passfile", "write the password into the address, which can be { env = \"…\" } or { file = \"…\" } as a whole"),
    ("service", "write host, user and database into the address"),
    ("krbsrvname", "log in by a password: Kerberos is not supported"),
    ("requirepeer", "leave it out"),
    ("client_encoding", "leave it out: it is always UTF8"),
    ("replication", "leave it out"),
];

/// A parameter that is known, as libpq names it.
const PASSED_ON: [&str; 18] = [
    "host",
    "hostaddr",
    "port",
    "user",
    "password",
    "dbname",
    "options",
    "application_name",
    "connect_timeout",
    "tcp_user_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
    "sslnegotiation",
];

/// What stands behind the `?`.
#[derive(Default)]
pub struct Parameters {
    pub tls: Option<TlsMode>,
    pub roots: Option<Roots>,
    /// For the driver, as they stand there.
    passed_on: Vec<(String, String)>,
}

impl Parameters {
    /// # Errors
    /// Which of them is wrong, and how it should be.
    pub fn read(query: &str) -> Result<Self, InvalidValue> {
        let mut found = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            match key {
                "sslmode" => found.tls = Some(tls_mode(value)?),
                "ssl" if value == "true" => found.tls = Some(TlsMode::Require),
                "sslrootcert" => found.roots = Some(roots(value)?),
                "target_session_attrs" => found.pass_on(key, session_attrs(value)?),
                "gssencmode" if matches!(value, "disable" | "prefer") => {}
                key if PASSED_ON.contains(&key) => found.pass_on(key, value),
                key => return Err(unknown(key)),
            }
        }
        Ok(found)
    }

    /// What the driver reads.
    pub fn query(&self) -> String {
        self.passed_on.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("&")
    }

    fn pass_on(&mut self, key: &str, value: &str) {
        // Whoever reads it next takes the first @ for the end of the password.
        self.passed_on.push((key.to_owned(), value.replace('@', "%40")));
    }

    /// Whether the address says this one.
    pub fn has(&self, key: &str) -> bool {
        self.passed_on.iter().any(|(found, _)| found == key)
    }
}

/// What is not known is not repeated: it may be a piece of a password.
fn unknown(key: &str) -> InvalidValue {
    match UNSUPPORTED.iter().find(|(name, _)| *name == key) {
        Some((name, instead)) => {
            InvalidValue::new(format!("the store's address has the parameter {name}, which is not supported"), *instead)
        }
        None if key == "gssencmode" => InvalidValue::new(
            "the store's address asks for GSSAPI, which is not supported",
            "gssencmode=disable, and a password",
        ),
        None => InvalidValue::new("the store's address has a parameter that is not known behind its ?", HELP),
    }
}

fn tls_mode(value: &str) -> Result<TlsMode, InvalidValue> {
    match value {
        "disable" => Ok(TlsMode::Disable),
        "allow" => Ok(TlsMode::Allow),
        "prefer" => Ok(TlsMode::Prefer),
        "require" => Ok(TlsMode::Require),
        "verify-ca" => Ok(TlsMode::VerifyCa),
        "verify-full" => Ok(TlsMode::VerifyFull),
        _ => Err(InvalidValue::new(
            "the sslmode of the store's address is none",
            "one of disable, allow, prefer, require, verify-ca, verify-full",
        )),
    }
}

fn roots(value: &str) -> Result<Roots, InvalidValue> {
    match decoded(value).as_deref() {
        Some("") | None => Err(InvalidValue::new(
            "the sslrootcert of the store's address names no file",
            "sslrootcert=ca.pem, or system",
        )),
        Some("system") => Ok(Roots::System),
        Some(path) => Ok(Roots::File(PathBuf::from(path))),
    }
}

/// A store is written to, so a server that is only read from is none.
fn session_attrs(value: &str) -> Result<&str, InvalidValue> {
    match value {
        "any" => Ok("any"),
        "read-write" | "primary" => Ok("read-write"),
        _ => Err(InvalidValue::new(
            "target_session_attrs of the store's address is none that a store can have",
            "one of any, read-write, primary: a store is written to",
        )),
    }
}

fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        if *first == b'%' {
            let (digits, behind) = behind.split_at_checked(2)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = behind;
        } else {
            bytes.push(*first);
        }
    }
    String::from_utf8(bytes).ok()
}
