//! Templates as people look at them: which files there are in which language, whose is in force, and what becomes of one with a
//! sample or with the newest event of its kind.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use crate::channel::kinds;
use crate::domain::event::Kind;
use crate::domain::glob::Glob;
use crate::domain::language::folders;
use crate::domain::language::folders::Sources;
use crate::domain::message_context::MessageContext;
use crate::domain::scene;
use crate::domain::scene::Scene;
use crate::domain::template::Templates;
use crate::flow::resources::unsent::{LookRequest, ShownMessage, TemplateDraft};
use crate::flow::resources::{ResourceError, Resources};
use crate::flow::routing::{RoutingSnapshot, SourceEndpoint};
use crate::platform::scenes;
use crate::store::history::pages::EventFilter;

type Answer<T> = Result<T, ResourceError>;

/// The words of this very page are none of a message's.
const PAGE_WORDS: &str = "page.toml";

/// Whose file of a language is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateOrigin {
    BuiltIn,
    Own,
    /// A file of words: those in it go before the built-in ones.
    OwnWords,
}

/// All files of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TemplateRow {
    /// As the address of its view has it: a template without its ending.
    pub name: String,
    /// What happens, where the file is named by that.
    pub kind: Option<String>,
    /// Whose it is in each language, in their sequence; none where another language stands in.
    pub origins: Vec<Option<TemplateOrigin>>,
}

/// All templates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TemplateTable {
    /// The merchant's folder; none is configured where it is absent.
    pub folder: Option<PathBuf>,
    pub languages: Vec<String>,
    pub rows: Vec<TemplateRow>,
}

/// With what a template is looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TemplateChoice {
    /// The first that gets a message of it where absent.
    pub channel: Option<String>,
    pub event: EventChoice,
}

/// Which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventChoice {
    /// So many-th, from 1.
    Sample(usize),
    /// The newest of its kind.
    Newest,
}

impl Default for EventChoice {
    fn default() -> Self {
        Self::Sample(1)
    }
}

/// A file, and the message that is made of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TemplateView {
    pub language: String,
    pub name: String,
    /// Below the folder of templates.
    pub path: String,
    /// As it is in force.
    pub source: String,
    pub origin: TemplateOrigin,
    /// The built-in one, where the merchant's is in force.
    pub built_in: Option<String>,
    /// The merchant's folder; none is configured where it is absent.
    pub folder: Option<PathBuf>,
    /// Messages are made of it, and not only words taken.
    pub is_template: bool,
    /// Those that messages can be written for.
    pub channels: Vec<String>,
    pub channel: Option<String>,
    /// How many samples there are of which a message is made by it.
    pub samples: usize,
    /// The one that is shown, from 1; none where it is a real event.
    pub sample: Option<usize>,
    pub kind: Option<String>,
    /// Absent where there is no event to show it with.
    pub message: Option<ShownMessage>,
}

impl Resources {
    pub fn template_table(&self) -> TemplateTable {
        let (templates, routing) = (self.templates.get(), self.routing.get());
        let overlay = templates.overlay();
        let languages = templates.languages();
        let built_in = folders::built_in_sources(folders::built_in_folders());
        let paths = built_in.keys().chain(overlay.keys()).filter_map(|path| path.split_once('/'));
        // Pieces that several messages have come behind the messages.
        let files: BTreeSet<(bool, &str)> = paths
            .map(|(_, file)| file)
            .filter(|file| is_shown(file))
            .map(|file| (file.starts_with('_'), file))
            .collect();
        let row = |(_, file): &(bool, &str)| {
            let origins = languages.iter().map(|language| origin(&format!("{language}/{file}"), overlay));
            let name = file.strip_suffix(".md").unwrap_or(file).to_owned();
            let kind = name.parse::<Kind>().is_ok().then(|| name.clone());
            TemplateRow { kind, name, origins: origins.collect() }
        };
        let folder = routing.own_templates.folder.clone();
        TemplateTable { folder, rows: files.iter().map(row).collect(), languages }
    }

    /// A file as it is in force.
    ///
    /// # Errors
    /// [`ResourceError::Missing`], or that the store cannot be read.
    pub async fn template(&self, language: &str, name: &str, choice: TemplateChoice) -> Answer<TemplateView> {
        self.viewed(language, name, choice, None).await
    }

    /// A file as it would be with this text. Nothing is written. `caller` is whoever wants to see it.
    ///
    /// # Errors
    /// As [`Resources::template`]; [`ResourceError::Busy`] where too many try something.
    pub async fn try_template(
        &self,
        caller: &str,
        (language, name): (&str, &str),
        source: String,
        choice: TemplateChoice,
    ) -> Answer<TemplateView> {
        let draft = self.draft(caller, source)?;
        self.viewed(language, name, choice, Some(draft)).await
    }

    async fn viewed(
        &self,
        language: &str,
        name: &str,
        choice: TemplateChoice,
        draft: Option<TemplateDraft>,
    ) -> Answer<TemplateView> {
        let (templates, routing) = (self.templates.get(), self.routing.get());
        let missing = || ResourceError::Missing("such template".to_owned());
        let file = if name.ends_with(".toml") { name.to_owned() } else { format!("{name}.md") };
        let path = format!("{language}/{file}");
        let overlay = templates.overlay();
        let is_known = is_shown(&file) && templates.languages().iter().any(|known| known == language);
        let origin = origin(&path, overlay).filter(|_| is_known).ok_or_else(missing)?;
        let built_in = folders::built_in_source(&path).map(|source| source.into_owned());
        let source = overlay.get(&path).or(built_in.as_ref()).cloned().ok_or_else(missing)?;
        let file = TemplateFile { language: language.to_owned(), path: path.clone() };
        let matching = {
            let (templates, routing, wanted) = (templates.clone(), routing.clone(), choice.channel.clone());
            let work = move || file.matching(&templates, &routing, wanted.as_deref());
            tokio::task::spawn_blocking(work).await.map_err(|_| ResourceError::internal())?
        };
        let Matching { channel, mut scenes } = matching;
        let samples = scenes.len();
        let first = scenes.first().map(|scene| scene.event.kind.clone()).or_else(|| name.parse().ok());
        let (sample, scene, table) = match choice.event {
            EventChoice::Sample(number) => {
                let number = number.clamp(1, samples.max(1));
                let scene = (number <= samples).then(|| scenes.swap_remove(number - 1));
                (scene.is_some().then_some(number), scene, None)
            }
            EventChoice::Newest => match first {
                Some(kind) => self
                    .newest_scene(&kind)
                    .await?
                    .map_or((None, None, None), |(scene, table)| (None, Some(scene), table)),
                None => (None, None, None),
            },
        };
        let kind = scene.as_ref().map(|scene| scene.event.kind.to_string());
        let source = draft.as_ref().map_or(source, |draft| draft.source().to_owned());
        let message = match scene {
            Some(scene) => {
                let look = LookRequest { scene, table, language: language.to_owned(), channel: channel.clone() };
                Some(self.looked_at(look, draft.map(|draft| (path.clone(), draft))).await?)
            }
            None => None,
        };
        let mut channels: Vec<String> = routing.writers.keys().cloned().collect();
        channels.retain(|name| routing.writers[name].channel.unready().is_none());
        Ok(TemplateView {
            language: language.to_owned(),
            name: name.to_owned(),
            built_in: built_in.filter(|_| origin != TemplateOrigin::BuiltIn),
            folder: routing.own_templates.folder.clone(),
            is_template: path.ends_with(".md"),
            path,
            source,
            origin,
            channels,
            channel,
            samples,
            sample,
            kind,
            message,
        })
    }

    /// The newest event of a kind among the newest events, with its order as it stands and the table of a report.
    async fn newest_scene(&self, kind: &Kind) -> Answer<Option<(Scene, Option<String>)>> {
        let filter = EventFilter { kind: Some(Glob::new(&kind.to_string())), ..EventFilter::default() };
        let found = self.store.events_page(filter, None, 1).await?;
        let Some(listed) = found.rows.first() else { return Ok(None) };
        let Some(event) = self.store.event(listed.id).await? else { return Ok(None) };
        let order = match &event.order {
            Some(news) => self.store.order(&event.source, &news.number).await?,
            None => None,
        };
        let table = match event.data.report() {
            Some(_) => self.store.report_table(event.id).await?,
            None => None,
        };
        Ok(Some((Scene { event, order }, table)))
    }
}

fn is_shown(file: &str) -> bool {
    file != PAGE_WORDS && (file.ends_with(".md") || folders::holds_words(file))
}

fn origin(path: &str, overlay: &Sources) -> Option<TemplateOrigin> {
    let file = path.rsplit('/').next().unwrap_or_default();
    match (overlay.contains_key(path), folders::is_built_in(path)) {
        (true, _) if folders::holds_words(file) => Some(TemplateOrigin::OwnWords),
        (true, _) => Some(TemplateOrigin::Own),
        (false, true) => Some(TemplateOrigin::BuiltIn),
        (false, false) => None,
    }
}

/// A file of a language.
struct TemplateFile {
    language: String,
    path: String,
}

/// What a file can be looked at with.
struct Matching {
    channel: Option<String>,
    /// The samples of which a message is made by it.
    scenes: Vec<Scene>,
}

impl TemplateFile {
    /// The samples that it serves at a channel: at the one that is wanted, or else at the first where there are any: best one
    /// that people read, and in its language.
    fn matching(&self, templates: &Templates, routing: &RoutingSnapshot, wanted: Option<&str>) -> Matching {
        let users = self.users(templates);
        let scenes = all_scenes(routing);
        let ready = routing.writers.iter().filter(|(_, writer)| writer.channel.unready().is_none());
        let mut channels: Vec<&String> = ready.map(|(name, _)| name).collect();
        let is_for_programs = |kind: &str| kinds::kind_named(kind).is_some_and(|kind| kind.is_for_programs);
        channels.sort_by_key(|name| {
            let writer = &routing.writers[*name];
            (is_for_programs(writer.channel.kind()), writer.language != self.language)
        });
        if let Some(found) = wanted.and_then(|wanted| channels.iter().copied().find(|name| *name == wanted)) {
            channels = vec![found];
        }
        let serves = |scene: &Scene, channel: Option<&String>| {
            let writer = channel.and_then(|name| routing.writers.get(name));
            let zone = writer.map_or(&routing.summary.timezone, |writer| &writer.timezone);
            let view = MessageContext {
                event: &scene.event,
                order: scene.order.as_ref(),
                language: &self.language,
                timezone: &zone.zone,
                channel: channel.map_or("", String::as_str),
                channel_kind: writer.map_or("", |writer| writer.channel.kind()),
            };
            let chosen = templates.choose(&view);
            chosen.is_ok_and(|chosen| chosen.path() == self.path || users.contains(chosen.path()))
        };
        let has_any = |channel: &&String| scenes.iter().any(|scene| serves(scene, Some(channel)));
        let channel = channels.iter().copied().find(has_any).or(channels.first().copied()).cloned();
        let matching = scenes.into_iter().filter(|scene| serves(scene, channel.as_ref())).collect();
        Matching { scenes: matching, channel }
    }

    /// The templates of its language that bring it in, by their paths.
    fn users(&self, templates: &Templates) -> BTreeSet<String> {
        let overlay = templates.overlay();
        let all = folders::all(overlay);
        let chain = folders::chain(&self.language, &all, overlay);
        let mut sources = folders::built_in_sources(&chain);
        let is_own = |path: &str| path.split_once('/').is_some_and(|(folder, _)| chain.iter().any(|own| own == folder));
        sources
            .extend(overlay.iter().filter(|(path, _)| is_own(path)).map(|(path, text)| (path.clone(), text.clone())));
        let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
        let mut names = BTreeSet::from([name(&self.path)]);
        let mut users = BTreeSet::new();
        loop {
            let brings_in = |(path, source): &(&String, &String)| {
                !users.contains(*path) && names.iter().any(|name| source.contains(&format!("\"{name}\"")))
            };
            let more: Vec<String> = sources.iter().filter(brings_in).map(|(path, _)| path.clone()).collect();
            if more.is_empty() {
                return users;
            }
            names.extend(more.iter().map(|path| name(path)));
            users.extend(more);
        }
    }
}

/// The samples of every source, and events of our own kinds.
fn all_scenes(routing: &RoutingSnapshot) -> Vec<Scene> {
    let of_source = |(name, endpoint): (&String, &SourceEndpoint)| {
        scenes::of_source(name, endpoint.source.platform(), &routing.currency)
    };
    let reports: Vec<String> = routing.reports.keys().cloned().collect();
    let mut all: Vec<Scene> = routing.endpoints.iter().flat_map(of_source).collect();
    all.extend(scene::own(&reports));
    // With the order as it was placed before those without.
    all.sort_by_key(|scene| scene.order.is_none());
    all
}
