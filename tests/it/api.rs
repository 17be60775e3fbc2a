//! The API as programs see it: what it answers, pages, refuses and changes, and that its document says so.

mod bounds;
mod changing;
mod reading;
mod refusing;
mod sampling;
mod schemathesis;
mod secrets;
mod streaming;

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use orderbell::app::setup;
use orderbell::config::configured::Config;
use orderbell::domain::access::Access;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::resources::Resources;
use orderbell::flow::{Clock, Current};
use orderbell::store::Store;
use orderbell::web::admin::access::Caller;
use orderbell::web::admin::api;
use orderbell::web::admin::problem::Problem;
use poem::endpoint::BoxEndpoint;
use poem::http::{Method, StatusCode};
use poem::test::TestClient;
use poem::{EndpointExt, IntoResponse, Response, Route};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::support::Scene;

/// The API on a store, without a listener.
pub struct Api {
    client: TestClient<BoxEndpoint<'static, Response>>,
}

/// An answer.
pub struct Answered {
    pub status: StatusCode,
    pub kind: String,
    pub allow: Option<String>,
    pub text: String,
}

impl Answered {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

pub fn resources(store: Arc<dyn Store>, config: Config, clock: Clock) -> Resources {
    let routing = Current::new(setup::routing(config));
    Resources::new(store, routing, Notifier::default(), clock, CancellationToken::new())
}

impl Api {
    pub fn on(store: Arc<dyn Store>, config: Config, now: Timestamp) -> Self {
        Self::by_clock(store, config, Clock::new(move || now))
    }

    fn by_clock(store: Arc<dyn Store>, config: Config, clock: Clock) -> Self {
        let resources = resources(store, config, clock);
        let caller = Caller { name: "ann".into(), access: Access::Write };
        let routes = Route::new().nest(api::ADDRESS, api::routes(&resources)).data(caller).map_to_response();
        let whole = routes.catch_all_error(|error| async move { Problem::of(&error).into_response() });
        Self { client: TestClient::new(whole.map_to_response().boxed()) }
    }

    /// On the store of a scene, with this configuration.
    pub fn beside(scene: &Scene, text: &str) -> Self {
        let store = crate::support::stores::open_beside(&scene.store()).expect("the store opens");
        Self::on(store, scene.config(text), scene.hands.now())
    }

    /// As [`Api::beside`], by the clock of the scene as it goes on.
    pub fn going(scene: &Scene, text: &str) -> Self {
        let store = crate::support::stores::open_beside(&scene.store()).expect("the store opens");
        Self::by_clock(store, scene.config(text), scene.hands.clock())
    }

    pub async fn ask(&self, method: Method, path: &str, body: Option<&str>) -> Answered {
        let request = self.client.request(method, format!("{}{path}", api::ADDRESS));
        let request = match body {
            Some(body) => request.content_type("application/json").body(body.to_owned()),
            None => request,
        };
        let response = request.send().await.0;
        let kind = response.content_type().unwrap_or_default().to_owned();
        let status = response.status();
        let allow = response.header("allow").map(str::to_owned);
        let text = response.into_body().into_string().await.expect("a text");
        Answered { status, kind, allow, text }
    }

    pub async fn get(&self, path: &str) -> Answered {
        self.ask(Method::GET, path, None).await
    }

    /// What stands at a path.
    pub async fn found(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.text);
        answer.json()
    }

    pub async fn post(&self, path: &str, body: &str) -> Answered {
        self.ask(Method::POST, path, Some(body)).await
    }
}

#[tokio::test]
async fn the_document_in_the_documentation_is_the_one_that_is_served() {
    let folder = tempfile::tempdir().expect("a folder");
    let now = Timestamp::UNIX_EPOCH;
    let store = crate::support::stores::open(&folder.path().join("bell.db"), now).expect("the store opens");
    let config = orderbell::config::read_text(
        "[store]\nurl = \"sqlite:bell.db\"\n",
        &orderbell::config::context::LoadContext {
            file: Path::new("orderbell.toml"),
            env: &|_| None,
            languages: orderbell::config::context::languages(),
            secrets: orderbell::config::context::SecretReading::Read,
        },
    )
    .expect("a configuration")
    .config;
    let served = Api::on(store, config, now).get("/openapi.json").await.text;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &served).expect("the document is written");
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == served, "docs/openapi.json is another: UPDATE_GOLDEN=1 cargo test --test it -- api:: writes it");
    for wrong in ["xml", "yaml"] {
        assert!(!served.contains(wrong), "no operation takes or answers {wrong}");
    }
}
