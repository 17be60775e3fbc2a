//! How a connection to PostgreSQL is encrypted, and who the server must prove to be: rustls with ring, by libpq's modes.

use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::store::postgres::address::PostgresUrl;
use crate::store::postgres::address::parameters::{Roots, TlsMode};

/// A client configuration for what an address asks for.
///
/// # Errors
/// What is wrong with the file of `sslrootcert`.
pub fn configuration(url: &PostgresUrl) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let name = match url.tls() {
        TlsMode::VerifyFull => Name::IsChecked,
        _ => Name::IsNotChecked,
    };
    let roots = match (url.tls(), url.roots()) {
        (TlsMode::Disable, _) | (_, None) => None,
        // As in libpq: who names an authority wants it checked; only what may as well be unencrypted is not.
        (TlsMode::Allow | TlsMode::Prefer, _) => None,
        (_, Some(roots)) => Some(store(roots)?),
    };
    let verifier: Arc<dyn ServerCertVerifier> = match roots {
        None => Arc::new(Anyone { provider: provider.clone() }),
        Some(roots) => {
            let chain = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone()).build();
            let chain = chain.map_err(|error| format!("the authorities of sslrootcert cannot be used: {error}"))?;
            match name {
                Name::IsChecked => chain,
                Name::IsNotChecked => Arc::new(ChainAlone { chain }),
            }
        }
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the cipher suites of TLS 1.2 and 1.3");
    let mut configuration = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    configuration.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(configuration)
}

enum Name {
    IsChecked,
    IsNotChecked,
}

fn store(roots: &Roots) -> Result<RootCertStore, String> {
    let path = match roots {
        Roots::System => {
            let mut store = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
            store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            return Ok(store);
        }
        Roots::File(path) => path,
    };
    let unusable = |why: String| format!("sslrootcert {}: {why}", path.display());
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(|certificates| certificates.collect::<Result<Vec<_>, _>>())
        .map_err(|error| unusable(format!("it cannot be read as PEM: {error}")))?;
    if certificates.is_empty() {
        return Err(unusable("there is no certificate in it".to_owned()));
    }
    let mut store = RootCertStore::empty();
    for certificate in certificates {
        store.add(certificate).map_err(|error| unusable(format!("a certificate in it cannot be used: {error}")))?;
    }
    Ok(store)
}

/// Whoever the server is; that it has the key of its certificate is checked all the same.
#[derive(Debug)]
struct Anyone {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The chain of certificates, in whatever name.
#[derive(Debug)]
struct ChainAlone {
    chain: Arc<WebPkiServerVerifier>,
}

impl ServerCertVerifier for ChainAlone {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        // The chain is checked before the name is.
        match self.chain.verify_server_cert(certificate, intermediates, name, ocsp, now) {
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(ServerCertVerified::assertion()),
            verified => verified,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.chain.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
