//! What the commands answer to a slip, and to a configuration that cannot be used.

use std::os::unix::fs::PermissionsExt;

use crate::commands::{WITH_VARIABLES, folder, orderbell, run, text};
use crate::support::stores;

#[test]
fn a_copy_that_does_not_stand_in_for_a_broken_file_is_named_with_the_reason() {
    let folder = folder();
    let (file, copy) = (folder.path().join("orderbell.toml"), folder.path().join(".orderbell.last-good.toml"));
    std::fs::write(&file, "timezone = \"Asia/Hong_Kong\n").unwrap();
    std::fs::write(&copy, WITH_VARIABLES).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o666)).unwrap();
    for command in [&["why", "1"][..], &["deliveries"], &["report"]] {
        let refused = run(folder.path(), command);
        let said = text(&refused.stderr).split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(refused.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("this text has no quote at its end"), "{command:?}: {said}");
        assert!(said.contains(".orderbell.last-good.toml"), "{command:?}: {said}");
        assert!(said.contains("is not used: others may write to it"), "{command:?}: {said}");
    }
    // Where it may be used, the reason is the text, not a secret that is missing in this terminal alone.
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&file, format!("{WITH_VARIABLES}\n[report.daily]\nat = \"08:57\n")).unwrap();
    drop(stores::open(&folder.path().join("orderbell.db"), jiff::Timestamp::now()).unwrap());
    let listed = run(folder.path(), &["deliveries"]);
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    assert!(
        text(&listed.stderr).contains("this text has no quote at its end; as in the daemon"),
        "{}",
        text(&listed.stderr)
    );
}

#[test]
fn a_slip_is_answered_with_what_was_probably_meant() {
    let folder = folder();
    std::fs::write(folder.path().join("orderbell.toml"), WITH_VARIABLES).unwrap();
    drop(stores::open(&folder.path().join("orderbell.db"), jiff::Timestamp::now()).unwrap());
    for (command, says) in [
        (&["render", "order.plced", "--channel", "kitchen"][..], "did you mean \"order.placed\"?"),
        (&["render", "order.placed", "--channel", "kitchen", "--language", "zh"], "did you mean \"zh-CN\"?"),
        (&["why", "kitchen"], "`orderbell deliveries --channel kitchen` lists its messages"),
        (&["redeliver", "--channel", "kitchen"], "orderbell redeliver [OPTIONS] --dead [--channel <NAME>]"),
        (&["init", "--language", "zh-CN"], "--channel"),
        (&["simulate", "keeta-hk", "order.placed", "--to", "127.0.0.1:1"], "like http://127.0.0.1:1/hooks/keeta-hk"),
    ] {
        let mut refused = orderbell(folder.path(), command);
        let refused = refused.env("COMMANDS_APP_SECRET", "hush").output().unwrap();
        let said = text(&refused.stderr);
        assert!(!refused.status.success() && said.contains(says), "{command:?}: {said}");
        assert!(!said.contains("--dead --channel <NAME> <ID|ORDER>"), "{said}");
    }
}
