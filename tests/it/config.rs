//! The configuration: what is wrong is said in one go and in plain words, what the contract names is read, and no secret
//! is ever shown.

use std::path::{Path, PathBuf};

use jiff::SignedDuration;
use orderbell::channel::kinds::ChannelConfig;
use orderbell::channel::webhook::WebhookSigning;
use orderbell::config::configured::Config;
use orderbell::config::context::LoadContext;
use orderbell::config::{Examined, Loaded};
use orderbell::diagnostic::{Colour, Diagnostic, Severity};
use orderbell::domain::event::Kind;
use orderbell::platform::kinds::Source;
use orderbell::store::address::StoreUrl;
use orderbell::{config, diagnostic};
use proptest::{prop_assert, proptest};

use crate::support::cases::cases;

/// What no text that leaves the configuration may hold. Every secret of the fixtures has this in it.
const SECRET: &str = "hush";

fn environment(name: &str) -> Option<String> {
    match name {
        "DINGTALK_WEBHOOK" => Some("https://oapi.dingtalk.com/robot/send?access_token=hush".to_owned()),
        "WECOM_WEBHOOK" => Some("https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=hush".to_owned()),
        "DINGTALK_SECRET" => Some("SEChush".to_owned()),
        "KEETA_APP_SECRET" | "SMTP_PASSWORD" | "ERP_SECRET" | "ORDERBELL_TOKEN" => Some(format!("hush-{name}")),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(file: &str, text: &str) -> Result<Loaded, Vec<Diagnostic>> {
    config::read_text(text, &context(file))
}

fn examine(file: &str, text: &str) -> Examined {
    config::examine_text(text, &context(file))
}

fn context(file: &str) -> LoadContext<'_> {
    LoadContext {
        file: Path::new(file),
        env: &environment,
        languages: &["en", "zh-CN"],
        secrets: config::context::SecretReading::Read,
    }
}

/// A configuration without errors.
fn right(text: &str) -> Config {
    match read("tests/config/inline.toml", text) {
        Ok(loaded) => loaded.config,
        Err(problems) => panic!("{}", diagnostic::render(&problems, Colour::Never)),
    }
}

#[test]
fn every_wrong_configuration_says_what_is_wrong_and_what_would_be_right() {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut fixtures = 0;
    let mut differing = Vec::new();
    for path in files("tests/config", "toml").into_iter().chain(files("tests/config/encodings", "toml")) {
        fixtures += 1;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let problems = match path.parent().is_some_and(|folder| folder.ends_with("encodings")) {
            true => config::examine(Path::new(&format!("tests/config/encodings/{name}"))).problems,
            false => examine(&format!("tests/config/{name}"), &std::fs::read_to_string(&path).unwrap()).problems,
        };
        let shown = diagnostic::render(&problems, Colour::Never);
        assert_eq!(problems.is_empty(), name == "contract.toml", "{name}");
        assert!(!shown.contains(SECRET), "{name} gives a secret away:\n{shown}");
        assert!(!serde_json::to_string(&problems).unwrap().contains(SECRET), "{name} gives a secret away in JSON");
        for problem in &problems {
            let placed = problem.line.is_some() || problem.severity != Severity::Error;
            assert!(placed && problem.help.is_some(), "{name}: no line or no help: {problem:?}");
        }
        let golden = path.with_extension("txt");
        if update {
            std::fs::write(&golden, &shown).unwrap();
        } else if std::fs::read_to_string(&golden).ok().as_deref() != Some(&shown) {
            differing.push(format!("{name}:\n{shown}"));
        }
    }
    for golden in files("tests/config", "txt") {
        assert!(golden.with_extension("toml").exists(), "{} belongs to no fixture", golden.display());
    }
    assert!(fixtures >= 25, "only {fixtures} fixtures");
    assert!(differing.is_empty(), "UPDATE_GOLDEN=1 accepts:\n{}", differing.join("\n"));
}

fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<PathBuf> = entries.filter(|path| path.extension().is_some_and(|is| is == extension)).collect();
    paths.sort();
    paths
}

#[test]
fn the_example_is_clean_and_every_event_of_its_sources_reaches_somebody() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml");
    let loaded =
        config::read(&path).unwrap_or_else(|problems| panic!("{}", diagnostic::render(&problems, Colour::Never)));
    assert_eq!(diagnostic::render(&loaded.warnings, Colour::Never), "no errors, no warnings\n");

    let config = loaded.config;
    assert_eq!(config.sources.len(), 2);
    let mut notified = std::collections::BTreeMap::<String, usize>::new();
    for (name, configured) in &config.sources {
        for kind in configured.source.platform().kinds() {
            let channels = config.routes.channels(&kind, name, Some("145541"));
            assert!(!channels.is_empty(), "nobody gets {kind} from {name}");
            for channel in channels {
                *notified.entry(channel).or_default() += 1;
            }
        }
    }
    assert!(config.channels.keys().all(|name| notified.contains_key(name)), "{notified:?}");
    assert!(
        notified["kitchen"] <= 15 && notified["office"] <= 15,
        "more than a robot may send in a minute: {notified:?}"
    );
    assert!(!format!("{config:?}").contains("demonstration"), "Debug shows a secret");
    assert!(!format!("{config:?}").contains("demo-kitchen"), "Debug shows a secret");
    assert_eq!(config.store.keep, SignedDuration::from_hours(9_600));
    let StoreUrl::Sqlite(store) = &config.store.url else { panic!("{:?}", config.store.url) };
    assert_eq!(store, &path.with_file_name("orderbell.db"));
}

/// All are tried where a merchant has one file, here one that no message is made from, and one that messages bring in.
#[test]
fn the_built_in_templates_do_what_they_should_with_every_sample_for_every_kind_of_channel() {
    let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml")).unwrap();
    let tried = |name: &str, template: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(folder.path().join("templates/en")).unwrap();
        std::fs::write(folder.path().join("templates/en").join(name), template).unwrap();
        let file = folder.path().join("orderbell.toml");
        let problems = examine(&file.display().to_string(), &format!("templates = \"templates\"\n{example}")).problems;
        diagnostic::render(&problems, Colour::Never)
    };
    assert_eq!(tried("_nothing.md", "{{ nothing }}"), "no errors, no warnings\n");
    let brought_in = tried("_order.md", "{{ order.nothing }}");
    assert!(brought_in.contains("_order.md") && brought_in.contains("order.nothing"), "{brought_in}");
}

#[test]
fn the_example_shows_every_key_that_can_be_written() {
    let example = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("config.example.toml")).unwrap();
    let fixture = include_str!("../config/contract.toml");
    let keys = |text: &str| -> std::collections::BTreeSet<String> {
        let word = |text: &str| text.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap().to_owned();
        text.match_indices(" = ").map(|(at, _)| word(&text[..at])).filter(|key| !key.is_empty()).collect()
    };
    let missing: Vec<String> = keys(fixture).difference(&keys(&example)).cloned().collect();
    assert!(missing.is_empty(), "config.example.toml does not show {missing:?}");
}

#[test]
fn everything_that_the_contract_names_is_read() {
    let loaded = read("tests/config/contract.toml", include_str!("../config/contract.toml"));
    let loaded = loaded.unwrap_or_else(|problems| panic!("{}", diagnostic::render(&problems, Colour::Never)));
    assert_eq!(diagnostic::render(&loaded.warnings, Colour::Never), "no errors, no warnings\n");
}

#[test]
fn what_is_left_out_has_a_sensible_value() {
    let config = right("");
    assert_eq!((config.language.as_str(), config.timezone.name.as_str()), ("en", "UTC"));
    assert_eq!(config.server.listen.to_string(), "127.0.0.1:8787");
    assert!(config.admin.is_none(), "nothing listens for it");
    let admin = right("[admin]").admin.unwrap();
    assert_eq!((admin.listen.to_string().as_str(), admin.tokens.len()), ("127.0.0.1:8788", 0));
    assert_eq!(config.server.max_body_bytes, 1_048_576);
    assert_eq!(config.source_address("keeta-hk"), "http://127.0.0.1:8787/hooks/keeta-hk");
    let StoreUrl::Sqlite(store) = &config.store.url else { panic!("{:?}", config.store.url) };
    assert_eq!(store, Path::new("tests/config/orderbell.db"));

    let config = right(
        r#"
        [server]
        public_url = "https://bell.example.com/"
        [channel.erp]
        kind = "webhook"
        url = "https://erp.example.com/orderbell"
        [source.keeta-hk]
        platform = "keeta"
        app_id = 1
        app_secret = { file = "../config/secret" }
        "#,
    );
    assert_eq!(config.source_address("keeta-hk"), "https://bell.example.com/hooks/keeta-hk");
    let erp = &config.channels["erp"].settings;
    assert_eq!(erp.timeout, SignedDuration::from_secs(15));
    assert_eq!(erp.fallback_after, SignedDuration::from_mins(2));
    assert_eq!(erp.retry.len(), 8);
    assert!(erp.urgent.iter().any(|glob| glob.matches(&Kind::OrderPlaced.to_string())));
    assert!(!erp.allow_private);
    let Source::Keeta(keeta) = &config.sources["keeta-hk"].source else { panic!("not Keeta") };
    assert_eq!(keeta.max_age, SignedDuration::from_hours(24));
    assert_eq!(keeta.app_secret.expose(), "hush from a file", "line ends around it are taken off");
}

/// What is said of a configuration beside the names of its routes and sources: each severity with its message.
fn said(text: &str) -> Vec<(Severity, String)> {
    let examined = examine("tests/config/inline.toml", text);
    let is_meant = |problem: &&Diagnostic| !problem.message.starts_with("nothing is ever sent");
    examined.problems.iter().filter(is_meant).map(|problem| (problem.severity, problem.message.clone())).collect()
}

/// A robot by its name, its token and further lines.
fn robot(name: &str, token: &str, more: &str) -> String {
    let address = format!("https://oapi.dingtalk.com/robot/send?access_token=hush{token}");
    format!("[channel.{name}]\nkind = \"dingtalk\"\nwebhook = \"{address}\"\n{more}\n")
}

fn program(name: &str) -> String {
    format!("[channel.{name}]\nkind = \"webhook\"\nurl = \"https://erp.example.com/{name}\"\n")
}

#[test]
fn hours_in_which_no_channel_of_the_operator_lets_a_notice_through_are_a_warning() {
    let hours = |from: &str, to: &str, more: &str| format!("quiet = {{ from = \"{from}\", to = \"{to}\"{more} }}");
    let holding = |from: &str, to: &str| hours(from, to, ", hold = [\"operator.*\"]");
    let by = |zone: &str, quiet: String| format!("timezone = \"{zone}\"\n{quiet}");
    let night = || holding("23:00", "07:30");
    let two =
        |a: &str, b: &str| format!("{}{}[operator]\nto = [\"a\", \"b\"]\n", robot("a", "1", a), robot("b", "2", b));
    let note = |when: &str, who: &str| {
        format!("from {when} nobody is notified when something is wrong with Orderbell: {who} operator.notice then")
    };
    let both = "\"a\" and \"b\" hold";
    for (text, said_of_it) in [
        (two("", ""), None),
        (two(&night(), ""), None),
        (two(&night(), &hours("23:00", "07:30", "")), None),
        (two(&night(), &hours("23:00", "07:30", ", except = [\"order.placed\"]")), None),
        (two(&night(), &night()), Some(note("23:00 to 07:30 (UTC)", both))),
        // Over midnight.
        (two(&night(), &holding("07:00", "09:00")), Some(note("07:00 to 07:30 (UTC)", both))),
        (two(&night(), &holding("00:30", "01:00")), Some(note("00:30 to 01:00 (UTC)", both))),
        (two(&night(), &holding("07:30", "23:00")), None),
        // By the clock of each.
        (two(&by("Asia/Hong_Kong", night()), &by("America/New_York", night())), None),
        (
            two(&by("Asia/Hong_Kong", night()), &by("Asia/Tokyo", holding("00:00", "02:00"))),
            Some(note("23:00 to 01:00 (Asia/Hong_Kong)", both)),
        ),
        // A route that names the kind makes an operator of its channels, a pattern does not, nor does a condition.
        (
            two(&night(), &night())
                + &robot("c", "3", "")
                + "[[route]]\nevents = [\"operator.notice\"]\nto = [\"c\"]\n",
            None,
        ),
        (
            two(&night(), &night()) + &robot("c", "3", "") + "[[route]]\nevents = [\"*\"]\nto = [\"c\"]\n",
            Some(note("23:00 to 07:30 (UTC)", both)),
        ),
        (
            two(&night(), &night())
                + &robot("c", "3", "")
                + "[[route]]\nevents = [\"operator.notice\"]\nwhen = \"source == 'x'\"\nto = [\"c\"]\n",
            Some(note("23:00 to 07:30 (UTC)", both)),
        ),
    ] {
        let wanted: Vec<_> = said_of_it.into_iter().map(|message| (Severity::Warning, message)).collect();
        assert_eq!(said(&text), wanted, "{text}");
    }
    let text = format!("{}{}[operator]\nto = [\"a\"]\n", robot("a", "1", &night()), program("erp"));
    let alone = "when \"a\" does not work, nobody is notified of it".to_owned();
    let both = [(Severity::Note, alone), (Severity::Warning, note("23:00 to 07:30 (UTC)", "\"a\" holds"))];
    assert_eq!(said(&text).into_iter().collect::<std::collections::BTreeSet<_>>(), both.into_iter().collect());
}

#[test]
fn an_operator_who_can_be_reached_in_one_way_only_is_a_warning_or_where_there_is_no_other_a_note() {
    let operator = |names: &[&str]| format!("[operator]\nto = {names:?}\n");
    let (a, b, erp) = (robot("a", "1", ""), robot("b", "2", ""), program("erp"));
    let same = robot("same", "1", "language = \"zh-CN\"");
    let mail = |name: &str| {
        let account = "smtp = \"smtps://smtp.example.com\"\nfrom = \"bell@example.com\"";
        format!("[channel.{name}]\nkind = \"email\"\n{account}\nto = [\"{name}@example.com\"]\n")
    };
    let with_fallback = |urgent: &str| robot("a", "1", &format!("fallback = \"b\"\nurgent = [{urgent}]"));
    let alone = "when \"a\" does not work, nobody is notified of it";
    let is_one = |names: &str| format!("{names} are the same way out: when it does not work, nobody is notified of it");
    let (warning, note) = (Severity::Warning, Severity::Note);
    for (text, said_of_it) in [
        (a.clone() + &operator(&["a"]), Some((note, alone.to_owned()))),
        (a.clone() + &b + &operator(&["a"]), Some((warning, alone.to_owned()))),
        (a.clone() + &b + &operator(&["a", "b"]), None),
        // A program can be notified; but it is nobody who reads.
        (a.clone() + &erp + &operator(&["a"]), Some((note, alone.to_owned()))),
        (a.clone() + &erp + &operator(&["a", "erp"]), None),
        // Two channels of one robot, or of one mail account, are one way.
        (a.clone() + &same + &operator(&["a", "same"]), Some((note, is_one("\"a\" and \"same\"")))),
        (a.clone() + &same + &operator(&["a"]), Some((note, alone.to_owned()))),
        (a.clone() + &same + &b + &operator(&["a", "same"]), Some((warning, is_one("\"a\" and \"same\"")))),
        (mail("m") + &mail("n") + &operator(&["m", "n"]), Some((note, is_one("\"m\" and \"n\"")))),
        // Urgent notices of a parked channel go to its fallback at once, others wait for it.
        (with_fallback("\"operator.*\"") + &b + &operator(&["a"]), None),
        (with_fallback("\"order.*\"") + &b + &operator(&["a"]), Some((warning, alone.to_owned()))),
        (a.clone() + &b + &operator(&["a"]) + "[[route]]\nevents = [\"operator.notice\"]\nto = [\"b\"]\n", None),
    ] {
        let wanted: Vec<_> = said_of_it.into_iter().collect();
        let said: Vec<_> = said(&text).into_iter().filter(|(_, message)| !message.contains("same robot")).collect();
        assert_eq!(said, wanted, "{text}");
    }
}

#[test]
fn secrets_come_from_the_environment_at_any_depth() {
    let config = right(
        r#"
        [channel.erp]
        kind = "webhook"
        url = "https://erp.example.com/orderbell"
        signing = { scheme = "standard-webhooks", secret = { env = "ERP_SECRET" } }
        [channel.erp.headers]
        "X-Key" = { env = "SMTP_PASSWORD" }
        "#,
    );
    let ChannelConfig::Webhook(webhook) = &config.channels["erp"].way else { panic!("not a webhook") };
    let WebhookSigning::StandardWebhooks { secret } = &webhook.signing else { panic!("another scheme") };
    assert_eq!(secret.expose(), "hush-ERP_SECRET");
    assert_eq!(webhook.headers["X-Key"].expose(), "hush-SMTP_PASSWORD");
    assert!(!format!("{config:?}").contains(SECRET));
}

#[test]
fn a_template_that_fails_with_a_sample_is_an_error_and_the_daemon_starts() {
    let file = |name: &str| Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/config").join(name);
    let text = std::fs::read_to_string(file("templates.toml")).unwrap().replace("language = \"zh-SG\"", "");
    let examined = examine("tests/config/templates.toml", &text);
    let errors = examined.problems.iter().filter(|problem| problem.severity == Severity::Error);
    assert!(examined.starts && errors.count() > 3, "the plain form stands in: {:?}", examined.problems);
    assert!(read("tests/config/templates.toml", &text).is_ok());

    let text = std::fs::read_to_string(file("templates-that-do-not-parse.toml")).unwrap();
    assert!(!examine("tests/config/templates-that-do-not-parse.toml", &text).starts);
    let mut problems = read("tests/config/templates-that-do-not-parse.toml", &text).unwrap_err();
    problems.retain(|problem| problem.severity != Severity::Note);
    assert!(problems.iter().all(|problem| problem.file.contains("unreadable-templates")), "{problems:?}");
}

#[test]
fn a_folder_of_templates_may_bring_a_language() {
    let config = right("templates = \"my-templates\"\nlanguage = \"fr\"");
    assert_eq!(config.language, "fr");
    assert_eq!(config.templates.as_deref(), Some(Path::new("tests/config/my-templates")));
    assert!(read("tests/config/inline.toml", "language = \"fr\"").is_err());
}

#[test]
fn a_file_that_is_not_there_is_a_problem_like_any_other() {
    let problems = config::read(Path::new("tests/config/nowhere.toml")).unwrap_err();
    let shown = diagnostic::render(&problems, Colour::Never);
    assert!(shown.contains("there is no such file") && shown.contains("nowhere.toml"), "{shown}");
}

proptest! {
    #![proptest_config(cases(256))]

    #[test]
    fn a_slip_of_the_finger_gives_no_secret_away(at in 0usize..2_500, gone in 0usize..3, typed in "[\"'=:{}\\[\\], .a-z\n#\\\\é“”＝，：｛　]{0,2}") {
        let mut text = include_str!("../config/contract.toml").replace("hush-of-the-owner", "hush").to_owned();
        for variable in ["DINGTALK_SECRET", "ERP_SECRET", "SMTP_PASSWORD", "KEETA_APP_SECRET"] {
            text = text.replace(&format!("{{ env = \"{variable}\" }}"), "\"SEChush\"");
        }
        text = text.replace("{ env = \"DINGTALK_WEBHOOK\" }", "\"https://oapi.dingtalk.com/robot/send?access_token=hush\"");
        let at = at % text.len();
        text.replace_range(at..(at + gone).min(text.len()), &typed);
        let problems = match read("tests/config/slip.toml", &text) {
            Ok(loaded) => loaded.warnings,
            Err(problems) => problems,
        };
        let shown = diagnostic::render(&problems, Colour::Never) + &serde_json::to_string(&problems).unwrap();
        prop_assert!(!shown.contains(SECRET), "{shown}");
    }
}
