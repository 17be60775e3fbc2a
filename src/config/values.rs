//! Single values: zones, currencies, languages, addresses, names, times of day; each judged with what would be right.

use std::net::SocketAddr;

use iso_currency::Currency;
use jiff::civil::Time;

use crate::diagnostic::suggest;
use crate::diagnostic::syntax::characters::LookAlike;
use crate::domain::local_time::Zone;
use crate::domain::settings::{Distance, InvalidValue, distance, web_url};

/// Cities and abbreviations that people write for a zone, and its IANA name.
const ZONES: [(&str, &str); 10] = [
    ("beijing", "Asia/Shanghai"),
    ("shenzhen", "Asia/Shanghai"),
    ("guangzhou", "Asia/Shanghai"),
    ("cst", "Asia/Shanghai"),
    ("hkt", "Asia/Hong_Kong"),
    ("gmt+8", "Asia/Hong_Kong"),
    ("utc+8", "Asia/Hong_Kong"),
    ("+08:00", "Asia/Hong_Kong"),
    ("gmt+3", "Asia/Riyadh"),
    ("utc+3", "Asia/Riyadh"),
];

/// Reads an IANA name.
pub fn zone(name: &str) -> Result<Zone, InvalidValue> {
    Zone::named(name).ok_or_else(|| {
        let lower = name.to_lowercase();
        let common = ZONES.iter().find(|(written, _)| lower == *written || lower.ends_with(&format!("/{written}")));
        let names: Vec<String> = jiff::tz::db().available().map(|name| name.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let city = format!("/{}", lower.replace(' ', "_"));
        let by_city = || names.iter().find(|name| name.to_lowercase().ends_with(&city)).copied();
        let meant = common.map(|(_, iana)| *iana).or_else(by_city).or_else(|| suggest::nearest(name, &names));
        InvalidValue::new(
            format!("\"{name}\" is not the IANA name of a time zone"),
            meant.map_or("a name such as \"Asia/Hong_Kong\"".to_owned(), |meant| format!("did you mean \"{meant}\"?")),
        )
    })
}

/// Judges a currency.
pub fn currency(code: &str) -> Result<(), InvalidValue> {
    if Currency::from_code(code).is_some() {
        return Ok(());
    }
    let meant = match code.to_uppercase().as_str() {
        "RMB" | "YUAN" | "¥" | "元" => Some("CNY".to_owned()),
        "$" | "US$" => Some("USD".to_owned()),
        "HK$" => Some("HKD".to_owned()),
        "€" => Some("EUR".to_owned()),
        upper => Currency::from_code(upper).map(|currency| currency.code().to_owned()),
    };
    Err(InvalidValue::new(
        format!("\"{code}\" is not an ISO 4217 currency code"),
        meant.map_or("three capital letters, such as \"HKD\"".to_owned(), |code| format!("did you mean \"{code}\"?")),
    ))
}

/// Judges a language.
pub fn language(name: &str, known: &[&str]) -> Result<(), InvalidValue> {
    if known.contains(&name) {
        return Ok(());
    }
    Err(InvalidValue::new(format!("there is no language \"{name}\""), suggest::language(name, known)))
}

/// Reads an address to listen on.
pub fn listen(text: &str) -> Result<SocketAddr, InvalidValue> {
    text.parse().map_err(|_| {
        let help = match text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')) {
            Some(port) => format!("did you mean \"127.0.0.1:{port}\"?"),
            None => {
                "an address and a port: \"127.0.0.1:8787\" for this machine alone, \"0.0.0.0:8787\" for all".to_owned()
            }
        };
        InvalidValue::new(format!("\"{text}\" is not an address to listen on"), help)
    })
}

/// Judges an address that others reach us by.
pub fn public_url(text: &str) -> Result<(), InvalidValue> {
    let right = "such as \"https://bell.example.com\"";
    let Some(url) = web_url(text) else {
        return Err(InvalidValue::new(format!("\"{text}\" is not a web address"), right));
    };
    if url.query().is_some() || url.fragment().is_some() {
        return Err(InvalidValue::new("a public address ends before any ? or #", right));
    }
    match format!("{}/", url.path()).contains("/hooks/") {
        true => Err(InvalidValue::new("a public address ends before /hooks/, which each source adds", right)),
        false => Ok(()),
    }
}

/// What to warn of in a public address that can be used.
pub fn unencrypted(text: &str) -> Option<InvalidValue> {
    let url = web_url(text).filter(|url| url.scheme() == "http" && distance(url) != Distance::Loopback)?;
    let help = format!("platforms send to https:// alone; write \"https://{}\"", url.host_str().unwrap_or_default());
    Some(InvalidValue::new("webhooks to this address would travel unencrypted", help))
}

/// What [`name`] takes, as a regular expression.
pub const NAME_PATTERN: &str = "^[A-Za-z0-9_-]{1,64}$";

/// Judges the name of a source, a channel or a report.
pub fn name(text: &str) -> Result<(), InvalidValue> {
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if plain && (1..=64).contains(&text.len()) {
        return Ok(());
    }
    let help = "a name has 1 to 64 letters a to z, digits, - and _";
    Err(InvalidValue::new(format!("\"{text}\" cannot be a name"), help))
}

/// Reads a time of day.
pub fn time(text: &str) -> Result<Time, String> {
    let shape = text.len() == 5 && text.as_bytes()[2] == b':';
    let time = shape.then(|| Time::strptime("%H:%M", text).ok()).flatten();
    time.ok_or_else(|| {
        let alike = text.chars().find_map(LookAlike::of).map(|alike| format!(": {}", alike.words()));
        format!("\"{text}\" is not a time of day{}; write it like \"08:57\"", alike.unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_holds_no_source() {
        for wrong in ["https://bell.example.com/hooks", "https://bell.example.com/x/hooks/", "http://a.example/hooks/b"]
        {
            assert!(public_url(wrong).is_err_and(|said| said.message.contains("before /hooks/")), "{wrong}");
        }
        assert_eq!(public_url("https://bell.example.com/webhooks"), Ok(()));
        for (address, warned) in
            [("http://a.example", true), ("http://127.0.0.1:8787", false), ("https://a.example", false)]
        {
            assert_eq!(unencrypted(address).is_some(), warned, "{address}");
        }
    }

    #[test]
    fn zones_that_people_write_lead_to_the_right_one() {
        let help = |name| zone(name).map(|zone| zone.name).map_err(|invalid| invalid.help);
        assert_eq!(help("Asia/Hong_Kong"), Ok("Asia/Hong_Kong".to_owned()));
        assert_eq!(help("UTC"), Ok("UTC".to_owned()));
        assert_eq!(help("Asia/Beijing"), Err("did you mean \"Asia/Shanghai\"?".to_owned()));
        assert_eq!(help("Asia/HongKong"), Err("did you mean \"Asia/Hong_Kong\"?".to_owned()));
        assert_eq!(help("Hong Kong"), Err("did you mean \"Asia/Hong_Kong\"?".to_owned()));
        assert_eq!(help("GMT+8"), Err("did you mean \"Asia/Hong_Kong\"?".to_owned()));
        assert!(zone("+08:00").is_err() && zone("").is_err());
    }
}
