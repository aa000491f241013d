//! TLS over a connection that stands: with a certificate that is good for the host, or with any.

use std::sync::Arc;
use std::{fmt, io};

use refloat_core::probe::{Cause, Tls};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_platform_verifier::BuilderVerifierExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::No;

pub(super) async fn wrap(
    stream: TcpStream,
    host: &str,
    tls: Tls,
) -> Result<TlsStream<TcpStream>, No> {
    let config = config(tls).map_err(|error| failed(&error))?;
    let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
        .map_err(|error| failed(&error))?;
    TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await
        .map_err(|error| match super::stream::cause(&error) {
            // A server that hangs up on a greeting speaks no TLS, and most others answer it with nonsense.
            Cause::Closed => (Cause::Tls, format!("the server hung up: {error}")),
            _ => failed(&error),
        })
}

fn failed(error: &dyn fmt::Display) -> No {
    (Cause::Tls, error.to_string())
}

/// How certificates are taken.
pub(super) fn config(tls: Tls) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    Ok(match tls {
        Tls::Verify => builder.with_platform_verifier()?.with_no_client_auth(),
        Tls::AcceptAny => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(AnyCertificate))
            .with_no_client_auth(),
    })
}

/// True when it is the TLS of a connection that failed, not the connection.
pub(super) fn of_tls(error: &io::Error) -> bool {
    let inner = error.get_ref();
    inner.is_some_and(<dyn std::error::Error + Send + Sync>::is::<Error>)
}

/// Takes every certificate, and every signature with it: who has its key is no better known than who made it. A certificate need not even be
/// one that the verifiers here can read (version 1, as `openssl x509 -req` makes it; a key of P-521).
#[derive(Debug)]
struct AnyCertificate;

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        use SignatureScheme as Scheme;
        vec![
            Scheme::ECDSA_NISTP256_SHA256,
            Scheme::ECDSA_NISTP384_SHA384,
            Scheme::ECDSA_NISTP521_SHA512,
            Scheme::ED25519,
            Scheme::RSA_PSS_SHA256,
            Scheme::RSA_PSS_SHA384,
            Scheme::RSA_PSS_SHA512,
            Scheme::RSA_PKCS1_SHA256,
            Scheme::RSA_PKCS1_SHA384,
            Scheme::RSA_PKCS1_SHA512,
        ]
    }
}
