//! Where a mail server is, how it is entered, and how long each step may take.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use url::{Host, Url};

use crate::channel::http::guard::is_private;
use crate::channel::smtp::reply::{SmtpFailure, SmtpPhase, lost, unfit};
use crate::domain::secret::Secret;

/// How a connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS from the first byte.
    Implicit,
    /// The connection turns to TLS before anything is said; a server that cannot is not used.
    StartTls,
    /// None: on this machine alone.
    Plain,
}

/// Where a mail server is: `smtps://host:465`, `smtp://host:587` or `smtp+plain://127.0.0.1:1025`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmtpAddress {
    pub protection: Protection,
    pub host: Host<String>,
    pub port: u16,
}

/// What is wrong with the address of a mail server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidEndpoint {
    Malformed,
    HoldsPassword,
}

impl FromStr for SmtpAddress {
    type Err = InvalidEndpoint;

    fn from_str(text: &str) -> Result<Self, InvalidEndpoint> {
        let url = Url::parse(text).map_err(|_| InvalidEndpoint::Malformed)?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidEndpoint::HoldsPassword);
        }
        let (protection, port) = match url.scheme() {
            "smtps" => (Protection::Implicit, 465),
            "smtp" => (Protection::StartTls, 587),
            "smtp+plain" => (Protection::Plain, 25),
            _ => return Err(InvalidEndpoint::Malformed),
        };
        let is_bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        // The host of a scheme that is not the web's is not read by the parser.
        let host = url.host_str().filter(|host| !host.is_empty()).and_then(|host| Host::parse(host).ok());
        match host {
            Some(host) if is_bare => Ok(Self { protection, host, port: url.port().unwrap_or(port) }),
            _ => Err(InvalidEndpoint::Malformed),
        }
    }
}

/// How long each step may take. RFC 5321, section 4.5.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// Name, connection and TLS.
    pub connect: Duration,
    /// Each reply before the mail itself.
    pub reply: Duration,
    /// Handing over the mail.
    pub content: Duration,
    /// The reply to the final dot: whoever waits less sends mails twice.
    pub answer: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(15),
            reply: Duration::from_secs(60),
            content: Duration::from_secs(180),
            answer: Duration::from_secs(600),
        }
    }
}

/// How a server is entered.
#[derive(Clone, Debug)]
pub struct SmtpEndpoint {
    pub server: SmtpAddress,
    pub login: Option<(String, Secret)>,
    /// How we introduce ourselves; our address in brackets where absent.
    pub hello_name: Option<String>,
    pub tls: Arc<rustls::ClientConfig>,
    /// Whether the server may be of this machine or a private network.
    pub allow_private: bool,
    pub timeouts: Timeouts,
}

/// Finds the server and connects to the first of its addresses that answers.
pub async fn dial(endpoint: &SmtpEndpoint) -> Result<(TcpStream, SocketAddr), SmtpFailure> {
    let phase = SmtpPhase::Connect;
    let SmtpAddress { host, port, protection } = &endpoint.server;
    let found: Vec<SocketAddr> = match host {
        Host::Domain(name) => match tokio::net::lookup_host((name.as_str(), *port)).await {
            Ok(found) => found.collect(),
            Err(_) => return Err(SmtpFailure::Lost { phase, why: "the server's name is not found".to_owned() }),
        },
        Host::Ipv4(address) => vec![SocketAddr::from((*address, *port))],
        Host::Ipv6(address) => vec![SocketAddr::from((*address, *port))],
    };
    let may =
        |address: &SocketAddr| endpoint.allow_private || *protection == Protection::Plain || !is_private(address.ip());
    let allowed: Vec<SocketAddr> = found.iter().copied().filter(may).collect();
    if allowed.is_empty() && !found.is_empty() {
        return Err(unfit(phase, "it is a private address; set allow_private = true if that is meant"));
    }
    let mut failure = SmtpFailure::Lost { phase, why: "the server's name has no address".to_owned() };
    for address in allowed {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Only a matter of speed: a mail is many small writes.
                let _ = stream.set_nodelay(true);
                return Ok((stream, address));
            }
            Err(error) => failure = lost(phase, &error),
        }
    }
    Err(failure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_servers_address_says_how_it_is_protected() {
        let server = |text: &str| text.parse::<SmtpAddress>();
        let found = server("smtps://smtp.example.com").unwrap();
        assert_eq!((found.protection, found.port), (Protection::Implicit, 465));
        assert_eq!(server("smtp://[::1]:2525").unwrap().host.to_string(), "[::1]");
        let found = server("smtp+plain://127.0.0.1").unwrap();
        assert!(matches!(found.host, Host::Ipv4(address) if address.is_loopback()));
        assert_eq!(server("smtp://orders:hush@smtp.example.com"), Err(InvalidEndpoint::HoldsPassword));
        for wrong in ["smtp.example.com:465", "https://smtp.example.com", "smtps://", "smtps://a/b", "smtps://a?x=1"] {
            assert_eq!(server(wrong), Err(InvalidEndpoint::Malformed), "{wrong}");
        }
    }
}
