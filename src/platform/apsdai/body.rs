//! A body of which nobody published the shape: where its members are, and which of them a detail is.

use std::collections::BTreeMap;

use crate::domain::order::MAX_LINES;
use crate::platform::apsdai::fields::{FieldName, Fields, Pointer, WRAPPERS, folded};
use crate::platform::field::JsonField;

/// The members of one object, by their folded names.
type Scope = BTreeMap<String, JsonField>;

/// How deep objects in objects are looked into.
const MAX_DEPTH: usize = 3;
/// The most items of a list that are looked at: one more than is shown, so that it can be said that there are more.
const MAX_ITEMS: usize = MAX_LINES + 1;

/// A body, or one item of a list in it.
#[derive(Debug, Default)]
pub struct Body {
    root: JsonField,
    /// The root, then the objects inside it, outermost first.
    scopes: Vec<Scope>,
    /// The items of a list in the place of one object.
    listed: Vec<Scope>,
}

/// A value and where it was.
pub struct Located<T> {
    pub value: T,
    /// Its name in the table; none where the source says where it is.
    pub name: Option<&'static str>,
    /// It belongs to one item of a list that stands in the place of an object.
    pub is_listed: bool,
}

impl Body {
    /// A list of one object counts as the object; so does a text that holds JSON.
    pub fn of(root: &JsonField) -> Self {
        let mut body = Self { root: root.clone(), ..Self::default() };
        let mut level = Vec::from_iter(body.enter(root));
        for _ in 0..MAX_DEPTH {
            let inner = level.iter().flat_map(|scope| WRAPPERS.iter().filter_map(|name| scope.get(*name)));
            let inner: Vec<Scope> = inner.flat_map(|raw| body.enter(raw)).collect();
            body.scopes.append(&mut level);
            level = inner;
        }
        body.scopes.append(&mut level);
        body
    }

    /// The object that a value is; a longer list is put aside.
    fn enter(&mut self, field: &JsonField) -> Option<Scope> {
        if let Some(scope) = members(field) {
            return Some(scope);
        }
        let mut items: Vec<Scope> = items(field).iter().filter_map(members).collect();
        if items.len() == 1 {
            return items.pop();
        }
        self.listed.append(&mut items);
        None
    }

    /// Nothing at all: `{}`, `[]`, `null` or `""`.
    pub fn is_empty(&self) -> bool {
        let packed: String = self.root.raw().split_ascii_whitespace().collect();
        matches!(packed.as_str(), "" | "{}" | "[]" | "null" | "\"\"")
    }

    /// The objects of the body, outermost first.
    pub fn scopes(&self) -> &[Scope] {
        &self.scopes
    }

    /// The first readable value of a detail: where the source says that it is, else under the likeliest name.
    pub fn find<T>(&self, fields: &Fields, detail: FieldName, read: impl Fn(&JsonField) -> Option<T>) -> Option<T> {
        self.found(fields, detail, read).map(|found| found.value)
    }

    /// As [`Body::find`], with where it was.
    pub fn found<T>(
        &self,
        fields: &Fields,
        detail: FieldName,
        read: impl Fn(&JsonField) -> Option<T>,
    ) -> Option<Located<T>> {
        let pointed = fields.get(&detail).and_then(|pointer| read(&self.at(pointer)));
        if let Some(value) = pointed {
            return Some(Located { value, name: None, is_listed: false });
        }
        let among = |scopes: &[Scope], is_listed| {
            detail.names().iter().find_map(|name| {
                let value = scopes.iter().find_map(|scope| read(&under(scope, name)))?;
                Some(Located { value, name: Some(*name), is_listed })
            })
        };
        among(&self.scopes, false).or_else(|| among(&self.listed, true))
    }

    /// Whether something stands where a detail may stand.
    pub fn has(&self, fields: &Fields, detail: FieldName) -> bool {
        self.find(fields, detail, |field| field.says_something().then_some(())).is_some()
    }

    /// Whether anything stands where a detail may stand, be it null.
    pub fn stands(&self, fields: &Fields, detail: FieldName) -> bool {
        self.find(fields, detail, |field| field.is_there().then_some(())).is_some()
    }

    /// The items of a list: where the source says that it is, else under the likeliest name, else the list that stands in
    /// the place of an object.
    pub fn items(&self, fields: &Fields, detail: FieldName) -> Vec<Body> {
        let filled =
            |field: &JsonField| Some(items(field)).filter(|items| items.iter().any(|item| members(item).is_some()));
        let found = self.find(fields, detail, filled).unwrap_or_default();
        if found.is_empty() {
            return self.listed.iter().map(|scope| Self { scopes: vec![scope.clone()], ..Self::default() }).collect();
        }
        found.iter().map(Self::of).collect()
    }

    fn at(&self, pointer: &Pointer) -> JsonField {
        pointer.steps().iter().fold(self.root.clone(), |field, step| {
            let field = unwrapped(&field);
            match step.parse::<usize>() {
                Ok(index) if field.is_list() => field.list().nth(index).unwrap_or_default(),
                _ => field.get(step),
            }
        })
    }
}

/// The value under a name of the table; one dot leads into an object.
fn under(scope: &Scope, name: &str) -> JsonField {
    let found = match name.split_once('.') {
        Some((outer, inner)) => scope.get(outer).and_then(members).and_then(|mut inside| inside.remove(inner)),
        None => scope.get(name).cloned(),
    };
    found.unwrap_or_default()
}

/// The members of an object; of two that fold to one name, the first in the alphabet; of twins the last.
pub fn members(field: &JsonField) -> Option<Scope> {
    let object = unwrapped(field);
    if !object.is_object() {
        return None;
    }
    let mut scope = Scope::new();
    for (name, value) in object.members() {
        scope.entry(folded(&name)).or_insert(value);
    }
    Some(scope)
}

fn items(field: &JsonField) -> Vec<JsonField> {
    unwrapped(field).list().take(MAX_ITEMS).collect()
}

/// The object or list that a text holds; any other value as it is.
fn unwrapped(field: &JsonField) -> JsonField {
    let inner = field.is_text().then(|| field.raw_text()).flatten();
    let inner = inner.filter(|inner| inner.trim_start().starts_with(['{', '[']));
    inner.map(|inner| JsonField::of(&inner)).filter(JsonField::is_there).unwrap_or_else(|| field.clone())
}
