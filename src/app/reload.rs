//! A configuration that changes while the daemon runs: read again, checked whole, and only then put in the place of the one
//! in force.

use std::collections::BTreeMap;
use std::path::Path;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app;
use crate::app::StartError;
use crate::config;
use crate::config::Anew;
use crate::config::Config;
use crate::config::ConfiguredChannel;
use crate::config::Server;
use crate::config::Store;
use crate::config::StoreUrl;
use crate::config::footprint::Footprint;
use crate::config::problem::Problem;
use crate::domain::language::Sources;
use crate::domain::template::Templates;
use crate::flow::Clock;
use crate::flow::Current;
use crate::flow::intake::Reception;
use crate::flow::lane::Lane;
use crate::flow::lanes::Lanes;
use crate::flow::notice::Notices;
use crate::flow::notice::Topic;
use crate::flow::stranded;
use crate::render;
use crate::store::sqlite::Sqlite;

/// How long webhooks that are judged by the former configuration may take, before it is looked who was left behind.
const LAST_WEBHOOKS: Duration = Duration::from_secs(30);
const LOOK_AT_WEBHOOKS_EVERY: Duration = Duration::from_millis(10);

/// How a change of the configuration is noticed.
pub struct Watch {
    pub file: PathBuf,
    /// What the files looked like before the configuration in force was read.
    pub before: Footprint,
    /// A change is taken up when two looks in succession find the same: so no file that is still being written is read.
    pub look_every: Duration,
    /// Notified when a person asks to read it now.
    pub asked: Arc<Notify>,
}

/// What the running daemon was made of, and what can be replaced in it.
pub struct Reloader {
    pub channels: BTreeMap<String, ConfiguredChannel>,
    pub overlay: Sources,
    pub server: Server,
    pub store_settings: Store,
    pub lanes: Lanes,
    pub reception: Current<Reception>,
    pub templates: Current<Templates>,
    pub notices: Notices,
    pub store: Arc<Sqlite>,
    pub clock: Clock,
    pub work: TaskTracker,
    pub shutdown: CancellationToken,
}

/// What can be made of a new configuration without touching the running one.
struct Made {
    anew: Anew,
    /// The lanes of channels that are new or have changed.
    fresh: Vec<Lane>,
    /// The templates, where they are others and without mistakes.
    templates: Option<Templates>,
}

/// Why a new configuration is not taken.
enum Unfit {
    Wrong(Vec<Problem>),
    Channel(StartError),
}

impl Reloader {
    /// Puts each new configuration in force, until the daemon stops.
    pub async fn run(&mut self, watch: &Watch) {
        let mut looks = Looks { read: watch.before.clone(), last: None };
        let shutdown = self.shutdown.clone();
        let next = async |watch: &Watch| {
            tokio::select! {
                () = watch.asked.notified() => Some(true),
                () = tokio::time::sleep(watch.look_every) => Some(false),
                () = shutdown.cancelled() => None,
            }
        };
        while let Some(asked) = next(watch).await {
            let file = watch.file.clone();
            // Before it is read: what is written afterwards is another change.
            let Ok(seen) = tokio::task::spawn_blocking(move || Footprint::of(&file)).await else { continue };
            if looks.wants_reading(seen, asked) {
                self.read(&watch.file).await;
            }
        }
    }

    async fn read(&mut self, file: &Path) {
        let (path, channels, overlay) = (file.to_owned(), self.channels.clone(), self.overlay.clone());
        let made = tokio::task::spawn_blocking(move || make(&path, &channels, &overlay)).await;
        match made {
            Ok(Ok(made)) => self.put_in_force(file, made).await,
            Ok(Err(unfit)) => self.refuse(file, unfit).await,
            Err(_) => tracing::error!("reading the configuration met a fault of its own; the one in force stays"),
        }
    }

    async fn put_in_force(&mut self, file: &Path, made: Made) {
        let Made { anew: Anew { mut config, mistakes, warnings }, fresh, templates } = made;
        for warning in &warnings {
            tracing::warn!(file = warning.file, line = warning.line, "{}", said(warning));
        }
        self.keep_what_cannot_change(&mut config);
        // The templates first: a channel may speak a language that only the new ones have.
        let new_templates = templates.is_some();
        if let Some(templates) = templates {
            self.templates.replace(templates);
            self.overlay = std::mem::take(&mut config.overlay);
        }
        let channels = std::mem::replace(&mut self.channels, config.channels.clone());
        let gone: Vec<String> = channels.into_keys().filter(|name| !self.channels.contains_key(name)).collect();
        let started: Vec<&str> = fresh.iter().map(|lane| lane.name.as_str()).collect();
        tracing::info!(
            configuration = %file.display(),
            sources = config.sources.len(),
            routes = config.routes.routes.len(),
            channels_started = started.join(", "),
            channels_ended = gone.join(", "),
            new_templates,
            "the configuration was read again and is in force"
        );
        let before = self.reception.replace(app::reception(config));
        for (name, inlet) in &self.reception.get().inlets {
            if before.inlets.get(name).is_none_or(|before| before.address != inlet.address) {
                tracing::info!(
                    source = name,
                    "webhooks are taken at /hooks/{name}, known to the platform as {}",
                    inlet.address
                );
            }
        }
        let ended = self.lanes.change(fresh, &gone);
        self.look_after(before, ended);
        if !mistakes.is_empty() {
            log(&mistakes);
            tracing::error!("the new templates are not used; the last good ones stay");
            self.tell(Topic::Templates, &mistakes).await;
        }
    }

    /// When the last webhook that was judged by the former configuration is stored, and the lanes of channels that are gone
    /// have ended: says what waits for nobody.
    fn look_after(&self, before: Arc<Reception>, ended: Vec<CancellationToken>) {
        let (store, reception) = (self.store.clone(), self.reception.clone());
        let (notices, clock, shutdown) = (self.notices.clone(), self.clock.clone(), self.shutdown.clone());
        self.work.spawn(async move {
            let looking = async {
                let last = async {
                    while Arc::strong_count(&before) > 1 {
                        tokio::time::sleep(LOOK_AT_WEBHOOKS_EVERY).await;
                    }
                };
                let _ = tokio::time::timeout(LAST_WEBHOOKS, last).await;
                for ended in ended {
                    ended.cancelled().await;
                }
                stranded::tell(&store, &reception, &notices, &clock).await;
            };
            shutdown.run_until_cancelled(looking).await;
        });
    }

    async fn refuse(&self, file: &Path, unfit: Unfit) {
        match unfit {
            Unfit::Wrong(problems) => {
                log(&problems);
                tracing::error!(configuration = %file.display(), "the new configuration is not used; the one in force stays");
                self.tell(Topic::Configuration, &problems).await;
            }
            Unfit::Channel(error) => {
                tracing::error!(configuration = %file.display(), %error, "the new configuration is not used; the one in force stays");
                let subject = file.display().to_string();
                self.notices.tell(Topic::Configuration, &subject, error.to_string(), self.clock.now()).await;
            }
        }
    }

    /// Tells the operator of the first mistake and how many there are more. Another mistake at another place is told anew.
    async fn tell(&self, topic: Topic, problems: &[Problem]) {
        let Some(first) = problems.first() else { return };
        let more = match problems.len() - 1 {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let detail = format!("{}{more}", said(first));
        self.notices.tell(topic, &place(first), detail, self.clock.now()).await;
    }

    /// Puts the values in force in the place of those that only a restart can change, and says so.
    fn keep_what_cannot_change(&self, config: &mut Config) {
        let StoreUrl::Sqlite(path) = &self.store_settings.url;
        let StoreUrl::Sqlite(new_path) = &config.store.url;
        let days = |store: &Store| format!("{} h", store.keep.as_hours());
        for (key, in_force, new) in [
            ("server.listen", self.server.listen.to_string(), config.server.listen.to_string()),
            ("server.max_body", self.server.max_body_bytes.to_string(), config.server.max_body_bytes.to_string()),
            ("store.url", path.display().to_string(), new_path.display().to_string()),
            ("store.keep", days(&self.store_settings), days(&config.store)),
        ] {
            if in_force != new {
                tracing::warn!(key, in_force, new, "this key needs a restart; until then its old value stays in force");
            }
        }
        let public_url = config.server.public_url.take();
        config.server = Server { public_url, ..self.server.clone() };
        config.store = self.store_settings.clone();
    }
}

/// What was seen of the files so far.
struct Looks {
    /// When they were read last.
    read: Footprint,
    /// At the last look.
    last: Option<Footprint>,
}

impl Looks {
    /// Whether it is time to read them: when somebody asks for it, or when they have changed and are at rest.
    fn wants_reading(&mut self, seen: Footprint, asked: bool) -> bool {
        let is_at_rest = self.last.replace(seen.clone()).as_ref() == Some(&seen);
        let wants = asked || (is_at_rest && seen != self.read);
        if wants {
            self.read = seen;
        }
        wants
    }
}

/// Reads the file and makes what takes time: not on a thread that others need.
fn make(file: &Path, channels: &BTreeMap<String, ConfiguredChannel>, overlay: &Sources) -> Result<Made, Unfit> {
    let mut anew = config::read_anew(file).map_err(Unfit::Wrong)?;
    let changed = anew.config.channels.iter().filter(|(name, channel)| channels.get(*name) != Some(channel));
    let fresh = changed.map(|(name, channel)| app::lane(name.clone(), channel.clone())).collect::<Result<_, _>>();
    let fresh = fresh.map_err(Unfit::Channel)?;
    let is_new = anew.mistakes.is_empty() && anew.config.overlay != *overlay;
    let templates = is_new.then(|| render::templates(&anew.config.overlay, &anew.config.isolation)).transpose();
    let templates = templates.unwrap_or_else(|errors| {
        // They were compiled a moment ago, so this is for nothing that is known.
        anew.mistakes.push(config::problem::unreadable(file.display().to_string(), errors.to_string(), ""));
        None
    });
    Ok(Made { anew, fresh, templates })
}

fn log(problems: &[Problem]) {
    for problem in problems {
        tracing::error!(file = problem.file, line = problem.line, column = problem.column, "{}", said(problem));
    }
}

/// What is wrong, and what would be right.
fn said(problem: &Problem) -> String {
    match &problem.help {
        Some(help) => format!("{}; {help}", problem.message),
        None => problem.message.clone(),
    }
}

/// `orderbell.toml:12:5`.
fn place(problem: &Problem) -> String {
    let numbers = [problem.line, problem.column].into_iter().flatten().map(|number| format!(":{number}"));
    problem.file.clone() + &numbers.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_when_it_is_at_rest_or_when_somebody_asks() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("orderbell.toml");
        let look = |content: &str| {
            std::fs::write(&file, content).unwrap();
            Footprint::of(&file)
        };
        let at_the_start = look("language = \"en\"");
        let mut looks = Looks { read: at_the_start.clone(), last: None };
        assert!(!looks.wants_reading(at_the_start.clone(), false) && !looks.wants_reading(at_the_start, false));
        // Written piece by piece: no piece is taken for the whole.
        let pieces = ["", "lang", "language = \"zh", "language = \"zh-CN\""].map(look);
        assert!(pieces.iter().all(|piece| !looks.wants_reading(piece.clone(), false)));
        let [.., whole] = pieces;
        assert!(looks.wants_reading(whole.clone(), false), "at rest");
        assert!(!looks.wants_reading(whole.clone(), false), "and once");
        assert!(looks.wants_reading(whole, true), "asked for, unchanged");
        let changed = look("currency = \"HKD\"");
        assert!(looks.wants_reading(changed.clone(), true), "asked for, at once");
        assert!(!looks.wants_reading(changed.clone(), false), "then not once more");
    }
}
