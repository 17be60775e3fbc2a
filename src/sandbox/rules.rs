//! What the sandbox's far sides demand of their callers.

use std::collections::HashMap;
use std::collections::HashSet;

use crate::domain::secret::Secret;
use crate::sandbox::wecom;

/// A robot whose token no channel has, among robots that have names. No channel can be called so.
const STRANGER: &str = "(not configured)";

/// The far sides and how they behave. Without further rules every token and key is a robot without security and every
/// webhook name a receiver without signatures.
#[derive(Clone, Debug)]
pub struct Rules {
    pub(super) robots: HashMap<String, Robot>,
    /// What robots are called, by their token. Without any, each is called by its token.
    pub(super) names: HashMap<String, String>,
    /// Keys of WeCom robots.
    pub(super) wecoms: HashSet<String>,
    /// Secrets of Keeta's applications, by id.
    pub(super) apps: HashMap<String, Secret>,
    pub(super) hooks: HashMap<String, Signing>,
    pub(super) speed: u32,
    pub(super) strangers: Strangers,
}

/// The security settings of one DingTalk robot; all that are set must pass.
#[derive(Clone, Debug, Default)]
pub struct Robot {
    /// Signed mode.
    pub secret: Option<Secret>,
    /// Keyword mode. It must stand in the text: whether the title would do is not known.
    pub keyword: Option<String>,
}

/// How a webhook receiver knows its sender.
#[derive(Clone, Debug, Default)]
pub enum Signing {
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
pub(super) enum Strangers {
    Welcome,
    Refused,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            robots: HashMap::new(),
            names: HashMap::new(),
            wecoms: HashSet::new(),
            apps: HashMap::new(),
            hooks: HashMap::new(),
            speed: 1,
            strangers: Strangers::Welcome,
        }
    }
}

impl Rules {
    pub fn new() -> Self {
        Self::default()
    }

    /// A robot with this access token.
    pub fn robot(mut self, token: impl Into<String>, robot: Robot) -> Self {
        self.robots.insert(token.into(), robot);
        self
    }

    /// A robot with this access token, called by a name wherever it is shown and where faults are ordered: a real token is
    /// a secret. A token that has no name is shown no more then either.
    pub fn robot_called(mut self, name: &str, token: String, robot: Robot) -> Self {
        self.names.entry(token).or_insert_with(|| name.to_owned());
        self.robot(name, robot)
    }

    /// A WeCom robot with this key, called by a name as [`Rules::robot_called`] says.
    pub fn wecom_called(mut self, name: &str, key: String) -> Self {
        self.names.entry(key).or_insert_with(|| name.to_owned());
        self.wecom(name)
    }

    /// A WeCom robot with this key.
    pub fn wecom(mut self, key: impl Into<String>) -> Self {
        self.wecoms.insert(key.into());
        self
    }

    /// An application at Keeta, whose calls must be signed with this secret.
    pub fn keeta_app(mut self, app_id: u64, secret: Secret) -> Self {
        self.apps.insert(app_id.to_string(), secret);
        self
    }

    /// A receiver at `/webhook/<name>`.
    pub fn hook(mut self, name: impl Into<String>, signing: Signing) -> Self {
        self.hooks.insert(name.into(), signing);
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
        self.strangers = Strangers::Refused;
        self
    }

    /// What the robot with a token is called.
    pub(super) fn name_of(&self, token: String) -> String {
        match self.names.get(&token) {
            Some(name) => name.clone(),
            None if self.names.is_empty() => token,
            None => STRANGER.to_owned(),
        }
    }

    pub(super) fn find_robot(&self, token: &str) -> Option<Robot> {
        self.robots.get(token).cloned().or_else(|| self.stranger())
    }

    pub(super) fn find_wecom(&self, key: &str) -> wecom::Robot {
        match self.wecoms.contains(key) || self.strangers == Strangers::Welcome {
            true => wecom::Robot::Present,
            false => wecom::Robot::Removed,
        }
    }

    pub(super) fn find_hook(&self, name: &str) -> Option<Signing> {
        self.hooks.get(name).cloned().or_else(|| self.stranger())
    }

    fn stranger<T: Default>(&self) -> Option<T> {
        match self.strangers {
            Strangers::Welcome => Some(T::default()),
            Strangers::Refused => None,
        }
    }
}
