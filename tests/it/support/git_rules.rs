//! Rules that a git host has, as hooks: they refuse in GitHub's words.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

/// What a host does not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rule<'a> {
    /// Files with this in them, which is taken for a secret; it is said where.
    Secret(&'a str),
    /// The same, but the commits are not named.
    SecretSomewhere(&'a str),
    /// Files at this path, or below it.
    Path(&'a str),
    /// Anything at all: the branch is protected.
    Branch,
    /// Anything at all, for a reason that nobody has heard of.
    Whim,
    /// Files with this in them, for a reason that nobody has heard of.
    Taste(&'a str),
}

impl Rule<'_> {
    /// Makes it the rule of the bare repository at `repo`, in place of any other.
    pub(crate) fn install(self, repo: &Path) {
        let hook = repo.join("hooks/pre-receive");
        fs::create_dir_all(hook.parent().unwrap()).unwrap();
        fs::write(&hook, format!("#!/bin/sh\nread old new ref\n{}\n", self.script())).unwrap();
        fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Lets everything in again.
    pub(crate) fn remove(repo: &Path) {
        fs::remove_file(repo.join("hooks/pre-receive")).unwrap();
    }

    fn script(self) -> String {
        match self {
            Self::Secret(secret) => format!(
                r#"bad=$(git grep -l -F -e '{secret}' $new)
[ -z "$bad" ] && exit 0
{PROTECTION}
echo "  —— GitHub Personal Access Token ——————————————————————"
echo "   locations:"
for file in $(echo "$bad" | cut -d: -f2 | head -5); do
    echo "     - commit: $(git log -1 --format=%H $new -- "$file")"
    echo "       path: $file:1"
done
echo
echo "   (?) To push, remove secret from commit(s) or follow this URL to allow the secret."
echo "   https://github.com/acme/waves/security/secret-scanning/unblock-secret/2gakJr"
exit 1"#
            ),
            Self::SecretSomewhere(secret) => format!(
                r#"git grep -q -F -e '{secret}' $new || exit 0
{PROTECTION}
exit 1"#
            ),
            Self::Path(pattern) => format!(
                r#"[ -z "$(git ls-tree -r --name-only $new -- '{pattern}')" ] && exit 0
echo "error: GH013: Repository rule violations found for $ref."
echo "Review all repository rules at https://github.com/acme/waves/rules"
echo
echo "- File path is restricted"
exit 1"#
            ),
            Self::Branch => r#"echo "error: GH006: Protected branch update failed for $ref."
echo "error: Changes must be made through a pull request."
exit 1"#
                .to_owned(),
            Self::Whim => "echo 'not on a Sunday'\nexit 1".to_owned(),
            Self::Taste(word) => format!(
                r#"git grep -q -F -e '{word}' $new || exit 0
echo 'we do not like that word'
exit 1"#
            ),
        }
    }
}

const PROTECTION: &str = r#"echo "error: GH013: Repository rule violations found for $ref."
echo
echo "- GITHUB PUSH PROTECTION"
echo "  —————————————————————————————————————————"
echo "    Resolve the following violations before pushing again"
echo
echo "    - Push cannot contain secrets"
echo
echo "     (?) Learn how to resolve a blocked push"
echo "     https://docs.github.com/code-security/secret-scanning/working-with-secret-scanning-and-push-protection/working-with-push-protection-from-the-command-line#resolving-a-blocked-push"
echo"#;
