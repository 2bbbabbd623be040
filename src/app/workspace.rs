//! The folder that a project lives in: finding it, and reading its plan.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    archive::{self, Past, Revision},
    model::ProjectName,
    plan::{self, Facts, Plan, Problems, Program, Source},
};

/// The folder with the definitions in it.
const WAVES: &str = "waves";
/// The folder with what is not in git.
pub(super) const PRIVATE: &str = ".wavemark";
/// The folder with the profiles of agent programs in it, if there is one.
const PROFILES: &str = "waves/profiles";
/// What is larger than this is not even looked at.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// No folder from here upwards holds a `waves` folder.
#[derive(Clone, Debug, thiserror::Error)]
#[error("there is no `waves` folder in {} or above it", .0.display())]
pub struct NoWorkspace(PathBuf);

/// The root of a project: the folder that holds `waves/`.
#[derive(Clone, Debug)]
pub struct Workspace {
    root: PathBuf,
}

impl Workspace {
    /// The innermost project that `start` is in.
    pub fn find(start: &Path) -> anyhow::Result<Self> {
        let start =
            start.canonicalize().with_context(|| format!("cannot enter {}", start.display()))?;
        let root = start.ancestors().find(|folder| folder.join(WAVES).is_dir());
        let root = root.ok_or_else(|| NoWorkspace(start.clone()))?;
        Ok(Self { root: root.to_owned() })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where this machine keeps what is not in git: the private database, run
    /// directories, caches.
    pub fn private(&self) -> PathBuf {
        self.root.join(PRIVATE)
    }

    /// Makes that folder, unless it is there, with a `.gitignore` that keeps all
    /// of it out of git.
    pub fn make_private(&self) -> anyhow::Result<PathBuf> {
        let folder = self.private();
        let make = || format!("cannot make {}", folder.display());
        fs::create_dir_all(&folder).with_context(make)?;
        let ignore = folder.join(".gitignore");
        if !ignore.exists() {
            fs::write(&ignore, "*\n").with_context(make)?;
        }
        Ok(folder)
    }

    /// The name of the project, even where the rest of its plan cannot be read.
    pub fn project_name(&self) -> anyhow::Result<ProjectName> {
        let path = format!("{WAVES}/project.yaml");
        let source = self.source(&path);
        let draft = plan::read(&BTreeMap::from([(path, source)]));
        let name = draft.project_name().cloned();
        name.context("waves/project.yaml does not name the project: run `wavemark check`")
    }

    /// Reads and checks the plan. The outer error is the machine's, the inner
    /// one the author's.
    pub fn plan(&self) -> anyhow::Result<Result<Plan, Problems>> {
        let draft = plan::read(&self.files()?);
        let wanted = draft.wanted();
        let programs = wanted.programs.into_iter().map(|path| {
            let found = program(&self.root.join(&path));
            (path, found)
        });
        let prompts = wanted.prompts.into_iter().map(|path| {
            let source = self.source(&path);
            (path, source)
        });
        Ok(draft.check(&Facts { prompts: prompts.collect(), programs: programs.collect() }))
    }

    /// The revision of the repo around it that somebody calls so.
    pub fn revision(&self, name: &str) -> Result<Revision, archive::NoRevision> {
        Revision::find(&self.root, name)
    }

    /// Reads and checks the plan as it was, programs apart; none if there was no
    /// plan then.
    pub fn plan_at(&self, revision: &Revision) -> anyhow::Result<Option<Result<Plan, Problems>>> {
        let mut files = Vec::new();
        for folder in [WAVES, PROFILES] {
            let names = revision.list(folder).context("cannot list the plan at that revision")?;
            let names = names.into_iter().filter(|name| is_of_plan(folder, name));
            files.extend(names.map(|name| format!("{folder}/{name}")));
        }
        let source = |path: String| -> anyhow::Result<(String, Source)> {
            let past = revision.read(&path).with_context(|| format!("cannot read {path}"))?;
            Ok((path, Source::from(past)))
        };
        let files: BTreeMap<String, Source> =
            files.into_iter().map(source).collect::<anyhow::Result<_>>()?;
        if files.is_empty() {
            return Ok(None);
        }
        let draft = plan::read(&files);
        let prompts = draft.wanted().prompts.into_iter().map(source);
        let prompts = prompts.collect::<anyhow::Result<_>>()?;
        Ok(Some(draft.check(&Facts { prompts, programs: BTreeMap::new() })))
    }

    /// What the plan is read from, whatever it turns out to be.
    fn files(&self) -> anyhow::Result<BTreeMap<String, Source>> {
        let mut files = self.files_in(WAVES)?;
        if self.root.join(PROFILES).is_dir() {
            files.extend(self.files_in(PROFILES)?);
        }
        Ok(files)
    }

    /// The YAML files directly in a folder of the repo.
    fn files_in(&self, folder: &str) -> anyhow::Result<BTreeMap<String, Source>> {
        let full = self.root.join(folder);
        let mut files = BTreeMap::new();
        let list = || format!("cannot list {}", full.display());
        for entry in fs::read_dir(&full).with_context(list)? {
            let name = entry.with_context(list)?.file_name();
            let path = format!("{folder}/{}", name.to_string_lossy());
            if !is_of_plan(folder, &name.to_string_lossy()) {
                continue;
            }
            let source = match name.to_str() {
                Some(_) => self.source(&path),
                None => Source::Unreadable("its name is not UTF-8".to_owned()),
            };
            files.insert(path, source);
        }
        Ok(files)
    }

    /// Reads a file of the repo, from a path that starts at the root.
    ///
    /// Comes back whatever is there: a pipe would be waited for, and a link out
    /// of the repo would bring in what no pull request ever showed.
    fn source(&self, path: &str) -> Source {
        let path = self.root.join(path);
        let refused = |why: &str| Source::Unreadable(why.to_owned());
        let found = match fs::metadata(&path) {
            Ok(found) => found,
            Err(err) if err.kind() != io::ErrorKind::NotFound => return refused(&err.to_string()),
            Err(_) if path.is_symlink() => return refused("it is a link to nothing"),
            Err(_) => return Source::Missing,
        };
        if found.is_dir() {
            return refused("it is a folder");
        }
        if !found.is_file() {
            return refused("it is not a file but a pipe, a socket or a device");
        }
        if found.len() > MAX_FILE {
            return refused(&format!("it has {} bytes", found.len()));
        }
        let real = path.canonicalize();
        match real.and_then(|real| self.holds(&real).then(|| fs::read(&real)).transpose()) {
            Ok(Some(bytes)) => Source::Bytes(bytes),
            Ok(None) => refused("it is a link that leads out of the repo"),
            Err(err) => refused(&err.to_string()),
        }
    }

    /// Whether a path without links is one of the repo, or below `waves` where
    /// that is a link itself.
    fn holds(&self, real: &Path) -> bool {
        let waves = self.root.join(WAVES).canonicalize();
        real.starts_with(&self.root) || waves.is_ok_and(|waves| real.starts_with(waves))
    }
}

/// Whether a file in a folder of definitions, by its name, is one, or is meant
/// to be.
fn is_of_plan(folder: &str, name: &str) -> bool {
    let is_meant = folder == PROFILES && name.ends_with(".toml");
    (name.ends_with(".yaml") || name.ends_with(".yml") || is_meant) && !name.starts_with('.')
}

impl From<Past> for Source {
    fn from(past: Past) -> Self {
        match past {
            Past::Missing => Self::Missing,
            Past::Unreadable(why) => Self::Unreadable(why),
            Past::Bytes(bytes) => Self::Bytes(bytes),
        }
    }
}

fn program(path: &Path) -> Program {
    match fs::metadata(path) {
        Err(_) => Program::Missing,
        Ok(found) if !found.is_file() => Program::NotAFile,
        Ok(found) if found.permissions().mode() & 0o111 == 0 => Program::NotExecutable,
        Ok(_) => Program::Executable,
    }
}
