//! The workflows and the action, as they are in the repo of Wavemark itself.

use super::Release;

/// The workflows: where each goes, and what is in it.
pub(super) const WORKFLOW_TEXTS: [(&str, &str); 4] = [
    (super::TICK_PATH, include_str!("../../.github/workflows/tick.yml")),
    (".github/workflows/plan.yml", include_str!("../../.github/workflows/plan.yml")),
    (
        ".github/workflows/plan-comment.yml",
        include_str!("../../.github/workflows/plan-comment.yml"),
    ),
    (".github/workflows/sync.yml", include_str!("../../.github/workflows/sync.yml")),
];

/// Downloads a release that it is told, and checks it.
const SETUP: &str = include_str!("../../.github/actions/setup/action.yml");

/// What an input of it is where it is not told.
const UNTOLD: &str = "    default: ''\n";

/// The action that brings this release to a job, and no other.
pub(super) fn action(release: &Release) -> String {
    let sums: String = release
        .digests
        .iter()
        .map(|(target, digest)| format!("      {digest}  {}\n", Release::file(target)))
        .collect();
    let told = [
        format!("    default: '{}'\n", release.version),
        format!("    default: '{}'\n", release.releases.replace('\'', "''")),
        format!("    default: |\n{sums}"),
    ];
    let (_, body) = SETUP.split_once("\nname:").unwrap_or(("", SETUP));
    let mut pieces = body.splitn(told.len() + 1, UNTOLD);
    let mut text = "# Puts this release of wavemark on the PATH of a job, after checking that it is the one.\n\
                    # A newer `wavemark init` pins a newer one.\n\
                    name:"
        .to_owned();
    text += pieces.next().unwrap_or_default();
    for (told, after) in told.iter().zip(pieces) {
        text += told;
        text += after;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scaffold::TARGETS;

    #[test]
    fn the_action_pins_a_release_and_its_checksums() {
        let sums = TARGETS
            .iter()
            .zip(1..)
            .map(|(target, n)| format!("{n:064x}  {}\n", Release::file(target)));
        let release = Release::read(
            "https://github.com/acme/wavemark/releases/download",
            "1.2.3",
            &sums.collect::<String>(),
        );
        let text = action(&release.unwrap());
        let (inputs, _) = text.split_once("\nruns:").unwrap();
        insta::assert_snapshot!(inputs, @"
        # Puts this release of wavemark on the PATH of a job, after checking that it is the one.
        # A newer `wavemark init` pins a newer one.
        name: setup wavemark
        description: Puts a released wavemark on the PATH, after checking that it is the one

        inputs:
          version:
            description: Which release, such as 0.1.0; as a rule the one that this action is of
            default: '1.2.3'
          releases:
            description: Where releases are; as a rule those of the repository that this action is of
            default: 'https://github.com/acme/wavemark/releases/download'
          checksums:
            description: The SHA-256 of the archive for each target, a line each, as in SHA256SUMS
            default: |
              0000000000000000000000000000000000000000000000000000000000000004  wavemark-aarch64-apple-darwin.tar.gz
              0000000000000000000000000000000000000000000000000000000000000002  wavemark-aarch64-unknown-linux-musl.tar.gz
              0000000000000000000000000000000000000000000000000000000000000003  wavemark-x86_64-apple-darwin.tar.gz
              0000000000000000000000000000000000000000000000000000000000000001  wavemark-x86_64-unknown-linux-musl.tar.gz
        ");
        assert!(!text.contains(UNTOLD), "{text}");
    }

    #[test]
    fn the_workflow_that_ticks_and_builds_has_a_place_for_secrets_in_either_job() {
        let (_, text) = WORKFLOW_TEXTS[0];
        let (tick, build) = text.split_once("\n  build:\n").unwrap();
        for (job, other, words) in [
            (build, tick, "# wavemark: secrets of agents"),
            (tick, build, "# wavemark: secrets of webhooks"),
        ] {
            assert_eq!((job.matches(words).count(), other.matches(words).count()), (1, 0));
        }
        for (path, text) in WORKFLOW_TEXTS {
            assert!(text.contains("uses: ./.github/actions/wavemark"), "{path}");
        }
    }
}
