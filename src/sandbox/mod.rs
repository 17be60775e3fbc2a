//! Simulated providers and receivers: DingTalk and WeCom robots, a WebHook receiver and a mail server that check what the real ones
//! check, take faults on command and keep what came; for `demo`, for tests, and for trying a configuration offline.
//!
//! It is a server of its own and not the daemon's, because its faults cut connections, which no decent server does.

#![expect(clippy::disallowed_methods, reason = "it stands for other machines, which have clocks of their own")]

mod allowance;
mod answer;
mod certificate;
mod dingtalk;
mod email;
mod errcode;
pub mod fault;
pub mod inbox;
mod keeta;
mod kinds;
mod mail_connections;
mod mock;
mod reply;
pub mod rules;
pub mod smtp;
mod smtp_state;
mod webhook;
mod wecom;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::sandbox::answer::MockState;
use crate::sandbox::fault::{Fault, Times};
use crate::sandbox::inbox::{Collector, Counts, Received};
use crate::sandbox::kinds::MOCKS;
use crate::sandbox::rules::Rules;
use crate::sandbox::smtp::MailServer;

/// What one of a kind is to people, and what a person or a program there gets to see of a request.
pub fn shown(received: &Received) -> (&'static str, String) {
    let mock = MOCKS.iter().find(|mock| mock.kind() == received.address.kind);
    let mock = mock.expect("what was received came to one of these");
    (mock.label(), mock.shown(received))
}

/// How long a half-sent request header, or an idle connection, is waited for.
const HEADER_TIMEOUT: Duration = Duration::from_secs(60);
/// The pause after an accept that failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Running receivers. Dropping it closes them, with every connection.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    mock_state: Arc<MockState>,
    tasks: TaskTracker,
    stop_token: CancellationToken,
    stop: DropGuard,
}

impl Sandbox {
    /// Serves on `listener` until it is stopped or dropped. The robots' clock starts now. Needs a tokio runtime.
    pub fn start(listener: TcpListener, rules: Rules) -> Self {
        let address = listener.local_addr().expect("a bound listener has an address");
        let mock_state = Arc::new(MockState::new(rules));
        let tasks = TaskTracker::new();
        let stop = CancellationToken::new();
        tasks.spawn(accept(listener, mock_state.clone(), tasks.clone(), stop.clone()));
        Self { address, mock_state, tasks, stop_token: stop.clone(), stop: stop.drop_guard() }
    }

    /// Serves the same receivers on one more listener. Answers its address.
    pub fn serve_also(&self, listener: TcpListener) -> SocketAddr {
        let address = listener.local_addr().expect("a bound listener has an address");
        self.tasks.spawn(accept(listener, self.mock_state.clone(), self.tasks.clone(), self.stop_token.clone()));
        address
    }

    /// Serves mail as well, on a listener of its own. Answers its address.
    pub fn serve_mail(&self, listener: TcpListener, post: MailServer) -> SocketAddr {
        let address = listener.local_addr().expect("a bound listener has an address");
        let (mock_state, post, tasks) = (self.mock_state.clone(), Arc::new(post), self.tasks.clone());
        let stop = self.stop_token.clone();
        let accept = async move {
            while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
                let Ok((stream, _)) = accepted else {
                    stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
                    continue;
                };
                // Only a matter of speed.
                let _ = stream.set_nodelay(true);
                let session = smtp::serve(mock_state.clone(), post.clone(), mock_state.certificate.clone(), stream);
                let (stop, mock_state) = (stop.clone(), mock_state.clone());
                tasks.spawn(async move {
                    let _open = mock_state.mail_connections.open();
                    stop.run_until_cancelled(session).await
                });
            }
        };
        self.tasks.spawn(accept);
        address
    }

    /// The mail server's certificate, in PEM: what a channel names as `ca_file`.
    pub fn certificate(&self) -> &str {
        &self.mock_state.certificate.pem
    }

    /// How many connections the mail server has open.
    pub fn open_mail_connections(&self) -> usize {
        self.mock_state.mail_connections.now()
    }

    /// How many it had open at most at one time.
    pub fn most_mail_connections(&self) -> usize {
        self.mock_state.mail_connections.most()
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The robot with this token, as a channel's `webhook`.
    pub fn robot_url(&self, token: &str) -> String {
        format!("http://{}/robot/send?access_token={token}", self.address)
    }

    /// The WeCom robot with this key, as a channel's `webhook`.
    pub fn wecom_url(&self, key: &str) -> String {
        format!("http://{}/cgi-bin/webhook/send?key={key}", self.address)
    }

    /// Where Keeta's API is simulated, as the base of its addresses.
    pub fn keeta_base(&self) -> String {
        format!("http://{}/api/open", self.address)
    }

    /// The receiver with this name, as a channel's `url`.
    pub fn hook_url(&self, name: &str) -> String {
        format!("http://{}/webhook/{name}", self.address)
    }

    /// Every request that came to a receiver, oldest first; at most the last 10 000.
    pub fn messages(&self) -> Vec<Received> {
        self.mock_state.inbox.messages()
    }

    /// How many there were since the start or the last clearing.
    pub fn counts(&self) -> Counts {
        self.mock_state.inbox.counts()
    }

    /// Forgets what came. Idempotency keys and allowances stay known.
    pub fn clear(&self) {
        self.mock_state.inbox.clear();
    }

    /// Every request from now on. A subscriber that lags more than 1024 behind loses the oldest and gets an error that says so.
    pub fn subscribe(&self) -> broadcast::Receiver<Received> {
        self.mock_state.inbox.subscribe()
    }

    /// Waits for messages, beginning with the oldest that is kept.
    pub fn collector(&self) -> Collector {
        Collector::new(self.mock_state.inbox.clone())
    }

    /// Orders a fault for the robot with this token or key, or the webhook of this name.
    pub fn order(&self, name: &str, fault: Fault, times: Times) {
        self.mock_state.order(name, fault, times);
    }

    /// Takes back all faults of this robot or webhook.
    pub fn clear_faults(&self, name: &str) {
        self.mock_state.clear_faults(name);
    }

    /// How far the clock by which signatures are checked is ahead of this machine's.
    pub fn set_clock_ahead(&self, ahead: SignedDuration) {
        self.mock_state.set_ahead(ahead);
    }

    /// Closes the listener and all connections, and returns when they are closed.
    pub async fn stop(self) {
        drop(self.stop);
        self.tasks.close();
        self.tasks.wait().await;
    }
}

async fn accept(listener: TcpListener, mock_state: Arc<MockState>, tasks: TaskTracker, stop: CancellationToken) {
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        let Ok((stream, _)) = accepted else {
            stop.run_until_cancelled(tokio::time::sleep(ACCEPT_PAUSE)).await;
            continue;
        };
        // Only a matter of speed.
        let _ = stream.set_nodelay(true);
        let service = service_fn({
            let mock_state = mock_state.clone();
            move |request| answer::answer(mock_state.clone(), request)
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .serve_connection(TokioIo::new(stream), service);
        let stop = stop.clone();
        tasks.spawn(async move {
            // A connection that ends badly was cut by its peer, or by a fault.
            let _ = stop.run_until_cancelled(connection).await;
        });
    }
}
