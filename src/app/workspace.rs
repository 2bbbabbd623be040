//! The folder that a project lives in: finding it, and reading its plan.

use std::{
    collections::BTreeMap,
    fs, io,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

use crate::{
    model::ProjectName,
    plan::{self, Facts, Plan, Problems, Program, PromptFile},
};

/// The folder with the definitions in it.
const WAVES: &str = "waves";
/// A definition larger than this is not one.
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
        self.root.join(".wavemark")
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
        let file = self.root.join(&path);
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        let draft = plan::read(&BTreeMap::from([(path, bytes)]));
        let name = draft.project_name().cloned();
        name.context("waves/project.yaml does not name the project: run `wavemark check`")
    }

    /// Reads and checks the plan. The outer error is the machine's, the inner
    /// one the author's.
    pub fn plan(&self) -> anyhow::Result<Result<Plan, Problems>> {
        let draft = plan::read(&self.files()?);
        let wanted = draft.wanted();
        let facts = Facts {
            prompts: wanted
                .prompts
                .into_iter()
                .map(|path| {
                    let file = prompt(&self.root.join(&path));
                    (path, file)
                })
                .collect(),
            programs: wanted
                .programs
                .into_iter()
                .map(|path| {
                    let found = program(&self.root.join(&path));
                    (path, found)
                })
                .collect(),
        };
        Ok(draft.check(&facts))
    }

    fn files(&self) -> anyhow::Result<BTreeMap<String, Vec<u8>>> {
        let folder = self.root.join(WAVES);
        let mut files = BTreeMap::new();
        let list = || format!("cannot list {}", folder.display());
        for entry in fs::read_dir(&folder).with_context(list)? {
            let path = entry.with_context(list)?.path();
            let is_yaml = path.extension().is_some_and(|end| end == "yaml" || end == "yml");
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            if !is_yaml || name.starts_with('.') || !path.is_file() {
                continue;
            }
            let read = || format!("cannot read {}", path.display());
            let size = fs::metadata(&path).with_context(read)?.len();
            anyhow::ensure!(size <= MAX_FILE, "{} has {size} bytes: split it", path.display());
            files.insert(format!("{WAVES}/{name}"), fs::read(&path).with_context(read)?);
        }
        Ok(files)
    }
}

fn prompt(path: &Path) -> PromptFile {
    match fs::read(path) {
        Ok(bytes) => PromptFile::Bytes(bytes),
        Err(err) if err.kind() == io::ErrorKind::NotFound => PromptFile::Missing,
        Err(err) => PromptFile::Unreadable(err.to_string()),
    }
}

fn program(path: &Path) -> Program {
    match fs::metadata(path) {
        Err(_) => Program::Missing,
        Ok(found) if found.is_file() && found.permissions().mode() & 0o111 != 0 => {
            Program::Executable
        }
        Ok(_) => Program::NotExecutable,
    }
}
