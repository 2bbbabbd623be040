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
        let commit = Oid::from_str(&claim.commit).ok().filter(|id| branch.contains(id));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::archive::{
        Landed,
        testing::{BRANCH, Via, World, entries},
    };

    fn claim(landed: &Landed, content: &str) -> Claim {
        let Landed { id, commit, path, .. } = landed.clone();
        Claim { id, commit, path, sha256: Digest::of(content) }
    }

    #[test]
    fn each_way_to_disagree_is_told_apart() {
        for via in Via::BOTH {
            let world = World::new();
            let archive = world.archive(via, "one");
            let landed = archive.publish_all(&entries(0..3), None).unwrap();
            let good = claim(&landed[0], "text 0\n");
            let changed = claim(&landed[1], "text 9\n");
            let mut moved = claim(&landed[2], "text 2\n");
            moved.path += "x";
            let mut invented = good.clone();
            invented.commit = "f".repeat(40);

            let faults = archive.verify(&[good.clone(), changed, moved, invented]).unwrap();

            assert_eq!(
                faults,
                [
                    (landed[1].id, Fault::Differs(Digest::of("text 1\n"))),
                    (landed[2].id, Fault::NoFile),
                    (good.id, Fault::NoCommit),
                ]
            );
        }
    }

    #[test]
    fn a_commit_that_the_branch_lost_is_a_fault_though_the_cache_has_it() {
        let world = World::new();
        let archive = world.archive(Via::Http, "one");
        let landed = archive.publish_all(&entries(0..2), None).unwrap();
        world.git(&["update-ref", &format!("refs/heads/{BRANCH}"), &landed[0].commit]);

        let faults = archive.verify(&[claim(&landed[1], "text 1\n")]).unwrap();

        assert_eq!(faults, [(landed[1].id, Fault::NoCommit)]);
    }
}
