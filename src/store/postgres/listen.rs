//! Receives word of what other instances and commands have committed. Where that cannot be, as behind a pool that gives each transaction
//! another connection, nobody is woken, and whoever waits finds it by looking.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client, Error};

use crate::store::postgres::connect::{Connector, Encrypted};

/// A connection that was lost is made anew after so long.
const AGAIN: Duration = Duration::from_secs(2);
/// However much is committed, nobody is woken more often than this.
const AT_MOST_EVERY: Duration = Duration::from_millis(50);

/// Wakes whoever waits, for as long as it is polled. What this store commits by itself, it knows.
pub async fn listen(connector: Connector, own: String, woken: Arc<Notify>) {
    loop {
        let received = async {
            let (client, connection) = connector.connect().await?;
            receive(client, connection, &own, &woken).await
        };
        if let Err(error) = received.await {
            tracing::debug!(%error, "nobody is woken by the database until it can be listened to again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Until the connection ends.
async fn receive(client: Client, mut connection: Encrypted, own: &str, woken: &Notify) -> Result<(), Error> {
    // The name is of the store, not of the database, which may hold several.
    let listen = async {
        let name = "SELECT 'orderbell_' || CAST(CAST('store_version' AS regclass) AS oid)";
        let name: String = client.query_typed_one(name, &[]).await?.try_get(0)?;
        client.batch_execute(&format!("LISTEN {name}")).await
    };
    let receive = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if matches!(message?, AsyncMessage::Notification(notified) if notified.payload() != own) {
                woken.notify_one();
                tokio::time::sleep(AT_MOST_EVERY).await;
            }
        }
        Ok(())
    };
    // Listening ends with the connection; its client stays for as long.
    tokio::pin!(receive);
    tokio::select! {
        listening = listen => listening?,
        ended = &mut receive => return ended,
    }
    // What was committed in between was not received.
    woken.notify_one();
    receive.await
}
