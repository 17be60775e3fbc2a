//! Servers with a wrong certificate, on real connections: nothing is sent to them, and `orderbell test` says what is wrong with
//! it and what to change.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::Command;
use tokio_rustls::TlsAcceptor;

/// An authority of the test's own.
struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn called(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A server's certificate for one name, valid between two years.
    fn sign(&self, name: &str, (from, until): (i32, i32)) -> TlsAcceptor {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        acceptor(params.signed_by(&key, &self.issuer).unwrap().der().clone(), &key)
    }
}

fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key.into())
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// Which way a server is reached.
#[derive(Clone, Copy, Debug)]
enum Way {
    Https,
    Smtps,
    StartTls,
}

/// A server of one way, and how many messages it has taken.
struct Server {
    address: SocketAddr,
    taken: Arc<AtomicUsize>,
}

async fn serve(way: Way, acceptor: TlsAcceptor) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let count = taken.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // A client that does not trust the certificate goes away; then the next may come.
            let _ = converse(way, &acceptor, stream, &count).await;
        }
    });
    Server { address, taken }
}

async fn converse(way: Way, acceptor: &TlsAcceptor, mut stream: TcpStream, taken: &AtomicUsize) -> io::Result<()> {
    match way {
        Way::Https => take_request(acceptor.accept(stream).await?, taken).await,
        Way::Smtps => {
            let mut stream = BufReader::new(acceptor.accept(stream).await?);
            stream.write_all(b"220 test\r\n").await?;
            take_mails(stream, taken).await
        }
        Way::StartTls => {
            stream.write_all(b"220 test\r\n").await?;
            let mut plain = BufReader::new(stream);
            let mut line = String::new();
            plain.read_line(&mut line).await?;
            plain.write_all(b"250-test\r\n250 STARTTLS\r\n").await?;
            plain.read_line(&mut line).await?;
            plain.write_all(b"220 go ahead\r\n").await?;
            take_mails(BufReader::new(acceptor.accept(plain.into_inner()).await?), taken).await
        }
    }
}

async fn take_request(mut stream: impl AsyncRead + AsyncWrite + Unpin, taken: &AtomicUsize) -> io::Result<()> {
    let mut request = Vec::new();
    // The body is one JSON object, which ends with its text.
    while !request.ends_with(b"\"}") {
        request.push(stream.read_u8().await?);
    }
    taken.fetch_add(1, Ordering::AcqRel);
    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
    stream.shutdown().await
}

async fn take_mails<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: BufReader<S>,
    taken: &AtomicUsize,
) -> io::Result<()> {
    let mut is_content = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let reply = match line.trim_end() {
            "." if is_content => {
                taken.fetch_add(1, Ordering::AcqRel);
                is_content = false;
                "250 taken\r\n"
            }
            _ if is_content => continue,
            "DATA" => {
                is_content = true;
                "354 go ahead\r\n"
            }
            _ => "250 yes\r\n",
        };
        stream.write_all(reply.as_bytes()).await?;
        stream.flush().await?;
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What `orderbell test` says of each channel, by its name: the lines below it.
fn findings(said: &str) -> BTreeMap<String, String> {
    let mut findings: BTreeMap<String, String> = BTreeMap::new();
    let mut name = String::new();
    for line in said.lines().filter(|line| !line.starts_with("error: ")) {
        if !line.starts_with(' ') {
            name = line.split(' ').next().unwrap_or_default().to_owned();
        }
        *findings.entry(name.clone()).or_default() += &format!("{line}\n");
    }
    findings
}

/// Runs `orderbell test --all` on a channel for each way; answers what it says, and how many messages were taken.
async fn test(folder: &Path, trusted: &Authority, acceptor: &TlsAcceptor) -> (BTreeMap<String, String>, usize) {
    std::fs::write(folder.join("authority.pem"), pem(&trusted.certificate)).unwrap();
    let mut config = String::new();
    let mut servers = Vec::new();
    for (way, name) in [(Way::Https, "https"), (Way::Smtps, "smtps"), (Way::StartTls, "starttls")] {
        let server = serve(way, acceptor.clone()).await;
        let port = server.address.port();
        config += &match way {
            Way::Https => format!("[channel.{name}]\nkind = \"webhook\"\nurl = \"https://localhost:{port}/\"\n"),
            Way::Smtps | Way::StartTls => {
                let scheme = if matches!(way, Way::Smtps) { "smtps" } else { "smtp" };
                let parties =
                    "from = \"bell@orderbell.test\"\nto = [\"cook@orderbell.test\"]\nca_file = \"authority.pem\"";
                format!("[channel.{name}]\nkind = \"email\"\nsmtp = \"{scheme}://localhost:{port}\"\n{parties}\n")
            }
        };
        config += "allow_private = true\ntimeout = \"20s\"\n";
        servers.push(server);
    }
    std::fs::write(folder.join("orderbell.toml"), config).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_orderbell"));
    command.args(["test", "--all"]).current_dir(folder).env_remove("ORDERBELL_CONFIG");
    // A WebHook has no ca_file: it trusts whom the machine trusts.
    let output = command.env("SSL_CERT_FILE", folder.join("authority.pem")).output().await.unwrap();
    let taken = servers.iter().map(|server| server.taken.load(Ordering::Acquire)).sum();
    let found = findings(&text(&output));
    assert_eq!(
        found.keys().map(String::as_str).collect::<Vec<_>>(),
        ["https", "smtps", "starttls"],
        "{}",
        text(&output)
    );
    assert_eq!(output.status.code(), Some(if taken == 3 { 0 } else { 1 }), "{}", text(&output));
    (found, taken)
}

fn pem(certificate: &Certificate) -> String {
    use base64::Engine;
    let coded = base64::prelude::BASE64_STANDARD.encode(certificate.der());
    let lines: Vec<&str> = coded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_the_right_certificate_gets_its_message() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::called("authority");
    let (found, taken) = test(folder.path(), &authority, &authority.sign("localhost", (2020, 2100))).await;
    assert_eq!(taken, 3);
    assert!(found.values().all(|said| said.contains("): yes\n")), "{found:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_certificate_is_said_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::called("authority");
    let by_itself = |is_ca: IsCa| {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        params.is_ca = is_ca;
        acceptor(params.self_signed(&key).unwrap().der().clone(), &key)
    };
    // What the certificate is, what is said of it, and what else the answer over SMTP shows.
    let nobody = "nobody whom this machine trusts has signed the server's certificate";
    let cases = [
        (
            authority.sign("localhost", (2020, 2021)),
            "the server's certificate has expired",
            "its owner must renew it",
            "has expired on 2021-01-01",
        ),
        (
            authority.sign("localhost", (2100, 2110)),
            "the server's certificate is not valid yet",
            "look at this machine's clock",
            "from 2100-01-01 on",
        ),
        (
            authority.sign("mail.provider.example", (2020, 2100)),
            "the server's certificate belongs to another name",
            "with the name that the",
            "of another name, mail.provider.example;",
        ),
        (
            Authority::called("another authority").sign("localhost", (2020, 2100)),
            nobody,
            "the authority's certificate",
            "unknown authority",
        ),
        (by_itself(IsCa::NoCa), nobody, "the authority's certificate", "unknown authority"),
        (
            Authority::called("authority").sign("localhost", (2020, 2100)),
            "the server's certificate is signed by another authority of the same name as one that is trusted",
            "the present certificate of the authority",
            "another authority of the same name",
        ),
        (
            by_itself(IsCa::Ca(BasicConstraints::Unconstrained)),
            "the server shows an authority's certificate as its own",
            "CA:FALSE",
            "is an authority's",
        ),
    ];
    for (acceptor, cause, change, words) in cases {
        let (found, taken) = test(folder.path(), &authority, &acceptor).await;
        assert_eq!(taken, 0, "{cause}");
        for (name, said) in &found {
            let line =
                |head: &str| said.lines().find_map(|line| line.trim().strip_prefix(head)).unwrap_or_default().trim();
            assert!(said.contains("): no\n") && line("cause:") == cause, "{said}");
            assert!(line("change:").contains(change), "{said}");
            let words = if name == "https" { "not connected: " } else { words };
            assert!(line("answer:").contains(words) && line("answer:").contains("certificate"), "{said}");
        }
    }
}
