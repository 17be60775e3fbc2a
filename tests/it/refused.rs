//! Requests that never came to their source, because of their method or their body: whoever asks why finds them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use orderbell::domain::template::Templates;
use orderbell::flow::chart_cache::ChartCache;
use orderbell::flow::health::HealthCheck;
use orderbell::flow::intake::Intake;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::routing::{RoutingSnapshot, SourceEndpoint};
use orderbell::flow::supervisor::Supervisor;
use orderbell::flow::{Clock, Current, refusals};
use orderbell::platform::apsdai::settings::Apsdai;
use orderbell::platform::kinds::Source;
use orderbell::sandbox::rules::Rules;
use orderbell::store::history::found::{HistoryAnswer, Question};
use orderbell::store::ingest::RefusedWebhook;
use orderbell::web::hooks;
use orderbell::web::server::limits::ListenerLimits;
use orderbell::web::server::serve_noting;
use tokio::io::AsyncWriteExt;
use tokio_util::sync::CancellationToken;

use crate::support::keeta::Envelope;
use crate::support::log::log;
use crate::support::stores;
use crate::support::{Scene, begin, begin_post, in_time, read, request};

/// The refusals of a source as `why` reads them.
async fn refused(store: &Path, source: &str) -> Vec<RefusedWebhook> {
    let (asked, sources) = (source.to_owned(), vec![source.to_owned()]);
    let question = Question { asked, sources, around: None, limit: 20 };
    match stores::open_beside(store).unwrap().history(question).await.unwrap().found {
        HistoryAnswer::Source(history) => history.refused,
        other => panic!("no source: {other:?}"),
    }
}

async fn until_refused(store: &Path, source: &str, count: usize) -> Vec<(String, u64)> {
    let looking = async {
        loop {
            let refused = refused(store, source).await;
            if refused.len() >= count {
                return refused;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    in_time(looking).await.into_iter().map(|refused| (refused.reason, refused.bytes)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_or_comes_by_another_method_is_among_the_refusals() {
    let scene = Scene::new(Rules::new()).await;
    let daemon = scene.start(&scene.robot("kitchen", "")).await;
    let (begun, size) = (scene.hands.now(), 2 * 1024 * 1024);
    assert_eq!(daemon.post(&vec![b' '; size]).await.status, 413);
    assert_eq!(request(daemon.address, "PUT", "/hooks/keeta", b"12345").await.status, 405);
    assert_eq!(request(daemon.address, "GET", "/hooks/keeta/", b"").await.status, 405);
    // Of an address that is no source's there is nobody who would ask.
    assert_eq!(daemon.post_to("nobody", &vec![b' '; size]).await.status, 413);
    assert_eq!(request(daemon.address, "PUT", "/hooks/nobody", b"").await.status, 404);
    let by_method = "it came by another method than POST".to_owned();
    let received = until_refused(&scene.store(), "keeta", 3).await;
    let large = ("its body is larger than 1048576 bytes".to_owned(), size as u64);
    assert_eq!(received, [large, (by_method.clone(), 5), (by_method, 0)]);
    let ended = scene.hands.now();
    for refused in refused(&scene.store(), "keeta").await {
        // Kept to the millisecond.
        assert!(
            (begun.as_millisecond()..=ended.as_millisecond()).contains(&refused.at.as_millisecond()),
            "{refused:?}"
        );
    }
    let sources = "SELECT count(DISTINCT source) FROM refusals";
    let sources: i64 = daemon.connection().query_row(sources, [], |row| row.get(0)).unwrap();
    assert_eq!(sources, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_refused_webhooks_is_a_line_a_second_that_counts_the_others() {
    let scene = Scene::still(Timestamp::now(), Rules::new()).await;
    let daemon = scene.start(&scene.robot("kitchen", "")).await;
    let begun = Instant::now();
    for _ in 0..150 {
        assert_eq!(daemon.post(b"[1]").await.status, 401);
        assert_eq!(daemon.post_to("nobody", b"[1]").await.status, 404);
    }
    // A captured webhook, sent again and again.
    let captured = Envelope::new(1002, "m-1", "{}", scene.hands.now()).body();
    for _ in 0..150 {
        daemon.acknowledged(&captured).await;
    }
    let lines = |what: &str| log().lines().filter(|line| line.contains(what)).map(str::to_owned).collect::<Vec<_>>();
    let seconds = begun.elapsed().as_secs() as usize;
    assert_eq!(lines("a webhook was refused").len(), 1, "of one source and reason, while the clock stands still");
    assert_eq!(lines("a duplicate of a webhook").len(), 1);
    let unknown = lines("a request was refused").into_iter().filter(|line| line.contains("404")).count();
    assert!((1..=2 + seconds).contains(&unknown), "{unknown} lines in {seconds} s");
    scene.forward(SignedDuration::from_secs(1));
    let counted = async {
        while !lines("left_out=149").iter().any(|line| line.contains("shape")) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    in_time(counted).await;
    daemon.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_too_slowly_or_breaks_off_is_among_the_refusals() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("bell.db");
    let store = stores::open(&file, Timestamp::now()).unwrap();
    let source = Source::Apsdai(toml::from_str::<Apsdai>("password = \"word\"").unwrap());
    let endpoints = [("licences".to_owned(), SourceEndpoint::new(source, String::new()))].into();
    let routing = Current::new(RoutingSnapshot { endpoints, currency: "CNY".to_owned(), ..RoutingSnapshot::default() });
    let notices = Notices::new(store.clone(), routing.clone(), Notifier::default());
    let (clock, stop) = (Clock::system(), CancellationToken::new());
    let templates = Current::new(Templates::built_in().unwrap());
    let charts = Arc::new(ChartCache::new(store.clone(), templates, routing.clone(), clock.clone()));
    let intake = Arc::new(Intake::new(routing, notices, store.clone(), Notifier::default(), clock.clone()));
    let health = Arc::new(HealthCheck::new(Supervisor::new(clock.clone(), &stop), store.clone(), clock.clone()));
    let keeping = tokio::spawn(refusals::keep(intake.refusals.clone(), store, clock, stop.clone()));
    let serve = async |body_timeout: Duration| {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let limits = ListenerLimits { body_timeout, ..ListenerLimits::default() };
        let endpoint = hooks::routes(intake.clone(), charts.clone(), health.clone());
        let notes = hooks::notes(intake.clone(), limits);
        (address, tokio::spawn(serve_noting(listener, endpoint, limits, notes, stop.clone())))
    };
    let (impatient, one) = serve(Duration::from_millis(100)).await;
    let (patient, other) = serve(Duration::from_secs(60)).await;

    let mut slow = begin(impatient, "POST", "/hooks/licences", 10).await;
    slow.write_all(b"half").await.unwrap();
    assert_eq!(read(&mut slow).await.status, 408);
    let late = ("its body was not whole after 100ms".to_owned(), 4);
    until_refused(&file, "licences", 1).await;
    let mut broken = begin_post(patient, "/hooks/licences", 10).await;
    broken.write_all(b"ha").await.unwrap();
    broken.shutdown().await.unwrap();
    assert_eq!(read(&mut broken).await.status, 400);
    let broken = ("its body was broken off or malformed".to_owned(), 2);
    assert_eq!(until_refused(&file, "licences", 2).await, [late, broken]);
    stop.cancel();
    for task in [one, other, keeping] {
        in_time(task).await.unwrap();
    }
}
