//! Whose certificates count for what is spoken to over HTTP, and in words what is
//! wrong with one that doesn't.

use std::{error::Error as StdError, io, path::Path, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Believes in the authorities in the file, or without one in the system's.
///
/// # Errors
///
/// In words, when there would be nobody to believe in.
pub(crate) fn config(authorities: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    let certificates = match authorities {
        Some(file) => CertificateDer::pem_file_iter(file)
            .and_then(Iterator::collect)
            .map_err(|err| format!("{} cannot be read: {err}", file.display()))?,
        None => rustls_native_certs::load_native_certs().certs,
    };
    // Some of the system's may be too old to be read.
    let (believed, _) = roots.add_parsable_certificates(certificates);
    if believed == 0 {
        return Err("this machine trusts no certificate authority".to_owned());
    }
    with(roots)
}

/// Believes in nobody: for a conversation without TLS.
pub(crate) fn nobody() -> Result<ClientConfig, String> {
    with(RootCertStore::empty())
}

fn with(roots: RootCertStore) -> Result<ClientConfig, String> {
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|err| err.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What is wrong with a server's certificate, if that is what an error is about.
pub(crate) fn distrust(err: &(dyn StdError + 'static)) -> Option<String> {
    let mut next = Some(err);
    while let Some(err) = next {
        if let Some(rustls::Error::InvalidCertificate(wrong)) = err.downcast_ref() {
            return Some(words(wrong));
        }
        // What is inside of an I/O error is not its source, but in its place.
        next = match err.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => err.source(),
        };
    }
    None
}

fn words(wrong: &CertificateError) -> String {
    use CertificateError as Wrong;
    match wrong {
        Wrong::Expired | Wrong::ExpiredContext { .. } => "its certificate has expired".to_owned(),
        Wrong::NotValidYet | Wrong::NotValidYetContext { .. } => {
            "its certificate is not valid yet".to_owned()
        }
        Wrong::NotValidForName | Wrong::NotValidForNameContext { .. } => {
            "its certificate is for another name".to_owned()
        }
        Wrong::UnknownIssuer | Wrong::BadSignature => {
            "nobody who is trusted here vouches for its certificate".to_owned()
        }
        Wrong::Revoked => "its certificate was revoked".to_owned(),
        other => format!("its certificate cannot be used: {other}"),
    }
}
