//! What the robots of DingTalk and WeCom have in common: an address that holds their token, who is called, and their pace.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use url::Url;

use crate::domain::rate_limit::RateLimit;
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, Reach, SettingsTable, check_address, web_url};

/// Messages that both vendors take in a minute.
pub const PER_MINUTE: u32 = 20;

/// Two are left for others who use the robot, and for clocks.
pub const ALLOWANCE: RateLimit = RateLimit { count: PER_MINUTE - 2, per: SignedDuration::from_mins(1) };

/// However small a part is to be, it has room for so many bytes of the message itself.
pub const LEAST_ROOM: usize = 96;

/// Stands for every marker when a part is measured.
pub const WIDEST_MARKER: &str = "(9999/9999) ";

/// The title is the line of the chat list and of the push message.
pub const TITLE_GRAPHEMES: usize = 80;

/// Who is called by name in each message.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mention {
    /// Mobile numbers of group members; outside mainland China `+<country>-<number>`.
    #[schemars(inner(regex(pattern = r"^(1[0-9]{10}|\+[0-9]{1,3}-[0-9]{4,14})$")), example = ["+852-51234567"])]
    pub mobiles: Vec<String>,
    /// User ids of group members.
    pub user_ids: Vec<String>,
    /// Everyone in the group.
    pub all: bool,
}

/// The token in a robot's address, by the name of its parameter.
pub fn token(address: &str, parameter: &str) -> Option<String> {
    let url = Url::parse(address).ok()?;
    url.query_pairs().find(|(name, value)| name == parameter && !value.is_empty()).map(|(_, value)| value.into_owned())
}

/// What the provider counts by: a hash of the token.
pub fn credential(address: &Secret, parameter: &str) -> String {
    let url = Url::parse(address.expose()).ok();
    let token =
        url.as_ref().and_then(|url| url.query_pairs().find(|(name, _)| name == parameter)).map(|(_, token)| token);
    hex::encode(&Sha256::digest(token.as_deref().unwrap_or(address.expose()))[..8])
}

/// Puts a server in the place of a robot's own: the scheme, the host and the port are its, and its path stands before the
/// robot's.
pub fn replace_server(webhook: &mut Secret, base_url: &Secret) {
    let (Some(mut url), Some(own)) = (web_url(base_url.expose()), web_url(webhook.expose())) else { return };
    url.set_path(&format!("{}{}", url.path().trim_end_matches('/'), own.path()));
    url.set_query(own.query());
    *webhook = Secret::new(url);
}

/// Judges the address of a robot.
pub fn check_webhook(table: &mut dyn SettingsTable, parameter: &str, right: &str, reach: Reach) {
    check_address(table, "webhook", right, reach);
    if table.is_given(&["webhook"]) && table.text(&["webhook"]).is_none_or(|text| token(text, parameter).is_none()) {
        let invalid = match table.text(&["webhook"]).and_then(vendor) {
            Some((name, kind, own)) if own != parameter => InvalidValue::new(
                format!("this is the address of a {name} robot, and \"kind\" names another"),
                format!("write kind = \"{kind}\", or an address such as {right}"),
            ),
            _ => InvalidValue::new(
                format!("\"webhook\" is not the address of a robot: it has no {parameter}"),
                format!("copy it whole: {right}"),
            ),
        };
        table.refuse(&["webhook"], invalid);
    }
}

/// Whose robot an address is of: the vendor, the kind of channel, and the parameter.
fn vendor(address: &str) -> Option<(&'static str, &'static str, &'static str)> {
    let host = web_url(address)?.host_str()?.to_owned();
    let vendors = [
        ("oapi.dingtalk.com", ("DingTalk", "dingtalk", "access_token")),
        ("qyapi.weixin.qq.com", ("WeCom", "wecom", "key")),
    ];
    let found = vendors.into_iter().find(|(own, (.., parameter))| host == *own || token(address, parameter).is_some());
    found.map(|(_, vendor)| vendor)
}

/// Judges those who are to be called.
pub fn check_mention(table: &mut dyn SettingsTable) {
    table.check_each(&["mention", "mobiles"], &mobile);
    table.check_each(&["mention", "user_ids"], &|id| match id.trim().is_empty() {
        true => Err(InvalidValue::new("this user id is empty", "take it out")),
        false => Ok(()),
    });
}

/// Judges a mobile number: eleven digits in mainland China, elsewhere `+852-51234567`.
fn mobile(text: &str) -> Result<(), InvalidValue> {
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
        false => Err(InvalidValue::new(
            "this is not a mobile number as the robot knows it",
            "\"13800000000\" in mainland China, elsewhere country and number with a dash: \"+852-51234567\"",
        )),
    }
}
