//! `orderbell restore`: a backup in the place of the store, with the questions that this raises.

use std::io;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::cli::failure::Failure;
use crate::cli::{output, store};
use crate::config::context::SecretReading;
use crate::domain::local_time;
use crate::in_force;
use crate::store::address::StoreUrl;
use crate::store::contents::{Lineage, PresentStore, RestoreFindings, StoreContents, WaitingChoice};
use crate::store::restoring;

#[derive(Args)]
pub struct Restore {
    /// The backup, as `orderbell backup` or `[backup]` made it; it stays as it is
    #[arg(value_name = "FILE")]
    backup: PathBuf,
    /// What becomes of deliveries that waited when the backup was made, and may have arrived since; asked where absent
    #[arg(long, value_enum)]
    waiting: Option<Waiting>,
    /// Do not ask whether to do it; needed off a terminal
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Waiting {
    /// They go out; those that were tried, or may have been, as a possible repeat
    Send,
    /// They are cancelled
    Cancel,
}

pub async fn run(restore: Restore, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    let (url, zone) = (&part.store().map_err(Failure::Configuration)?.url, &part.timezone.zone);
    let can_ask = io::stdin().is_terminal() && io::stderr().is_terminal();
    if url.is_file() && !restore.yes && !can_ask {
        let text = format!("this puts {} in the place of {url}; add --yes if that is meant", restore.backup.display());
        return Err(Failure::Misused(text));
    }
    let what = format!("{} is looked through and copied beside {url}", restore.backup.display());
    let prepared = output::unless_soon(what, restoring::PreparedRestore::prepare(url, &restore.backup)).await;
    let prepared = prepared.map_err(store::failed)?;
    output::print(said(prepared.found(), &restore.backup, url, zone))?;
    let waiting = prepared.found().backup.waiting;
    let choice = match restore.waiting {
        Some(Waiting::Send) => WaitingChoice::Send,
        Some(Waiting::Cancel) => WaitingChoice::Cancel,
        None if waiting == 0 => WaitingChoice::Send,
        None if can_ask => ask_waiting(waiting).await?,
        None => {
            let text = format!("{} in the backup; say --waiting send or --waiting cancel", waits(waiting));
            return Err(Failure::Misused(text));
        }
    };
    if !restore.yes {
        output::complain(format_args!("Put it in the place of {url}? [y/N] "));
        if !["y", "yes"].contains(&answer().await?.as_str()) {
            return Err(unchanged());
        }
    }
    let now = Timestamp::now();
    let stamp = now.to_zoned(zone.clone()).strftime("%Y%m%d-%H%M%S").to_string();
    let aside = prepared.put_in_place(choice, stamp, now).await.map_err(store::failed)?;
    output::print(done(&restore.backup, url, aside.as_deref(), (waiting, choice)))
}

async fn ask_waiting(waiting: u64) -> Result<WaitingChoice, Failure> {
    output::complain(format_args!(
        "{} in the backup and may have arrived since. {}? [send/cancel] ",
        waits(waiting),
        output::counted(waiting, "Send it, or cancel it", "Send them, or cancel them")
    ));
    match answer().await?.as_str() {
        "send" | "s" => Ok(WaitingChoice::Send),
        "cancel" | "c" => Ok(WaitingChoice::Cancel),
        _ => Err(unchanged()),
    }
}

/// What is typed, in small letters. Whoever presses Ctrl-C instead wants nothing to be changed, and nothing left behind.
async fn answer() -> Result<String, Failure> {
    let reading = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer.trim().to_lowercase())
    });
    tokio::select! {
        read = reading => read.ok().and_then(Result::ok).ok_or_else(unchanged),
        _ = tokio::signal::ctrl_c() => Err(unchanged()),
    }
}

fn unchanged() -> Failure {
    Failure::Failed("nothing was changed".to_owned())
}

/// What is in the backup, and what the present store has that it has not.
fn said(found: &RestoreFindings, backup: &Path, url: &StoreUrl, zone: &TimeZone) -> String {
    let mut text = format!("{} is whole: {}\n", backup.display(), held(&found.backup, zone));
    match &found.present {
        None => text += &format!("there is no store at {url} now\n"),
        Some(Err(reason)) => {
            text += &format!("{url} cannot be compared with it: {reason}\n");
            text += "so all that waits in the backup goes out as a possible repeat, if it is sent\n";
        }
        Some(Ok(present)) => text += &compared(present, found.backup.waiting, url, zone),
    }
    text
}

fn held(contents: &StoreContents, zone: &TimeZone) -> String {
    let newest = contents.newest_at.map(|at| format!(", the newest of {}", local_time::second(at, zone)));
    let StoreContents { bytes, schema, events, waiting, .. } = contents;
    let kilobytes = bytes.div_ceil(1_000);
    let (events, waits) = (output::counted(*events, "event", "events"), waits(*waiting));
    format!("{events}{}; {waits}; schema {schema}, {kilobytes} kB", newest.unwrap_or_default())
}

fn waits(count: u64) -> String {
    output::counted(count, "delivery waits", "deliveries wait")
}

fn compared(present: &PresentStore, waiting: u64, url: &StoreUrl, zone: &TimeZone) -> String {
    let mut text = format!("{url} has {}\n", held(&present.contents, zone));
    if present.lineage == Lineage::Another {
        text += "  the backup is not one of that store: compare them before you go on\n";
    }
    if present.newer_events > 0 {
        text += &format!(
            "  {} came since, which the backup does not know: what is sent again counts as new\n",
            output::counted(present.newer_events, "event", "events")
        );
    }
    if present.lost_waiting > 0 {
        text += &format!(
            "  {}, and will not be sent\n",
            output::counted(present.lost_waiting, "delivery of those waits", "deliveries of those wait")
        );
    }
    if waiting > 0 {
        text += &format!(
            "  of the {} in the backup, {} since\n",
            output::counted(waiting, "delivery that waits", "deliveries that wait"),
            output::counted(present.ended_since, "has arrived or was ended", "have arrived or were ended")
        );
    }
    text
}

fn done(backup: &Path, url: &StoreUrl, aside: Option<&Path>, (waiting, choice): (u64, WaitingChoice)) -> String {
    let mut text = format!("{} is in the place of {url}\n", backup.display());
    match (waiting, choice) {
        (0, _) => {}
        (_, WaitingChoice::Send) => {
            text += &format!(
                "{} when orderbell runs\n",
                output::counted(waiting, "delivery waits, and goes out", "deliveries wait, and go out")
            )
        }
        (_, WaitingChoice::Cancel) => {
            text += &format!("{}\n", output::counted(waiting, "delivery was cancelled", "deliveries were cancelled"));
        }
    }
    if let Some(aside) = aside {
        text += &format!("what was there is kept as {}\n", aside.display());
    }
    text += "next: start orderbell, which says what may be missing; compare the orders since with the platforms\n";
    text
}
