//! `[source.<name>]`: the tag `platform` first, the platform's own struct second.

use jiff::SignedDuration;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde_json::Value;
use toml::Spanned;

use crate::config::configured::ConfiguredSource;
use crate::config::context::LoadContext;
use crate::config::secrets;
use crate::config::section::Section;
use crate::config::tagged::{SchemaKind, tag, tagged};
use crate::diagnostic::ConfigPart;
use crate::diagnostic::collect::Diagnostics;
use crate::domain::duration;
use crate::domain::event::OWN_SOURCE;
use crate::domain::settings::{ReadSettings, SettingsTable};
use crate::platform::kinds;
use crate::platform::kinds::{PLATFORMS, Source};

/// A source as far as it could be read.
pub struct ReadSource {
    pub name: Spanned<String>,
    pub source: Option<ConfiguredSource>,
}

/// What every source takes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Shared {
    /// The kind of system that sends webhooks.
    #[schemars(extend("enum" = kinds::names()))]
    platform: String,
    /// The operator is notified when nothing at all has come for so long.
    #[serde(default, deserialize_with = "crate::domain::duration::deserialize_option")]
    #[schemars(with = "duration::DurationText", example = &"26h")]
    silent_after: Option<SignedDuration>,
}

/// The schema of `[source.<name>]`.
pub fn schema(generator: &mut SchemaGenerator) -> Value {
    let kinds = PLATFORMS
        .iter()
        .map(|known| SchemaKind { name: known.name, schema: (known.schema)(generator), without: Vec::new() })
        .collect();
    tagged("platform", Shared::json_schema(generator), kinds)
}

impl ReadSource {
    pub fn name(&self) -> &str {
        self.name.get_ref()
    }
}

/// Reads one, as far as it can be read.
pub fn read(
    (name, section): (Spanned<String>, Section<'_>),
    context: &LoadContext<'_>,
    problems: &Diagnostics<'_>,
) -> ReadSource {
    problems.enter(ConfigPart::Source(name.get_ref().clone()));
    if name.get_ref() == OWN_SOURCE {
        let help = "events that Orderbell makes itself have this source; choose another name";
        problems.error(name.span(), format!("a source cannot be named \"{OWN_SOURCE}\""), help);
    }
    let verify_at = section.at(&["verify"]);
    let source = read_settings(section, context, problems);
    let observes = |configured: &ConfiguredSource| configured.source.platform().observes("").is_some();
    if source.as_ref().is_some_and(observes) {
        let name = name.get_ref();
        let message = format!(
            "\"{name}\" only observes: a webhook whose signature does not fit is acknowledged, recorded and delivered to nobody"
        );
        let help = format!(
            "once signatures fit, which `orderbell why {name}` shows, set verify = \"enforce\", so that nobody else is believed"
        );
        problems.note(verify_at, message, help);
    }
    ReadSource { name, source }
}

fn read_settings(
    mut section: Section<'_>,
    context: &LoadContext<'_>,
    problems: &Diagnostics<'_>,
) -> Option<ConfiguredSource> {
    let mut shared = section.split_off(Shared::json_schema);
    let known = shared.text(&["platform"]).and_then(kinds::kind_named);
    shared.check(&["platform"], &|name| tag(name, "platform", &kinds::names()));
    let settings = shared.read::<Shared>();
    let known = known?;
    let mark = problems.mark();
    secrets::resolve(&mut section, known.schema, context);
    let source = Source::read(known.name, &mut section);
    let settings = settings.filter(|settings| settings.platform == known.name)?;
    let closed = problems.waits_since(mark);
    Some(ConfiguredSource { source: source?, silent_after: settings.silent_after, closed })
}
