//! What is logged while a test runs, kept by the runtime of the test: tests that share a process share its subscriber.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, LazyLock, Mutex, Once, PoisonError, RwLock, Weak};

use tokio::runtime::{Handle, Id};
use tracing_subscriber::filter::dynamic_filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

/// The logs that are being kept.
static LOGS: LazyLock<RwLock<HashMap<Id, Weak<Log>>>> = LazyLock::new(RwLock::default);

/// Everything that is logged on the runtime of a test, ours and that of the crates beneath us, as long as it is held.
pub struct Log {
    runtime: Id,
    bytes: Mutex<Vec<u8>>,
}

impl Drop for Log {
    fn drop(&mut self) {
        let mut logs = LOGS.write().unwrap_or_else(PoisonError::into_inner);
        // Another may have taken its place.
        if logs.get(&self.runtime).is_some_and(|log| log.strong_count() == 0) {
            logs.remove(&self.runtime);
        }
    }
}

/// Keeps what is logged from now on; what is kept already on this runtime is shared.
pub fn keep() -> Arc<Log> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let log = fmt::layer().with_ansi(false).with_writer(Writer::here);
        let kept = dynamic_filter_fn(|_, _| !Writer::here().0.is_empty());
        tracing_subscriber::registry().with(log.with_filter(kept)).init();
    });
    let runtime = Handle::current().id();
    let mut logs = LOGS.write().unwrap_or_else(PoisonError::into_inner);
    if let Some(log) = logs.get(&runtime).and_then(Weak::upgrade) {
        return log;
    }
    let log = Arc::new(Log { runtime, bytes: Mutex::default() });
    logs.insert(runtime, Arc::downgrade(&log));
    log
}

/// Everything that this test has logged so far. A test keeps its log by having a scene.
pub fn log() -> String {
    let kept = LOGS.read().unwrap_or_else(PoisonError::into_inner).get(&Handle::current().id()).cloned();
    let log = kept.and_then(|log| log.upgrade()).expect("a log that is kept");
    String::from_utf8_lossy(&log.bytes.lock().expect("no panic under the lock")).into_owned()
}

/// Writes to the log of this thread's runtime. A thread without one, such as the store's, serves some test or other: what it
/// says stands in the log of each.
struct Writer(Vec<Arc<Log>>);

impl Writer {
    fn here() -> Self {
        let logs = LOGS.read().unwrap_or_else(PoisonError::into_inner);
        match Handle::try_current() {
            Ok(runtime) => Self(logs.get(&runtime.id()).and_then(Weak::upgrade).into_iter().collect()),
            Err(_) => Self(logs.values().filter_map(Weak::upgrade).collect()),
        }
    }
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for log in &self.0 {
            log.bytes.lock().expect("no panic under the lock").extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
