//! Requests as strangers may make them: genuine ones with seeded changes, and what must hold of each. For property tests, and
//! for the longer run of `cargo bench --bench mutations`.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use orderbell::domain::event::{Kind, SignatureCheck};
use orderbell::domain::payload::Payload;
use orderbell::domain::sign;
use orderbell::platform::apsdai::settings::Apsdai;
use orderbell::platform::keeta::settings::Keeta;
use orderbell::platform::{Incoming, Method, Platform, Refusal, SampleWebhook, WebhookRequest};

pub const ADDRESS: &str = "https://bell.example.com/hooks/s";
const SECRET: &str = "secret-of-the-source";

/// A deterministic source of choices.
pub struct Choices(u64);

impl Choices {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    pub fn below(&mut self, most: usize) -> usize {
        (self.next() % most.max(1) as u64) as usize
    }

    fn of<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Pieces that parsers stumble over.
const PIECES: [&[u8]; 24] = [
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"&",
    b"=",
    b"%",
    b"%00",
    b"\\u0000",
    b"\\ud83c",
    b"\xef\xbb\xbf",
    b"\xff",
    b"\r\n",
    b"\0",
    b"null",
    b"1e999",
    b"-0",
    b"\"sig\":\"",
    b"\"message\":",
    b"appId=1&",
];

/// A few changes: bytes flipped, cut, doubled, and pieces put in, here and there or many times over.
pub fn mutate(choices: &mut Choices, genuine: &[u8]) -> Vec<u8> {
    let mut bytes = genuine.to_vec();
    for _ in 0..=choices.below(4) {
        let at = choices.below(bytes.len() + 1);
        let end = (at + choices.below(24)).min(bytes.len());
        match choices.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << choices.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => drop(bytes.splice(at..at, genuine[..choices.below(genuine.len() + 1)].iter().copied())),
            3 => bytes.truncate(at),
            4 => {
                let piece = *choices.of(&PIECES);
                drop(bytes.splice(at..at, piece.repeat(1 << choices.below(11))));
            }
            5 => {
                let range = bytes[at..end].to_vec();
                drop(bytes.splice(at..at, range.repeat(1 + choices.below(80))));
            }
            _ => {
                let piece = *choices.of(&PIECES);
                drop(bytes.splice(at..end, piece.iter().copied()));
            }
        }
    }
    bytes
}

/// What became of one request, as a word that can be counted.
pub type Outcome = &'static str;

/// How many bytes a request had and what became of it, or what must not be.
pub type Judged = Result<(usize, Outcome), String>;

/// One parser that faces strangers.
pub struct Target {
    pub name: &'static str,
    /// Judges the request that a seed makes.
    pub judge: fn(&Fixture, u64) -> Judged,
}

pub const TARGETS: [Target; 3] = [
    Target { name: "keeta-envelope", judge: keeta_envelope },
    Target { name: "keeta-query", judge: keeta_query },
    Target { name: "apsdai-headers", judge: apsdai_headers },
];

/// Genuine requests to begin with.
pub struct Fixture {
    keeta: Keeta,
    apsdai: Apsdai,
    now: Timestamp,
    envelopes: Vec<SampleWebhook>,
    query: String,
}

impl Fixture {
    pub fn new() -> Self {
        let keeta: Keeta =
            serde_json::from_str(&format!(r#"{{"app_id":1,"app_secret":"{SECRET}"}}"#)).expect("a source");
        let apsdai: Apsdai = toml::from_str(&format!("secret = \"{SECRET}\"")).expect("a source");
        let now: Timestamp = "2025-06-04T03:36:00Z".parse().expect("a time");
        let envelopes = keeta.kinds().iter().flat_map(|kind| keeta.samples(kind, ADDRESS, 7, now)).collect();
        let unsigned = format!("appId=1&code=abc&timestamp={}", now.as_second());
        let signature = sign::keeta(&format!("{ADDRESS}?"), &unsigned, SECRET);
        Self { keeta, apsdai, now, envelopes, query: format!("{unsigned}&sig={signature}") }
    }

    fn request<'a>(
        &self,
        method: Method,
        query: Option<&'a str>,
        headers: &'a HeaderMap,
        body: &'a [u8],
    ) -> WebhookRequest<'a> {
        WebhookRequest { method, query, headers, body, address: ADDRESS, currency: "HKD", now: self.now }
    }
}

/// What a believed webhook says, without what is ours.
fn said(incoming: &Incoming) -> String {
    match incoming {
        Incoming::Heartbeat => "heartbeat".to_owned(),
        Incoming::Webhook(webhook) => {
            let (kind, shop, order, mut data) = (&webhook.kind, &webhook.shop, &webhook.order, webhook.data.clone());
            // How long the body was is of no weight: blanks between its members are signed by nothing.
            if let Payload::Unrecognised(unrecognised) = &mut data.payload {
                unrecognised.bytes = 0;
            }
            format!("{kind:?} {shop:?} {order:?} {data:?} {:?}", webhook.occurred_at)
        }
    }
}

fn refused(refusal: &Refusal) -> Outcome {
    match refusal {
        Refusal::Signature => "signature",
        Refusal::Token => "token",
        Refusal::Stale { .. } => "stale",
        Refusal::AnotherApp(_) => "application",
        Refusal::Shape(_) => "shape",
        Refusal::Encoding(_) => "encoding",
        Refusal::Method => "method",
    }
}

/// Whatever was changed, either nothing is believed, or it says what the genuine one says.
fn unchanged(genuine: &Incoming, incoming: Result<Incoming, Refusal>) -> Result<Outcome, String> {
    match incoming {
        Ok(Incoming::Heartbeat) => Ok("heartbeat"),
        Ok(incoming) if said(&incoming) == said(genuine) => Ok("believed, unchanged"),
        Ok(incoming) => Err(format!("believed: {}\ngenuine: {}", said(&incoming), said(genuine))),
        Err(refusal) => Ok(refused(&refusal)),
    }
}

fn keeta_envelope(fixture: &Fixture, seed: u64) -> Judged {
    let (mut choices, headers) = (Choices::new(seed), HeaderMap::new());
    let genuine = &choices.of(&fixture.envelopes).body;
    let body = mutate(&mut choices, genuine);
    let receive = |body| fixture.keeta.receive(&fixture.request(Method::Post, None, &headers, body));
    let incoming = unchanged(&receive(genuine).map_err(|refusal| refusal.to_string())?, receive(&body));
    incoming
        .map(|outcome| (body.len(), outcome))
        .map_err(|error| format!("{error}\n{}", String::from_utf8_lossy(&body)))
}

fn keeta_query(fixture: &Fixture, seed: u64) -> Judged {
    let (mut choices, headers) = (Choices::new(seed), HeaderMap::new());
    let query = String::from_utf8_lossy(&mutate(&mut choices, fixture.query.as_bytes())).into_owned();
    let receive = |query| fixture.keeta.receive(&fixture.request(Method::Get, Some(query), &headers, b""));
    let incoming = unchanged(&receive(&fixture.query).map_err(|refusal| refusal.to_string())?, receive(&query));
    incoming.map(|outcome| (query.len(), outcome)).map_err(|error| format!("{error}\n{query}"))
}

/// Nothing signs the body or the event, so what may not change is the token with its time.
fn apsdai_headers(fixture: &Fixture, seed: u64) -> Judged {
    let mut choices = Choices::new(seed);
    let genuine = fixture.apsdai.samples(&Kind::OrderPlaced, ADDRESS, seed, fixture.now).remove(0);
    let genuine: BTreeMap<String, String> = genuine.headers.into_iter().collect();
    let mut headers = HeaderMap::new();
    let changed = choices.below(genuine.len());
    for (index, (name, value)) in genuine.iter().enumerate() {
        let value = if index == changed { mutate(&mut choices, value.as_bytes()) } else { value.clone().into_bytes() };
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&value)) {
            headers.append(name, value);
        }
    }
    let body = mutate(
        &mut choices,
        b"{\"order_no\":\"A1\",\"total\":\"12.50\",\"items\":[{\"name\":\"Tea\",\"quantity\":2}]}",
    );
    let of = |name: &str| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let bytes = body.len() + headers.values().map(HeaderValue::len).sum::<usize>();
    match fixture.apsdai.receive(&fixture.request(Method::Post, None, &headers, &body)) {
        Ok(Incoming::Heartbeat) => Err("a heartbeat is nothing of APSDAI's".to_owned()),
        Ok(Incoming::Webhook(webhook)) => {
            let plain =
                |text: String| text.to_ascii_lowercase().replace("%2b", "+").replace("%2f", "/").replace("%3d", "=");
            let token =
                genuine.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-apsdai-token")).map(|(_, token)| token);
            let is_same = of("x-apsdai-token").map(plain) == token.cloned().map(plain);
            match webhook.signature {
                SignatureCheck::Valid(_) if is_same => Ok((bytes, "believed, same token")),
                proof => Err(format!("{proof:?} for {headers:?}")),
            }
        }
        Err(refusal) => Ok((bytes, refused(&refusal))),
    }
}
