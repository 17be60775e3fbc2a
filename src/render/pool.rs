//! The processes that render one set of templates: a few, shared fairly by the channels, and none while nothing is rendered.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::domain::language::folders::Sources;
use crate::domain::template::fault::{ComposeError, TemplateFault};
use crate::domain::template::isolated::{IsolatedRenderer, RenderJob};
use crate::render::protocol::{RenderAnswer, RenderRequest};
use crate::render::worker::{End, Worker};

/// What bounds the processes, beside what they bind themselves to.
#[derive(Clone, Copy, Debug)]
pub struct PoolLimits {
    pub processes: usize,
    /// A template that was stopped so often in a row is rendered no more until the templates change.
    pub strikes: u32,
    /// For one message, by the clock on the wall: the machine may be busy.
    pub render: Duration,
    /// For all messages of one template; without end where absent.
    pub template: Option<Duration>,
    /// For parsing all files.
    pub load: Duration,
    /// For a process to become free.
    pub wait: Duration,
    /// A process that was not needed for so long is ended.
    pub idle: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            processes: 3,
            strikes: 3,
            render: Duration::from_secs(8),
            template: None,
            load: Duration::from_secs(30),
            wait: Duration::from_secs(30),
            idle: Duration::from_secs(60),
        }
    }
}

/// Renders the templates of one merchant's folder, as it was read.
pub struct Pool {
    program: PathBuf,
    files: RenderRequest,
    limits: PoolLimits,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    /// Each since when.
    idle: Vec<(Worker, Instant)>,
    busy: usize,
    /// Callers for which something is rendered now: each has one process at a time, so that none takes all.
    channels: HashSet<String>,
    /// How often each template was stopped in a row, and what was said of it.
    strikes: HashMap<String, (u32, ComposeError)>,
    /// How long each template has taken in all.
    taken: HashMap<String, Duration>,
    /// Whether somebody ends what is idle.
    is_kept: bool,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// That a channel may render; it ends when this is dropped.
struct RenderPermit<'a> {
    shared: &'a Shared,
    channel: &'a str,
}

impl Drop for RenderPermit<'_> {
    fn drop(&mut self) {
        let mut state = self.shared.state();
        state.busy -= 1;
        state.channels.remove(self.channel);
        drop(state);
        self.shared.freed.notify_all();
    }
}

impl Pool {
    pub fn new(program: PathBuf, overlay: Sources, limits: PoolLimits) -> Self {
        Self { program, files: RenderRequest::Load(overlay), limits, shared: Arc::default() }
    }

    /// Starts a process, and keeps it; answers what is wrong with the files.
    pub fn load(&self) -> Vec<ComposeError> {
        match self.start() {
            Ok(worker) => {
                self.keep(worker);
                Vec::new()
            }
            Err(errors) => errors,
        }
    }

    /// How many processes there are.
    pub fn processes(&self) -> usize {
        let state = self.shared.state();
        state.busy + state.idle.len()
    }

    fn start(&self) -> Result<Worker, Vec<ComposeError>> {
        let mut worker = Worker::start(&self.program).map_err(|end| vec![stopped("", &end)])?;
        let mut last = String::new();
        let loaded = worker.ask(&self.files, self.limits.load, |answer| match answer {
            RenderAnswer::Loaded(errors) => Some(errors),
            RenderAnswer::Reading(path) => {
                last = path;
                None
            }
            RenderAnswer::Ready | RenderAnswer::Rendered(_) => None,
        });
        match loaded {
            Ok(errors) if errors.is_empty() => Ok(worker),
            Ok(errors) => Err(errors),
            Err(end) => Err(vec![stopped(&last, &end)]),
        }
    }

    /// Lets a channel render, once there is room for it.
    fn admit<'a>(&'a self, job: &'a RenderJob) -> Result<RenderPermit<'a>, ComposeError> {
        let is_taken = |state: &mut State| state.busy >= self.limits.processes || state.channels.contains(&job.channel);
        let state = self.shared.state();
        let waited = self.shared.freed.wait_timeout_while(state, self.limits.wait, is_taken);
        let (mut state, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        if timeout.timed_out() {
            return Err(stopped(&job.path, &End::Unavailable("others take too long".to_owned())));
        }
        state.busy += 1;
        state.channels.insert(job.channel.clone());
        Ok(RenderPermit { shared: &self.shared, channel: &job.channel })
    }

    fn struck_out(&self, path: &str) -> Result<(), ComposeError> {
        let state = self.shared.state();
        let limit = self.limits.template.filter(|limit| state.taken.get(path).is_some_and(|taken| taken > limit));
        match (state.strikes.get(path), limit) {
            (Some((strikes, error)), _) if *strikes >= self.limits.strikes => Err(error.clone()),
            (_, Some(limit)) => {
                let message = format!("its samples take more than {} seconds in all; look for a loop", limit.as_secs());
                Err(ComposeError { message, ..stopped(path, &End::Time) })
            }
            _ => Ok(()),
        }
    }

    fn strike(&self, path: &str, error: &ComposeError) {
        let mut state = self.shared.state();
        let strikes = state.strikes.entry(path.to_owned()).or_insert_with(|| (0, error.clone()));
        *strikes = (strikes.0 + 1, error.clone());
    }

    /// A process that is kept, and lives.
    fn idle(&self) -> Option<Worker> {
        loop {
            let (mut worker, _) = self.shared.state().idle.pop()?;
            if worker.is_alive() {
                return Some(worker);
            }
        }
    }

    /// Keeps a process for the next message, for as long as it is worth it.
    fn keep(&self, worker: Worker) {
        let mut state = self.shared.state();
        state.idle.push((worker, Instant::now()));
        if !std::mem::replace(&mut state.is_kept, true) {
            let (shared, idle) = (Arc::downgrade(&self.shared), self.limits.idle);
            state.is_kept = std::thread::Builder::new().spawn(move || end_idle(&shared, idle)).is_ok();
        }
    }
}

impl IsolatedRenderer for Pool {
    fn render(&self, job: &RenderJob) -> Result<String, ComposeError> {
        self.struck_out(&job.path)?;
        let _permit = self.admit(job)?;
        self.struck_out(&job.path)?;
        let mut worker = match self.idle() {
            Some(worker) => worker,
            None => self.start().map_err(|errors| {
                let first = errors.into_iter().next().unwrap_or_else(|| stopped(&job.path, &End::Stack));
                if first.fault == TemplateFault::Exhausted {
                    self.strike(&job.path, &first);
                }
                first
            })?,
        };
        let begin = Instant::now();
        let rendered = worker.ask(&RenderRequest::Render(job.clone()), self.limits.render, |answer| match answer {
            RenderAnswer::Rendered(rendered) => Some(rendered),
            _ => None,
        });
        *self.shared.state().taken.entry(job.path.clone()).or_default() += begin.elapsed();
        match rendered {
            Ok(rendered) => {
                self.shared.state().strikes.remove(&job.path);
                self.keep(worker);
                rendered
            }
            Err(end) => {
                let error = stopped(&job.path, &end);
                self.strike(&job.path, &error);
                Err(error)
            }
        }
    }
}

/// Ends what is idle, until nothing is left.
fn end_idle(shared: &Weak<Shared>, after: Duration) {
    loop {
        let Some(shared) = shared.upgrade() else { return };
        let mut state = shared.state();
        let is_over = |(_, since): &mut (Worker, Instant)| since.elapsed() >= after;
        let over: Vec<(Worker, Instant)> = state.idle.extract_if(.., is_over).collect();
        let next = state.idle.iter().map(|(_, since)| after.saturating_sub(since.elapsed())).min();
        // Whoever is busy comes back later, and finds that nobody keeps it.
        state.is_kept = next.is_some();
        drop(state);
        drop(over);
        drop(shared);
        match next {
            Some(next) => std::thread::sleep(next),
            None => return,
        }
    }
}

fn stopped(path: &str, end: &End) -> ComposeError {
    ComposeError {
        template: path.to_owned(),
        line: None,
        span: None,
        fault: if matches!(end, End::Unavailable(_)) { TemplateFault::Unavailable } else { TemplateFault::Exhausted },
        message: end.in_words(),
    }
}
