//! What the tests of this module share: an input, a launch, a run followed to
//! its end.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{
    Artifact, Contract, Dep, Evidence, Host, Input, Launch, Limits, Program, Reply, Report,
    Running, start,
};
use crate::model::{
    ArtifactKey, CommandLine, Digest, Epoch, EventFormat, FeedbackKind, FeedbackNumber, Generation,
    Message, Profile, ProgramHome, PromptBy, Resolution, Resume, RunId, Subagent, Thread,
};

/// An input with one of everything.
pub(super) fn input() -> Input {
    let at: crate::model::Instant = "2026-11-22T08:30:00Z".parse().unwrap();
    Input {
        contract: Contract,
        project: "story".parse().unwrap(),
        wave: "foundation".parse().unwrap(),
        agent: "vision".parse().unwrap(),
        title: Some("Vision, the spreadsheet agent".into()),
        run: RunId::from_uuid(uuid::Uuid::from_u128(7)),
        epoch: Epoch(3),
        attempt: 2,
        generation: Generation::FIRST,
        deadline: "2026-11-22T09:00:00Z".parse().unwrap(),
        prompt: Some("Describe the sheet.\n".into()),
        produces: vec!["doc/summary.md".parse().unwrap(), "schema/sheet.json".parse().unwrap()],
        deps: vec![Dep {
            agent: "brief".parse().unwrap(),
            title: Some("The brief".into()),
            artifact: artifact("doc/brief.md", "Sheets for everyone.\n"),
        }],
        checkpoints: vec![artifact("schema/sheet.json", "{}\n")],
        feedback: vec![Thread {
            number: FeedbackNumber(7),
            kind: FeedbackKind::Question,
            resolution: Some(Resolution::Completed),
            messages: vec![
                Message { author: "vision".into(), at, body: "Which region?".into() },
                Message { author: "ada".into(), at, body: "The EU.\n\n```\neu-west-1\n```".into() },
            ],
        }],
    }
}

fn artifact(key: &str, content: &str) -> Artifact {
    Artifact {
        key: key.parse().unwrap(),
        version: 4,
        sha256: Digest::of(content),
        commit: Some("9fceb02d0ae598e95dc970b74767f19372d61af8".into()),
        content: content.into(),
    }
}

/// Every path below `root`, one a line, sorted; folders end with a slash.
pub(super) fn tree(root: &Path) -> String {
    fn walk(folder: &Path, root: &Path, lines: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(root).unwrap().display().to_string();
            if path.is_dir() {
                lines.push(format!("{name}/"));
                walk(&path, root, lines);
            } else {
                lines.push(name);
            }
        }
    }
    let mut lines = Vec::new();
    walk(root, root, &mut lines);
    lines.sort();
    lines.join("\n")
}

/// An agent that is a shell script, in a folder of its own.
pub(super) struct Agent {
    folder: TempDir,
    pub(super) launch: Launch,
}

impl Agent {
    pub(super) fn new(script: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let launch = Launch {
            dir: folder.path().join("runs/1"),
            repo: folder.path().to_owned(),
            program: Program::Command(["/bin/sh", "-c", script].map(Into::into).to_vec()),
            input: Input {
                run: RunId::random(),
                deps: vec![],
                checkpoints: vec![],
                feedback: vec![],
                ..input()
            },
            env: BTreeMap::new(),
            secrets: BTreeMap::new(),
            hidden: BTreeMap::new(),
            host: Host {
                wavemark: "/opt/wavemark/wavemark".into(),
                path: "/usr/bin:/bin".into(),
                home: Some("/root".into()),
                lang: None,
                tz: None,
            },
            limits: Limits { quiet: Duration::from_millis(100), ..Limits::default() },
        };
        Self { folder, launch }
    }

    /// One that is an agent program: the script prints events as Claude Code does,
    /// gets its prompt on standard input, and `again SESSION` when it is called again.
    pub(super) fn subagent(script: &str) -> Self {
        let mut agent = Self::new("");
        fs::write(agent.folder.path().join("agent.sh"), script).unwrap();
        let line = |words: &[&str]| {
            let words = ["/bin/sh", "{repo}/agent.sh"].iter().chain(words);
            CommandLine(vec![words.map(|word| word.parse().unwrap()).collect()])
        };
        let subagent = Subagent {
            name: "claude".parse().unwrap(),
            profile: Profile {
                start: line(&[]),
                resume: Some(line(&["again", "{session}"])),
                prompt: PromptBy::Stdin,
                events: EventFormat::Claude,
                ..profile(None)
            },
            model: None,
            max_turns: None,
            budget: None,
            allow: vec![],
            resume: Resume::Session,
        };
        let subagent = Box::new(subagent);
        agent.launch.program =
            Program::Subagent { subagent, carried: None, left: None, price: None };
        agent
    }

    /// The folder that everything is in, as text.
    pub(super) fn folder(&self) -> String {
        self.folder.path().display().to_string()
    }

    pub(super) fn dir(&self) -> PathBuf {
        self.launch.dir.clone()
    }

    pub(super) fn start(&self) -> Running {
        start(self.launch.clone()).unwrap()
    }

    /// Runs to the end, and stores whatever is offered.
    pub(super) async fn run(&self) -> Story {
        let mut running = self.start();
        let declared = self.launch.input.produces.clone();
        let mut story = Story { declared, ..Story::default() };
        while story.next(&mut running).await {}
        story
    }
}

/// The profile of a program that takes its prompt as its only argument, with a
/// folder of its own or without one.
pub(super) fn profile(home: Option<ProgramHome>) -> Profile {
    let word = |word: &str| word.parse().unwrap();
    Profile {
        start: CommandLine(vec![vec![word("./agent")], vec![word("{prompt}")]]),
        resume: None,
        prompt: PromptBy::Arg,
        events: EventFormat::None,
        good_exits: [0].into(),
        secrets: BTreeSet::new(),
        inherit: BTreeSet::new(),
        env: BTreeMap::new(),
        files: BTreeMap::new(),
        home,
    }
}

/// An agent that does nothing until it is let go; the test plays it.
pub(super) fn waiting() -> Agent {
    Agent::new("until [ -e go ]; do sleep 0.01; done")
}

/// Lets a waiting agent end.
pub(super) fn let_go(agent: &Agent) {
    fs::write(agent.dir().join("work/go"), "").unwrap();
}

/// What a run told, as lines.
#[derive(Default)]
pub(super) struct Story {
    /// What an agent program is to have stored when it claims to be done.
    pub(super) declared: Vec<ArtifactKey>,
    /// How much of what is to be stored cannot be, before the rest can.
    pub(super) outage: u32,
    pub(super) lines: Vec<String>,
    pub(super) evidence: Option<Evidence>,
}

impl Story {
    /// Takes in one report, and answers it; false after the last.
    pub(super) async fn next(&mut self, running: &mut Running) -> bool {
        let report = tokio::time::timeout(Duration::from_secs(30), running.reports.recv());
        match report.await.unwrap_or_else(|_| panic!("no more reports after {:?}", self.lines)) {
            Some(Report::Checkpoint { .. } | Report::Ask { .. }) if self.outage > 0 => {
                self.outage -= 1;
            }
            Some(Report::Checkpoint { key, content, sha256, secret, reply }) => {
                assert_eq!(sha256, Digest::of(&content));
                let secret = secret.map(|kind| format!(" with {kind}")).unwrap_or_default();
                let shown: String = content.chars().take(40).collect();
                self.lines.push(format!("stored {key}{secret}: {shown:?}"));
                let version = self.lines.iter().filter(|line| line.starts_with("stored")).count();
                reply.send(Reply::Stored { version: i32::try_from(version).unwrap() }).unwrap();
            }
            Some(Report::Ask { question, reply }) => {
                self.lines.push(format!("asked {question:?}"));
                reply.send(Ok(FeedbackNumber(7))).unwrap();
            }
            Some(Report::Rejected(one)) => {
                self.lines.push(format!("rejected {}: {}", one.path, one.why))
            }
            Some(Report::Claims { reply }) => {
                self.lines.push("claims to be done".to_owned());
                let stored = |key: &ArtifactKey| {
                    self.lines.iter().any(|line| line.starts_with(&format!("stored {key}")))
                };
                let missing = self.declared.iter().filter(|key| !stored(key)).cloned().collect();
                reply.send(missing).unwrap();
            }
            Some(Report::Output { line }) => self.lines.push(format!("printed {line:?}")),
            Some(Report::Used { usage }) => self.lines.push(format!("used {usage}")),
            Some(Report::Progress { line }) => self.lines.push(format!("said {line:?}")),
            Some(Report::Ended(evidence)) => self.evidence = Some(evidence),
            None => return false,
        }
        true
    }

    /// Follows until a line that starts so was told.
    pub(super) async fn until(&mut self, running: &mut Running, start: &str) {
        while !self.lines.iter().any(|line| line.starts_with(start)) {
            assert!(self.next(running).await, "never told {start:?}, but {:?}", self.lines);
        }
    }

    pub(super) fn evidence(&self) -> &Evidence {
        self.evidence.as_ref().unwrap()
    }

    pub(super) fn text(&self) -> String {
        self.lines.join("\n")
    }
}

/// How many processes of a run there are on this machine, dead ones that
/// nobody reaped included.
pub(super) fn processes_of(agent: &Agent, leader: u32) -> usize {
    let mark = format!("WAVEMARK_RUN={}", agent.launch.input.run);
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let is_one = |path: PathBuf| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        let stat = fs::read_to_string(path.join("stat")).unwrap_or_default();
        let group = stat.rsplit(')').next().unwrap_or_default().split(' ').nth(3);
        group == Some(&leader.to_string())
            || environment.split(|&byte| byte == 0).any(|entry| entry == mark.as_bytes())
    };
    entries.filter(|entry| is_one(entry.path())).count()
}

/// Waits until something is so.
pub(super) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} never came true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
