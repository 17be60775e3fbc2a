//! A configuration that changes while the daemon runs: read again, checked whole, and only then put in the place of the one
//! in force.

mod made;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::admin::AdminControl;
use crate::app::configuration_file::{FileOnDisk, FixedSettings};
use crate::app::reload::made::{InForce, Made, Unfit};
use crate::app::routines::Routines;
use crate::app::{instances, problems, setup};
use crate::config;
use crate::config::Anew;
use crate::config::configured::{Config, ConfiguredChannel};
use crate::config::listeners::Server;
use crate::domain::language::folders::Sources;
use crate::domain::secret::Secret;
use crate::domain::template::Templates;
use crate::flow::configuration_file::PendingKey;
use crate::flow::notice::{Notices, Topic};
use crate::flow::routing::RoutingSnapshot;
use crate::flow::service_manager::ServiceManager;
use crate::flow::settings_check::InUse;
use crate::flow::watch::mistakes::{FoundAt, Mistake, Mistakes};
use crate::flow::worker_pool::WorkerPool;
use crate::flow::{Clock, Current, orphaned};
use crate::in_force;
use crate::in_force::fingerprint::Fingerprint;
use crate::store::Store;

/// How long webhooks that are judged by the former configuration may take, before it is looked who was left behind.
const LAST_WEBHOOKS: Duration = Duration::from_secs(30);
const LOOK_AT_WEBHOOKS_EVERY: Duration = Duration::from_millis(10);

/// How a change of the configuration is noticed.
pub struct Watch {
    pub file: PathBuf,
    /// What the files looked like before the configuration in force was read.
    pub before: Fingerprint,
    /// A change is taken up when two looks in succession find the same: so no file that is still being written is read.
    pub look_every: Duration,
    /// Notified when a person asks to read it now.
    pub asked: Arc<Notify>,
    /// Who is notified of each reading, if anybody.
    pub service_manager: ServiceManager,
}

/// What the running daemon was made of, and what can be replaced in it.
pub struct Reloader {
    pub channels: BTreeMap<String, ConfiguredChannel>,
    /// What the channel workers send with.
    pub in_use: Current<BTreeMap<String, InUse>>,
    pub overlay: Sources,
    /// As it stands in the file.
    pub text: Secret,
    /// The heartbeat and the backups.
    pub routines: Routines,
    /// Its digest, which the other instances on a store see.
    pub fingerprint: Current<String>,
    pub mistakes: Mistakes,
    /// Makes the watch look at once.
    pub look: Arc<Notify>,
    pub fixed: FixedSettings,
    /// Where it is shown what is in force.
    pub shown: FileOnDisk,
    /// Absent where nothing listens for it.
    pub admin: Option<AdminControl>,
    pub workers: WorkerPool,
    pub routing: Current<RoutingSnapshot>,
    pub templates: Current<Templates>,
    pub notices: Notices,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
    pub work: TaskTracker,
    pub shutdown: CancellationToken,
}

impl Reloader {
    /// Puts each new configuration in force, until the daemon stops.
    pub async fn run(&mut self, watch: &Watch) {
        let mut looks = Looks { read: watch.before.clone(), last: None };
        self.try_templates(&watch.file).await;
        let shutdown = self.shutdown.clone();
        let next = async |watch: &Watch| {
            tokio::select! {
                () = watch.asked.notified() => Some(true),
                () = tokio::time::sleep(watch.look_every) => Some(false),
                () = shutdown.cancelled() => None,
            }
        };
        while let Some(asked) = next(watch).await {
            let (file, text) = (watch.file.clone(), self.text.clone());
            let look = move || Fingerprint::with(&file, text.expose());
            // Before it is read: what is written afterwards is another change.
            let Ok(seen) = tokio::task::spawn_blocking(look).await else { continue };
            if looks.wants_reading(seen, asked) {
                let _reload = watch.service_manager.reload();
                self.read(&watch.file).await;
            }
        }
    }

    async fn read(&mut self, file: &Path) {
        let (path, in_force) = (file.to_owned(), self.in_force());
        match tokio::task::spawn_blocking(move || made::make(&path, &in_force)).await {
            Ok(Ok(made)) => {
                self.put_in_force(file, made).await;
                self.mended(Topic::Configuration);
            }
            Ok(Err(unfit)) => {
                self.refuse(file, unfit);
                self.look_for_secrets(file).await;
            }
            Err(_) => tracing::error!("reading the configuration met an internal error; the one in force stays"),
        }
    }

    fn in_force(&self) -> InForce {
        let routing = self.routing.get();
        let is_closed = |name: &String| routing.endpoints[name].closed.is_some();
        let (closed, open) = routing.endpoints.keys().cloned().partition(is_closed);
        let (channels, overlay) = (self.channels.clone(), self.overlay.clone());
        InForce { text: self.text.clone(), channels, open, closed, overlay, heartbeat: self.routines.configured() }
    }

    /// While the file cannot be used, the configuration in force may have got the secrets that it waits for.
    async fn look_for_secrets(&mut self, file: &Path) {
        let (path, in_force) = (file.to_owned(), self.in_force());
        let found = tokio::task::spawn_blocking(move || made::with_its_secrets(&path, &in_force)).await;
        if let Ok(Some(made)) = found {
            self.put_in_force(file, made).await;
        }
    }

    async fn put_in_force(&mut self, file: &Path, made: Made) {
        let Made { anew: Anew { mut config, mistakes, secrets, warnings }, fresh, templates } = made;
        problems::log(&warnings);
        problems::log(&secrets);
        self.keep_what_cannot_change(&mut config);
        self.text = config.text.clone();
        self.shown.replace(&self.text, self.clock.now());
        self.fingerprint.replace(instances::fingerprint(&config, Some(file)));
        keep(file, &config, &self.clock).await;
        // The templates first: a channel may speak a language that only the new ones have.
        let new_templates = templates.is_some();
        if let Some(templates) = templates {
            self.templates.replace(templates);
            self.overlay = std::mem::take(&mut config.overlay);
        }
        let channels = std::mem::replace(&mut self.channels, config.channels.clone());
        let gone: Vec<String> = channels.into_keys().filter(|name| !self.channels.contains_key(name)).collect();
        let started: Vec<&str> = fresh.iter().map(|worker| worker.name.as_str()).collect();
        tracing::info!(
            configuration = %file.display(),
            sources = config.sources.len(),
            routes = config.routes.routes.len(),
            channels_started = started.join(", "),
            channels_ended = gone.join(", "),
            new_templates,
            "the configuration was read again and is in force"
        );
        self.routines.replace(&config);
        if let Some(admin) = &mut self.admin {
            admin.replace(config.admin.take());
        }
        let before = self.routing.replace(setup::routing(config));
        for (name, endpoint) in &self.routing.get().endpoints {
            if before.endpoints.get(name).is_none_or(|before| before.address != endpoint.address) {
                tracing::info!(
                    source = name,
                    "webhooks are taken at /hooks/{name}, known to the platform as {}",
                    endpoint.address
                );
            }
        }
        let ended = self.workers.change(fresh, &gone);
        // The workers first: a test that is sent once these are known meets no worker from before.
        self.in_use.replace(setup::in_use(&self.channels));
        self.look_after(before, ended);
        if mistakes.is_empty() {
            return self.mended(Topic::Templates);
        }
        problems::log(&mistakes);
        tracing::error!("the new templates are not used; the last good ones stay");
        self.stands(Topic::Templates, problems::mistake(&mistakes, self.clock.now()));
    }

    /// What `check` calls an error in a template, a start says: in its own time, for webhooks do not wait for it.
    async fn try_templates(&self, file: &Path) {
        if self.overlay.is_empty() {
            return;
        }
        let (path, text) = (file.to_owned(), self.text.clone());
        let tried = tokio::task::spawn_blocking(move || config::try_templates(&path, text.expose())).await;
        let Ok(mistakes) = tried else {
            return tracing::error!("trying the templates met an internal error; they are used as they are");
        };
        if let Some(mistake) = problems::mistake(&mistakes, self.clock.now()) {
            problems::log(&mistakes);
            tracing::error!("where a template fails, messages go out in their plain form");
            self.mistakes.stands(Topic::Templates, mistake, FoundAt::AtStart);
            self.look.notify_one();
        }
    }

    /// When the last webhook that was judged by the former configuration is stored, and the workers of channels that are gone
    /// have ended: says what waits for nobody.
    fn look_after(&self, before: Arc<RoutingSnapshot>, ended: Vec<CancellationToken>) {
        let (store, routing) = (self.store.clone(), self.routing.clone());
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
                orphaned::notify(&*store, &routing, &notices, &clock).await;
            };
            shutdown.run_until_cancelled(looking).await;
        });
    }

    fn refuse(&self, file: &Path, unfit: Unfit) {
        let now = self.clock.now();
        let mistake = match unfit {
            Unfit::Wrong(problems) => {
                problems::log(&problems);
                tracing::error!(configuration = %file.display(), "the new configuration is not used; the one in force stays");
                problems::mistake(&problems, now)
            }
            Unfit::Channel(error) => {
                tracing::error!(configuration = %file.display(), %error, "the new configuration is not used; the one in force stays");
                Some(Mistake { place: file.display().to_string(), detail: error.to_string(), since: now })
            }
        };
        self.stands(Topic::Configuration, mistake);
    }

    /// A mistake of which the watch is to notify the operator.
    fn stands(&self, topic: Topic, mistake: Option<Mistake>) {
        if let Some(mistake) = mistake {
            self.mistakes.stands(topic, mistake, FoundAt::AtReload);
            self.look.notify_one();
        }
    }

    fn mended(&self, topic: Topic) {
        self.mistakes.mended(topic);
        self.look.notify_one();
    }

    /// Puts the values in force in the place of those that only a restart can change, and says so.
    fn keep_what_cannot_change(&self, config: &mut Config) {
        let FixedSettings { server, store, .. } = &self.fixed;
        for PendingKey { key, in_force, in_file } in self.fixed.pending(config) {
            tracing::warn!(
                key,
                in_force,
                new = in_file,
                "this key needs a restart; until then its old value stays in force"
            );
        }
        let public_url = config.server.public_url.take();
        config.server = Server { public_url, ..server.clone() };
        config.store = store.clone();
    }
}

/// What was seen of the files so far.
struct Looks {
    /// When they were read last.
    read: Fingerprint,
    /// At the last look.
    last: Option<Fingerprint>,
}

impl Looks {
    /// Whether it is time to read them: when somebody asks for it, or when they have changed and are at rest.
    fn wants_reading(&mut self, seen: Fingerprint, asked: bool) -> bool {
        let is_at_rest = self.last.replace(seen.clone()).as_ref() == Some(&seen);
        let wants = asked || (is_at_rest && seen != self.read);
        if wants {
            self.read = seen;
        }
        wants
    }
}

/// Keeps the configuration that has come in force, for a start with a broken file. Where that fails, the daemon runs on.
pub async fn keep(file: &Path, config: &Config, clock: &Clock) {
    let (path, text, store, now) = (file.to_owned(), config.text.clone(), config.store.clone(), clock.now());
    let kept = tokio::task::spawn_blocking(move || in_force::keep(&path, &text, &store, now)).await;
    match kept {
        Ok((failed, true)) => tracing::warn!(
            reason = failed.join("; "),
            "no copy of the configuration could be kept; the next start needs a file without errors"
        ),
        Ok((failed, false)) if !failed.is_empty() => {
            tracing::debug!(reason = failed.join("; "), "not everywhere a copy of the configuration could be kept")
        }
        Ok(_) => {}
        Err(_) => tracing::error!("keeping a copy of the configuration met an internal error"),
    }
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
            Fingerprint::of(&file)
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
