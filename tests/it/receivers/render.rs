//! `orderbell render`: a message as it would be sent, and nothing is.

use jiff::Timestamp;
use orderbell::domain::event::{DedupeKey, Event, EventId};
use orderbell::domain::route_decision::RouteDecisions;
use orderbell::domain::scene;
use orderbell::sandbox::rules::Rules;
use orderbell::store::ingest::Record;
use serde_json::Value;
use uuid::Uuid;

use crate::receivers::{channel, folder, orderbell, sandbox, text, without_secrets};
use crate::support::stores;

#[tokio::test]
async fn a_message_is_rendered_as_it_would_be_sent_and_nothing_is() {
    let simulated = sandbox(Rules::new()).await;
    let source = "[source.keeta-hk]\nplatform = \"keeta\"\napp_id = 1\napp_secret = \"hush\"\n[server]\npublic_url = \"https://bell.example.com\"\n";
    let config = [
        channel("kitchen", "dingtalk", &simulated.robot_url("a"), "mention = { user_ids = [\"u-1\"] }"),
        channel("office", "wecom", &simulated.wecom_url("a"), "mention = { mobiles = [\"13800000000\"] }"),
        channel("erp", "webhook", &simulated.hook_url("a"), ""),
        "[channel.owner]\nkind = \"email\"\nsmtp = \"smtp+plain://127.0.0.1:9\"\nfrom = \"a@b.example\"\nto = [\"c@d.example\", \"e@d.example\"]\n".to_owned(),
    ];
    let folder = folder(&format!("{}{source}", config.concat()));
    let render = async |arguments: &[&str]| {
        let arguments: Vec<&str> = ["render"].iter().chain(arguments).copied().collect();
        let output = orderbell(folder.path(), &arguments).await;
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, kitchen, _) = render(&["order.placed", "--channel", "kitchen"]).await;
    assert!(
        code == Some(0) && kitchen.starts_with("New order #") && kitchen.contains("\n\n# New order #"),
        "{kitchen}"
    );
    assert!(kitchen.ends_with("\n\n@u-1\n"), "{kitchen}");
    let (_, office, _) = render(&["order.placed", "--channel", "office", "--language", "zh-CN"]).await;
    assert!(office.starts_with("=== 1 of 2\n\n# 新订单 #") && office.contains("\n=== 2 of 2\n\n新订单"), "{office}");
    assert!(office.ends_with("(calls 13800000000)\n"), "{office}");
    let (_, erp, _) = render(&["order.cancelled", "--channel", "erp"]).await;
    let erp: Value = serde_json::from_str(&erp).expect("what a program gets");
    assert_eq!(erp["kind"], "order.cancelled");
    assert!(erp["order"]["lines"].as_array().is_some_and(|lines| !lines.is_empty()), "with the order as it was placed");
    let (code, owner, said) = render(&["order.placed", "--channel", "owner", "--html", "mail.html"]).await;
    assert!(code == Some(0) && owner.starts_with("Subject: ") && owner.contains("New order #"), "{owner}{said}");
    assert!(!owner.contains("==="), "one mail, though two get it: {owner}");
    let html = std::fs::read_to_string(folder.path().join("mail.html")).unwrap();
    assert!(html.contains("<html") && html.contains("New order #"), "{html}");
    for (wrong, says) in [
        (
            &["order.plaecd", "--channel", "erp"][..],
            "there is no sample of \"order.plaecd\"; did you mean \"order.placed\"? there are: ",
        ),
        (&["order.placed", "--channel", "epr"], "there is no channel \"epr\"; there are: erp, kitchen, office, owner"),
        (
            &["order.placed", "--channel", "erp", "--language", "tlh"],
            "no templates in \"tlh\"; possible here: ar, en, pt-BR",
        ),
        (&["order.placed", "--channel", "erp", "--html", "x.html"], "sends no HTML"),
        (&["order.placed", "--channel", "owner", "--png", "x.png"], "a message of kind order.placed has no picture"),
    ] {
        let (code, _, said) = render(wrong).await;
        assert!(code == Some(2) && said.contains(says), "{wrong:?}: {said}");
    }
    for channel in ["kitchen", "office", "owner"] {
        let file = format!("{channel}.png");
        let (code, shown, said) = render(&["report.daily", "--channel", channel, "--png", &file]).await;
        assert!(code == Some(0) && !shown.is_empty() && said.is_empty(), "{channel}: {said}");
        let png = std::fs::read(folder.path().join(file)).unwrap();
        assert!(png.starts_with(b"\x89PNG\r\n") && png.len() > 1000, "{channel}");
    }
    assert!(simulated.messages().is_empty() && !folder.path().join("x.html").exists());
    assert!(!folder.path().join("x.png").exists());
}

#[tokio::test]
async fn a_stored_event_is_rendered_in_its_own_words() {
    let simulated = sandbox(Rules::new()).await;
    let folder = folder(&channel("office", "wecom", &simulated.wecom_url("a"), ""));
    let store = stores::open(&folder.path().join("orderbell.db"), Timestamp::now()).unwrap();
    let mut scenes = scene::own(&[]);
    let notices = |scene: &scene::Scene| scene.event.data.notice().is_some_and(|notice| notice.topic == "dead");
    let event = Event { id: EventId(Uuid::now_v7()), ..scenes.remove(scenes.iter().position(notices).unwrap()).event };
    let id = event.id.to_string();
    let dedupe_keys = vec![DedupeKey::Once("once".to_owned())];
    store
        .record(Record {
            event,
            body: Vec::new(),
            dedupe_keys,
            targets: Vec::new(),
            urgent: Vec::new(),
            decisions: RouteDecisions::default(),
        })
        .await
        .unwrap();
    let output = orderbell(folder.path(), &["render", "--event", &id, "--channel", "office"]).await;
    assert!(output.status.success() && text(&output).contains("kitchen"), "{}", text(&output));
    let other = Uuid::now_v7().to_string();
    let output = orderbell(folder.path(), &["render", "--event", &other, "--channel", "office"]).await;
    assert!(output.status.code() == Some(1) && text(&output).contains("there is no event"), "{}", text(&output));
    store.close().await;
}

#[tokio::test]
async fn to_see_what_would_be_sent_no_secret_is_needed() {
    let simulated = sandbox(Rules::new()).await;
    let config = without_secrets(&simulated);
    let plain = folder(&config);
    for (kind, name, shows) in [
        ("order.placed", "kitchen", "# New order #"),
        ("order.placed", "office", "New order"),
        ("order.placed", "erp", "\"kind\": \"order.placed\""),
        ("order.placed", "owner", "Subject: Order #"),
        ("stock.low", "owner", "Subject: "),
        ("operator.notice", "office", "Noticed:"),
    ] {
        let output = orderbell(plain.path(), &["render", kind, "--channel", name]).await;
        assert!(output.status.success() && text(&output).contains(shows), "{kind} {name}: {}", text(&output));
    }
    let id = Uuid::now_v7().to_string();
    let output = orderbell(plain.path(), &["render", "--event", &id, "--channel", "office"]).await;
    assert!(output.status.code() == Some(1) && text(&output).contains("there is no store"), "{}", text(&output));
    // What it does use must be right.
    for (right, wrong, says) in [
        (
            "{ env = \"FAR_SIDES_office\" }",
            "{ envy = \"FAR_SIDES_office\" }",
            "\"webhook\" is not written like a secret",
        ),
        ("{ env = \"FAR_SIDES_office\" }", "\"https://qyapi.weixin.qq.com/\"", "it has no key"),
        ("app_id = 1", "app_id = \"x\"", "app_id"),
        ("kind = \"wecom\"", "kind = \"wecon\"", "there is no kind of channel \"wecon\""),
    ] {
        assert!(config.contains(right), "{right}");
        let folder = folder(&config.replace(right, wrong));
        let output = orderbell(folder.path(), &["render", "order.placed", "--channel", "office"]).await;
        assert!(output.status.code() == Some(2) && text(&output).contains(says), "{wrong}: {}", text(&output));
    }
    assert!(simulated.messages().is_empty());
}
