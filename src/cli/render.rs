//! `orderbell render`: what a channel would be sent, printed and not sent.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::channel::Pictures;
use crate::cli::failure::Failure;
use crate::cli::{message, output, report, store};
use crate::config::configured::ConfiguredChannel;
use crate::config::context::SecretReading;
use crate::config::parts::Parts;
use crate::diagnostic::suggest;
use crate::domain::event::{Event, Kind};
use crate::domain::figures::sample;
use crate::domain::message::Part;
use crate::domain::payload::Payload;
use crate::domain::scene;
use crate::domain::scene::Scene;
use crate::domain::template::Templates;
use crate::flow::why;
use crate::in_force;
use crate::platform::scenes;
use crate::store::history::found::{HistoryAnswer, Question};

#[derive(Args)]
pub struct Render {
    /// The kind of event, such as order.placed; a sample of it is rendered
    #[arg(required_unless_present = "event")]
    kind: Option<String>,
    /// The channel, as the configuration names it
    #[arg(long, value_name = "NAME")]
    channel: String,
    /// A stored event instead of a sample: its id or one of its deliveries', as `orderbell deliveries` shows it
    #[arg(long, value_name = "ID", conflicts_with = "kind")]
    event: Option<String>,
    /// In this language instead of the channel's
    #[arg(long, value_name = "TAG")]
    language: Option<String>,
    /// Write the page of a mail, with its pictures in it, to this file as well
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Write the picture of a report's message to this file as well
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
}

pub async fn run(render: Render, file: &Path) -> Result<(), Failure> {
    let part = in_force::parts(file, SecretReading::Placeholders).map_err(Failure::Configuration)?;
    let channel = message::channel(&part, &render.channel)?;
    let templates = message::templates(part.templates.as_deref())?;
    let language = render.language.as_deref().unwrap_or(&channel.settings.language);
    message::check_language(&templates, language)?;
    let (Scene { event, order }, table) = match (&render.event, &render.kind) {
        (Some(asked), _) => stored(&part, asked).await?,
        (None, kind) => of_kind(&part, kind.as_deref().unwrap_or_default())?,
    };
    let table = table.as_deref();
    let (_, parts) = message::write(&templates, &render.channel, channel, language, &event, order.as_ref(), table);
    let way = channel.way.channel();
    let page = |part: &Part| Page { text: way.shown(part), html: way.page(part) };
    let mut pages: Vec<Page> = parts.iter().map(page).collect();
    // Each recipient of a mail gets a part of their own.
    pages.dedup();
    for (index, page) in pages.iter().enumerate() {
        if pages.len() > 1 {
            let gap = if index > 0 { "\n" } else { "" };
            output::line(format_args!("{gap}=== {} of {}\n", index + 1, pages.len()))?;
        }
        output::line(&page.text)?;
    }
    picture(&render, &event, channel, &templates, language)?;
    let Some(path) = render.html else { return Ok(()) };
    let html = pages.into_iter().find_map(|page| page.html).ok_or_else(|| {
        let kind = way.kind();
        Failure::Misused(format!("a channel of kind \"{kind}\" sends no HTML, so --html has nothing to write"))
    })?;
    std::fs::write(&path, html).map_err(|error| Failure::Failed(format!("{}: {error}", path.display())))
}

/// Writes the picture of a message where that is asked for; else says, to people, that there is one.
fn picture(
    render: &Render,
    event: &Event,
    channel: &ConfiguredChannel,
    templates: &Templates,
    language: &str,
) -> Result<(), Failure> {
    let Some(report) = event.data.report() else {
        return match render.png {
            Some(_) => {
                let what = format!("a message of kind {} has no picture", event.kind);
                Err(Failure::Misused(format!("{what}, so --png has nothing to write; a report has one: report.NAME")))
            }
            None => Ok(()),
        };
    };
    let is_shown = channel.way.channel().pictures() != Pictures::Fetched || report.picture.is_some();
    match &render.png {
        Some(file) => {
            if !is_shown {
                let name = &render.channel;
                output::complain(format_args!(
                    "note: {name} does not get the picture: it fetches it, for which server.public_url has to begin with https://\n"
                ));
            }
            report::picture(report, templates, language, file)
        }
        None if is_shown && std::io::stdout().is_terminal() => {
            output::complain("\na picture belongs to this message; --png FILE writes it\n");
            Ok(())
        }
        None => Ok(()),
    }
}

/// A part as its reader gets to see it.
#[derive(PartialEq, Eq)]
struct Page {
    text: String,
    html: Option<String>,
}

/// An event of the store with its order as it stands, and the table of a report.
async fn stored(part: &Parts, asked: &str) -> Result<(Scene, Option<String>), Failure> {
    let reader = store::open(part).await?;
    let question = Question { asked: asked.to_owned(), sources: Vec::new(), around: None, limit: 0 };
    let event = match reader.history(question).await.map_err(store::failed)?.found {
        HistoryAnswer::Event(found) | HistoryAnswer::Delivery(found) => found.event,
        HistoryAnswer::Several(candidates) => return Err(Failure::Failed(why::several(asked, &candidates))),
        HistoryAnswer::Nothing => {
            let what = "`orderbell deliveries` shows those that there are";
            return Err(Failure::Failed(format!("there is no event or delivery \"{asked}\"; {what}")));
        }
        HistoryAnswer::Orders { .. } | HistoryAnswer::Source(_) | HistoryAnswer::Report(_) => {
            let what =
                format!("\"{asked}\" is not the id of an event or a delivery; `orderbell why {asked}` shows those");
            return Err(Failure::Misused(what));
        }
    };
    let order = match &event.order {
        Some(news) => reader.order(&event.source, &news.number).await.map_err(store::failed)?,
        None => None,
    };
    let table = match event.data.report() {
        Some(_) => reader.report_table(event.id).await.map_err(store::failed)?,
        None => None,
    };
    Ok((Scene { event, order }, table))
}

/// The first sample of this kind that a source has, or our own, and the table of a report.
fn of_kind(part: &Parts, kind: &str) -> Result<(Scene, Option<String>), Failure> {
    let sources = part.sources().map_err(Failure::Configuration)?.into_iter();
    let of_sources =
        sources.flat_map(|(name, source)| scenes::of_source(name, source.source.platform(), &part.currency));
    let reports = part.report_names();
    let mut scenes: Vec<Scene> = of_sources.chain(scene::own(&reports)).collect();
    let mut kinds: Vec<String> = scenes.iter().map(|scene| scene.event.kind.to_string()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let wanted: Option<Kind> = kind.parse().ok();
    scenes.retain(|scene| Some(&scene.event.kind) == wanted.as_ref());
    // With the order as it was placed, where there is one.
    scenes.sort_by_key(|scene| scene.order.is_none());
    let mut scene = scenes.into_iter().next().ok_or_else(|| {
        let meant = suggest::slip(kind, &kinds);
        Failure::Misused(format!("there is no sample of \"{kind}\"; {meant}there are: {}", kinds.join(", ")))
    })?;
    let Payload::Report(report) = &mut scene.event.data.payload else { return Ok((scene, None)) };
    let public_url = part.public_url.as_deref().filter(|url| url.starts_with("https://"));
    report.picture = public_url.map(|url| format!("{url}/charts/{}.png", "0".repeat(32)));
    let has_table = part.report(&report.name).is_ok_and(|known| known.is_some_and(|known| known.attach_csv));
    let table = has_table.then(|| sample::day(&report.name).table());
    Ok((scene, table))
}
