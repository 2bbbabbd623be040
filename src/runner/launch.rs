//! What it takes to start a run.
//!
//! **Invariant:** nothing is looked up later. Neither the environment of this
//! process nor the database adds to what stands here, so what an agent gets can
//! be read off one value.

use std::{collections::BTreeMap, ffi::OsString, path::PathBuf, time::Duration};

use secrecy::SecretString;

use super::contract::Input;
use crate::model::{EnvName, Price, Session, Subagent, Usd};

/// Everything needed to start a run of a program.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The run directory, which must not exist yet. Its parents are created.
    pub dir: PathBuf,
    /// The root of the project, absolute: relative programs with a slash are
    /// found from there.
    pub repo: PathBuf,
    /// What is started, without a shell.
    pub program: Program,
    /// What the agent is told.
    pub input: Input,
    /// Environment variables that the definition gives, with their values.
    pub env: BTreeMap<EnvName, String>,
    /// Environment variables whose values must never be seen again.
    pub secrets: BTreeMap<EnvName, SecretString>,
    /// Values that the agent is not given and that must not be seen either, by
    /// what they are: `the database password`.
    pub hidden: BTreeMap<String, SecretString>,
    /// What the agent has from the machine it runs on.
    pub host: Host,
    /// How much is too much, and how long is too long.
    pub limits: Limits,
}

/// What is started.
#[derive(Clone, Debug)]
pub enum Program {
    /// A program and its arguments.
    Command(Vec<String>),
    /// An agent program.
    Subagent {
        /// Which, and how it is to go about its work.
        subagent: Box<Subagent>,
        /// The conversation to go on with, if it can be had.
        carried: Option<Box<Carried>>,
        /// What is left of its agent's budget, if that has one.
        left: Option<Usd>,
        /// What its model costs, where the program does not tell.
        price: Option<Price>,
    },
}

/// A conversation of an earlier run.
#[derive(Clone, Debug)]
pub struct Carried {
    /// Which it is.
    pub session: Session,
    /// The program's own record of it, as [`pack`](super::home::pack) packs it.
    pub files: Vec<u8>,
}

/// What an agent has from the machine it runs on.
#[derive(Clone, Debug)]
pub struct Host {
    /// The binary that agents call as `wavemark`. One with another name is
    /// linked into the run directory under that name.
    pub wavemark: PathBuf,
    /// `PATH`; the folder of `wavemark` is put in front.
    pub path: OsString,
    /// `HOME`, if there is one.
    pub home: Option<OsString>,
    /// `LANG`, if it is set.
    pub lang: Option<OsString>,
    /// `TZ`, if it is set.
    pub tz: Option<OsString>,
}

/// How much is too much, and how long is too long.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The largest artifact, in bytes.
    pub artifact_bytes: u64,
    /// How many checkpoints one run may make.
    pub checkpoints: usize,
    /// How much of the output is kept on disk, in bytes.
    pub log_bytes: u64,
    /// How long a file that is written in place must be left alone before it is
    /// taken.
    pub quiet: Duration,
    /// How long a run may go on after SIGINT.
    pub after_interrupt: Patience,
    /// How long it may go on after SIGTERM, before SIGKILL.
    pub after_terminate: Patience,
    /// How long processes that a run leaves behind may go on after SIGTERM.
    pub leftovers: Duration,
}

/// How long a signal is given to have its effect.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Where nothing presses.
    pub usual: Duration,
    /// Where this process will itself be killed: both signals together take 7 s
    /// of the 10 s that a cancelled step of GitHub Actions has.
    pub hurried: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            artifact_bytes: 5 * 1024 * 1024,
            checkpoints: 1000,
            log_bytes: 50 * 1024 * 1024,
            quiet: Duration::from_secs(2),
            after_interrupt: Patience {
                usual: Duration::from_secs(10),
                hurried: Duration::from_secs(4),
            },
            after_terminate: Patience {
                usual: Duration::from_secs(10),
                hurried: Duration::from_secs(3),
            },
            leftovers: Duration::from_millis(500),
        }
    }
}
