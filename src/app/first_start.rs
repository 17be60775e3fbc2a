//! A first start: the page of the set-up, on this machine alone, until there is a configuration that the daemon goes on by.

use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::app::admin::LIMITS;
use crate::app::assistant::Assistant;
use crate::app::assistant::saving::Handover;
use crate::flow::Clock;
use crate::web::admin::access::{AccessRules, Authenticator};
use crate::web::admin::{first_start, notes};
use crate::web::server;
use crate::web::server::limits::ListenerLimits;

/// Shows the set-up on `listener` until a person has the daemon started: then answers what it goes on with, and the listener, so
/// that nobody who asks meanwhile is refused. `None` where `shutdown` came first.
///
/// # Errors
/// The listener has no address.
pub async fn run(
    assistant: Assistant,
    listener: TcpListener,
    clock: Clock,
    shutdown: &CancellationToken,
) -> io::Result<Option<(Handover, TcpListener)>> {
    let bound = listener.local_addr()?;
    // No token is known before there is a configuration: whoever is on this machine, and nobody else.
    let authenticator = Authenticator::new(AccessRules::of(Vec::new(), bound), clock.clone());
    let routes = first_start::routes(Arc::new(assistant.clone()), authenticator, clock);
    let (listener, end) = (Arc::new(listener), assistant.end());
    // What is typed here is short.
    let limits = ListenerLimits { max_body_bytes: 64 * 1024, ..LIMITS };
    let serving = server::serve_noting(listener.clone(), routes, limits, notes(), end.clone());
    let stopping = async {
        shutdown.run_until_cancelled(end.cancelled()).await;
        end.cancel();
    };
    tokio::join!(serving, stopping);
    Ok(assistant.handover().zip(Arc::into_inner(listener)))
}
