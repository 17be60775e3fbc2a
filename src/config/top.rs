//! The file as a whole: its own keys, `[server]`, `[admin]` and `[store]`, and the order in which the rest is read.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::de::DeTable;

use crate::config::Admin;
use crate::config::AdminKey;
use crate::config::Config;
use crate::config::ConfiguredChannel;
use crate::config::Depth;
use crate::config::Server;
use crate::config::Store;
use crate::config::Surroundings;
use crate::config::Zone;
use crate::config::channels;
use crate::config::channels::ReadChannel;
use crate::config::check;
use crate::config::later;
use crate::config::later::Place;
use crate::config::operator;
use crate::config::parts::ChannelPart;
use crate::config::parts::ExplainingPart;
use crate::config::parts::KnownChannel;
use crate::config::parts::ReportPart;
use crate::config::parts::Secrets;
use crate::config::parts::Wanted;
use crate::config::placeholder;
use crate::config::problem::Problems;
use crate::config::rehearsal;
use crate::config::rehearsal::House;
use crate::config::routes;
use crate::config::secrets;
use crate::config::section::Complaint;
use crate::config::section::Section;
use crate::config::sources;
use crate::config::store;
use crate::config::tables::named;
use crate::config::tables::repeated;
use crate::config::tables::strangers;
use crate::config::tables::table;
use crate::config::templates::Folder;
use crate::config::values;
use crate::domain::duration;
use crate::domain::effective::EffectiveSettings;
use crate::domain::secret::Secret;
use crate::platform::GeneralSettings;
use crate::render::Isolation;

const KEYS: [&str; 4] = ["language", "timezone", "currency", "templates"];
const MAX_BODY_BYTES: RangeInclusive<u64> = 1 << 10..=64 << 20;

/// The file's own keys.
pub struct Globals {
    pub language: String,
    pub timezone: Zone,
    pub currency: Option<String>,
}

/// Reads the whole file. `None` when something needed could not be read; then the problems say what.
pub fn read(
    mut root: DeTable<'_>,
    surroundings: &Surroundings<'_>,
    depth: Depth,
    problems: &mut Problems<'_>,
) -> Option<Config> {
    placeholder::note_all(&root, problems);
    let Head { globals, templates, mut folder, languages } = head(&mut root, surroundings, problems);
    let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
    let surroundings = &Surroundings { languages: &languages, ..*surroundings };

    if let Some((key, _)) = root.get_key_value("admin") {
        later::note_kind("admin page or API", Place::Top, key.span(), problems);
    }
    let server_table = table(&mut root, "server", problems);
    let admin_table = table(&mut root, "admin", problems);
    let listeners = [&server_table, &admin_table].map(|section| section.at(&["listen"]));
    let server = server(server_table, problems);
    let admin = admin(admin_table, surroundings, problems);
    if let (Some(server), Some(admin)) = (&server, &admin)
        && server.listen == admin.listen
        && server.listen.port() != 0
    {
        let at = listeners.into_iter().max_by_key(|at| at.start).unwrap_or_default();
        problems.error(at, "[server] and [admin] cannot listen at the same address", "give one of them another port");
    }
    let store_table = table(&mut root, "store", problems);
    let keep_at = store_table.at(&["keep"]);
    let store = store::read(store_table, surroundings, problems);
    let operator_table = table(&mut root, "operator", problems);
    let sources = named(&mut root, "source", problems);
    let channels = named(&mut root, "channel", problems);
    let reports = named(&mut root, "report", problems);
    let rules = repeated(&mut root, "route", problems);
    strangers(&root, problems);

    let sources = sources::read(sources, surroundings, problems);
    let channels = channels::read(channels, &globals, surroundings, problems);
    let routes = routes::read(operator_table, rules, reports, &globals, problems);
    if !problems.is_broken() {
        check::names(&sources, &channels, &routes, problems);
        check::fallbacks(&channels, problems);
        check::oddities(&sources, &channels, &routes, problems);
        operator::check(&channels, &routes, problems);
        check::unsent(&sources, &routes, problems);
        check::overhearing(&channels, &routes, problems);
        check::memory(&routes, store.as_ref(), keep_at, problems);
        let general = GeneralSettings {
            has_public_url: server.as_ref().is_none_or(|server| server.public_url.is_some()),
            has_currency: globals.currency.is_some(),
        };
        check::sources(&sources, general, problems);
    }
    folder.compile(problems);
    let rehearsed = match depth {
        Depth::Start => false,
        Depth::Again => !folder.overlay().is_empty(),
        Depth::Rehearsal => true,
    };
    if rehearsed && !problems.is_broken() {
        let reports = &routes.report_names;
        let house = House { sources: &sources, channels: &channels, reports, globals: &globals };
        rehearsal::rehearse(&house, &folder, problems);
    }
    Some(Config {
        text: Secret::new(problems.text()),
        language: globals.language.clone(),
        timezone: globals.timezone.clone(),
        currency: currency(globals),
        templates,
        overlay: folder.into_overlay(),
        isolation: Isolation::of_this_program(),
        server: server?,
        admin: admin?,
        store: store?,
        sources: sources.into_iter().map(|(name, read)| Some((name, read.source?))).collect::<Option<_>>()?,
        channels: channels.into_iter().map(|(name, read)| Some((name, read.channel()?))).collect::<Option<_>>()?,
        routes: routes.routes?,
        reports: routes.reports?,
    })
}

/// Reads the channels that are wanted, and what they need of the rest. `None` when one of them could not be read.
pub fn channels(
    root: &mut DeTable<'_>,
    wanted: Wanted<'_>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> Option<ChannelPart> {
    let Head { globals, templates, languages, .. } = head(root, surroundings, problems);
    let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
    let surroundings = &Surroundings { languages: &languages, ..*surroundings };
    let all = named(root, "channel", problems);
    let names = all.iter().map(|(name, _)| name.get_ref().clone()).collect();
    let mut chosen: Vec<_> = all.into_iter().filter(|(name, _)| wanted.has(name.get_ref())).collect();
    if wanted.secrets == Secrets::StandIns {
        chosen.iter_mut().for_each(|(_, section)| channels::stand_in(section));
    }
    let read = channels::read(chosen, &globals, surroundings, problems);
    let channels = read.into_iter().map(|(name, read)| Some((name, read.channel()?))).collect::<Option<_>>()?;
    Some(ChannelPart { channels, names, templates, currency: currency(globals) })
}

/// Reads the settings of all channels, whatever is wrong with them.
pub fn effective(
    root: &mut DeTable<'_>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) -> BTreeMap<String, EffectiveSettings> {
    let Head { globals, languages, .. } = head(root, surroundings, problems);
    let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
    let surroundings = &Surroundings { languages: &languages, ..*surroundings };
    let read = channels::read(named(root, "channel", problems), &globals, surroundings, problems);
    read.into_iter().map(|(name, read)| (name, read.effective)).collect()
}

/// The currency of amounts that come without one; ISO's own word for none where it is not configured.
fn currency(globals: Globals) -> String {
    globals.currency.unwrap_or_else(|| "XXX".to_owned())
}

/// Reads what explains the past, as far as it can be read.
pub fn explaining(
    mut root: DeTable<'_>,
    surroundings: &Surroundings<'_>,
    store: Store,
    problems: &mut Problems<'_>,
) -> ExplainingPart {
    let Head { globals, languages, .. } = head(&mut root, surroundings, problems);
    let languages: Vec<&str> = languages.iter().map(String::as_str).collect();
    let surroundings = &Surroundings { languages: &languages, ..*surroundings };
    let sources = named(&mut root, "source", problems).into_iter().map(|(name, _)| name.into_inner()).collect();
    let channels = channels::read(named(&mut root, "channel", problems), &globals, surroundings, problems);
    let operator = table(&mut root, "operator", problems);
    let (rules, reports) = (repeated(&mut root, "route", problems), named(&mut root, "report", problems));
    let read = routes::read(operator, rules, reports, &globals, problems);
    let is_ready = |channel: &ConfiguredChannel| channel.way.channel().unready().is_none();
    let known = |(name, read): (String, ReadChannel)| {
        (name, KnownChannel { kind: read.kind, channel: read.channel().filter(is_ready) })
    };
    let channels = channels.into_iter().map(known).collect();
    let (routes, reports) = (read.routes, read.reports);
    ExplainingPart { store, timezone: globals.timezone, routes, sources, channels, reports }
}

/// Reads one of the reports or all of them, and how people are spoken to.
pub fn reports(
    mut root: DeTable<'_>,
    name: Option<&str>,
    surroundings: &Surroundings<'_>,
    store: Store,
    problems: &mut Problems<'_>,
) -> Option<ReportPart> {
    let Head { globals, templates, .. } = head(&mut root, surroundings, problems);
    let all = named(&mut root, "report", problems);
    let names = all.iter().map(|(name, _)| name.get_ref().clone()).collect();
    let wanted = all.into_iter().filter(|(known, _)| name.is_none_or(|name| known.get_ref() == name));
    let read = wanted.map(|(name, section)| Some((name.into_inner(), routes::report(section, &globals, problems)?)));
    let reports = read.collect::<Option<_>>()?;
    let mut sources = named(&mut root, "source", problems);
    sources.retain(|(_, section)| section.text(&["verify"]) == Some("observe"));
    let observing = sources.into_iter().map(|(name, _)| name.into_inner()).collect();
    Some(ReportPart { store, reports, names, observing, language: globals.language, templates })
}

/// Reads the time zone at the top of the file.
pub fn timezone(root: &mut DeTable<'_>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Zone {
    head(root, surroundings, problems).globals.timezone
}

/// What stands at the top of the file, and what follows from it for the rest.
struct Head {
    globals: Globals,
    templates: Option<PathBuf>,
    folder: Folder,
    /// The built-in ones and those of the folder.
    languages: Vec<String>,
}

fn head(root: &mut DeTable<'_>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Head {
    let mut globals = Section::new("at the top of the file".to_owned(), 0..0, DeTable::new());
    for key in KEYS {
        if let Some((key, value)) = root.remove_entry(key) {
            globals.table.insert(key, value);
        }
    }
    later::note_keys(&globals, Place::Top, problems);
    let templates = globals.text(&["templates"]).map(|folder| surroundings.folder().join(folder));
    let folder = Folder::read(templates.as_deref(), globals.at(&["templates"]), problems);
    let mut languages = folder.languages(surroundings.languages);
    if !folder.is_whole() {
        // What could not be read may have brought them.
        languages.extend(languages_of(root, &globals));
    }
    let known: Vec<&str> = languages.iter().map(String::as_str).collect();
    let globals = read_globals(globals, &Surroundings { languages: &known, ..*surroundings }, problems);
    Head { globals, templates, folder, languages }
}

/// The languages that the file asks for.
fn languages_of(root: &DeTable<'_>, globals: &Section<'_>) -> Vec<String> {
    let channels = root.get("channel").and_then(|channels| channels.get_ref().as_table());
    let channels = channels.into_iter().flat_map(|channels| channels.values());
    let own = channels.filter_map(|channel| channel.get_ref().get("language")?.get_ref().as_str());
    own.chain(globals.text(&["language"])).map(str::to_owned).collect()
}

/// The configuration of Orderbell.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Orderbell")]
pub struct WrittenGlobals {
    /// The language of messages, where a channel sets none: "en", "zh-CN", or one that the folder of templates brings.
    #[schemars(example = &"zh-CN", extend("default" = "en"))]
    language: Option<String>,
    /// The time zone of times in messages, where a channel sets none; an IANA name.
    #[schemars(example = &"Asia/Hong_Kong", extend("default" = "UTC"))]
    timezone: Option<String>,
    /// The currency of amounts that come without one; an ISO 4217 code.
    #[schemars(regex(pattern = "^[A-Z]{3}$"), example = &"HKD")]
    currency: Option<String>,
    /// A folder whose templates, such as `en/order.placed.md`, take precedence over the built-in ones.
    #[serde(rename = "templates")]
    #[schemars(example = &"templates")]
    _templates: Option<String>,
}

fn read_globals(mut section: Section<'_>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Globals {
    section.check(&["language"], problems, |name| values::language(name, surroundings.languages));
    section.check(&["timezone"], problems, |name| values::zone(name).map(drop));
    section.check(&["currency"], problems, values::currency);
    let written = section.read::<WrittenGlobals>(problems);
    let (language, timezone, currency) =
        written.map_or((None, None, None), |written| (written.language, written.timezone, written.currency));
    Globals {
        language: language.unwrap_or_else(|| "en".to_owned()),
        timezone: timezone.and_then(|name| values::zone(&name).ok()).unwrap_or_else(Zone::utc),
        currency,
    }
}

/// Where webhooks come in.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Server")]
pub struct WrittenServer {
    /// Address and port for webhooks and `/healthz`.
    #[schemars(extend("default" = "127.0.0.1:8787"))]
    listen: Option<String>,
    /// How platforms reach the daemon, without `/hooks/…`; Keeta's signature needs it.
    #[schemars(example = &"https://bell.example.com")]
    public_url: Option<String>,
    /// Larger webhooks are refused. Between 1KiB and 64MiB.
    #[serde(default = "default_max_body", deserialize_with = "crate::domain::duration::deserialize_size")]
    #[schemars(with = "duration::WrittenSize", extend("default" = "1MiB"))]
    max_body: u64,
}

fn default_max_body() -> u64 {
    1 << 20
}

pub fn server(mut section: Section<'_>, problems: &mut Problems<'_>) -> Option<Server> {
    section.check(&["listen"], problems, |text| values::listen(text).map(drop));
    section.check(&["public_url"], problems, |text| values::public_url(text).map(drop));
    let written: WrittenServer = section.read(problems)?;
    if !MAX_BODY_BYTES.contains(&written.max_body) {
        let help = "between 1KiB and 64MiB; platforms send a few KiB, 1MiB is the default";
        problems.error(section.at(&["max_body"]), "max_body is out of bounds", help);
    }
    Some(Server {
        listen: address(written.listen, 8787),
        public_url: written.public_url.and_then(|text| values::public_url(&text).ok()),
        max_body_bytes: written.max_body,
    })
}

/// The address that was written, else loopback with this port.
fn address(written: Option<String>, port: u16) -> SocketAddr {
    let written = written.and_then(|text| values::listen(&text).ok());
    written.unwrap_or_else(|| SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))
}

/// Where the page, the API and the metrics are: a listener of their own, so that the internet sees /hooks only.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Admin", extend("not" = { "required": ["token", "token_hash"] }))]
pub struct WrittenAdmin {
    /// Address and port.
    #[schemars(extend("default" = "127.0.0.1:8788"))]
    listen: Option<String>,
    /// The token of the API, which is the password of the page. Needed unless `listen` is of this machine.
    token: Option<Secret>,
    /// The Argon2 hash of the token, instead of the token itself.
    token_hash: Option<Secret>,
}

fn admin(mut section: Section<'_>, surroundings: &Surroundings<'_>, problems: &mut Problems<'_>) -> Option<Admin> {
    secrets::resolve(&mut section, &["token", "token_hash"], surroundings, problems);
    section.check(&["listen"], problems, |text| values::listen(text).map(drop));
    section.check(&["token_hash"], problems, |hash| match hash.starts_with("$argon2") {
        true => Ok(()),
        false => Err(Complaint::new(
            "token_hash is not an Argon2 hash",
            "it begins with \"$argon2id$\"; for the token itself write token = …",
        )),
    });
    let written: WrittenAdmin = section.read(problems)?;
    let listen = address(written.listen, 8788);
    let key = match (written.token, written.token_hash) {
        (Some(_), Some(_)) => {
            let at = section.at(&["token_hash"]);
            problems.error(at, "[admin] has both a token and a token_hash", "one of them is enough");
            None
        }
        (Some(token), None) => Some(AdminKey::Token(token)),
        (None, Some(hash)) => Some(AdminKey::TokenHash(hash)),
        (None, None) if section.is_wrong("token") || section.is_wrong("token_hash") => Some(AdminKey::Unreadable),
        (None, None) if !listen.ip().is_loopback() => {
            let help = "add token = { env = \"ORDERBELL_TOKEN\" }, or listen at 127.0.0.1:8788, for this machine alone";
            problems.error(
                section.at(&["listen"]),
                "the admin page would be open to the network without a token",
                help,
            );
            None
        }
        (None, None) => None,
    };
    Some(Admin { listen, key })
}
