//! How the daemon logs: in which time zone, in which form, how much.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use jiff::Timestamp;
use serde_json::Value;

use crate::commands::{orderbell, text};

const CONFIGURATION: &str =
    "timezone = \"Asia/Kolkata\"\n[server]\nlisten = \"127.0.0.1:0\"\n[store]\nurl = \"sqlite:bell.db\"\n";

/// The first line that `serve` logs with these flags and variables.
fn first_line(folder: &Path, flags: &[&str], variables: &[(&str, &str)]) -> String {
    let mut serve = orderbell(folder, &[&["serve"], flags].concat());
    serve.envs(variables.iter().copied()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut serving = serve.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(serving.stderr.take().unwrap()).read_line(&mut line).unwrap();
    serving.kill().unwrap();
    serving.wait().unwrap();
    line
}

#[test]
fn the_log_for_people_is_in_the_configurations_time_zone_and_that_for_programs_in_utc() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orderbell.toml"), CONFIGURATION).unwrap();
    let near = |at: &str| {
        let at: Timestamp = at.parse().unwrap_or_else(|error| panic!("{at}: {error}"));
        assert!(Timestamp::now().duration_since(at).abs().as_secs() < 600, "{at}");
    };
    for (flags, variables) in [
        (&[][..], &[][..]),
        (&["--log-format", "text"], &[("ORDERBELL_LOG_FORMAT", "json")]),
        (&["--log-level", "debug"], &[("ORDERBELL_LOG", "off")]),
    ] {
        let line = first_line(folder.path(), flags, variables);
        let (at, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
        assert!(at.ends_with("+05:30") && at.len() == "2026-11-29T17:32:54.249+05:30".len(), "{line}");
        near(at);
        assert!(rest.contains("INFO starting"), "{line}");
    }
    for (flags, variables) in [(&["--log-format", "json"][..], &[][..]), (&[], &[("ORDERBELL_LOG_FORMAT", "json")])] {
        let line = first_line(folder.path(), flags, variables);
        let json: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let at = json["timestamp"].as_str().unwrap();
        assert!(at.ends_with('Z'), "{line}");
        near(at);
    }
}

#[test]
fn a_level_or_form_that_is_none_is_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("orderbell.toml"), CONFIGURATION).unwrap();
    for (flags, says) in [
        (
            ["--log-level", "inof"],
            "--log-level: \"inof\" is no level; levels are error, warn, info, debug, trace and off",
        ),
        (["--log-level", ""], "--log-level: \"\" is no level"),
        (["--log-format", "jsno"], "invalid value 'jsno'"),
    ] {
        let done = orderbell(folder.path(), &[&["serve"], &flags[..]].concat()).output().unwrap();
        assert_eq!(done.status.code(), Some(2), "{flags:?}");
        assert!(text(&done.stderr).contains(says), "{}", text(&done.stderr));
    }
}
