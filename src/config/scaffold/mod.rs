//! A configuration to begin with, of chosen sources and channels, with what is left to do as comments.

use std::collections::BTreeSet;
use std::path::Path;

use crate::channel;
use crate::channel::kinds::KINDS;
use crate::config::{context, values};
use crate::diagnostic::suggest;
use crate::diagnostic::wrap::wrapped;
use crate::domain::scaffold::{Role, Scaffold, Variable};
use crate::domain::settings::InvalidValue;
use crate::platform;
use crate::platform::kinds::PLATFORMS;

/// Columns of a line, and the column at which a comment behind a value begins.
const WIDTH: usize = 100;
const COMMENTS_AT: usize = 48;

/// What stands for an address that is not known yet; `check` warns of it.
const PUBLIC_URL: &str = "https://change-me.example.com";
const LISTEN: &str = "127.0.0.1:8787";

/// A source or a channel that is wanted.
#[derive(Clone)]
pub struct Wanted {
    kind: &'static str,
    scaffold: Scaffold,
    /// Its kind where none is chosen.
    name: Option<String>,
}

/// What the whole file is to hold.
pub struct ScaffoldPlan {
    pub sources: Vec<Wanted>,
    pub channels: Vec<Wanted>,
    pub language: String,
    pub timezone: String,
    pub currency: Option<String>,
    pub public_url: Option<String>,
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
    Ok(Wanted { kind, scaffold: Scaffold::read(setup), name: name.map(str::to_owned) })
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

/// One table of the file, with the names of its variables.
struct Table {
    scaffold: Scaffold,
    kind: &'static str,
    name: String,
    /// By what their names end with.
    variables: Vec<(String, String)>,
}

/// The text of the file. `file` is what it will be called; `orderbell.toml` needs not be named in commands.
///
/// # Errors
/// A text that says which chosen name is there twice.
pub fn write(plan: &ScaffoldPlan, file: &Path) -> Result<String, String> {
    let mut taken = BTreeSet::new();
    let sources = tables(&plan.sources, "source", &mut taken)?;
    let channels = tables(&plan.channels, "channel", &mut taken)?;
    let file = typed(file);
    let orderbell = match file.as_str() {
        "orderbell.toml" => "orderbell".to_owned(),
        file => format!("orderbell --config {file}"),
    };
    let filling =
        Placeholders { file, orderbell, public_url: plan.public_url.clone().unwrap_or_else(|| PUBLIC_URL.to_owned()) };
    let mut text = introduction(&sources, &channels, &filling);
    text += &settings(plan, &sources, &channels, &filling);
    for (tag, family, tables) in [("platform", "source", &sources), ("kind", "channel", &channels)] {
        for table in tables {
            text += &format!("\n[{family}.{}]\n{tag} = \"{}\"\n", table.name, table.kind);
            table.scaffold.table.trim().lines().for_each(|line| text += &aligned(&filling.fill(line, table)));
        }
    }
    text += "\n# Everything goes to every channel, the report below too. A route may be for some kinds alone, such as events = [\"order.*\", \"stock.*\"],\n\
        # and there may be several; see docs/events.md.\n[[route]]\nevents = [\"*\"]\n";
    text += &format!("to = {}\n", list(&channels));
    text += "\n# Once a day the figures of the day before; `orderbell report daily` shows them at any time.\n[report.daily]\n";
    text += &aligned("at = \"08:57\"    # by the timezone above");
    text += &format!("to = {}\n", list(&channels));
    Ok(text)
}

/// Gives each wanted table a name and variables that nothing else has.
fn tables(wanted: &[Wanted], family: &str, taken: &mut BTreeSet<String>) -> Result<Vec<Table>, String> {
    let mut names = BTreeSet::new();
    for name in wanted.iter().filter_map(|one| one.name.clone()) {
        if !names.insert(name.clone()) {
            return Err(format!("the name \"{name}\" is given to two {family}s; each needs a name of its own"));
        }
    }
    let tables = wanted.iter().map(|Wanted { kind, scaffold, name }| {
        let name = name.clone().unwrap_or_else(|| {
            let name = first_free(kind, "-", |name| !names.contains(name));
            names.insert(name.clone());
            name
        });
        let variables = scaffold.variables.iter().map(|Variable { ending, .. }| {
            let variable = variable(&name, family, ending, taken);
            taken.insert(variable.clone());
            (ending.clone(), variable)
        });
        Table { variables: variables.collect(), scaffold: scaffold.clone(), kind, name }
    });
    Ok(tables.collect())
}

/// The name, or with a number behind it.
fn first_free(name: &str, gap: &str, is_free: impl Fn(&str) -> bool) -> String {
    let numbered = (2..).map(|number: u32| format!("{name}{gap}{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(numbered);
    names.find(|name| is_free(name)).expect("there are enough numbers")
}

/// The environment variable for a secret of a table.
fn variable(name: &str, family: &str, ending: &str, taken: &BTreeSet<String>) -> String {
    let capitals = |text: &str| text.to_ascii_uppercase().replace('-', "_");
    let plain = format!("{}_{ending}", capitals(name));
    let is_free = |variable: &str| !taken.contains(variable);
    match is_free(&plain) && !plain.starts_with(|c: char| c.is_ascii_digit()) {
        true => plain,
        false => first_free(&format!("{}_{plain}", capitals(family)), "_", is_free),
    }
}

/// What stands for `<…>` in the texts of all kinds.
struct Placeholders {
    file: String,
    orderbell: String,
    public_url: String,
}

impl Placeholders {
    fn fill(&self, text: &str, table: &Table) -> String {
        let address = format!("{}/hooks/{}", self.public_url, table.name);
        let text = text.replace("<NAME>", &table.name).replace("<ADDRESS>", &address);
        let text = text.replace("<ORDERBELL>", &self.orderbell);
        table.variables.iter().fold(text, |text, (ending, variable)| text.replace(&format!("<{ending}>"), variable))
    }
}

/// A file as it is named in a shell, without its folder.
fn typed(file: &Path) -> String {
    let name = file.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    match name.as_ref() {
        // In a comment a line must not end in the middle.
        "" => "FILE".to_owned(),
        name if name.chars().any(char::is_control) => "FILE".to_owned(),
        name if name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) => name.to_owned(),
        name => format!("'{}'", name.replace('\'', r"'\''")),
    }
}

/// The comments at the top: what this is, and what is left to do.
fn introduction(sources: &[Table], channels: &[Table], filling: &Placeholders) -> String {
    let whats = |tables: &[Table]| {
        let mut whats: Vec<&str> = tables.iter().map(|table| table.scaffold.what.as_str()).collect();
        let mut known = BTreeSet::new();
        whats.retain(|what| known.insert(*what));
        match whats.split_last() {
            Some((last, [])) => (*last).to_owned(),
            Some((last, others)) => format!("{} and {last}", others.join(", ")),
            None => String::new(),
        }
    };
    let mut text =
        commented("", &format!("Orderbell: what comes from {} goes to {}.", whats(sources), whats(channels)));
    text += "#\n";
    text += &commented(
        "",
        &format!(
            "`orderbell init` without options prints an example with every key that there is. A running daemon takes up a change of this file by itself, within seconds; `{} check` says beforehand whether it is right.",
            filling.orderbell
        ),
    );
    text += "#\n# What is left to do, in this order:\n";
    for (step, number) in steps(sources, channels, filling).iter().zip(1..) {
        text += "#\n";
        text += &commented(&format!("{number:>2}. "), step);
    }
    text + "\n"
}

fn steps(sources: &[Table], channels: &[Table], filling: &Placeholders) -> Vec<String> {
    let all = || sources.iter().chain(channels);
    let Placeholders { file, orderbell, public_url } = filling;
    let mut steps: Vec<String> = all().map(|table| filling.fill(&table.scaffold.before, table)).collect();
    steps.push("Write your own values below in the place of everything that says change-me. Look at language and timezone, too.".to_owned());
    let samples = all().flat_map(|table| table.variables.iter().zip(&table.scaffold.variables));
    let lines = samples.map(|((_, variable), Variable { sample, .. })| format!("    {variable}='{sample}'\n"));
    steps.push(format!(
        "Beside this file make another one, secrets.env, with these lines:\n{}This takes them from here, into a file that \
        only you may read:\n    (umask 077; grep -o \"[A-Z0-9_]\\+='.*'\" {file} > secrets.env)\nThen write your own \
        values between the quotes there.",
        lines.collect::<String>()
    ));
    steps.push(format!(
        "In this folder, in each terminal, once:\n    set -a; . ./secrets.env; set +a\nThen:\n    {orderbell} check\n    \
        {orderbell} test --all\n    {orderbell} serve\ncheck says what is still missing or wrong. test sends a message to each \
        channel; what is refused it explains. serve is the daemon."
    ));
    let simulate = |table: &Table| format!("    {orderbell} simulate {} order.placed\n", table.name);
    steps.push(format!(
        "In a second terminal try it with a webhook that Orderbell makes and signs itself:\n{}\
        The message comes wherever this file sends it. To keep Orderbell running, see docs/deployment.md.",
        sources.iter().map(simulate).collect::<String>()
    ));
    let host = public_url.split_once("://").map_or(public_url.as_str(), |(_, rest)| rest).split('/').next();
    steps.push(format!(
        "Let the internet reach it with https, for example through Caddy (caddyserver.com). This is the whole Caddyfile:\n    \
        {}\n    reverse_proxy {LISTEN}",
        host.unwrap_or_default()
    ));
    let afters = all().filter(|table| !table.scaffold.after.is_empty());
    steps.extend(afters.map(|table| filling.fill(&table.scaffold.after, table)));
    steps
}

/// The tables that every configuration has.
fn settings(plan: &ScaffoldPlan, sources: &[Table], channels: &[Table], filling: &Placeholders) -> String {
    let assumed = sources.iter().find_map(|table| table.scaffold.currency.as_deref());
    let currency = plan.currency.as_deref().or(assumed).or_else(|| currency_of(&plan.timezone));
    let languages = context::languages().join(", ");
    let mut text = aligned(&format!("language = \"{}\"  # of messages: {languages}", plan.language));
    text += &aligned(&format!("timezone = \"{}\"  # of the times in them; IANA name", plan.timezone));
    text += &match currency {
        Some(currency) => {
            aligned(&format!("currency = \"{currency}\"  # of amounts that come without one; ISO 4217 code"))
        }
        None => {
            "# currency = \"…\": of amounts that come without one; write the ISO 4217 code of your shop\n".to_owned()
        }
    };
    text += "\n[server]\n";
    text += &aligned(&format!("listen = \"{LISTEN}\"  # where webhooks come in on this machine"));
    text += &aligned(&format!("public_url = \"{}\"  # how the internet reaches it", filling.public_url));
    let people: Vec<&Table> = channels.iter().filter(|table| table.scaffold.role == Role::People).collect();
    let operator = if people.is_empty() { list(channels) } else { list(people) };
    text + "\n[operator]\n"
        + &aligned(&format!("to = {operator}  # who is notified when something is wrong with Orderbell itself"))
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
fn list<'a>(tables: impl IntoIterator<Item = &'a Table>) -> String {
    let names: Vec<String> = tables.into_iter().map(|table| format!("\"{}\"", table.name)).collect();
    format!("[{}]", names.join(", "))
}

/// A line whose comment stands below the others.
fn aligned(line: &str) -> String {
    match line.split_once("  # ") {
        Some((code, comment)) => format!("{code:<width$} # {comment}\n", width = COMMENTS_AT - 1),
        None => format!("{line}\n"),
    }
}

/// A text as comments; its first line begins with `mark`, below which the others stand.
fn commented(mark: &str, text: &str) -> String {
    let blank = " ".repeat(mark.len());
    let width = WIDTH - "# ".len() - mark.len();
    let lines = text.lines().flat_map(|line| match line.strip_prefix("    ") {
        Some(typed) => vec![format!("    {typed}")],
        None => wrapped(line, width).lines().map(str::to_owned).collect(),
    });
    let marks = std::iter::once(mark).chain(std::iter::repeat(blank.as_str()));
    marks.zip(lines).map(|(mark, line)| format!("# {mark}{line}\n")).collect()
}
