//! How a run ended, wherever it went on: from what is known of it to what is
//! written down.

use std::collections::BTreeSet;

use crate::{
    model::{ArtifactKey, Digest, Outcome, RunId},
    runner::{Evidence, Exit, verdict},
    store::Ending,
};

/// What is declared and not among what is stored.
pub(super) fn missing(
    produces: &BTreeSet<ArtifactKey>,
    run: RunId,
    stored: &[(RunId, ArtifactKey)],
) -> Vec<ArtifactKey> {
    let has = |key: &ArtifactKey| stored.iter().any(|(of, have)| *of == run && have == key);
    produces.iter().filter(|key| !has(key)).cloned().collect()
}

/// How a run ended, from what is known of it.
pub(super) fn ending(
    (run, token): (RunId, Digest),
    evidence: &Evidence,
    missing: &[ArtifactKey],
    asked: bool,
) -> Ending {
    let verdict = verdict(evidence, missing, asked);
    Ending {
        run,
        token,
        outcome: verdict.outcome,
        detail: verdict.detail,
        exit_code: match evidence.exit {
            Exit::Code(code) => Some(code),
            // As a shell shows it.
            Exit::Signal(signal) => Some(128 + signal),
            Exit::NotStarted(_) | Exit::NotYet(_) | Exit::Unseen(_) | Exit::Elsewhere(_) => None,
        },
        log_tail: evidence.log_tail.clone(),
        summary: (verdict.outcome == Outcome::Succeeded)
            .then(|| evidence.summary.clone())
            .flatten(),
        usage: None,
        reported: None,
    }
}
