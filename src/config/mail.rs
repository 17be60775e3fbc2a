//! `kind = "email"`: whether the server's address, the people and the certificates are what they should be.

use url::Host;
use url::Url;

use crate::channel::Way;
use crate::channel::email::Email;
use crate::channel::email::Surroundings as Shared;
use crate::channel::email::party::NoParty;
use crate::channel::email::party::Party;
use crate::channel::smtp::server::NoServer;
use crate::channel::smtp::server::Protection;
use crate::channel::smtp::server::Server;
use crate::config::Surroundings;
use crate::config::channels::Reach;
use crate::config::problem::Problems;
use crate::config::section::Complaint;
use crate::config::section::Section;
use crate::config::settings::ChannelSettings;
use crate::config::values;
use crate::config::values::Distance;

pub fn read(section: &mut Section<'_>, reach: Reach, problems: &mut Problems<'_>) -> Option<Way> {
    section.check(&["smtp"], problems, |text| smtp(text, reach));
    section.check(&["from"], problems, mailbox);
    section.check(&["reply_to"], problems, mailbox);
    section.check_each(&["to"], problems, mailbox);
    section.check_each(&["cc"], problems, mailbox);
    section.check(&["hello_name"], problems, hello_name);
    section.check(&["unsubscribe"], problems, unsubscribe);
    let email: Email = section.read(problems)?;
    for (key, wrong, message, help) in [
        ("to", email.to.is_empty(), "this mail goes to nobody", "for example to = [\"owner@example.com\"]"),
        (
            "username",
            email.username.is_some() != email.password.is_some()
                && !section.is_wrong("username")
                && !section.is_wrong("password"),
            "username and password belong together",
            "write both, or neither for a server that asks for none",
        ),
        ("connections", !(1..=10).contains(&email.connections), "connections is out of bounds", "between 1 and 10"),
    ] {
        if wrong {
            problems.error(section.at(&[key]), message, help);
        }
    }
    Some(Way::Email(Box::new(email)))
}

/// Gives the mailbox what all channels have, and looks at its certificates.
pub fn place(
    email: &mut Email,
    settings: &ChannelSettings,
    section: &Section<'_>,
    surroundings: &Surroundings<'_>,
    problems: &mut Problems<'_>,
) {
    email.surroundings = Shared {
        language: settings.language.clone(),
        timeout: settings.timeout,
        allow_private: settings.allow_private,
        ..Shared::default()
    };
    if let Some(file) = &mut email.ca_file {
        *file = surroundings.folder().join(&*file);
        // A mailbox whose authority has a new certificate is another one.
        email.surroundings.authority = std::fs::read(&*file).ok();
        if let Err(reason) = email.check() {
            problems.refers(section.at(&["ca_file"]));
            problems.error(section.at(&["ca_file"]), reason, "a file in PEM with the certificate of the authority");
        }
    }
}

fn smtp(text: &str, reach: Reach) -> Result<(), Complaint> {
    let right = "smtps://host:465, smtp://host:587 (STARTTLS), or smtp+plain://127.0.0.1:1025 for tests";
    let server = text.parse::<Server>().map_err(|fault| match fault {
        NoServer::Malformed => Complaint::new("\"smtp\" is not the address of a mail server", right),
        NoServer::HoldsPassword => {
            Complaint::new("the password does not belong in \"smtp\"", "there are username = … and password = …")
        }
    })?;
    let distance = values::web_url(&format!("https://{}", server.host)).map(|url| values::distance(&url));
    match (server.protection, distance) {
        (Protection::Plain, Some(Distance::Loopback)) => Ok(()),
        (Protection::Plain, _) => Err(Complaint::new("smtp+plain is for this machine alone", right)),
        (_, Some(Distance::Loopback | Distance::Private)) if reach == Reach::Public => Err(Complaint::new(
            format!("{} is not on the internet", server.host),
            "add `allow_private = true` if it is a machine in your own network",
        )),
        _ => Ok(()),
    }
}

fn mailbox(text: &str) -> Result<(), Complaint> {
    text.parse::<Party>().map(drop).map_err(|fault| {
        let message = match fault {
            NoParty::Malformed => format!("\"{text}\" is not a mail address"),
            NoParty::NotAscii => format!("\"{text}\" has letters beyond a to z before the @"),
        };
        Complaint::new(message, "\"owner@example.com\" or \"Harbour Noodle House <orders@example.com>\"")
    })
}

/// Where a mail program turns to for a reader who wants no more reports.
fn unsubscribe(text: &str) -> Result<(), Complaint> {
    let wrong = |message| {
        Err(Complaint::new(message, "\"mailto:owner@example.com?subject=no%20reports\", or an https:// address"))
    };
    let is_written_whole = text.chars().all(|c| c.is_ascii_graphic() && !"<>\"".contains(c));
    let url = Url::parse(text).ok().filter(|_| is_written_whole);
    match text.split_once(':') {
        Some(("mailto", rest)) if url.is_some() => {
            let address = rest.split('?').next().unwrap_or_default();
            match address.parse::<Party>() {
                Ok(_) => Ok(()),
                Err(_) => wrong("\"unsubscribe\" names nobody"),
            }
        }
        Some(("https", rest)) if url.is_some() && rest.starts_with("//") => Ok(()),
        _ => wrong("\"unsubscribe\" is neither a mailto: nor an https:// address"),
    }
}

/// The name by which a machine introduces itself to a mail server.
fn hello_name(text: &str) -> Result<(), Complaint> {
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let is_right = match literal {
        Some(address) => !address.is_empty() && address.chars().all(|c| c.is_ascii_alphanumeric() || ".:".contains(c)),
        None => {
            matches!(Host::parse(text), Ok(Host::Domain(name)) if name == text.to_lowercase()) && text.contains('.')
        }
    };
    match is_right {
        true => Ok(()),
        false => Err(Complaint::new(
            "this is not a name that mail servers take",
            "a whole name with a dot in it, such as \"bell.example.com\"; leave it out to give the address instead",
        )),
    }
}
