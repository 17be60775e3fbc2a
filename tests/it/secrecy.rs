//! What must stay inside: no secret in a log, an answer or a list, no buyer in a log, whatever goes wrong.

use orderbell::domain::language::folders::Sources;
use orderbell::domain::secret::Secret;
use orderbell::domain::template::Templates;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{RobotRules, Rules, WebhookRules};
use orderbell::store::history::list::DeliveryRow;
use serde_json::json;

use crate::support::keeta::Envelope;
use crate::support::log::log;
use crate::support::stores;
use crate::support::{Answer, Scene, get, keeta, kept, of, request};

const TOKEN: &str = "robottoken4c1ffe";
const SEC: &str = "SECrobotsigning9a3e07";
const SIGNING: &str = "hooksigningpassword5d8c21";
const STANDARD: &str = "whsec_c3RhbmRhcmRrZXkwOWYzYjdlMTIzNDU2";
const HEADER: &str = "headervalue-e0d17f";
const PATH: &str = "receiverpathpart77b0aa";
const CODE: &str = "authorisationcode31f9c4";

const BUYER: [&str; 6] = [
    "Zebediah Quillfeather",
    "+966550199887",
    "Unbekannte Gasse 4711",
    "ring twice, the dog is called Wotan",
    "Rosamunde the courier",
    "changed her mind about Wotan",
];

fn order(number: u64) -> String {
    let mut message = keeta::order(number);
    let [name, phone, address, note, ..] = BUYER;
    message["orderInfo"]["recipientInfo"]["name"] = json!(name);
    message["orderInfo"]["recipientInfo"]["phone"] = json!(phone);
    message["orderInfo"]["recipientInfo"]["addressName"] = json!(address);
    message["orderInfo"]["products"][0]["remark"] = json!(format!("{note}; {name}, {phone}, {address}"));
    message.to_string()
}

/// As frameworks for receivers do when they find something wrong: they say back what they got.
fn echo(status: u16) -> String {
    json!({ "detail": [{ "msg": "Field required", "input": format!("{HEADER} {SIGNING} /webhook/{PATH}-{status} {}", BUYER.join(" ")) }] })
        .to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_and_no_buyer_is_in_any_log() {
    let rules = Rules::new()
        .robot(TOKEN, RobotRules { secret: Some(Secret::new(SEC)), keyword: None })
        .hook("password", WebhookRules::ApsdaiPassword(Secret::new(SIGNING)))
        .hook("standard", WebhookRules::StandardWebhooks(Secret::new(STANDARD)));
    let scene = Scene::new(rules).await;
    let sandbox = scene.sandbox.address();
    let retry = "retry = [\"0s\", \"0s\"]";
    let hook = |name: &str, path: &str, more: &str| {
        format!(
            "[channel.{name}]\nkind = \"webhook\"\nurl = \"http://{sandbox}/webhook/{path}\"\nallow_private = true\nheaders = {{ \"X-Shop\" = \"{HEADER}\" }}\n{more}\n"
        )
    };
    let password = format!("signing = {{ scheme = \"apsdai-password\", secret = \"{SIGNING}\" }}");
    let mut names = vec!["kitchen".to_owned(), "standard".to_owned()];
    let mut text = format!(
        "[channel.kitchen]\nkind = \"dingtalk\"\nwebhook = \"{}\"\nsecret = \"{SEC}\"\nallow_private = true\n{retry}\n",
        scene.sandbox.robot_url(TOKEN)
    );
    text += &hook(
        "standard",
        "standard",
        &format!("signing = {{ scheme = \"standard-webhooks\", secret = \"{STANDARD}\" }}"),
    );
    // Each is refused in its own way: dead, misconfigured, tried again until it is dead.
    for (status, name) in [(422, "rejected"), (401, "unauthorised"), (503, "busy")] {
        let path = format!("{PATH}-{status}");
        text += &hook(name, &path, &format!("{password}\n{retry}"));
        scene.sandbox.order(&path, Fault::Status { status, body: echo(status) }, Times::Always);
        names.push(name.to_owned());
    }
    // Nobody listens there, and nobody may go there.
    text += &format!(
        "[channel.gone]\nkind = \"webhook\"\nurl = \"http://127.0.0.1:9/{PATH}?key={HEADER}\"\nallow_private = true\n{retry}\n"
    );
    text += &format!(
        "[channel.closed]\nkind = \"webhook\"\nurl = \"https://{PATH}:{HEADER}@127.0.0.1/{PATH}\"\nallow_private = true\n"
    );
    names.extend(["gone".to_owned(), "closed".to_owned()]);
    text += &scene.robot("owner", "");
    text += &format!(
        "[[route]]\nevents = [\"order.*\", \"app.*\", \"unrecognised\"]\nto = {names:?}\n[operator]\nto = [\"owner\"]\n"
    );
    let mut config = scene.config(&text);
    config.channels.get_mut("closed").expect("a channel").settings.allow_private = false;
    let shown = format!("{config:?}");

    let overlay = Sources::from([("en/order.accepted.md".to_owned(), "# {{ order }}".to_owned())]);
    let templates = Templates::with_overlay(&overlay).expect("it parses");
    let store = stores::open(&scene.store(), scene.hands.now()).expect("the store opens");
    let daemon = scene.start_on_with(store, templates, config).await;
    scene.sandbox.order(TOKEN, Fault::LostAnswer, Times::Next(1));
    let echoed = format!("no route for /robot/send?access_token={TOKEN} {}", BUYER.join(" "));
    scene.sandbox.order(TOKEN, Fault::Status { status: 502, body: echoed }, Times::Next(1));

    let now = scene.hands.now();
    let [.., courier, reason] = BUYER;
    let delivery = json!({ "orderViewId": 1, "logisticsStatus": 20, "opTime": now.as_millisecond(), "courierName": courier, "courierPhone": BUYER[1] });
    let cancelled = json!({ "orderViewId": 1, "opTime": now.as_millisecond(), "cancelReason": reason });
    let placed = Envelope::new(1001, "m-1", &order(1), now);
    let believed = [
        placed.clone(),
        placed.clone(),
        Envelope::new(1002, "m-2", &json!({ "orderViewId": 1 }).to_string(), now),
        Envelope::new(1006, "m-3", &delivery.to_string(), now),
        Envelope::new(1004, "m-4", &cancelled.to_string(), now),
        Envelope::new(1999, "m-5", &json!({ "name": BUYER[0], "phone": BUYER[1] }).to_string(), now),
        // Signed rightly, and no JSON.
        Envelope::new(1001, "m-7", &BUYER.join(" "), now),
        Envelope::authorisation(CODE, now),
    ];
    for letter in &believed {
        daemon.acknowledged(&letter.body()).await;
    }
    let mut answers: Vec<Answer> = Vec::new();
    let code = Envelope::authorisation(CODE, now);
    answers.push(get(daemon.address, &format!("/hooks/keeta?{}", code.query())).await);
    answers.push(get(daemon.address, &format!("/hooks/keeta?{}", code.query().replace("appId", "appid"))).await);
    let refused = [
        placed.body_signed(&"0".repeat(64)),
        Envelope::new(1001, "m-6", &order(2), now - jiff::SignedDuration::from_hours(30)).body(),
        placed.clone().with("appId", "1").body(),
        placed.clone().with("message", json!(BUYER.join(" ")).to_string()).body_signed(&placed.signature()),
        format!("{{\"{}\": \"{}\"}}", BUYER[0], BUYER[2]).into_bytes(),
        BUYER.join(" ").into_bytes(),
    ];
    for body in &refused {
        answers.push(daemon.post(body).await);
        assert_eq!(answers.last().map(|answer| answer.status), Some(401));
    }
    answers.push(daemon.post_to(&keeta::SECRET.replace('-', "_"), &placed.body()).await);
    answers.push(request(daemon.address, "DELETE", "/hooks/keeta", &placed.body()).await);

    // To the end: delivered, dead, or waiting for a setting to be mended.
    let settled = |name: &str| !matches!(name, "unauthorised" | "closed");
    let rows = daemon
        .until(|all| {
            let (mending, rest): (Vec<_>, Vec<_>) = all.iter().partition(|one| !settled(&one.channel));
            rest.iter().all(|one| one.state != "waiting") && mending.iter().any(|one| one.attempts > 0)
        })
        .await;
    for (name, state) in [("kitchen", "delivered"), ("standard", "delivered"), ("rejected", "dead"), ("gone", "dead")] {
        // What a newer message of the same order had is merged.
        let is_so = |one: &&DeliveryRow| one.state == state || (state == "delivered" && one.state == "merged");
        assert!(of(&rows, name).iter().all(is_so), "{name}: {rows:#?}");
    }
    scene.until_received("owner", 5).await;
    let fed = scene.received("standard");
    assert!(BUYER[3..].iter().all(|data| fed.iter().any(|one| one.body.contains(data))), "the buyer's data went out");

    let bytes = kept::readable(&scene.store());
    assert!(!contains(&bytes, CODE), "the authorisation code is in the store");
    assert!(BUYER.iter().any(|data| contains(&bytes, data)), "what is kept of an order can be read here");
    daemon.stop().await;

    let log = log();
    for wanted in ["webhook recorded", "a webhook was refused", "delivered", "given up", "tried again", "plain form"] {
        assert!(log.contains(wanted), "nothing of this was logged: {wanted}");
    }
    let secrets = [keeta::SECRET, TOKEN, SEC, SIGNING, STANDARD, HEADER, PATH, CODE];
    for text in secrets.into_iter().chain(BUYER) {
        let line = log.lines().find(|line| line.contains(text));
        assert_eq!(line, None, "the log holds {text}");
        let answer = answers.iter().find(|answer| answer.body.contains(text) || answer.head.contains(text));
        assert!(answer.is_none(), "an answer holds {text}: {answer:?}");
    }
    for secret in secrets {
        assert!(!shown.contains(secret), "the configuration shows {secret}");
        let listed = rows.iter().find(|one| one.answer.as_deref().is_some_and(|words| words.contains(secret)));
        assert!(listed.is_none(), "a list of deliveries holds {secret}: {listed:?}");
        let received = scene.received("owner").into_iter().find(|notice| notice.body.contains(secret));
        assert!(received.is_none(), "a notice holds {secret}: {received:?}");
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}
