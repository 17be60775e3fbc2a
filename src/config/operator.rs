//! Whether the operator is notified when it matters: in quiet hours, and when a channel of their own does not work.

use std::collections::BTreeSet;
use std::ops::Range;

use jiff::Timestamp;
use toml::Spanned;

use crate::config::channels::ReadChannel;
use crate::config::routes::ReadRoutes;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::event::{Kind, OWN_SOURCE};
use crate::domain::glob::Glob;
use crate::domain::local_time::Zone;
use crate::domain::quiet;
use crate::domain::quiet::Quiet;

type Channels = [ReadChannel];

/// What is wrong with `hold`, and with who is notified of Orderbell itself.
pub fn check(channels: &Channels, routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    channels.iter().for_each(|channel| held(channel, routes, problems));
    if !routes.operator.is_empty()
        && let Some(notified) = notified(channels, routes)
    {
        at_once(&notified, problems);
        alone(channels, &notified, routes, problems);
    }
}

/// The channels that are notified of Orderbell itself, whatever a condition says. `None`: one of them is not there, which is
/// said elsewhere.
fn notified<'c>(channels: &'c Channels, routes: &ReadRoutes) -> Option<Vec<&'c ReadChannel>> {
    let targets = routes.routes.as_ref()?.targets(&Kind::OperatorNotice, OWN_SOURCE, None);
    let names = targets.into_iter().filter(|target| target.rules.is_empty()).map(|target| target.channel);
    names.map(|name| find(channels, &name)).collect()
}

fn find<'c>(channels: &'c Channels, name: &str) -> Option<&'c ReadChannel> {
    channels.iter().find(|known| known.name() == name)
}

/// `hold` is about what passes quiet hours by itself, and the opposite of `except`.
fn held(channel: &ReadChannel, routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    let Some(quiet) = channel.settings.as_ref().and_then(|settings| settings.quiet.as_ref()) else { return };
    let kinds = routes.kinds();
    for text in &channel.held {
        let glob = Glob::new(text.get_ref());
        if is_of_notices(&glob) && quiet.except.iter().any(is_of_notices) {
            let message = "these quiet hours both hold operator.notice and let it through";
            let help = "take it out of hold, or out of except: without either it comes through";
            problems.error(text.span(), message, help);
        }
        // What matches nothing at all is said elsewhere.
        if !is_of_notices(&glob) && kinds.iter().any(|kind| glob.matches(kind)) {
            let message = format!("to hold \"{}\" changes nothing", text.get_ref());
            let help = "hold is for operator.notice: a test that you send never waits, and all else does unless it is in \
                except";
            problems.warning(text.span(), message, help);
        }
    }
}

fn is_of_notices(glob: &Glob) -> bool {
    glob.matches(&Kind::OperatorNotice.to_string())
}

/// Hours in which no channel of the operator lets a notice through.
fn at_once(notified: &[&ReadChannel], problems: &Diagnostics<'_>) {
    let Some(all) = notified.iter().map(|channel| holding(channel)).collect::<Option<Vec<_>>>() else { return };
    let Some((_, zone)) = all.first() else { return };
    let hours: Vec<_> = all.iter().map(|(quiet, zone)| (*quiet, &zone.zone)).collect();
    let Some((begins, ends)) = quiet::overlap(&hours) else { return };
    let clock = |at: Timestamp| at.to_zoned(zone.zone.clone()).strftime("%H:%M").to_string();
    let message = format!(
        "from {} to {} ({}) nobody is notified when something is wrong with Orderbell: {} operator.notice then",
        clock(begins),
        clock(ends),
        zone.name,
        listed(notified, "holds", "hold")
    );
    let help = "take operator.notice out of one hold, or name a channel in [operator] that does not hold it";
    problems.warning(place(notified[0]), message, help);
}

/// The quiet hours of a channel and its zone, where they hold notices.
fn holding(channel: &ReadChannel) -> Option<(&Quiet, &Zone)> {
    let settings = channel.settings.as_ref()?;
    let hours = settings.quiet.as_ref()?;
    (!hours.passes(&Kind::OperatorNotice.to_string())).then_some((hours, &settings.timezone))
}

/// Where a channel says that it holds notices.
fn place(channel: &ReadChannel) -> Range<usize> {
    let names_it = |text: &&Spanned<String>| is_of_notices(&Glob::new(text.get_ref()));
    channel.held.iter().find(names_it).map_or(channel.name.span(), Spanned::span)
}

/// An operator who can be reached in one way only is not notified when that way does not work.
fn alone(channels: &Channels, notified: &[&ReadChannel], routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    let ways: BTreeSet<String> = notified.iter().flat_map(|channel| ways(channels, channel)).collect();
    let (Some(first), 1, Some(at)) = (notified.first(), ways.len(), routes.operator.first()) else { return };
    let message = match notified {
        [one] => format!("when \"{}\" does not work, nobody is notified of it", one.name()),
        _ => format!(
            "{} the same way out: when it does not work, nobody is notified of it",
            listed(notified, "is", "are")
        ),
    };
    // A program is not somebody who reads notices.
    let reads = |channel: &&ReadChannel| channel.kind.is_some_and(|kind| !kind.is_for_programs);
    let mut others = channels.iter().filter(reads);
    match others.find(|channel| !ways.contains(&way(channel))) {
        Some(other) => {
            let help = format!("name a second channel: to = [\"{}\", \"{}\"]", first.name(), other.name());
            problems.warning(at.span(), message, help);
        }
        None => {
            let help = "a second channel, such as a mailbox, can be named beside it";
            problems.note(at.span(), message, help);
        }
    }
}

/// By what a notice to this channel can arrive: by itself, and by its fallback where notices do not wait for the channel.
fn ways(channels: &Channels, channel: &ReadChannel) -> Vec<String> {
    let settings = channel.settings.as_ref().filter(|settings| settings.urgent.iter().any(is_of_notices));
    let fallback = settings.and_then(|settings| find(channels, settings.fallback.as_ref()?));
    std::iter::once(channel).chain(fallback).map(way).collect()
}

/// What works or does not as a whole: channels on one credential are one.
fn way(channel: &ReadChannel) -> String {
    let usable = channel.way.as_ref().filter(|way| way.channel().unready().is_none());
    match usable {
        Some(way) => format!("{} {}", way.channel().kind(), way.channel().credential()),
        None => format!("[channel.{}]", channel.name()),
    }
}

/// `"owner" holds`, or `"owner" and "boss" hold`.
fn listed(channels: &[&ReadChannel], one: &str, several: &str) -> String {
    let names: Vec<String> = channels.iter().map(|channel| format!("\"{}\"", channel.name())).collect();
    format!("{} {}", names.join(" and "), if channels.len() == 1 { one } else { several })
}
