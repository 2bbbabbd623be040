//! Where things are: the repo on its git host, the files of each job, what runs
//! leave for each other.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
};

use tempfile::TempDir;

use super::workflow::Workflow;
use crate::support::{GitHttp, Project, github::GitHub};

/// The workflows that are run here.
pub(super) const FILES: [&str; 4] = ["tick.yml", "plan.yml", "plan-comment.yml", "sync.yml"];

/// A repo on a git host, made from a project.
pub(super) struct Site {
    folder: TempDir,
    pub(super) http: GitHttp,
    /// In this process, git is used from one place at a time.
    work: Mutex<PathBuf>,
}

impl Site {
    /// Puts the plan of `project`, its programs and the workflows on the branch
    /// `main`. `edit` may change a workflow first.
    pub(super) fn new(project: &Project, edit: impl Fn(&str, String) -> String) -> Self {
        let folder = TempDir::new().unwrap();
        let bare = folder.path().join(GitHub::REPO);
        fs::create_dir_all(&bare).unwrap();
        let http = GitHttp::serve(folder.path());
        let work = folder.path().join("somebody");
        let site = Self { folder, http, work: Mutex::new(work.clone()) };
        project.git_in(&bare, &["init", "--quiet", "--bare", "--initial-branch=main"]);
        project.git_in(&bare, &["config", "http.receivepack", "true"]);
        project.git_in(&bare, &["config", "uploadpack.allowAnySHA1InWant", "true"]);
        project.git_in(site.folder.path(), &["clone", "--quiet", path(&bare), path(&work)]);
        let github = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github");
        for file in FILES {
            let text = fs::read_to_string(github.join("workflows").join(file)).unwrap();
            site.write(&format!(".github/workflows/{file}"), &edit(file, text));
        }
        site.commit(project, "main", "Begin");
        site
    }

    /// A workflow, as it was committed.
    pub(super) fn workflow(&self, file: &str) -> Workflow {
        Workflow::read(&self.work.lock().unwrap().join(".github/workflows").join(file))
    }

    /// The repo on the host.
    pub(super) fn bare(&self) -> PathBuf {
        self.folder.path().join(GitHub::REPO)
    }

    /// Writes a file that [`Site::commit`] then takes.
    pub(super) fn write(&self, name: &str, text: &str) {
        let file = self.work.lock().unwrap().join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// Commits the plan of `project` as it is now to a branch, and says as what.
    pub(super) fn commit(&self, project: &Project, branch: &str, words: &str) -> String {
        let work = self.work.lock().unwrap();
        for folder in ["waves", "sh"] {
            drop(fs::remove_dir_all(work.join(folder)));
            copy(&project.path(folder), &work.join(folder));
        }
        let git = |args: &[&str]| project.git_in(&work, args);
        git(&["checkout", "--quiet", "-B", branch]);
        git(&["add", "--all"]);
        git(&["commit", "--quiet", "--allow-empty", "--message", words]);
        git(&["push", "--quiet", "--force", "origin", branch]);
        git(&["rev-parse", "HEAD"])
    }

    /// What GitHub makes of a pull request: the merge of a branch into `main`.
    pub(super) fn merge(&self, project: &Project, branch: &str, number: u64) -> String {
        let work = self.work.lock().unwrap();
        let git = |args: &[&str]| project.git_in(&work, args);
        git(&["checkout", "--quiet", "--detach", "origin/main"]);
        git(&["merge", "--quiet", "--no-ff", "--message", "Merge", branch]);
        git(&["push", "--quiet", "origin", &format!("HEAD:refs/pull/{number}/merge")]);
        let merged = git(&["rev-parse", "HEAD"]);
        git(&["checkout", "--quiet", "main"]);
        merged
    }

    /// A folder for a new job.
    pub(super) fn room(&self, run: u64, job: &str) -> PathBuf {
        let name: String =
            job.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let room = self.folder.path().join(format!("jobs/{run}-{name}"));
        for inner in ["work", "temp", "home", "files"] {
            fs::create_dir_all(room.join(inner)).unwrap();
        }
        room
    }

    /// The folder of an artifact of a run.
    pub(super) fn artifact(&self, run: u64, name: &str) -> PathBuf {
        self.folder.path().join(format!("artifacts/{run}/{name}"))
    }

    /// A folder with the binary in it.
    pub(super) fn bin(&self) -> PathBuf {
        let bin = self.folder.path().join("bin");
        if fs::create_dir(&bin).is_ok() {
            let binary = env!("CARGO_BIN_EXE_wavemark");
            std::os::unix::fs::symlink(binary, bin.join("wavemark")).unwrap();
        }
        bin
    }
}

pub(super) fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Copies a file, or a folder with everything in it.
pub(super) fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        copy(&entry.path(), &to.join(entry.file_name()));
    }
}
