//! A real browser: Debian's chromium by its driver, looking at the page of a daemon.
//!
//! `ORDERBELL_AXE` names the script of axe-core, which `.ci/run` brings; with `ORDERBELL_SCREENSHOTS` pictures are kept in the folder
//! that it names.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::running::Running;
use crate::support::untested::say;
use crate::support::{TOO_LONG, in_time};

/// A telephone, and a desk.
pub const WIDTHS: [u32; 2] = [390, 1280];

/// One browser at a time: two cores have enough to do with it.
static TURN: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// A browser that looks at pages of one host.
pub struct Browser {
    pub client: Client,
    /// With the host, such as `http://127.0.0.1:8788`.
    base: String,
    /// What its log said so far, as far as it should not.
    complaints: Mutex<Vec<String>>,
    _driver: Driver,
    _profile: TempDir,
    _turn: tokio::sync::MutexGuard<'static, ()>,
}

/// The driver in a process group of its own; dropping it ends it and its browser, also where a test has failed.
struct Driver {
    group: Pid,
    running: Running,
}

impl Driver {
    fn start() -> Self {
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").process_group(0);
        let running = Running::start(driver);
        Self { group: running.id(), running }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::KILL);
    }
}

/// A command of the driver's own.
#[derive(Debug)]
struct Own(&'static str, Value);

impl WebDriverCompatibleCommand for Own {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.0))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.1.to_string()))
    }
}

impl Browser {
    /// `None` where this machine has none; that is said.
    pub async fn of(base: impl Into<String>, language: &str) -> Option<Self> {
        let is_there = |program: &str| Command::new(program).arg("--version").output().is_ok();
        if !is_there("chromedriver") || !is_there("chromium") {
            say(
                "the page in a browser, because there is no chromium with its driver (Debian: chromium, chromium-driver)",
            );
            return None;
        }
        let turn = TURN.lock().await;
        let profile = tempfile::tempdir().expect("a folder");
        let driver = Driver::start();
        let line = driver.running.until("started successfully on port");
        let port: u16 =
            line.rsplit(' ').next().and_then(|port| port.trim_end_matches('.').parse().ok()).expect("a port");
        let arguments = [
            "--headless=new".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--autoplay-policy=user-gesture-required".to_owned(),
            format!("--accept-lang={language}"),
            format!("--user-data-dir={}", profile.path().display()),
        ];
        let wanted = json!({
            "goog:chromeOptions": { "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let wanted = wanted.as_object().cloned().expect("an object");
        let mut client = ClientBuilder::new(hyper_util::client::legacy::connect::HttpConnector::new());
        let client = in_time(client.capabilities(wanted).connect(&format!("http://127.0.0.1:{port}"))).await;
        let client = client.expect("the browser starts");
        let complaints = Mutex::default();
        Some(Self { client, base: base.into(), complaints, _driver: driver, _profile: profile, _turn: turn })
    }

    async fn own(&self, command: &'static str, body: Value) -> Value {
        in_time(self.client.issue_cmd(Own(command, body))).await.expect("the driver does it")
    }

    async fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.own("goog/cdp/execute", json!({ "cmd": command, "params": parameters })).await
    }

    /// As wide as a telephone, or as a desk.
    pub async fn width(&self, width: u32) {
        let metrics = json!({ "width": width, "height": 844, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await;
    }

    pub async fn dark(&self, dark: &str) {
        let features = json!([{ "name": "prefers-color-scheme", "value": dark }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    pub async fn open(&self, path: &str) {
        in_time(self.client.goto(&format!("{}{path}", self.base))).await.expect("the page opens");
    }

    /// The text that is to be seen.
    pub async fn text(&self) -> String {
        let body = in_time(self.client.find(Locator::Css("body"))).await.expect("a body");
        in_time(body.text()).await.expect("a text")
    }

    /// Waits until this is to be seen.
    pub async fn sees(&self, wanted: &str) {
        let path = format!("//body//*[contains(normalize-space(.), {wanted:?}) and not(self::script)]");
        let seen = self.client.wait().at_most(TOO_LONG).for_element(Locator::XPath(&path));
        if seen.await.is_err() {
            panic!("\"{wanted}\" is not to be seen in:\n{}", self.text().await);
        }
    }

    /// Presses the first of what this selector finds; once more where the page has put another in its place meanwhile.
    pub async fn press(&self, selector: &str) {
        for _ in 0..10 {
            let found = self.client.wait().at_most(TOO_LONG).for_element(Locator::Css(selector)).await;
            let found = found.unwrap_or_else(|error| panic!("{selector}: {error}"));
            match in_time(found.click()).await {
                Ok(()) => return,
                Err(error) if error.is_stale_element_reference() => {}
                Err(error) => panic!("{selector}: {error}"),
            }
        }
        panic!("{selector}: another stands in its place each time");
    }

    /// Writes into a field.
    pub async fn write(&self, selector: &str, text: &str) {
        let found = in_time(self.client.find(Locator::Css(selector)))
            .await
            .unwrap_or_else(|error| panic!("{selector}: {error}"));
        in_time(found.clear()).await.expect("it can be emptied");
        in_time(found.send_keys(text)).await.expect("it can be written");
    }

    pub async fn run(&self, script: &str) -> Value {
        in_time(self.client.execute(script, Vec::new())).await.expect("the script runs")
    }

    /// Keeps a picture of the whole page where somebody wants to look at it.
    pub async fn picture(&self, name: &str) {
        let Some(folder) = std::env::var_os("ORDERBELL_SCREENSHOTS") else { return };
        let size =
            self.run("return [document.documentElement.clientWidth, document.documentElement.scrollHeight]").await;
        let clip = json!({ "x": 0, "y": 0, "width": size[0], "height": size[1], "scale": 1 });
        let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let shot = self.devtools("Page.captureScreenshot", shot).await;
        let png = base64::Engine::decode(
            &base64::engine::general_purpose::STANDARD,
            shot["data"].as_str().unwrap_or_default(),
        );
        std::fs::write(Path::new(&folder).join(format!("{name}.png")), png.expect("a picture")).expect("it is kept");
    }

    /// Pictures of what is shown, at both widths, light and dark.
    pub async fn pictures(&self, name: &str) {
        if std::env::var_os("ORDERBELL_SCREENSHOTS").is_none() {
            return;
        }
        for width in WIDTHS {
            for scheme in ["light", "dark"] {
                self.width(width).await;
                self.dark(scheme).await;
                self.picture(&format!("{name}-{width}-{scheme}")).await;
            }
        }
    }

    /// Reads the page as whoever cannot see it, and looks that nothing is wider than the telephone; at both widths, light and
    /// dark.
    pub async fn is_readable(&self) {
        for width in WIDTHS {
            self.width(width).await;
            let wide =
                self.run("return document.documentElement.scrollWidth - document.documentElement.clientWidth").await;
            assert_eq!(wide, 0, "wider than {width}: {}", self.path().await);
            for scheme in ["light", "dark"] {
                self.dark(scheme).await;
                self.has_no_violation(&format!("{width} {scheme}")).await;
            }
        }
    }

    async fn path(&self) -> String {
        in_time(self.client.current_url()).await.map_or_else(|error| error.to_string(), |url| url.path().to_owned())
    }

    async fn has_no_violation(&self, how: &str) {
        let Some(axe) = std::env::var_os("ORDERBELL_AXE") else {
            say("whether everybody can read the page, because ORDERBELL_AXE does not name the script of axe-core");
            return;
        };
        let axe = std::fs::read_to_string(axe).expect("the script of axe-core");
        let known = self.run("return typeof window.axe === 'object'").await;
        if known != true {
            self.run(&axe).await;
        }
        let script = "const done = arguments[0]; axe.run().then((found) => done(found.violations.map((violation) => \
            violation.id + ': ' + violation.help + ' ' + violation.nodes.map((node) => node.html + ' ' + node.failureSummary).join(' | '))), (error) => done([String(error)]))";
        let found = in_time(self.client.execute_async(script, Vec::new())).await.expect("axe runs");
        assert_eq!(found, json!([]), "{} {how}: {found:#}", self.path().await);
    }

    /// Ends it, once it is sure that nothing was complained of and no other host was asked.
    pub async fn close(self) {
        self.look_at_the_log().await;
        let complaints = self.complaints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(complaints.is_empty(), "{complaints:#?}");
        in_time(self.client.clone().close()).await.expect("it closes");
    }

    /// Forgets complaints in which this stands: they are meant to come.
    pub async fn expects(&self, expected: &str) {
        self.look_at_the_log().await;
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).retain(|said| !said.contains(expected));
    }

    async fn look_at_the_log(&self) {
        let mut found = Vec::new();
        for entry in self.own("se/log", json!({ "type": "browser" })).await.as_array().into_iter().flatten() {
            found.push(format!("console: {}", entry["message"].as_str().unwrap_or_default()));
        }
        for entry in self.own("se/log", json!({ "type": "performance" })).await.as_array().into_iter().flatten() {
            let message: Value =
                serde_json::from_str(entry["message"].as_str().unwrap_or_default()).unwrap_or_default();
            let address = message["message"]["params"]["request"]["url"].as_str().unwrap_or_default();
            let is_asked = message["message"]["method"] == "Network.requestWillBeSent";
            let is_own = address.starts_with(&self.base) || !["http", "ws"].iter().any(|net| address.starts_with(net));
            if is_asked && !is_own {
                found.push(format!("another host: {address}"));
            }
        }
        self.complaints.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
    }
}
