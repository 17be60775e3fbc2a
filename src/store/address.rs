//! Where a store is: the address as the configuration has it.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::domain::settings::InvalidValue;
use crate::store::postgres::address;
use crate::store::postgres::address::PostgresUrl;

/// How the address of a file begins.
const FILE: &str = "sqlite:";

/// The address of a store.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum StoreUrl {
    Sqlite(PathBuf),
    Postgres(Box<PostgresUrl>),
}

impl StoreUrl {
    /// Where the store is if the configuration does not say it.
    pub const DEFAULT: &str = "sqlite:orderbell.db";
    /// In the place of an address that cannot be read.
    pub const UNKNOWN: &str = "sqlite:unknown.db";

    /// Reads an address.
    ///
    /// # Errors
    /// What is wrong with it, and how it should be.
    pub fn parse(url: &str) -> Result<Self, InvalidValue> {
        if address::is_meant(url) {
            return PostgresUrl::parse(url).map(|url| Self::Postgres(Box::new(url)));
        }
        let help = "url = \"sqlite:orderbell.db\", with a path relative to the configuration's folder; or \"postgres://user:password@host/database\"";
        match path(url) {
            Some("" | ":memory:") => {
                Err(InvalidValue::new("the store needs a file, or nothing would survive a restart", help))
            }
            Some(path) if path.contains('?') => Err(InvalidValue::new("the store's address takes no parameters", help)),
            Some(path) => Ok(Self::Sqlite(PathBuf::from(path))),
            None => Err(InvalidValue::new("this is not the address of a store", help)),
        }
    }

    /// The address as seen from a folder.
    pub fn within(self, folder: &Path) -> Self {
        match self {
            Self::Sqlite(path) => Self::Sqlite(folder.join(path)),
            Self::Postgres(url) => Self::Postgres(Box::new(url.within(folder))),
        }
    }

    /// Whether it is a file of this machine, which can be copied and put back.
    pub fn is_file(&self) -> bool {
        match self {
            Self::Sqlite(_) => true,
            Self::Postgres(_) => false,
        }
    }

    /// The name of the database.
    pub fn database(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        }
    }

    /// Whether a store was made there. One that cannot be asked without being opened is there.
    pub fn is_made(&self) -> bool {
        match self {
            Self::Sqlite(path) => path.exists(),
            Self::Postgres(_) => true,
        }
    }

    /// The folder on this machine in which what belongs to the store is kept, and mostly the store itself.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Sqlite(path) => folder_of(path),
            Self::Postgres(url) => url.folder(),
        }
    }

    /// A file of the daemon beside the store, by its ending.
    pub fn beside(&self, ending: &str) -> PathBuf {
        match self {
            Self::Sqlite(path) => {
                let mut name = path.clone().into_os_string();
                name.push(ending);
                PathBuf::from(name)
            }
            Self::Postgres(url) => url.folder().join(format!("orderbell{ending}")),
        }
    }
}

impl Default for StoreUrl {
    fn default() -> Self {
        Self::Sqlite(PathBuf::from(path(Self::DEFAULT).unwrap_or_default()))
    }
}

impl TryFrom<String> for StoreUrl {
    type Error = String;

    fn try_from(url: String) -> Result<Self, String> {
        Self::parse(&url).map_err(|invalid| invalid.message)
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => path.display().fmt(formatter),
            Self::Postgres(url) => url.fmt(formatter),
        }
    }
}

/// Whether an address is the name of a file, in which no password stands.
pub fn names_a_file(url: &str) -> bool {
    url.starts_with(FILE)
}

/// The folder of the store that a configuration in `folder` names, as far as that is to be seen in a line of it, which may be
/// no TOML any more.
pub fn folder_named_in(line: &str, folder: &Path) -> Option<PathBuf> {
    let quoted = |quote: char| line.split_once(&format!("{quote}{FILE}"));
    let (_, after) = quoted('"').or_else(|| quoted('\''))?;
    let path = after.split(['"', '\'']).next()?;
    Some(folder_of(&folder.join(path.strip_prefix("//").unwrap_or(path))).to_owned())
}

/// The path in the address of a file.
fn path(url: &str) -> Option<&str> {
    url.strip_prefix(FILE).map(|path| path.strip_prefix("//").unwrap_or(path))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
