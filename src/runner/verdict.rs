//! From evidence to an outcome: the one table, the same for every runner.
//!
//! An exit code proves nothing. Every agent program that was tried exits 0 and
//! calls itself successful when its tools were denied and nothing was made. So
//! success needs what the definition declares in `produces`, stored.

use super::report::{Evidence, Exit, Finish};
use crate::model::{ArtifactKey, Outcome, StopReason};

/// sysexits.h's `EX_TEMPFAIL`: try again later.
const TRY_AGAIN: i32 = 75;
/// sysexits.h's `EX_CONFIG`: trying again is pointless.
const POINTLESS: i32 = 78;

/// How a run ended, and the sentence that explains it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// How it ended. It also says which budget for retries it counts against.
    pub outcome: Outcome,
    /// Why, in words for people.
    pub detail: String,
}

/// Judges a run that ended.
///
/// `missing` is what the definition declares and the store does not have;
/// `asked` is whether the run raised a question that is still open.
pub fn verdict(evidence: &Evidence, missing: &[ArtifactKey], asked: bool) -> Verdict {
    use Outcome::{Deferred, Failed, Paused, Refused, Succeeded};

    let exit = &evidence.exit;
    let says_done = match evidence.finish {
        Some(Finish::Complete) => true,
        Some(Finish::Failed | Finish::Feedback) => false,
        None => *exit == Exit::Code(0),
    };
    let ended_well = says_done && missing.is_empty() && !asked;

    let (outcome, detail) = match (evidence.stopped, evidence.finish, exit) {
        (Some(StopReason::Superseded), ..) => of_stop(StopReason::Superseded),
        (Some(_), ..) if ended_well => (Succeeded, "finished while it was being stopped".into()),
        (Some(reason), ..) => of_stop(reason),
        (.., Exit::NotStarted(why)) => (Refused, why.clone()),
        _ if asked => (Paused, "asked a question".into()),
        _ if ended_well => (Succeeded, "everything declared is stored".into()),
        (_, Some(Finish::Failed), _) => (Failed, with_summary("said that it failed", evidence)),
        (_, Some(Finish::Feedback), _) => (
            Failed,
            "said that it waits for feedback, but asked nothing: use `wavemark ask`".into(),
        ),
        _ if says_done => {
            (Failed, format!("{} but did not produce {}", ended(evidence), list(missing)))
        }
        (.., Exit::Code(TRY_AGAIN)) => (Deferred, "exited 75: asked to be tried again".into()),
        (.., Exit::Code(POINTLESS)) => {
            (Refused, "exited 78: said that trying again is pointless".into())
        }
        _ => (Failed, ended(evidence)),
    };
    Verdict { outcome, detail }
}

fn of_stop(reason: StopReason) -> (Outcome, String) {
    match reason {
        StopReason::Feedback => (Outcome::Paused, "stopped for feedback".into()),
        StopReason::Paused => (Outcome::Paused, "stopped because an operator paused it".into()),
        StopReason::Timeout => (Outcome::TimedOut, "stopped at its deadline".into()),
        StopReason::Stalled => (Outcome::Stalled, "stopped because it gave no sign of life".into()),
        StopReason::Interrupted => {
            (Outcome::Interrupted, "stopped because whoever ran it was told to stop".into())
        }
        StopReason::Superseded => (Outcome::Lost, "stopped because another run took over".into()),
    }
}

fn ended(evidence: &Evidence) -> String {
    match (&evidence.exit, evidence.finish) {
        (_, Some(Finish::Complete)) => "said that it finished".into(),
        (Exit::Code(code), _) => format!("exited {code}"),
        (Exit::Signal(signal), _) => format!("died of {}", signal_name(*signal)),
        (Exit::NotStarted(why), _) => why.clone(),
    }
}

fn with_summary(what: &str, evidence: &Evidence) -> String {
    match evidence.summary.as_deref().and_then(|text| text.lines().next()) {
        Some(line) => format!("{what}: {line}"),
        None => what.into(),
    }
}

fn list(missing: &[ArtifactKey]) -> String {
    let names: Vec<String> = missing.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// What people call a signal.
fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        8 => "SIGFPE",
        9 => "SIGKILL: somebody killed it, or the machine ran out of memory",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        other => return format!("signal {other}"),
    };
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every combination, one line for each verdict that differs.
    #[test]
    fn the_verdicts() {
        let exits = [
            ("exit 0", Exit::Code(0)),
            ("exit 1", Exit::Code(1)),
            ("exit 75", Exit::Code(75)),
            ("exit 78", Exit::Code(78)),
            ("SIGKILL", Exit::Signal(9)),
            ("not started", Exit::NotStarted("there is no program `x`".into())),
        ];
        let finishes = [
            ("", None),
            ("complete", Some(Finish::Complete)),
            ("failed", Some(Finish::Failed)),
            ("feedback", Some(Finish::Feedback)),
        ];
        let gap = ["doc/x.md".parse().unwrap()];
        let stored: [(&str, &[ArtifactKey]); 2] = [("all", &[]), ("gap", &gap)];

        let mut table = String::from("exit        says      stored  asked -> verdict\n");
        for (exit_name, exit) in &exits {
            for (finish_name, finish) in finishes {
                if matches!(exit, Exit::NotStarted(_)) && finish.is_some() {
                    continue;
                }
                for (stored_name, missing) in stored {
                    for asked in [false, true] {
                        let evidence = Evidence { finish, ..Evidence::of(exit.clone()) };
                        let Verdict { outcome, detail } = verdict(&evidence, missing, asked);
                        let asked = if asked { "asked" } else { "" };
                        table += &format!(
                            "{exit_name:<11} {finish_name:<9} {stored_name:<7} {asked:<5} -> {outcome}: {detail}\n"
                        );
                    }
                }
            }
        }
        insta::assert_snapshot!(table, @"
        exit        says      stored  asked -> verdict
        exit 0                all           -> succeeded: everything declared is stored
        exit 0                all     asked -> paused: asked a question
        exit 0                gap           -> failed: exited 0 but did not produce doc/x.md
        exit 0                gap     asked -> paused: asked a question
        exit 0      complete  all           -> succeeded: everything declared is stored
        exit 0      complete  all     asked -> paused: asked a question
        exit 0      complete  gap           -> failed: said that it finished but did not produce doc/x.md
        exit 0      complete  gap     asked -> paused: asked a question
        exit 0      failed    all           -> failed: said that it failed
        exit 0      failed    all     asked -> paused: asked a question
        exit 0      failed    gap           -> failed: said that it failed
        exit 0      failed    gap     asked -> paused: asked a question
        exit 0      feedback  all           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 0      feedback  all     asked -> paused: asked a question
        exit 0      feedback  gap           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 0      feedback  gap     asked -> paused: asked a question
        exit 1                all           -> failed: exited 1
        exit 1                all     asked -> paused: asked a question
        exit 1                gap           -> failed: exited 1
        exit 1                gap     asked -> paused: asked a question
        exit 1      complete  all           -> succeeded: everything declared is stored
        exit 1      complete  all     asked -> paused: asked a question
        exit 1      complete  gap           -> failed: said that it finished but did not produce doc/x.md
        exit 1      complete  gap     asked -> paused: asked a question
        exit 1      failed    all           -> failed: said that it failed
        exit 1      failed    all     asked -> paused: asked a question
        exit 1      failed    gap           -> failed: said that it failed
        exit 1      failed    gap     asked -> paused: asked a question
        exit 1      feedback  all           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 1      feedback  all     asked -> paused: asked a question
        exit 1      feedback  gap           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 1      feedback  gap     asked -> paused: asked a question
        exit 75               all           -> deferred: exited 75: asked to be tried again
        exit 75               all     asked -> paused: asked a question
        exit 75               gap           -> deferred: exited 75: asked to be tried again
        exit 75               gap     asked -> paused: asked a question
        exit 75     complete  all           -> succeeded: everything declared is stored
        exit 75     complete  all     asked -> paused: asked a question
        exit 75     complete  gap           -> failed: said that it finished but did not produce doc/x.md
        exit 75     complete  gap     asked -> paused: asked a question
        exit 75     failed    all           -> failed: said that it failed
        exit 75     failed    all     asked -> paused: asked a question
        exit 75     failed    gap           -> failed: said that it failed
        exit 75     failed    gap     asked -> paused: asked a question
        exit 75     feedback  all           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 75     feedback  all     asked -> paused: asked a question
        exit 75     feedback  gap           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 75     feedback  gap     asked -> paused: asked a question
        exit 78               all           -> refused: exited 78: said that trying again is pointless
        exit 78               all     asked -> paused: asked a question
        exit 78               gap           -> refused: exited 78: said that trying again is pointless
        exit 78               gap     asked -> paused: asked a question
        exit 78     complete  all           -> succeeded: everything declared is stored
        exit 78     complete  all     asked -> paused: asked a question
        exit 78     complete  gap           -> failed: said that it finished but did not produce doc/x.md
        exit 78     complete  gap     asked -> paused: asked a question
        exit 78     failed    all           -> failed: said that it failed
        exit 78     failed    all     asked -> paused: asked a question
        exit 78     failed    gap           -> failed: said that it failed
        exit 78     failed    gap     asked -> paused: asked a question
        exit 78     feedback  all           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 78     feedback  all     asked -> paused: asked a question
        exit 78     feedback  gap           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        exit 78     feedback  gap     asked -> paused: asked a question
        SIGKILL               all           -> failed: died of SIGKILL: somebody killed it, or the machine ran out of memory
        SIGKILL               all     asked -> paused: asked a question
        SIGKILL               gap           -> failed: died of SIGKILL: somebody killed it, or the machine ran out of memory
        SIGKILL               gap     asked -> paused: asked a question
        SIGKILL     complete  all           -> succeeded: everything declared is stored
        SIGKILL     complete  all     asked -> paused: asked a question
        SIGKILL     complete  gap           -> failed: said that it finished but did not produce doc/x.md
        SIGKILL     complete  gap     asked -> paused: asked a question
        SIGKILL     failed    all           -> failed: said that it failed
        SIGKILL     failed    all     asked -> paused: asked a question
        SIGKILL     failed    gap           -> failed: said that it failed
        SIGKILL     failed    gap     asked -> paused: asked a question
        SIGKILL     feedback  all           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        SIGKILL     feedback  all     asked -> paused: asked a question
        SIGKILL     feedback  gap           -> failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        SIGKILL     feedback  gap     asked -> paused: asked a question
        not started           all           -> refused: there is no program `x`
        not started           all     asked -> refused: there is no program `x`
        not started           gap           -> refused: there is no program `x`
        not started           gap     asked -> refused: there is no program `x`
        ");
    }

    #[test]
    fn the_verdicts_on_stopped_runs() {
        let mut table = String::new();
        let exits = [Exit::Code(0), Exit::Code(1), Exit::Code(75), Exit::Code(78), Exit::Signal(9)];
        for &reason in StopReason::ALL {
            let of = |exit: &Exit, missing: &[ArtifactKey], asked| {
                let stopped = Some(reason);
                verdict(&Evidence { stopped, ..Evidence::of(exit.clone()) }, missing, asked)
            };
            let usual = of(&Exit::Signal(9), &[], false);
            table += &format!("{reason:<11} -> {}: {}\n", usual.outcome, usual.detail);
            let well = of(&Exit::Code(0), &[], false);
            table += &format!("  ended well -> {}: {}\n", well.outcome, well.detail);

            let gap = ["doc/x.md".parse().unwrap()];
            for exit in &exits {
                assert_eq!(of(exit, &gap, false), usual, "{exit:?}, something missing");
                assert_eq!(of(exit, &[], true), usual, "{exit:?}, asked");
            }
        }
        insta::assert_snapshot!(table, @"
        feedback    -> paused: stopped for feedback
          ended well -> succeeded: finished while it was being stopped
        paused      -> paused: stopped because an operator paused it
          ended well -> succeeded: finished while it was being stopped
        timeout     -> timed_out: stopped at its deadline
          ended well -> succeeded: finished while it was being stopped
        stalled     -> stalled: stopped because it gave no sign of life
          ended well -> succeeded: finished while it was being stopped
        interrupted -> interrupted: stopped because whoever ran it was told to stop
          ended well -> succeeded: finished while it was being stopped
        superseded  -> lost: stopped because another run took over
          ended well -> lost: stopped because another run took over
        ");
    }

    #[test]
    fn a_failure_is_told_in_the_agents_own_words() {
        let evidence = Evidence {
            finish: Some(Finish::Failed),
            summary: Some("No sheet is shared with me.\n\nMore.".into()),
            ..Evidence::of(Exit::Code(0))
        };
        insta::assert_snapshot!(
            verdict(&evidence, &[], false).detail,
            @"said that it failed: No sheet is shared with me."
        );
    }
}
