//! What the API does not do, each with a problem document that says why.

use orderbell::sandbox::rules::Rules;
use poem::http::{Method, StatusCode};

use crate::api::Api;
use crate::api::reading::running;
use crate::support::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_wrong_with_a_request_is_said_in_a_problem_document() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    let api = Api::beside(&scene, &text);
    let (get, post) = (Method::GET, Method::POST);
    let nobody = "00000000-0000-7000-8000-000000000000";
    let long = "x".repeat(50_000);
    let cases = [
        (get.clone(), "/events?cursor=made-up".to_owned(), None, 400),
        (get.clone(), "/orders?cursor=AAAAAAAAAAAAAAAAAAAA".to_owned(), None, 400),
        (get.clone(), format!("/deliveries?cursor={long}"), None, 400),
        (get.clone(), "/deliveries?limit=0".to_owned(), None, 400),
        (get.clone(), "/deliveries?limit=1000000".to_owned(), None, 400),
        (get.clone(), "/deliveries?state=lost".to_owned(), None, 400),
        (get.clone(), "/deliveries?channel=a%00b".to_owned(), None, 400),
        (get.clone(), format!("/orders?number={}", "x".repeat(201)), None, 400),
        (get.clone(), "/why?about=".to_owned(), None, 400),
        (get.clone(), "/events?since=yesterday".to_owned(), None, 400),
        (get.clone(), format!("/events/{nobody}"), None, 404),
        (get.clone(), format!("/deliveries/{nobody}"), None, 404),
        (get.clone(), "/deliveries/1".to_owned(), None, 400),
        (get.clone(), "/deliveries/..%2F..%2Fetc%2Fpasswd".to_owned(), None, 400),
        (get.clone(), "/orders/keeta/nothing".to_owned(), None, 404),
        (get.clone(), "/channels/nobody".to_owned(), None, 404),
        (get.clone(), "/reports/daily/someday".to_owned(), None, 400),
        (get.clone(), "/reports/daily/9999-01-01".to_owned(), None, 404),
        (get.clone(), "/reports/daily/2026-02-30".to_owned(), None, 404),
        (get.clone(), "/reports/weekly/today".to_owned(), None, 404),
        (get.clone(), "/why".to_owned(), None, 400),
        (get.clone(), "/why?about=nothing".to_owned(), None, 404),
        (get.clone(), "/why?about=robot".to_owned(), None, 400),
        (get.clone(), "/nothing".to_owned(), None, 404),
        (get.clone(), "/../openapi.json".to_owned(), None, 404),
        (Method::DELETE, "/deliveries".to_owned(), None, 405),
        (post.clone(), format!("/deliveries/{nobody}/redeliver"), Some("{"), 400),
        (post.clone(), format!("/deliveries/{nobody}/redeliver"), Some("{}"), 400),
        (post.clone(), format!("/deliveries/{nobody}/redeliver"), Some(r#"{"round": -1}"#), 400),
        (post.clone(), format!("/deliveries/{nobody}/redeliver"), Some(r#"{"round": 0}"#), 404),
        (post.clone(), format!("/deliveries/{nobody}/cancel"), None, 404),
        (post.clone(), "/deliveries/cancel".to_owned(), Some(r#"{"state": "delivered", "expected": 0}"#), 400),
        (post.clone(), "/deliveries/redeliver".to_owned(), Some(r#"{"channel": false, "expected": 0}"#), 400),
        (post.clone(), "/deliveries/redeliver".to_owned(), Some(r#"{"expected": 0}"#), 400),
        (post.clone(), "/deliveries/redeliver".to_owned(), None, 415),
        (post.clone(), "/channels/nobody/test".to_owned(), None, 404),
        (post, "/channels/nobody/probe".to_owned(), None, 404),
    ];
    for (method, path, body, status) in cases {
        let what = format!("{method} {}", &path[..path.len().min(80)]);
        let answer = api.ask(method, &path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{what}: {}", answer.text);
        assert_eq!(answer.kind, "application/problem+json", "{what}");
        let problem = answer.json();
        assert_eq!(problem["status"], status, "{what}: {problem}");
        assert!(problem["title"].is_string() && problem["type"].is_string(), "{what}: {problem}");
        assert_eq!(answer.allow.is_some(), status == 405, "{what}");
        assert!(answer.text.len() < 2_000, "{what}: {} bytes", answer.text.len());
        assert_eq!(answer.status, StatusCode::from_u16(status).expect("a status"));
    }
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_of_another_list_or_filter_is_refused() {
    let scene = Scene::new(Rules::new()).await;
    let (daemon, text) = running(&scene).await;
    crate::api::reading::received(&scene, &daemon).await;
    let api = Api::beside(&scene, &text);
    let page = api.found("/deliveries?limit=1").await;
    let cursor = page["next"].as_str().expect("a cursor").to_owned();
    assert_eq!(api.get(&format!("/deliveries?limit=2&cursor={cursor}")).await.status, StatusCode::OK);
    for path in ["/deliveries?state=dead&", "/events?", "/orders?"] {
        let answer = api.get(&format!("{path}cursor={cursor}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
    }
    daemon.stop().await;
}

#[test]
fn no_request_has_a_pattern_compiled() {
    for file in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/src/web/admin/api")).expect("a folder") {
        let path = file.expect("a file").path();
        let source = std::fs::read_to_string(&path).expect("a text");
        assert!(!source.contains("pattern ="), "{}: a validator's pattern is compiled at each request", path.display());
    }
}
