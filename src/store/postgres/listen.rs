//! Receives word of what other instances and commands have committed, and for which channels. Where that cannot be, as behind a
//! pool that gives each transaction another connection, nobody is woken, and whoever waits finds it by looking.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client, Error};

use crate::store::postgres::connect::{Connector, Encrypted};
use crate::store::sql::commit::Woken;

/// A connection that was lost is made anew after so long.
const AGAIN: Duration = Duration::from_secs(2);
/// The server takes less than 8 000 bytes.
const LONGEST: usize = 7_000;

/// What was received and nobody has taken yet.
#[derive(Default)]
pub struct WakeUps {
    pending: Mutex<Option<Woken>>,
    received: Notify,
}

impl WakeUps {
    /// Waits until somebody is woken: which channels; empty: some.
    pub async fn next(&self) -> Vec<String> {
        loop {
            match self.pending.lock().unwrap_or_else(PoisonError::into_inner).take() {
                Some(Woken::Any) => return Vec::new(),
                Some(Woken::These(channels)) => return channels.into_iter().collect(),
                None => {}
            }
            self.received.notified().await;
        }
    }

    fn add(&self, woken: Woken) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let all = match (pending.take(), woken) {
            (None, woken) => woken,
            (Some(Woken::These(mut before)), Woken::These(channels)) => {
                before.extend(channels);
                Woken::These(before)
            }
            _ => Woken::Any,
        };
        *pending = Some(all);
        drop(pending);
        self.received.notify_one();
    }
}

/// What is said of a commit: by whom, and line by line for which channels; none: for some. `None`: it gives nobody anything to do.
pub fn payload(writer: &str, woken: &Woken) -> Option<String> {
    let channels = match woken {
        Woken::Any => return Some(writer.to_owned()),
        Woken::These(channels) if channels.is_empty() => return None,
        Woken::These(channels) => channels.iter().map(String::as_str),
    };
    let all: Vec<&str> = std::iter::once(writer).chain(channels).collect();
    let payload = all.join("\n");
    Some(if payload.len() > LONGEST { writer.to_owned() } else { payload })
}

/// Who is woken by what was said; `None`: it was said by this store itself, which knows what it commits.
fn read(payload: &str, own: &str) -> Option<Woken> {
    let mut lines = payload.lines();
    if lines.next() == Some(own) {
        return None;
    }
    let channels: BTreeSet<String> = lines.map(str::to_owned).collect();
    Some(if channels.is_empty() { Woken::Any } else { Woken::These(channels) })
}

/// Notes who is woken, for as long as it is polled.
pub async fn listen(connector: Connector, own: String, wake_ups: Arc<WakeUps>) {
    loop {
        let received = async {
            let (client, connection) = connector.connect().await?;
            receive(client, connection, &own, &wake_ups).await
        };
        if let Err(error) = received.await {
            tracing::debug!(%error, "nobody is woken by the database until it can be listened to again");
        }
        tokio::time::sleep(AGAIN).await;
    }
}

/// Until the connection ends.
async fn receive(client: Client, mut connection: Encrypted, own: &str, wake_ups: &WakeUps) -> Result<(), Error> {
    // The name is of the store, not of the database, which may hold several.
    let listen = async {
        let name = "SELECT 'orderbell_' || CAST(CAST('store_version' AS regclass) AS oid)";
        let name: String = client.query_typed_one(name, &[]).await?.try_get(0)?;
        client.batch_execute(&format!("LISTEN {name}")).await
    };
    let receive = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(notified) = message?
                && let Some(woken) = read(notified.payload(), own)
            {
                wake_ups.add(woken);
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
    wake_ups.add(Woken::Any);
    receive.await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn these(channels: &[&str]) -> Woken {
        Woken::These(channels.iter().map(|channel| (*channel).to_owned()).collect())
    }

    #[test]
    fn what_is_said_of_a_commit_names_its_channels_as_long_as_there_is_room() {
        for woken in [these(&["kitchen"]), these(&["it's", "büro 2"]), Woken::Any] {
            let said = payload("abc", &woken).expect("somebody is woken");
            assert_eq!(read(&said, "def"), Some(woken));
            assert_eq!(read(&said, "abc"), None, "it knows what it commits");
        }
        assert_eq!(payload("abc", &these(&[])), None);
        let many: Vec<String> = (0..1_000).map(|number| format!("channel {number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let said = payload("abc", &these(&many)).expect("somebody is woken");
        assert_eq!(read(&said, "def"), Some(Woken::Any));
        // As an older version says it.
        assert_eq!(read("abc", "def"), Some(Woken::Any));
    }

    #[tokio::test]
    async fn what_was_received_is_kept_until_it_is_taken() {
        let wake_ups = WakeUps::default();
        wake_ups.add(these(&["kitchen"]));
        wake_ups.add(these(&["office", "kitchen"]));
        assert_eq!(wake_ups.next().await, ["kitchen", "office"]);
        wake_ups.add(these(&["kitchen"]));
        wake_ups.add(Woken::Any);
        wake_ups.add(these(&["office"]));
        assert_eq!(wake_ups.next().await, [""; 0]);
    }
}
