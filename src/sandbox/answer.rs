//! The walk of one request through the sandbox: which far side it is for, which fault strikes, what is kept and answered.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::sync::atomic::AtomicI64;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::Method;
use http::Request;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use hyper::body::Incoming;
use jiff::SignedDuration;
use jiff::Timestamp;
use serde_json::json;

use crate::sandbox::allowance::Allowance;
use crate::sandbox::allowance::Clock;
use crate::sandbox::allowance::DINGTALK_SHUT;
use crate::sandbox::allowance::WECOM_SHUT;
use crate::sandbox::dingtalk;
use crate::sandbox::dingtalk::Refusal;
use crate::sandbox::fault::Fault;
use crate::sandbox::fault::Faults;
use crate::sandbox::fault::Mishap;
use crate::sandbox::fault::Order;
use crate::sandbox::fault::Times;
use crate::sandbox::inbox::Address;
use crate::sandbox::inbox::FarSide;
use crate::sandbox::inbox::Inbox;
use crate::sandbox::inbox::Received;
use crate::sandbox::inbox::Verdict;
use crate::sandbox::keeta;
use crate::sandbox::mailroom::Connections;
use crate::sandbox::reply::Answer;
use crate::sandbox::reply::Cut;
use crate::sandbox::reply::Sent;
use crate::sandbox::reply::faulty;
use crate::sandbox::reply::halved;
use crate::sandbox::reply::json_answer;
use crate::sandbox::reply::plain;
use crate::sandbox::reply::whole;
use crate::sandbox::rules::Rules;
use crate::sandbox::smtp::Certificate;
use crate::sandbox::webhook;
use crate::sandbox::wecom;

/// Bytes of any request's body.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Idempotency keys that an address remembers.
const KEYS: usize = 10_000;
const HELP: &str = "\
Orderbell's sandbox: far sides that take messages and show them.

POST   /robot/send?access_token=TOKEN   a DingTalk robot
POST   /cgi-bin/webhook/send?key=KEY    a WeCom robot
POST   /webhook/NAME                    a WebHook receiver
POST   /api/open/base/callback/url/set  Keeta's API: registers a webhook address
GET    /control/messages                what came, as JSON
GET    /control/counts                  how many: accepted, repeats, refused, faults
DELETE /control/messages                forget them
GET    /control/certificate             the mail server's certificate, in PEM
POST   /control/fault/NAME              order a fault; without \"times\" it strikes until it is healed
DELETE /control/fault/NAME              heal

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
    something befalls an answer: lost, late (with \"delay_ms\") or half; without \"answer\" that of a far side which takes the message
";

/// All that the sandbox knows.
#[derive(Debug)]
pub struct Desk {
    pub inbox: Arc<Inbox>,
    rules: Rules,
    clock: Clock,
    /// How far the clock that signatures are checked by is ahead of this machine's, in milliseconds.
    ahead_ms: AtomicI64,
    memory: Mutex<Memory>,
    /// The mail server's.
    pub certificate: Certificate,
    pub mail_connections: Connections,
}

#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) faults: Faults,
    allowances: HashMap<Address, Allowance>,
    pub(super) keys: HashMap<Address, Keys>,
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

impl Desk {
    pub fn new(rules: Rules) -> Self {
        let clock = Clock::start(rules.speed);
        Self {
            inbox: Arc::default(),
            rules,
            clock,
            ahead_ms: AtomicI64::new(0),
            memory: Mutex::default(),
            certificate: Certificate::make(),
            mail_connections: Connections::default(),
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

    pub fn heal(&self, name: &str) {
        self.memory().faults.heal(name);
    }

    pub(super) fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing under the lock can leave it half changed.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers one request.
///
/// # Errors
/// [`Cut`], upon which the server closes the connection.
pub async fn answer(desk: Arc<Desk>, request: Request<Incoming>) -> Result<Sent, Cut> {
    let (parts, body) = request.into_parts();
    let named = addressed(&desk, &parts);
    if let Some(address) = &named
        && desk.memory().faults.strike_if(&address.name, |fault| *fault == Fault::CutRequest).is_some()
    {
        keep(&desk, address.clone(), &parts, &[], Verdict::Fault(Fault::CutRequest.name()));
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
    let of_keeta = || (path == keeta::PATH).then(|| Address { kind: FarSide::Keeta, name: keeta::app(&body) });
    match named.or_else(of_keeta) {
        Some(address) => message(&desk, address, &parts, &body).await,
        None => Ok(whole(control(&desk, &parts.method, path, &body))),
    }
}

/// The far side that a request is for, as far as that is known without its body.
fn addressed(desk: &Desk, parts: &http::request::Parts) -> Option<Address> {
    let query = parts.uri.query().unwrap_or_default();
    let (kind, name) = match parts.uri.path() {
        "/robot/send" => (FarSide::DingTalk, desk.rules.name_of(dingtalk::token(query))),
        "/cgi-bin/webhook/send" => (FarSide::WeCom, desk.rules.name_of(wecom::key(query))),
        path => (FarSide::Webhook, path.strip_prefix("/webhook/")?.to_owned()),
    };
    Some(Address { kind, name })
}

/// A request to a far side: faults first, then the far side's own judgement, then what befalls the answer.
async fn message(desk: &Desk, address: Address, parts: &http::request::Parts, body: &Bytes) -> Result<Sent, Cut> {
    let struck = desk.memory().faults.strike(&address.name);
    let (mishap, fault) = struck.map_or((None, None), Fault::apart);
    let answer = match fault {
        Some(fault) => {
            keep(desk, address, parts, body, Verdict::Fault(fault.name()));
            faulty(&fault).ok_or(Cut)?
        }
        None => {
            let (verdict, answer) = judge(desk, &address, parts, body);
            keep(desk, address, parts, body, verdict);
            answer
        }
    };
    match mishap {
        None => Ok(whole(answer)),
        Some(Mishap::Lost) => Err(Cut),
        Some(Mishap::Half) => Ok(halved(answer)),
        Some(Mishap::Late { delay_ms }) => {
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            Ok(whole(answer))
        }
    }
}

/// What the far side makes of a request, and what it answers.
fn judge(desk: &Desk, address: &Address, parts: &http::request::Parts, body: &[u8]) -> (Verdict, Answer) {
    let now = desk.now();
    match address.kind {
        FarSide::DingTalk => {
            let call = dingtalk::Call {
                method: &parts.method,
                content_type: text(&parts.headers, header::CONTENT_TYPE.as_str()),
                query: parts.uri.query().unwrap_or_default(),
                body,
            };
            let robot = desk.rules.find_robot(&address.name);
            let judged = dingtalk::judge(&call, robot.as_ref(), now);
            let judged = judged.and_then(|()| admit(desk, address, DINGTALK_SHUT, dingtalk::Refusal::too_fast));
            by_errcode(judged)
        }
        FarSide::WeCom => {
            let judged = wecom::judge(&parts.method, body, desk.rules.find_wecom(&address.name));
            by_errcode(judged.and_then(|()| admit(desk, address, WECOM_SHUT, wecom::too_fast)))
        }
        FarSide::Keeta => {
            let host = text(&parts.headers, header::HOST.as_str()).unwrap_or_default();
            let secret = desk.rules.apps.get(&address.name);
            let judged = keeta::judge(body, &format!("http://{host}{}", keeta::PATH), secret, now);
            let answer = json_answer(StatusCode::OK, keeta::answer(judged.as_ref().err()));
            let verdict =
                judged.map_or_else(|(code, words)| Verdict::Refused(format!("{code} {words}")), |()| Verdict::Accepted);
            (verdict, answer)
        }
        FarSide::Email => unreachable!("mails do not come over HTTP"),
        FarSide::Webhook => {
            let refused = |status, reason: String| {
                (Verdict::Refused(reason.clone()), json_answer(status, json!({ "error": reason }).to_string()))
            };
            if parts.method != Method::POST {
                return refused(StatusCode::METHOD_NOT_ALLOWED, "it takes POST".to_owned());
            }
            let Some(signing) = desk.rules.find_hook(&address.name) else {
                return refused(StatusCode::NOT_FOUND, "there is no receiver of this name".to_owned());
            };
            match webhook::judge(&signing, &parts.headers, body, now) {
                Ok(()) => (Verdict::Accepted, json_answer(StatusCode::OK, json!({ "ok": true }).to_string())),
                Err(reason) => refused(StatusCode::UNAUTHORIZED, reason),
            }
        }
    }
}

/// Takes one of a robot's allowance.
fn admit(desk: &Desk, address: &Address, shut: Duration, too_fast: fn() -> Refusal) -> Result<(), Refusal> {
    let mut memory = desk.memory();
    let allowance = memory.allowances.entry(address.clone()).or_default();
    allowance.admit(desk.clock.now(), shut).map_err(|_| too_fast())
}

/// A robot's verdict: HTTP says yes to everything, `errcode` says what it means.
fn by_errcode(judged: Result<(), Refusal>) -> (Verdict, Answer) {
    let answer = json_answer(StatusCode::OK, dingtalk::answer(judged.as_ref().err()));
    let verdict = judged.map_or_else(
        |refusal| Verdict::Refused(format!("{} {}", refusal.errcode, refusal.errmsg)),
        |()| Verdict::Accepted,
    );
    (verdict, answer)
}

fn keep(desk: &Desk, address: Address, parts: &http::request::Parts, body: &[u8], verdict: Verdict) {
    let (key, title, text) = match address.kind {
        FarSide::DingTalk => {
            let content = dingtalk::read(body);
            (content.key, content.title, content.text)
        }
        FarSide::WeCom => (None, None, wecom::read(body).text),
        FarSide::Keeta => (None, None, keeta::read(body)),
        FarSide::Email | FarSide::Webhook => webhook::read(&parts.headers, body),
    };
    let repeat = match (&verdict, &key) {
        (Verdict::Accepted, Some(key)) => desk.memory().keys.entry(address.clone()).or_default().meet(key),
        _ => false,
    };
    let body = String::from_utf8_lossy(body).into_owned();
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
        .collect();
    desk.inbox.put(Received { at: Timestamp::now(), address, title, text, body, key, repeat, verdict, headers });
}

/// What a person with curl asks.
fn control(desk: &Desk, method: &Method, path: &str, body: &[u8]) -> Answer {
    match (method.as_str(), path, path.strip_prefix("/control/fault/")) {
        ("GET", "/", _) => plain(StatusCode::OK, HELP),
        ("GET", "/control/messages", _) => json_answer(StatusCode::OK, json!(desk.inbox.messages()).to_string()),
        ("GET", "/control/certificate", _) => plain(StatusCode::OK, &desk.certificate.pem),
        ("GET", "/control/counts", _) => json_answer(StatusCode::OK, json!(desk.inbox.counts()).to_string()),
        ("DELETE", "/control/messages", _) => {
            desk.inbox.clear();
            plain(StatusCode::OK, "forgotten\n")
        }
        ("POST", _, Some(name)) if !name.is_empty() => match serde_json::from_slice::<Order>(body) {
            Ok(order) => {
                desk.order(name, order.fault, order.times.map_or(Times::Always, Times::Next));
                plain(StatusCode::OK, "ordered\n")
            }
            Err(error) => plain(StatusCode::BAD_REQUEST, &format!("this is no fault: {error}\n")),
        },
        ("DELETE", _, Some(name)) => {
            desk.heal(name);
            plain(StatusCode::OK, "healed\n")
        }
        _ => plain(StatusCode::NOT_FOUND, "there is nothing here; GET / tells what is\n"),
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
