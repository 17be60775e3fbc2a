//! Encrypted or not, and who the server must prove to be: each `sslmode` against a real server with a certificate.

use std::path::{Path, PathBuf};

use orderbell::store;
use orderbell::store::StoreError;
use orderbell::store::health::Status;

use crate::postgres::cluster::{Database, value};
use crate::postgres::relay::Relay;
use crate::store::conformance::scene::{at, placed};
use crate::support::in_time;

/// Where the tests' certificates are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tls")
}

/// What opening comes to: whether connections are encrypted, or why there is none.
async fn opened(database: &Database, (host, port): (&str, u16), parameters: &str) -> Result<bool, String> {
    let more = format!("application_name=tls&{parameters}");
    let url = database.store_url_at(&format!("{host}:{port}"), &more).within(&folder());
    let store = match store::open(&url, at(0)).await {
        Ok(store) => store,
        Err(StoreError::Refused(reason)) => return Err(reason),
        Err(error) => panic!("{error}"),
    };
    let first = store.status().borrow().clone();
    let found = match first {
        Status::Wrong(reason) => Err(reason),
        Status::Ready(_) => {
            store.record(placed("1", &["kitchen"])).await.expect("recorded");
            let client = database.connect().await;
            let sql = "SELECT bool_and(ssl.ssl) FROM pg_stat_activity a JOIN pg_stat_ssl ssl USING (pid)
                WHERE a.application_name = 'tls' AND a.datname = current_database()";
            Ok(value(&client, sql).await == "t")
        }
    };
    in_time(store.close()).await;
    found
}

#[tokio::test]
async fn each_mode_encrypts_and_verifies_what_libpq_would() {
    let Some(database) = Database::make().await else { return };
    let open = async |host: &str, parameters: &str| opened(&database, (host, database.cluster.port), parameters).await;
    for (parameters, is_encrypted) in [
        ("sslmode=disable", false),
        ("sslmode=allow", false),
        ("sslmode=prefer", true),
        ("sslmode=require", true),
        ("sslmode=require&sslrootcert=authority.pem", true),
        ("sslmode=verify-ca&sslrootcert=authority.pem", true),
        ("sslmode=verify-full&sslrootcert=authority.pem", true),
    ] {
        assert_eq!(open("localhost", parameters).await, Ok(is_encrypted), "{parameters}");
    }
    // The certificate is of another name, and of an authority that nobody else knows.
    let other_name = "hostaddr=127.0.0.1&sslrootcert=authority.pem";
    assert_eq!(open("db.example", &format!("{other_name}&sslmode=verify-ca")).await, Ok(true));
    for (host, parameters) in [
        ("db.example", format!("{other_name}&sslmode=verify-full").as_str()),
        ("localhost", "sslmode=verify-full"),
        ("localhost", "sslmode=verify-full&sslrootcert=localhost.pem"),
    ] {
        let reason = open(host, parameters).await.expect_err(parameters);
        assert!(reason.contains("encrypted as sslmode asks"), "{parameters}: {reason}");
    }
    let reason = open("localhost", "sslmode=verify-ca&sslrootcert=none.pem").await.expect_err("no such file");
    assert!(reason.contains("none.pem") && reason.contains("cannot be read"), "{reason}");
}

#[tokio::test]
async fn a_server_without_encryption_is_taken_only_where_it_need_not_be_encrypted() {
    let Some(database) = Database::make().await else { return };
    let relay = Relay::start_plain(database.cluster.port).await;
    let open = async |parameters: &str| opened(&database, ("localhost", relay.port), parameters).await;
    assert_eq!(open("sslmode=prefer").await, Ok(false));
    let reason = open("sslmode=require").await.expect_err("it has none");
    assert!(reason.contains("does not support TLS"), "{reason}");
}
