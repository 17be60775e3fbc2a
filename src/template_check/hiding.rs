//! Templates that no message is ever made from, because another one always goes before.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::event::Kind;
use crate::domain::language::folders;
use crate::domain::language::folders::Sources;
use crate::domain::settings::InvalidValue;
use crate::domain::{changed, template};
use crate::template_check::scope::CheckScope;

/// Of each such file among these: what goes before it, and what to do. Paths are those in the folder.
pub fn hidden<'o>(own: &'o Sources, scope: &CheckScope<'_>) -> Vec<(&'o str, InvalidValue)> {
    let exists = |path: &String| own.contains_key(path) || folders::is_built_in(path);
    let all = folders::all(own);
    let reports = scope.reports.iter().map(|name| Kind::Report(name.clone()));
    let kinds: Vec<Kind> = Kind::ALL.iter().cloned().chain(reports).collect();
    let (mut used, mut before) = (BTreeSet::new(), BTreeMap::<String, BTreeSet<String>>::new());
    for channel in &scope.channels {
        let chain = folders::chain(channel.language.unwrap_or(scope.language), &all, own);
        for (kind, is_change) in kinds.iter().flat_map(|kind| [(kind, false), (kind, true)]) {
            let is_change = is_change && *kind == Kind::OrderPlaced;
            let mut paths = template::candidates(&chain, kind, is_change, [channel.kind, channel.name]);
            paths.retain(&exists);
            let Some((first, others)) = paths.split_first() else { continue };
            used.insert(first.clone());
            // What else goes before an order's first message does so only where it has changed.
            let is_of_this = |path: &&String| is_change == path.contains(&format!("/{}.", changed::NAME));
            others.iter().filter(is_of_this).for_each(|other| {
                before.entry(other.clone()).or_default().insert(first.clone());
            });
        }
    }
    let never = own.keys().filter(|path| !used.contains(*path));
    let said = never.filter_map(|path| Some((path.as_str(), said(before.get(path)?, own))));
    said.collect()
}

fn said(before: &BTreeSet<String>, own: &Sources) -> InvalidValue {
    let is_own = |path: &&String| own.contains_key(*path);
    let named: Vec<&String> = before.iter().filter(is_own).chain(before.iter().filter(|path| !is_own(path))).collect();
    let name = |path: &&String| if is_own(path) { (*path).clone() } else { format!("the built-in {path}") };
    let mut names: Vec<String> = named.iter().take(2).map(name).collect();
    if named.len() > names.len() {
        names.push(format!("{} more", named.len() - names.len()));
    }
    let goes = if names.len() == 1 { "goes" } else { "go" };
    let last = names.pop().unwrap_or_default();
    let names = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    let help = match named.iter().find(|path| !is_own(path)) {
        Some(built_in) => format!("a file named as the built-in one takes its place: {built_in}"),
        None => "take one of them out, or write it for a channel that has none of its own".to_owned(),
    };
    InvalidValue::new(format!("this file is never used: {names} {goes} before it"), help)
}
