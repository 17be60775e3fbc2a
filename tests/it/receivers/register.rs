//! `orderbell keeta register`: the address at the platform.

use orderbell::domain::secret::Secret;
use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::Rules;
use serde_json::Value;

use crate::receivers::{folder, json, orderbell, sandbox, text};

fn keeta(secret: &str) -> String {
    let server = "[server]\npublic_url = \"https://bell.example.com\"";
    format!("{server}\n[source.keeta-hk]\nplatform = \"keeta\"\napp_id = 42\napp_secret = \"{secret}\"\n")
}

#[tokio::test]
async fn an_address_is_registered_for_every_event_id_and_for_the_stores_that_were_named() {
    let simulated = sandbox(Rules::new().keeta_app(42, Secret::new("hush"))).await;
    let folder = folder(&keeta("hush"));
    for (stores, is_test) in [("formal", 0), ("test", 1)] {
        simulated.clear();
        let base = simulated.keeta_base();
        let arguments = ["keeta", "register", "--source", "keeta-hk", "--stores", stores, "--api-base", &base];
        let output = orderbell(folder.path(), &arguments).await;
        assert!(output.status.success(), "{}", text(&output));
        let said = text(&output);
        let table: Vec<&str> = said.lines().collect();
        assert_eq!((table[0], table[1], table.len()), ("EVENT   ANSWER", "1       registered", 18), "{said}");
        assert_eq!(table[17], "for https://bell.example.com/hooks/keeta-hk");
        let bodies: Vec<Value> =
            simulated.messages().iter().map(|one| serde_json::from_str(&one.body).unwrap()).collect();
        let ids: Vec<u64> = bodies.iter().map(|body| body["eventId"].as_u64().unwrap()).collect();
        let all = [1, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1008, 1101, 1102, 1201, 1202, 1301, 1302, 1303];
        assert_eq!(ids, all);
        assert!(bodies.iter().all(|body| body["isTest"] == is_test && body.get("accessToken").is_none()));
        assert!(bodies.iter().all(|body| body["url"] == "https://bell.example.com/hooks/keeta-hk"));
    }
}

#[tokio::test]
async fn what_keeta_refuses_is_said_and_the_command_fails() {
    let simulated = sandbox(Rules::new().keeta_app(42, Secret::new("hush"))).await;
    let base = simulated.keeta_base();
    let register = ["keeta", "register", "--source", "keeta-hk", "--stores", "formal", "--api-base", &base];
    let wrong = folder(&keeta("hush-of-another"));
    let output = orderbell(wrong.path(), &[&register[..], &["--events", "1001,1002"]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(
        text(&output).contains("1001    code 1002 sig invalid\n1002    code 1002 sig invalid\n"),
        "{}",
        text(&output)
    );

    let right = folder(&keeta("hush"));
    let body = r#"{"code":7,"message":"no such event"}"#.to_owned();
    simulated.order("42", Fault::Status { status: 200, body }, Times::Next(1));
    let output = orderbell(right.path(), &[&register[..], &["--format", "json"]].concat()).await;
    assert_eq!(output.status.code(), Some(1));
    let rows = json(&output);
    assert_eq!(rows[0], serde_json::json!({ "event": 1, "registered": false, "answer": "code 7 no such event" }));
    assert_eq!(rows[1]["registered"], true);

    simulated.order("42", Fault::Cut, Times::Always);
    let output = orderbell(right.path(), &register).await;
    assert!(text(&output).contains("\n1001    not tried\n"), "{}", text(&output));

    let no_stores = orderbell(right.path(), &register[..4]).await;
    assert_eq!(no_stores.status.code(), Some(2), "isTest is never left to its default");
    let other = orderbell(right.path(), &["keeta", "register", "--source", "x", "--stores", "test"]).await;
    assert!(other.status.code() == Some(2) && text(&other).contains("there are: keeta-hk"), "{}", text(&other));
    let nowhere = folder(&keeta("hush").replace("public_url", "# public_url"));
    let output = orderbell(nowhere.path(), &register).await;
    assert!(output.status.code() == Some(2) && text(&output).contains("set public_url"), "{}", text(&output));
    let before = simulated.messages().len();
    let unfilled = folder(&keeta("hush").replace("bell.example.com", "change-me.example.com"));
    let output = orderbell(unfilled.path(), &register).await;
    assert!(output.status.code() == Some(2) && text(&output).contains("is a placeholder"), "{}", text(&output));
    assert_eq!(simulated.messages().len(), before, "Keeta gets no such address");
}
