//! Every command line of every page is one that the program takes, and the page of commands is made of its definitions.

use clap::error::ErrorKind;
use clap::{Arg, Command};
use orderbell::cli;

use crate::docs::generated::{cell, held};
use crate::docs::page::{Page, at, pages};
use crate::docs::shell;

/// What is wrong with what Orderbell is given. In the midst of a sentence a command may lack what the sentence says.
fn fault(words: &[String], is_whole: bool) -> Option<String> {
    let all = std::iter::once("orderbell".to_owned()).chain(words.iter().cloned());
    let error = cli::command_line().try_get_matches_from(all).err()?;
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => None,
        ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            if !is_whole =>
        {
            None
        }
        _ => Some(error.to_string().lines().next().unwrap_or_default().to_owned()),
    }
}

fn is_option(name: &str) -> bool {
    fn has(command: &Command, name: &str) -> bool {
        command.get_arguments().any(|arg| arg.get_long() == Some(name))
            || command.get_subcommands().any(|command| has(command, name))
    }
    let mut whole = cli::command_line();
    whole.build();
    has(&whole, name)
}

/// What a page shows that the program does not take, and how many command lines it has.
fn wrong(page: &Page) -> (Vec<String>, usize) {
    let (mut wrong, mut seen) = (Vec::new(), 0);
    let mut look = |line: usize, script: &str, is_whole: bool| {
        for words in shell::commands(script).iter().flat_map(|words| shell::arguments(words)) {
            seen += 1;
            let fault = fault(&words, is_whole);
            wrong.extend(fault.map(|fault| format!("{}: orderbell {}: {fault}", at(page, line), words.join(" "))));
        }
    };
    for fence in page.fences() {
        match fence.language.as_str() {
            "sh" => look(fence.line, &fence.text, true),
            // What was typed stands behind a dollar sign.
            "text" => fence
                .text
                .lines()
                .filter_map(|line| line.strip_prefix("$ "))
                .for_each(|typed| look(fence.line, typed, true)),
            _ => {}
        }
    }
    let inline = page.inline();
    inline.iter().for_each(|(line, code)| look(*line, code, false));
    for (line, code) in inline {
        let option = code.strip_prefix("--").and_then(|rest| rest.split([' ', '=', '[']).next());
        if let Some(option) = option.filter(|option| !is_option(option)) {
            wrong.push(format!("{}: no command has --{option}", at(page, line)));
        }
    }
    (wrong, seen)
}

#[test]
fn every_command_line_is_one_that_the_program_takes() {
    let looked: Vec<_> = pages().iter().map(wrong).collect();
    let faults: Vec<&String> = looked.iter().flat_map(|(wrong, _)| wrong).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let seen: usize = looked.iter().map(|(_, seen)| seen).sum();
    assert!(seen > 80, "only {seen} command lines are found");
}

#[test]
fn a_command_line_that_the_program_does_not_take_is_found() {
    for (text, expected) in [
        ("```sh\norderbell serv\n```", "unrecognized subcommand"),
        ("```sh\ncd x && orderbell check --all # all\n```", "unexpected argument '--all'"),
        ("```sh\norderbell simulate keeta-hk\n```", "required arguments"),
        ("```text\n$ orderbell deliveries --state lost\n```", "invalid value 'lost'"),
        ("```sh\ncargo run --release -- demo --twice\n```", "unexpected argument '--twice'"),
        ("| a |\n|---|\n| `orderbell keeta register --stores all` |", "invalid value 'all'"),
        ("Take `--forever`.", "no command has --forever"),
    ] {
        let (found, _) = wrong(&Page::of("docs/a.md", text));
        assert!(found.len() == 1 && found[0].contains(expected), "{text}: {found:?}");
    }
    let (found, seen) =
        wrong(&Page::of("docs/a.md", "`orderbell simulate` and `orderbell why` with a number; `--once`"));
    assert!(found.is_empty() && seen == 2, "{found:?}");
}

/// A command with what can be given to it, as it stands in the page of commands.
fn described(name: &str) -> Option<String> {
    let mut command = cli::command_line();
    command.build();
    for part in name.split(' ').filter(|part| !part.is_empty()) {
        command = command.find_subcommand(part)?.clone();
    }
    let usage = command.render_usage().to_string();
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let mut text = format!("{about}.\n\n```text\n{}\n```\n", usage.trim_start_matches("Usage: ").trim());
    let is_own =
        |arg: &&Arg| !arg.is_hide_set() && !arg.is_global_set() && !matches!(arg.get_id().as_str(), "help" | "version");
    let options: Vec<&Arg> = command.get_positionals().chain(command.get_opts()).filter(is_own).collect();
    let flags =
        command.get_arguments().filter(|arg| !arg.is_positional() && !arg.get_action().takes_values()).filter(is_own);
    let all: Vec<&Arg> = options.into_iter().chain(flags).collect();
    if !all.is_empty() {
        text += "\n| | |\n|---|---|\n";
    }
    for arg in all {
        text += &format!("| `{}` | {} |\n", cell(&arg.to_string()), cell(&explained(arg)));
    }
    Some(text)
}

/// The help of an argument, with what may be written for it and what holds where it is absent.
fn explained(arg: &Arg) -> String {
    let mut text = arg.get_help().map(ToString::to_string).unwrap_or_default();
    if arg.get_action().takes_values() {
        let values = arg.get_possible_values();
        let values: Vec<String> = values.iter().map(|value| format!("`{}`", value.get_name())).collect();
        if !values.is_empty() {
            text += &format!(": {}", values.join(", "));
        }
        if let [default] = arg.get_default_values() {
            text += &format!("; `{}` where absent", default.to_string_lossy());
        }
    }
    text
}

#[test]
fn the_page_of_commands_is_made_of_the_programs_own_definitions() {
    let mut whole = cli::command_line();
    whole.build();
    let mut names = Vec::new();
    for command in whole.get_subcommands() {
        // A command that only leads to others does nothing by itself.
        if !command.is_subcommand_required_set() {
            names.push(command.get_name().to_owned());
        }
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        names.extend(below.map(|below| format!("{} {}", command.get_name(), below.get_name())));
    }
    held("docs/commands.md", &names, &described);
}
