//! A configuration to begin with, of chosen sources and channels, with what is left to do as comments.

mod introduction;
pub mod table;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;

use crate::channel;
use crate::channel::kinds::KINDS;
use crate::config::scaffold::introduction::{KnownValues, introduction, typed};
use crate::config::scaffold::table::{Placeholders, ScaffoldTable, SecretsIn, Wanted, quoted, tables, with_comment};
use crate::config::{context, values};
use crate::diagnostic::suggest;
use crate::domain::scaffold::{Role, Scaffold};
use crate::domain::settings::InvalidValue;
use crate::platform;
use crate::platform::kinds::PLATFORMS;

/// What stands for an address that is not known yet; `check` warns of it.
const PUBLIC_URL: &str = "https://change-me.example.com";
/// Where webhooks come in on this machine, and when the report is sent, unless others are chosen.
pub const LISTEN: &str = "127.0.0.1:8787";
pub const REPORT_AT: &str = "08:57";

/// What the whole file is to hold.
pub struct ScaffoldPlan {
    pub sources: Vec<Wanted>,
    pub channels: Vec<Wanted>,
    pub language: String,
    pub timezone: String,
    pub currency: Option<String>,
    pub public_url: Option<String>,
    /// What else is decided, where its sources and channels have their values.
    pub decided: Option<Decided>,
}

/// What is decided besides the values of sources and channels.
#[derive(Clone)]
pub struct Decided {
    pub secrets: SecretsIn,
    /// Where webhooks come in on this machine.
    pub listen: String,
    /// Where the page is.
    pub admin: SocketAddr,
    /// The channels that are notified when something is wrong; those for people where none is named.
    pub operator: Vec<String>,
    /// When the daily report is sent, if it is.
    pub report_at: Option<String>,
}

/// The kinds of sources.
pub fn platforms() -> Vec<&'static str> {
    PLATFORMS.iter().map(|known| known.name).collect()
}

/// The kinds of channels.
pub fn channel_kinds() -> Vec<&'static str> {
    KINDS.iter().map(|known| known.name).collect()
}

/// Reads `keeta`, or with a name `keeta=keeta-hk`.
///
/// # Errors
/// A text that says which kinds there are.
pub fn source(text: &str) -> Result<Wanted, String> {
    wanted(text, "platform", &platforms(), |kind| {
        platform::kinds::kind_named(kind).map(|known| (known.name, known.setup))
    })
}

/// Reads `email`, or with a name `email=owner`.
///
/// # Errors
/// As [`source`].
pub fn channel(text: &str) -> Result<Wanted, String> {
    wanted(text, "kind of channel", &channel_kinds(), |kind| {
        channel::kinds::kind_named(kind).map(|known| (known.name, known.setup))
    })
}

fn wanted(
    text: &str,
    what: &str,
    kinds: &[&str],
    find: impl Fn(&str) -> Option<(&'static str, &'static str)>,
) -> Result<Wanted, String> {
    let (kind, name) = match text.split_once('=') {
        Some((kind, name)) => (kind, Some(name)),
        None => (text, None),
    };
    let (kind, setup) = find(kind).ok_or_else(|| {
        let meant = suggest::nearest(kind, kinds).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
        format!("there is no {what} \"{kind}\"; {meant}there are: {}", kinds.join(", "))
    })?;
    if let Some(name) = name {
        values::name(name).map_err(said)?;
    }
    Ok(Wanted { kind, scaffold: Scaffold::read(setup), name: name.map(str::to_owned), values: None })
}

/// Judges a language, a time zone, a currency, and a public address.
///
/// # Errors
/// A text that says what would be right.
pub fn language(text: &str) -> Result<String, String> {
    values::language(text, context::languages()).map(|()| text.to_owned()).map_err(said)
}

/// As [`language`].
pub fn timezone(text: &str) -> Result<String, String> {
    values::zone(text).map(|zone| zone.name).map_err(said)
}

/// As [`language`].
pub fn currency(text: &str) -> Result<String, String> {
    values::currency(text).map(|()| text.to_owned()).map_err(said)
}

/// As [`language`].
pub fn public_url(text: &str) -> Result<String, String> {
    values::public_url(text).map_err(said)?;
    let url = text.trim_end_matches('/').to_owned();
    // It stands in quotes and in comments.
    let is_plain = url.chars().all(|c| !c.is_whitespace() && !c.is_control() && !"\"\\<>".contains(c));
    is_plain.then_some(url).ok_or_else(|| "a web address has no blanks and no quotes".to_owned())
}

fn said(invalid: InvalidValue) -> String {
    format!("{}; {}", invalid.message, invalid.help)
}

/// The text of the file. `file` is what it will be called; `orderbell.toml` needs not be named in commands.
///
/// # Errors
/// A text that says which chosen name is there twice.
pub fn write(plan: &ScaffoldPlan, file: &Path) -> Result<String, String> {
    let mut taken = BTreeSet::new();
    let sources = tables(&plan.sources, "source", &mut taken)?;
    let channels = tables(&plan.channels, "channel", &mut taken)?;
    let (file, orderbell) = (typed(file), command(file));
    let decided = plan.decided.as_ref();
    let placeholders = Placeholders {
        file,
        orderbell,
        public_url: plan.public_url.clone().unwrap_or_else(|| PUBLIC_URL.to_owned()),
        listen: decided.map_or(LISTEN, |decided| &decided.listen).to_owned(),
    };
    let (known, secrets) = match decided.map(|decided| decided.secrets) {
        None => (KnownValues::Nothing, SecretsIn::Variables),
        Some(SecretsIn::Variables) => (KnownValues::NoSecrets, SecretsIn::Variables),
        Some(SecretsIn::File) => (KnownValues::Everything, SecretsIn::File),
    };
    let mut text = introduction(&sources, &channels, known, &placeholders);
    text += &settings(plan, &sources, &channels, &placeholders);
    for (tag, family, tables) in [("platform", "source", &sources), ("kind", "channel", &channels)] {
        for table in tables {
            text += &format!("\n[{family}.{}]\n{tag} = \"{}\"\n", table.name, table.kind);
            text += &table.lines(secrets, &placeholders);
        }
    }
    text += "\n# Everything goes to every channel, the report below too. A route may be for some kinds alone, such as events = [\"order.*\", \"stock.*\"],\n\
        # and there may be several; see docs/events.md.\n[[route]]\nevents = [\"*\"]\n";
    text += &format!("to = {}\n", list(&channels));
    if let Some(at) = decided.map_or(Some(REPORT_AT), |decided| decided.report_at.as_deref()) {
        text += "\n# Once a day the figures of the day before; `orderbell report daily` shows them at any time.\n[report.daily]\n";
        text += &with_comment(&format!("at = {}", quoted(at)), "by the timezone above");
        text += &format!("to = {}\n", list(&channels));
    }
    Ok(text)
}

/// The program with its options, as it is called in the folder of the file.
pub fn command(file: &Path) -> String {
    match typed(file).as_str() {
        "orderbell.toml" => "orderbell".to_owned(),
        file => format!("orderbell --config {file}"),
    }
}

/// The tables that every configuration has.
fn settings(
    plan: &ScaffoldPlan,
    sources: &[ScaffoldTable],
    channels: &[ScaffoldTable],
    placeholders: &Placeholders,
) -> String {
    let assumed = sources.iter().find_map(|table| table.scaffold.currency.as_deref());
    let currency = plan.currency.as_deref().or(assumed).or_else(|| currency_of(&plan.timezone));
    let languages = context::languages().join(", ");
    let line = |key: &str, value: &str, comment: &str| with_comment(&format!("{key} = {}", quoted(value)), comment);
    let mut text = line("language", &plan.language, &format!("of messages: {languages}"));
    text += &line("timezone", &plan.timezone, "of the times in them; IANA name");
    text += &match currency {
        Some(currency) => line("currency", currency, "of amounts that come without one; ISO 4217 code"),
        None => {
            "# currency = \"…\": of amounts that come without one; write the ISO 4217 code of your shop\n".to_owned()
        }
    };
    text += "\n[server]\n";
    text += &line("listen", &placeholders.listen, "where webhooks come in on this machine");
    text += &match (&plan.public_url, &plan.decided) {
        (None, Some(_)) => "# public_url = \"https://…\": how the internet reaches it; platforms need one\n".to_owned(),
        _ => line("public_url", &placeholders.public_url, "how the internet reaches it"),
    };
    if let Some(Decided { admin, .. }) = &plan.decided {
        text += "\n[admin]\n";
        text += &line("listen", &admin.to_string(), "where the page is; only this machine reaches it");
    }
    let chosen = plan.decided.as_ref().map(|decided| &decided.operator).filter(|chosen| !chosen.is_empty());
    let people: Vec<&ScaffoldTable> = channels.iter().filter(|table| table.scaffold.role == Role::People).collect();
    let operator = match chosen {
        Some(chosen) => format!("[{}]", chosen.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")),
        None if people.is_empty() => list(channels),
        None => list(people),
    };
    text + "\n[operator]\n"
        + &with_comment(&format!("to = {operator}"), "who is notified when something is wrong with Orderbell itself")
}

/// The money of a time zone, where shops of the platforms are.
fn currency_of(zone: &str) -> Option<&'static str> {
    Some(match zone {
        "Asia/Hong_Kong" | "Hongkong" => "HKD",
        "Asia/Shanghai" | "Asia/Chongqing" | "Asia/Harbin" | "Asia/Urumqi" | "Asia/Kashgar" | "PRC" => "CNY",
        "Asia/Macau" | "Asia/Macao" => "MOP",
        "Asia/Taipei" => "TWD",
        "Asia/Singapore" | "Singapore" => "SGD",
        "Asia/Riyadh" => "SAR",
        "Asia/Dubai" => "AED",
        "Asia/Qatar" => "QAR",
        "Asia/Kuwait" => "KWD",
        "Asia/Bahrain" => "BHD",
        "Asia/Muscat" => "OMR",
        "America/Sao_Paulo" => "BRL",
        _ => return None,
    })
}

/// The names of channels, as TOML.
fn list<'a>(tables: impl IntoIterator<Item = &'a ScaffoldTable>) -> String {
    let names: Vec<String> = tables.into_iter().map(|table| format!("\"{}\"", table.name)).collect();
    format!("[{}]", names.join(", "))
}
