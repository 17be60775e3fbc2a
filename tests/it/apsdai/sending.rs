//! The source's own samples, and our own WebHook channel as the sender.

use std::sync::Arc;

use jiff::Timestamp;
use orderbell::channel::http::{Http, Settings};
use orderbell::channel::webhook::{WebhookChannel, WebhookSigning};
use orderbell::channel::{Attempt, Channel};
use orderbell::domain::event::Kind;
use orderbell::domain::message::{Part, PartForm};
use orderbell::domain::retry::{Answer, Outcome};
use orderbell::domain::secret::Secret;
use orderbell::domain::template::Templates;
use orderbell::flow::chart_cache::ChartCache;
use orderbell::flow::health::HealthCheck;
use orderbell::flow::intake::Intake;
use orderbell::flow::notice::Notices;
use orderbell::flow::notifier::Notifier;
use orderbell::flow::routing::{RoutingSnapshot, SourceEndpoint};
use orderbell::flow::supervisor::Supervisor;
use orderbell::flow::{Clock, Current};
use orderbell::platform::Platform;
use orderbell::platform::kinds::Source;
use orderbell::web::hooks;
use orderbell::web::server::limits::ListenerLimits;
use orderbell::web::server::serve;
use tokio_util::sync::CancellationToken;

use crate::apsdai::source::{HOOKS, SECRET, apsdai, by_password, headers, now, receive, webhook};
use crate::support::stores;

#[test]
fn samples_of_every_hook_are_believed_in_either_mode_and_speak_of_one_order() {
    for apsdai in [apsdai(), by_password()] {
        let mut numbers = std::collections::BTreeSet::new();
        for kind in apsdai.kinds() {
            let samples = apsdai.samples(&kind, "", 7, now());
            let [sample] = samples.as_slice() else { panic!("one sample of {kind}") };
            let heard_of = |sample: &orderbell::platform::SampleWebhook| {
                let pairs: Vec<_> =
                    sample.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
                webhook(receive(&apsdai, &headers(&pairs), &sample.body))
            };
            let incoming = heard_of(sample);
            assert_eq!((&incoming.kind, incoming.data.details), (&kind, None));
            numbers.extend(incoming.order.map(|order| order.number));
            let other = heard_of(&apsdai.samples(&kind, "", 8, now())[0]);
            assert_ne!(other.dedupe_keys, incoming.dedupe_keys, "another seed is no repeat: {kind}");
        }
        assert_eq!(numbers.len(), 1, "{numbers:?}");
        assert!(apsdai.samples(&Kind::StoreHours, "", 7, now()).is_empty());
    }
}

/// What our WebHook channel sends with this signing to a daemon that has the source, and what the daemon answers.
async fn sent(signing: WebhookSigning, source: &str, kind: Kind) -> (Answer, Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let store = stores::open(&folder.path().join("bell.db"), Timestamp::now()).unwrap();
    let endpoint = |apsdai| SourceEndpoint::new(Source::Apsdai(apsdai), String::new());
    let endpoints =
        [("signed".to_owned(), endpoint(apsdai())), ("password".to_owned(), endpoint(by_password()))].into();
    let routing = Current::new(RoutingSnapshot { endpoints, currency: "CNY".to_owned(), ..RoutingSnapshot::default() });
    let notifier = Notifier::default();
    let notices = Notices::new(store.clone(), routing.clone(), notifier.clone());
    let templates = Current::new(Templates::built_in().unwrap());
    let charts = ChartCache::new(store.clone(), templates, routing.clone(), Clock::system());
    let stop = CancellationToken::new();
    let health = HealthCheck::new(Supervisor::new(Clock::system(), &stop), store.clone(), Clock::system());
    let intake = Intake::new(routing, notices, store, notifier, Clock::system());
    let routes = hooks::routes(Arc::new(intake), Arc::new(charts), Arc::new(health));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = Secret::new(format!("http://{}/hooks/{source}", listener.local_addr().unwrap()));
    let daemon = tokio::spawn(serve(listener, routes, ListenerLimits::default(), stop.clone()));

    let channel = WebhookChannel { url, signing, headers: Default::default(), at_once: 8, masking: Default::default() };
    let http = Http::new(&Settings { allow_private: true, ..Settings::default() }).unwrap();
    let part = Part { index: 0, form: PartForm::Full, body: r#"{"order":{"number":"A1"}}"#.to_owned() };
    let attempt = Attempt { key: "key".to_owned(), kind, now: Timestamp::now() };
    let answer = channel.send(&http, &part, &attempt).await;
    stop.cancel();
    daemon.await.unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("bell.db")).unwrap();
    let mut rows = connection.prepare("SELECT kind || ' ' || coalesce(order_number, '') FROM events").unwrap();
    let parsed = rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    (answer, parsed)
}

#[tokio::test]
async fn what_our_webhook_channel_signs_this_source_believes() {
    let secret = |text: &str| Secret::new(text);
    for (hook, kind) in HOOKS {
        let (answer, parsed) = sent(WebhookSigning::Apsdai { secret: secret(SECRET) }, "signed", kind.clone()).await;
        assert_eq!(answer.outcome, Outcome::Delivered, "{hook}: {}", answer.detail);
        let number = if hook.starts_with("order_") && kind != Kind::TotalsReported { "A1" } else { "" };
        assert_eq!(parsed, [format!("{kind} {number}")]);
    }
    let word = "pass word+%2B";
    let (answer, parsed) =
        sent(WebhookSigning::ApsdaiPassword { secret: secret(word) }, "password", Kind::OrderPaid).await;
    assert_eq!((answer.outcome, parsed), (Outcome::Delivered, vec!["order.paid A1".to_owned()]));
    let notice: &[&str] = &["operator.notice "];
    for (signing, source, expected) in [
        (WebhookSigning::Apsdai { secret: secret("another") }, "signed", notice),
        (WebhookSigning::ApsdaiPassword { secret: secret("another") }, "password", notice),
        (WebhookSigning::ApsdaiPassword { secret: secret(SECRET) }, "signed", notice),
        // Whatever wanders by without a token is nothing that the operator could mend.
        (WebhookSigning::None, "signed", &[]),
    ] {
        let (answer, parsed) = sent(signing, source, Kind::OrderPaid).await;
        assert_eq!(answer.outcome, Outcome::Misconfigured, "{}", answer.detail);
        assert_eq!(parsed, expected);
    }
}
