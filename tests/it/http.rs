//! What the HTTP client makes of receivers that misbehave, tried on loopback sockets.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use orderbell::channel::http::failure::HttpFailure;
use orderbell::channel::http::{Http, MAX_ANSWER_BYTES, Response, Settings, Unusable};
use orderbell::domain::secret::Secret;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const TOKEN: &str = "a-token-that-nobody-may-read";

fn client(timeout: Duration) -> Http {
    Http::new(&Settings { allow_private: true, timeout, ..Settings::default() }).unwrap()
}

fn patient() -> Http {
    client(Duration::from_secs(10))
}

fn guarded() -> Http {
    Http::new(&Settings::default()).unwrap()
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

/// Takes one request to the end of its body `{}` and gives it back with the stream.
async fn take(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"{}") {
        request.push(stream.read_u8().await.unwrap());
    }
    (stream, String::from_utf8(request).unwrap())
}

/// A receiver that gives one answer and closes; it hands back the request.
async fn answering(answer: Vec<u8>) -> (SocketAddr, JoinHandle<String>) {
    let (listener, address) = listen().await;
    let task = tokio::spawn(async move {
        let (mut stream, request) = take(&listener).await;
        // The reader may stop half-way: that is what some of the tests are about.
        let _ = stream.write_all(&answer).await;
        request
    });
    (address, task)
}

async fn post(http: &Http, address: SocketAddr) -> Result<Response, HttpFailure> {
    http.post(&format!("http://{address}/send?access_token={TOKEN}"), &[("Content-Type", "application/json")], "{}")
        .await
}

fn without_token(failure: &HttpFailure) -> String {
    let shown = format!("{failure} {failure:?}");
    assert!(!shown.contains(TOKEN) && !shown.contains("access_token"), "{shown}");
    shown
}

#[tokio::test]
async fn an_answer_comes_back_with_its_status_times_and_body() {
    let (address, request) = answering(
        b"HTTP/1.1 429 Too Many Requests\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: 30\r\nContent-Length: 4\r\n\r\nslow"
            .to_vec(),
    )
    .await;
    let response = post(&patient(), address).await.unwrap();
    assert_eq!(response.status, 429);
    assert_eq!(response.retry_after, Some(SignedDuration::from_secs(30)));
    assert_eq!(response.date, Some("1994-11-06T08:49:37Z".parse().unwrap()));
    assert_eq!((response.body.as_slice(), response.truncated), (b"slow".as_slice(), false));
    let request = request.await.unwrap();
    assert!(request.starts_with(&format!("POST /send?access_token={TOKEN} HTTP/1.1\r\n")), "{request}");
    assert!(request.contains("content-type: application/json\r\n"), "{request}");
    assert!(request.contains(concat!("user-agent: orderbell/", env!("CARGO_PKG_VERSION"))), "{request}");
}

#[tokio::test]
async fn a_retry_after_date_counts_from_the_receivers_clock() {
    for (retry_after, wanted) in [
        ("Sun, 06 Nov 1994 08:51:37 GMT", Some(SignedDuration::from_secs(120))),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(SignedDuration::ZERO)),
        ("99999999999999999999", Some(SignedDuration::MAX)),
        ("soon", None),
        ("-5", None),
    ] {
        let (address, _) = answering(
            format!(
                "HTTP/1.1 503 x\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nRetry-After: {retry_after}\r\nContent-Length: 0\r\n\r\n"
            )
            .into_bytes(),
        )
        .await;
        assert_eq!(post(&patient(), address).await.unwrap().retry_after, wanted, "{retry_after}");
    }
}

#[tokio::test]
async fn a_refused_connection_is_not_connected() {
    let (listener, address) = listen().await;
    drop(listener);
    let failure = post(&patient(), address).await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NotConnected(_)), "{failure:?}");
    assert!(without_token(&failure).contains("refused"), "{failure}");
}

#[tokio::test]
async fn a_name_that_does_not_exist_is_not_connected() {
    // A label of more than 63 letters: the resolver says no without asking the network.
    let name = "x".repeat(64);
    for http in [patient(), guarded()] {
        let failure = http.post(&format!("https://{name}.invalid/{TOKEN}"), &[], "{}").await.unwrap_err();
        assert!(matches!(&failure, HttpFailure::NotConnected(_)), "{failure:?}");
        without_token(&failure);
    }
}

#[tokio::test]
async fn a_receiver_without_tls_is_not_connected() {
    let (listener, address) = listen().await;
    let receiver = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
    });
    let failure = patient().post(&format!("https://{address}/{TOKEN}"), &[], "{}").await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NotConnected(_)), "{failure:?}");
    without_token(&failure);
    receiver.await.unwrap();
}

/// A receiver with a certificate of the test authority. It serves one connection and says whether a request came.
async fn with_tls() -> (u16, JoinHandle<bool>) {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
    let certificates = CertificateDer::pem_file_iter(format!("{folder}/localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{folder}/localhost.key")).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates.map(Result::unwrap).collect(), key)
        .unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let task = tokio::task::spawn_blocking(move || {
        let (stream, _) = listener.accept().unwrap();
        let connection = ServerConnection::new(Arc::new(server)).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        let mut byte = [0];
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            // A client that does not trust the certificate goes away instead.
            let Ok(1) = stream.read(&mut byte) else { return false };
            request.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        stream.flush().unwrap();
        true
    });
    (port, task)
}

#[tokio::test]
async fn a_receiver_is_trusted_by_the_authority_in_ca_file_and_not_without() {
    let authority = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/authority.pem");
    let settings = Settings { allow_private: true, ca_file: Some(authority.into()), ..Settings::default() };
    let (port, receiver) = with_tls().await;
    let response = Http::new(&settings).unwrap().post(&format!("https://localhost:{port}/"), &[], "{}").await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (200, b"ok".as_slice()));
    assert!(receiver.await.unwrap());

    let (port, receiver) = with_tls().await;
    let failure = patient().post(&format!("https://localhost:{port}/{TOKEN}"), &[], "{}").await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NotConnected(_)), "{failure:?}");
    assert!(without_token(&failure).contains("UnknownIssuer"), "{failure}");
    assert!(!receiver.await.unwrap(), "nothing may be sent to whom we do not trust");
}

#[tokio::test]
async fn a_connection_cut_after_the_request_is_no_answer() {
    let (listener, address) = listen().await;
    let receiver = tokio::spawn(async move { drop(take(&listener).await) });
    let failure = post(&patient(), address).await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NoAnswer(_)), "{failure:?}");
    without_token(&failure);
    receiver.await.unwrap();
}

#[tokio::test]
async fn a_connection_cut_before_the_request_is_read_is_no_answer_either() {
    let (listener, address) = listen().await;
    let receiver = tokio::spawn(async move { drop(listener.accept().await.unwrap()) });
    let failure = post(&patient(), address).await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NoAnswer(_)), "{failure:?}");
    receiver.await.unwrap();
}

#[tokio::test]
async fn a_slow_receiver_is_no_answer_after_the_timeout() {
    let (listener, address) = listen().await;
    let receiver = tokio::spawn(async move { take(&listener).await });
    let failure = post(&client(Duration::from_millis(150)), address).await.unwrap_err();
    assert_eq!(failure, HttpFailure::NoAnswer("timed out".to_owned()));
    drop(receiver.await.unwrap());
}

#[tokio::test]
async fn a_receiver_that_does_not_get_on_with_tls_is_not_connected_after_the_timeout() {
    let (listener, address) = listen().await;
    let receiver = tokio::spawn(async move { listener.accept().await.unwrap() });
    let begun = Instant::now();
    let url = format!("https://{address}/{TOKEN}");
    let failure = client(Duration::from_millis(300)).post(&url, &[], "{}").await.unwrap_err();
    assert_eq!(failure, HttpFailure::NotConnected("timed out while connecting".to_owned()));
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    drop(receiver.await.unwrap());
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let (listener, elsewhere) = listen().await;
    let (address, _) =
        answering(format!("HTTP/1.1 307 x\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n").into_bytes())
            .await;
    assert_eq!(post(&patient(), address).await.unwrap().status, 307);
    assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err());
}

#[tokio::test]
async fn an_endless_answer_is_read_up_to_the_cap() {
    const LENGTH: usize = 10_000_000;
    let mut answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {LENGTH}\r\n\r\n").into_bytes();
    answer.resize(answer.len() + LENGTH, b'x');
    let (address, _) = answering(answer).await;
    let response = post(&patient(), address).await.unwrap();
    assert_eq!((response.status, response.body.len(), response.truncated), (200, MAX_ANSWER_BYTES, true));
}

#[tokio::test]
async fn an_answer_that_breaks_off_still_has_its_status() {
    let (address, _) = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf".to_vec()).await;
    let response = post(&patient(), address).await.unwrap();
    assert_eq!((response.status, response.body.as_slice(), response.truncated), (200, b"half".as_slice(), true));
}

#[tokio::test]
async fn private_addresses_are_refused_unless_allowed() {
    let (listener, address) = listen().await;
    let port = address.port();
    for host in ["127.0.0.1", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
        let failure = guarded().post(&format!("https://{host}:{port}/{TOKEN}"), &[], "{}").await.unwrap_err();
        assert!(matches!(&failure, HttpFailure::Refused(_)), "{host}: {failure:?}");
        assert!(without_token(&failure).contains("allow_private = true"), "{host}: {failure}");
    }
    assert!(tokio::time::timeout(Duration::from_millis(50), listener.accept()).await.is_err(), "something connected");
}

#[tokio::test]
async fn plain_http_needs_allow_private() {
    let failure = guarded().post(&format!("http://example.com/{TOKEN}"), &[], "{}").await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::Refused(_)), "{failure:?}");
    without_token(&failure);
}

#[tokio::test]
async fn what_cannot_be_sent_at_all_is_refused_without_showing_it() {
    let http = patient();
    for url in [format!("https://exa mple/{TOKEN}"), format!("file:///{TOKEN}"), TOKEN.to_owned()] {
        let failure = http.post(&url, &[], "{}").await.unwrap_err();
        assert!(matches!(&failure, HttpFailure::Refused(_)), "{failure:?}");
        without_token(&failure);
    }
    for header in [("X-A\r\nX-B", "b"), ("X-A", "a-token-that-nobody-may-read\r\nX-B: b")] {
        let failure = http.post("http://127.0.0.1:9/", &[header], "{}").await.unwrap_err();
        assert!(matches!(&failure, HttpFailure::Refused(_)), "{failure:?}");
        without_token(&failure);
    }
}

#[tokio::test]
async fn a_proxy_may_be_private_and_is_asked_for_the_receiver() {
    let (listener, address) = listen().await;
    let proxy = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = vec![0; 32];
        stream.read_exact(&mut request).await.unwrap();
        String::from_utf8(request).unwrap()
    });
    let proxy_url = format!("http://user:{TOKEN}@localhost:{}", address.port());
    let http = Http::new(&Settings { proxy: Some(Secret::new(proxy_url)), ..Settings::default() }).unwrap();
    assert!(!format!("{http:?}").contains(TOKEN));
    let failure = http.post(&format!("https://far.example/{TOKEN}"), &[], "{}").await.unwrap_err();
    assert!(matches!(&failure, HttpFailure::NotConnected(_)), "{failure:?}");
    without_token(&failure);
    assert!(proxy.await.unwrap().starts_with("CONNECT far.example:443 HTTP/1.1"));
}

#[tokio::test]
async fn unusable_settings_are_said() {
    let ca = tempfile::NamedTempFile::new().unwrap();
    let unusable = |settings: Settings| Http::new(&settings).unwrap_err();
    let error = unusable(Settings { ca_file: Some(ca.path().to_owned()), ..Settings::default() });
    assert!(matches!(error, Unusable::CaFile { .. }), "{error}");
    let error = unusable(Settings { ca_file: Some("/no/such/file".into()), ..Settings::default() });
    assert!(matches!(error, Unusable::CaFile { .. }), "{error}");
    for proxy in ["", "not a url", "ftp://proxy"] {
        let error = unusable(Settings { proxy: Some(Secret::new(proxy)), ..Settings::default() });
        assert!(matches!(error, Unusable::Proxy(_)), "{error}");
    }
}
