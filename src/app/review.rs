//! What people see of a plan on its pull request, and what they agreed to.
//!
//! On the pull request, one comment says what the plan would do, and is kept up
//! to date. When it is merged, the digest in that comment is the plan that was
//! looked at.
//!
//! **Invariant:** only what our own account wrote is edited, deleted or
//! believed. What a comment is made of is read as if its worst enemy had written
//! it (see [`Document`]).

use anyhow::Context as _;

use super::Settings;
use crate::{
    github::{Comment, Error, Github, HeadBranch, Ourselves, PullRequest, Visit},
    mail::{PlanMark, Step, Upkeep},
    model::Digest,
    plan::Document,
};

/// How often a comment is written at most: again only after its answer was lost
/// and it was looked for.
const TRIES: u32 = 2;

/// Said where nobody can tell whose words the plan is made of.
const OF_A_FORK: &str = "\n<sub>This was made by a job of the fork, which could say anything: \
                         what counts are the files.</sub>\n";

/// What it comes to when GitHub does not answer.
const UNSURE: &str = "nothing was synced: cannot find out which plan people agreed to";

/// Nothing says who speaks on GitHub, or where.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nothing says who speaks on GitHub, or in which repo")]
pub struct NoGithub;

/// Several pull requests come from one branch.
#[derive(Clone, Debug, thiserror::Error)]
#[error("several open pull requests come from {head}: {numbers}")]
pub struct SeveralPulls {
    head: HeadBranch,
    numbers: String,
}

/// What was merged is not what people saw.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("when pull request #{number} was merged, its comment said that the plan has problems")]
pub struct NothingReviewed {
    number: u64,
}

/// Which pull request is meant.
#[derive(Clone, Debug)]
pub enum Target {
    /// The one with this number.
    Number(u64),
    /// The open one from this branch, as long as this commit is the newest there.
    Head {
        /// The branch.
        branch: HeadBranch,
        /// The commit.
        sha: String,
    },
}

/// What became of a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Commented {
    /// It is new.
    Written {
        /// On this pull request.
        number: u64,
    },
    /// It says something else than before.
    Edited {
        /// On this pull request.
        number: u64,
    },
    /// It said so before.
    Unchanged {
        /// On this pull request.
        number: u64,
    },
    /// Nothing was written, because newer commits were pushed meanwhile.
    Outdated {
        /// On this pull request.
        number: u64,
        /// The newest commit there.
        newest: String,
    },
    /// Nothing was written, because no open pull request comes from there.
    NoPullRequest {
        /// From where.
        head: HeadBranch,
    },
}

/// What people agreed to when they merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reviewed {
    /// The plan with this digest.
    Plan {
        /// On this pull request.
        number: u64,
        /// Its digest.
        hash: Digest,
    },
    /// Nobody knows: there is no comment of ours on this pull request.
    NoComment {
        /// The pull request.
        number: u64,
    },
    /// Nobody knows: no pull request was merged as that.
    NoPullRequest,
}

/// Says on a pull request what `document` says, in one comment.
pub async fn comment(
    settings: &Settings,
    document: &Document,
    target: &Target,
) -> anyhow::Result<Commented> {
    let mut visit = github(settings)?.visit();
    let pull = match target {
        Target::Number(number) => visit.pull_request(*number).await?,
        Target::Head { branch, sha } => {
            let mut found = visit.pull_requests_from(branch).await?;
            if found.len() > 1 {
                let numbers: Vec<String> =
                    found.iter().map(|pull| format!("#{}", pull.number)).collect();
                let (head, numbers) = (branch.clone(), numbers.join(", "));
                return Err(SeveralPulls { head, numbers }.into());
            }
            let Some(pull) = found.pop() else {
                return Ok(Commented::NoPullRequest { head: branch.clone() });
            };
            if !pull.head.sha.eq_ignore_ascii_case(sha) {
                return Ok(Commented::Outdated { number: pull.number, newest: pull.head.sha });
            }
            pull
        }
    };
    let mut text = document.to_markdown();
    if pull.is_from_fork() {
        text += OF_A_FORK;
    }
    let body = PlanMark(document.digest()).on(&text);
    let number = pull.number;
    keep_up(&mut visit, &pull, &body)
        .await
        .with_context(|| format!("cannot comment on pull request #{number}"))
}

/// Makes sure that there is one comment of ours, and that it says `body`.
async fn keep_up(visit: &mut Visit, pull: &PullRequest, body: &str) -> Result<Commented, Error> {
    let number = pull.number;
    let mut us = visit.ourselves().await?;
    let mut commented = Commented::Unchanged { number };
    let mut tries = 0;
    let mut is_there = false;
    loop {
        let comments = visit.comments(number, None).await?;
        let Upkeep { step, extra } = Upkeep::of(by(&us, &comments), body);
        match step {
            // A list may not show yet what was just written.
            Step::Write if is_there => return Ok(commented),
            Step::Write => {
                tries += 1;
                match visit.comment(number, body).await {
                    Ok(comment) => {
                        us = known(us, &comment);
                        is_there = true;
                    }
                    // Look whether it is there.
                    Err(Error::Unknown(_)) if tries < TRIES => {}
                    Err(err) => return Err(err),
                }
                commented = Commented::Written { number };
                // Somebody else may have written one at the same time.
                continue;
            }
            Step::Edit(id) => {
                match visit.edit_comment(id, body).await {
                    Ok(_) => {}
                    // It makes no difference whether this one took effect.
                    Err(Error::Unknown(_)) => drop(visit.edit_comment(id, body).await?),
                    Err(err) => return Err(err),
                }
                if !is_there && tries == 0 {
                    commented = Commented::Edited { number };
                }
            }
            Step::Leave(_) => {}
        }
        for id in extra {
            match visit.delete_comment(id).await {
                // Somebody else was faster; or the next one does it.
                Ok(()) | Err(Error::Missing { .. } | Error::Unknown(_)) => {}
                Err(err) => return Err(err),
            }
        }
        return Ok(commented);
    }
}

/// Who we are, now that something of ours is there to tell.
fn known(us: Ourselves, ours: &Comment) -> Ourselves {
    match &ours.user {
        Some(user) if !us.is(Some(user)) => Ourselves::Account(user.id),
        _ => us,
    }
}

/// The comments of one account, ids and bodies.
fn by<'a>(who: &Ourselves, comments: &'a [Comment]) -> impl Iterator<Item = (u64, &'a str)> {
    let theirs = comments.iter().filter(move |comment| who.is(comment.user.as_ref()));
    theirs.map(|comment| (comment.id, comment.body.as_str()))
}

/// Finds out which plan people agreed to when they merged what became `commit`.
pub async fn reviewed(settings: &Settings, commit: &str) -> anyhow::Result<Reviewed> {
    let mut visit = github(settings)?.visit();
    let pull = visit.merged_as(commit).await.context(UNSURE)?;
    let Some(PullRequest { number, .. }) = pull else { return Ok(Reviewed::NoPullRequest) };
    let marks = marks(&mut visit, number).await;
    let marks = marks.context(UNSURE)?;
    match marks.first() {
        Some(PlanMark(Some(hash))) => Ok(Reviewed::Plan { number, hash: *hash }),
        Some(PlanMark(None)) => Err(NothingReviewed { number }.into()),
        None => Ok(Reviewed::NoComment { number }),
    }
}

/// The marks of our comments on a pull request, then those of the repo's own
/// workflows: whoever syncs by hand has another account than they.
async fn marks(visit: &mut Visit, number: u64) -> Result<Vec<PlanMark>, Error> {
    let comments = visit.comments(number, None).await?;
    let accounts = [visit.ourselves().await?, Ourselves::actions()];
    let all = accounts.iter().flat_map(|account| by(account, &comments));
    Ok(all.filter_map(|(_, body)| PlanMark::of(body)).collect())
}

fn github(settings: &Settings) -> anyhow::Result<Github> {
    Ok(settings.github()?.ok_or(NoGithub)?)
}
