//! Who does not get in: guesses, forged and large cookies, what other sites post, and whoever may only read.

use jiff::SignedDuration;
use orderbell::domain::template::Templates;
use orderbell::sandbox::rules::Rules;

use crate::logging_in::{Browser, OWNER, TOKENS, header, set_cookies};
use crate::support::{Scene, stores};

#[tokio::test]
async fn whoever_guesses_a_token_waits() {
    let scene = Scene::still("2026-11-05T10:10:00Z".parse().expect("a time"), Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let mut browser = Browser::at(daemon.admin());
    for _ in 0..10 {
        assert_eq!(browser.log_in("guess").await.status, 401);
    }
    let answer = browser.log_in("guess").await;
    assert!(answer.status == 429 && answer.body.contains("Too many wrong tries"), "{answer:?}");
    assert_eq!(browser.log_in(OWNER).await.status, 429, "a right guess is one among many");
    scene.forward(SignedDuration::from_secs(7));
    assert_eq!(browser.log_in("guess").await.status, 401);
    let long = "x".repeat(5000);
    scene.forward(SignedDuration::from_mins(5));
    assert_eq!(browser.log_in(&long).await.status, 401);
    daemon.stop().await;
}

#[tokio::test]
async fn a_cookie_that_is_forged_or_large_is_none() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let own = Browser::logged_in(&daemon, OWNER).await.cookies;
    let with = |cookies: Vec<String>| Browser { cookies, ..Browser::at(daemon.admin()) };
    let forged = format!("orderbell={}", "A".repeat(43));
    for cookie in [forged.clone(), own[0].replace("orderbell=", "Orderbell="), format!("{}A", own[0])] {
        assert!(!with(vec![cookie.clone()]).is_in().await, "{cookie}");
    }
    assert!(!with(vec![format!("orderbell={}", "A".repeat(10_000))]).is_in().await);
    assert!(with(vec![forged, own[0].clone()]).is_in().await, "of two, the one that is a session counts");
    daemon.stop().await;
}

#[tokio::test]
async fn what_another_site_posts_is_refused() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let browser = Browser::logged_in(&daemon, OWNER).await;
    for from in [
        &[][..],
        &[("Origin", "https://evil.example.com")],
        &[("Origin", "null")],
        &[("Sec-Fetch-Site", "cross-site")],
        &[("Sec-Fetch-Site", "same-site"), ("Origin", "https://other.example.com")],
    ] {
        for path in ["/sessions/end-others", "/logout", "/login"] {
            let answer = browser.post_from(path, "token=hush-owner", from).await;
            assert_eq!(answer.status, 403, "{path} {from:?}: {answer:?}");
            assert!(set_cookies(&answer).is_empty(), "{answer:?}");
        }
    }
    assert!(browser.is_in().await);
    daemon.stop().await;
}

#[tokio::test]
async fn nobody_is_led_to_another_site() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    for next in ["//evil.example.com", "%2F%2Fevil.example.com", "/%5Cevil.example.com", "https://evil.example.com"] {
        let mut browser = Browser::at(daemon.admin());
        let form = browser.get(&format!("/login?next={next}")).await;
        assert!(form.status == 200 && form.body.contains("name=\"next\" value=\"/\">"), "{form:?}");
        let answer = browser.post("/login", &format!("token=hush-owner&next={next}")).await;
        assert_eq!(header(&answer, "location"), Some("/"), "{next}");
    }
    daemon.stop().await;
}

#[tokio::test]
async fn whoever_may_only_read_changes_nothing_and_is_shown_no_button() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let (owner, mut till) = (Browser::logged_in(&daemon, OWNER).await, Browser::logged_in(&daemon, "hush-till").await);
    let list = till.get("/sessions").await;
    assert!(list.status == 200 && !list.body.contains("/sessions/end"), "{list:?}");
    assert_eq!(list.body.matches("<article").count(), 1, "their own: {list:?}");
    let refused = till.post("/sessions/end-others", "").await;
    assert!(refused.status == 403 && refused.body.contains("You may not do that"), "{refused:?}");
    assert!(owner.is_in().await && till.is_in().await);
    assert_eq!(till.post("/logout", "").await.status, 303, "but they log out");
    daemon.stop().await;
}

#[tokio::test]
async fn whoever_is_not_logged_in_is_led_there_each_in_their_way() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let mut browser = Browser::at(daemon.admin());
    browser.headers.push(("HX-Request", "true".to_owned()));
    browser.headers.push(("HX-Current-URL", format!("http://{}/deliveries?state=dead", daemon.admin())));
    let by_htmx = browser.get("/deliveries?cursor=x").await;
    assert_eq!(
        (by_htmx.status, header(&by_htmx, "hx-redirect")),
        (401, Some("/login?next=%2Fdeliveries%3Fstate%3Ddead"))
    );
    let mut browser = Browser::at(daemon.admin());
    browser.headers.push(("Referer", format!("http://{}/orders/keeta/1", daemon.admin())));
    let posted = browser.post("/deliveries/cancel", "").await;
    assert_eq!((posted.status, header(&posted, "location")), (303, Some("/login?next=%2Forders%2Fkeeta%2F1")));
    let mut browser = Browser::at(daemon.admin());
    browser.headers.push(("Sec-Fetch-Site", "cross-site".to_owned()));
    let linked = browser.get("/orders?number=%3Cb%3E%22").await;
    assert!(linked.status == 200 && linked.body.contains("url=/orders?number=%3Cb%3E%22\""), "{linked:?}");
    let program = Browser { headers: Vec::new(), ..Browser::at(daemon.admin()) };
    assert_eq!(program.get("/").await.status, 401);
    daemon.stop().await;
}

#[tokio::test]
async fn while_the_store_cannot_be_read_a_page_says_so() {
    let scene = Scene::new(Rules::default()).await;
    let store = stores::open(&scene.store(), scene.hands.now()).expect("the store opens");
    let daemon = scene.start_on(store.clone(), Templates::built_in().expect("templates"), TOKENS).await;
    let mut browser = Browser::logged_in(&daemon, OWNER).await;
    store.close().await;
    let page = browser.get("/").await;
    assert!(page.status == 503 && page.body.contains("the store cannot be used now"), "{page:?}");
    let again = browser.log_in(OWNER).await;
    assert!(again.status == 503 && again.body.contains("Nobody can log in just now"), "{again:?}");
    drop(daemon);
}
