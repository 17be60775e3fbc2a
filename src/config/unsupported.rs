//! What the configuration may say already and this version does not do yet: the one list of it.

use std::ops::Range;

use crate::config::section::Section;
use crate::diagnostic::Severity;
use crate::diagnostic::collect::Diagnostics;

/// In which tables a feature stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TablePlace {
    Top,
    Store,
    Source,
    Channel,
}

/// One feature that is not built yet.
struct Unsupported {
    place: TablePlace,
    /// A key, or the name of a kind.
    name: &'static str,
    severity: Severity,
    /// What happens, or what to do, until it is.
    meanwhile: &'static str,
}

const fn warned(place: TablePlace, name: &'static str, meanwhile: &'static str) -> Unsupported {
    Unsupported { place, name, severity: Severity::Warning, meanwhile }
}

const fn refused(place: TablePlace, name: &'static str, meanwhile: &'static str) -> Unsupported {
    Unsupported { place, name, severity: Severity::Error, meanwhile }
}

const NOT_YET: [Unsupported; 2] = [
    warned(TablePlace::Top, "admin page or API", "until then nothing listens there"),
    refused(TablePlace::Store, "stores on PostgreSQL", "use url = \"sqlite:orderbell.db\""),
];

/// Whether a feature is not built yet.
pub fn is_missing(name: &str, place: TablePlace) -> bool {
    NOT_YET.iter().any(|feature| feature.place == place && feature.name == name)
}

/// Says of each key of a section that is not built yet that it is not.
pub fn note_keys(section: &Section<'_>, place: TablePlace, problems: &Diagnostics<'_>) {
    for feature in NOT_YET.iter().filter(|feature| feature.place == place) {
        if let Some(span) = section.key_at(feature.name) {
            note(
                feature,
                span,
                format!("not yet: \"{}\" is understood but not obeyed in this version", feature.name),
                problems,
            );
        }
    }
}

/// Says of a kind that it is not built yet, where it is not.
pub fn note_kind(name: &str, place: TablePlace, span: Range<usize>, problems: &Diagnostics<'_>) {
    if let Some(feature) = NOT_YET.iter().find(|feature| feature.place == place && feature.name == name) {
        let what = match place {
            TablePlace::Channel => format!("channels of kind \"{name}\""),
            _ => name.to_owned(),
        };
        note(feature, span, format!("not yet: this version has no {what}"), problems);
    }
}

fn note(feature: &Unsupported, span: Range<usize>, message: String, problems: &Diagnostics<'_>) {
    match feature.severity {
        Severity::Error => problems.error(span, message, feature.meanwhile),
        Severity::Warning => problems.warning(span, message, feature.meanwhile),
        Severity::Note => problems.note(span, message, feature.meanwhile),
    }
}
