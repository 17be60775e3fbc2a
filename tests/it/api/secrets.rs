//! No secret and no robot's address is in any answer of the API, and a buyer's data only where an order or a message is shown.

use orderbell::domain::secret::Secret;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{RobotRules, Rules};
use poem::http::Method;
use serde_json::{Value, json};

use crate::api::Api;
use crate::api::reading::items;
use crate::support::keeta::Envelope;
use crate::support::{Scene, keeta, of};

const TOKEN: &str = "robottoken7e19aa";
const SEC: &str = "SECrobotsigning55b1d0";
const SIGNING: &str = "hooksigningpassword0c93f2";
const HEADER: &str = "headervalue-71dd2e";
const PATH: &str = "receiverpathpart4fa2c8";
const BUYER: [&str; 2] = ["Zebediah Quillfeather", "+966550199887"];

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_any_answer_and_a_buyer_only_where_an_order_is_shown() {
    let rules = Rules::new().robot(TOKEN, RobotRules { secret: Some(Secret::new(SEC)), keyword: None });
    let scene = Scene::new(rules).await;
    let sandbox = scene.sandbox.address();
    let text = format!(
        "[channel.kitchen]\nkind = \"dingtalk\"\nwebhook = \"{}\"\nsecret = \"{SEC}\"\nallow_private = true\n\
         [channel.erp]\nkind = \"webhook\"\nurl = \"http://{sandbox}/webhook/{PATH}\"\nallow_private = true\n\
         headers = {{ \"X-Shop\" = \"{HEADER}\" }}\nsigning = {{ scheme = \"apsdai-password\", secret = \"{SIGNING}\" }}\n\
         [channel.parked]\nkind = \"webhook\"\nurl = \"http://{sandbox}/webhook/{PATH}-401\"\nallow_private = true\n\
         headers = {{ \"X-Shop\" = \"{HEADER}\" }}\n\
         {}[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\", \"erp\", \"parked\"]\n[operator]\nto = [\"owner\"]\n\
         [report.daily]\nat = \"08:57\"\nto = [\"owner\"]\n",
        scene.sandbox.robot_url(TOKEN),
        scene.robot("owner", ""),
    );
    for (path, status) in [(PATH.to_owned(), 422), (format!("{PATH}-401"), 401)] {
        // A channel knows its own secrets.
        let own = if status == 422 { SIGNING } else { "" };
        let body = format!("{HEADER} {own} /webhook/{path} {}", BUYER.join(" "));
        scene.sandbox.order(&path, Fault::Status { status, body }, Times::Always);
    }
    let daemon = scene.start(&text).await;
    let mut message = keeta::order(1);
    message["orderInfo"]["recipientInfo"]["name"] = json!(BUYER[0]);
    message["orderInfo"]["recipientInfo"]["phone"] = json!(BUYER[1]);
    message["orderInfo"]["products"][0]["remark"] = json!(BUYER.join(" "));
    let now = scene.hands.now();
    daemon.acknowledged(&Envelope::new(1001, "m-1", &message.to_string(), now).body()).await;
    daemon.post(format!("{{\"{}\": 1}}", BUYER[0]).as_bytes()).await;
    daemon
        .until(|rows| {
            let (kitchen, erp, parked) = (of(rows, "kitchen"), of(rows, "erp"), of(rows, "parked"));
            kitchen.iter().any(|row| row.state == "delivered")
                && erp.iter().any(|row| row.state == "dead")
                && parked.iter().any(|row| row.attempts > 0)
        })
        .await;
    let api = Api::beside(&scene, &text);

    let mut answers = Vec::new();
    let mut asked = vec![
        "/openapi.json".to_owned(),
        "/events".to_owned(),
        "/orders".to_owned(),
        "/deliveries".to_owned(),
        "/deliveries/count".to_owned(),
        "/channels".to_owned(),
        "/channels/parked".to_owned(),
        "/sources".to_owned(),
        "/reports".to_owned(),
        "/reports/daily/today".to_owned(),
        "/notices".to_owned(),
        "/configuration".to_owned(),
        format!("/why?about={TOKEN}x"),
        "/deliveries?cursor=made-up".to_owned(),
        "/channels/nobody".to_owned(),
    ];
    let bare = asked.len();
    let ids =
        |list: &Value| items(list).iter().filter_map(|item| item["id"].as_str().map(str::to_owned)).collect::<Vec<_>>();
    asked.extend(ids(&api.found("/events").await).into_iter().map(|id| format!("/events/{id}")));
    asked.extend(ids(&api.found("/deliveries").await).into_iter().map(|id| format!("/deliveries/{id}")));
    asked.extend(["/orders/keeta/1", "/why?about=1", "/why?about=keeta"].map(str::to_owned));
    for path in &asked {
        answers.push((path.clone(), api.get(path).await.text));
    }
    for path in ["/channels/kitchen/test", "/channels/erp/test", "/channels/parked/test", "/channels/parked/probe"] {
        answers.push((path.to_owned(), api.ask(Method::POST, path, None).await.text));
    }
    let echoed = format!("/why?about={TOKEN}x");
    for (path, text) in answers.iter().filter(|(path, _)| *path != echoed) {
        for secret in [keeta::SECRET, TOKEN, SEC, SIGNING, HEADER, PATH] {
            assert!(!text.contains(secret), "{path} holds {secret}: {text}");
        }
    }
    for (path, text) in answers.iter().take(bare) {
        for data in BUYER {
            assert!(!text.contains(data), "{path} holds {data}: {text}");
        }
    }
    let shows = |wanted: &str| answers.iter().any(|(path, text)| path.starts_with(wanted) && text.contains(BUYER[0]));
    assert!(shows("/orders/keeta/1"), "the buyer's words stand in an order that is shown");
    daemon.stop().await;
}
