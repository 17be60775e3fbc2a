//! `[channel.<name>]`: what every channel takes, then the tag `kind`, then the kind's own struct.

use std::ops::Range;

use jiff::SignedDuration;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;
use toml::Spanned;

use crate::channel::kinds::{ChannelConfig, KINDS};
use crate::channel::settings::ChannelSettings;
use crate::channel::unready::Unready;
use crate::channel::{ChannelKind, kinds, robot};
use crate::config::configured::ConfiguredChannel;
use crate::config::context::LoadContext;
use crate::config::globals::Globals;
use crate::config::section::Section;
use crate::config::tagged::{SchemaKind, tag, tagged};
use crate::config::{effective, secrets, values};
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::effective::EffectiveSettings;
use crate::domain::rate_limit::RateLimit;
use crate::domain::secret::Secret;
use crate::domain::settings::{InvalidValue, Reach, ReadSettings, SettingsTable, check_address, web_url};

const LONGEST_TIMEOUT: SignedDuration = SignedDuration::from_mins(2);

/// A channel as far as it could be read.
pub struct ReadChannel {
    pub name: Spanned<String>,
    /// When there is such a kind.
    pub kind: Option<&'static ChannelKind>,
    pub way: Option<ChannelConfig>,
    pub settings: Option<ChannelSettings>,
    /// As they are written, also where they are wrong.
    pub effective: EffectiveSettings,
    /// The name of its fallback.
    pub fallback: Option<Spanned<String>>,
    /// The patterns over kinds in it.
    pub patterns: Vec<Spanned<String>>,
    /// The patterns over kinds that are held in quiet hours.
    pub held: Vec<Spanned<String>>,
    /// What the provider counts by, where it does: the kind, and the token in the robot's address.
    pub robot: Option<Spanned<Secret>>,
}

impl ReadChannel {
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }

    pub fn channel(self) -> Option<ConfiguredChannel> {
        Some(ConfiguredChannel { way: self.way?, settings: self.settings?, effective: self.effective })
    }
}

/// The schema of `[channel.<name>]`.
pub fn schema(generator: &mut SchemaGenerator) -> Value {
    let kinds = KINDS.iter().map(|known| {
        let without = known.refuses.iter().map(|(key, _)| *key).collect();
        SchemaKind { name: known.name, schema: (known.schema)(generator), without }
    });
    let kinds = kinds.collect();
    tagged("kind", ChannelSettings::json_schema(generator), kinds)
}

/// Reads one, as far as it can be read.
pub fn read(
    (name, mut section): (Spanned<String>, Section<'_>),
    globals: &Globals,
    context: &LoadContext<'_>,
    problems: &Diagnostics<'_>,
) -> ReadChannel {
    problems.enter(ConfigPart::Channel(name.get_ref().clone()));
    let mark = problems.mark();
    let mut shared = section.split_off(ChannelSettings::json_schema);
    let kind = shared.text(&["kind"]).and_then(kinds::kind_named);
    shared.check(&["kind"], &|name| tag(name, "kind of channel", &kinds::kind_names()));
    let is_private = shared.value(&["allow_private"]).and_then(|value| value.get_ref().as_bool()).unwrap_or_default();
    let reach = if is_private { Reach::Private } else { Reach::Public };
    for (key, help) in kind.map(|kind| kind.refuses).unwrap_or_default() {
        section.takes_no(key);
        if let Some(at) = shared.key_at(key) {
            problems.mask(shared.at(&[key]));
            let kind = shared.text(&["kind"]).unwrap_or_default();
            problems.error(at, format!("a channel of kind \"{kind}\" takes no {key}"), *help);
            shared.drop_wrong(&[key]);
        }
    }
    let (mut effective, place) = (EffectiveSettings::default(), format!("channel.{}", name.get_ref()));
    let references = secrets::resolve(&mut shared, ChannelSettings::json_schema, context);
    effective::note(&mut effective, &place, &shared, references);
    effective::note_shared(&mut effective, &shared, "language", &globals.language);
    effective::note_shared(&mut effective, &shared, "timezone", &globals.timezone.name);
    let settings = read_shared(&mut shared, reach, globals, context, problems);
    let (mut way, mut robot) = (None, None);
    if let Some(kind) = kind {
        let references = secrets::resolve(&mut section, kind.schema, context);
        effective::note(&mut effective, &place, &section, references);
        robot = kind.robot_parameter.and_then(|parameter| robot_of(&section, kind.name, parameter));
        way = ChannelConfig::read(kind.name, &mut section, reach);
        if let (Some(most), Some(rate)) = (kind.per_minute, settings.as_ref().and_then(|settings| settings.rate)) {
            check_rate(rate, most, shared.at(&["rate"]), problems);
        }
    }
    if let (Some(way), Some(settings)) = (&mut way, &settings) {
        settings.apply(way, context.folder(), &mut section);
    }
    if let (Some(kind), Some(reason)) = (kind, problems.waits_since(mark)) {
        way = Some(ChannelConfig::Unready(Unready { kind: kind.name, reason }));
    }
    let held = shared.spanned_texts(&["quiet", "hold"]);
    let urgent = shared.spanned_texts(&["urgent"]).into_iter();
    let patterns = urgent.chain(shared.spanned_texts(&["quiet", "except"])).chain(held.iter().cloned()).collect();
    let fallback = shared.text(&["fallback"]).map(str::to_owned);
    let fallback = fallback.map(|fallback| Spanned::new(shared.at(&["fallback"]), fallback));
    ReadChannel { name, kind, way, settings, effective, fallback, patterns, held, robot }
}

/// The robot that an address leads to: its kind and its token.
fn robot_of(section: &Section<'_>, kind: &str, parameter: &str) -> Option<Spanned<Secret>> {
    let token = robot::token(section.text(&["webhook"])?, parameter)?;
    Some(Spanned::new(section.at(&["webhook"]), Secret::new(format!("{kind} {token}"))))
}

fn read_shared(
    section: &mut Section<'_>,
    reach: Reach,
    globals: &Globals,
    context: &LoadContext<'_>,
    problems: &Diagnostics<'_>,
) -> Option<ChannelSettings> {
    section.check(&["language"], &|name| values::language(name, context.languages));
    section.check(&["timezone"], &|name| values::zone(name).map(drop));
    check_relay(section, reach);
    section.check(&["proxy"], &|text| match web_url(text) {
        Some(_) => Ok(()),
        None => Err(InvalidValue::new(
            "\"proxy\" is not the address of an HTTP proxy",
            "a whole address, such as \"http://127.0.0.1:3128\" or \"http://user:password@proxy.example.com:3128\"",
        )),
    });
    section.inherit("language", &globals.language);
    section.inherit("timezone", &globals.timezone.name);
    let settings: ChannelSettings = section.read()?;
    for (key, wrong, message, help) in [
        (
            "base_url",
            settings.base_url.is_some() && settings.proxy.is_some(),
            "a channel has a base_url or a proxy, not both",
            "base_url takes the place of the vendor's address, a proxy stands before it",
        ),
        (
            "rate",
            settings.rate.is_some_and(|rate| rate.count == 0 || rate.per.is_zero()),
            "a rate of nothing would never send",
            "for example rate = { per = \"1m\", count = 18 }",
        ),
        (
            "timeout",
            settings.timeout.is_zero() || settings.timeout > LONGEST_TIMEOUT,
            "this timeout is out of bounds",
            "between \"1s\" and \"2m\"; \"15s\" is the default",
        ),
        (
            "quiet",
            settings.quiet.as_ref().is_some_and(|quiet| quiet.from == quiet.to),
            "these quiet hours begin when they end",
            "for example quiet = { from = \"23:00\", to = \"07:30\" }",
        ),
    ] {
        if wrong {
            problems.error(section.at(&[key]), message, help);
        }
    }
    Some(settings)
}

/// Judges a server that stands in a vendor's place.
fn check_relay(table: &mut dyn SettingsTable, reach: Reach) {
    let right = "https://relay.example.com/dingtalk";
    check_address(table, "base_url", right, reach);
    table.check(&["base_url"], &|text| match web_url(text) {
        Some(url) if url.query().is_some() || url.fragment().is_some() => Err(InvalidValue::new(
            "a base_url ends before any ? or #",
            format!("the path and the token of the robot's address are put behind it; such as {right}"),
        )),
        _ => Ok(()),
    });
}

/// A rate above the vendor's is obeyed, and the vendor will refuse what is too much.
fn check_rate(rate: RateLimit, most_per_minute: u32, at: Range<usize>, problems: &Diagnostics<'_>) {
    let ours = i128::from(rate.count) * SignedDuration::from_mins(1).as_nanos();
    if ours > i128::from(most_per_minute) * rate.per.as_nanos() {
        problems.warning(
            at,
            format!("this rate is above the vendor's {most_per_minute} messages a minute"),
            "the vendor shuts a robot that sends more out for a while; stay below",
        );
    }
}
