//! *Channels*: each with what has to be done for it, and the buttons.

use orderbell::sandbox::fault::{Fault, Times};
use orderbell::sandbox::rules::{RobotRules, Rules};

use crate::admin::ask;
use crate::page::browser::Browser;
use crate::page::visitor::Visitor;
use crate::support::{Daemon, Scene, keeta, of};

/// One that takes everything, one that demands a keyword which no message has, and a receiver of another kind.
async fn running(scene: &Scene, access: &str) -> Daemon {
    let channels = [scene.robot("kitchen", ""), scene.robot("gone", ""), scene.hook("erp", "")].concat();
    let routes = "[[route]]\nevents = [\"order.*\"]\nto = [\"kitchen\", \"gone\"]\n\
        [[route]]\nevents = [\"stock.*\"]\nto = [\"erp\"]\n";
    scene.start(&format!("[admin]\n{access}{channels}{routes}")).await
}

fn rules() -> Rules {
    let demanding = RobotRules { keyword: Some("Harbour 77".to_owned()), ..RobotRules::default() };
    Rules::new().strict().robot("kitchen", RobotRules::default()).robot("gone", demanding)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_channel_says_why_and_what_to_change_in_the_language_of_its_reader() {
    let scene = Scene::new(rules()).await;
    let daemon = running(&scene, "").await;
    let (english, chinese) = (Visitor::of(&daemon, "en"), Visitor::of(&daemon, "zh-HK"));
    assert_eq!(english.presses("/channels/gone/test").await, "/channels/gone");
    let page = english.sees("/channels/gone").await;
    for said in ["refused: wrong setting", "the robot demands a keyword", "errcode 310000"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let page = chinese.sees("/channels/gone").await;
    assert!(page.contains("最近一次測試") && page.contains("拒收：設定有誤"), "{page}");
    assert!(page.contains("關鍵") && !page.contains("the robot demands"), "{page}");
    assert_eq!(english.presses("/channels/kitchen/test").await, "/channels/kitchen");
    assert!(english.sees("/channels/kitchen").await.contains("<span class=\"pill good\">accepted</span>"));

    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    let list = chinese.sees("/channels").await;
    assert!(list.contains("被拒收：請處理") && list.contains("機械人的保安設定拒絕了我們"), "{list}");
    assert!(list.contains("/deliveries?state=waiting&amp;channel=gone"), "{list}");
    assert_eq!(english.presses("/channels/gone/open").await, "/channels/gone?said=probed");
    daemon.until_tried("gone", 2).await;
    assert_eq!(english.presses("/channels/kitchen/open").await, "/channels/kitchen?said=not_parked");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_who_press_at_once_the_second_gets_a_sentence_and_nothing_happens_twice() {
    let scene = Scene::new(Rules::new()).await;
    scene.sandbox.order("erp", Fault::Delay { delay_ms: 1_500 }, Times::Always);
    let daemon = running(&scene, "").await;
    let visitor = Visitor::of(&daemon, "en");
    let first = tokio::spawn(async move { visitor.presses("/channels/erp/test").await });
    scene.until_came("erp", 1).await;
    let second = visitor.presses("/channels/erp/test").await;
    assert_eq!(second, "/channels/erp?said=under_way");
    assert!(visitor.sees(&second).await.contains("A test of this channel is under way already."));
    assert_eq!(first.await.expect("it ends"), "/channels/erp");
    assert_eq!(scene.came_to("erp").len(), 1);

    for (action, said) in
        [("pause", "paused"), ("pause", "paused_already"), ("resume", "resumed"), ("resume", "not_paused")]
    {
        let leads = visitor.presses(&format!("/channels/kitchen/{action}")).await;
        assert_eq!(leads, format!("/channels/kitchen?said={said}"));
        let page = visitor.sees(&leads).await;
        assert!(page.contains("class=\"said\" role=\"status\""), "{page}");
        assert_eq!(page.contains("Paused since"), said.starts_with("paused"), "{said}");
    }
    let unknown = visitor.sees("/channels/kitchen?said=%3Cscript%3E").await;
    assert!(!unknown.contains("class=\"said\""), "{unknown}");
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_is_gone_is_said_to_be_so() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = running(&scene, "").await;
    let visitor = Visitor::of(&daemon, "en");
    for action in ["test", "pause", "resume", "open"] {
        let answer = visitor.posts(&format!("/channels/former/{action}")).await;
        assert!(answer.status == 404 && answer.body.contains("There is nothing here"), "{action}: {}", answer.body);
    }
    assert_eq!(visitor.gets("/channels/%3Cscript%3E").await.status, 404);
    let origin = ("Origin", "http://localhost");
    let headers = [("Host", "localhost"), ("HX-Request", "true"), ("Sec-Fetch-Site", "same-origin"), origin];
    let in_place = ask(daemon.admin(), "POST /channels/former/test", &headers, b"").await;
    assert!(in_place.body.contains("id=\"main\""), "what is put in the place of the page: {}", in_place.body);
    daemon.stop().await;
}

#[tokio::test]
async fn a_test_is_pressed_and_its_refusal_read_in_words() {
    let scene = Scene::new(rules()).await;
    let daemon = running(&scene, "").await;
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/channels").await;
    browser.sees("Last accepted").await;
    browser.is_readable().await;
    browser.open("/channels/gone").await;
    browser.press("form[action$='/test'] button").await;
    browser.sees("refused: wrong setting").await;
    browser.sees("the robot demands a keyword").await;
    browser.is_readable().await;
    browser.press("form[action$='/pause'] button").await;
    browser.sees("Paused. Nothing goes out to it").await;
    browser.sees("Paused since").await;
    browser.press("form[action$='/resume'] button").await;
    browser.sees("Resumed.").await;
    daemon.acknowledged(&keeta::placed(1, scene.hands.now())).await;
    daemon.until(|rows| of(rows, "kitchen").iter().any(|row| row.state == "delivered")).await;
    browser.sees("Refused since").await;
    browser.pictures("channel-en").await;
    for (language, words) in [("ar", "ما يمكنك فعله"), ("zh-HK", "可以做的事")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(words).await;
        browser.is_readable().await;
        browser.pictures(&format!("channel-{language}")).await;
    }
    for language in ["en", "ar", "zh-HK"] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.open("/channels").await;
        browser.is_readable().await;
        browser.pictures(&format!("channels-{language}")).await;
    }
    browser.close().await;
    daemon.stop().await;
}
