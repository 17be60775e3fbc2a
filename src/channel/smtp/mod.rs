//! SMTP: a connection to a mail server, and one mail to one recipient over it, step by step, so that it is known how far
//! the mail had come when something went wrong.
//!
//! - Source: RFC 5321 (the dialogue, its time-outs), 3207 (STARTTLS), 4954 (AUTH), 8314 (TLS from the start is preferred),
//!   1870 (SIZE), 3463 (enhanced codes).
//! - The dialogue is our own and not that of a mail library, because those hide whether the final dot was sent, take what
//!   came before the TLS handshake for an answer after it, and give up a whole mail for one refused recipient.

pub mod account;
mod certificate;
pub mod reply;
pub mod server;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufRead;
use tokio::io::AsyncBufReadExt;
use tokio::io::AsyncRead;
use tokio::io::AsyncReadExt;
use tokio::io::AsyncWrite;
use tokio::io::AsyncWriteExt;
use tokio::io::BufReader;
use tokio_rustls::TlsConnector;
use url::Host;

use crate::channel::smtp::reply::Failure;
use crate::channel::smtp::reply::Phase;
use crate::channel::smtp::reply::Reply;
use crate::channel::smtp::server::Entrance;
use crate::channel::smtp::server::Patience;
use crate::channel::smtp::server::Protection;
use crate::channel::smtp::server::dial;
use crate::domain::secret::Secret;

/// Longest reply that is read, in bytes.
const LONGEST_REPLY: usize = 64 * 1024;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// An open connection, introduced and logged in.
pub struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    patience: Patience,
    takes_size: bool,
    mails: u32,
    broken: bool,
}

/// What the server can do.
#[derive(Default)]
struct Abilities {
    start_tls: bool,
    size: bool,
    plain: bool,
    login: bool,
}

impl Connection {
    /// Connects, turns to TLS as configured, and logs in.
    ///
    /// # Errors
    /// [`Failure`]; nothing of a mail was sent.
    pub async fn open(entrance: &Entrance) -> Result<Self, Failure> {
        let patience = entrance.patience;
        let (tcp, peer) = in_time(Phase::Connect, patience.connect, dial(entrance)).await?;
        let name = match (&entrance.hello_name, tcp.local_addr()) {
            (Some(name), _) => name.clone(),
            (None, Ok(SocketAddr::V4(own))) => format!("[{}]", own.ip()),
            (None, Ok(SocketAddr::V6(own))) => format!("[IPv6:{}]", own.ip()),
            (None, Err(_)) => "[127.0.0.1]".to_owned(),
        };
        let mut connection =
            Self { stream: BufReader::new(Box::new(tcp)), patience, takes_size: false, mails: 0, broken: false };
        let abilities = match entrance.server.protection {
            Protection::Plain if !peer.ip().to_canonical().is_loopback() => {
                return Err(unfit(Phase::Connect, "without TLS only a server of this machine is used"));
            }
            Protection::Plain => connection.introduce(&name).await?,
            Protection::Implicit => {
                connection = connection.encrypted(Phase::Connect, entrance).await?;
                connection.introduce(&name).await?
            }
            Protection::StartTls => {
                if !connection.introduce(&name).await?.start_tls {
                    return Err(unfit(Phase::StartTls, "the server offers no STARTTLS; try smtps://"));
                }
                connection.ask(Phase::StartTls, "STARTTLS", Reply::is_yes).await?;
                if !connection.stream.buffer().is_empty() {
                    // Whoever is in between could have put answers there, to be read as if they came encrypted.
                    return Err(unfit(Phase::StartTls, "the server went on unencrypted after STARTTLS"));
                }
                connection = connection.encrypted(Phase::StartTls, entrance).await?;
                connection.hello(&name).await?
            }
        };
        connection.takes_size = abilities.size;
        if let Some((user, password)) = &entrance.login {
            connection.log_in(user, password, &abilities).await?;
        }
        Ok(connection)
    }

    /// Hands over one mail for one recipient. `mail` has lines that end in CR LF, and is ASCII.
    ///
    /// # Errors
    /// [`Failure`]; only at [`Phase::Answer`] can the server have taken it all the same.
    pub async fn send(&mut self, from: &str, to: &str, mail: &str) -> Result<Reply, Failure> {
        self.mails += 1;
        let sent = self.transaction(from, to, mail).await;
        match &sent {
            // The connection can serve for the next mail once this one is forgotten.
            Err(Failure::Refused { phase: Phase::Mail | Phase::Recipient, reply }) if reply.code != 421 => {
                self.broken = self.ask(Phase::Mail, "RSET", Reply::is_yes).await.is_err();
            }
            Err(_) => self.broken = true,
            Ok(_) => {}
        }
        sent
    }

    async fn transaction(&mut self, from: &str, to: &str, mail: &str) -> Result<Reply, Failure> {
        let size = if self.takes_size { format!(" SIZE={}", mail.len()) } else { String::new() };
        self.ask(Phase::Mail, &format!("MAIL FROM:<{from}>{size}"), Reply::is_yes).await?;
        self.ask(Phase::Recipient, &format!("RCPT TO:<{to}>"), Reply::is_yes).await?;
        self.ask(Phase::Data, "DATA", |reply| reply.code == 354).await?;
        let mut content = stuffed(mail);
        let ending = content.split_off(content.len() - DOT.len());
        self.write(Phase::Content, content.as_bytes(), self.patience.content).await?;
        // As long as not all of the dot has left us, the server cannot have taken the mail.
        self.write(Phase::Content, ending.as_bytes(), self.patience.content).await?;
        self.expect(Phase::Answer, self.patience.answer, Reply::is_yes).await
    }

    /// Whether the connection can serve for another mail. A server that has closed it, or said that it will, is noticed.
    pub fn is_usable(&mut self, most_mails: u32) -> bool {
        let said = self.stream.fill_buf().now_or_never();
        !self.broken && self.mails < most_mails && said.is_none()
    }

    pub fn mails(&self) -> u32 {
        self.mails
    }

    /// Takes leave, briefly.
    pub async fn close(mut self) {
        let leave = async {
            self.write(Phase::Hello, b"QUIT\r\n", self.patience.connect).await?;
            self.expect(Phase::Hello, self.patience.connect, Reply::is_yes).await
        };
        // Whether the server answers does not matter any more.
        let _ = tokio::time::timeout(Duration::from_secs(2), leave).await;
    }

    async fn encrypted(self, phase: Phase, entrance: &Entrance) -> Result<Self, Failure> {
        let Self { stream, patience, .. } = self;
        let name = match &entrance.server.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| unfit(phase, "the server's name cannot stand in a certificate"))?,
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::V6(*address)),
        };
        let handshake = TlsConnector::from(entrance.tls.clone()).connect(name, stream.into_inner());
        let stream = in_time(phase, patience.connect, async {
            handshake.await.map_err(|error| match certificate::fault(&error) {
                Some(why) => Failure::Unfit { phase, why },
                None => lost(phase, &error),
            })
        })
        .await?;
        Ok(Self { stream: BufReader::new(Box::new(stream)), patience, takes_size: false, mails: 0, broken: false })
    }

    /// Reads the greeting and introduces us.
    async fn introduce(&mut self, name: &str) -> Result<Abilities, Failure> {
        self.expect(Phase::Greeting, self.patience.reply, Reply::is_yes).await?;
        self.hello(name).await
    }

    async fn hello(&mut self, name: &str) -> Result<Abilities, Failure> {
        self.write(Phase::Hello, format!("EHLO {name}\r\n").as_bytes(), self.patience.reply).await?;
        let (code, lines) = self.read(Phase::Hello, self.patience.reply).await?;
        let reply = Reply::new(code, &lines);
        if !reply.is_yes() {
            return Err(Failure::Refused { phase: Phase::Hello, reply });
        }
        let mut abilities = Abilities::default();
        for line in lines.iter().skip(1).map(|line| line.to_ascii_uppercase()) {
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => abilities.start_tls = true,
                Some("SIZE") => abilities.size = true,
                Some("AUTH") => words.for_each(|word| match word {
                    "PLAIN" => abilities.plain = true,
                    "LOGIN" => abilities.login = true,
                    _ => {}
                }),
                _ => {}
            }
        }
        Ok(abilities)
    }

    async fn log_in(&mut self, user: &str, password: &Secret, abilities: &Abilities) -> Result<(), Failure> {
        let coded = |text: &str| BASE64_STANDARD.encode(text);
        if abilities.plain {
            let proof = coded(&format!("\0{user}\0{}", password.expose()));
            self.ask(Phase::Auth, &format!("AUTH PLAIN {proof}"), Reply::is_yes).await?;
        } else if abilities.login {
            let asks_on = |reply: &Reply| reply.code == 334;
            self.ask(Phase::Auth, "AUTH LOGIN", asks_on).await?;
            self.ask(Phase::Auth, &coded(user), asks_on).await?;
            self.ask(Phase::Auth, &coded(password.expose()), Reply::is_yes).await?;
        } else {
            return Err(unfit(Phase::Auth, "the server offers neither AUTH PLAIN nor AUTH LOGIN"));
        }
        Ok(())
    }

    /// One command and its reply.
    async fn ask(&mut self, phase: Phase, command: &str, is_right: fn(&Reply) -> bool) -> Result<Reply, Failure> {
        self.write(phase, format!("{command}\r\n").as_bytes(), self.patience.reply).await?;
        self.expect(phase, self.patience.reply, is_right).await
    }

    async fn expect(
        &mut self,
        phase: Phase,
        patience: Duration,
        is_right: fn(&Reply) -> bool,
    ) -> Result<Reply, Failure> {
        let (code, lines) = self.read(phase, patience).await?;
        let reply = Reply::new(code, &lines);
        if is_right(&reply) { Ok(reply) } else { Err(Failure::Refused { phase, reply }) }
    }

    async fn write(&mut self, phase: Phase, bytes: &[u8], patience: Duration) -> Result<(), Failure> {
        in_time(phase, patience, async {
            self.stream.write_all(bytes).await.map_err(|error| lost(phase, &error))?;
            self.stream.flush().await.map_err(|error| lost(phase, &error))
        })
        .await
    }

    async fn read(&mut self, phase: Phase, patience: Duration) -> Result<(u16, Vec<String>), Failure> {
        in_time(phase, patience, read_reply(phase, &mut self.stream)).await
    }
}

const DOT: &str = "\r\n.\r\n";

/// The mail as it goes over the wire: a dot more where a line begins with one, and the final dot at the end.
fn stuffed(mail: &str) -> String {
    let mut content = String::with_capacity(mail.len() + 64);
    for line in mail.strip_suffix("\r\n").unwrap_or(mail).split("\r\n") {
        if line.starts_with('.') {
            content.push('.');
        }
        content.push_str(line);
        content.push_str("\r\n");
    }
    content.push_str(".\r\n");
    content
}

async fn read_reply(phase: Phase, stream: &mut (impl AsyncBufRead + Unpin)) -> Result<(u16, Vec<String>), Failure> {
    let broken = |why: &str| Failure::Lost { phase, why: why.to_owned() };
    let mut lines = Vec::new();
    let mut left = LONGEST_REPLY;
    loop {
        let mut line = Vec::new();
        let most = u64::try_from(left).unwrap_or(u64::MAX);
        let read = (&mut *stream).take(most).read_until(b'\n', &mut line).await.map_err(|error| lost(phase, &error))?;
        left -= read;
        if !line.ends_with(b"\n") {
            return Err(broken(if left == 0 { "the reply is too long" } else { "the connection was closed" }));
        }
        let line = String::from_utf8_lossy(&line);
        let line = line.trim_end_matches(['\r', '\n']);
        let code = line.get(..3).filter(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
        let code = code.and_then(|code| code.parse::<u16>().ok()).filter(|code| (200..600).contains(code));
        let code = code.ok_or_else(|| broken("what came is no reply of a mail server"))?;
        lines.push(line.get(4..).unwrap_or_default().to_owned());
        match line.as_bytes().get(3) {
            Some(b'-') => {}
            Some(b' ') | None => return Ok((code, lines)),
            Some(_) => return Err(broken("what came is no reply of a mail server")),
        }
    }
}

async fn in_time<T>(
    phase: Phase,
    patience: Duration,
    step: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(patience, step).await {
        Ok(done) => done,
        Err(_) => Err(Failure::Lost { phase, why: "timed out".to_owned() }),
    }
}

fn unfit(phase: Phase, why: &str) -> Failure {
    Failure::Unfit { phase, why: why.to_owned() }
}

fn lost(phase: Phase, error: &io::Error) -> Failure {
    let why = match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused",
        io::ErrorKind::ConnectionReset => "the connection was reset",
        io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            "the connection was closed"
        }
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => "the network cannot be reached",
        io::ErrorKind::TimedOut => "timed out",
        io::ErrorKind::InvalidData => "the server does not speak TLS there",
        _ => "the connection failed",
    };
    Failure::Lost { phase, why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use std::pin::Pin;
    use std::task::Context;
    use std::task::Poll;

    use tokio::io::ReadBuf;

    use super::*;

    #[test]
    fn a_line_that_begins_with_a_dot_gets_another() {
        assert_eq!(stuffed(".a\r\n..\r\nb.\r\n"), "..a\r\n...\r\nb.\r\n.\r\n");
        assert_eq!(stuffed("a"), "a\r\n.\r\n");
    }

    async fn reply(text: &str) -> Result<(u16, Vec<String>), Failure> {
        read_reply(Phase::Mail, &mut text.as_bytes()).await
    }

    #[tokio::test]
    async fn a_reply_is_read_to_its_last_line() {
        let lines = vec!["one".to_owned(), String::new(), "three".to_owned()];
        assert_eq!(reply("250-one\r\n250-\r\n250 three\r\nmore").await, Ok((250, lines)));
        assert_eq!(reply("250\r\n").await, Ok((250, vec![String::new()])));
        let endless = "250-x\r\n".repeat(LONGEST_REPLY);
        for broken in ["", "250-one\r\n", "250 cut", "hello\r\n", "250?\r\n", "199 x\r\n", "ééé x\r\n", &endless] {
            assert!(matches!(reply(broken).await, Err(Failure::Lost { .. })), "{:.20}", broken);
        }
    }

    /// A server that says yes to everything, over a line that breaks when the final dot is to be sent.
    struct Torn(&'static [u8]);

    impl AsyncRead for Torn {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            buffer.put_slice(std::mem::take(&mut self.0));
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Torn {
        fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            Poll::Ready(match bytes {
                b"\r\n.\r\n" => Err(io::ErrorKind::BrokenPipe.into()),
                bytes => Ok(bytes.len()),
            })
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn a_dot_that_could_not_be_sent_was_not_heard() {
        let line: Box<dyn Stream> = Box::new(Torn(b"250 yes\r\n250 yes\r\n354 go ahead\r\n"));
        let (stream, patience) = (BufReader::new(line), Patience::default());
        let mut connection = Connection { stream, patience, takes_size: false, mails: 0, broken: false };
        let sent = connection.send("a@b.example", "c@d.example", "Subject: x\r\n\r\ny\r\n").await;
        let lost = Failure::Lost { phase: Phase::Content, why: "the connection was closed".to_owned() };
        assert_eq!(sent, Err(lost));
    }
}
