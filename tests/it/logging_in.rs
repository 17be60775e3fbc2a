//! Logging in to the page: who gets in, how long they stay, and what everybody else is answered.

mod ending;
mod refusing;

use std::net::SocketAddr;

use orderbell::sandbox::rules::Rules;

use crate::admin::ask;
use crate::support::{Answer, Daemon, Scene};

pub const OWNER: &str = "hush-owner";
/// Two tokens: one may change things, one reads.
pub const TOKENS: &str = "[admin]\ntoken = \"hush-owner\"\n[admin.tokens.till]\ntoken = \"hush-till\"\n";

/// A browser as far as it matters: what it keeps and what it says of itself.
pub struct Browser {
    pub address: SocketAddr,
    pub cookies: Vec<String>,
    /// Sent with each request besides.
    pub headers: Vec<(&'static str, String)>,
}

impl Browser {
    pub fn at(address: SocketAddr) -> Self {
        let headers =
            vec![("Accept", "text/html,*/*;q=0.8".to_owned()), ("User-Agent", "Firefox/140.0 Linux".to_owned())];
        Self { address, cookies: Vec::new(), headers }
    }

    async fn send(&self, line: &str, more: &[(&str, &str)], body: &str) -> Answer {
        let (host, cookies) = (self.address.to_string(), self.cookies.join("; "));
        let mut headers = vec![("Host", host.as_str()), ("Cookie", cookies.as_str())];
        headers.extend(self.headers.iter().map(|(name, value)| (*name, value.as_str())));
        headers.extend(more);
        let answer = ask(self.address, line, &headers, body.as_bytes()).await;
        Answer { body: answer.body.replace("&#x2f;", "/"), ..answer }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(&format!("GET {path}"), &[], "").await
    }

    /// Posts a form as a page of the same host does; keeps the cookies of the answer.
    pub async fn post(&mut self, path: &str, body: &str) -> Answer {
        let origin = format!("http://{}", self.address);
        let answer = self.post_from(path, body, &[("Origin", &origin)]).await;
        for cookie in set_cookies(&answer) {
            let pair = cookie.split(';').next().unwrap_or_default().to_owned();
            let name = pair.split('=').next().unwrap_or_default().to_owned();
            self.cookies.retain(|known| !known.starts_with(&format!("{name}=")));
            if !pair.ends_with('=') {
                self.cookies.push(pair);
            }
        }
        answer
    }

    /// Posts a form with these headers alone.
    pub async fn post_from(&self, path: &str, body: &str, from: &[(&str, &str)]) -> Answer {
        let mut more = vec![("Content-Type", "application/x-www-form-urlencoded")];
        more.extend(from);
        self.send(&format!("POST {path}"), &more, body).await
    }

    pub async fn log_in(&mut self, token: &str) -> Answer {
        self.post("/login", &format!("token={token}&next=%2F")).await
    }

    /// Somebody who has logged in.
    pub async fn logged_in(daemon: &Daemon, token: &str) -> Self {
        let mut browser = Self::at(daemon.admin());
        assert_eq!(browser.log_in(token).await.status, 303);
        browser
    }

    /// Whether the page is shown to them; else they are led to where one logs in.
    pub async fn is_in(&self) -> bool {
        let answer = self.get("/").await;
        match answer.status {
            200 => true,
            303 => {
                assert_eq!(header(&answer, "location"), Some("/login"));
                false
            }
            _ => panic!("{answer:?}"),
        }
    }
}

#[track_caller]
pub fn header<'a>(answer: &'a Answer, name: &str) -> Option<&'a str> {
    let mut lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

pub fn set_cookies(answer: &Answer) -> Vec<&str> {
    let lines = answer.head.lines().filter_map(|line| line.split_once(": "));
    lines.filter(|(name, _)| name.eq_ignore_ascii_case("set-cookie")).map(|(_, value)| value).collect()
}

#[tokio::test]
async fn somebody_logs_in_by_the_token_goes_on_where_they_were_and_logs_out() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let mut browser = Browser::at(daemon.admin());
    let led = browser.get("/orders?number=1%2F2").await;
    assert_eq!((led.status, header(&led, "location")), (303, Some("/login?next=%2Forders%3Fnumber%3D1%252F2")));
    let form = browser.get("/login?next=%2Forders%3Fnumber%3D1%252F2").await;
    assert!(form.status == 200 && form.body.contains("value=\"/orders?number=1%2F2\""), "{form:?}");
    assert!(!form.body.contains("without encryption") && !form.body.contains("/happenings"), "{form:?}");
    let wrong = browser.log_in("hush").await;
    assert!(wrong.status == 401 && wrong.body.contains("This token is not known"), "{wrong:?}");
    assert!(set_cookies(&wrong).is_empty());
    let answer = browser.post("/login", "token=+hush-owner%0D%0A&next=%2Forders%3Fnumber%3D1%252F2").await;
    assert_eq!((answer.status, header(&answer, "location")), (303, Some("/orders?number=1%2F2")));
    let [cookie] = set_cookies(&answer)[..] else { panic!("{answer:?}") };
    assert!(cookie.starts_with("orderbell=") && cookie.contains("; Path=/; "), "{cookie}");
    assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
    let page = browser.get("/").await;
    assert!(page.status == 200 && page.body.contains("logged in as admin"), "{page:?}");
    assert_eq!(header(&page, "referrer-policy"), Some("same-origin"), "else what is posted comes from `null`");
    assert_eq!(header(&browser.get("/login?next=%2Fsessions").await, "location"), Some("/sessions"), "they are in");
    let programs = browser.get("/api/v1/status").await;
    assert_eq!(programs.status, 401, "what programs ask is answered to a token alone: {programs:?}");
    let kept = browser.cookies.clone();
    let out = browser.post("/logout", "").await;
    assert_eq!((out.status, header(&out, "location"), browser.cookies.len()), (303, Some("/login?out=1"), 0));
    assert!(browser.get("/login?out=1").await.body.contains("You are logged out."));
    browser.cookies = kept;
    assert!(!browser.is_in().await, "the session has ended, whoever still has its cookie");
    daemon.stop().await;
}

#[tokio::test]
async fn a_session_outlasts_a_restart() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let mut browser = Browser::logged_in(&daemon, "hush-till").await;
    daemon.stop().await;
    let daemon = scene.start(TOKENS).await;
    browser.address = daemon.admin();
    let page = browser.get("/").await;
    assert!(page.status == 200 && page.body.contains("logged in as till"), "{page:?}");
    daemon.stop().await;
}

#[tokio::test]
async fn behind_https_the_cookie_is_one_that_nobody_else_can_plant() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start(TOKENS).await;
    let browser = Browser::at(daemon.admin());
    let proxied = [("Origin", "https://bell.example.com"), ("Sec-Fetch-Site", "same-origin")];
    let answer = browser.post_from("/login", "token=hush-owner", &proxied).await;
    let [cookie] = set_cookies(&answer)[..] else { panic!("{answer:?}") };
    assert!(cookie.starts_with("__Host-orderbell=") && cookie.ends_with("; Secure"), "{cookie}");
    assert!(cookie.contains("; Path=/; ") && !cookie.contains("Domain"), "{cookie}");
    let (pair, _) = cookie.split_once(';').expect("attributes");
    let planted = "orderbell=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    for cookies in [format!("{planted}; {pair}"), pair.to_owned()] {
        let browser = Browser { cookies: vec![cookies], ..Browser::at(daemon.admin()) };
        assert!(browser.is_in().await);
    }
    daemon.stop().await;
}

#[tokio::test]
async fn without_a_token_nobody_logs_in_and_this_machine_is_let_in() {
    let scene = Scene::new(Rules::default()).await;
    let daemon = scene.start("[admin]\n").await;
    let mut browser = Browser::at(daemon.admin());
    let page = browser.get("/").await;
    assert!(page.status == 200 && !page.body.contains("/logout"), "{page:?}");
    assert_eq!(header(&browser.get("/login?next=%2Fsessions").await, "location"), Some("/sessions"));
    assert_eq!(header(&browser.log_in("anything").await, "location"), Some("/"));
    assert!(browser.get("/sessions").await.body.contains("Nobody logs in here"));
    daemon.stop().await;
}
