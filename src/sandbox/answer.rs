//! The walk of one request through the sandbox: which far side it is for, which fault strikes, what is kept and answered.

use std::collections::HashMap;
use std::collections::HashSet;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::MutexGuard;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::Method;
use http::Request;
use http::Response;
use http::StatusCode;
use http::header;
use http_body_util::BodyExt;
use http_body_util::Full;
use http_body_util::LengthLimitError;
use http_body_util::Limited;
use hyper::body::Incoming;
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
use crate::sandbox::fault::Order;
use crate::sandbox::fault::Times;
use crate::sandbox::inbox::Address;
use crate::sandbox::inbox::FarSide;
use crate::sandbox::inbox::Inbox;
use crate::sandbox::inbox::Received;
use crate::sandbox::inbox::Verdict;
use crate::sandbox::keeta;
use crate::sandbox::mailroom::Connections;
use crate::sandbox::rules::Rules;
use crate::sandbox::smtp::Certificate;
use crate::sandbox::webhook;
use crate::sandbox::wecom;

/// Bytes of any request's body.
const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
/// Idempotency keys that an address remembers.
const KEYS: usize = 10_000;
const HTML: &str = "<!DOCTYPE html><html><body><h1>It works!</h1></body></html>";
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
{\"fault\": \"redirect\", \"location\": \"http://elsewhere.example/\"}
{\"fault\": \"garbage\"}       a page of HTML with status 200
{\"fault\": \"smtp\", \"phase\": \"recipient\", \"reply\": \"450 4.2.0 later\"}   without \"reply\" the connection is cut
{\"fault\": \"silence\", \"phase\": \"answer\"}   nothing more is said
    phases: greeting hello start_tls auth mail recipient data content midst dot answer
";

/// All that the sandbox knows.
#[derive(Debug)]
pub struct Desk {
    pub inbox: Arc<Inbox>,
    rules: Rules,
    clock: Clock,
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
            memory: Mutex::default(),
            certificate: Certificate::make(),
            mail_connections: Connections::default(),
        }
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

/// The connection is to be closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("cut on command")]
pub struct Cut;

type Answer = Response<Full<Bytes>>;

/// Answers one request.
///
/// # Errors
/// [`Cut`], upon which the server closes the connection.
pub async fn answer(desk: Arc<Desk>, request: Request<Incoming>) -> Result<Answer, Cut> {
    let (parts, body) = request.into_parts();
    let body = match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large for the sandbox"));
        }
        Err(_) => return Err(Cut),
    };
    let path = parts.uri.path();
    if path == "/robot/send" {
        let name = desk.rules.name_of(dingtalk::token(parts.uri.query().unwrap_or_default()));
        return message(&desk, Address { kind: FarSide::DingTalk, name }, &parts, &body).await;
    }
    if path == "/cgi-bin/webhook/send" {
        let name = desk.rules.name_of(wecom::key(parts.uri.query().unwrap_or_default()));
        return message(&desk, Address { kind: FarSide::WeCom, name }, &parts, &body).await;
    }
    if path == keeta::PATH {
        let address = Address { kind: FarSide::Keeta, name: keeta::app(&body) };
        return message(&desk, address, &parts, &body).await;
    }
    if let Some(name) = path.strip_prefix("/webhook/") {
        let address = Address { kind: FarSide::Webhook, name: name.to_owned() };
        return message(&desk, address, &parts, &body).await;
    }
    Ok(control(&desk, &parts.method, path, &body))
}

/// A request to a far side: faults first, then the far side's own judgement.
async fn message(desk: &Desk, address: Address, parts: &http::request::Parts, body: &Bytes) -> Result<Answer, Cut> {
    let fault = desk.memory().faults.strike(&address.name);
    let take = |address: Address| {
        let (verdict, answer) = judge(desk, &address, parts, body);
        keep(desk, address, parts, body, verdict);
        answer
    };
    match fault {
        None => Ok(take(address)),
        Some(Fault::Delay { delay_ms }) => {
            let answer = take(address);
            tokio::time::sleep(Duration::from_millis(delay_ms)).await;
            Ok(answer)
        }
        Some(Fault::LostAnswer) => {
            take(address);
            Err(Cut)
        }
        Some(fault) => {
            keep(desk, address, parts, body, Verdict::Fault(fault_name(&fault)));
            faulty(&fault).ok_or(Cut)
        }
    }
}

/// What the far side makes of a request, and what it answers.
fn judge(desk: &Desk, address: &Address, parts: &http::request::Parts, body: &[u8]) -> (Verdict, Answer) {
    let now = Timestamp::now();
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

/// The answer of a fault that answers; None cuts.
fn faulty(fault: &Fault) -> Option<Answer> {
    match fault {
        Fault::Status { status, body } => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            Some(plain(status, body))
        }
        Fault::Errcode { errcode, errmsg } => {
            let refusal = Refusal { errcode: *errcode, errmsg: errmsg.clone() };
            Some(json_answer(StatusCode::OK, dingtalk::answer(Some(&refusal))))
        }
        Fault::Redirect { location } => {
            let mut answer = plain(StatusCode::FOUND, "elsewhere");
            if let Ok(location) = location.parse() {
                answer.headers_mut().insert(header::LOCATION, location);
            }
            Some(answer)
        }
        Fault::Garbage => Some(response(StatusCode::OK, "text/html; charset=utf-8", HTML.to_owned())),
        Fault::Cut | Fault::LostAnswer | Fault::Delay { .. } | Fault::Smtp { .. } | Fault::Silence { .. } => None,
    }
}

fn fault_name(fault: &Fault) -> String {
    match fault {
        Fault::Status { status, .. } => format!("status {status}"),
        Fault::Errcode { errcode, .. } => format!("errcode {errcode}"),
        Fault::Delay { .. } => "delay".to_owned(),
        Fault::Cut => "cut".to_owned(),
        Fault::LostAnswer => "lost answer".to_owned(),
        Fault::Redirect { .. } => "redirect".to_owned(),
        Fault::Smtp { .. } => "smtp".to_owned(),
        Fault::Silence { .. } => "silence".to_owned(),
        Fault::Garbage => "garbage".to_owned(),
    }
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

fn plain(status: StatusCode, text: &str) -> Answer {
    response(status, "text/plain; charset=utf-8", text.to_owned())
}

fn json_answer(status: StatusCode, body: String) -> Answer {
    response(status, "application/json", body)
}

fn response(status: StatusCode, content_type: &'static str, body: String) -> Answer {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
