//! The keys of the file by what stands under them, as the schema has it: what is no secret, and what holds some. Under a key
//! that is in none of these lists, everything is hidden.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::config::schema::schema;
use crate::config::shape::{Schema, ShapeSort, ValueShape};

/// Open keys whose tables have names of the merchant's own.
pub const MAPS: [&str; 2] = ["fields", "shops"];

/// The keys of the whole file.
#[derive(Default)]
pub struct Keys {
    /// Those whose values are no secrets, wherever they stand.
    pub open: BTreeSet<String>,
    /// Tables of such keys and others; what stands in their place is hidden.
    pub tables: BTreeSet<String>,
    /// Tables whose members have names.
    pub families: BTreeSet<String>,
    /// Secrets whose hosts are none.
    pub addresses: BTreeSet<String>,
    /// Tables of the merchant's own names, with a secret under each.
    pub secret_maps: BTreeSet<String>,
    /// Ways to sign; another word in their place may be what signs.
    pub schemes: BTreeSet<String>,
    pub secrets: BTreeSet<String>,
}

pub static KEYS: LazyLock<Keys> = LazyLock::new(|| {
    let mut keys = Keys::default();
    keys.note_table(ValueShape(schema()).root());
    let Keys { open, secrets, .. } = &mut keys;
    open.retain(|key| !secrets.contains(key));
    keys
});

impl Keys {
    fn note_table(&mut self, table: Schema<'_>) {
        table.entries().filter(|(key, _)| *key != "*").for_each(|(key, inner)| self.note(key, inner));
    }

    fn note(&mut self, key: &str, inner: Schema<'_>) {
        if inner.is_address() {
            self.addresses.insert(key.to_owned());
        }
        let list = match inner.sort() {
            _ if inner.is_secret() => &mut self.secrets,
            ShapeSort::List(item) => return self.note(key, item),
            ShapeSort::Table => {
                self.note_table(inner);
                &mut self.tables
            }
            ShapeSort::Map => {
                let each: Vec<Schema<'_>> = inner.entries().flat_map(|(_, each)| each.kinds()).collect();
                each.iter().for_each(|each| self.note_table(*each));
                match each.first() {
                    Some(each) if each.is_secret() => &mut self.secret_maps,
                    Some(each) if each.entries().next().is_some() => &mut self.families,
                    _ => &mut self.open,
                }
            }
            ShapeSort::Choice(words) if key == "scheme" => {
                self.schemes.extend(words.into_iter().map(str::to_owned));
                &mut self.open
            }
            _ => &mut self.open,
        };
        list.insert(key.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_secret_in_one_table_is_open_in_none() {
        for key in ["app_secret", "password", "secret", "token", "token_hash", "url", "webhook", "base_url", "proxy"] {
            assert!(KEYS.secrets.contains(key) && !KEYS.open.contains(key) && !KEYS.tables.contains(key), "{key}");
        }
        for key in ["app_id", "kind", "mobiles", "smtp", "events", "at", "per", "language", "shops"] {
            assert!(KEYS.open.contains(key), "{key}");
        }
        let sorted = |list: &BTreeSet<String>| list.iter().cloned().collect::<Vec<_>>().join(" ");
        assert_eq!(sorted(&KEYS.addresses), "base_url fail_url proxy url webhook");
        assert_eq!(sorted(&KEYS.secret_maps), "headers");
        assert_eq!(sorted(&KEYS.families), "channel report source tokens");
        assert_eq!(sorted(&KEYS.schemes), "apsdai apsdai-password none standard-webhooks");
        for table in ["admin", "fields", "mention", "operator", "quiet", "rate", "route", "server", "signing", "store"]
        {
            assert!(KEYS.tables.contains(table), "{table}");
        }
    }
}
