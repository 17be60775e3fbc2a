//! The comments at the top of a configuration to begin with: what it is, and what is left to do.

use std::collections::BTreeSet;
use std::path::Path;

use crate::config::scaffold::table::{Placeholders, ScaffoldTable};
use crate::diagnostic::wrap::wrapped;
use crate::domain::scaffold::Variable;

/// Columns of a line.
const WIDTH: usize = 100;

/// Which values are in the file already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KnownValues {
    Nothing,
    /// All but the secrets.
    NoSecrets,
    Everything,
}

/// A file as it is named in a shell, without its folder.
pub fn typed(file: &Path) -> String {
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
pub fn introduction(
    sources: &[ScaffoldTable],
    channels: &[ScaffoldTable],
    known: KnownValues,
    filling: &Placeholders,
) -> String {
    let whats = |tables: &[ScaffoldTable]| {
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
    for (step, number) in steps(sources, channels, known, filling).iter().zip(1..) {
        text += "#\n";
        text += &commented(&format!("{number:>2}. "), step);
    }
    text + "\n"
}

fn steps(
    sources: &[ScaffoldTable],
    channels: &[ScaffoldTable],
    known: KnownValues,
    filling: &Placeholders,
) -> Vec<String> {
    let all = || sources.iter().chain(channels);
    let Placeholders { file, orderbell, public_url, listen } = filling;
    let mut steps = Vec::new();
    if known == KnownValues::Nothing {
        steps.extend(all().map(|table| filling.fill(&table.scaffold.before, table)));
        steps.push("Write your own values below in the place of everything that says change-me. Look at language and timezone, too.".to_owned());
    }
    if known != KnownValues::Everything {
        let variables = all().flat_map(|table| &table.variables);
        let lines = variables.map(|(Variable { sample, .. }, name)| format!("    {name}='{sample}'\n"));
        steps.push(format!(
            "Beside this file make another one, secrets.env, with these lines:\n{}This takes them from here, into a file that \
            only you may read:\n    (umask 077; grep -o \"[A-Z0-9_]\\+='.*'\" {file} > secrets.env)\nThen write your own \
            values between the quotes there.",
            lines.collect::<String>()
        ));
    }
    let set = if known == KnownValues::Everything {
        ""
    } else {
        ", in each terminal, once:\n    set -a; . ./secrets.env; set +a\nThen"
    };
    steps.push(format!(
        "In this folder{set}:\n    {orderbell} check\n    \
        {orderbell} test --all\n    {orderbell} serve\ncheck says what is still missing or wrong. test sends a message to each \
        channel; what is refused it explains. serve is the daemon."
    ));
    let simulate = |table: &ScaffoldTable| format!("    {orderbell} simulate {} order.placed\n", table.name);
    steps.push(format!(
        "In a second terminal try it with a webhook that Orderbell makes and signs itself:\n{}\
        The message comes wherever this file sends it. To keep Orderbell running, see docs/deployment.md.",
        sources.iter().map(simulate).collect::<String>()
    ));
    let host = public_url.split_once("://").map_or(public_url.as_str(), |(_, rest)| rest).split('/').next();
    steps.push(format!(
        "Let the internet reach it with https, for example through Caddy (caddyserver.com). This is the whole Caddyfile:\n    \
        {}\n    reverse_proxy {}",
        host.unwrap_or_default(),
        listen
    ));
    let afters = all().filter(|table| !table.scaffold.after.is_empty());
    steps.extend(afters.map(|table| filling.fill(&table.scaffold.after, table)));
    steps
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
