//! How a connection to PostgreSQL is made, encrypted or not as `sslmode` says.

use std::time::Duration;

use deadpool_postgres::Connect;
use futures_util::future::BoxFuture;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, Connection, Error, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::store::StoreError;
use crate::store::postgres::address::PostgresUrl;
use crate::store::postgres::address::parameters::TlsMode;
use crate::store::postgres::tls;

/// A connection before it runs, whatever its encryption.
pub type Encrypted = Connection<Socket, <MakeRustlsConnect as tokio_postgres::tls::MakeTlsConnect<Socket>>::Stream>;

/// Makes connections to one database.
#[derive(Clone)]
pub struct Connector {
    config: Config,
    mode: TlsMode,
    tls: MakeRustlsConnect,
}

impl Connector {
    /// # Errors
    /// [`StoreError::Refused`]: the file of `sslrootcert` cannot be used.
    pub fn new(url: &PostgresUrl) -> Result<Self, StoreError> {
        let tls = tls::configuration(url).map_err(StoreError::Refused)?;
        Ok(Self { config: url.config().clone(), mode: url.tls(), tls: MakeRustlsConnect::new(tls) })
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// How long a connection may take until it can be used, its hosts tried one after another.
    pub fn patience(&self) -> Duration {
        let hosts = self.config.get_hosts().len().max(self.config.get_hostaddrs().len()).max(1);
        let each = self.config.get_connect_timeout().copied().unwrap_or(Duration::from_secs(5));
        each.saturating_mul(u32::try_from(hosts).unwrap_or(u32::MAX))
    }

    /// Makes a connection, which does nothing until it is polled.
    ///
    /// # Errors
    /// As the server or the network says it.
    pub async fn connect(&self) -> Result<(Client, Encrypted), Error> {
        match self.mode {
            TlsMode::Disable => self.with(SslMode::Disable).await,
            TlsMode::Allow => match self.with(SslMode::Disable).await {
                Err(error) if is_about_encryption(&error) => self.with(SslMode::Require).await,
                connected => connected,
            },
            TlsMode::Prefer => match self.with(SslMode::Prefer).await {
                Err(error) if is_about_encryption(&error) => self.with(SslMode::Disable).await,
                connected => connected,
            },
            TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => self.with(SslMode::Require).await,
        }
    }

    async fn with(&self, mode: SslMode) -> Result<(Client, Encrypted), Error> {
        self.config.clone().ssl_mode(mode).connect(self.tls.clone()).await
    }
}

/// Whether it may be otherwise with encryption, or without.
fn is_about_encryption(error: &Error) -> bool {
    error.to_string() == "error performing TLS handshake"
        || error.code() == Some(&SqlState::INVALID_AUTHORIZATION_SPECIFICATION)
}

/// For the pool of connections.
impl Connect for Connector {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        Box::pin(async move {
            let (client, connection) = Self::connect(self).await?;
            Ok((client, spawn(connection)))
        })
    }
}

/// Runs a connection until it ends. Whoever uses its client finds it closed then.
pub fn spawn(connection: Encrypted) -> JoinHandle<()> {
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection to the database has ended");
        }
    })
}
