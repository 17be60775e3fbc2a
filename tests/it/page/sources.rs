//! *Sources*: the address for the platform, what came of its webhooks, and a signed sample sent through.

use orderbell::sandbox::rules::Rules;

use crate::page::browser::Browser;
use crate::page::visitor::Visitor;
use crate::support::{Daemon, Scene, keeta};

/// A source that proves, and one that observes, whose tests ring the kitchen.
async fn running(scene: &Scene) -> Daemon {
    let observing = keeta::source("observer", "verify = \"observe\"");
    let route = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\"]\n";
    let test = "[[route]]\nevents = [\"test\"]\nsources = [\"observer\"]\nto = [\"kitchen\"]\n";
    scene.start(&format!("[admin]\n{observing}{}{route}{test}", scene.robot("kitchen", ""))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_shows_its_address_and_a_sample_goes_through_it() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = running(&scene).await;
    let visitor = Visitor::of(&daemon, "en");
    let page = visitor.sees("/sources").await;
    for said in ["https://bell.example.com/hooks/keeta</code>", "data-copy=\"address-keeta\"", "It only observes"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    assert!(!page.contains(keeta::SECRET), "{page}");
    assert_eq!(visitor.presses("/sources/keeta/sample").await, "/sources");
    let page = visitor.sees("/sources").await;
    assert!(page.contains("It was believed and recorded."), "{page}");
    assert!(page.contains("No route takes the kind") && page.contains("<a href=\"/channels/kitchen\">"), "{page}");
    assert_eq!(visitor.presses("/sources/observer/sample").await, "/sources");
    let page = visitor.sees("/sources").await;
    assert!(page.contains("A test message goes to"), "{page}");
    let event = page.split("href=\"/events/").nth(1).and_then(|rest| rest.split('"').next()).expect("a link");
    let story = visitor.sees(&format!("/events/{event}")).await;
    assert!(story.contains("It is a signed sample of order.placed"), "{story}");
    assert_eq!(visitor.posts("/sources/nobody/sample").await.status, 404);
    assert_eq!(visitor.gets("/events/nothing").await.status, 404);
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_last_refusal_is_shown_with_what_it_means() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = running(&scene).await;
    let forged = String::from_utf8(keeta::placed(1, scene.hands.now())).expect("a text").replace("466663", "466664");
    assert_eq!(daemon.post(forged.as_bytes()).await.status, 401);
    let visitor = Visitor::of(&daemon, "en");
    // It is written down in its own time.
    let page = loop {
        let page = visitor.sees("/sources").await;
        if page.contains("Last refused") {
            break page;
        }
        scene.forward(jiff::SignedDuration::from_secs(1));
    };
    assert!(page.contains("register exactly this address at the platform"), "{page}");
    let arabic = Visitor::of(&daemon, "ar").sees("/sources").await;
    assert!(arabic.contains("آخر ما رُفض") && arabic.contains("<span lang=\"en\" dir=\"ltr\">"), "{arabic}");
    daemon.stop().await;
}

#[tokio::test]
async fn a_sample_is_sent_through_by_a_button() {
    let scene = Scene::new(Rules::new().robot("kitchen", Default::default())).await;
    let daemon = running(&scene).await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/sources").await;
    browser.sees("The address to paste into the platform's settings").await;
    browser.is_readable().await;
    browser.press("#observer form button").await;
    browser.sees("It was believed and recorded.").await;
    browser.is_readable().await;
    browser.pictures("sources-en").await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    // The figures change by themselves, and what the button came to stays.
    browser.sees("Last believed").await;
    browser.sees("It was believed and recorded.").await;
    for (language, words) in [("ar", "انسخ"), ("zh-HK", "最近一次樣本")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(words).await;
        browser.is_readable().await;
        browser.pictures(&format!("sources-{language}")).await;
    }
    browser.press("#observer a[href^='/events/']").await;
    browser.sees("其後如何").await;
    browser.is_readable().await;
    browser.pictures("event-zh-HK").await;
    browser.close().await;
    daemon.stop().await;
}
