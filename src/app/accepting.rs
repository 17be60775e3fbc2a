//! Accept loops that are started again when they end before the daemon does.

use std::sync::Arc;

use poem::Endpoint;
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::flow::supervisor::Supervisor;
use crate::web::server;
use crate::web::server::ListenerNotes;
use crate::web::server::limits::ListenerLimits;

/// Takes requests, whatever becomes of the task that accepts them.
pub fn keep_accepting<E: Endpoint + 'static>(
    supervisor: &Supervisor,
    task: &'static str,
    listener: TcpListener,
    endpoint: E,
    limits: ListenerLimits,
    notes: ListenerNotes,
) {
    let (endpoint, stop) = (Arc::new(endpoint), supervisor.stop());
    let listener = Arc::new(Mutex::new(Some(Arc::new(listener))));
    supervisor.keep(task, move || {
        let (listener, endpoint, notes, stop) = (listener.clone(), endpoint.clone(), notes.clone(), stop.clone());
        async move {
            let Some(held) = listener.lock().await.clone() else { return };
            // From the stop on, whoever connects is to be refused at once.
            let release = async {
                stop.cancelled().await;
                listener.lock().await.take();
            };
            tokio::join!(server::serve_noting(held, endpoint, limits, notes, stop.clone()), release);
        }
    });
}
