//! *Configuration*: what is in force, without secrets, and what the file says by now.

use std::fs;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};

use orderbell::flow::configuration_file::{ConfigurationFile, FileExamination, ShownConfiguration};
use orderbell::flow::resources::ResourceError;
use orderbell::sandbox::rules::Rules;

use crate::api::resources;
use crate::page::browser::Browser;
use crate::page::visitor::Visitor;
use crate::support::watching::NEVER;
use crate::support::{Daemon, Scene, keeta, stores, whole};

fn text(scene: &Scene) -> String {
    let kitchen = scene.robot("kitchen", "secret = \"hush-robot\"");
    let route = "[[route]]\nevents = [\"order.*\"] # hush-comment\nto = [\"kitchen\"]\n";
    format!("[admin]\n[operator]\nto = [\"kitchen\"]\n{kitchen}{route}")
}

async fn running(scene: &Scene) -> Daemon {
    scene.start_watched(&text(scene), NEVER).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_force_is_shown_without_secrets_and_the_file_with_its_errors() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = running(&scene).await;
    let visitor = Visitor::of(&daemon, "en");
    let page = visitor.sees("/configuration").await;
    for said in ["SQLite", "Asia/Riyadh", "[channel.kitchen]", "app_secret = ***", "events = [&quot;order.*&quot;]"] {
        assert!(page.contains(said), "{said}: {page}");
    }
    let is_secret = |page: &str| page.contains("hush") || page.contains(keeta::SECRET);
    assert!(!is_secret(&page), "{page}");
    let read = visitor.sees("/configuration?file=read").await;
    assert!(read.contains("It is what is in force.") && read.contains("A daemon would start with it."), "{read}");

    let file = scene.folder.path().join("orderbell.toml");
    let slip = "kind = \"dingtalk\"\nsecrett = \"hush-slip\"";
    fs::write(&file, whole("", &text(&scene)).replace("kind = \"dingtalk\"", slip)).expect("written");
    let read = visitor.sees("/configuration?file=read").await;
    for said in ["It is not what is in force.", "A daemon would not start with it", "secrett = ***", "orderbell.toml:"]
    {
        assert!(read.contains(said), "{said}: {read}");
    }
    assert!(!is_secret(&read), "{read}");

    let moved = whole("", &text(&scene)).replace("[server]", "[server]\nlisten = \"127.0.0.1:9999\"");
    fs::write(&file, moved).expect("written");
    let read = visitor.sees("/configuration?file=read").await;
    assert!(read.contains("<code>server.listen</code>") && read.contains("127.0.0.1:9999"), "{read}");
    fs::remove_file(&file).expect("it was there");
    let read = visitor.sees("/configuration?file=read").await;
    assert!(read.contains("there is no such file"), "{read}");
    daemon.stop().await;
}

/// A file that is read until somebody says that it is enough.
struct Slow(Mutex<Receiver<()>>);

impl ConfigurationFile for Slow {
    fn in_force(&self) -> Arc<ShownConfiguration> {
        Arc::default()
    }

    fn examine(&self) -> Option<FileExamination> {
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).recv();
        None
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_file_is_read_for_one_at_a_time_also_where_nobody_waits_for_it_any_more() {
    let scene = Scene::new(Rules::new()).await;
    let store = stores::open(&scene.store(), scene.hands.now()).expect("a store");
    let (enough, read) = channel();
    let resources = resources(store, scene.config(&text(&scene)), scene.hands.clock());
    let resources = resources.with_configuration_file(Arc::new(Slow(Mutex::new(read))));
    // Whoever asks first goes away as soon as the reading has begun.
    tokio::select! {
        biased;
        _ = resources.examine_file() => panic!("it is not read yet"),
        () = std::future::ready(()) => {}
    }
    assert!(matches!(resources.examine_file().await, Err(ResourceError::Busy(_))));
    enough.send(()).expect("somebody reads");
    enough.send(()).expect("somebody reads");
    let next = loop {
        match resources.examine_file().await {
            Err(ResourceError::Busy(_)) => tokio::task::yield_now().await,
            next => break next,
        }
    };
    assert_eq!(next.expect("it is read"), None);
}

#[tokio::test]
async fn the_file_is_read_by_a_button_and_its_mistake_is_shown_with_its_line() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = running(&scene).await;
    let file = scene.folder.path().join("orderbell.toml");
    let broken = whole("", &text(&scene)).replace("[admin]", "[admin]\nlissten = \"127.0.0.1:1\"");
    fs::write(&file, broken).expect("written");
    let Some(browser) = Browser::of(format!("http://{}", daemon.admin()), "en").await else { return };
    browser.open("/configuration").await;
    browser.sees("As it was loaded").await;
    browser.press("#file button").await;
    browser.sees("A daemon would not start with it").await;
    browser.is_readable().await;
    browser.pictures("configuration-en").await;
    for (language, words) in [("ar", "ما يعمل الآن"), ("zh-HK", "正在運行的")] {
        browser.press(&format!("button[lang={language}]")).await;
        browser.sees(words).await;
        browser.press("#file button").await;
        browser.sees("orderbell.toml:").await;
        browser.is_readable().await;
        browser.pictures(&format!("configuration-{language}")).await;
    }
    browser.close().await;
    daemon.stop().await;
}
