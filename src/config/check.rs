//! What only the whole file shows: names that nothing has, fallbacks that run in a circle, channels that nobody uses.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use jiff::SignedDuration;
use toml::Spanned;

use crate::config::channels::ReadChannel;
use crate::config::routes::ReadRoutes;
use crate::config::sources::ReadSource;
use crate::config::store::StoreConfig;
use crate::diagnostic::collect::Diagnostics;
use crate::diagnostic::suggest;
use crate::domain::event::Kind;
use crate::domain::glob::Glob;
use crate::domain::route::Route;
use crate::domain::settings::InvalidValue;
use crate::platform::GeneralSettings;
use crate::platform::kinds::Source;

/// So long an order may still change: Keeta's support cancels up to 30 days after its completion.
const ORDERS_CHANGE: SignedDuration = SignedDuration::from_hours(45 * 24);

type Sources = [ReadSource];
type Channels = [ReadChannel];

/// Every name that a route, the operator, a report or a fallback mentions must be there.
pub fn names(sources: &Sources, channels: &Channels, routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    let known: Vec<&str> = channels.iter().map(ReadChannel::name).collect();
    let fallbacks = channels.iter().filter_map(|channel| channel.fallback.as_ref());
    for name in routes.channels.iter().chain(fallbacks) {
        unknown(name, "channel", &known, problems);
    }
    let known: Vec<&str> = sources.iter().map(ReadSource::name).collect();
    for name in &routes.sources {
        unknown(name, "source", &known, problems);
    }
}

fn unknown(name: &Spanned<String>, family: &str, known: &[&str], problems: &Diagnostics<'_>) {
    if known.contains(&name.get_ref().as_str()) {
        return;
    }
    let help = match known.is_empty() {
        true => format!("a {family} is configured as [{family}.{}]", name.get_ref()),
        false => suggest::meant(name.get_ref(), known),
    };
    problems.error(name.span(), format!("there is no {family} \"{}\"", name.get_ref()), help);
}

/// Each circle of fallbacks is reported once, at its first channel in the file.
pub fn fallbacks(channels: &Channels, problems: &Diagnostics<'_>) {
    let next: BTreeMap<&str, &Spanned<String>> =
        channels.iter().filter_map(|channel| Some((channel.name(), channel.fallback.as_ref()?))).collect();
    let mut seen = BTreeSet::new();
    for start in channels.iter().map(ReadChannel::name) {
        let mut path = vec![start];
        while let Some(to) = path.last().and_then(|last| next.get(last)) {
            let to = to.get_ref().as_str();
            let back = path.iter().position(|&name| name == to);
            path.push(to);
            let Some(back) = back else { continue };
            // A path may lead into a circle without being part of it.
            if back == 0 && seen.insert(start) {
                seen.extend(&path);
                let at = next.get(to).map_or(0..0, |fallback| fallback.span());
                let message = format!("these fallbacks run in a circle: {}", path.join(" → "));
                problems.error(at, message, "let one of them have no fallback");
            }
            break;
        }
    }
}

/// What is odd about the routes and channels: the daemon starts, but probably does not do what was meant.
pub fn oddities(sources: &Sources, channels: &Channels, routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    if sources.is_empty() && channels.is_empty() {
        let help = "`orderbell init --source keeta --channel dingtalk` prints a configuration to begin with";
        problems
            .absence("nothing comes in and nothing goes out: there is no [source.NAME] and no [channel.NAME]", help);
    }
    if !routes.has_operator {
        let help = "add [operator] with `to = [\"…\"]`: the channels that are notified when something is wrong with Orderbell itself";
        problems.absence("nobody is notified when Orderbell needs attention: there is no [operator]", help);
    }
    let mut used: BTreeSet<&str> = routes.channels.iter().map(|name| name.get_ref().as_str()).collect();
    used.extend(channels.iter().filter_map(|channel| Some(channel.fallback.as_ref()?.get_ref().as_str())));
    for channel in channels {
        let name = channel.name();
        if !used.contains(name) {
            let help = format!("name it in a route: `to = [\"{name}\"]`");
            problems.warning(channel.name.span(), format!("nothing is ever sent to the channel \"{name}\""), help);
        }
    }
    let mut robots: BTreeMap<&str, &str> = BTreeMap::new();
    for channel in channels {
        let name = channel.name();
        let Some(robot) = &channel.robot else { continue };
        if let Some(first) = robots.insert(robot.get_ref().expose(), name) {
            let help = "they share its allowance of messages; a robot of its own for each is better";
            problems.warning(robot.span(), format!("the channels \"{first}\" and \"{name}\" are the same robot"), help);
        }
    }
    patterns(channels, routes, problems);
}

/// Patterns over kinds that match nothing.
fn patterns(channels: &Channels, routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    let kinds = routes.kinds();
    let kinds: Vec<&str> = kinds.iter().map(String::as_str).collect();
    let routed = routes.events.iter().map(|pattern| &pattern.text);
    let others = channels.iter().flat_map(|channel| &channel.patterns);
    let families = Kind::ALL.iter().map(|kind| format!("{}.*", kind.family())).collect::<BTreeSet<_>>();
    for text in routed.chain(others).filter(|text| !text.get_ref().is_empty()) {
        let glob = Glob::new(text.get_ref());
        if !kinds.iter().any(|kind| glob.matches(kind)) {
            let message = format!("no event is of a kind like \"{}\"", text.get_ref());
            let meant: Vec<&str> = match glob.is_literal() {
                true => kinds.clone(),
                false => families.iter().map(String::as_str).collect(),
            };
            problems.warning(text.span(), message, suggest::meant(text.get_ref(), &meant));
        }
    }
}

/// Routes that are limited to sources which never send what they match.
pub fn unsent(sources: &Sources, routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    for pattern in &routes.events {
        let Some(named) = pattern.sources.as_ref().filter(|named| !named.is_empty()) else { continue };
        let kinds: Option<Vec<Kind>> = named.iter().try_fold(Vec::new(), |mut kinds, name| {
            kinds.extend(kinds_of(sources.iter().find(|known| known.name() == name)?)?);
            Some(kinds)
        });
        let glob = Glob::new(pattern.text.get_ref());
        let exists = Kind::ALL.iter().any(|kind| glob.matches(&kind.to_string()));
        // What is not known of a source, and what no event matches at all, is said elsewhere.
        if let Some(mut kinds) = kinds.filter(|_| exists)
            && !kinds.iter().any(|kind| glob.matches(&kind.to_string()))
        {
            kinds.sort();
            kinds.dedup();
            let kinds: Vec<String> = kinds.iter().map(Kind::to_string).collect();
            let message = format!("{} never sends \"{}\"", named.join(" or "), pattern.text.get_ref());
            problems.warning(pattern.text.span(), message, format!("it sends: {}", kinds.join(", ")));
        }
    }
}

/// A source, also one whose secret cannot be read now.
fn known(read: &ReadSource) -> Option<&Source> {
    read.source.as_ref().map(|configured| &configured.source)
}

/// What a source sends, where that is known.
fn kinds_of(read: &ReadSource) -> Option<Vec<Kind>> {
    // What cannot be read, any platform may send.
    let mut kinds = known(read)?.platform().kinds();
    kinds.push(Kind::Unrecognised);
    Some(kinds)
}

/// Groups and mailboxes to which a pattern brings the figures of a report besides; programs are meant to get everything.
pub fn overhearing(channels: &Channels, routes: &ReadRoutes, problems: &Diagnostics<'_>) {
    let Some(rules) = &routes.routes else { return };
    let programs = channels.iter().filter(|read| read.kind.is_some_and(|kind| kind.is_for_programs));
    let programs: Vec<&str> = programs.map(ReadChannel::name).collect();
    for (name, report) in routes.reports.iter().filter_map(|(name, report)| Some((name, report.as_ref()?))) {
        let kind = Kind::Report(name.clone()).to_string();
        let by_pattern = |glob: &Glob| !glob.is_literal() && glob.matches(&kind);
        let brings = |rule: &&Route| {
            let names_it = rule.events.iter().any(|glob| glob.is_literal() && glob.matches(&kind));
            rule.sources.is_none() && rule.shops.is_none() && !names_it && rule.events.iter().any(by_pattern)
        };
        let reached: BTreeSet<&String> = rules.routes.iter().filter(brings).flat_map(|rule| &rule.to).collect();
        let besides: Vec<String> = reached
            .into_iter()
            .filter(|channel| !report.to.contains(channel) && !programs.contains(&channel.as_str()))
            .map(|channel| format!("\"{channel}\""))
            .collect();
        let pattern = routes.events.iter().find(|pattern| by_pattern(&Glob::new(pattern.text.get_ref())));
        if let Some(pattern) = pattern.filter(|_| !besides.is_empty()) {
            let message = format!("{kind} goes to {} as well", besides.join(" and "));
            let help = "a pattern means reports, too: name the kinds, such as \"order.*\" and \"stock.*\", or add the \
                channel to the report's `to`";
            problems.warning(pattern.text.span(), message, help);
        }
    }
}

/// Reports restate what has changed as long as the store knows the orders.
pub fn memory(routes: &ReadRoutes, store: Option<&StoreConfig>, keep_at: Range<usize>, problems: &Diagnostics<'_>) {
    if !routes.report_names.is_empty() && store.is_some_and(|store| store.keep < ORDERS_CHANGE) {
        let message = "a report needs its orders for longer: one that is cancelled after this counts as another order";
        problems.warning(keep_at, message, "at least \"45d\"");
    }
}

/// Whether the rest of the configuration has what each source needs.
pub fn sources(sources: &Sources, general: GeneralSettings, problems: &Diagnostics<'_>) {
    for read in sources {
        let lacks = known(read).and_then(|source| source.platform().lacks(read.name(), general));
        if let Some(InvalidValue { message, help }) = lacks {
            problems.warning(read.name.span(), message, help);
        }
    }
}
