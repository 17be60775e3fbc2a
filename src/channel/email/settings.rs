//! What a mailbox's table of the configuration must look like.

use schemars::JsonSchema;
use url::{Host, Url};

use crate::channel::email::mailbox::{InvalidMailbox, Mailbox};
use crate::channel::email::{Email, answers, page};
use crate::channel::smtp::server::{InvalidEndpoint, Protection, SmtpAddress};
use crate::channel::{ChannelKind, FromSettings};
use crate::domain::settings::{Distance, InvalidValue, Reach, SettingsTable, distance, web_url};

impl FromSettings for Email {
    const KIND: ChannelKind = ChannelKind {
        name: "email",
        refuses: &[
            ("base_url", "there is no vendor's server to replace: \"smtp\" says which server it is"),
            (
                "proxy",
                "mails go to their server directly: let this machine reach it, or name in \"smtp\" one that it reaches",
            ),
        ],
        robot_parameter: None,
        is_for_programs: false,
        per_minute: None,
        schema: Email::json_schema,
        setup: include_str!("setup.toml"),
        preview: page::preview,
        remedy: answers::remedy,
    };

    fn check(table: &mut dyn SettingsTable, reach: Reach) {
        table.check(&["smtp"], &|text| smtp(text, reach));
        if let Some(odd) = table.text(&["smtp"]).and_then(port) {
            table.warning(&["smtp"], odd);
        }
        table.check(&["from"], &mailbox);
        table.check(&["reply_to"], &mailbox);
        table.check_each(&["to"], &mailbox);
        table.check_each(&["cc"], &mailbox);
        table.check(&["hello_name"], &hello_name);
        table.check(&["unsubscribe"], &unsubscribe);
    }

    fn check_whole(&self, table: &mut dyn SettingsTable) {
        for (key, wrong, message, help) in [
            ("to", self.to.is_empty(), "this mail goes to nobody", "for example to = [\"owner@example.com\"]"),
            (
                "username",
                self.username.is_some() != self.password.is_some()
                    && !table.is_reported("username")
                    && !table.is_reported("password"),
                "username and password belong together",
                "write both, or neither for a server that asks for none",
            ),
        ] {
            if wrong {
                table.error(&[key], InvalidValue::new(message, help));
            }
        }
    }
}

fn smtp(text: &str, reach: Reach) -> Result<(), InvalidValue> {
    let right = "smtps://host:465, smtp://host:587 (STARTTLS), or smtp+plain://127.0.0.1:1025 for tests";
    let server = text.parse::<SmtpAddress>().map_err(|fault| match fault {
        InvalidEndpoint::Malformed => malformed(text, right),
        InvalidEndpoint::HoldsPassword => {
            InvalidValue::new("the password does not belong in \"smtp\"", "there are username = … and password = …")
        }
    })?;
    if server.port == 0 {
        return Err(InvalidValue::new("port 0 is no port", right));
    }
    let distance = web_url(&format!("https://{}", server.host)).map(|url| distance(&url));
    match (server.protection, distance) {
        (Protection::Plain, Some(Distance::Loopback)) => Ok(()),
        (Protection::Plain, _) => Err(InvalidValue::new("smtp+plain is for this machine alone", right)),
        (_, Some(Distance::Loopback | Distance::Private)) if reach == Reach::Public => Err(InvalidValue::new(
            format!("{} is not on the internet", server.host),
            "add `allow_private = true` if it is a machine in your own network",
        )),
        _ => Ok(()),
    }
}

/// What keeps a text from being an address, as far as that shows.
fn malformed(text: &str, right: &str) -> InvalidValue {
    let message = "\"smtp\" is not the address of a mail server";
    if let Some(wide) = text.chars().find(|c| ('\u{ff01}'..='\u{ff5e}').contains(c)) {
        return InvalidValue::new(format!("{message}: {wide} is a full-width character"), right);
    }
    let port = text.rsplit_once(':').map(|(_, port)| port);
    let number = port.filter(|port| !port.is_empty() && port.chars().all(|c| c.is_ascii_digit()));
    if let Some(number) = number.filter(|number| number.parse::<u16>().is_err()) {
        return InvalidValue::new(format!("{message}: {number} is no port"), right);
    }
    if !text.contains("://") && !text.contains(['@', '/']) {
        let scheme = if matches!(number, Some("587" | "25" | "2525")) { "smtp" } else { "smtps" };
        let whole = format!("{scheme}://{text}");
        if whole.parse::<SmtpAddress>().is_ok() {
            return InvalidValue::new(format!("{message}: it does not say how to connect"), format!("write {whole}"));
        }
    }
    InvalidValue::new(message, right)
}

/// The host for sending, where a host is named after a protocol for reading mail.
fn sending_host(host: &Host<String>) -> String {
    let host = host.to_string();
    match host.split_once('.') {
        Some(("imap" | "pop" | "pop3", rest)) => format!("smtp.{rest}"),
        _ => host,
    }
}

/// A port on which mail servers speak otherwise than the address says.
fn port(text: &str) -> Option<InvalidValue> {
    let server = text.parse::<SmtpAddress>().ok()?;
    let (host, port) = (&server.host, server.port);
    match (server.protection, port) {
        (Protection::Implicit, 25 | 587 | 2525) => Some(InvalidValue::new(
            format!("on port {port} mail servers speak STARTTLS, and smtps:// means TLS from the first byte"),
            format!("write smtp://{host}:{port}, or smtps://{host}:465"),
        )),
        (Protection::StartTls | Protection::Plain, 465) => Some(InvalidValue::new(
            "on port 465 mail servers speak TLS from the first byte, and smtp:// begins without",
            format!("write smtps://{host}:465, or smtp://{host}:587"),
        )),
        (_, 110 | 143 | 993 | 995) => Some(InvalidValue::new(
            format!("port {port} is for reading mail, not for sending it"),
            format!("write smtps://{0}:465, or smtp://{0}:587", sending_host(host)),
        )),
        _ => None,
    }
}

fn mailbox(text: &str) -> Result<(), InvalidValue> {
    text.parse::<Mailbox>().map(drop).map_err(|fault| {
        let message = match fault {
            InvalidMailbox::Malformed => format!("\"{text}\" is not a mail address"),
            InvalidMailbox::NotAscii => format!("\"{text}\" has letters beyond a to z before the @"),
        };
        InvalidValue::new(message, "\"owner@example.com\" or \"Harbour Noodle House <orders@example.com>\"")
    })
}

/// Where a mail program turns to for a reader who wants no more reports.
fn unsubscribe(text: &str) -> Result<(), InvalidValue> {
    let wrong = |message| {
        Err(InvalidValue::new(message, "\"mailto:owner@example.com?subject=no%20reports\", or an https:// address"))
    };
    let is_written_whole = text.chars().all(|c| c.is_ascii_graphic() && !"<>\"".contains(c));
    let url = Url::parse(text).ok().filter(|_| is_written_whole);
    match text.split_once(':') {
        Some(("mailto", rest)) if url.is_some() => {
            let address = rest.split('?').next().unwrap_or_default();
            match address.parse::<Mailbox>() {
                Ok(_) => Ok(()),
                Err(_) => wrong("\"unsubscribe\" names nobody"),
            }
        }
        Some(("https", rest)) if url.is_some() && rest.starts_with("//") => Ok(()),
        _ => wrong("\"unsubscribe\" is neither a mailto: nor an https:// address"),
    }
}

/// The name by which a machine introduces itself to a mail server.
fn hello_name(text: &str) -> Result<(), InvalidValue> {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_right = match literal {
        Some(address) => !address.is_empty() && address.chars().all(|c| c.is_ascii_alphanumeric() || ".:".contains(c)),
        None => {
            matches!(Host::parse(text), Ok(Host::Domain(name)) if name == text.to_lowercase()) && text.contains('.')
        }
    };
    match is_right {
        true => Ok(()),
        false => Err(InvalidValue::new(
            "this is not a name that mail servers take",
            "a whole name with a dot in it, such as \"bell.example.com\"; leave it out to give the address instead",
        )),
    }
}
