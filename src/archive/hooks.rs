//! Asks the hooks of a repository on this machine, as a git server would.
//!
//! libgit2 runs no hooks when it writes to a folder, yet a rule that the owner
//! put there must hold. Only the repository's own `hooks` folder counts, never
//! `core.hooksPath` of whoever runs this. Hooks get `PATH` and `HOME` and no
//! other part of the environment: there may be tokens in it.

use std::{
    env,
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use git2::{Oid, Repository};

use super::Refusal;

/// The update that is asked for.
pub(super) struct Update<'a> {
    pub(super) refname: &'a str,
    pub(super) old: Option<Oid>,
    pub(super) new: Oid,
}

/// Asks `pre-receive` and `update`; an error is the reason of the first that
/// says no.
pub(super) fn ask(repo: &Repository, update: &Update<'_>) -> Result<(), Refusal> {
    run(repo, "pre-receive", update)?;
    run(repo, "update", update)
}

/// Tells `post-receive` and `post-update`; it is too late for them to object.
pub(super) fn tell(repo: &Repository, update: &Update<'_>) {
    for hook in ["post-receive", "post-update"] {
        if let Err(reason) = run(repo, hook, update) {
            tracing::warn!("left alone that a hook failed after the push: {reason}");
        }
    }
}

fn run(repo: &Repository, hook: &str, update: &Update<'_>) -> Result<(), Refusal> {
    let Some(program) = find(repo, hook) else {
        return Ok(());
    };
    let old = update.old.unwrap_or(Oid::ZERO_SHA1).to_string();
    let new = update.new.to_string();
    let (args, stdin) = match hook {
        "update" => (vec![update.refname, &old, &new], String::new()),
        "post-update" => (vec![update.refname], String::new()),
        _ => (vec![], format!("{old} {new} {}\n", update.refname)),
    };
    let cannot = |err: io::Error| {
        Refusal::new(&format!("its {hook} hook cannot be run"), err.to_string().as_bytes())
    };

    let mut command = Command::new(program);
    command.args(args).current_dir(repo.path()).env_clear().env("GIT_DIR", ".");
    for name in ["PATH", "HOME"] {
        if let Some(value) = env::var_os(name) {
            command.env(name, value);
        }
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(cannot)?;
    if let Some(mut pipe) = child.stdin.take() {
        // A hook need not read what it is told.
        let _unread = pipe.write_all(stdin.as_bytes());
    }
    let output = child.wait_with_output().map_err(cannot)?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let said = [output.stderr, output.stdout].concat();
            Err(Refusal::new(&format!("{hook} hook declined"), &said))
        }
    }
}

fn find(repo: &Repository, hook: &str) -> Option<PathBuf> {
    let program = repo.commondir().join("hooks").join(hook);
    is_executable(&program).then_some(program)
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::archive::testing::{BRANCH, Via, World, entries};

    #[test]
    fn hooks_are_told_what_git_would_tell_them() {
        let said = Via::BOTH.map(|via| {
            let world = World::new();
            for hook in ["pre-receive", "update", "post-receive", "post-update"] {
                let note = format!("{{ echo {hook} $GIT_DIR \"$@\"; cat; }} >> heard");
                // Git gives the last two of the arguments no standard input.
                let note = note.replace("cat", if hook.contains("receive") { "cat" } else { ":" });
                world.hook(hook, &note);
            }
            let landed = world.archive(via, "one").publish_all(&entries(0..1), None).unwrap();
            let heard = fs::read_to_string(world.folder().join("heard")).unwrap();
            heard.replace(&landed[0].commit, "<new>").replace(&"0".repeat(40), "<none>")
        });

        assert_eq!(said[0], said[1]);
        insta::assert_snapshot!(said[0], @"
        pre-receive .
        <none> <new> refs/heads/wavemark/artifacts
        update . refs/heads/wavemark/artifacts <none> <new>
        post-receive .
        <none> <new> refs/heads/wavemark/artifacts
        post-update . refs/heads/wavemark/artifacts
        ");
    }

    #[test]
    fn a_hook_that_fails_after_the_push_changes_nothing() {
        for via in Via::BOTH {
            let world = World::new();
            world.hook("post-receive", "exit 1");

            world.archive(via, "one").publish_all(&entries(0..1), None).unwrap();

            assert_eq!(world.git(&["rev-list", "--count", BRANCH]).trim(), "1");
        }
    }

    #[test]
    fn a_hook_that_is_not_executable_is_none() {
        use std::os::unix::fs::PermissionsExt as _;
        let world = World::new();
        world.hook("pre-receive", "exit 1");
        let hook = world.folder().join("hooks/pre-receive");
        fs::set_permissions(hook, fs::Permissions::from_mode(0o644)).unwrap();

        world.archive(Via::Folder, "one").publish_all(&entries(0..1), None).unwrap();
    }

    #[test]
    fn a_hook_sees_nothing_of_our_environment() {
        let world = World::new();
        world.hook("pre-receive", "env > seen");

        world.archive(Via::Folder, "one").publish_all(&entries(0..1), None).unwrap();

        let seen = fs::read_to_string(world.folder().join("seen")).unwrap();
        let mut names: Vec<&str> =
            seen.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
        // The shell's own.
        names.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
        names.sort_unstable();
        assert_eq!(names, ["GIT_DIR", "HOME", "PATH"]);
    }
}
