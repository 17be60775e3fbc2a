//! The one TLS set-up: rustls with ring; the machine's certificates, the web's, and the merchant's own.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// Whom we trust when the configuration names no further authority. The built-in roots are there so that an image
/// without any certificate store works; the machine's so that an administrator's own authority does.
static ROOTS: LazyLock<RootCertStore> = LazyLock::new(|| {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
});

/// A client configuration that speaks HTTP/2 and HTTP/1.1. The provider is named here, so that no process-wide one is needed.
///
/// # Errors
/// A text that says what is wrong with `ca_file`: unreadable, not PEM, no certificate in it, or not usable as an authority.
pub fn configuration(ca_file: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = ROOTS.clone();
    if let Some(path) = ca_file {
        let certificates = CertificateDer::pem_file_iter(path)
            .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
            .map_err(|error| format!("it cannot be read as PEM: {error}"))?;
        if certificates.is_empty() {
            return Err("there is no certificate in it".to_owned());
        }
        for certificate in certificates {
            roots.add(certificate).map_err(|error| format!("a certificate in it cannot be used: {error}"))?;
        }
    }
    let mut configuration = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    configuration.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(configuration)
}
