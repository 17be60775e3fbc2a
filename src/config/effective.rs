//! Which settings a channel has, key by key, with the values that references to secrets stand for.

use toml::de::{DeTable, DeValue};

use crate::config::secrets::Reference;
use crate::config::section::Section;
use crate::domain::effective::{EffectiveSettings, ValueOrigin};
use crate::domain::secret::Secret;

/// Notes each key of a section under `place`, with `references` as they were before the secrets took their place.
pub fn note(settings: &mut EffectiveSettings, place: &str, section: &Section<'_>, references: Vec<Reference>) {
    note_table(settings, place, &section.table);
    for Reference { path, origin } in references {
        let keys: Vec<&str> = path.iter().map(String::as_str).collect();
        let value = section.value(&keys).and_then(|value| value.get_ref().as_str()).map(Secret::new);
        settings.note(format!("{place}.{}", path.join(".")), value, origin);
    }
}

/// What holds for all channels, where this one says nothing else.
pub fn note_shared(settings: &mut EffectiveSettings, section: &Section<'_>, key: &str, value: &str) {
    if section.value(&[key]).is_none() {
        settings.note(key.to_owned(), Some(Secret::new(value)), ValueOrigin::Configuration);
    }
}

fn note_table(settings: &mut EffectiveSettings, place: &str, table: &DeTable<'_>) {
    for (key, value) in table {
        let place = format!("{place}.{}", key.get_ref());
        match value.get_ref() {
            DeValue::Table(inner) => note_table(settings, &place, inner),
            value => settings.note(place, Some(Secret::new(written(value))), ValueOrigin::Configuration),
        }
    }
}

/// A value as a text, by which values of one type are distinguished. A text is itself, whether it stands here or a reference does.
fn written(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => text.clone().into_owned(),
        DeValue::Integer(integer) => integer.to_string(),
        DeValue::Float(float) => float.to_string(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(datetime) => datetime.to_string(),
        DeValue::Array(list) => {
            let items = list.iter().map(|item| format!("{:?}", written(item.get_ref())));
            format!("[{}]", items.collect::<Vec<_>>().join(", "))
        }
        DeValue::Table(table) => {
            let items =
                table.iter().map(|(key, value)| format!("{:?} = {:?}", key.get_ref(), written(value.get_ref())));
            format!("{{{}}}", items.collect::<Vec<_>>().join(", "))
        }
    }
}
