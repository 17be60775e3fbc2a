//! `[server]` and `[admin]`: where the daemon listens, and how it is reached.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::DeTable;

use crate::config::context::LoadContext;
use crate::config::section::Section;
use crate::config::tables::table;
use crate::config::{secrets, values};
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::access;
use crate::domain::access::{Access, AccessToken, TokenForm};
use crate::domain::duration;
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, ReadSettings, SettingsTable};

const MAX_BODY_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 20;
/// An access token that is shorter may be guessed.
const MIN_TOKEN_CHARACTERS: usize = 16;

/// Reads both, which must not listen at the same address.
pub fn read<'t>(
    root: &mut DeTable<'t>,
    context: &LoadContext<'_>,
    problems: &'t Diagnostics<'t>,
) -> (Option<Server>, Option<Option<ConfiguredAdmin>>) {
    problems.enter(ConfigPart::Rest);
    let admin_table = root.contains_key("admin").then(|| table(root, "admin", problems));
    let admin_at = admin_table.as_ref().map_or(0..0, |table| table.at(&["listen"]));
    let admin = admin_table.map(|table| admin(table, context, problems));
    problems.enter(ConfigPart::Server);
    let server_table = table(root, "server", problems);
    let server_at = server_table.at(&["listen"]);
    let server = server(server_table, problems);
    problems.enter(ConfigPart::Rest);
    if let (Some(server), Some(Some(admin))) = (&server, &admin)
        && server.listen == admin.listen
        && server.listen.port() != 0
    {
        let at = if admin_at.start > server_at.start { admin_at } else { server_at };
        problems.error(at, "[server] and [admin] cannot listen at the same address", "give one of them another port");
    }
    (server, admin)
}

/// Where webhooks come in.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Address and port for webhooks and `/healthz`.
    #[serde(default = "default_server")]
    #[schemars(with = "Option<String>", extend("default" = "127.0.0.1:8787"))]
    pub listen: SocketAddr,
    /// How platforms reach the daemon, without `/hooks/…`; Keeta's signature needs it.
    #[schemars(example = &"https://bell.example.com")]
    pub public_url: Option<String>,
    /// Larger webhooks are refused. Between 1KiB and 64MiB.
    #[serde(default = "default_max_body", rename = "max_body", deserialize_with = "duration::deserialize_size")]
    #[schemars(with = "duration::SizeText", extend("default" = "1MiB"))]
    pub max_body_bytes: u64,
}

impl Server {
    /// The address under which a platform reaches a source.
    pub fn source_address(&self, name: &str) -> String {
        match &self.public_url {
            Some(public) => format!("{public}/hooks/{name}"),
            None => format!("http://{}/hooks/{name}", self.listen),
        }
    }
}

/// Where the API, the metrics and the state of the daemon are: a listener of their own, so that the internet sees /hooks only.
/// Nothing listens there where this table is absent.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = { "required": ["token", "token_hash"] }))]
pub struct Admin {
    /// Address and port.
    #[serde(default = "default_admin")]
    #[schemars(with = "Option<String>", extend("default" = "127.0.0.1:8788"))]
    listen: SocketAddr,
    /// The access token, which may change things. A token is needed unless `listen` is of this machine.
    token: Option<Secret>,
    /// The Argon2 hash of the token, instead of the token itself; `orderbell token` prints one.
    token_hash: Option<Secret>,
    /// Further tokens, by name.
    #[serde(default)]
    #[schemars(extend("propertyNames" = { "pattern": values::NAME_PATTERN }))]
    tokens: BTreeMap<String, NamedToken>,
}

/// A further access token: for one program or person, so that it can be taken back by itself.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = { "required": ["token", "token_hash"] }))]
#[schemars(extend("anyOf" = [{ "required": ["token"] }, { "required": ["token_hash"] }]))]
struct NamedToken {
    /// The token itself.
    token: Option<Secret>,
    /// Its Argon2 hash, instead of the token itself; `orderbell token` prints one.
    token_hash: Option<Secret>,
    /// Whether it may change things.
    #[serde(default = "default_access")]
    #[schemars(extend("default" = "read"))]
    access: Access,
}

fn default_access() -> Access {
    Access::Read
}

fn default_server() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8787)
}

fn default_admin() -> SocketAddr {
    SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 8788)
}

fn default_max_body() -> u64 {
    1 << 20
}

fn server(mut section: Section<'_>, problems: &Diagnostics<'_>) -> Option<Server> {
    section.check(&["listen"], &|text| values::listen(text).map(drop));
    section.check(&["public_url"], &values::public_url);
    if let Some(odd) = section.text(&["public_url"]).and_then(values::unencrypted) {
        section.warning(&["public_url"], odd);
    }
    let mut server: Server = section.read()?;
    if !MAX_BODY_BYTES.contains(&server.max_body_bytes) {
        let help = "between 1KiB and 64MiB; platforms send a few KiB, 1MiB is the default";
        problems.error(section.at(&["max_body"]), "max_body is out of bounds", help);
    }
    server.public_url = server.public_url.map(|url| url.trim_end_matches('/').to_owned());
    Some(server)
}

fn admin(mut section: Section<'_>, context: &LoadContext<'_>, problems: &Diagnostics<'_>) -> Option<ConfiguredAdmin> {
    secrets::resolve(&mut section, Admin::json_schema, context);
    section.check(&["listen"], &|text| values::listen(text).map(drop));
    section.check(&["token_hash"], &access::judge_hash);
    warn_of_short(&mut section, &["token"]);
    let names = section.keys(&["tokens"]);
    for name in &names {
        let name = name.as_str();
        if let Err(invalid) = values::name(name) {
            problems.error(section.at(&["tokens", name]), invalid.message, invalid.help);
        }
        section.check(&["tokens", name, "token_hash"], &access::judge_hash);
        warn_of_short(&mut section, &["tokens", name, "token"]);
    }
    let admin: Admin = section.read()?;
    let has = |path: &[&str]| section.value(path).is_some() || section.is_reported(&path.join("."));
    check_forms(&section, &[], "[admin]", &has);
    for name in &names {
        let table = ["tokens", name.as_str()];
        let (place, is_table) = (format!("[admin.tokens.{name}]"), section.value(&table).is_some());
        if is_table && !check_forms(&section, &table, &place, &has) {
            let help = "`orderbell token` prints a token, and the line for this file";
            problems.error(section.at(&table), format!("\"token\" or \"token_hash\" is missing in {place}"), help);
        }
    }
    if !has(&["token"]) && !has(&["token_hash"]) && names.is_empty() && !admin.listen.ip().is_loopback() {
        let help = "add token = { env = \"ORDERBELL_TOKEN\" }, or listen at 127.0.0.1:8788, for this machine alone";
        problems.error(
            section.at(&["listen"]),
            "the admin listener would be open to the network without a token",
            help,
        );
    }
    Some(admin.configured())
}

/// Says of a token that it is short.
fn warn_of_short(section: &mut Section<'_>, path: &[&str]) {
    if section.text(path).is_some_and(|token| token.chars().count() < MIN_TOKEN_CHARACTERS) {
        let message = format!("the access token is shorter than {MIN_TOKEN_CHARACTERS} characters");
        let help = "a short one may be guessed; `orderbell token` makes one of 32 random bytes";
        section.warning(path, InvalidValue::new(message, help));
    }
}

/// Whether a table has a token, in one form; both are reported.
fn check_forms(section: &Section<'_>, table: &[&str], place: &str, has: &dyn Fn(&[&str]) -> bool) -> bool {
    let (token, hash) = ([table, &["token"]].concat(), [table, &["token_hash"]].concat());
    if has(&token) && has(&hash) {
        let message = format!("{place} has both a token and a token_hash");
        section.problems.error(section.at(&hash), message, "one of them is enough");
    }
    has(&token) || has(&hash)
}

/// `[admin]` as the daemon takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredAdmin {
    pub listen: SocketAddr,
    /// Only a listener of this machine has none.
    pub tokens: Vec<AccessToken>,
}

impl Admin {
    fn configured(self) -> ConfiguredAdmin {
        let own = NamedToken { token: self.token, token_hash: self.token_hash, access: Access::Write };
        let tokens = self.tokens.into_iter().chain([("admin".to_owned(), own)]);
        let known = |(name, token): (String, NamedToken)| {
            let form = token.token.map(TokenForm::Plain).or(token.token_hash.map(TokenForm::Hash))?;
            Some(AccessToken { name, access: token.access, form })
        };
        ConfiguredAdmin { listen: self.listen, tokens: tokens.filter_map(known).collect() }
    }
}
