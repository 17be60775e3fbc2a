//! How a kind of channel or of platform reads its table of the configuration: the values with a way to say what is wrong with
//! each; and what addresses are judged by.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use url::{Host, Url};

/// What is wrong with a value, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidValue {
    pub message: String,
    pub help: String,
}

impl InvalidValue {
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

/// How far away a configured address may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Public,
    /// Loopback and private networks too, and without TLS.
    Private,
}

/// One table of the configuration. A path is a key, or keys of nested tables; an empty one is the table itself.
pub trait SettingsTable {
    /// The text at a path, when it is one.
    fn text(&self, path: &[&str]) -> Option<&str>;

    /// The texts of a list; what is no text is left out.
    fn texts(&self, path: &[&str]) -> Vec<String>;

    /// The keys of a nested table, in the order of the file.
    fn keys(&self, path: &[&str]) -> Vec<String>;

    fn is_given(&self, path: &[&str]) -> bool;

    /// Whether the value at a key was wrong, and is reported.
    fn is_reported(&self, key: &str) -> bool;

    /// Whether the file stops making sense somewhere: what seems missing may be there.
    fn is_broken(&self) -> bool;

    /// Where the table is, in words: `in [channel.kitchen]`.
    fn place(&self) -> &str;

    /// Reports an error at a value.
    fn error(&mut self, path: &[&str], invalid: InvalidValue);

    /// Reports errors at texts of a list, counted as [`SettingsTable::texts`] does, and takes the list out: it counts as
    /// given.
    fn refuse_items(&mut self, path: &[&str], refused: Vec<(usize, InvalidValue)>);

    /// Reports an error at the last key of a path.
    fn error_at_key(&mut self, path: &[&str], invalid: InvalidValue);

    /// Reports an error of a file that the value only names: the channel waits for it, and the configuration is right.
    fn error_of_file(&mut self, path: &[&str], invalid: InvalidValue);

    fn warning(&mut self, path: &[&str], invalid: InvalidValue);

    /// Warns that a value is a sample which nobody has replaced.
    fn warn_of_placeholder(&mut self, key: &str);

    /// Takes a wrong value out, so that its absence is no news.
    fn drop_wrong(&mut self, path: &[&str]);

    /// Judges the name of a time zone.
    fn check_zone(&mut self, key: &str);

    /// Reports an error at a value and takes the value out: it counts as given.
    fn refuse(&mut self, path: &[&str], invalid: InvalidValue) {
        self.error(path, invalid);
        self.drop_wrong(path);
    }

    /// Judges a text before the table is read; a bad one is refused.
    fn check(&mut self, path: &[&str], judge: &dyn Fn(&str) -> Result<(), InvalidValue>) {
        if let Some(Err(invalid)) = self.text(path).map(judge) {
            self.refuse(path, invalid);
        }
    }

    /// Judges each text of a list before the table is read.
    fn check_each(&mut self, path: &[&str], judge: &dyn Fn(&str) -> Result<(), InvalidValue>) {
        let texts = self.texts(path);
        let refused = texts.iter().enumerate().filter_map(|(index, text)| Some((index, judge(text).err()?)));
        let refused: Vec<_> = refused.collect();
        if !refused.is_empty() {
            self.refuse_items(path, refused);
        }
    }
}

/// A table that can become a struct.
pub trait ReadSettings: SettingsTable {
    /// Reads the table into its struct with every error of it reported; `None` when something needed is wrong or missing.
    fn read<T: DeserializeOwned + JsonSchema>(&mut self) -> Option<T>;
}

/// Judges an address that messages go to.
pub fn check_address(table: &mut dyn SettingsTable, key: &str, right: &str, reach: Reach) {
    let judged = table.text(&[key]).map(|text| judge_address(text, key, right, reach));
    match judged {
        Some(Err(invalid)) => table.refuse(&[key], invalid),
        Some(Ok(Some(warning))) => table.warning(&[key], warning),
        Some(Ok(None)) | None => {}
    }
}

/// What to warn of, where the address may be used.
fn judge_address(text: &str, key: &str, right: &str, reach: Reach) -> Result<Option<InvalidValue>, InvalidValue> {
    let Some(url) = web_url(text) else {
        return Err(InvalidValue::new(
            format!("\"{key}\" is not a web address"),
            format!("write it whole, such as {right}"),
        ));
    };
    let host = url.host_str().unwrap_or_default();
    let distance = distance(&url);
    match (reach, url.scheme()) {
        (Reach::Public, "http") => Err(InvalidValue::new(
            format!("messages to {host} would travel unencrypted"),
            "use https://, or for a machine in your own network add `allow_private = true`",
        )),
        (Reach::Public, _) if distance != Distance::Beyond => Err(InvalidValue::new(
            format!("{host} is not on the internet"),
            "add `allow_private = true` if it is a machine in your own network",
        )),
        (Reach::Private, "http") if distance != Distance::Loopback => Ok(Some(InvalidValue::new(
            format!("messages to {host} travel unencrypted"),
            "whoever is in between can read and change them; use https:// where the machine can",
        ))),
        _ => Ok(None),
    }
}

/// Reads a web address.
pub fn web_url(text: &str) -> Option<Url> {
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    url.host_str().is_some_and(|host| !host.is_empty()).then_some(url)
}

/// How far away a host is, as far as its name tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distance {
    Loopback,
    Private,
    /// Public, or a name that only the network knows more of.
    Beyond,
}

/// How far away the host of an address is.
pub fn distance(url: &Url) -> Distance {
    let ip: IpAddr = match url.host() {
        Some(Host::Domain(name)) if name == "localhost" || name.ends_with(".localhost") => return Distance::Loopback,
        Some(Host::Ipv4(ip)) => ip.into(),
        Some(Host::Ipv6(ip)) => ip.to_ipv4_mapped().map_or(ip.into(), IpAddr::from),
        _ => return Distance::Beyond,
    };
    match ip {
        ip if ip.is_loopback() => Distance::Loopback,
        IpAddr::V4(ip) if is_private(ip) => Distance::Private,
        IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() || ip == Ipv6Addr::UNSPECIFIED => {
            Distance::Private
        }
        _ => Distance::Beyond,
    }
}

fn is_private(ip: Ipv4Addr) -> bool {
    let shared = ip.octets()[0] == 100 && (64..128).contains(&ip.octets()[1]);
    ip.is_private() || ip.is_link_local() || ip.is_unspecified() || shared
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_as_far_away_as_they_are() {
        for (text, expected) in [
            ("http://127.0.0.1:8789/", Distance::Loopback),
            ("http://localhost/", Distance::Loopback),
            ("http://[::1]/", Distance::Loopback),
            ("http://192.168.1.5/", Distance::Private),
            ("http://[fd00::1]/", Distance::Private),
            ("http://[::ffff:10.0.0.1]/", Distance::Private),
            ("http://100.64.0.1/", Distance::Private),
            ("http://8.8.8.8/", Distance::Beyond),
            ("http://erp.example.com/", Distance::Beyond),
        ] {
            assert_eq!(distance(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }
}
