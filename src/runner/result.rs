//! What an agent leaves about its end: `result.json` and `out/SUMMARY.md`.
//!
//! Both are optional, and written by programs of all sorts: one that is broken
//! is told, and says nothing.

use serde::Deserialize;

use super::{
    dir::RunDir,
    files::{Folder, Unread},
    report::Rejection,
};
use crate::model::{Finish, Usage};

/// The largest of either that is read, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// What an agent says about its end.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// How it ended.
    pub(super) finish: Option<Finish>,
    /// What it did: what `result.json` says, or else `out/SUMMARY.md`.
    pub(super) summary: Option<String>,
    /// What it used of a language model.
    pub(super) usage: Option<Usage>,
    /// What of it cannot be understood.
    pub(super) rejected: Vec<Rejection>,
}

/// `result.json`. Other fields are the agent's own business.
#[derive(Deserialize)]
struct ResultFile {
    status: Option<String>,
    summary: Option<String>,
    usage: Option<serde_json::Value>,
}

/// Reads what there is.
pub(super) fn read(dir: &RunDir) -> Said {
    let mut said = Said::default();
    if let Some(text) = said.text(dir, "result.json") {
        match serde_json::from_str::<ResultFile>(&text) {
            Ok(file) => {
                said.finish = file.status.and_then(|status| said.status(&status));
                said.summary = file.summary;
                said.usage = file.usage.and_then(|usage| said.usage(usage));
            }
            Err(err) => said.reject("result.json", format!("is not what it should be: {err}")),
        }
    }
    if said.summary.is_none() {
        said.summary = said.text(dir, "out/SUMMARY.md");
    }
    said
}

impl Said {
    fn status(&mut self, status: &str) -> Option<Finish> {
        let known = status.parse().ok();
        if known.is_none() {
            let status = status.escape_default();
            let why = format!("has the status `{status}`: use complete, failed or feedback");
            self.reject("result.json", why);
        }
        known
    }

    fn usage(&mut self, usage: serde_json::Value) -> Option<Usage> {
        let usage = serde_json::from_value(usage);
        usage
            .map_err(|err| self.reject("result.json", format!("has a usage that is none: {err}")))
            .ok()
    }

    fn text(&mut self, dir: &RunDir, path: &str) -> Option<String> {
        let full = dir.root().join(path);
        let folder = Folder::open(full.parent()?).ok()?;
        match folder.read_text(full.file_name()?, LARGEST) {
            Ok((text, _)) => Some(text),
            Err(Unread::Gone | Unread::Changing) => None,
            Err(Unread::Bad(why)) => {
                self.reject(path, why);
                None
            }
        }
    }

    fn reject(&mut self, path: &str, why: String) {
        self.rejected.push(Rejection { path: path.to_owned(), why });
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, path::Path};

    use super::*;

    /// What is said in a run directory that was prepared.
    fn said(prepare: impl FnOnce(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("out")).unwrap();
        prepare(folder.path());
        let Said { finish, summary, usage, rejected } = read(&RunDir::at(folder.path()));
        let usage = usage.map(|usage| format!("; {usage}")).unwrap_or_default();
        let rejected: Vec<String> =
            rejected.into_iter().map(|one| format!("; {} {}", one.path, one.why)).collect();
        format!("{finish:?}, {summary:?}{usage}{}", rejected.concat())
    }

    fn result(text: &str) -> String {
        said(|dir| fs::write(dir.join("result.json"), text).unwrap())
    }

    #[test]
    fn an_agent_that_says_nothing_has_said_nothing() {
        assert_eq!(said(|_| {}), "None, None");
    }

    #[test]
    fn an_agent_says_how_it_ended_and_what_it_did() {
        let text = r#"{"status":"failed","summary":"No sheet.","cost":1}"#;
        assert_eq!(result(text), "Some(Failed), Some(\"No sheet.\")");
        let both = said(|dir| {
            fs::write(dir.join("result.json"), r#"{"status":"complete"}"#).unwrap();
            fs::write(dir.join("out/SUMMARY.md"), "Did it.").unwrap();
        });
        assert_eq!(both, "Some(Complete), Some(\"Did it.\")");
    }

    #[test]
    fn an_agent_says_what_it_used() {
        let told = [
            result(
                r#"{"usage":{"output":9,"turns":1,"cost":{"usd_micros":250000,"basis":"computed"},"x":1}}"#,
            ),
            result(r#"{"usage":{"cost":{"usd_micros":1000}}}"#),
            result(r#"{"status":"complete","usage":{"output":-1}}"#),
        ];
        insta::assert_snapshot!(told.join("\n"), @"
        None, None; $0.25, 1 turn, 0 tokens in and 9 out
        None, None; <$0.01, 0 turns, 0 tokens in and 0 out
        Some(Complete), None; result.json has a usage that is none: invalid value: integer `-1`, expected u64
        ");
    }

    #[test]
    fn what_cannot_be_understood_is_told() {
        let told = [
            result("{"),
            result(r#"{"status":"ok"}"#),
            result(r#"{"summary":7}"#),
            result("a\0"),
            said(|dir| symlink("/etc/hostname", dir.join("result.json")).unwrap()),
            said(|dir| symlink("/etc/hostname", dir.join("out/SUMMARY.md")).unwrap()),
        ];
        insta::assert_snapshot!(told.join("\n"), @"
        None, None; result.json is not what it should be: EOF while parsing an object at line 1 column 1
        None, None; result.json has the status `ok`: use complete, failed or feedback
        None, None; result.json is not what it should be: invalid type: integer `7`, expected a string at line 1 column 12
        None, None; result.json has a NUL at byte 1: only text can be taken
        None, None; result.json is a symlink: put the file itself there
        None, None; out/SUMMARY.md is a symlink: put the file itself there
        ");
    }
}
