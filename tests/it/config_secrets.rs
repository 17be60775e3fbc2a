//! Secrets in the configuration: whatever shape stands in their place, none is shown; and what slipped to their rim on the way
//! from a file or an environment variable is taken off, or said.

use std::path::Path;

use orderbell::channel::kinds::ChannelConfig;
use orderbell::channel::webhook::WebhookSigning;
use orderbell::config::Loaded;
use orderbell::config::configured::Config;
use orderbell::config::context::LoadContext;
use orderbell::diagnostic::{Colour, Diagnostic, Severity};
use orderbell::platform::kinds::Source;
use orderbell::{config, diagnostic};
use proptest::{prop_assert, proptest};

use crate::support::cases::cases;

mod lines;

/// Every secret here has this in it, in whatever case.
const SECRET: &str = "hush";

fn read(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Vec<Diagnostic>> {
    let context = LoadContext {
        file: Path::new("tests/config/inline.toml"),
        env,
        languages: &["en", "zh-CN"],
        secrets: config::context::SecretReading::Read,
    };
    config::read_text(text, &context)
}

/// All that is said of a text, for people and for programs.
fn said(text: &str) -> (Vec<Diagnostic>, String) {
    let env = |name: &str| (name == "KNOWN").then(|| "hush-hush-hush".to_owned());
    let problems = match read(text, &env) {
        Ok(loaded) => loaded.warnings,
        Err(problems) => problems,
    };
    let shown = diagnostic::render(&problems, Colour::Never) + &serde_json::to_string(&problems).expect("JSON");
    (problems, shown)
}

/// What may be written where a secret, or a table with secrets, is expected.
const SHAPES: [&str; 22] = [
    "\"hush-4711\"",
    "'hush-4711'",
    "\"\"\"hush\n4711\"\"\"",
    "\"\\u0068ush\"",
    "[\"hush-4711\"]",
    "[[\"hush-4711\"], { env = \"hush-4711\" }]",
    "{ env = \"KNOWN\", value = \"hush-4711\" }",
    "{ env = \"hush4711\" }",
    "{ env = [\"hush4711\"] }",
    "{ env = { name = \"hush4711\" } }",
    "{ file = \"whsec_hush+4711/abcd==\" }",
    "{ file = \"https://oapi.dingtalk.com/robot/send?access_token=hush\" }",
    "{ file = { path = \"hush\" } }",
    "{ value = \"hush-4711\" }",
    "{ hush4711 = 1 }",
    "{ \"hush 4711\" = \"X-Shop\" }",
    "{ scheme = \"hush-4711\" }",
    "{ scheme = \"apsdai\", secret = [\"hush-4711\"], key = \"hush\" }",
    "{ scheme = \"apsdai\", secret = { secret = \"hush-4711\" } }",
    "\"https://oapi.dingtalk.com?access_token=hush\"",
    "\"https://oapi.dingtalk.com#hush\"",
    "\"https://hush:hush@oapi.dingtalk.com:99999/robot\"",
];

/// The keys of each kind under which a secret stands, and what else makes the table whole.
const PLACES: [(&str, &str, &[&str]); 8] = [
    ("source", "platform = \"keeta\"\napp_id = 1", &["app_secret"]),
    ("source", "platform = \"apsdai\"", &["secret", "password"]),
    ("source", "platform = \"keta\"", &["app_secret", "secret"]),
    ("channel", "kind = \"dingtalk\"", &["webhook", "secret", "base_url", "proxy"]),
    ("channel", "kind = \"wecom\"", &["webhook", "base_url", "proxy", "webhok"]),
    ("channel", "kind = \"email\"\nfrom = \"a@b.example\"\nto = [\"a@b.example\"]\nusername = \"a\"", &["password"]),
    ("channel", "kind = \"webhook\"", &["url", "signing", "signing.secret", "headers", "headers.X-Key", "proxy"]),
    ("channel", "kind = \"webhok\"", &["url", "signing", "headers", "password", "webhook", "kind.secret"]),
];

#[test]
fn no_shape_in_the_place_of_a_secret_is_shown() {
    let mut leaks = Vec::new();
    for (family, whole, keys) in PLACES {
        for (index, (key, shape)) in keys.iter().flat_map(|key| SHAPES.map(|shape| (key, shape))).enumerate() {
            let inline = format!("{{ {}, {key} = {shape} }}", whole.replace('\n', ", "));
            let as_it_should_be =
                [format!("[{family}.a]\n{whole}\n{key} = {shape}\n"), format!("[{family}]\na = {inline}\n")];
            let as_it_should_not = [
                format!("[[{family}]]\n{whole}\n{key} = {shape}\n"),
                format!("[[{family}.a]]\n{whole}\n{key} = {shape}\n"),
                format!("{family} = [{inline}]\n"),
                format!("{family}.a = [{inline}]\n"),
                format!("[[{family}.a.{key}]]\nx = {shape}\n[{family}.a.y]\n{whole}\n"),
            ];
            // One of these each: reading takes a while.
            let one = as_it_should_not[index % as_it_should_not.len()].clone();
            for text in as_it_should_be.into_iter().chain([one]) {
                let (problems, shown) = said(&text);
                if shown.to_lowercase().contains(SECRET) || problems.is_empty() {
                    leaks.push(format!("{text}\n{shown}"));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} texts give a secret away:\n{}", leaks.len(), leaks[..leaks.len().min(12)].join("\n"));
}

#[test]
fn no_shape_in_the_place_of_the_other_secrets_is_shown() {
    let mut leaks = Vec::new();
    for (table, key) in [
        ("admin", "token"),
        ("admin", "token_hash"),
        ("admin.tokens.a", "token"),
        ("admin.tokens.a", "token_hash"),
        ("store", "url"),
        ("heartbeat", "url"),
    ] {
        for shape in SHAPES {
            for text in [
                format!("[{table}]\n{key} = {shape}\n"),
                format!("{table} = {{ {key} = {shape}, listen = 5 }}\n"),
                format!("[[{table}]]\n{key} = {shape}\n"),
                format!("{table} = {shape}\n"),
            ] {
                let (_, shown) = said(&text);
                if shown.to_lowercase().contains(SECRET) {
                    leaks.push(format!("{text}\n{shown}"));
                }
            }
        }
    }
    assert!(leaks.is_empty(), "{} texts give a secret away:\n{}", leaks.len(), leaks[..leaks.len().min(12)].join("\n"));
}

#[test]
fn a_password_in_the_address_of_a_mail_server_is_not_shown_whatever_shape_it_has() {
    for shape in [
        "\"smtps://orders:hush@smtp.example.com\"",
        "[\"smtps://orders:hush@smtp.example.com:465\"]",
        "{ url = \"smtps://orders:hush@smtp.example.com\" }",
        "{ host = \"smtp.example.com\", password = \"hush\" }",
    ] {
        let (_, shown) = said(&format!("[channel]\na = {{ kind = \"email\", smtp = {shape}, from = 1 }}\n"));
        assert!(shown.contains("smtp") && !shown.contains(SECRET), "{shown}");
    }
}

#[test]
fn what_is_no_secret_is_still_shown_beside_one() {
    let (_, shown) =
        said("channel.a = { kind = \"webhok\", url = \"https://x.example/hush\", headers = [\"hush\"] }\n");
    assert!(shown.contains("kind = \"webhok\", url = \"https://x.example/***\", headers = [***]"), "{shown}");
    let (_, shown) = said("[channel.a]\nkind = \"webhook\"\nurl = \"https://x.example/\"\nsigning = \"hush\"\n");
    assert!(shown.contains("signing = ***") && shown.contains("\"signing\" must be a table"), "{shown}");
}

proptest! {
    #![proptest_config(cases(128))]

    #[test]
    fn a_slip_of_the_finger_in_an_inline_table_gives_no_secret_away(
        at in 0usize..2_000, gone in 0usize..3, typed in "[\"'=:{}\\[\\], .a-z\n#\\\\é“”‘’＝，：｛　]{0,2}"
    ) {
        let mut text = concat!(
            "source.k = { platform = \"keeta\", app_id = 1, app_secret = \"hush-1\" }\n",
            "channel.d = { kind = \"dingtalk\", webhook = \"https://oapi.dingtalk.com/robot/send?access_token=hush\", secret = \"SEChush\" }\n",
            "channel.h = { kind = \"webhook\", url = \"https://x.example/p/hush\", signing = { scheme = \"apsdai\", secret = \"hush-2\" }, headers = { A = \"hush-3\" } }\n",
        ).to_owned();
        let mut at = at % text.len();
        while !text.is_char_boundary(at) { at -= 1; }
        text.replace_range(at..(at + gone).min(text.len()), &typed);
        let (_, shown) = said(&text);
        prop_assert!(!shown.contains(SECRET), "{text}\n{shown}");
    }
}

/// A secret of each kind, all of them `{ env = "S" }`.
const ALL: &str = r#"
[admin]
token = { env = "S" }
[source.k]
platform = "keeta"
app_id = 1
app_secret = { env = "S" }
[source.a]
platform = "apsdai"
secret = { env = "S" }
[source.p]
platform = "apsdai"
password = { env = "S" }
[channel.d]
kind = "dingtalk"
webhook = { env = "U" }
secret = { env = "S" }
[channel.w]
kind = "wecom"
webhook = { env = "U" }
proxy = { env = "U" }
[channel.m]
kind = "email"
smtp = "smtps://smtp.example.com"
from = "a@b.example"
to = ["a@b.example"]
username = "a"
password = { env = "S" }
[channel.h]
kind = "webhook"
url = { env = "U" }
signing = { scheme = "standard-webhooks", secret = { env = "S" } }
headers = { "X-Key" = { env = "S" } }
"#;

const ADDRESS: &str = "https://x.example/send?access_token=t&key=k";

/// The secrets of [`ALL`], as they are used.
fn used(config: &Config) -> Vec<(String, String)> {
    let mut used = Vec::new();
    for (name, configured) in &config.sources {
        let secrets = match &configured.source {
            Source::Keeta(keeta) => vec![Some(&keeta.app_secret)],
            Source::Apsdai(apsdai) => vec![apsdai.secret.as_ref(), apsdai.password.as_ref()],
        };
        used.extend(secrets.into_iter().flatten().map(|secret| (name.clone(), secret.expose().to_owned())));
    }
    for (name, channel) in &config.channels {
        let mut secrets = vec![channel.settings.proxy.as_ref()];
        match &channel.way {
            ChannelConfig::DingTalk(robot) => secrets.extend([Some(&robot.webhook), robot.secret.as_ref()]),
            ChannelConfig::WeCom(robot) => secrets.push(Some(&robot.webhook)),
            ChannelConfig::Email(email) => secrets.push(email.password.as_ref()),
            ChannelConfig::Webhook(hook) => {
                let WebhookSigning::StandardWebhooks { secret } = &hook.signing else { panic!("another scheme") };
                secrets.extend([Some(&hook.url), Some(secret), hook.headers.get("X-Key")]);
            }
            ChannelConfig::Unready(unready) => panic!("{}", unready.reason),
        }
        used.extend(secrets.into_iter().flatten().map(|secret| (name.clone(), secret.expose().to_owned())));
    }
    used
}

fn messages(problems: &[Diagnostic], severity: Severity, about: &str) -> Vec<String> {
    let found = problems.iter().filter(|problem| problem.severity == severity && problem.message.contains(about));
    found.map(|problem| problem.message.clone()).collect()
}

#[test]
fn line_ends_and_a_byte_order_mark_at_the_rim_of_a_secret_are_taken_off_wherever_it_comes_from() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("orderbell.toml");
    for rim in [
        ["", "\r"],
        ["", "\r\n"],
        ["\u{feff}", ""],
        ["\u{feff}", "\n\n"],
        ["\r\n\r\n", "\r\n\r\n"],
        ["\n", "\u{feff}\r"],
    ] {
        let [before, after] = rim;
        let of = |name: &str| match name {
            "U" => Some(format!("{before}{ADDRESS}{after}")),
            "S" => Some(format!("{before}a secret{after}")),
            _ => None,
        };
        for name in ["U", "S"] {
            std::fs::write(folder.path().join(name), of(name).expect("one of the two")).expect("a file");
        }
        let plain = |name: &str| serde_json::Value::from(of(name)).to_string();
        for text in [
            ALL.to_owned(),
            ALL.replace("env =", "file ="),
            ALL.replace("{ env = \"U\" }", &plain("U")).replace("{ env = \"S\" }", &plain("S")),
        ] {
            let context = LoadContext {
                file: &file,
                env: &of,
                languages: &["en"],
                secrets: config::context::SecretReading::Read,
            };
            let loaded = config::read_text(&text, &context)
                .unwrap_or_else(|problems| panic!("{rim:?}\n{}", diagnostic::render(&problems, Colour::Never)));
            let used = used(&loaded.config);
            assert_eq!(used.len(), 11);
            for (name, secret) in used {
                let wanted = if secret.contains("://") { ADDRESS } else { "a secret" };
                assert_eq!(secret, wanted, "{name}, {rim:?}");
            }
            let odd = messages(&loaded.warnings, Severity::Warning, "blank");
            assert_eq!(odd, Vec::<String>::new(), "a blank within is no rim, {rim:?}");
        }
    }
}

#[test]
fn blanks_and_quotes_at_the_rim_of_a_secret_are_a_warning_that_names_its_key() {
    for (secret, about) in [
        (" abcdef", "blank"),
        ("abcdef ", "blank"),
        ("abcdef\t", "blank"),
        ("\u{a0}abcdef", "blank"),
        ("\u{3000}abcdef\r\n", "blank"),
        ("\"abcdef\"", "quote"),
        ("'abcdef'\r", "quote"),
        ("\u{feff}\"abcdef\"", "quote"),
        ("“abcdef”", "quote"),
        ("`abcdef`", "quote"),
        ("abcdef\"", "quote"),
    ] {
        let env = |name: &str| match name {
            "S" => Some(secret.to_owned()),
            "U" => Some(ADDRESS.to_owned()),
            _ => None,
        };
        let wanted = secret.trim_matches(['\r', '\n', '\u{feff}']);
        for text in [ALL.to_owned(), ALL.replace("{ env = \"S\" }", &serde_json::Value::from(secret).to_string())] {
            let loaded = read(&text, &env).unwrap_or_else(|problems| {
                panic!("{secret:?}\n{}", diagnostic::render(&problems, Colour::Never));
            });
            let warnings = messages(&loaded.warnings, Severity::Warning, about);
            for key in ["token", "app_secret", "secret", "password", "signing.secret", "headers.X-Key"] {
                let named = format!("\"{key}\"");
                assert!(warnings.iter().any(|warning| warning.contains(&named)), "{secret:?}, {key}: {warnings:?}");
            }
            let shown = diagnostic::render(&loaded.warnings, Colour::Never);
            assert!(!shown.contains("abcdef"), "{shown}");
            let used = used(&loaded.config);
            let kept = used.iter().filter(|(_, used)| used == wanted).count();
            assert_eq!(kept, 7, "it is used as it stands: {secret:?} {used:?}");
        }
    }
}

#[test]
fn a_secret_with_nothing_in_it_or_with_what_no_secret_holds_is_an_error_that_names_its_key() {
    for (secret, about) in [
        ("", "empty"),
        ("\r\n", "empty"),
        ("\u{feff}", "empty"),
        ("\u{feff}\r\n \t\r\n", "empty"),
        ("abc\0def", "control character"),
        ("abc\u{1b}[0mdef", "control character"),
        ("abc\r\ndef", "several lines"),
        ("abc\u{feff}\n\ndef\r\n", "several lines"),
    ] {
        let env = |name: &str| match name {
            "S" => Some(secret.to_owned()),
            "U" => Some(ADDRESS.to_owned()),
            _ => None,
        };
        let plain = ALL.replace("{ env = \"S\" }", &serde_json::Value::from(secret).to_string());
        for text in [ALL.to_owned(), plain] {
            let problems = read(&text, &env).expect_err("it is an error");
            let errors: Vec<&Diagnostic> = problems.iter().filter(|one| one.severity == Severity::Error).collect();
            for key in ["token", "app_secret", "secret", "password", "signing.secret", "headers.X-Key"] {
                let named = format!("\"{key}\"");
                let is_said = |one: &&&Diagnostic| {
                    let whole = format!("{} {}", one.message, one.help.as_deref().unwrap_or_default());
                    whole.contains(&named) && one.message.contains(about)
                };
                assert!(errors.iter().find(is_said).is_some(), "{secret:?}, {key}: {errors:?}");
            }
        }
    }
}
