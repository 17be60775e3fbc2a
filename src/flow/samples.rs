//! Samples of what platforms send, signed with the secret of a configured source: made and posted, and known again by the intake
//! where this daemon has sent one to itself, so that it counts nowhere.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use http::HeaderMap;
use jiff::Timestamp;

use crate::channel::http::failure::HttpFailure;
use crate::channel::http::{Http, Response, Settings};
use crate::domain::event::EventId;
use crate::flow::ids;
use crate::platform::sample::{SampleContent, SampleError};
use crate::platform::{Platform, SampleWebhook};

/// The header by which the intake knows what this daemon has sent to itself. What it says is good for one request.
const MARK: &str = "x-orderbell-sample";

/// Which of the samples of a platform.
#[derive(Clone, Copy, Debug)]
pub struct WantedSample<'a> {
    pub kind: &'a str,
    /// Among those of the kind, from 0.
    pub index: usize,
    /// The one that is signed for.
    pub address: &'a str,
}

/// Why there is no such sample.
#[derive(Debug)]
pub enum NoSample {
    /// The platform sends nothing of this kind.
    Kind,
    /// There are only so many of this kind.
    Index(usize),
    /// It cannot say what it is to say.
    Content(SampleError),
}

/// One of the platform's samples, signed at `now`.
///
/// # Errors
/// [`NoSample`].
pub fn make(
    platform: &dyn Platform,
    wanted: WantedSample<'_>,
    content: &SampleContent,
    now: Timestamp,
) -> Result<SampleWebhook, NoSample> {
    let samples = wanted.kind.parse().map(|kind| platform.samples_of(&kind, wanted.address, content, now));
    let mut samples = samples.unwrap_or_else(|_| Ok(Vec::new())).map_err(NoSample::Content)?;
    match samples.len() {
        0 => Err(NoSample::Kind),
        all if wanted.index >= all => Err(NoSample::Index(all)),
        _ => Ok(samples.swap_remove(wanted.index)),
    }
}

/// One by which a sample is no duplicate of another.
pub fn seed() -> u64 {
    u64::try_from(ids::unique().as_u128() & u128::from(u64::MAX)).unwrap_or_default()
}

/// Why a sample was not answered.
#[derive(Debug, thiserror::Error)]
pub enum Unanswered {
    /// There is no client to send it with.
    #[error("{0}")]
    Client(String),
    #[error(transparent)]
    Http(#[from] HttpFailure),
}

/// Posts a sample to the intake of a daemon, which may well be on this machine.
///
/// # Errors
/// [`Unanswered`].
pub async fn post(address: &str, sample: SampleWebhook) -> Result<Response, Unanswered> {
    // It reads the certificates of this machine.
    let client = || Http::new(&Settings { allow_private: true, ..Settings::default() });
    let client = tokio::task::spawn_blocking(client).await.map_err(|error| Unanswered::Client(error.to_string()))?;
    let client = client.map_err(|error| Unanswered::Client(error.to_string()))?;
    let headers: Vec<(&str, &str)> =
        sample.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    Ok(client.post(address, &headers, sample.body).await?)
}

/// Where a listener is reached from this machine.
pub fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// What the intake made of a sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SampleArrival {
    pub event: EventId,
    /// The name of the way of signing that fitted.
    pub recipe: Option<String>,
    /// Those that have a message waiting by it.
    pub channels: Vec<String>,
}

/// The samples that this daemon has sent to itself and that have not come yet. Cloning shares them.
#[derive(Clone, Default)]
pub struct SampleMarks(Arc<Mutex<BTreeMap<String, ExpectedSample>>>);

/// A sample that is under way to the intake.
#[derive(Clone, Debug)]
pub struct ExpectedSample {
    pub source: String,
    pub arrival: Arc<OnceLock<SampleArrival>>,
}

/// A request says that it is a sample, and none is expected any more: it is signed as a real order is, and must not become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnexpectedSample;

impl SampleMarks {
    /// The sample that a request to this source says it is: nobody else knows what it has to say, and it can say it once.
    ///
    /// # Errors
    /// [`UnexpectedSample`].
    pub fn take(&self, source: &str, headers: &HeaderMap) -> Result<Option<ExpectedSample>, UnexpectedSample> {
        let Some(said) = headers.get(MARK) else { return Ok(None) };
        let said = said.to_str().map_err(|_| UnexpectedSample)?;
        let mut expected = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if expected.get(said).is_none_or(|sample| sample.source != source) {
            return Err(UnexpectedSample);
        }
        Ok(expected.remove(said))
    }

    /// A new mark for a sample, and where its arrival will be found.
    fn expect(&self, source: &str) -> (Mark, Arc<OnceLock<SampleArrival>>) {
        let text = ids::unique().simple().to_string();
        let expected = ExpectedSample { source: source.to_owned(), arrival: Arc::default() };
        let arrival = expected.arrival.clone();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(text.clone(), expected);
        (Mark { text, marks: self.clone() }, arrival)
    }
}

/// What a sample says of itself; good for nothing any more when it is dropped.
struct Mark {
    text: String,
    marks: SampleMarks,
}

impl Drop for Mark {
    fn drop(&mut self) {
        self.marks.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.text);
    }
}

/// Sends samples to this daemon itself, on the way that real webhooks come. Cloning shares it.
#[derive(Clone)]
pub struct SampleSender {
    pub marks: SampleMarks,
    /// Where webhooks are taken.
    pub listener: SocketAddr,
}

impl SampleSender {
    /// Sends a sample to a source, and answers what was answered, and what the intake made of it.
    ///
    /// # Errors
    /// As [`post`].
    pub async fn send(
        &self,
        source: &str,
        mut sample: SampleWebhook,
    ) -> Result<(Response, Option<SampleArrival>), Unanswered> {
        let (mark, arrival) = self.marks.expect(source);
        sample.headers.push((MARK.to_owned(), mark.text.clone()));
        let answer = post(&format!("http://{}/hooks/{source}", reachable(self.listener)), sample).await?;
        Ok((answer, arrival.get().cloned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_on_all_addresses_is_reached_on_this_machine() {
        for (listens, asked) in
            [("0.0.0.0:8788", "127.0.0.1:8788"), ("[::]:8788", "[::1]:8788"), ("192.0.2.7:80", "192.0.2.7:80")]
        {
            assert_eq!(reachable(listens.parse().unwrap()).to_string(), asked);
        }
    }

    #[test]
    fn a_mark_is_good_for_one_request_to_its_source() {
        let marks = SampleMarks::default();
        let (mark, _) = marks.expect("hk");
        let saying = |mark: &str| HeaderMap::from_iter([(MARK.parse().unwrap(), mark.parse().unwrap())]);
        assert!(marks.take("hk", &HeaderMap::new()).is_ok_and(|sample| sample.is_none()));
        assert!(marks.take("hk", &saying("two")).is_err());
        assert!(marks.take("sa", &saying(&mark.text)).is_err());
        assert!(marks.take("hk", &saying(&mark.text)).is_ok_and(|sample| sample.is_some()));
        assert!(marks.take("hk", &saying(&mark.text)).is_err());
        let (given_up, _) = marks.expect("hk");
        let said = saying(&given_up.text);
        drop(given_up);
        assert!(marks.take("hk", &said).is_err(), "nobody waits for it any more");
    }
}
