//! What is known of a run that goes on elsewhere, as evidence: the verdict on it
//! is found in the same table as on any other.

use crate::{
    model::{Finish, credential},
    runner::{Evidence, Exit},
    store::{RemoteRun, Reported},
};

/// How n8n calls the failure of an execution that it did not survive itself.
const CRASHED: &str = "WorkflowCrashedError";

/// The evidence that a run is over; none while it goes on.
///
/// `seen` is what somebody else says about its end. What it said itself goes
/// first, and being asked to stop only counts once it had time for it.
pub(super) fn evidence(run: &RemoteRun, seen: Option<Exit>) -> Option<Evidence> {
    if let Some(reported) = &run.reported {
        return Some(Evidence { stopped: run.stop, ..of_report(&reported.0) });
    }
    if run.stop.is_some() && run.had_its_time {
        let exit = Exit::Unseen("it went on elsewhere".to_owned());
        return Some(Evidence { stopped: run.stop, ..Evidence::of(exit) });
    }
    seen.map(|exit| Evidence { stopped: run.stop, ..Evidence::of(exit) })
}

fn of_report(reported: &Reported) -> Evidence {
    let summary = reported.summary.as_deref().map(credential::without);
    let said = summary.clone().unwrap_or_default();
    if reported.cause.as_deref() == Some(CRASHED) {
        let why = format!("n8n was cut off while it worked on it: {said}");
        let exit = Exit::Unseen(why.trim_end_matches([':', ' ']).to_owned());
        return Evidence { summary, ..Evidence::of(exit) };
    }
    let exit = Exit::Elsewhere(format!("reported {}", reported.status));
    let log_tail = if reported.status == Finish::Complete { String::new() } else { said };
    Evidence { finish: Some(reported.status), summary, log_tail, ..Evidence::of(exit) }
}

#[cfg(test)]
mod tests {
    use sqlx::types::Json;

    use super::*;
    use crate::{
        model::{Digest, Epoch, Instant, RunId, StopReason},
        runner::verdict,
    };

    fn run() -> RemoteRun {
        RemoteRun {
            run: RunId::random(),
            token: Digest::of("token"),
            agent: "vision".parse().unwrap(),
            epoch: Epoch(1),
            claimed_at: Instant::UNIX_EPOCH,
            taken_at: Instant::UNIX_EPOCH,
            reference: None,
            is_claimed: true,
            reported: None,
            stop: None,
            had_its_time: false,
            is_silent: false,
            asked: false,
            checkpoints: 0,
            usage: None,
            definition: None,
        }
    }

    fn said(status: Finish, summary: &str, cause: Option<&str>) -> RemoteRun {
        let reported = Reported {
            status,
            summary: Some(summary.to_owned()),
            cause: cause.map(ToOwned::to_owned),
        };
        RemoteRun { reported: Some(Json(reported)), ..run() }
    }

    /// The verdict on a run, in a line.
    fn judged(run: &RemoteRun, seen: Option<Exit>) -> String {
        evidence(run, seen).map_or("goes on".to_owned(), |evidence| {
            let verdict = verdict(&evidence, &[], run.asked);
            format!("{}: {}", verdict.outcome, verdict.detail)
        })
    }

    #[test]
    fn a_run_ends_as_it_says() {
        let lines: Vec<String> = Finish::ALL
            .iter()
            .map(|&status| {
                format!("{status:<9}-> {}", judged(&said(status, "So it is.", None), None))
            })
            .collect();
        insta::assert_snapshot!(lines.join("\n"), @"
        complete -> succeeded: everything declared is stored
        failed   -> failed: said that it failed: So it is.
        refused  -> refused: said that trying again is pointless: So it is.
        deferred -> deferred: asked to be tried again: So it is.
        feedback -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        ");
    }

    #[test]
    fn a_run_that_asked_is_paused_whatever_it_says() {
        for &status in Finish::ALL {
            let run = RemoteRun { asked: true, ..said(status, "", None) };
            assert_eq!(judged(&run, None), "paused: asked a question");
        }
    }

    #[test]
    fn a_machine_that_was_cut_off_is_no_failure_of_the_agent() {
        let run = said(Finish::Failed, "Workflow did not finish", Some(CRASHED));
        insta::assert_snapshot!(
            judged(&run, None),
            @"lost: nobody saw it end: n8n was cut off while it worked on it: Workflow did not finish"
        );
    }

    #[test]
    fn a_run_that_is_to_stop_gets_its_time() {
        let asked = RemoteRun { stop: Some(StopReason::Feedback), ..run() };
        assert_eq!(judged(&asked, None), "goes on");
        let late = RemoteRun { had_its_time: true, ..asked };
        assert_eq!(judged(&late, None), "paused: stopped for feedback");
        let done = RemoteRun { stop: Some(StopReason::Paused), ..said(Finish::Complete, "", None) };
        assert_eq!(judged(&done, None), "succeeded: finished while it was being stopped");
    }

    #[test]
    fn what_others_saw_counts_only_for_a_run_that_said_nothing() {
        let seen = || Some(Exit::Elsewhere("n8n calls it a failure".to_owned()));
        assert_eq!(judged(&run(), None), "goes on");
        assert_eq!(judged(&run(), seen()), "failed: n8n calls it a failure");
        let done = said(Finish::Complete, "", None);
        assert_eq!(judged(&done, seen()), "succeeded: everything declared is stored");
    }

    #[test]
    fn a_credential_in_a_report_is_not_kept() {
        let token = format!("ghp_{}", "Ab3dEf6hIj9lMn2pQr5tUv8xYz1aBc4eFg7i");
        let run = said(Finish::Failed, &format!("cannot push with {token}"), None);
        let evidence = evidence(&run, None).unwrap();
        assert_eq!(evidence.log_tail, "cannot push with ***");
        assert_eq!(evidence.summary.as_deref(), Some("cannot push with ***"));
    }
}
