//! `orderbell templates`: what is built in and what takes its place, and writing it out without ever overwriting.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::commands::{run, text};

/// What a command printed, where it has worked.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let done = run(folder, arguments);
    assert!(done.status.success(), "{arguments:?}: {}", text(&done.stderr));
    text(&done.stdout).to_owned()
}

/// The files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.sort();
    found
}

#[test]
fn every_template_is_listed_and_exported_without_any_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let list = printed(folder.path(), &["templates"]);
    assert!(
        list.starts_with("TEMPLATE") && list.lines().next().unwrap().ends_with("en        pt-BR     zh-CN     zh-HK"),
        "{list}"
    );
    let json: Value = serde_json::from_str(&printed(folder.path(), &["templates", "--format", "json"])).unwrap();
    let rows = json.as_array().unwrap();
    assert!(rows.iter().all(|row| row["built_in"] == true && row["file"].is_null() && row["usable"] == true));

    let said = printed(folder.path(), &["templates", "export", "--output", "out"]);
    assert!(said.contains("next: templates = \"out\" at the top of the configuration"), "{said}");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let written = files(&folder.path().join("out"));
    assert_eq!(written.len(), rows.len());
    for file in &written {
        let path = file.strip_prefix(folder.path().join("out")).unwrap();
        assert_eq!(std::fs::read(file).unwrap(), std::fs::read(source.join(path)).unwrap(), "{}", path.display());
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(list.lines().any(|line| line.split_whitespace().next() == Some(name)), "{name}: {list}");
    }
    // As they are, they are what is built in, and a configuration with them is right.
    let config = "templates = \"out\"\n".to_owned() + include_str!("../../config.example.toml");
    std::fs::write(folder.path().join("orderbell.toml"), config).unwrap();
    assert!(
        printed(folder.path(), &["check"]).contains("no errors") || run(folder.path(), &["check"]).status.success()
    );
}

#[test]
fn a_kind_is_exported_with_what_it_is_made_of_named() {
    let folder = tempfile::tempdir().unwrap();
    let names = |arguments: &[&str]| -> Vec<String> {
        let out = tempfile::tempdir_in(folder.path()).unwrap();
        let output = out.path().to_str().unwrap();
        printed(folder.path(), &[&["templates", "export", "--output", output], arguments].concat());
        files(out.path()).iter().map(|file| file.strip_prefix(out.path()).unwrap().display().to_string()).collect()
    };
    assert_eq!(names(&["order.placed", "--language", "zh-CN"]), ["zh-CN/order.placed.md"]);
    assert_eq!(
        names(&["order.placed"]),
        ["ar", "en", "pt-BR", "zh-CN", "zh-HK"].map(|tag| format!("{tag}/order.placed.md"))
    );
    assert_eq!(
        names(&["--language", "en", "report.daily", "operator.notice"]),
        ["en/operator.notice.md", "en/report.md"]
    );
    assert_eq!(
        names(&["--language", "EN", "digest", "_order", "words.toml"]),
        ["en/_order.md", "en/digest.md", "en/words.toml"]
    );
    let said = printed(folder.path(), &["templates", "export", "order.placed", "--output", "out"]);
    assert!(said.contains("they include _details.md, _order.md") && said.contains("; export these by name"), "{said}");

    for (arguments, says) in [
        (["order.plcaed", "--language", "en"], "there is no template \"order.plcaed\"; did you mean \"order.placed\"?"),
        (["order.placed", "--language", "fr"], "no templates are built in for \"fr\"; possible here: ar, en, pt-BR"),
        (["mail.mjml", "--language", "en"], "there is no template \"mail.mjml\""),
        (["../words", "--language", "en"], "there is no template \"../words\""),
    ] {
        let refused = run(folder.path(), &[&["templates", "export", "--output", "no"], &arguments[..]].concat());
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}");
        assert!(text(&refused.stderr).contains(says), "{}", text(&refused.stderr));
    }
    assert!(!folder.path().join("no").exists());
    assert_eq!(run(folder.path(), &["templates", "export"]).status.code(), Some(2), "it needs --output");
}

#[test]
fn what_is_there_already_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let export = ["templates", "export", "order.placed", "digest", "--language", "en", "--output", "out"];
    let mine = folder.path().join("out/en/order.placed.md");
    std::fs::create_dir_all(mine.parent().unwrap()).unwrap();
    std::fs::write(&mine, "# mine").unwrap();
    let refused = run(folder.path(), &export);
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(said.contains("nothing was written") && said.contains("out/en/order.placed.md"), "{said}");
    assert_eq!(files(&folder.path().join("out")), std::slice::from_ref(&mine), "nothing of it is written");
    assert_eq!(std::fs::read_to_string(&mine).unwrap(), "# mine");

    std::fs::remove_file(&mine).unwrap();
    assert!(printed(folder.path(), &export).starts_with("2 files are written to out\n"));
    assert!(printed(folder.path(), &export).starts_with("all 2 files are there already"));
    std::fs::remove_file(&mine).unwrap();
    assert!(printed(folder.path(), &export).starts_with("1 file is written to out; 1 file is there already\n"));
    std::fs::write(folder.path().join("file"), "").unwrap();
    let nowhere = run(folder.path(), &["templates", "export", "digest", "--output", "file"]);
    assert_eq!(nowhere.status.code(), Some(1), "{}", text(&nowhere.stderr));
}

#[test]
fn the_list_says_which_of_yours_take_the_place_and_which_cannot() {
    let folder = tempfile::tempdir().unwrap();
    for (path, content) in [
        ("mine/en/order.placed.md", "# New"),
        ("mine/en/order.placed.kitchen.md", "# Cook"),
        ("mine/zh-CN/order.cancelled.md", "# {{ broken"),
        ("mine/en/words.toml", "x = \"y\"\n"),
        ("mine/fr/order.md", "# Commande"),
    ] {
        let file = folder.path().join(path);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, content).unwrap();
    }
    let config = "templates = \"mine\"\n".to_owned() + include_str!("../../config.example.toml");
    std::fs::write(folder.path().join("orderbell.toml"), config).unwrap();
    let list = printed(folder.path(), &["templates"]);
    let row = |name: &str| -> String {
        let line =
            list.lines().find(|line| line.split("  ").next() == Some(name)).unwrap_or_else(|| panic!("{name}: {list}"));
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect::<Vec<_>>().join(" | ")
    };
    assert_eq!(row("TEMPLATE"), "TEMPLATE | ar | en | fr | pt-BR | zh-CN | zh-HK");
    assert_eq!(row("order.placed.md"), "order.placed.md | built in | yours | - | built in | built in | built in");
    assert_eq!(row("order.placed.kitchen.md"), "order.placed.kitchen.md | - | yours | - | - | - | -");
    assert_eq!(
        row("order.cancelled.md"),
        "order.cancelled.md | built in | built in | - | built in | yours is broken: built in | built in"
    );
    assert_eq!(row("words.toml"), "words.toml | built in | yours, then built in | - | built in | built in | built in");
    assert_eq!(row("order.md"), "order.md | built in | built in | yours | built in | built in | built in");
    assert!(list.ends_with("mine; `orderbell check` tries each with every sample\n"), "{list}");
    let json: Value = serde_json::from_str(&printed(folder.path(), &["templates", "--format", "json"])).unwrap();
    let of = |language: &str, name: &str| {
        let rows = json.as_array().unwrap();
        rows.iter().find(|row| row["language"] == language && row["template"] == name).unwrap().clone()
    };
    assert_eq!(of("zh-CN", "order.cancelled.md")["usable"], false);
    assert!(of("en", "order.placed.kitchen.md")["file"].as_str().unwrap().ends_with("mine/en/order.placed.kitchen.md"));
    assert_eq!(of("en", "order.placed.kitchen.md")["built_in"], false);
}
