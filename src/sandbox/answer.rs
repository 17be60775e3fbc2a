//! The walk of one request through the sandbox: which receiver it is for, which fault strikes, what is kept and answered.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::domain::simulated::Addressee;
use crate::sandbox::allowance::{MockClock, RobotAllowance};
use crate::sandbox::certificate::Certificate;
use crate::sandbox::errcode;
use crate::sandbox::errcode::MockRefusal;
use crate::sandbox::fault::{Fault, FaultOrder, FaultRule, Faults, Times};
use crate::sandbox::inbox::{Inbox, MockAddress, MockVerdict, Received};
use crate::sandbox::kinds::MOCKS;
use crate::sandbox::mail_connections::MailConnections;
use crate::sandbox::mock::{Call, Content, HttpMock};
use crate::sandbox::reply::{Cut, MockResponse, Sent, halved, json_answer, plain, response, whole};
use crate::sandbox::rules::Rules;

/// Bytes of any request's body.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// What a page looks like that is no receiver's answer.
const HTML: &str = "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>";
/// Idempotency keys that an address remembers.
const KEYS: usize = 10_000;
/// `MOCKS` stands for a line of each mock.
const HELP: &str = "\
Orderbell's sandbox: receivers that take messages and show them.

MOCKS
GET    /control/messages                what came, as JSON
GET    /control/counts                  how many: accepted, repeats, refused, faults
DELETE /control/messages                forget them
GET    /control/certificate             the mail server's certificate, in PEM
POST   /control/fault/NAME              order a fault; without \"times\" it strikes until it is cleared
DELETE /control/fault/NAME              clear

NAME is what a robot is called (its channel's name, else its token), a receiver's name, a mail's recipient, or smtp for the mail server as a whole.

Faults:
{\"fault\": \"status\", \"status\": 503, \"body\": \"busy\", \"times\": 2}
{\"fault\": \"errcode\", \"errcode\": -1, \"errmsg\": \"system busy\"}
{\"fault\": \"delay\", \"delay_ms\": 2000}
{\"fault\": \"cut\"}           no answer, not taken
{\"fault\": \"lost_answer\"}   taken, but no answer
{\"fault\": \"cut_request\"}   cut while the request comes, not taken
{\"fault\": \"redirect\", \"location\": \"http://elsewhere.example/\"}
{\"fault\": \"garbage\"}       a page of HTML with status 200
{\"fault\": \"smtp\", \"phase\": \"recipient\", \"reply\": \"450 4.2.0 later\"}   without \"reply\" the connection is cut
{\"fault\": \"silence\", \"phase\": \"answer\"}   nothing more is said
    phases: greeting hello start_tls auth mail recipient data content midst dot answer
{\"fault\": \"mishap\", \"mishap\": \"half\", \"answer\": {\"fault\": \"status\", \"status\": 503}}
    something happens to an answer: lost, late (with \"delay_ms\") or half; without \"answer\" that of a receiver which takes the message
";

/// All that the sandbox knows.
#[derive(Debug)]
pub struct MockState {
    pub inbox: Arc<Inbox>,
    pub(super) rules: Rules,
    clock: MockClock,
    /// How far the clock that signatures are checked by is ahead of this machine's, in milliseconds.
    ahead_ms: AtomicI64,
    memory: Mutex<MockMemory>,
    /// The mail server's.
    pub certificate: Certificate,
    pub mail_connections: MailConnections,
}

#[derive(Debug, Default)]
pub(super) struct MockMemory {
    pub(super) faults: Faults,
    allowances: HashMap<MockAddress, RobotAllowance>,
    pub(super) keys: HashMap<MockAddress, Keys>,
}

/// The idempotency keys that one address has accepted.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: HashSet<String>,
    oldest_first: VecDeque<String>,
}

impl Keys {
    /// Whether the key was known before; it is now.
    pub(super) fn meet(&mut self, key: &str) -> bool {
        if !self.known.insert(key.to_owned()) {
            return true;
        }
        self.oldest_first.push_back(key.to_owned());
        if self.oldest_first.len() > KEYS
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.known.remove(&oldest);
        }
        false
    }
}

impl MockState {
    pub fn new(rules: Rules) -> Self {
        let clock = MockClock::start(rules.speed);
        Self {
            inbox: Arc::default(),
            rules,
            clock,
            ahead_ms: AtomicI64::new(0),
            memory: Mutex::default(),
            certificate: Certificate::make(),
            mail_connections: MailConnections::default(),
        }
    }

    pub fn set_ahead(&self, ahead: SignedDuration) {
        self.ahead_ms.store(i64::try_from(ahead.as_millis()).unwrap_or(0), Ordering::Release);
    }

    /// The time by which signatures are checked.
    fn now(&self) -> Timestamp {
        let ahead = SignedDuration::from_millis(self.ahead_ms.load(Ordering::Acquire));
        Timestamp::now().checked_add(ahead).unwrap_or(Timestamp::MAX)
    }

    pub fn order(&self, name: &str, fault: Fault, times: Times) {
        self.memory().faults.order(name, fault, times);
    }

    pub fn clear_faults(&self, name: &str) {
        self.memory().faults.clear_faults(name);
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, MockMemory> {
        // Nothing under the lock can leave it half changed.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request.
///
/// # Errors
/// [`Cut`], upon which the server closes the connection.
pub async fn answer(mock_state: Arc<MockState>, request: Request<Incoming>) -> Result<Sent, Cut> {
    let (parts, body) = request.into_parts();
    let named = addressed(&mock_state, &parts);
    if let Some((mock, address)) = &named
        && mock_state.memory().faults.strike_if(&address.name, |fault| *fault == Fault::CutRequest).is_some()
    {
        keep(&mock_state, *mock, address.clone(), &parts, &[], MockVerdict::Fault(Fault::CutRequest.name()));
        return Err(Cut);
    }
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(whole(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large for the sandbox")));
        }
        Err(_) => return Err(Cut),
    };
    let path = parts.uri.path();
    match named.or_else(|| addressed_in_body(&mock_state, path, &body)) {
        Some((mock, address)) => message(&mock_state, mock, address, &parts, &body).await,
        None => Ok(whole(control(&mock_state, &parts.method, path, &body))),
    }
}

fn http_mocks() -> impl Iterator<Item = &'static dyn HttpMock> {
    MOCKS.iter().filter_map(|mock| mock.http())
}

/// Whom a request is for, as far as that is known without its body.
fn addressed(mock_state: &MockState, parts: &http::request::Parts) -> Option<(&'static dyn HttpMock, MockAddress)> {
    let (path, query) = (parts.uri.path(), parts.uri.query().unwrap_or_default());
    http_mocks().find_map(|mock| Some(addressee(mock_state, mock, mock.addressee(path, query)?)))
}

/// Whom a request is for that says so in its body.
fn addressed_in_body(mock_state: &MockState, path: &str, body: &[u8]) -> Option<(&'static dyn HttpMock, MockAddress)> {
    http_mocks().find_map(|mock| Some(addressee(mock_state, mock, mock.addressee_in_body(path, body)?)))
}

fn addressee(
    mock_state: &MockState,
    mock: &'static dyn HttpMock,
    addressee: Addressee,
) -> (&'static dyn HttpMock, MockAddress) {
    (mock, MockAddress { kind: mock.kind(), name: mock_state.rules.name_of(addressee) })
}

/// A request to a receiver: faults first, then the receiver's own judgement, then what happens to the answer.
async fn message(
    mock_state: &MockState,
    mock: &dyn HttpMock,
    address: MockAddress,
    parts: &http::request::Parts,
    body: &Bytes,
) -> Result<Sent, Cut> {
    let struck = mock_state.memory().faults.strike(&address.name);
    let (rule, fault) = struck.map_or((None, None), Fault::apart);
    let answer = match fault {
        Some(fault) => {
            keep(mock_state, mock, address, parts, body, MockVerdict::Fault(fault.name()));
            faulty(&fault).ok_or(Cut)?
        }
        None => {
            let demands = mock_state.rules.demands(&address);
            let admit = |blocked_for| {
                let mut memory = mock_state.memory();
                memory.allowances.entry(address.clone()).or_default().admit(mock_state.clock.now(), blocked_for).is_ok()
            };
            let call = Call { parts, body, demands: demands.as_ref(), now: mock_state.now(), admit: &admit };
            let (verdict, answer) = mock.judge(&call);
            keep(mock_state, mock, address, parts, body, verdict);
            answer
        }
    };
    match rule {
        None => Ok(whole(answer)),
        Some(FaultRule::Lost) => Err(Cut),
        Some(FaultRule::Half) => Ok(halved(answer)),
        Some(FaultRule::Late { delay_ms }) => {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            Ok(whole(answer))
        }
    }
}

fn keep(
    mock_state: &MockState,
    mock: &dyn HttpMock,
    address: MockAddress,
    parts: &http::request::Parts,
    body: &[u8],
    verdict: MockVerdict,
) {
    let Content { key, title, text } = mock.read(parts, body);
    let repeat = match (&verdict, &key) {
        (MockVerdict::Accepted, Some(key)) => mock_state.memory().keys.entry(address.clone()).or_default().meet(key),
        _ => false,
    };
    let body = String::from_utf8_lossy(body).into_owned();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    mock_state.inbox.put(Received { at: Timestamp::now(), address, title, text, body, key, repeat, verdict, headers });
}

/// What a person with curl asks.
fn control(mock_state: &MockState, method: &Method, path: &str, body: &[u8]) -> MockResponse {
    match (method.as_str(), path, path.strip_prefix("/control/fault/")) {
        ("GET", "/", _) => plain(StatusCode::OK, &help()),
        ("GET", "/control/messages", _) => json_answer(StatusCode::OK, json!(mock_state.inbox.messages()).to_string()),
        ("GET", "/control/certificate", _) => plain(StatusCode::OK, &mock_state.certificate.pem),
        ("GET", "/control/counts", _) => json_answer(StatusCode::OK, json!(mock_state.inbox.counts()).to_string()),
        ("DELETE", "/control/messages", _) => {
            mock_state.inbox.clear();
            plain(StatusCode::OK, "forgotten\n")
        }
        ("POST", _, Some(name)) if !name.is_empty() => match serde_json::from_slice::<FaultOrder>(body) {
            Ok(order) => {
                mock_state.order(name, order.fault, order.times.map_or(Times::Always, Times::Next));
                plain(StatusCode::OK, "ordered\n")
            }
            Err(error) => plain(StatusCode::BAD_REQUEST, &format!("this is no fault: {error}\n")),
        },
        ("DELETE", _, Some(name)) => {
            mock_state.clear_faults(name);
            plain(StatusCode::OK, "cleared\n")
        }
        _ => plain(StatusCode::NOT_FOUND, "there is nothing here; GET / says what is\n"),
    }
}

/// The answer of a fault that answers; None cuts.
fn faulty(fault: &Fault) -> Option<MockResponse> {
    match fault {
        Fault::Status { status, body } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some(plain(status, body))
        }
        Fault::Errcode { errcode, errmsg } => {
            let refusal = MockRefusal { errcode: *errcode, errmsg: errmsg.clone() };
            Some(json_answer(StatusCode::OK, errcode::body(Some(&refusal))))
        }
        Fault::Redirect { location } => {
            let mut answer = plain(StatusCode::FOUND, "elsewhere");
            if let Ok(location) = location.parse() {
                answer.headers_mut().insert(header::LOCATION, location);
            }
            Some(answer)
        }
        Fault::Garbage => Some(response(StatusCode::OK, "text/html; charset=utf-8", HTML.to_owned())),
        Fault::Cut | Fault::CutRequest | Fault::LostAnswer => None,
        Fault::Delay { .. } | Fault::Rule { .. } | Fault::Smtp { .. } | Fault::Silence { .. } => None,
    }
}

fn help() -> String {
    let lines: Vec<&str> = http_mocks().map(HttpMock::help).collect();
    HELP.replace("MOCKS", &lines.join("\n"))
}
