//! E-mail: one mail per message, handed over to a mail server for each recipient by himself.
//!
//! - Source: RFC 5321 and 5322 (the wire, the mail), 3834 (automatic mail), 8058 and Google's "Email sender guidelines";
//!   read in November 2026.
//! - Proof: the log-in at the server; what is signed (DKIM) the server signs.
//! - Limits: Gmail cuts HTML at about 102 KB, so longer messages are several mails; providers' allowances are their own
//!   and often secret, so connections are few and their words are heeded (see [`answers`]).
//! - Repeats: `Message-ID`, the same in every attempt; most mail programs show two mails of one id once.
//! - Answers: by phase, code and enhanced code, see [`answers`]; no answer after the final dot is unknown.

pub mod answers;
pub mod html;
pub mod look;
pub mod mailbox;
pub mod mime;
mod mirror;
mod page;
mod settings;
pub mod text;

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::channel::email::look::Look;
use crate::channel::email::mailbox::{Mailbox, masked};
use crate::channel::email::mime::{MailContent, MailEnvelope};
use crate::channel::http::{Http, tls};
use crate::channel::smtp::account::Account;
use crate::channel::smtp::reply::SmtpFailure;
use crate::channel::smtp::server::{SmtpAddress, SmtpEndpoint, Timeouts};
use crate::channel::{Attempt, Channel, Pictures, SendFuture, SharedSettings};
use crate::domain::bidi::isolated;
use crate::domain::compose;
use crate::domain::document::split::split;
use crate::domain::document::{Block, Inline};
use crate::domain::event::Kind;
use crate::domain::language::Language;
use crate::domain::mask::known::{Mask, Masking};
use crate::domain::message::{Attachments, Message, Part, PartForm, idempotency_key};
use crate::domain::retry::{Answer, Outcome};
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, SettingsTable};
use crate::domain::simulated::{Addressee, Demands, Simulated};
use crate::domain::text::{cap, composed_line, one_line};

/// A subject is one line of a list of mails.
const SUBJECT: usize = 150;

/// What subject and the marker of a piece may take in the page, in bytes.
const ROOM_BESIDE: usize = 8 * 1024;

/// Who gets a mail, and through which server.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("dependentRequired" = { "username": ["password"], "password": ["username"] }))]
pub struct Email {
    /// `smtps://` (implicit TLS), `smtp://` (STARTTLS required) or `smtp+plain://` (loopback and tests only).
    #[serde(deserialize_with = "server")]
    #[schemars(with = "String", example = &"smtps://smtp.example.com:465")]
    pub smtp: SmtpAddress,
    /// The name to log in with; belongs together with `password`.
    pub username: Option<String>,
    /// The password to log in with.
    pub password: Option<Secret>,
    /// `Name <address>`, or the address alone.
    #[schemars(with = "String", example = &"Harbour Noodle House <orders@example.com>")]
    pub from: Mailbox,
    /// Who gets the mails.
    #[schemars(with = "Vec<String>", length(min = 1), example = ["owner@example.com"])]
    pub to: Vec<Mailbox>,
    /// Who gets a copy.
    #[serde(default)]
    #[schemars(with = "Vec<String>", extend("default" = []))]
    pub cc: Vec<Mailbox>,
    /// Where answers go.
    #[schemars(with = "Option<String>")]
    pub reply_to: Option<Mailbox>,
    /// How a reader can do without the reports: a `mailto:` or `https://` address, for the button of the mail program.
    #[schemars(regex(pattern = "^(mailto:|https://)[!#-;=?-~]+$"), example = &"mailto:owner@example.com?subject=no%20reports")]
    pub unsubscribe: Option<String>,
    /// How we introduce ourselves to the server; our address in brackets where absent.
    pub hello_name: Option<String>,
    /// Certificates in PEM that are trusted as well.
    pub ca_file: Option<PathBuf>,
    /// How many connections may be open at once.
    #[serde(default = "default_connections")]
    #[schemars(range(min = 1, max = 10))]
    pub connections: u8,
    /// What all channels have; set after reading.
    #[serde(skip)]
    pub inherited: InheritedSettings,
    #[serde(skip)]
    workings: Workings,
}

/// What comes of using a mailbox. It says nothing about what the mailbox is, so a copy begins anew and all are equal.
#[derive(Debug, Default)]
struct Workings {
    post_office: OnceLock<Result<PostOffice, String>>,
    masking: Masking,
}

impl Clone for Workings {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl PartialEq for Workings {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Workings {}

/// What the channel's shared settings say, as far as a mail needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InheritedSettings {
    pub language: String,
    /// For finding the server, connecting and TLS.
    pub timeout: SignedDuration,
    pub allow_private: bool,
    pub timeouts: Timeouts,
    /// What stood in `ca_file` when the configuration was read.
    pub authority: Option<Vec<u8>>,
}

impl Default for InheritedSettings {
    fn default() -> Self {
        let timeouts = Timeouts::default();
        Self {
            language: "en".to_owned(),
            timeout: SignedDuration::from_secs(15),
            allow_private: false,
            timeouts,
            authority: None,
        }
    }
}

/// The account, and how its server is entered.
#[derive(Debug)]
struct PostOffice {
    account: Arc<Account>,
    endpoint: SmtpEndpoint,
}

fn default_connections() -> u8 {
    2
}

fn server<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<SmtpAddress, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| serde::de::Error::custom("this is not the address of a mail server"))
}

impl Channel for Email {
    fn kind(&self) -> &'static str {
        "email"
    }

    fn at_once(&self) -> usize {
        usize::from(self.connections)
    }

    fn configure(&mut self, shared: SharedSettings<'_>, table: &mut dyn SettingsTable) {
        self.inherited = InheritedSettings {
            language: shared.language.to_owned(),
            timeout: shared.timeout,
            allow_private: shared.allow_private,
            ..InheritedSettings::default()
        };
        if let Some(file) = &mut self.ca_file {
            *file = shared.folder.join(&*file);
            // A mailbox whose authority has a new certificate is another one.
            self.inherited.authority = std::fs::read(&*file).ok();
            if let Err(reason) = self.check_certificates() {
                let help = "a file in PEM with the certificate of the authority";
                table.error_of_file(&["ca_file"], InvalidValue::new(reason, help));
            }
        }
    }

    fn pictures(&self) -> Pictures {
        Pictures::Within
    }

    fn per_recipient(&self) -> bool {
        true
    }

    fn parts_of_one(&self) -> usize {
        self.recipients().len()
    }

    fn longest(&self, timeout: SignedDuration) -> SignedDuration {
        let Timeouts { reply, content, answer, .. } = self.inherited.timeouts;
        let steps = reply * 10 + content + answer;
        timeout * 2 + SignedDuration::try_from(steps).unwrap_or(SignedDuration::from_mins(30))
    }

    /// A user of the mail server, who proves it by the password.
    fn simulated(&self) -> Option<Simulated> {
        let demands = Demands::default().with("password", Some(self.password.clone()?));
        Some(Simulated { addressee: Addressee::Name(self.username.clone()?), demands })
    }

    fn credential(&self) -> String {
        let SmtpAddress { host, port, .. } = &self.smtp;
        let account = format!("{host}:{port} {}", self.username.as_deref().unwrap_or(self.from.address()));
        hex::encode(&Sha256::digest(account)[..8])
    }

    /// A part for each recipient of each piece, with the envelope in its first line.
    fn write(&self, message: &Message, form: PartForm) -> Vec<Part> {
        let subject = self.subject(message);
        let unsubscribe = self.unsubscribe.as_deref().filter(|_| matches!(message.event.kind, Kind::Report(_)));
        let reply_to = self.reply_to.as_ref();
        let envelope = MailEnvelope { from: &self.from, to: &self.to, cc: &self.cc, reply_to, unsubscribe };
        let room = html::LIMIT_BYTES - html::frame_bytes() - ROOM_BESIDE;
        let look = Look::of(message);
        let pieces = split(&message.document, room, |blocks| html::content(look, blocks).len());
        let count = pieces.len();
        let mails = pieces.into_iter().zip(0u16..).map(|(piece, index)| {
            let mut blocks = piece.blocks;
            if count > 1 {
                let marker = format!("({}/{count}) {}", index + 1, message.title);
                blocks.insert(0, Block::Paragraph(vec![Inline::Text(marker)]));
            }
            let text = text::write(&blocks);
            let html = html::page(&self.inherited.language, look, &blocks);
            let key = idempotency_key(message.delivery, message.round, index, form);
            // Once, with the first piece.
            let enclosed = if index == 0 { message.enclosed.clone() } else { Attachments::default() };
            mime::write(envelope, message, MailContent { subject: &subject, text, html, key: &key, enclosed })
        });
        let from = self.from.address();
        let recipients = self.recipients();
        let bodies = mails.flat_map(|mail| {
            let body = |to: &&Mailbox| format!("{from} {}\r\n{mail}", to.address());
            recipients.iter().map(body).collect::<Vec<_>>()
        });
        bodies.zip(0..u16::MAX).map(|(body, index)| Part { index, form, body }).collect()
    }

    fn exchange<'a>(&'a self, _: &'a Http, part: &'a Part, _: &'a Attempt) -> SendFuture<'a> {
        Box::pin(async move {
            let post_office = match self.post_office() {
                Ok(post_office) => post_office,
                Err(why) => return Answer { outcome: Outcome::Misconfigured, detail: why.clone() },
            };
            let envelope = part
                .body
                .split_once("\r\n")
                .and_then(|(envelope, mail)| envelope.split_once(' ').map(|(from, to)| ((from, to), mail)));
            let Some((envelope, mail)) = envelope else {
                return Answer { outcome: Outcome::Bug, detail: "the stored mail has no envelope".to_owned() };
            };
            let PostOffice { account, endpoint } = post_office;
            let sent = account.send(endpoint, self.at_once(), envelope, mail).await;
            // A server chooses what stands in its certificate.
            let sent = sent.map_err(|failure| match failure {
                SmtpFailure::Unfit { phase, why } => SmtpFailure::Unfit { phase, why: self.mask().text(&why) },
                other => other,
            });
            answers::judge(sent, &masked(envelope.1).to_string()).answer
        })
    }

    fn shown(&self, part: &Part) -> String {
        page::shown(part)
    }

    fn page(&self, part: &Part) -> Option<String> {
        page::page(part)
    }

    fn mask(&self) -> &Mask {
        self.workings.masking.mask(|secrets| match (&self.username, &self.password) {
            (Some(user), Some(password)) => secrets.login(user, password.expose()),
            (_, Some(password)) => secrets.text(password.expose()),
            (_, None) => secrets,
        })
    }
}

/// A Chinese subject whose only Latin letters are those of a currency is capitals to a filter, and taken for shouting.
fn not_shouted(subject: String) -> String {
    let letters = subject.bytes().filter(u8::is_ascii_alphabetic);
    let (capital, small): (Vec<u8>, Vec<u8>) = letters.partition(u8::is_ascii_uppercase);
    if small.is_empty() && !capital.is_empty() { format!("{subject} · Orderbell") } else { subject }
}

impl Email {
    /// All who get the mail, each once.
    fn recipients(&self) -> Vec<&Mailbox> {
        let mut known = HashSet::new();
        self.to.iter().chain(&self.cc).filter(|mailbox| known.insert(mailbox.address().to_lowercase())).collect()
    }

    /// The same for all mails of an order, because mail programs thread by it; else the title.
    fn subject(&self, message: &Message) -> String {
        let line = |text: &str| not_shouted(cap(&composed_line(text), SUBJECT).into_owned());
        let Some(order) = &message.order else { return line(&message.title) };
        let number = order.short_number.as_ref().unwrap_or(&order.number);
        let words = compose::words_for(&self.inherited.language);
        let word = words.and_then(|words| words.word("mail.order")).unwrap_or("Order");
        let direction = words.map(Language::direction).unwrap_or_default();
        let value = |value: &str| isolated(&one_line(value), direction).into_owned();
        let shop = order.shop.as_ref().map(|shop| format!(" · {}", value(shop.name.as_ref().unwrap_or(&shop.id))));
        line(&format!("{word} {}{}", value(&format!("#{number}")), shop.unwrap_or_default()))
    }

    /// Whether the certificates of `ca_file` can be used.
    ///
    /// # Errors
    /// A text that says what is wrong with them.
    pub fn check_certificates(&self) -> Result<(), String> {
        self.post_office().as_ref().map(drop).map_err(Clone::clone)
    }

    fn post_office(&self) -> &Result<PostOffice, String> {
        self.workings.post_office.get_or_init(|| {
            let mut tls = tls::configuration(self.ca_file.as_deref()).map_err(|why| format!("ca_file: {why}"))?;
            tls.alpn_protocols.clear();
            let login = self.username.clone().zip(self.password.clone());
            let connect = self.inherited.timeout.unsigned_abs();
            let endpoint = SmtpEndpoint {
                server: self.smtp.clone(),
                login,
                hello_name: self.hello_name.clone(),
                tls: Arc::new(tls),
                allow_private: self.inherited.allow_private,
                timeouts: Timeouts { connect, ..self.inherited.timeouts },
            };
            Ok(PostOffice { account: Account::of(&self.account_name()), endpoint })
        })
    }

    /// A connection belongs to whoever opens it in the same way.
    fn account_name(&self) -> String {
        let mut hash = Sha256::new();
        let password = self.password.as_ref().map(Secret::expose).unwrap_or_default();
        hash.update(format!(
            "{:?}\0{:?}\0{:?}\0{:?}\0{}\0",
            self.smtp, self.username, self.hello_name, self.ca_file, self.inherited.allow_private
        ));
        hash.update(password);
        hex::encode(hash.finalize())
    }
}
