//! The kinds of channels: which secrets each has, what its values must look like, and its struct.

use std::ops::Range;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderName;
use http::HeaderValue;
use schemars::JsonSchema;
use schemars::Schema;
use schemars::SchemaGenerator;
use toml::Spanned;
use url::Url;

use crate::channel::Way;
use crate::channel::dingtalk::DingTalk;
use crate::channel::email::Email;
use crate::channel::webhook::Webhook;
use crate::channel::wecom::WeCom;
use crate::config::channels::Reach;
use crate::config::mail;
use crate::config::problem::Problems;
use crate::config::section::Complaint;
use crate::config::section::Section;
use crate::config::starter;
use crate::config::starter::Starter;
use crate::config::values;
use crate::config::values::Distance;
use crate::domain::secret::Secret;

/// A kind that a channel may name.
pub struct Known {
    pub name: &'static str,
    /// Paths of its secrets.
    pub secrets: &'static [&'static str],
    /// The parameter of its address that is the robot's credential.
    pub token: Option<&'static str>,
    /// The vendor's limit.
    pub per_minute: Option<u32>,
    /// Keys of all channels that make no sense for this kind, each with what to write instead.
    pub refuses: &'static [(&'static str, &'static str)],
    /// What may be written beside the keys that every channel takes.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
    /// Judges the values and reads the struct; `None` when that fails, or when there is no way of this kind yet.
    pub read: fn(&mut Section<'_>, Reach, &mut Problems<'_>) -> Option<Way>,
    /// What it looks like to begin with.
    pub starter: &'static Starter,
}

const KINDS: [Known; 4] = [
    Known {
        name: "dingtalk",
        secrets: &["webhook", "secret"],
        token: Some("access_token"),
        per_minute: Some(20),
        refuses: &[],
        schema: DingTalk::json_schema,
        read: dingtalk,
        starter: &starter::kinds::DINGTALK,
    },
    Known {
        name: "wecom",
        secrets: &["webhook"],
        token: Some("key"),
        per_minute: Some(20),
        refuses: &[],
        schema: WeCom::json_schema,
        read: wecom,
        starter: &starter::kinds::WECOM,
    },
    Known {
        name: "email",
        secrets: &["password"],
        token: None,
        per_minute: None,
        refuses: &[
            ("base_url", "there is no vendor's server to replace: \"smtp\" says which server it is"),
            (
                "proxy",
                "mails go to their server directly: let this machine reach it, or name in \"smtp\" one that it reaches",
            ),
        ],
        schema: Email::json_schema,
        read: mail::read,
        starter: &starter::kinds::EMAIL,
    },
    Known {
        name: "webhook",
        secrets: &["url", "signing.secret", "headers.*"],
        token: None,
        per_minute: None,
        refuses: &[("base_url", "there is no vendor's server to replace: write the whole address in \"url\"")],
        schema: Webhook::json_schema,
        read: webhook,
        starter: &starter::kinds::WEBHOOK,
    },
];

/// Headers that are ours to set.
const OWN_HEADERS: [&str; 9] = [
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
    "user-agent",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
];
const OWN_PREFIXES: [&str; 2] = ["x-apsdai-", "x-orderbell-"];

pub fn names() -> [&'static str; 4] {
    KINDS.each_ref().map(|known| known.name)
}

pub fn all() -> &'static [Known] {
    &KINDS
}

pub fn known(name: &str) -> Option<&'static Known> {
    KINDS.iter().find(|known| known.name == name)
}

/// The robot that an address leads to: its kind and its token.
pub fn robot(section: &Section<'_>, kind: &str, token: &str) -> Option<Spanned<Secret>> {
    let url = Url::parse(section.text(&["webhook"])?).ok()?;
    let (_, value) = url.query_pairs().find(|(name, value)| name == token && !value.is_empty())?;
    Some(Spanned::new(section.at(&["webhook"]), Secret::new(format!("{kind} {value}"))))
}

fn dingtalk(section: &mut Section<'_>, reach: Reach, problems: &mut Problems<'_>) -> Option<Way> {
    robot_address(section, "access_token", "https://oapi.dingtalk.com/robot/send?access_token=…", reach, problems);
    section.check(&["keyword"], problems, keyword);
    mention(section, problems);
    let secret = section.text(&["secret"]);
    if secret.is_some_and(|secret| !secret.starts_with("SEC")) {
        let help =
            "it is shown beside \"sign\" in the robot's security settings; the token in the address is another thing";
        problems.warning(section.at(&["secret"]), "DingTalk's secrets begin with SEC, this one does not", help);
    }
    section.read(problems).map(Way::DingTalk)
}

fn wecom(section: &mut Section<'_>, reach: Reach, problems: &mut Problems<'_>) -> Option<Way> {
    robot_address(section, "key", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=…", reach, problems);
    mention(section, problems);
    section.check_each(&["mention", "user_ids"], problems, |id| match id.contains(['<', '>']) || id == "@all" {
        true => Err(Complaint::new(
            format!("\"{id}\" is not a user id"),
            "the id as WeCom's administration shows it, such as \"user-1\"; everyone is called by all = true",
        )),
        false => Ok(()),
    });
    section.read(problems).map(Way::WeCom)
}

fn webhook(section: &mut Section<'_>, reach: Reach, problems: &mut Problems<'_>) -> Option<Way> {
    address(section, "url", "https://erp.example.com/orderbell", reach, problems);
    if section.text(&["signing", "scheme"]) == Some("standard-webhooks") {
        section.check(&["signing", "secret"], problems, |secret| match secret.strip_prefix("whsec_") {
            Some(coded) if BASE64_STANDARD.decode(coded).is_err() => Err(Complaint::new(
                "what follows whsec_ in this secret is not base64",
                "copy it again, whole; a secret without whsec_ is taken as it is",
            )),
            _ => Ok(()),
        });
    }
    headers(section, problems);
    section.read(problems).map(Way::Webhook)
}

/// Judges a server that stands in a vendor's place.
pub fn relay(section: &mut Section<'_>, reach: Reach, problems: &mut Problems<'_>) {
    let right = "https://relay.example.com/dingtalk";
    address(section, "base_url", right, reach, problems);
    section.check(&["base_url"], problems, |text| match values::web_url(text) {
        Some(url) if url.query().is_some() || url.fragment().is_some() => Err(Complaint::new(
            "a base_url ends before any ? or #",
            format!("the path and the token of the robot's address are put behind it; such as {right}"),
        )),
        _ => Ok(()),
    });
}

/// Puts a server in the place of a robot's own: the scheme, the host and the port are its, and its path stands before the
/// robot's.
pub fn send_by(way: &mut Way, base_url: &Secret) {
    let webhook = match way {
        Way::DingTalk(robot) => &mut robot.webhook,
        Way::WeCom(robot) => &mut robot.webhook,
        Way::Email(_) | Way::Webhook(_) | Way::Unready(_) => return,
    };
    let (Some(mut url), Some(own)) = (values::web_url(base_url.expose()), values::web_url(webhook.expose())) else {
        return;
    };
    url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), own.path()));
    url.set_query(own.query());
    *webhook = Secret::new(url);
}

/// Judges the address of a robot.
fn robot_address(section: &mut Section<'_>, token: &str, right: &str, reach: Reach, problems: &mut Problems<'_>) {
    address(section, "webhook", right, reach, problems);
    let lacks_token = section.value(&["webhook"]).is_some() && robot(section, "", token).is_none();
    if lacks_token {
        let message = format!("\"webhook\" is not the address of a robot: it has no {token}");
        problems.error(section.at(&["webhook"]), message, format!("copy it whole: {right}"));
        section.drop_wrong(&["webhook"]);
    }
}

/// Judges an address that messages go to.
fn address(section: &mut Section<'_>, key: &str, right: &str, reach: Reach, problems: &mut Problems<'_>) {
    let mut plain = None;
    section.check(&[key], problems, |text| {
        let Some(url) = values::web_url(text) else {
            let help = format!("write it whole, such as {right}");
            return Err(Complaint::new(format!("\"{key}\" is not a web address"), help));
        };
        let host = url.host_str().unwrap_or_default();
        let distance = values::distance(&url);
        match (reach, url.scheme()) {
            (Reach::Public, "http") => Err(Complaint::new(
                format!("messages to {host} would travel unencrypted"),
                "use https://, or for a machine in your own network add `allow_private = true`",
            )),
            (Reach::Public, _) if distance != Distance::Beyond => Err(Complaint::new(
                format!("{host} is not on the internet"),
                "add `allow_private = true` if it is a machine in your own network",
            )),
            (Reach::Private, "http") if distance != Distance::Loopback => {
                plain = Some(host.to_owned());
                Ok(())
            }
            _ => Ok(()),
        }
    });
    if let Some(host) = plain {
        let help = "whoever is in between can read and change them; use https:// where the machine can";
        problems.warning(section.at(&[key]), format!("messages to {host} travel unencrypted"), help);
    }
}

fn keyword(text: &str) -> Result<(), Complaint> {
    let lower = text.trim().to_lowercase();
    let bracketed = lower.starts_with('<') && lower.ends_with('>');
    let placeholder =
        bracketed || ["…", "...", "xxx", "changeme", "your keyword", "your-keyword"].contains(&lower.as_str());
    match lower.is_empty() || placeholder {
        true => Err(Complaint::new(
            "this is not a keyword",
            "write a word of the robot's security settings, such as \"order\"; leave it out where there is none",
        )),
        false => Ok(()),
    }
}

fn mention(section: &mut Section<'_>, problems: &mut Problems<'_>) {
    section.check_each(&["mention", "mobiles"], problems, mobile);
    section.check_each(&["mention", "user_ids"], problems, |id| match id.trim().is_empty() {
        true => Err(Complaint::new("this user id is empty", "take it out")),
        false => Ok(()),
    });
}

/// Judges a mobile number: eleven digits in mainland China, elsewhere `+852-51234567`.
fn mobile(text: &str) -> Result<(), Complaint> {
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let right = match text.strip_prefix('+').map(|rest| rest.split_once('-')) {
        Some(Some((country, number))) => {
            digits(country) && country.len() <= 3 && digits(number) && (4..=14).contains(&number.len())
        }
        Some(None) => false,
        None => digits(text) && text.len() == 11 && text.starts_with('1'),
    };
    match right {
        true => Ok(()),
        false => Err(Complaint::new(
            "this is not a mobile number as the robot knows it",
            "\"13800000000\" in mainland China, elsewhere country and number with a dash: \"+852-51234567\"",
        )),
    }
}

fn headers(section: &mut Section<'_>, problems: &mut Problems<'_>) {
    let table = section.value(&["headers"]).and_then(|value| value.get_ref().as_table());
    let keys = table.into_iter().flat_map(|table| table.keys());
    let names: Vec<(String, Range<usize>)> = keys.map(|key| (key.get_ref().to_string(), key.span())).collect();
    for (name, at) in names {
        let lower = name.to_lowercase();
        let ours = OWN_HEADERS.contains(&lower.as_str()) || OWN_PREFIXES.iter().any(|prefix| lower.starts_with(prefix));
        if HeaderName::from_bytes(name.as_bytes()).is_err() {
            problems.error(at, "this cannot be the name of a header", "letters, digits and -, such as \"X-Shop\"");
        } else if ours {
            problems.error(at, format!("the header {name} is set by Orderbell itself"), "choose another one");
        }
        section.check(&["headers", &name], problems, |value| match HeaderValue::from_str(value) {
            Ok(_) => Ok(()),
            Err(_) => Err(Complaint::new(
                format!("this cannot be the value of the header {name}"),
                "one line of visible characters",
            )),
        });
    }
}
