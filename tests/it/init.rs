//! What `orderbell init` writes for chosen sources and channels: the daemon starts with it once its variables are set, and
//! whoever follows its comments is not led astray.

mod filled;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use orderbell::config;
use orderbell::config::configured::Config;
use orderbell::config::context::{LoadContext, languages};
use orderbell::config::scaffold;
use orderbell::config::scaffold::ScaffoldPlan;
use orderbell::config::{Examined, schema};
use orderbell::diagnostic;
use orderbell::diagnostic::{Colour, Diagnostic, Severity};
use orderbell::domain::event::Kind;
use serde_json::Value;

const FILE: &str = "orderbell.toml";

fn plan(sources: &[&str], channels: &[&str]) -> ScaffoldPlan {
    ScaffoldPlan {
        sources: sources.iter().map(|text| scaffold::source(text).unwrap()).collect(),
        channels: channels.iter().map(|text| scaffold::channel(text).unwrap()).collect(),
        language: "en".to_owned(),
        timezone: "Asia/Hong_Kong".to_owned(),
        currency: None,
        public_url: None,
        decided: None,
    }
}

fn written(sources: &[&str], channels: &[&str]) -> String {
    scaffold::write(&plan(sources, channels), Path::new(FILE)).unwrap()
}

/// The variables that its comments say to set, with the samples that stand there.
fn comments(text: &str) -> BTreeMap<String, String> {
    let lines = text.lines().filter_map(|line| line.strip_prefix("# ")).map(str::trim);
    let found = lines.filter_map(|line| line.strip_suffix('\'')?.split_once("='"));
    found.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// The variables that it refers to.
fn used(text: &str) -> BTreeSet<String> {
    let pieces = text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| line.split("{ env = \"").skip(1));
    pieces.map(|piece| piece.split('"').next().unwrap().to_owned()).collect()
}

/// What a merchant has at last: a value for each variable, of the same shape as its sample.
fn real(text: &str) -> BTreeMap<String, String> {
    let filled = comments(text).into_iter().map(|(name, sample)| {
        let number = name.bytes().map(u32::from).sum::<u32>();
        (name, sample.replace('…', &format!("5f1c{number}")))
    });
    filled.collect()
}

/// The file once nothing in it says change-me any more.
fn mended(text: &str) -> String {
    text.replace("change-me", "orders").replace("app_id = 0", "app_id = 3762772727")
}

fn context<'a>(env: &'a dyn Fn(&str) -> Option<String>, languages: &'a [&'a str]) -> LoadContext<'a> {
    LoadContext { file: Path::new(FILE), env, languages, secrets: config::context::SecretReading::Read }
}

fn examine(text: &str, variables: &BTreeMap<String, String>) -> Examined {
    config::examine_text(text, &context(&|name| variables.get(name).cloned(), languages()))
}

fn read(text: &str) -> Config {
    let variables = real(text);
    let loaded = config::read_text(text, &context(&|name| variables.get(name).cloned(), languages()));
    loaded.unwrap_or_else(|problems| panic!("{}\n{text}", diagnostic::render(&problems, Colour::Never))).config
}

/// One and several of each kind, alone and with all others.
fn combinations() -> Vec<(Vec<&'static str>, Vec<&'static str>)> {
    let subsets = |all: Vec<&'static str>| {
        let chosen =
            |set: usize| all.iter().enumerate().filter(move |(at, _)| set >> at & 1 == 1).map(|(_, kind)| *kind);
        let mut subsets: Vec<Vec<_>> = (1..1usize << all.len()).map(|set| chosen(set).collect()).collect();
        subsets.extend(all.iter().map(|kind| vec![*kind, *kind]));
        subsets.push([all.clone(), all.clone()].concat());
        subsets
    };
    let channels = subsets(scaffold::channel_kinds());
    let pairs = |sources: Vec<&'static str>| channels.iter().map(move |channels| (sources.clone(), channels.clone()));
    subsets(scaffold::platforms()).into_iter().flat_map(pairs).collect()
}

/// What check says of the file itself. With the templates in every language that takes a while, and they are no other in
/// combination than alone.
fn problems(text: &str, variables: &BTreeMap<String, String>) -> Vec<Diagnostic> {
    let read = config::read_text(text, &context(&|name| variables.get(name).cloned(), languages()));
    read.map(|loaded| loaded.warnings)
        .unwrap_or_else(|problems| panic!("{}\n{text}", diagnostic::render(&problems, Colour::Never)))
}

/// How many notes there are, when there is nothing else.
fn only_notes(problems: &[Diagnostic]) -> usize {
    let shown = diagnostic::render(problems, Colour::Never);
    assert!(shown.lines().last().is_some_and(|line| line.starts_with("no errors, no warnings")), "{shown}");
    problems.len()
}

/// How many sources observe.
fn observing(text: &str) -> usize {
    text.lines().filter(|line| *line == "verify = \"observe\"").count()
}

/// Whether there is one way only to the operator. All mailboxes of a file without its values are at one account.
fn alone(text: &str) -> usize {
    let file: toml::Table = text.parse().unwrap();
    let to = file["operator"]["to"].as_array().unwrap();
    let is_mail = |name: &toml::Value| file["channel"][name.as_str().unwrap()]["kind"].as_str() == Some("email");
    usize::from(to.len() == 1 || to.iter().all(is_mail))
}

#[test]
fn every_combination_passes_check_and_only_placeholders_are_warned_of() {
    let combinations = combinations();
    assert!(combinations.len() >= 6 * 20, "{}", combinations.len());
    for (sources, channels) in combinations {
        let text = written(&sources, &channels);
        assert_eq!(comments(&text).into_keys().collect::<BTreeSet<_>>(), used(&text), "{text}");

        let mut samples = problems(&text, &comments(&text));
        samples.retain(|problem| problem.severity != Severity::Note);
        // Two robots whose addresses are the same sample are said to be one.
        let is_same = |problem: &&Diagnostic| problem.message.ends_with("are the same robot");
        let (same, others): (Vec<_>, Vec<_>) = samples.iter().partition(is_same);
        let odd = others.iter().find(|problem| !problem.message.ends_with("looks like a placeholder"));
        assert_eq!(odd, None, "{text}");
        assert!(same.is_empty() || channels.len() > 1, "{text}");
        let marks = text.lines().filter(|line| !line.starts_with('#') && line.contains("change-me")).count();
        assert_eq!(others.len(), marks + used(&text).len(), "each placeholder is said: {samples:#?}");

        assert_eq!(only_notes(&problems(&mended(&text), &real(&text))), observing(&text) + alone(&text), "{text}");
    }
}

#[test]
fn getting_started_says_in_what_the_check_of_its_first_configuration_ends() {
    let text = written(&["keeta"], &["dingtalk"]);
    let shown = diagnostic::render(&problems(&mended(&text), &real(&text)), Colour::Never);
    let last = shown.lines().last().unwrap();
    assert!(include_str!("../../docs/getting-started.md").contains(&format!("in the end: {last}\n")), "{last}");
}

#[test]
fn the_usual_settings_of_the_chinese_first_steps_fit_the_file_that_they_begin_with() {
    let page = include_str!("../../docs/zh-CN/getting-started.md");
    let (_, usual) = page.split_once("\n## 6. ").expect("the usual settings");
    let fence =
        |opening: &str| usual.split_once(opening).and_then(|(_, rest)| rest.split("```").next()).expect("a fence");
    let (lines, end) = (fence("```text\n"), fence("```toml\n"));
    let text = written(&["keeta=keeta-hk"], &["dingtalk=kitchen", "wecom=office"]);
    let text = text.replace("[channel.kitchen]\n", &format!("[channel.kitchen]\n{lines}"));
    let (kept, _) = text.split_once("[[route]]\n").unwrap();
    read(&mended(&format!("{kept}{end}")));
}

#[test]
fn each_kind_passes_check() {
    let (sources, channels) = (scaffold::platforms(), scaffold::channel_kinds());
    let mut plans: Vec<(Vec<&str>, Vec<&str>)> = vec![(sources.clone(), channels.clone())];
    for source in &sources {
        plans.extend(channels.iter().map(|channel| (vec![*source], vec![*channel])));
    }
    for (sources, channels) in plans {
        let text = written(&sources, &channels);
        let Examined { problems, starts } = examine(&mended(&text), &real(&text));
        assert!(starts, "{}\n{text}", diagnostic::render(&problems, Colour::Never));
        assert_eq!(only_notes(&problems), observing(&text) + alone(&text), "{text}");
        assert!(examine(&text, &comments(&text)).starts, "{text}");
    }
}

#[test]
fn everything_of_every_source_reaches_every_channel_and_incidents_reach_people() {
    let text = written(&["keeta", "apsdai"], &["webhook", "wecom", "email"]);
    let config = read(&mended(&text));
    for (name, source) in &config.sources {
        for kind in source.source.platform().kinds() {
            assert_eq!(config.routes.channels(&kind, name, None), ["webhook", "wecom", "email"], "{kind} of {name}");
        }
    }
    assert_eq!(config.routes.channels(&Kind::OperatorNotice, "orderbell", None), ["wecom", "email"]);
    let alone = read(&mended(&written(&["keeta"], &["webhook"])));
    assert_eq!(alone.routes.channels(&Kind::OperatorNotice, "orderbell", None), ["webhook"]);
}

#[test]
fn names_and_variables_are_each_there_once() {
    let sources = ["keeta", "keeta", "apsdai=shop", "apsdai=keeta-2", "keeta=7"];
    let channels = ["dingtalk=shop", "dingtalk", "dingtalk=dingtalk", "wecom=a-b", "wecom=a_b"];
    let text = written(&sources, &channels);
    let config = read(&mended(&text));
    assert_eq!(config.sources.keys().collect::<Vec<_>>(), ["7", "keeta", "keeta-2", "keeta-3", "shop"]);
    assert_eq!(config.channels.keys().collect::<Vec<_>>(), ["a-b", "a_b", "dingtalk", "dingtalk-2", "shop"]);
    assert_eq!(used(&text).len(), 5 + 8, "{:?}", used(&text));
    for name in ["SHOP_SECRET", "CHANNEL_SHOP_SECRET", "SOURCE_7_APP_SECRET", "KEETA_3_APP_SECRET", "A_B_WEBHOOK"] {
        assert!(used(&text).contains(name), "{name}: {:?}", used(&text));
    }
    let twice = scaffold::write(&plan(&["keeta"], &["wecom=a", "email=a"]), Path::new(FILE)).unwrap_err();
    assert_eq!(twice, "the name \"a\" is given to two channels; each needs a name of its own");
}

/// The kinds by the tag of their tables, as the schema has them: it is made of the registries that the file is read by.
fn in_the_schema(family: &str, tag: &str) -> BTreeSet<String> {
    let schema = schema::schema();
    let kinds = schema["properties"][family]["additionalProperties"]["oneOf"].as_array().expect("kinds").clone();
    kinds.iter().map(|kind| kind["properties"][tag]["const"].as_str().expect("a name").to_owned()).collect()
}

#[test]
fn it_knows_every_kind_and_each_secret_of_a_kind_is_a_variable() {
    let all = |kinds: Vec<&str>| kinds.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    assert_eq!(all(scaffold::platforms()), in_the_schema("source", "platform"));
    assert_eq!(all(scaffold::channel_kinds()), in_the_schema("channel", "kind"));
    let text = written(&scaffold::platforms(), &scaffold::channel_kinds());
    assert!(!text.contains('<') || text.matches('<').count() == text.matches("<change-me@").count(), "{text}");
    let values: toml::Table = toml::from_str(&text).unwrap();
    let schema = schema::schema();
    let mut secrets = 0;
    for (family, tag) in [("source", "platform"), ("channel", "kind")] {
        let kinds = schema["properties"][family]["additionalProperties"]["oneOf"].as_array().unwrap();
        for (_, table) in values[family].as_table().unwrap() {
            let is_this = |kind: &&Value| kind["properties"][tag]["const"].as_str() == table[tag].as_str();
            let properties = &kinds.iter().find(is_this).unwrap()["properties"];
            for (key, value) in table.as_table().unwrap() {
                // A secret may be written as a reference, and its schema says so.
                let is_secret = properties[key]["$ref"].as_str() == Some("#/$defs/Secret");
                assert_eq!(is_secret, value.get("env").is_some(), "{key} = {value}");
                secrets += usize::from(is_secret);
            }
        }
    }
    assert!(secrets >= 7, "only {secrets}");
}

fn run(folder: &Path, arguments: &[&str], variables: &BTreeMap<String, String>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).env_remove("ORDERBELL_CONFIG").envs(variables);
    command.output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[test]
fn the_commands_in_its_comments_work_as_they_stand() {
    let folder = tempfile::tempdir().unwrap();
    let init =
        ["init", "--source", "keeta=shop", "--source", "apsdai", "--channel", "dingtalk", "--channel", "email=owner"];
    let options = ["--language", "zh-CN", "--timezone", "Asia/Riyadh", "--public-url", "https://bell.shop.sa/"];
    let output = ["--output", "my shop.toml"];
    let done = run(folder.path(), &[&init[..], &options, &output].concat(), &BTreeMap::new());
    assert!(done.status.success(), "{}", said(&done));
    assert_eq!(said(&done), "my shop.toml is written; its first lines say what is left to do\n");
    let file = folder.path().join("my shop.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(
        text.contains("https://bell.shop.sa/hooks/shop at Keeta") && text.contains("\n#         bell.shop.sa\n"),
        "{text}"
    );
    let config = read(&mended(&text));
    assert_eq!((config.language.as_str(), config.timezone.name.as_str()), ("zh-CN", "Asia/Riyadh"));
    assert_eq!(config.source_address("shop"), "https://bell.shop.sa/hooks/shop");
    assert_eq!(config.currency, "CNY");

    // What is typed stands in lines of its own, further in than the text around it.
    let typed: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("#         ")).collect();
    let take = *typed.iter().find(|line| line.contains("grep")).expect("secrets.env is made");
    std::fs::write(&file, mended(&text)).unwrap();
    let mut shell = Command::new("sh");
    assert!(shell.arg("-c").arg(take).current_dir(folder.path()).status().unwrap().success(), "{take}");
    let secrets = folder.path().join("secrets.env");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&secrets).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let lines = std::fs::read_to_string(&secrets).unwrap();
    assert_eq!(lines.lines().count(), used(&text).len(), "{lines}");
    std::fs::write(&secrets, lines.replace('…', "5f1c")).unwrap();
    let take_up = *typed.iter().find(|line| line.starts_with("set -a")).expect("the variables are taken up");
    let program = env!("CARGO_BIN_EXE_orderbell");
    for command in ["check", "simulate shop order.placed", "simulate apsdai order.placed"] {
        let line = typed.iter().find(|line| line.starts_with("orderbell ") && line.ends_with(command)).expect(command);
        let line = format!("{take_up}\n{}", line.replacen("orderbell", program, 1));
        let line = if command == "check" { line } else { format!("{line} --print") };
        let mut shell = Command::new("sh");
        let done =
            shell.arg("-c").arg(&line).current_dir(folder.path()).env_remove("ORDERBELL_CONFIG").output().unwrap();
        assert!(done.status.success(), "{line}: {}", said(&done));
        let last = said(&done);
        let last = last.lines().last().unwrap_or_default();
        assert!(command != "check" || last == "no errors, no warnings, 1 note", "{}", said(&done));
    }
    for command in ["test --all", "serve", "keeta register --source shop --stores formal"] {
        assert!(typed.iter().any(|line| *line == format!("orderbell --config 'my shop.toml' {command}")), "{typed:#?}");
    }
}

#[test]
fn what_cannot_be_written_is_said_with_what_could_be() {
    let folder = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &["--source", "ketea", "--channel", "email"],
            "there is no platform \"ketea\"; did you mean \"keeta\"? there are: keeta, apsdai",
        ),
        (
            &["--source", "keeta", "--channel", "sms"],
            "there is no kind of channel \"sms\"; there are: dingtalk, wecom, email, webhook",
        ),
        (&["--source", "keeta"], "--channel KIND; there are: dingtalk, wecom, email, webhook"),
        (&["--channel", "email"], "--source KIND; there are: keeta, apsdai"),
        (&["--source", "keeta=my shop", "--channel", "email"], "\"my shop\" cannot be a name"),
        (&["--source", "keeta=", "--channel", "email"], "\"\" cannot be a name"),
        (&["--source", "keeta=a", "--source", "apsdai=a", "--channel", "email"], "given to two sources"),
        (&["--source", "keeta", "--channel", "email", "--language", "chinese"], "did you mean \"zh-CN\"?"),
        (&["--source", "keeta", "--channel", "email", "--timezone", "Beijing"], "did you mean \"Asia/Shanghai\"?"),
        (&["--source", "keeta", "--channel", "email", "--currency", "RMB"], "did you mean \"CNY\"?"),
        (&["--source", "keeta", "--channel", "email", "--public-url", "bell.example.com"], "is not a web address"),
        (&["--source", "keeta", "--channel", "email", "--public-url", "https://a/\n[x]"], "no blanks and no quotes"),
        (&["--language", "en"], "--source"),
    ];
    for (arguments, says) in cases {
        let arguments = [&["init"], *arguments, &["--output", "x.toml"]].concat();
        let done = run(folder.path(), &arguments, &BTreeMap::new());
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {}", said(&done));
        assert!(done.stdout.is_empty() && said(&done).contains(says), "{arguments:?}: {}", said(&done));
        assert!(!folder.path().join("x.toml").exists());
    }
    std::fs::write(folder.path().join("x.toml"), "mine").unwrap();
    let done = run(
        folder.path(),
        &["init", "--source", "keeta", "--channel", "email", "--output", "x.toml"],
        &BTreeMap::new(),
    );
    assert!(done.status.code() == Some(1) && said(&done).contains("is there already"), "{}", said(&done));
    assert_eq!(std::fs::read_to_string(folder.path().join("x.toml")).unwrap(), "mine");
}

#[test]
fn help_completions_and_the_manual_page_name_the_kinds() {
    let folder = tempfile::tempdir().unwrap();
    let none = BTreeMap::new();
    for arguments in [&["init", "--help"][..], &["completions", "zsh"], &["completions", "fish"], &["man"]] {
        let text = said(&run(folder.path(), arguments, &none)).replace("\\-", "-");
        for word in
            scaffold::platforms().iter().chain(&scaffold::channel_kinds()).chain(&["source", "channel", "public-url"])
        {
            assert!(text.contains(word), "{arguments:?} does not name {word}: {text}");
        }
    }
    let script = folder.path().join("orderbell.bash");
    std::fs::write(&script, run(folder.path(), &["completions", "bash"], &none).stdout).unwrap();
    let words = "COMP_WORDS=(orderbell init --channel we); COMP_CWORD=3; _orderbell orderbell we --channel; echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(format!("source orderbell.bash; {words}")).current_dir(folder.path());
    assert_eq!(said(&bash.output().unwrap()).trim(), "wecom webhook");
}

#[test]
fn getting_started_shows_what_its_command_writes() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/getting-started.md")).unwrap();
    let (_, rest) = page.split_once("```sh\norderbell init ").expect("the command");
    let arguments: Vec<&str> = rest.lines().next().unwrap().split(' ').collect();
    let folder = tempfile::tempdir().unwrap();
    let done = run(folder.path(), &[&["init"], &arguments[..]].concat(), &BTreeMap::new());
    assert!(done.status.success(), "{}", said(&done));
    let written = std::fs::read_to_string(folder.path().join(FILE)).unwrap();
    let shown = rest.split("```toml\n").nth(1).expect("what it writes").split("```").next().unwrap();
    let mut lines = written.lines();
    for line in shown.lines() {
        assert!(lines.any(|written| written == line), "`{line}` is not written there:\n{written}");
    }
    let variables = rest.split("```sh\n").nth(1).expect("secrets.env").split("```").next().unwrap();
    let variables: BTreeSet<String> =
        variables.lines().map(|line| line.split('=').next().unwrap().to_owned()).collect();
    assert_eq!(variables, used(&written));
}
