//! `wavemark comment`: a plan, said on its pull request.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use anyhow::Context as _;
use clap::Args;

use super::{Outcome, output};
use crate::{
    app::{self, Commented, Settings, Target},
    github::HeadBranch,
    plan::{Document, MAX_FILE},
};

/// Keep one comment on a pull request that says what its plan would do
///
/// FILE is what `wavemark plan --json` printed, or, of a plan with problems,
/// what `wavemark check --format json` did; `-` is stdin. It may come from a job
/// that nobody trusts: it is read strictly and rendered anew, and nothing in it
/// is a command, a link or a mention.
///
/// The comment is found by a mark and by its author, and edited in place; where
/// it says so already, nothing is written. `wavemark sync --reviewed` goes by the
/// hash in it. It takes GITHUB_TOKEN with `pull-requests: write`, and
/// GITHUB_REPOSITORY.
///
/// With `--head` and `--sha`, finds the pull request by what a job that
/// `workflow_run` started can trust, and says nothing about a commit that is no
/// longer the newest.
///
/// Exits 0 when the comment is there, or when there is nothing to say any more.
#[derive(Debug, Args)]
pub(super) struct CommentArgs {
    /// What `wavemark plan --json` or `wavemark check --format json` printed
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The number of the pull request
    #[arg(long, value_name = "N", required_unless_present = "head", conflicts_with = "head")]
    pull_request: Option<u64>,

    /// The branch that the pull request comes from, and whose it is
    #[arg(long, value_name = "OWNER:BRANCH", requires = "sha")]
    head: Option<HeadBranch>,

    /// The commit there that FILE is about
    #[arg(long, value_name = "SHA", requires = "head", value_parser = sha)]
    sha: Option<String>,
}

pub(super) async fn comment(settings: &Settings, args: CommentArgs) -> anyhow::Result<Outcome> {
    let path = settings.directory.join(&args.file);
    let document = Document::parse(&read(&args.file, &path)?)
        .with_context(|| format!("cannot use {}", args.file.display()))?;
    let target = match (args.pull_request, args.head, args.sha) {
        (Some(number), ..) => Target::Number(number),
        (None, Some(branch), Some(sha)) => Target::Head { branch, sha },
        _ => anyhow::bail!("either --pull-request, or --head and --sha, is needed"),
    };
    let said = match app::comment(settings, &document, &target).await? {
        Commented::Written { number } => format!("commented on #{number}\n"),
        Commented::Edited { number } => format!("edited the comment on #{number}\n"),
        Commented::Unchanged { number } => format!("the comment on #{number} says so already\n"),
        Commented::Outdated { number, newest } => format!(
            "said nothing: {newest} was pushed to #{number} meanwhile, and its own job comments\n"
        ),
        Commented::NoPullRequest { head } => {
            format!("said nothing: no open pull request comes from {head}\n")
        }
    };
    output::say(&said)?;
    Ok(Outcome::Done)
}

/// As much of a file as may be used, and a byte more if there is one.
fn read(named: &Path, path: &Path) -> anyhow::Result<Vec<u8>> {
    let source: Box<dyn Read> = match named.as_os_str() == "-" {
        true => Box::new(io::stdin()),
        false => {
            let file = File::open(path);
            Box::new(file.with_context(|| format!("cannot read {}", named.display()))?)
        }
    };
    let mut bytes = Vec::new();
    let most = MAX_FILE as u64 + 1;
    source
        .take(most)
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read {}", named.display()))?;
    Ok(bytes)
}

fn sha(text: &str) -> Result<String, String> {
    match is_commit(text) {
        true => Ok(text.to_ascii_lowercase()),
        false => Err("a commit is written as 40 hexadecimal digits".to_owned()),
    }
}

/// Whether this is a commit's name, in full.
pub(super) fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
