//! Paths in the run directory that a model names, and how they are read.
//!
//! **Invariant:** nothing outside of the run directory is opened, whatever is
//! named and whatever was put there: `..` is taken out before anything is
//! looked at, and no symlink is followed on the way. The server may be allowed
//! to read what the model is not.

use std::path::{Component, Path, PathBuf};

use crate::runner::{
    dir::RunDir,
    files::{Folder, Unread},
};

/// The largest file that is read, in bytes. How large an artifact may be is the
/// supervisor's business.
const LARGEST: u64 = 64 * 1024 * 1024;

/// The path, relative to the root of the run directory, of what a model calls
/// `given`. A relative path starts in the agent's working directory.
///
/// `roots` is what the run directory is called: as in `WAVEMARK_DIR`, and as
/// the agent's program may have found out by itself.
pub(super) fn within(roots: &[PathBuf], given: &str) -> Result<PathBuf, String> {
    let outside = || {
        format!("`{given}` is not in the run directory: copy the file there, or give its content")
    };
    let path = Path::new(given);
    let path = match path.is_absolute() {
        true => {
            let below = roots.iter().find_map(|root| path.strip_prefix(root).ok());
            below.ok_or_else(outside)?.to_owned()
        }
        false => Path::new("work").join(path),
    };
    let mut within = PathBuf::new();
    for part in path.components() {
        match part {
            Component::Normal(name) => within.push(name),
            Component::CurDir => {}
            Component::ParentDir if within.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                return Err(outside());
            }
        }
    }
    Ok(within)
}

/// Reads the file at `path`, which is relative to the root of the run directory.
pub(super) fn read(dir: &RunDir, path: &Path) -> Result<Vec<u8>, String> {
    open(dir, path, |folder, name| folder.read(name, LARGEST).map(|(bytes, _)| bytes))
}

/// Reads the text at `path`, which is relative to the root of the run directory.
pub(super) fn read_text(dir: &RunDir, path: &Path) -> Result<String, String> {
    open(dir, path, |folder, name| folder.read_text(name, LARGEST).map(|(text, _)| text))
}

fn open<T>(
    dir: &RunDir,
    path: &Path,
    read: impl FnOnce(&Folder, &Path) -> Result<T, Unread>,
) -> Result<T, String> {
    let shown = path.display();
    let parent = path.parent().into_iter().flat_map(Path::components);
    let folder = parent.fold(Folder::open(dir.root()), |folder, part| {
        folder.and_then(|folder| folder.folder(part.as_os_str()))
    });
    let folder = folder.map_err(|err| {
        format!("the folder of `{shown}` cannot be opened, and symlinks are not followed: {err}")
    })?;
    let name = path.file_name().ok_or_else(|| format!("`{shown}` names no file"))?;
    read(&folder, Path::new(name)).map_err(|err| match err {
        Unread::Gone => format!("there is no file `{shown}` in the run directory"),
        Unread::Changing => format!("somebody is writing to `{shown}`: try again"),
        Unread::Bad(why) => format!("`{shown}` {why}"),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::symlink, process::Command};

    use proptest::prelude::*;

    use super::*;

    fn of(given: &str) -> Result<PathBuf, String> {
        within(&["/runs/1".into(), "/private/runs/1".into()], given)
    }

    #[test]
    fn a_path_is_relative_to_where_the_agent_works() {
        for (given, path) in [
            ("a.md", "work/a.md"),
            ("./b/../a.md", "work/a.md"),
            ("../out/doc/a.md", "out/doc/a.md"),
            ("/runs/1/work/a.md", "work/a.md"),
            ("/private/runs/1/deps/x", "deps/x"),
        ] {
            assert_eq!(of(given), Ok(path.into()), "{given}");
        }
    }

    #[test]
    fn a_path_that_leaves_the_run_directory_is_none() {
        for given in ["../../x", "/etc/passwd", "/runs/1/../2/x", "/runs/12/x", "a/../../../x", "/"]
        {
            let err = of(given).unwrap_err();
            assert!(err.contains("is not in the run directory"), "{err}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn whatever_is_named_has_only_names_in_it(
            parts in proptest::collection::vec("(\\.|\\.\\.|a|/runs/1|\\PC{0,3})", 0..8),
        ) {
            if let Ok(path) = of(&parts.join("/")) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
            }
        }
    }

    #[test]
    fn nothing_but_a_file_that_is_really_there_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("secret"), "x").unwrap();
        let dir = RunDir::at(folder.path());
        let work = folder.path().join("work");
        fs::create_dir(&work).unwrap();
        fs::write(work.join("a.md"), "text").unwrap();
        fs::write(work.join("raw"), b"\xff").unwrap();
        symlink(elsewhere.path(), work.join("folder")).unwrap();
        symlink(elsewhere.path().join("secret"), work.join("link")).unwrap();
        assert!(Command::new("mkfifo").arg(work.join("pipe")).status().unwrap().success());

        assert_eq!(read(&dir, Path::new("work/a.md")).unwrap(), b"text");
        assert_eq!(read(&dir, Path::new("work/raw")).unwrap(), b"\xff");
        let paths =
            ["work/none", "work/folder/secret", "work/link", "work/pipe", "work/raw", "work", ""];
        let said = paths.map(|path| read_text(&dir, Path::new(path)).unwrap_err());
        insta::assert_snapshot!(said.join("\n"), @"
        there is no file `work/none` in the run directory
        the folder of `work/folder/secret` cannot be opened, and symlinks are not followed: Not a directory (os error 20)
        `work/link` is a symlink: put the file itself there
        `work/pipe` is not a file: artifacts are plain files
        `work/raw` is not UTF-8 from byte 0 on: only UTF-8 text can be taken
        `work` is a folder: artifacts are files, without folders of their own
        `` names no file
        ");
    }
}
