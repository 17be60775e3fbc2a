//! A merchant's first hour, as docs/getting-started.md has it, with the real program throughout: init, secrets.env, sandbox,
//! check, test, serve, simulate.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::running::Running;

/// Longer than anything here takes.
const TOO_LONG: Duration = Duration::from_secs(60);

fn orderbell(folder: &Path, arguments: &[&str], variables: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).envs(variables);
    for name in ["ORDERBELL_CONFIG", "ORDERBELL_LOG", "ORDERBELL_LOG_FORMAT"] {
        command.env_remove(name);
    }
    command
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What leads each kind of channel to the sandbox, as the table of docs/getting-started.md has it.
fn led_to_the_sandbox() -> BTreeMap<String, String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/getting-started.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, table) = page.split_once("| channel | leads to the sandbox with |\n").expect("the table");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    rows.map(|row| (cell(row.split('|').nth(1).unwrap()), cell(row.split('|').nth(2).unwrap()))).collect()
}

#[test]
fn whoever_gets_started_reads_an_order_in_every_channel() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str], variables: &_| orderbell(folder.path(), arguments, variables).output().unwrap();
    let mut variables = BTreeMap::new();
    let channels =
        ["--channel", "dingtalk=kitchen", "--channel", "wecom", "--channel", "email", "--channel", "webhook"];
    let init =
        [&["init", "--source", "keeta", "--source", "apsdai", "--output", "orderbell.toml"], &channels[..]].concat();
    let done = run(&init, &variables);
    assert!(done.status.success(), "{}", said(&done));
    let unset = run(&["check"], &variables);
    assert_eq!(unset.status.code(), Some(2));
    assert!(said(&unset).contains("`set -a; . ./secrets.env; set +a`"), "{}", said(&unset));

    let led = led_to_the_sandbox();
    assert_eq!(led.keys().map(String::as_str).collect::<Vec<_>>(), ["dingtalk", "email", "webhook", "wecom"]);
    for (name, value) in led.values().filter_map(|line| line.strip_suffix('\'')?.split_once("='")) {
        variables.insert(name.to_owned(), value.to_owned());
    }
    for (name, value) in [
        ("KEETA_APP_SECRET", "any-word"),
        ("APSDAI_SECRET", "another-word"),
        ("KITCHEN_SECRET", "SECret-of-kitchen"),
        ("WEBHOOK_SECRET", "a-word-of-my-own"),
        ("EMAIL_PASSWORD", "an-app-password"),
    ] {
        variables.insert(name.to_owned(), value.to_owned());
    }
    let file = folder.path().join("orderbell.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let smtp = text.lines().find(|line| line.starts_with("smtp = ")).unwrap().to_owned();
    let text = text.replace(&smtp, &led["email"]).replace("\nkind = ", "\nallow_private = true\nkind = ");
    let text = text.replace("change-me", "orders").replace("app_id = 0", "app_id = 7").replace(":8787", ":0");
    std::fs::write(&file, &text).unwrap();

    // The ports of the page may be taken on this machine.
    let ports = ["sandbox", "--listen", "127.0.0.1:0", "--mail", "127.0.0.1:0"];
    let sandbox = Running::start(orderbell(folder.path(), &ports, &variables));
    let port = |line: &str| {
        line.split("127.0.0.1:").nth(1).unwrap().split(|c: char| !c.is_ascii_digit()).next().unwrap().to_owned()
    };
    let (robots, mail) = (port(&sandbox.until("listening on")), port(&sandbox.until("mail is taken")));
    variables.values_mut().for_each(|value| *value = value.replace(":8789/", &format!(":{robots}/")));
    std::fs::write(&file, text.replace(":8790\"", &format!(":{mail}\""))).unwrap();

    let second = run(&["sandbox", "--listen", &format!("127.0.0.1:{robots}"), "--mail", "127.0.0.1:0"], &variables);
    assert!(said(&second).contains("is another sandbox or demo running?"), "{}", said(&second));

    let check = run(&["check"], &variables);
    assert_eq!(said(&check).lines().last(), Some("no errors, no warnings, 1 note"), "{}", said(&check));
    let test = run(&["test", "--all"], &variables);
    assert!(test.status.success() && said(&test).matches("): yes\n").count() == 4, "{}", said(&test));

    let daemon = Running::start(orderbell(folder.path(), &["serve"], &variables));
    let address = port(&daemon.until("webhooks are taken at"));
    for (source, number) in [("keeta", "1"), ("apsdai", "2")] {
        let to = format!("http://127.0.0.1:{address}/hooks/{source}");
        let simulate = run(&["simulate", source, "order.placed", "--order", number, "--to", &to], &variables);
        assert!(said(&simulate).starts_with("acknowledged: "), "{}", said(&simulate));
        for channel in ["kitchen", "wecom", "email", "webhook"] {
            // Which comes first is chance, so it is the store that is asked.
            let arguments = ["deliveries", "--channel", channel, "--state", "delivered", "--format", "json"];
            let deadline = Instant::now() + TOO_LONG;
            loop {
                let rows: serde_json::Value = serde_json::from_slice(&run(&arguments, &variables).stdout).unwrap();
                if rows.as_array().unwrap().iter().any(|row| row["source"] == source && row["kind"] == "order.placed") {
                    break;
                }
                assert!(Instant::now() < deadline, "{channel} has not heard of the order of {source}");
            }
        }
    }
    let mut shown = String::new();
    while shown.matches("order.placed").count() < 2 || shown.matches("New order").count() < 6 {
        shown += &format!(
            "{}\n",
            sandbox.printed.recv_timeout(TOO_LONG).unwrap_or_else(|_| panic!("no more than:\n{shown}"))
        );
    }
    for receiver in
        ["DingTalk robot kitchen", "WeCom robot wecom", "Mailbox orders@example.com", "WebHook receiver erp"]
    {
        assert!(shown.contains(&format!("── {receiver} · accepted")), "{receiver}:\n{shown}");
    }
    assert!(!shown.contains("refused"), "{shown}");

    // What docs/commands.md says of looking back and of looking ahead.
    let received = said(&run(&["why", "0001"], &variables));
    assert!(received.starts_with("Order ") && received.matches(": delivered on ").count() == 4, "{received}");
    let rows = run(&["deliveries", "--channel", "kitchen", "--limit", "1", "--format", "json"], &variables).stdout;
    let rows: serde_json::Value = serde_json::from_slice(&rows).unwrap();
    let id = rows[0]["id"].as_str().unwrap();
    let cancelled = run(&["cancel", id], &variables);
    assert!(
        cancelled.status.code() == Some(1) && said(&cancelled).contains(": not cancelled: "),
        "{}",
        said(&cancelled)
    );
    let redelivered = run(&["redeliver", id], &variables);
    assert!(
        redelivered.status.success() && said(&redelivered).contains(": goes out once more"),
        "{}",
        said(&redelivered)
    );
    sandbox.until("── DingTalk robot kitchen · accepted");
    let copied = run(&["backup", "copy.db"], &variables);
    assert!(copied.status.success() && folder.path().join("copy.db").exists(), "{}", said(&copied));
    let rendered = run(&["render", "order.placed", "--channel", "email", "--html", "mail.html"], &BTreeMap::new());
    assert!(said(&rendered).starts_with("Subject: Order #"), "{}", said(&rendered));
    assert!(std::fs::read_to_string(folder.path().join("mail.html")).unwrap().contains("</html>"));
}
