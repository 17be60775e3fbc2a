//! The JSON Schema of the configuration: what is committed is what the program prints, and it says what the parser says.

mod values;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use jsonschema::Validator;
use orderbell::config;
use orderbell::config::context::LoadContext;
use orderbell::config::schema::schema;
use orderbell::diagnostic::{Diagnostic, Severity};
use orderbell::domain::effective::EffectiveSettings;
use serde_json::Value;

static SCHEMA: LazyLock<Value> = LazyLock::new(schema);
static VALIDATOR: LazyLock<Validator> =
    LazyLock::new(|| jsonschema::draft202012::new(&SCHEMA).expect("a schema that can be compiled"));

/// Fixtures that are wrong only in what they mean, which no schema knows. A new fixture with errors that is not here must
/// be refused by the schema as well.
const WRONG_IN_MEANING: [&str; 16] = [
    "admin-hash-is-no-hash.toml",
    "admin-open-to-the-network.toml",
    "backup-on-postgres.toml",
    "fallbacks-in-a-circle.toml",
    "heartbeat-bounds.toml",
    "heartbeat-unset.toml",
    "mail-ports.toml",
    "names-that-nothing-has.toml",
    "public-url.toml",
    "quiet-hold.toml",
    "robot-of-another-vendor.toml",
    "store-in-memory.toml",
    "store-on-postgres.toml",
    "templates-nowhere.toml",
    "templates-that-do-not-parse.toml",
    "templates.toml",
];

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    std::fs::read_to_string(file(path)).unwrap()
}

fn environment(name: &str) -> Option<String> {
    match name {
        "DINGTALK_WEBHOOK" => Some("https://oapi.dingtalk.com/robot/send?access_token=hush".to_owned()),
        "WECOM_WEBHOOK" => Some("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush".to_owned()),
        "DINGTALK_SECRET" => Some("SEChush".to_owned()),
        "KEETA_APP_SECRET" | "SMTP_PASSWORD" | "ERP_SECRET" | "ORDERBELL_TOKEN" => Some(format!("hush-{name}")),
        _ => None,
    }
}

fn context() -> LoadContext<'static> {
    let file = Path::new("tests/config/of-the-schema.toml");
    LoadContext { file, env: &environment, languages: &["en", "zh-CN"], secrets: config::context::SecretReading::Read }
}

/// What is wrong with a configuration, as the parser sees it.
fn problems(text: &str) -> Vec<Diagnostic> {
    match config::read_text(text, &context()) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    }
}

/// Odd, or of a feature that is still to come.
fn is_mild(problem: &Diagnostic) -> bool {
    problem.severity != Severity::Error || problem.message.starts_with("not yet: ")
}

fn errors(text: &str) -> Vec<Diagnostic> {
    problems(text).into_iter().filter(|problem| !is_mild(problem)).collect()
}

fn as_json(table: &toml::Table) -> Value {
    serde_json::to_value(table).unwrap()
}

#[test]
fn the_committed_schema_is_what_the_program_prints() {
    let printed = Command::new(env!("CARGO_BIN_EXE_orderbell")).arg("schema").output().unwrap();
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(file("docs/orderbell.schema.json"), &printed).unwrap();
    }
    assert!(
        text("docs/orderbell.schema.json") == printed,
        "UPDATE_GOLDEN=1 accepts what `orderbell schema` prints now"
    );
    let first = text("config.example.toml").lines().next().unwrap().to_owned();
    assert_eq!(first.strip_prefix("#:schema "), Some("docs/orderbell.schema.json"), "it leads there");
}

#[test]
fn the_schema_is_one_by_its_own_draft() {
    assert_eq!(SCHEMA["$schema"], "https://json-schema.org/draft/2020-12/schema");
    if let Err(error) = jsonschema::draft202012::meta::validate(&SCHEMA) {
        panic!("{} at {}", error, error.instance_path());
    }
}

#[test]
fn what_the_parser_takes_the_schema_takes_and_what_is_wrong_in_shape_it_refuses() {
    let mut faults = Vec::new();
    let mut seen = BTreeSet::new();
    let fixtures = std::fs::read_dir(file("tests/config")).unwrap().map(|entry| entry.unwrap().path());
    for path in fixtures.chain([file("config.example.toml")]) {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.extension().is_none_or(|extension| extension != "toml") {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        // What is no TOML has no shape.
        let Ok(table) = text.parse::<toml::Table>() else { continue };
        let in_meaning = WRONG_IN_MEANING.contains(&name.as_str());
        let sound = config::examine_text(&text, &context()).problems.iter().all(is_mild);
        assert!(!(sound && in_meaning), "{name} is not wrong in meaning any more");
        let expected = sound || in_meaning;
        if VALIDATOR.is_valid(&as_json(&table)) != expected {
            let said: Vec<String> = VALIDATOR.iter_errors(&as_json(&table)).map(|error| error.to_string()).collect();
            faults.push(format!("{name}: should be {}: {said:?}", if expected { "taken" } else { "refused" }));
        }
        seen.insert(name);
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(seen.len() > 30 && seen.contains("contract.toml") && seen.contains("config.example.toml"));
    let gone: Vec<_> = WRONG_IN_MEANING.iter().filter(|name| !seen.contains(**name)).collect();
    assert!(gone.is_empty(), "no such fixtures: {gone:?}");
}

/// A table of the schema, and a place of the contract fixture where one stands.
struct Place {
    path: &'static [&'static str],
    schema: Value,
}

fn resolved(schema: &Value) -> Value {
    match schema.get("$ref").and_then(Value::as_str) {
        Some(address) => SCHEMA.pointer(address.trim_start_matches('#')).unwrap().clone(),
        None => schema.clone(),
    }
}

fn places() -> Vec<Place> {
    let top = |name: &str| SCHEMA["properties"][name].clone();
    let kinds = |family: &str, tag: &str, kind: &str| {
        let each = top(family)["additionalProperties"]["oneOf"].as_array().unwrap().clone();
        each.into_iter().find(|each| each["properties"][tag]["const"] == kind).unwrap()
    };
    let dingtalk = kinds("channel", "kind", "dingtalk");
    let webhook = kinds("channel", "kind", "webhook");
    let keys = |schema: &Value, key: &str| resolved(&schema["properties"][key]);
    vec![
        Place { path: &[], schema: SCHEMA.clone() },
        Place { path: &["server"], schema: resolved(&top("server")) },
        Place { path: &["admin"], schema: resolved(&top("admin")) },
        Place {
            path: &["admin", "tokens", "prometheus"],
            schema: resolved(&keys(&resolved(&top("admin")), "tokens")["additionalProperties"]),
        },
        Place { path: &["store"], schema: resolved(&top("store")) },
        Place { path: &["operator"], schema: resolved(&top("operator")) },
        Place { path: &["source", "keeta-hk"], schema: kinds("source", "platform", "keeta") },
        Place { path: &["source", "licences"], schema: kinds("source", "platform", "apsdai") },
        Place {
            path: &["source", "licences", "fields"],
            schema: keys(&kinds("source", "platform", "apsdai"), "fields"),
        },
        Place { path: &["channel", "kitchen"], schema: dingtalk.clone() },
        Place { path: &["channel", "kitchen", "mention"], schema: keys(&dingtalk, "mention") },
        Place { path: &["channel", "kitchen", "rate"], schema: keys(&dingtalk, "rate") },
        Place { path: &["channel", "kitchen", "quiet"], schema: keys(&dingtalk, "quiet") },
        Place { path: &["channel", "office"], schema: kinds("channel", "kind", "wecom") },
        Place { path: &["channel", "owner"], schema: kinds("channel", "kind", "email") },
        Place { path: &["channel", "erp"], schema: webhook.clone() },
        Place { path: &["channel", "erp", "signing"], schema: keys(&webhook, "signing") },
        Place { path: &["route"], schema: resolved(&top("route")["items"]) },
        Place { path: &["report", "daily"], schema: resolved(&top("report")["additionalProperties"]) },
    ]
}

/// The fixture that has everything. Templates have their own tests, and reading them takes long.
fn contract() -> toml::Table {
    let mut table: toml::Table = text("tests/config/contract.toml").parse().unwrap();
    table.remove("templates");
    table
}

/// The table of the fixture at a path.
fn at<'a>(table: &'a mut toml::Table, path: &[&str]) -> &'a mut toml::Table {
    path.iter().fold(table, |table, name| match table.get_mut(*name).unwrap() {
        toml::Value::Table(table) => table,
        toml::Value::Array(list) => list[0].as_table_mut().unwrap(),
        other => panic!("{other} is no table"),
    })
}

/// Keys of which a table has one at most.
const EITHER_OR: [(&str, &str); 3] = [("base_url", "proxy"), ("secret", "password"), ("token", "token_hash")];

/// The contract fixture with one key of one table set to something.
fn with(path: &[&str], key: &str, value: toml::Value) -> toml::Table {
    let mut table = contract();
    let place = at(&mut table, path);
    for (one, other) in EITHER_OR.into_iter().chain(EITHER_OR.map(|(one, other)| (other, one))) {
        if key == one {
            place.remove(other);
        }
    }
    place.insert(key.to_owned(), value);
    table
}

/// What the parser says is possible, when it is given something that it has never seen.
fn possible(errors: &[Diagnostic]) -> BTreeSet<String> {
    let help = errors.iter().filter_map(|problem| problem.help.as_deref()?.strip_prefix("possible here: "));
    help.flat_map(|list| list.split(", ")).map(str::to_owned).collect()
}

#[test]
fn the_schema_knows_the_keys_that_the_parser_knows_and_no_others() {
    for Place { path, schema } in places() {
        let table = with(path, "qqqqqqqqqqqqqqqqqqqqqqqq", 1.into());
        let known: BTreeSet<String> = schema["properties"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(possible(&errors(&table.to_string())), known, "in {path:?}");
        assert!(!VALIDATOR.is_valid(&as_json(&table)), "a key that is not known, in {path:?}");
    }
}

/// The texts that are possible for a key, where they are few.
fn choices(schema: &Value) -> Option<BTreeSet<String>> {
    let schema = resolved(schema);
    let listed = schema.get("enum").and_then(Value::as_array).cloned();
    let single = || Some(schema.get("oneOf")?.as_array()?.iter().filter_map(|one| one.get("const").cloned()).collect());
    let all: Vec<Value> = listed.or_else(single)?;
    Some(all.iter().map(|value| value.as_str().unwrap().to_owned()).collect())
}

#[test]
fn the_schema_knows_the_words_that_the_parser_knows_and_no_others() {
    let mut found = 0;
    for Place { path, schema } in places() {
        for (key, schema) in schema["properties"].as_object().unwrap() {
            if let Some(choices) = choices(schema) {
                let table = with(path, key, "qqqqqqqqqqqqqqqqqqqqqqqq".into());
                assert_eq!(possible(&errors(&table.to_string())), choices, "{key} in {path:?}");
                found += 1;
            }
        }
    }
    assert!(found >= 4, "only {found} keys with a choice of words");
    for (family, name, tag) in [("source", "keeta-hk", "platform"), ("channel", "kitchen", "kind")] {
        let each = SCHEMA["properties"][family]["additionalProperties"]["oneOf"].as_array().unwrap();
        let kinds = each.iter().map(|each| each["properties"][tag]["const"].as_str().unwrap().to_owned());
        let table = with(&[family, name], tag, "qqqqqqqqqqqqqqqqqqqqqqqq".into());
        assert_eq!(possible(&errors(&table.to_string())), kinds.collect(), "{tag}");
    }
}

#[test]
fn what_the_parser_misses_the_schema_misses() {
    for Place { path, schema } in places() {
        for key in schema["properties"].as_object().unwrap().keys() {
            let mut table = contract();
            if at(&mut table, path).remove(key).is_none() {
                continue;
            }
            let missing = |problem: &Diagnostic| {
                ["is missing in", "belong together", "needs a secret beside it"]
                    .iter()
                    .any(|words| problem.message.contains(words))
            };
            let expected = errors(&table.to_string()).iter().any(missing);
            assert_eq!(!VALIDATOR.is_valid(&as_json(&table)), expected, "without {key} in {path:?}");
        }
    }
}

#[test]
fn every_key_is_described_and_every_default_and_example_is_a_right_value() {
    let mut defaults = 0;
    for Place { path, schema } in places() {
        for (key, schema) in schema["properties"].as_object().unwrap() {
            let whole = resolved(schema);
            let description = schema.get("description").or(whole.get("description")).and_then(Value::as_str);
            assert!(description.is_some_and(|text| text.len() > 8), "{key} in {path:?} is not described");
            for example in schema["examples"].as_array().into_iter().flatten().chain(schema.get("default")) {
                let table = with(path, key, toml::Value::try_from(example).unwrap());
                let errors = errors(&table.to_string());
                assert!(errors.is_empty(), "{key} = {example} in {path:?}: {errors:?}");
                assert!(VALIDATOR.is_valid(&as_json(&table)), "{key} = {example} in {path:?}");
            }
            let Some(default) = schema.get("default") else { continue };
            assert_eq!(read(path, key, Some(default)), read(path, key, None), "the default of {key} in {path:?}");
            defaults += 1;
        }
    }
    assert!(defaults > 20, "only {defaults} defaults");
}

/// How the contract fixture is read, with a key set or left out. Channels of kinds that are not built yet are not in it.
fn read(path: &[&str], key: &str, value: Option<&Value>) -> String {
    let mut table = match value {
        Some(value) => with(path, key, toml::Value::try_from(value).unwrap()),
        None => with(path, key, 1.into()),
    };
    if value.is_none() {
        at(&mut table, path).remove(key);
    }
    let not_yet = |kind: &str| {
        let said = format!("not yet: this version has no channels of kind \"{kind}\"");
        problems(&text("tests/config/contract.toml")).iter().any(|problem| problem.message == said)
    };
    at(&mut table, &["channel"]).retain(|_, channel| !not_yet(channel["kind"].as_str().unwrap()));
    let mut written = table.to_string();
    for name in ["office", "owner"] {
        if !written.contains(&format!("[channel.{name}]")) {
            written = written.replace(&format!("\"{name}\""), "\"erp\"");
        }
    }
    match config::read_text(&written, &context()) {
        Ok(mut loaded) => {
            // How a value was written is compared by `test` alone.
            loaded.config.channels.values_mut().for_each(|channel| channel.effective = EffectiveSettings::default());
            format!("{:?}", loaded.config)
        }
        Err(problems) => panic!("{problems:?}\n{written}"),
    }
}
