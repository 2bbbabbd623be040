//! Compares rows with the branch.

use git2::{Oid, Repository};

use crate::model::{ArtifactId, Digest};

use super::{Error, history, landed};

/// What a row says about its commit.
#[derive(Clone, Debug)]
pub struct Claim {
    /// The row's id.
    pub id: ArtifactId,
    /// The commit it is said to be in.
    pub commit: String,
    /// The path it is said to be at.
    pub path: String,
    /// Of the content.
    pub sha256: Digest,
}

/// How a row and the branch disagree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The branch does not contain the commit.
    NoCommit,
    /// The commit has no file at the path.
    NoFile,
    /// The file has other content, with this digest.
    Differs(Digest),
}

/// The claims that are not so, in the order given.
pub(super) fn verify(
    repo: &Repository,
    head: Option<Oid>,
    claims: &[Claim],
) -> Result<Vec<(ArtifactId, Fault)>, Error> {
    let branch = history::all(repo, head)?;
    let mut faults = Vec::new();
    for claim in claims {
        let commit = Oid::from_str(&claim.commit)
            .ok()
            .filter(|id| branch.contains(id));
        let fault = match commit {
            None => Some(Fault::NoCommit),
            Some(id) => match landed::digest_at(repo, &repo.find_commit(id)?, &claim.path)? {
                None => Some(Fault::NoFile),
                Some(digest) if digest != claim.sha256 => Some(Fault::Differs(digest)),
                Some(_) => None,
            },
        };
        faults.extend(fault.map(|fault| (claim.id, fault)));
    }
    Ok(faults)
}
