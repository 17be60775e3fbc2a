//! `orderbell sandbox`: the simulated receivers alone, with the secrets of a configuration.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;

use clap::Args;
use tokio::net::TcpListener;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::cli::failure::Failure;
use crate::cli::{example, log, output, signals};
use crate::config;
use crate::config::configured::{ConfiguredChannel, ConfiguredSource};
use crate::config::context::SecretReading;
use crate::in_force;
use crate::sandbox;
use crate::sandbox::inbox::{MockVerdict, Received};
use crate::sandbox::rules::Rules;
use crate::sandbox::smtp::MailServer;

#[derive(Args)]
pub struct SandboxArgs {
    /// Where it listens
    #[arg(long, default_value = example::SANDBOX)]
    listen: SocketAddr,
    /// Where its mail server listens
    #[arg(long, default_value = example::MAIL)]
    mail: SocketAddr,
    /// How many times faster than real time the robots' allowances run
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    speed: u32,
}

pub async fn run(sandbox: SandboxArgs, file: &Path) -> Result<(), Failure> {
    let _log = log::start("info")?;
    let (channels, sources) = match file.exists() {
        // Without the secrets of the sources the rest is simulated all the same; only Keeta's signatures are not looked at then.
        true => (
            in_force::parts(file, SecretReading::Read)
                .and_then(|parts| parts.all_channels())
                .map_err(Failure::Configuration)?,
            config::read(file).map(|loaded| loaded.config.sources).unwrap_or_default(),
        ),
        false => {
            let example = example::read(Path::new("config.example.toml"), &[])?;
            (example.channels, example.sources)
        }
    };
    let listener = bind("listen", sandbox.listen).await?;
    let receivers = sandbox::Sandbox::start(listener, with_apps(rules(&channels), &sources).speed(sandbox.speed));
    let mail = bind("mail", sandbox.mail).await?;
    let mail = receivers.serve_mail(mail, MailServer::default());
    let mut news = receivers.subscribe();
    let address = receivers.address();
    output::line(format_args!("listening on http://{address}; `curl http://{address}/` says what can be done here"))?;
    output::line(format_args!("mail is taken at smtp+plain://{mail}, and with STARTTLS at smtp://{mail}"))?;
    let shutdown = CancellationToken::new();
    signals::obey(shutdown.clone(), None)?;
    while let Some(Some(news)) = shutdown.run_until_cancelled(next(&mut news)).await {
        output::line(news)?;
    }
    receivers.stop().await;
    Ok(())
}

async fn bind(option: &str, address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let help = format!("is another sandbox or demo running? else choose another address with --{option}");
        Failure::Failed(format!("--{option} {address} cannot be used: {error}; {help}"))
    })
}

/// What came next, as it is printed; `None` when there will be nothing more.
pub async fn next(news: &mut Receiver<Received>) -> Option<String> {
    match news.recv().await {
        Ok(received) => Some(show(&received)),
        Err(RecvError::Lagged(missed)) => Some(format!("({missed} requests came too fast to be shown)")),
        Err(RecvError::Closed) => None,
    }
}

/// The same with the platforms whose API is called, whose calls must be signed with the secrets of the sources.
pub fn with_apps(rules: Rules, sources: &BTreeMap<String, ConfiguredSource>) -> Rules {
    sources.iter().fold(rules, |rules, (name, configured)| {
        let platform = configured.source.platform();
        match platform.simulated() {
            Some(simulated) => rules.configured(platform.name(), name, simulated),
            None => rules,
        }
    })
}

/// Receivers that demand what the configured channels give: the same secrets, keywords, schemes and log-ins. Robots are called as
/// their channels are, for a robot's token is a secret.
pub fn rules(channels: &BTreeMap<String, ConfiguredChannel>) -> Rules {
    channels.iter().fold(Rules::new(), |rules, (name, configured)| {
        let channel = configured.way.channel();
        match channel.simulated() {
            Some(simulated) => rules.configured(channel.kind(), name, simulated),
            None => rules,
        }
    })
}

/// A request as it is printed: what a person or a program at the receiver gets to see.
pub fn show(received: &Received) -> String {
    let Received { address, key, .. } = received;
    let (kind, content) = sandbox::shown(received);
    let verdict = match &received.verdict {
        MockVerdict::Accepted if received.repeat => "accepted, known already".to_owned(),
        MockVerdict::Accepted => "accepted".to_owned(),
        MockVerdict::Refused(why) => format!("refused: {why}"),
        MockVerdict::Fault(fault) => format!("not looked at, as ordered: {fault}"),
    };
    let key = key.as_deref().unwrap_or("none");
    format!("── {kind} {} · {verdict} · key {key}\n\n{}\n", address.name, indent(&content))
}

/// Each line further to the right, without blanks on empty ones.
pub fn indent(text: &str) -> String {
    let lines = text.lines().map(|line| if line.is_empty() { String::new() } else { format!("   {line}") });
    lines.collect::<Vec<_>>().join("\n")
}
