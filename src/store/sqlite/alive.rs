//! Whether the thread that writes the store does its work.

use tokio::sync::oneshot;

use crate::store::sqlite::{Sqlite, WriterJob};

impl Sqlite {
    /// Waits until the writer thread answers, be it that it cannot write now; `false` when it has ended.
    pub async fn writer_answers(&self) -> bool {
        let (reply, answer) = oneshot::channel();
        let nothing = WriterJob::Change(Box::new(move |_| {
            Box::new(move |_| {
                // Whoever asked may have given up.
                let _ = reply.send(());
            })
        }));
        self.writer.send(nothing).await.is_ok() && answer.await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use rusqlite::Connection;

    use super::*;

    #[tokio::test]
    async fn a_change_that_panics_is_refused_and_takes_no_other_along() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bell.db");
        let store = Sqlite::open(&path, Timestamp::UNIX_EPOCH).unwrap();
        let other = Connection::open(&path).unwrap();
        // While the lock is held, all of them gather behind the first one, in one transaction.
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let sign = |source: &'static str| {
            store.change(move |connection| {
                let sql = "INSERT INTO signs_of_life (source, at) VALUES (?1, 0)";
                let done = connection.execute(sql, [source])?;
                assert_ne!(source, "bad", "an internal error");
                Ok(done)
            })
        };
        let all =
            async { tokio::join!(sign("first"), sign("good"), sign("bad"), sign("better"), store.writer_answers()) };
        let release = async {
            tokio::task::yield_now().await;
            other.execute_batch("COMMIT").unwrap();
        };
        let ((first, good, bad, better, answers), ()) = tokio::join!(all, release);
        assert!(first.is_ok() && good.is_ok() && better.is_ok() && answers);
        assert!(bad.unwrap_err().to_string().contains("internal error"));
        let mut select = other.prepare("SELECT source FROM signs_of_life ORDER BY source").unwrap();
        let kept: Vec<String> = select.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        assert_eq!(kept, ["better", "first", "good"]);
        drop(select);
        store.close().await;
    }
}
