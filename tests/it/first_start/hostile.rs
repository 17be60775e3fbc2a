//! Who must not get in, and what must not become markup.

use crate::first_start::FirstStart;

#[tokio::test(flavor = "multi_thread")]
async fn no_other_site_no_other_name_and_no_proxy_gets_an_answer() {
    let start = FirstStart::begin().await;
    let own = start.address;
    let refused = [
        ("Host: bell.example.com\r\n".to_owned(), 421),
        ("Origin: https://evil.example.com\r\n".to_owned(), 403),
        ("Origin: null\r\n".to_owned(), 403),
        ("Sec-Fetch-Site: cross-site\r\n".to_owned(), 403),
        ("X-Forwarded-For: 192.0.2.7\r\n".to_owned(), 403),
        (format!("Origin: http://{own}\r\nSec-Fetch-Site: same-site\r\n"), 403),
    ];
    for (headers, status) in refused {
        for (method, path) in [("GET", "/setup/general"), ("POST", "/setup/save"), ("POST", "/setup/channel/0")] {
            let answer = start.ask(method, path, &headers, "kind=wecom&value.webhook=x").await;
            assert_eq!(answer.status, status, "{method} {path} {headers}: {}", answer.body);
        }
    }
    assert!(!start.file().exists());
    // The draft is as it was: nothing at the first place.
    assert!(start.get("/setup/channel/1").await.status == 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_kept_by_nobody_and_run_no_script_of_another() {
    let start = FirstStart::begin().await;
    for path in ["/setup/general", "/setup/source/0?kind=keeta", "/setup/orderbell.toml", "/nothing"] {
        let head = start.get(path).await.head.to_lowercase();
        assert!(head.contains("cache-control: no-store"), "{path}: {head}");
        assert!(head.contains("script-src 'self'") && head.contains("x-frame-options: deny"), "{path}: {head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_typed_or_asked_for_stays_inert() {
    let start = FirstStart::begin().await;
    let hostile = "\"><script>alert(1)</script>\u{202e}{{ 7 * 7 }}";
    let general = [
        ("language", hostile),
        ("timezone", hostile),
        ("currency", hostile),
        ("public_url", hostile),
        ("listen", hostile),
    ];
    let mut pages = vec![start.post("/setup/general", &general).await.body];
    let mail =
        [("kind", "email"), ("value.smtp", hostile), ("value.from", hostile), ("value.to", hostile), ("then", "try")];
    pages.push(start.post("/setup/channel/0", &mail).await.body);
    pages.push(start.post("/setup/channel/1", &[("kind", hostile), ("name", hostile)]).await.body);
    pages.push(start.get("/setup/channel/0?kind=%3Cscript%3E").await.body);
    pages.push(start.post("/setup/ending", &[("operator", hostile), ("report_at", hostile)]).await.body);
    pages.push(start.get("/setup/file").await.body);
    for page in &pages {
        assert!(!page.contains("<script>alert") && !page.contains(">49<"), "{page}");
    }
    let long = "x".repeat(100_000);
    let status = start.post("/setup/channel/0", &[("kind", "email"), ("value.from", &long)]).await.status;
    assert_eq!(status, 413);
    for path in ["/setup/channel/-1", "/setup/x/0", "/setup/channel/7"] {
        assert_eq!(start.get(path).await.status, 404, "{path}");
    }
    assert_eq!(start.get("/setup/channel/99999999999999999999999").await.status, 400);
}
