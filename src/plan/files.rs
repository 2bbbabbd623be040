//! The files of a plan, and those that it refers to: prompts and programs.
//!
//! This module reads none of them. It says which ones it would like to know
//! about ([`Wanted`]); the caller looks them up and comes back with [`Facts`].

use std::collections::{BTreeMap, BTreeSet};

/// The files that a plan refers to, by path.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Prompts to read, relative to the repo's root.
    pub prompts: BTreeSet<String>,
    /// Programs to look at: relative to the repo's root, or absolute.
    pub programs: BTreeSet<String>,
}

/// What the caller found out about the [`Wanted`] files. A prompt that is not
/// among them counts as missing; a program that is not is left unchecked.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// By path as wanted.
    pub prompts: BTreeMap<String, Source>,
    /// By path as wanted.
    pub programs: BTreeMap<String, Program>,
}

/// What became of reading a file with YAML or a prompt in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// There is no such file.
    Missing,
    /// It is there and cannot be read: why.
    Unreadable(String),
    /// What is in it.
    Bytes(Vec<u8>),
}

impl From<&[u8]> for Source {
    fn from(bytes: &[u8]) -> Self {
        Self::Bytes(bytes.to_owned())
    }
}

/// What became of looking at a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// There is no such file.
    Missing,
    /// It is there and is a folder, a pipe or a device.
    NotAFile,
    /// It is there and may not be executed.
    NotExecutable,
    /// It can be started.
    Executable,
}

/// Why a path is not one within the repo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BadPath {
    Absolute,
    LeavesRepo,
    Backslash,
    NotAFile,
}

impl BadPath {
    /// What is wrong with `path`.
    pub(super) fn describe(self, path: &str) -> String {
        match self {
            Self::Absolute => format!("`{path}` is absolute: other machines have other folders"),
            Self::LeavesRepo => format!("`{path}` leads out of the repo"),
            Self::Backslash => format!("`{path}` has a backslash: separate folders with `/`"),
            Self::NotAFile => format!("`{path}` names a folder"),
        }
    }
}

/// `path`, seen from the folder of `file`, as one from the repo's root without
/// `.` and `..`.
pub(super) fn beside(file: &str, path: &str) -> Result<String, BadPath> {
    let folder = file.rsplit_once('/').map_or("", |(folder, _)| folder);
    if path.contains('\\') {
        return Err(BadPath::Backslash);
    }
    if path.starts_with('/') {
        return Err(BadPath::Absolute);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')) {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop().ok_or(BadPath::LeavesRepo)?),
            part => parts.push(part),
        }
    }
    if matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        return Err(BadPath::NotAFile);
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_seen_from_its_file_and_stays_in_the_repo() {
        let beside = |path| beside("waves/first.yaml", path);
        assert_eq!(beside("prompts/a.md"), Ok("waves/prompts/a.md".to_owned()));
        assert_eq!(beside("./a/.././b.md"), Ok("waves/b.md".to_owned()));
        assert_eq!(beside("../a.md"), Ok("a.md".to_owned()));
        assert_eq!(beside("../../a.md"), Err(BadPath::LeavesRepo));
        assert_eq!(beside("../../waves/a.md"), Err(BadPath::LeavesRepo));
        assert_eq!(beside("/etc/passwd"), Err(BadPath::Absolute));
        assert_eq!(beside("a\\b.md"), Err(BadPath::Backslash));
        for folder in ["", ".", "..", "prompts/", "a/."] {
            assert_eq!(beside(folder), Err(BadPath::NotAFile), "{folder}");
        }
    }
}
