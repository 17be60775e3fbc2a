//! Looks into the store, each as of one moment, on connections of a pool.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime, TimeoutType};
use tokio::runtime::Handle;

use crate::store::StoreError;
use crate::store::postgres::connect::Connector;
use crate::store::postgres::failure::reason;
use crate::store::postgres::session::{Driver, Session};
use crate::store::sql;
use crate::store::sql::jobs::stopped;

/// So many look at the same time; whoever comes then waits for a connection.
pub const READERS: usize = 6;
const WAIT_FOR: Duration = Duration::from_secs(10);

/// One state of the store, although it is read in several steps and others go on meanwhile.
const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL statement_timeout = 15000;
    SET LOCAL idle_in_transaction_session_timeout = 30000";

/// Whoever looks. Cloning shares the connections.
#[derive(Clone)]
pub struct ReadPool {
    pool: Pool,
}

impl ReadPool {
    /// Connections are made when they are needed.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`]: there can be no pool.
    pub fn new(connector: &Connector) -> Result<Self, StoreError> {
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_connect(connector.config().clone(), connector.clone(), manager_config);
        let pool = Pool::builder(manager)
            .max_size(READERS)
            .runtime(Runtime::Tokio1)
            .wait_timeout(Some(WAIT_FOR))
            .create_timeout(Some(connector.patience()))
            .build();
        let pool = pool.map_err(|error| StoreError::Unavailable(format!("no connections to the database: {error}")))?;
        Ok(Self { pool })
    }

    /// Reads something.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn look<T: Send + 'static>(
        &self,
        read: impl FnOnce(&dyn sql::Connection) -> sql::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.with(move |session| Ok(read(session)?)).await
    }

    /// As [`ReadPool::look`], with the session itself.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`], and what `read` answers.
    pub async fn with<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Session<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let client = self.begun().await?;
        let handle = Handle::current();
        let seen = tokio::task::spawn_blocking(move || {
            let session = Session::new(&client, Driver::Beside(&handle));
            // Whoever panics gets an error in place of an answer; the connection goes with it.
            let seen = std::panic::catch_unwind(AssertUnwindSafe(|| read(&session)));
            let is_sound = seen.is_ok() && session.is_usable() && session.batch("ROLLBACK").is_ok();
            if !is_sound {
                drop(Object::take(client));
            }
            seen.unwrap_or_else(|_| {
                tracing::error!("a look into the store met an internal error");
                Err(StoreError::Unavailable("an internal error".to_owned()))
            })
        });
        seen.await.map_err(|_| stopped())?
    }

    /// A connection on which a transaction has begun. One that was lost since it was used last is no failure of this one.
    async fn begun(&self) -> Result<Object, StoreError> {
        let mut tries = 0;
        loop {
            let client = self.pool.get().await.map_err(|error| unpooled(&error))?;
            match tokio::time::timeout(WAIT_FOR, client.batch_execute(BEGIN)).await {
                Ok(Ok(())) => return Ok(client),
                Ok(Err(error)) if tries >= READERS => return Err(StoreError::Unavailable(reason(&error))),
                Ok(Err(_)) => drop(Object::take(client)),
                // Whoever is in between takes what it is sent, and nobody answers.
                Err(_) => {
                    drop(Object::take(client));
                    return Err(StoreError::Unavailable("the database does not answer".to_owned()));
                }
            }
            tries += 1;
        }
    }

    /// Lets go of all connections. Whatever is asked later fails.
    pub fn close(&self) {
        self.pool.close();
    }
}

fn unpooled(error: &PoolError) -> StoreError {
    StoreError::Unavailable(match error {
        PoolError::Backend(error) => reason(error),
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => "the database does not answer".to_owned(),
        PoolError::Timeout(TimeoutType::Wait) => "too many wait for the database".to_owned(),
        PoolError::Closed => return stopped(),
        other => format!("the database cannot be asked: {other}"),
    })
}
