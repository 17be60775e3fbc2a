//! SMTP: a connection to a mail server, and one mail to one recipient over it, step by step, so that it is known how far
//! the mail had come when something went wrong.
//!
//! - Source: RFC 5321 (the dialogue, its time-outs), 3207 (STARTTLS), 4954 (AUTH), 8314 (TLS from the start is preferred),
//!   1870 (SIZE), 3463 (enhanced codes).
//! - The dialogue is our own and not that of a mail library, because those hide whether the final dot was sent, take what
//!   came before the TLS handshake for an answer after it, and give up a whole mail for one refused recipient.

pub mod account;
mod certificate;
pub mod log_in;
pub mod reply;
pub mod server;
mod wire;

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures_util::FutureExt;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio_rustls::TlsConnector;
use url::Host;

use crate::channel::smtp::log_in::{LogIns, Mechanism, Offer, is_about_the_mechanism};
use crate::channel::smtp::reply::{SmtpFailure, SmtpPhase, SmtpReply, lost, unfit};
use crate::channel::smtp::server::{Protection, SmtpEndpoint, Timeouts, dial};
use crate::channel::smtp::wire::{DOT, read_reply, stuffed};
use crate::domain::secret::Secret;

trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for T {}

/// An open connection, introduced and logged in.
pub struct SmtpConnection {
    stream: BufReader<Box<dyn Stream>>,
    timeouts: Timeouts,
    takes_size: bool,
    mails: u32,
    broken: bool,
}

/// What the server can do.
#[derive(Default)]
struct Abilities {
    start_tls: bool,
    size: bool,
    log_in: Offer,
}

impl SmtpConnection {
    /// Connects, turns to TLS as configured, and logs in by what is known of the account's log-ins.
    ///
    /// # Errors
    /// [`SmtpFailure`]; nothing of a mail was sent.
    pub async fn open(endpoint: &SmtpEndpoint, known: &LogIns) -> Result<Self, SmtpFailure> {
        let timeouts = endpoint.timeouts;
        let (tcp, peer) = in_time(SmtpPhase::Connect, timeouts.connect, dial(endpoint)).await?;
        let name = match (&endpoint.hello_name, tcp.local_addr()) {
            (Some(name), _) => name.clone(),
            (None, Ok(SocketAddr::V4(own))) => format!("[{}]", own.ip()),
            (None, Ok(SocketAddr::V6(own))) => format!("[IPv6:{}]", own.ip()),
            (None, Err(_)) => "[127.0.0.1]".to_owned(),
        };
        let mut connection =
            Self { stream: BufReader::new(Box::new(tcp)), timeouts, takes_size: false, mails: 0, broken: false };
        let abilities = match endpoint.server.protection {
            Protection::Plain if !peer.ip().to_canonical().is_loopback() => {
                return Err(unfit(SmtpPhase::Connect, "without TLS only a server of this machine is used"));
            }
            Protection::Plain => connection.introduce(&name).await?,
            Protection::Implicit => {
                connection = connection.encrypted(SmtpPhase::Connect, endpoint).await?;
                connection.introduce(&name).await?
            }
            Protection::StartTls => {
                if !connection.introduce(&name).await?.start_tls {
                    return Err(unfit(SmtpPhase::StartTls, "the server offers no STARTTLS; try smtps://"));
                }
                connection.ask(SmtpPhase::StartTls, "STARTTLS", SmtpReply::is_accepted).await?;
                if !connection.stream.buffer().is_empty() {
                    // Whoever is in between could have put answers there, to be read as if they came encrypted.
                    return Err(unfit(SmtpPhase::StartTls, "the server went on unencrypted after STARTTLS"));
                }
                connection = connection.encrypted(SmtpPhase::StartTls, endpoint).await?;
                connection.hello(&name).await?
            }
        };
        connection.takes_size = abilities.size;
        if let Some((user, password)) = &endpoint.login {
            connection.log_in((user, password), &abilities.log_in, known).await?;
        }
        Ok(connection)
    }

    /// Hands over one mail for one recipient. `mail` has lines that end in CR LF, and is ASCII.
    ///
    /// # Errors
    /// [`SmtpFailure`]; only at [`SmtpPhase::Answer`] can the server have taken it all the same.
    pub async fn send(&mut self, from: &str, to: &str, mail: &str) -> Result<SmtpReply, SmtpFailure> {
        self.mails += 1;
        let sent = self.transaction(from, to, mail).await;
        match &sent {
            // The connection can serve for the next mail once this one is forgotten.
            Err(SmtpFailure::Refused { phase: SmtpPhase::Mail | SmtpPhase::Recipient, reply }) if reply.code != 421 => {
                self.broken |= self.ask(SmtpPhase::Mail, "RSET", SmtpReply::is_accepted).await.is_err();
            }
            Err(_) => self.broken = true,
            Ok(_) => {}
        }
        sent
    }

    async fn transaction(&mut self, from: &str, to: &str, mail: &str) -> Result<SmtpReply, SmtpFailure> {
        let size = if self.takes_size { format!(" SIZE={}", mail.len()) } else { String::new() };
        self.ask(SmtpPhase::Mail, &format!("MAIL FROM:<{from}>{size}"), SmtpReply::is_accepted).await?;
        self.ask(SmtpPhase::Recipient, &format!("RCPT TO:<{to}>"), SmtpReply::is_accepted).await?;
        self.ask(SmtpPhase::Data, "DATA", |reply| reply.code == 354).await?;
        let mut content = stuffed(mail);
        let ending = content.split_off(content.len() - DOT.len());
        self.write(SmtpPhase::Content, content.as_bytes(), self.timeouts.content).await?;
        self.no_surplus(SmtpPhase::Content).await?;
        // As long as not all of the dot has left us, the server cannot have taken the mail.
        self.write(SmtpPhase::Content, ending.as_bytes(), self.timeouts.content).await?;
        self.expect(SmtpPhase::Answer, self.timeouts.answer, SmtpReply::is_accepted).await
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
            self.write(SmtpPhase::Hello, b"QUIT\r\n", self.timeouts.connect).await?;
            self.expect(SmtpPhase::Hello, self.timeouts.connect, SmtpReply::is_accepted).await
        };
        // Whether the server answers does not matter any more.
        let _ = tokio::time::timeout(Duration::from_secs(2), leave).await;
    }

    async fn encrypted(self, phase: SmtpPhase, endpoint: &SmtpEndpoint) -> Result<Self, SmtpFailure> {
        let Self { stream, timeouts, .. } = self;
        let name = match &endpoint.server.host {
            Host::Domain(name) => ServerName::try_from(name.clone())
                .map_err(|_| unfit(phase, "the server's name cannot stand in a certificate"))?,
            Host::Ipv4(address) => ServerName::from(std::net::IpAddr::V4(*address)),
            Host::Ipv6(address) => ServerName::from(std::net::IpAddr::V6(*address)),
        };
        let handshake = TlsConnector::from(endpoint.tls.clone()).connect(name, stream.into_inner());
        let stream = in_time(phase, timeouts.connect, async {
            handshake.await.map_err(|error| match certificate::fault(&error) {
                Some(why) => SmtpFailure::Unfit { phase, why },
                None => lost(phase, &error),
            })
        })
        .await?;
        Ok(Self { stream: BufReader::new(Box::new(stream)), timeouts, takes_size: false, mails: 0, broken: false })
    }

    /// Reads the greeting and introduces us.
    async fn introduce(&mut self, name: &str) -> Result<Abilities, SmtpFailure> {
        self.expect(SmtpPhase::Greeting, self.timeouts.reply, SmtpReply::is_accepted).await?;
        self.hello(name).await
    }

    async fn hello(&mut self, name: &str) -> Result<Abilities, SmtpFailure> {
        self.write(SmtpPhase::Hello, format!("EHLO {name}\r\n").as_bytes(), self.timeouts.reply).await?;
        let (code, lines) = self.read(SmtpPhase::Hello, self.timeouts.reply).await?;
        let reply = SmtpReply::new(code, &lines);
        if !reply.is_accepted() {
            return Err(SmtpFailure::Refused { phase: SmtpPhase::Hello, reply });
        }
        let mut abilities = Abilities::default();
        for line in lines.iter().skip(1).map(|line| line.to_ascii_uppercase()) {
            let mut words = line.split([' ', '=']);
            match words.next() {
                Some("STARTTLS") => abilities.start_tls = true,
                Some("SIZE") => abilities.size = true,
                Some("AUTH") => words.for_each(|word| abilities.log_in.add(word)),
                _ => {}
            }
        }
        Ok(abilities)
    }

    /// Logs in: by PLAIN, and where the server does not know it although it offers it, by LOGIN.
    async fn log_in(
        &mut self,
        (user, password): (&str, &Secret),
        offer: &Offer,
        known: &LogIns,
    ) -> Result<(), SmtpFailure> {
        let mut last = unfit(SmtpPhase::Auth, &offer.lack());
        for mechanism in offer.to_try(known) {
            match self.prove(mechanism, user, password).await {
                Err(SmtpFailure::Refused { phase, reply }) if is_about_the_mechanism(&reply) => {
                    known.is_refused(mechanism).store(true, Ordering::Relaxed);
                    last = SmtpFailure::Refused { phase, reply };
                }
                Ok(()) => {
                    known.is_refused(mechanism).store(false, Ordering::Relaxed);
                    return Ok(());
                }
                Err(failure) => return Err(failure),
            }
        }
        Err(last)
    }

    async fn prove(&mut self, mechanism: Mechanism, user: &str, password: &Secret) -> Result<(), SmtpFailure> {
        let coded = |text: &str| BASE64_STANDARD.encode(text);
        let asks_on = |reply: &SmtpReply| reply.code == 334;
        match mechanism {
            Mechanism::Plain => {
                let proof = coded(&format!("\0{user}\0{}", password.expose()));
                let is_answer = |reply: &SmtpReply| reply.is_accepted() || reply.code == 334;
                let reply = self.ask(SmtpPhase::Auth, &format!("AUTH PLAIN {proof}"), is_answer).await?;
                if asks_on(&reply) {
                    // It takes no proof beside the command.
                    self.ask(SmtpPhase::Auth, &proof, SmtpReply::is_accepted).await?;
                }
            }
            Mechanism::Login => {
                self.ask(SmtpPhase::Auth, "AUTH LOGIN", asks_on).await?;
                self.ask(SmtpPhase::Auth, &coded(user), asks_on).await?;
                self.ask(SmtpPhase::Auth, &coded(password.expose()), SmtpReply::is_accepted).await?;
            }
        }
        Ok(())
    }

    /// One command and its reply.
    async fn ask(
        &mut self,
        phase: SmtpPhase,
        command: &str,
        is_right: fn(&SmtpReply) -> bool,
    ) -> Result<SmtpReply, SmtpFailure> {
        self.no_surplus(phase).await?;
        self.write(phase, format!("{command}\r\n").as_bytes(), self.timeouts.reply).await?;
        self.expect(phase, self.timeouts.reply, is_right).await
    }

    /// What came before anything was asked is no answer to what is asked next: were it taken for one, each later answer would
    /// be that to an earlier command, and in the end one of them for an acceptance of the mail.
    async fn no_surplus(&mut self, phase: SmtpPhase) -> Result<(), SmtpFailure> {
        if !matches!(self.stream.fill_buf().now_or_never(), Some(Ok(came)) if !came.is_empty()) {
            return Ok(());
        }
        let (code, lines) = self.read(phase, self.timeouts.reply).await?;
        let reply = SmtpReply::new(code, &lines);
        self.broken = true;
        match code {
            400.. => Err(SmtpFailure::Refused { phase, reply }),
            _ => Err(SmtpFailure::Lost { phase, why: "the server answers more than it is asked".to_owned() }),
        }
    }

    async fn expect(
        &mut self,
        phase: SmtpPhase,
        timeout: Duration,
        is_right: fn(&SmtpReply) -> bool,
    ) -> Result<SmtpReply, SmtpFailure> {
        let (code, lines) = self.read(phase, timeout).await?;
        let reply = SmtpReply::new(code, &lines);
        if is_right(&reply) { Ok(reply) } else { Err(SmtpFailure::Refused { phase, reply }) }
    }

    async fn write(&mut self, phase: SmtpPhase, bytes: &[u8], timeout: Duration) -> Result<(), SmtpFailure> {
        in_time(phase, timeout, async {
            self.stream.write_all(bytes).await.map_err(|error| lost(phase, &error))?;
            self.stream.flush().await.map_err(|error| lost(phase, &error))
        })
        .await
    }

    async fn read(&mut self, phase: SmtpPhase, timeout: Duration) -> Result<(u16, Vec<String>), SmtpFailure> {
        in_time(phase, timeout, read_reply(phase, &mut self.stream)).await
    }
}

async fn in_time<T>(
    phase: SmtpPhase,
    timeout: Duration,
    step: impl Future<Output = Result<T, SmtpFailure>>,
) -> Result<T, SmtpFailure> {
    match tokio::time::timeout(timeout, step).await {
        Ok(done) => done,
        Err(_) => Err(SmtpFailure::Lost { phase, why: "timed out".to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::pin::Pin;
    use std::task::{Context, Poll};

    use tokio::io::ReadBuf;

    use super::*;

    /// A server that accepts everything it is asked, over a line that breaks when the final dot is to be sent.
    struct Torn {
        replies: Vec<&'static [u8]>,
        is_asked: bool,
    }

    impl AsyncRead for Torn {
        fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            if !std::mem::take(&mut self.is_asked) {
                return Poll::Pending;
            }
            buffer.put_slice(self.replies.pop().unwrap_or_default());
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncWrite for Torn {
        fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
            self.is_asked = !bytes.starts_with(b"Subject");
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
    async fn a_dot_that_could_not_be_sent_did_not_arrive() {
        let line: Box<dyn Stream> =
            Box::new(Torn { replies: vec![b"354 go ahead\r\n", b"250 yes\r\n", b"250 yes\r\n"], is_asked: false });
        let (stream, timeouts) = (BufReader::new(line), Timeouts::default());
        let mut connection = SmtpConnection { stream, timeouts, takes_size: false, mails: 0, broken: false };
        let sent = connection.send("a@b.example", "c@d.example", "Subject: x\r\n\r\ny\r\n").await;
        let lost = SmtpFailure::Lost { phase: SmtpPhase::Content, why: "the connection was closed".to_owned() };
        assert_eq!(sent, Err(lost));
    }
}
