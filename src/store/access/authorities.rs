//! Whose word on a server's certificate counts, beside the system's authorities.
//!
//! A Supabase project's certificate comes from an authority of Supabase's own,
//! so those of the system do not do.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Certificates of authorities, checked to be such, as PEM.
#[derive(Clone)]
pub struct Authorities {
    pem: Vec<u8>,
    file: Option<PathBuf>,
}

/// Why something does not hold the certificate of an authority.
#[derive(Debug, thiserror::Error)]
pub enum BadAuthorities {
    /// There is nothing in it.
    #[error("it is empty")]
    Empty,
    /// It names a file that cannot be read.
    #[error("cannot read the file {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It holds something else.
    #[error("there is no certificate in PEM form in {place}")]
    NoCertificate {
        /// Where that was looked for.
        place: String,
    },
    /// A certificate is damaged or cut off.
    #[error("certificate number {number} in {place} is damaged")]
    Damaged {
        /// Which one, from 1.
        number: usize,
        /// Where it is.
        place: String,
    },
}

impl Authorities {
    /// Those of `WAVEMARK_DATABASE_CA`: PEM itself, as a secret holds it, or the
    /// path of a file, from `base`.
    ///
    /// Line breaks may have become `\n` on the way, as they do in `.env` files
    /// and in JSON.
    pub fn read(value: &str, base: &Path) -> Result<Self, BadAuthorities> {
        if value.trim().is_empty() {
            return Err(BadAuthorities::Empty);
        }
        if value.contains("-----BEGIN") {
            let pem = value.replace("\\r", "").replace("\\n", "\n");
            return Self::new(pem.into_bytes(), None);
        }
        Self::in_file(&base.join(value.trim()))
    }

    /// Those in a file.
    pub(super) fn in_file(path: &Path) -> Result<Self, BadAuthorities> {
        let pem = fs::read(path)
            .map_err(|source| BadAuthorities::Unreadable { path: path.to_owned(), source })?;
        Self::new(pem, Some(path.to_owned()))
    }

    fn new(pem: Vec<u8>, file: Option<PathBuf>) -> Result<Self, BadAuthorities> {
        let place =
            || file.as_ref().map_or_else(|| "it".to_owned(), |path| path.display().to_string());
        // sqlx takes an empty file for one with nothing to add, and whoever gave
        // it would look for the mistake at the server.
        let mut store = RootCertStore::empty();
        for (number, certificate) in (1..).zip(CertificateDer::pem_slice_iter(&pem)) {
            let added = certificate.ok().and_then(|certificate| store.add(certificate).ok());
            added.ok_or_else(|| BadAuthorities::Damaged { number, place: place() })?;
        }
        if store.is_empty() {
            return Err(BadAuthorities::NoCertificate { place: place() });
        }
        Ok(Self { pem, file })
    }

    /// The certificates.
    pub fn pem(&self) -> &[u8] {
        &self.pem
    }

    /// The file that they are in, if they came from one.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("file", &self.file).finish_non_exhaustive()
    }
}

impl BadAuthorities {
    /// What the user can do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Empty => {
                "unset it, or make it the path of a PEM file or what is in one; an empty one is \
                 often a secret that is not set"
            }
            Self::Unreadable { .. } => {
                "it takes the path of a PEM file, or what is in one, from its first -----BEGIN \
                 CERTIFICATE----- on"
            }
            Self::NoCertificate { .. } => {
                "`openssl x509 -inform der -in FILE` makes PEM of a certificate in DER form"
            }
            Self::Damaged { .. } => "copy it again, whole and with its line breaks",
        }
    }
}
