//! The simulated mail server: it knows AUTH and STARTTLS, refuses the recipients that it should, takes no mail that breaks the
//! rules of the wire, and cuts connections on command.
//!
//! Source: RFC 5321, 3207, 4954; replies as Postfix words them.

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::domain::mail;
use crate::sandbox::answer::MockState;
use crate::sandbox::certificate::Certificate;
use crate::sandbox::fault::MailPhase;
use crate::sandbox::smtp_state::Strike;

/// Bytes of one mail, and of one line of a command.
const MOST_BYTES: usize = 10 * 1024 * 1024;
const LONGEST_LINE: u64 = 12_288;
/// Bytes of one line of a mail, its end included (RFC 5321, section 4.5.3.1.6).
const LONGEST_MAIL_LINE: usize = 1000;
/// Bytes of a mail after which it has come in part.
const MIDST: usize = 1024;

/// How the mail server behaves.
#[derive(Clone, Debug, Default)]
pub struct MailServer {
    /// Recipients that do not exist here.
    pub refused: BTreeSet<String>,
    pub tls: Tls,
}

/// When a connection is encrypted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tls {
    /// After STARTTLS.
    #[default]
    OnRequest,
    FromTheStart,
    /// Never: STARTTLS is not offered.
    Never,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// The connection is over: its peer went, or a fault cut it.
#[derive(Debug)]
struct Over;

impl From<std::io::Error> for Over {
    fn from(_: std::io::Error) -> Self {
        Over
    }
}

/// Serves one connection to its end.
pub async fn serve(mock_state: Arc<MockState>, post: Arc<MailServer>, certificate: Certificate, stream: TcpStream) {
    let session = async {
        let stream: Box<dyn Stream> = match post.tls {
            Tls::FromTheStart => Box::new(certificate.acceptor.accept(stream).await?),
            Tls::OnRequest | Tls::Never => Box::new(stream),
        };
        let is_encrypted = post.tls == Tls::FromTheStart;
        let stream = BufReader::new(stream);
        let mut session =
            Session { mock_state, post, certificate, stream, is_encrypted, user: None, from: None, to: Vec::new() };
        session.run().await
    };
    // However it ends.
    let _: Result<(), Over> = session.await;
}

struct Session {
    mock_state: Arc<MockState>,
    post: Arc<MailServer>,
    certificate: Certificate,
    stream: BufReader<Box<dyn Stream>>,
    is_encrypted: bool,
    user: Option<String>,
    from: Option<String>,
    to: Vec<String>,
}

impl Session {
    async fn run(&mut self) -> Result<(), Over> {
        if !self.faulty(MailPhase::Greeting, "").await? {
            self.say("220 sandbox ESMTP").await?;
        }
        loop {
            let line = self.line().await?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            match verb.to_ascii_uppercase().as_str() {
                "EHLO" => self.hello().await?,
                "STARTTLS" if !self.is_encrypted && self.post.tls == Tls::OnRequest => self.start_tls().await?,
                "AUTH" => self.auth(rest).await?,
                "MAIL" => self.mail(rest).await?,
                "RCPT" => self.recipient(rest).await?,
                "DATA" => self.data().await?,
                "RSET" => {
                    (self.from, self.to) = (None, Vec::new());
                    self.say("250 2.0.0 Ok").await?;
                }
                "NOOP" => self.say("250 2.0.0 Ok").await?,
                "QUIT" => {
                    self.say("221 2.0.0 Bye").await?;
                    return Err(Over);
                }
                _ => self.say("502 5.5.2 Error: command not recognized").await?,
            }
        }
    }

    async fn hello(&mut self) -> Result<(), Over> {
        if self.faulty(MailPhase::Hello, "").await? {
            return Ok(());
        }
        let start_tls = !self.is_encrypted && self.post.tls == Tls::OnRequest;
        let more = if start_tls { "250-STARTTLS\r\n" } else { "" };
        self.say(&format!(
            "250-sandbox\r\n250-SIZE {MOST_BYTES}\r\n{more}250-AUTH PLAIN LOGIN\r\n250 ENHANCEDSTATUSCODES"
        ))
        .await
    }

    async fn start_tls(&mut self) -> Result<(), Over> {
        if self.faulty(MailPhase::StartTls, "").await? {
            return Ok(());
        }
        self.say("220 2.0.0 Ready to start TLS").await?;
        let nothing: Box<dyn Stream> = Box::new(tokio::io::empty());
        let plain = std::mem::replace(&mut self.stream, BufReader::new(nothing));
        let encrypted = self.certificate.acceptor.accept(plain.into_inner()).await?;
        self.stream = BufReader::new(Box::new(encrypted));
        self.is_encrypted = true;
        Ok(())
    }

    async fn auth(&mut self, how: &str) -> Result<(), Over> {
        if self.faulty(MailPhase::Auth, "").await? {
            return Ok(());
        }
        let decoded = |coded: &str| BASE64_STANDARD.decode(coded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (user, password) = match how.split_once(' ').unwrap_or((how, "")) {
            ("PLAIN", proof) => {
                let proof = decoded(proof).unwrap_or_default();
                let mut pieces = proof.splitn(3, '\0').skip(1).map(str::to_owned);
                (pieces.next().unwrap_or_default(), pieces.next().unwrap_or_default())
            }
            ("LOGIN", _) => {
                self.say("334 VXNlcm5hbWU6").await?;
                let user = decoded(&self.line().await?).unwrap_or_default();
                self.say("334 UGFzc3dvcmQ6").await?;
                (user, decoded(&self.line().await?).unwrap_or_default())
            }
            _ => return self.say("504 5.5.4 Unrecognized authentication type").await,
        };
        if !self.mock_state.has_mail_users() || self.mock_state.is_mail_user(&user, &password) {
            self.user = Some(user);
            return self.say("235 2.7.0 Authentication successful").await;
        }
        self.mock_state.refuse_mail(&user, "535 5.7.8 authentication failed");
        self.say("535 5.7.8 Error: authentication failed: authentication failure").await
    }

    async fn mail(&mut self, rest: &str) -> Result<(), Over> {
        if self.faulty(MailPhase::Mail, "").await? {
            return Ok(());
        }
        if self.mock_state.has_mail_users() && self.user.is_none() {
            return self.say("530 5.7.0 Authentication required").await;
        }
        match address(rest, "FROM:") {
            Some(from) => {
                (self.from, self.to) = (Some(from), Vec::new());
                self.say("250 2.1.0 Ok").await
            }
            None => self.say("501 5.5.4 Syntax: MAIL FROM:<address>").await,
        }
    }

    async fn recipient(&mut self, rest: &str) -> Result<(), Over> {
        let Some(to) = address(rest, "TO:") else { return self.say("501 5.5.4 Syntax: RCPT TO:<address>").await };
        if self.faulty(MailPhase::Recipient, &to).await? {
            return Ok(());
        }
        if self.from.is_none() {
            return self.say("503 5.5.1 Error: need MAIL command").await;
        }
        if self.post.refused.contains(&to) {
            self.mock_state.refuse_mail(&to, "550 5.1.1 no such user");
            return self.say(&format!("550 5.1.1 <{to}>: Recipient address rejected: User unknown")).await;
        }
        self.to.push(to);
        self.say("250 2.1.5 Ok").await
    }

    async fn data(&mut self) -> Result<(), Over> {
        let Some(first) = self.to.first().cloned() else { return self.say("503 5.5.1 Error: need RCPT command").await };
        if self.faulty(MailPhase::Data, &first).await? {
            return Ok(());
        }
        self.say("354 End data with <CR><LF>.<CR><LF>").await?;
        if self.faulty(MailPhase::Content, &first).await? {
            return Ok(());
        }
        let taken = self.content(&first).await?;
        if self.faulty(MailPhase::Dot, &first).await? {
            return Ok(());
        }
        let recipients = std::mem::take(&mut self.to);
        self.from = None;
        let taken = match taken {
            Ok(content) => content,
            Err(why) => {
                recipients.iter().for_each(|to| self.mock_state.refuse_mail(to, why));
                return self.say(why).await;
            }
        };
        let opened = mail::open(&taken);
        recipients.iter().for_each(|to| self.mock_state.take_mail(to, &taken, &opened));
        if self.faulty(MailPhase::Answer, &first).await? {
            return Ok(());
        }
        self.say("250 2.0.0 Ok: queued").await
    }

    /// Reads a mail up to its final dot; a mail that breaks the rules of the wire is refused then.
    async fn content(&mut self, recipient: &str) -> Result<Result<String, &'static str>, Over> {
        let mut content = String::new();
        let mut fault = None;
        let mut is_past_midst = false;
        loop {
            let mut line = Vec::new();
            let most = u64::try_from(MOST_BYTES).unwrap_or(u64::MAX);
            if (&mut self.stream).take(most).read_until(b'\n', &mut line).await? == 0 {
                return Err(Over);
            }
            if line == b".\r\n" {
                return Ok(fault.map_or(Ok(content), Err));
            }
            let text = line.strip_suffix(b"\r\n");
            if text.is_none_or(|text| text.contains(&b'\r')) {
                fault = fault.or(Some("550 5.5.2 bare line feed or carriage return"));
            } else if line.len() > LONGEST_MAIL_LINE {
                fault = fault.or(Some("500 5.5.2 line too long"));
            } else if !line.is_ascii() {
                fault = fault.or(Some("554 5.6.1 8bit data, but 8BITMIME was not offered"));
            } else if content.len() > MOST_BYTES {
                fault = fault.or(Some("552 5.3.4 message size exceeds fixed limit"));
            }
            if fault.is_none() {
                let line = line.strip_prefix(b".").unwrap_or(&line);
                content.push_str(&String::from_utf8_lossy(line));
            }
            if content.len() >= MIDST && !std::mem::replace(&mut is_past_midst, true) {
                self.midst(recipient, &content).await?;
            }
        }
    }

    /// What happens when a part of the mail has come. A server that speaks there hangs up.
    async fn midst(&mut self, recipient: &str, fragment: &str) -> Result<(), Over> {
        let Some(strike) = self.mock_state.mail_fault(MailPhase::Midst, recipient) else { return Ok(()) };
        self.mock_state.keep_fragment(recipient, fragment);
        self.suffer(strike).await?;
        Err(Over)
    }

    /// Whether a fault took the place of the reply.
    async fn faulty(&mut self, phase: MailPhase, recipient: &str) -> Result<bool, Over> {
        match self.mock_state.mail_fault(phase, recipient) {
            None => Ok(false),
            Some(strike) => self.suffer(strike).await.map(|()| true),
        }
    }

    async fn suffer(&mut self, strike: Strike) -> Result<(), Over> {
        match strike {
            Strike::Say(reply) => self.say(&reply).await,
            Strike::Silence => {
                // Whatever still comes, until the caller hangs up.
                while self.stream.get_mut().read_u8().await.is_ok() {}
                Err(Over)
            }
            Strike::SayLate(reply, delay) => {
                tokio::time::sleep(delay).await;
                self.say(&reply).await
            }
            Strike::SayHalf(reply) => {
                let half = reply.as_bytes().get(..reply.len() / 2).unwrap_or_default();
                self.stream.write_all(half).await?;
                self.stream.flush().await?;
                Err(Over)
            }
            Strike::Cut => Err(Over),
        }
    }

    async fn say(&mut self, reply: &str) -> Result<(), Over> {
        self.stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        self.stream.flush().await?;
        Ok(())
    }

    async fn line(&mut self) -> Result<String, Over> {
        let mut line = Vec::new();
        (&mut self.stream).take(LONGEST_LINE).read_until(b'\n', &mut line).await?;
        if !line.ends_with(b"\n") {
            return Err(Over);
        }
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }
}

/// The address in `FROM:<address> SIZE=…`.
fn address(rest: &str, keyword: &str) -> Option<String> {
    let head = rest.get(..keyword.len()).filter(|head| head.eq_ignore_ascii_case(keyword))?;
    let (address, _) = rest[head.len()..].trim().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}
