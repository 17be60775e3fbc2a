//! Every piece of configuration in every page is read by the reader itself, in the place where it belongs.

use std::sync::LazyLock;

use orderbell::config;
use orderbell::config::context::{LoadContext, SecretReading};
use orderbell::diagnostic::Severity;
use toml::{Table, Value};

use crate::docs::page::{Page, at, pages, top};

/// What stands around a piece: one of everything that it may name.
const AROUND: &str = r#"
currency = "HKD"
[server]
public_url = "https://bell.example.com"
[store]
[operator]
to = ["owner"]
[source.keeta-hk]
platform = "keeta"
app_id = 1
app_secret = "hush"
[source.licences]
platform = "apsdai"
secret = "hush"
[channel.kitchen]
kind = "dingtalk"
webhook = "https://oapi.dingtalk.com/robot/send?access_token=kitchen"
[channel.office]
kind = "dingtalk"
webhook = "https://oapi.dingtalk.com/robot/send?access_token=office"
[channel.staff]
kind = "wecom"
webhook = "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=staff"
[channel.owner]
kind = "email"
smtp = "smtps://smtp.example.com:465"
username = "orders@example.com"
password = "hush"
from = "orders@example.com"
to = ["owner@example.com"]
[channel.erp]
kind = "webhook"
url = "https://erp.example.com/orderbell"
[[route]]
events = ["*"]
to = ["owner"]
[report.daily]
at = "08:57"
to = ["owner"]
"#;

static WHOLE: LazyLock<Table> = LazyLock::new(|| AROUND.parse().expect("it is TOML"));

/// What is wrong with a whole configuration.
fn errors(table: &Table) -> Result<(), String> {
    let (text, file) = (toml::to_string(table).expect("TOML"), top().join("orderbell.toml"));
    let languages = config::context::languages();
    // Where the store is must be known, whatever else is a placeholder.
    let env = |name: &str| (name == "ORDERBELL_STORE").then(|| "postgres://user:x@db.example.com/orderbell".into());
    let context = LoadContext { file: &file, env: &env, languages, secrets: SecretReading::Placeholders };
    config::read_text(&text, &context).map(drop).map_err(|problems| {
        let errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
        errors.map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("; ")
    })
}

/// The whole with a piece of several tables in the place of its own.
fn with(piece: &Table) -> Table {
    let mut whole = WHOLE.clone();
    for (name, value) in piece {
        match (whole.get_mut(name), value) {
            (Some(Value::Table(known)), Value::Table(new)) => known.extend(new.clone()),
            _ => drop(whole.insert(name.clone(), value.clone())),
        }
    }
    whole
}

fn fault_of_block(text: &str) -> Option<String> {
    match text.parse::<Table>() {
        Ok(piece) => errors(&with(&piece)).err(),
        Err(error) => Some(error.message().to_owned()),
    }
}

/// The tables in which a single key may stand.
fn places(whole: &mut Table) -> Vec<Vec<String>> {
    let path = |path: &[&str]| path.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let mut places =
        vec![path(&[]), path(&["server"]), path(&["store"]), path(&["operator"]), path(&["report", "daily"])];
    for family in ["source", "channel"] {
        for name in whole[family].as_table().expect("tables").keys() {
            places.push(path(&[family, name]));
            let below = ["quiet", "mention", "signing", "rate"].iter();
            places.extend(below.filter(|_| family == "channel").map(|below| path(&[family, name, below])));
        }
    }
    places
}

/// A single key is right where at least one place takes it.
fn fault_of_key(text: &str) -> Option<String> {
    let piece: Table = match text.parse() {
        Ok(piece) => piece,
        Err(error) => return Some(error.message().to_owned()),
    };
    let mut last = String::new();
    let mut whole = WHOLE.clone();
    for place in places(&mut whole) {
        let mut tried = WHOLE.clone();
        let mut table = &mut tried;
        for part in &place {
            let below = table.entry(part.clone()).or_insert_with(|| Value::Table(needed(part)));
            table = below.as_table_mut().expect("a table");
        }
        table.extend(piece.clone());
        match errors(&tried) {
            Ok(()) => return None,
            Err(error) => last = error,
        }
    }
    let mut tried = WHOLE.clone();
    let routes = tried["route"].as_array_mut().expect("routes");
    routes[0].as_table_mut().expect("a route").extend(piece);
    errors(&tried).err().map(|error| format!("no table takes it: {error}; {last}"))
}

/// What a table below a channel must have besides.
fn needed(name: &str) -> Table {
    let text = match name {
        "quiet" => "from = \"23:00\"\nto = \"07:30\"",
        "rate" => "per = \"1m\"\ncount = 18",
        "signing" => "scheme = \"apsdai\"\nsecret = \"hush\"",
        _ => "",
    };
    text.parse().expect("TOML")
}

/// Whether what stands between back-quotes is a key with its value.
fn is_setting(code: &str) -> bool {
    code.split_once(" = ")
        .is_some_and(|(key, _)| key.chars().all(|letter| letter.is_ascii_lowercase() || letter == '_'))
}

fn wrong(page: &Page) -> (Vec<String>, usize) {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    for fence in page.fences() {
        let fault = match fence.language.as_str() {
            "toml" => fault_of_block(&fence.text),
            "json" => serde_json::from_str::<serde_json::Value>(&fence.text).err().map(|error| error.to_string()),
            "sh" | "text" | "ini" | "python" | "sql" => continue,
            other => Some(format!("nobody looks at a block of \"{other}\"")),
        };
        seen += 1;
        wrong.extend(fault.map(|fault| format!("{}: {fault}", at(page, fence.line))));
    }
    for (line, code) in page.inline().into_iter().filter(|(_, code)| is_setting(code)) {
        // What is left to the reader stands for some text.
        let code = code.replace("= …", "= \"x\"").replace('…', "x");
        seen += 1;
        if let Some(fault) = fault_of_key(&code) {
            wrong.push(format!("{}: `{code}`: {fault}", at(page, line)));
        }
    }
    (wrong, seen)
}

#[test]
fn every_piece_of_configuration_is_read_by_the_reader_itself() {
    let looked: Vec<_> = pages().iter().map(wrong).collect();
    let faults: Vec<&String> = looked.iter().flat_map(|(wrong, _)| wrong).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let seen: usize = looked.iter().map(|(_, seen)| seen).sum();
    assert!(seen > 40, "only {seen} pieces are found");
}

#[test]
fn a_piece_that_the_reader_refuses_is_found() {
    for (text, expected) in [
        ("```toml\n[channel.kitchen]\nkind = \"dingtalc\"\n```", "dingtalc"),
        ("```toml\n[[route]]\nevents = [\"order.*\"]\nto = [\"nobody\"]\n```", "nobody"),
        ("```toml\n[report.daily]\nat = \"8:57\"\nto = [\"owner\"]\n```", "is not a time of day"),
        ("```toml\nlanguage = en\n```", "a.md:1"),
        ("```yaml\na: b\n```", "nobody looks at"),
        ("```json\n{ \"a\": }\n```", "a.md:1"),
        ("Set `verfy = \"observe\"`.", "no table takes it"),
        ("Set `verify = \"observed\"`.", "no table takes it"),
        ("Set `quiet = { from = \"23:00\" }`.", "no table takes it"),
    ] {
        let (found, _) = wrong(&Page::of("docs/a.md", text));
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
    for text in [
        "`verify = \"observe\"`",
        "`hold = [\"operator.notice\"]`",
        "`when = \"order.total > 5\"`",
        "`keep = \"90d\"`",
        "`url = \"postgres://…\"`",
    ] {
        assert_eq!(wrong(&Page::of("docs/a.md", text)), (Vec::new(), 1), "{text}");
    }
}

#[test]
fn what_stands_around_the_pieces_is_sound() {
    assert_eq!(errors(&WHOLE), Ok(()));
}
