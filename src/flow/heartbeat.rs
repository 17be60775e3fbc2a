//! A dead man's switch: a service elsewhere is called while all is well, and another address when it is not. Silence is the
//! alarm, so nothing is called at the end of the daemon, and nothing that goes wrong here stops anything.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use tokio_util::sync::CancellationToken;

use crate::channel::http::{Http, Settings};
use crate::domain::heartbeat::HeartbeatSettings;
use crate::domain::pace::Elapsed;
use crate::flow::health::HealthCheck;
use crate::flow::notice::Topic;
use crate::flow::{Clock, Current};
use crate::store::Store;
use crate::store::health::{Incident, Status};

/// How often it is looked whether all is well: what goes wrong is said before the next call is due.
const LOOK_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// How often it is asked whether that time has come.
const TICK: Duration = Duration::from_secs(1);
/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The incidents with which Orderbell does not do what it is for. Others want somebody, but everything arrives: what is dead,
/// silent or mistaken was said, and may stay so for long.
const NOT_WELL: [Topic; 6] = [Topic::Parked, Topic::Waiting, Topic::Disk, Topic::Secret, Topic::Report, Topic::Backup];

/// What calls.
#[derive(Clone)]
pub struct Heartbeat {
    pub settings: Current<Option<HeartbeatSettings>>,
    pub health: Arc<HealthCheck>,
    pub store: Arc<dyn Store>,
    pub clock: Clock,
}

/// What it remembers between two looks.
#[derive(Default)]
struct Memory {
    /// With which settings it calls.
    caller: Option<Caller>,
    looked_at: Option<Elapsed>,
    called_at: Option<Elapsed>,
    wrong_since: Option<Elapsed>,
    /// What the last call was about: why all is not well.
    said: Option<Option<String>>,
    /// Whether the last call was not accepted, which is said once.
    is_refused: bool,
}

struct Caller {
    settings: HeartbeatSettings,
    /// Absent where there is no client, which is said once.
    http: Option<Http>,
}

impl Heartbeat {
    /// Calls at once, then as often as configured, and whenever something goes wrong or right, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut memory = Memory::default();
        loop {
            if shutdown.run_until_cancelled(self.look(&mut memory)).await.is_none()
                || shutdown.run_until_cancelled(tokio::time::sleep(TICK)).await.is_none()
            {
                return;
            }
        }
    }

    async fn look(&self, memory: &mut Memory) {
        let in_force = self.settings.get();
        let Some(settings) = &*in_force else {
            *memory = Memory::default();
            return;
        };
        if memory.caller.as_ref().is_none_or(|caller| caller.settings != *settings) {
            *memory = Memory { caller: Some(Caller::new(settings)), ..Memory::default() };
        }
        let now = self.clock.elapsed();
        let has_passed = |since: Option<Elapsed>, time| since.is_none_or(|since| now - since >= time);
        let is_due = has_passed(memory.called_at, settings.every);
        if !is_due && !has_passed(memory.looked_at, LOOK_EVERY) {
            return;
        }
        memory.looked_at = Some(now);
        let Some(wrong) = memory.certain(self.wrong().await, now) else { return };
        let is_news = memory.said.as_ref().is_none_or(|said| said.is_some() != wrong.is_some());
        if is_due || is_news {
            memory.called_at = Some(now);
            memory.call(wrong).await;
        }
    }

    /// What is wrong, in one line; `None` when all is well.
    async fn wrong(&self) -> Option<String> {
        if let Some(reason) = self.health.reason().await {
            return Some(reason);
        }
        if let Status::Wrong(reason) = &*self.store.status().borrow() {
            return Some(format!("nothing can be stored: {reason}"));
        }
        match self.store.incidents().await {
            Ok(incidents) => first(&incidents),
            Err(error) => Some(format!("the store cannot be read: {error}")),
        }
    }
}

/// The first of the incidents with which all is not well. Those of other instances count too: where several call one address,
/// they must not contradict each other.
fn first(incidents: &[Incident]) -> Option<String> {
    let incident = NOT_WELL.iter().find_map(|topic| incidents.iter().find(|one| one.topic == topic.as_str()))?;
    Some(format!("{} {}", incident.topic, incident.subject).trim().to_owned())
}

impl Memory {
    /// What is wrong, where that is no matter of a moment, as while a store is being opened; `None` while nobody knows.
    fn certain(&mut self, wrong: Option<String>, now: Elapsed) -> Option<Option<String>> {
        let Some(reason) = wrong else {
            self.wrong_since = None;
            return Some(None);
        };
        let since = *self.wrong_since.get_or_insert(now);
        (now - since >= LOOK_EVERY).then_some(Some(reason))
    }

    async fn call(&mut self, wrong: Option<String>) {
        let Some(Caller { settings, http: Some(http) }) = &self.caller else { return };
        let before = self.said.replace(wrong.clone());
        match (&before, &wrong) {
            (Some(Some(_)), None) => tracing::info!("all is well again, and the heartbeat says so"),
            (Some(None) | None, Some(reason)) => {
                tracing::warn!(reason, "all is not well, and the heartbeat calls its fail_url");
            }
            _ => {}
        }
        let url = if wrong.is_some() { settings.fail_address() } else { settings.url.clone() };
        let refused = match http.get(url.expose()).await {
            Ok(answer) if (200..300).contains(&answer.status) => None,
            Ok(answer) if (300..400).contains(&answer.status) => {
                Some(format!("HTTP {}: a redirect is not followed", answer.status))
            }
            Ok(answer) => Some(format!("HTTP {}", answer.status)),
            Err(failure) => Some(failure.to_string()),
        };
        match (refused, self.is_refused) {
            (Some(reason), false) => {
                tracing::warn!(reason, "a call of the heartbeat was not accepted; it goes on calling");
                self.is_refused = true;
            }
            (None, true) => {
                tracing::info!("the calls of the heartbeat are accepted again");
                self.is_refused = false;
            }
            (Some(_), true) | (None, false) => {}
        }
    }
}

impl Caller {
    fn new(settings: &HeartbeatSettings) -> Self {
        let of_http = Settings { allow_private: settings.allow_private, timeout: TIMEOUT, ..Settings::default() };
        let http =
            Http::new(&of_http).inspect_err(|error| tracing::error!(%error, "the heartbeat cannot call anybody")).ok();
        Self { settings: settings.clone(), http }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn what_keeps_orderbell_from_its_work_is_wrong_and_what_was_only_said_is_not() {
        let incident = |topic: Topic, subject: &str| {
            let (topic, subject) = (topic.as_str().to_owned(), subject.to_owned());
            Incident { topic, subject, since: Timestamp::UNIX_EPOCH, detail: String::new() }
        };
        for topic in Topic::WATCHED {
            let said = first(&[incident(Topic::Dead, "office"), incident(topic, "kitchen")]);
            let expected = NOT_WELL.contains(&topic).then(|| format!("{} kitchen", topic.as_str()));
            assert_eq!(said, expected);
        }
        assert_eq!(first(&[]), None);
        assert_eq!(first(&[incident(Topic::Report, "")]).as_deref(), Some("report"));
    }

    #[test]
    fn what_is_wrong_for_a_moment_is_not_said() {
        let (mut memory, at) = (Memory::default(), Elapsed::from_secs);
        let wrong = || Some("wrong".to_owned());
        assert_eq!(memory.certain(wrong(), at(0)), None);
        assert_eq!(memory.certain(None, at(9)), Some(None));
        assert_eq!(memory.certain(wrong(), at(10)), None);
        assert_eq!(memory.certain(wrong(), at(19)), None);
        assert_eq!(memory.certain(wrong(), at(20)), Some(wrong()));
        assert_eq!(memory.certain(None, at(21)), Some(None));
    }
}
