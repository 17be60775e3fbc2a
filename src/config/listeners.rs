//! `[server]` and `[admin]`: where the daemon listens, and how it is reached.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::DeTable;

use crate::config::context::LoadContext;
use crate::config::section::Section;
use crate::config::tables::table;
use crate::config::unsupported::ADMIN;
use crate::config::{secrets, values};
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::duration;
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, ReadSettings, SettingsTable};

const MAX_BODY_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 20;

/// Reads both, which must not listen at the same address.
pub fn read<'t>(
    root: &mut DeTable<'t>,
    context: &LoadContext<'_>,
    problems: &'t Diagnostics<'t>,
) -> (Option<Server>, Option<Admin>) {
    problems.enter(ConfigPart::Rest);
    if let Some((key, _)) = root.get_key_value("admin") {
        ADMIN.warn(key.span(), problems);
    }
    let admin_table = table(root, "admin", problems);
    let admin_at = admin_table.at(&["listen"]);
    let admin = admin(admin_table, context, problems);
    problems.enter(ConfigPart::Server);
    let server_table = table(root, "server", problems);
    let server_at = server_table.at(&["listen"]);
    let server = server(server_table, problems);
    problems.enter(ConfigPart::Rest);
    if let (Some(server), Some(admin)) = (&server, &admin)
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

/// Where the page, the API and the metrics are: a listener of their own, so that the internet sees /hooks only.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("not" = { "required": ["token", "token_hash"] }))]
pub struct Admin {
    /// Address and port.
    #[serde(default = "default_admin")]
    #[schemars(with = "Option<String>", extend("default" = "127.0.0.1:8788"))]
    pub listen: SocketAddr,
    /// The token of the API, which is the password of the page. Needed unless `listen` is of this machine.
    pub token: Option<Secret>,
    /// The Argon2 hash of the token, instead of the token itself.
    pub token_hash: Option<Secret>,
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

fn admin(mut section: Section<'_>, context: &LoadContext<'_>, problems: &Diagnostics<'_>) -> Option<Admin> {
    secrets::resolve(&mut section, Admin::json_schema, context);
    section.check(&["listen"], &|text| values::listen(text).map(drop));
    section.check(&["token_hash"], &|hash| match hash.starts_with("$argon2") {
        true => Ok(()),
        false => Err(InvalidValue::new(
            "token_hash is not an Argon2 hash",
            "it begins with \"$argon2id$\"; for the token itself write token = …",
        )),
    });
    let admin: Admin = section.read()?;
    let has = |key| section.value(&[key]).is_some() || section.is_reported(key);
    if has("token") && has("token_hash") {
        let at = section.at(&["token_hash"]);
        problems.error(at, "[admin] has both a token and a token_hash", "one of them is enough");
    }
    if !has("token") && !has("token_hash") && !admin.listen.ip().is_loopback() {
        let help = "add token = { env = \"ORDERBELL_TOKEN\" }, or listen at 127.0.0.1:8788, for this machine alone";
        problems.error(section.at(&["listen"]), "the admin page would be open to the network without a token", help);
    }
    Some(admin)
}
