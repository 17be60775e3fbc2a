//! The keys of the file by what stands under them: what is no secret, and what holds some. Under a key that is in none of these
//! lists, everything is hidden.

/// Keys whose values are no secrets.
pub const OPEN: [&str; 52] = [
    "after_fallback",
    "all",
    "allow_private",
    "amount_unit",
    "app_id",
    "at",
    "at_once",
    "attach_csv",
    "ca_file",
    "cc",
    "connections",
    "count",
    "currency",
    "days",
    "events",
    "every",
    "except",
    "fallback",
    "fallback_after",
    "fields",
    "format",
    "from",
    "hello_name",
    "hold",
    "keep",
    "keyword",
    "kind",
    "language",
    "listen",
    "max_age",
    "max_body",
    "mobiles",
    "per",
    "platform",
    "public_url",
    "registered_url",
    "reply_to",
    "retry",
    "shops",
    "silent_after",
    "smtp",
    "sources",
    "templates",
    "timeout",
    "timezone",
    "to",
    "unsubscribe",
    "urgent",
    "user_ids",
    "username",
    "verify",
    "when",
];

/// Tables of such keys and others; what stands in their place is hidden.
pub const TABLES: [&str; 12] = [
    "admin",
    "backup",
    "channel",
    "heartbeat",
    "mention",
    "operator",
    "quiet",
    "rate",
    "report",
    "route",
    "server",
    "source",
];

/// Open keys whose tables have names of the merchant's own.
pub const MAPS: [&str; 2] = ["fields", "shops"];

/// Tables whose members have names.
pub const FAMILIES: [&str; 3] = ["channel", "report", "source"];

/// Ways to sign; another word in their place may be what signs.
pub const SCHEMES: [&str; 4] = ["apsdai", "apsdai-password", "none", "standard-webhooks"];

/// Keys that are certainly no secrets, so that their lines may be shown whole even when the text has a syntax error.
pub const OPEN_ANYWHERE: [&str; 24] = [
    "app_id",
    "at",
    "cc",
    "currency",
    "days",
    "events",
    "fallback",
    "from",
    "keep",
    "keyword",
    "kind",
    "language",
    "listen",
    "max_age",
    "max_body",
    "mention",
    "platform",
    "public_url",
    "retry",
    "shops",
    "sources",
    "timezone",
    "to",
    "verify",
];

/// Keys of addresses: their hosts are no secrets.
pub const ADDRESSES: [&str; 5] = ["base_url", "fail_url", "proxy", "url", "webhook"];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::config::schema::schema;

    /// Names and schemas of all keys of the file, but not those of the merchant's own maps.
    fn keys(schema: &Value, found: &mut Vec<(String, Value)>) {
        match schema {
            Value::Object(members) => {
                for (name, inner) in members.get("properties").and_then(Value::as_object).into_iter().flatten() {
                    found.push((name.clone(), inner.clone()));
                    if !MAPS.contains(&name.as_str()) {
                        keys(inner, found);
                    }
                }
                members.iter().filter(|(name, _)| *name != "properties").for_each(|(_, inner)| keys(inner, found));
            }
            Value::Array(list) => list.iter().for_each(|inner| keys(inner, found)),
            _ => {}
        }
    }

    #[test]
    fn of_every_key_it_is_known_whether_it_is_a_secret() {
        let mut found = Vec::new();
        keys(&schema(), &mut found);
        assert!(found.len() > 100, "only {} keys", found.len());
        for (name, inner) in found {
            let is_secret = inner.to_string().contains("#/$defs/Secret");
            let (name, open) = (name.as_str(), OPEN.contains(&name.as_str()) || TABLES.contains(&name.as_str()));
            assert!(!(open && is_secret && !TABLES.contains(&name)), "{name} is a secret");
            let decided = ["env", "file", "scheme", "signing", "headers", "store"].contains(&name);
            assert!(open || is_secret || decided, "is {name} a secret? If it is none, it belongs in OPEN");
        }
    }
}
