//! The admin listener: its limits, and who gets in by the configuration in force.

use std::net::SocketAddr;

use tokio::net::TcpListener;

use crate::app::accepting::keep_accepting;
use crate::config::listeners::ConfiguredAdmin;
use crate::flow::Clock;
use crate::flow::supervisor::Supervisor;
use crate::web::admin;
use crate::web::admin::AdminState;
use crate::web::admin::access::{AccessRules, Authenticator};
use crate::web::server::limits::ListenerLimits;

/// Few ask; the largest that they send are templates that are tried, as a form writes them.
pub const LIMITS: ListenerLimits = ListenerLimits {
    max_body_bytes: 1024 * 1024,
    max_held_bytes: 32 * 1024 * 1024,
    max_connections: 256,
    ..ListenerLimits::DEFAULT
};

/// The admin listener as far as a reload may change it.
pub struct AdminControl {
    authenticator: Authenticator,
    /// What it listens at.
    bound: SocketAddr,
    configured: Option<ConfiguredAdmin>,
}

impl AdminControl {
    /// From now on whoever the new configuration says gets in.
    pub fn replace(&mut self, configured: Option<ConfiguredAdmin>) {
        if self.configured == configured {
            return;
        }
        self.authenticator.replace(rules(configured.as_ref(), self.bound));
        self.configured = configured;
    }
}

/// Listens until the daemon stops.
pub fn keep_answering(
    supervisor: &Supervisor,
    listener: TcpListener,
    configured: Option<&ConfiguredAdmin>,
    state: impl FnOnce(Authenticator) -> AdminState,
    clock: &Clock,
) -> Option<AdminControl> {
    let bound = listener
        .local_addr()
        .inspect_err(|error| tracing::error!(%error, "the admin listener has no address, and is closed"))
        .ok()?;
    let authenticator = Authenticator::new(rules(configured, bound), clock.clone());
    let routes = admin::routes(state(authenticator.clone()));
    keep_accepting(supervisor, "admin listener", listener, routes, LIMITS, admin::notes());
    tracing::info!(address = %bound, "the admin listener answers");
    Some(AdminControl { authenticator, bound, configured: configured.cloned() })
}

fn rules(configured: Option<&ConfiguredAdmin>, bound: SocketAddr) -> AccessRules {
    match configured {
        Some(configured) => AccessRules::of(configured.tokens.clone(), bound),
        None => AccessRules::Closed,
    }
}
