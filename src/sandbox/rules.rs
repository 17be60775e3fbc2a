//! What simulated providers and receivers demand of their callers.

use std::collections::HashMap;

use crate::domain::secret::Secret;
use crate::domain::simulated::{Addressee, Demands, Simulated};
use crate::sandbox::inbox::MockAddress;
use crate::sandbox::{email, webhook};

/// A robot whose token no channel has, among robots that have names. No channel can be called so.
const UNKNOWN: &str = "(not configured)";

/// A kind, and the name of one of that kind.
type MockName = (String, String);

/// The addressees and how they behave. Without further rules every token and key is a robot without security and every
/// webhook name a receiver without signatures.
#[derive(Clone, Debug)]
pub struct Rules {
    /// What each addressee demands, with its kind and name.
    demands: Vec<(MockName, Demands)>,
    /// What robots are called, by their token. Without any, each is called by its token.
    names: HashMap<String, String>,
    pub(super) speed: u32,
    unknown: UnknownNames,
}

/// The security settings of one DingTalk robot; all that are set must pass.
#[derive(Clone, Debug, Default)]
pub struct RobotRules {
    /// Signed mode.
    pub secret: Option<Secret>,
    /// Keyword mode. It must stand in the text: whether the title would do is not known.
    pub keyword: Option<String>,
}

/// How a webhook receiver knows its sender.
#[derive(Clone, Debug, Default)]
pub enum WebhookRules {
    #[default]
    None,
    /// `X-Apsdai-*` headers with a signed token.
    Apsdai(Secret),
    /// `X-Apsdai-*` headers with the password as the token.
    ApsdaiPassword(Secret),
    /// `webhook-id`, `webhook-timestamp`, `webhook-signature`.
    StandardWebhooks(Secret),
}

/// What becomes of a robot's token or key, or a webhook name, that no rule names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum UnknownNames {
    Welcome,
    Refused,
}

impl Default for Rules {
    fn default() -> Self {
        Self { demands: Vec::new(), names: HashMap::new(), speed: 1, unknown: UnknownNames::Welcome }
    }
}

impl Rules {
    pub fn new() -> Self {
        Self::default()
    }

    /// A DingTalk robot with this access token.
    pub fn robot(self, token: impl Into<String>, robot: RobotRules) -> Self {
        let keyword = robot.keyword.map(Secret::new);
        self.demanding("dingtalk", token, Demands::default().with("secret", robot.secret).with("keyword", keyword))
    }

    /// A WeCom robot with this key.
    pub fn wecom(self, key: impl Into<String>) -> Self {
        self.demanding("wecom", key, Demands::default())
    }

    /// A user of the mail server. Without any, nobody needs to log in.
    pub fn mail_user(self, name: impl Into<String>, password: Secret) -> Self {
        self.demanding(email::KIND, name, Demands::default().with(email::PASSWORD, Some(password)))
    }

    /// An application at Keeta, whose calls must be signed with this secret.
    pub fn keeta_app(self, app_id: u64, secret: Secret) -> Self {
        self.demanding("keeta", app_id.to_string(), Demands::default().with("app_secret", Some(secret)))
    }

    /// A receiver at `/webhook/<name>`.
    pub fn hook(self, name: impl Into<String>, signing: WebhookRules) -> Self {
        let (scheme, secret) = match signing {
            WebhookRules::None => return self.demanding("webhook", name, Demands::default()),
            WebhookRules::Apsdai(secret) => (webhook::APSDAI, secret),
            WebhookRules::ApsdaiPassword(password) => (webhook::APSDAI_PASSWORD, password),
            WebhookRules::StandardWebhooks(secret) => (webhook::STANDARD_WEBHOOKS, secret),
        };
        self.demanding("webhook", name, Demands::default().with(scheme, Some(secret)))
    }

    /// A configured provider or receiver of a kind. One that is known by a token is called by a name wherever it is shown and
    /// where faults are ordered: a real token is a secret. A token that has no name is shown no more then either.
    pub fn configured(mut self, kind: &str, called: &str, simulated: Simulated) -> Self {
        match simulated.addressee {
            Addressee::Token(token) => {
                self.names.entry(token).or_insert_with(|| called.to_owned());
                self.demanding(kind, called, simulated.demands)
            }
            Addressee::Name(name) => self.demanding(kind, name, simulated.demands),
        }
    }

    fn demanding(mut self, kind: &str, name: impl Into<String>, demands: Demands) -> Self {
        self.demands.push(((kind.to_owned(), name.into()), demands));
        self
    }

    /// How many times faster than real time the robots' allowances run: with 60 a minute passes in a second. Default 1.
    /// Signatures are checked against the real time.
    pub fn speed(mut self, speed: u32) -> Self {
        self.speed = speed;
        self
    }

    /// Robots and receivers that no rule names do not exist.
    pub fn strict(mut self) -> Self {
        self.unknown = UnknownNames::Refused;
        self
    }

    /// What an addressee is called.
    pub(super) fn name_of(&self, addressee: Addressee) -> String {
        match addressee {
            Addressee::Name(name) => name,
            Addressee::Token(token) => match self.names.get(&token) {
                Some(name) => name.clone(),
                None if self.names.is_empty() => token,
                None => UNKNOWN.to_owned(),
            },
        }
    }

    /// Every addressee of a kind by its name, in the order in which they were configured, with what it demands.
    pub(super) fn all_of(&self, kind: &str) -> impl Iterator<Item = (&str, &Demands)> {
        let of_kind = self.demands.iter().filter(move |((its_kind, _), _)| its_kind == kind);
        of_kind.map(|((_, name), demands)| (name.as_str(), demands))
    }

    /// What an addressee demands, as it was configured last; none where there is no such addressee.
    pub(super) fn demands(&self, address: &MockAddress) -> Option<Demands> {
        let known = self.all_of(address.kind).filter(|(name, _)| *name == address.name).last();
        known
            .map(|(_, demands)| demands.clone())
            .or_else(|| (self.unknown == UnknownNames::Welcome).then(Demands::default))
    }
}
