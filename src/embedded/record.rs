//! The record in a server's home: whose it is and where it listens.

use std::{
    ffi::OsString,
    fs,
    io::{self, ErrorKind},
    os::unix::ffi::{OsStrExt as _, OsStringExt as _},
    path::{Path, PathBuf},
};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, percent_encode};
use serde::{Deserialize, Serialize};

use super::Error;

/// What says that a home is ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Random: tells a copy from the original once the copy has its own.
    instance: String,
    /// The `.wavemark` folder that this home belongs to.
    #[serde(with = "any_path")]
    belongs_to: PathBuf,
    /// Where the sockets are, if not beside the data.
    sockets: Option<PathBuf>,
}

impl Record {
    /// A new one for the home of `folder`.
    pub(super) fn new(folder: &Path) -> Result<Self, Error> {
        let mut random = [0; 8];
        getrandom::fill(&mut random)
            .map_err(|err| Error::file("name", folder)(io::Error::other(err)))?;
        Ok(Self { instance: hex::encode(random), belongs_to: folder.to_owned(), sockets: None })
    }

    /// The same one after its folder was renamed.
    pub(super) fn moved_to(&self, folder: &Path) -> Self {
        Self { belongs_to: folder.to_owned(), ..self.clone() }
    }

    /// Reads the record at `path`, if there is one.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, Error> {
        match fs::read(path) {
            Ok(json) => serde_json::from_slice(&json)
                .map(Some)
                .map_err(|err| Error::file("understand", path)(err.into())),
            Err(err) if matches!(err.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Ok(None)
            }
            Err(err) => Err(Error::file("read", path)(err)),
        }
    }

    pub(super) fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }

    pub(super) fn instance(&self) -> &str {
        &self.instance
    }

    pub(super) fn belongs_to(&self) -> &Path {
        &self.belongs_to
    }

    pub(super) fn sockets(&self) -> Option<&Path> {
        self.sockets.as_deref()
    }

    pub(super) fn set_sockets(&mut self, sockets: Option<PathBuf>) {
        self.sockets = sockets;
    }
}

/// A path as text, also one that is not UTF-8: what is not plain is escaped.
mod any_path {
    use super::*;

    const ESCAPED: &AsciiSet = &CONTROLS.add(b'%');

    pub(super) fn serialize<S: serde::Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&percent_encode(path.as_os_str().as_bytes(), ESCAPED))
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<PathBuf, D::Error> {
        let text = String::deserialize(from)?;
        Ok(OsString::from_vec(percent_decode_str(&text).collect()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_any_path() {
        for path in ["/home/ann/50% off".as_bytes(), b"/not \xff utf-8", "/käse".as_bytes()] {
            let folder = PathBuf::from(OsString::from_vec(path.to_vec()));
            let record = Record::new(&folder).unwrap();
            assert_eq!(serde_json::from_str::<Record>(&record.to_json()).unwrap(), record);
        }
    }
}
