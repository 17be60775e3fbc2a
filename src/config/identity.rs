//! By what instances that share a store see whether they have the same configuration.
//!
//! What is of one machine is left out: its listeners, where its store and its backups are, and where a secret is kept. A secret
//! counts by its value. The short digest goes into the store, so it must not help to guess a secret offline: it is made of
//! all of them at once, platform secrets and robot tokens among them, and of its 32 bits many sets of passwords have each.

use std::fmt::Write;
use std::path::Path;

use sha2::{Digest, Sha256};
use toml::{Table, Value};

use crate::domain::language::folders::Sources;

/// The sections and keys that are of one machine.
const LOCAL: [&str; 6] = ["server", "admin", "store", "backup", "heartbeat", "templates"];

/// The digest of a configuration that was read, with the folder that its paths begin at and its templates.
pub fn identity(text: &str, folder: &Path, overlay: &Sources) -> String {
    let mut table: Table = text.parse().unwrap_or_default();
    let public_url = table.get("server").and_then(|server| server.get("public_url")).cloned();
    table.retain(|key, _| !LOCAL.contains(&key));
    let mut whole = String::new();
    write_value(&Value::Table(table), folder, &mut whole);
    // The platforms know it, so it is the same for all.
    public_url.iter().for_each(|url| write_value(url, folder, &mut whole));
    let _ = write!(whole, "{overlay:?}");
    hex::encode(&Sha256::digest(whole)[..4])
}

/// Writes a value in one way, whatever way it stands in the file.
fn write_value(value: &Value, folder: &Path, whole: &mut String) {
    match value {
        Value::Table(table) => match referred(table, folder) {
            Some(secret) => write_text(secret.trim(), whole),
            None => {
                let mut keys: Vec<&String> = table.keys().collect();
                keys.sort_unstable();
                whole.push('{');
                for key in keys {
                    write_text(key, whole);
                    write_value(&table[key], folder, whole);
                }
                whole.push('}');
            }
        },
        Value::Array(values) => {
            whole.push('[');
            values.iter().for_each(|value| write_value(value, folder, whole));
            whole.push(']');
        }
        Value::String(text) => write_text(text, whole),
        other => {
            let _ = write!(whole, "{other};");
        }
    }
}

/// With its length, so that nothing can stand for what stands beside it.
fn write_text(text: &str, whole: &mut String) {
    let _ = write!(whole, "{}:{text}", text.len());
}

/// What `{ env = "NAME" }` or `{ file = "path" }` refers to, as far as it can be read.
fn referred(table: &Table, folder: &Path) -> Option<String> {
    let (key, value) = table.iter().next().filter(|_| table.len() == 1)?;
    match key.as_str() {
        "env" => std::env::var(value.as_str()?).ok(),
        "file" => std::fs::read_to_string(folder.join(value.as_str()?)).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &str = "language = 'en'\n[channel.erp]\nsecret = 'deep sea'\nkind = 'webhook'\n";

    fn of(text: &str) -> String {
        identity(text, Path::new(env!("CARGO_MANIFEST_DIR")), &Sources::default())
    }

    #[test]
    fn what_is_of_one_machine_makes_no_other_configuration_and_neither_does_its_spelling() {
        let other = "# mine\nlanguage = \"en\"\nstore.url = 'sqlite:x.db'\nchannel.erp = { kind = 'webhook', secret = 'deep sea' }\n[server]\nlisten = '127.0.0.1:1'\n";
        assert_eq!(of(PLAIN), of(other));
    }

    #[test]
    fn a_secret_counts_by_its_value_and_not_by_where_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("sea"), "deep sea\n").unwrap();
        let kept = PLAIN.replace("'deep sea'", "{ file = 'sea' }");
        let of = |text: &str| identity(text, folder.path(), &Sources::default());
        assert_eq!(of(&kept), of(PLAIN));
        std::fs::write(folder.path().join("sea"), "shallow\n").unwrap();
        assert_ne!(of(&kept), of(PLAIN));
    }

    #[test]
    fn another_route_or_address_makes_another_configuration() {
        let routed = format!("{PLAIN}[[route]]\nevents = ['order.*']\nto = ['erp']\n");
        assert_ne!(of(&routed), of(PLAIN));
        assert_ne!(of(&format!("{PLAIN}[server]\npublic_url = 'https://a.example.com'\n")), of(PLAIN));
    }
}
