//! From evidence to an outcome: the one table, the same for every runner.
//!
//! An exit code proves nothing. Every agent program that was tried exits 0 and
//! calls itself successful when its tools were denied and nothing was made. So
//! success needs what the definition declares in `produces`, stored.

use super::{
    events::{End, Fault},
    report::{Evidence, Exit},
};
use crate::model::{ArtifactKey, Finish, Outcome, StopReason};

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
    use Outcome::{Deferred, Failed, Lost, Paused, Refused, Stalled, Succeeded, TimedOut};

    let exit = &evidence.exit;
    let says_done = match evidence.finish {
        Some(Finish::Complete) => true,
        Some(_) => false,
        // Its last event has to say so, too; its exit code is judged with that.
        None => evidence.end.as_ref().map_or(*exit == Exit::Code(0), |end| *end == End::Good),
    };
    let ended_well = says_done && missing.is_empty() && !asked;

    let (outcome, detail) = match (evidence.stopped, evidence.finish, exit) {
        (Some(StopReason::Superseded), ..) => of_stop(StopReason::Superseded),
        (Some(_), ..) if ended_well => (Succeeded, "finished while it was being stopped".into()),
        (Some(reason), ..) => of_stop(reason),
        (.., Exit::NotStarted(why)) => (Refused, why.clone()),
        (.., Exit::NotYet(why)) => (Lost, format!("not started: {why}")),
        _ if asked => (Paused, "asked a question".into()),
        _ if ended_well => (Succeeded, "everything declared is stored".into()),
        (_, Some(Finish::Failed), _) => (Failed, with_summary("said that it failed", evidence)),
        (_, Some(Finish::Refused), _) => {
            (Refused, with_summary("said that trying again is pointless", evidence))
        }
        (_, Some(Finish::Deferred), _) => {
            (Deferred, with_summary("asked to be tried again", evidence))
        }
        (_, Some(Finish::Feedback), _) => (
            Failed,
            "said that it waits for feedback, but asked nothing: use `wavemark ask`".into(),
        ),
        _ if says_done => {
            let denied = denied(evidence);
            (Failed, format!("{} but did not produce {}{denied}", ended(evidence), list(missing)))
        }
        // Trying a login again that is refused is pointless.
        _ if let Some(End::Bad(Fault::Login | Fault::Budget, why)) = &evidence.end => {
            (Refused, why.clone())
        }
        _ if let Some(End::Bad(_, why)) = &evidence.end => (Failed, why.clone()),
        (.., Exit::Unseen(why)) => (Lost, format!("nobody saw it end: {why}")),
        _ if evidence.end == Some(End::Open)
            && !matches!(exit, Exit::Code(TRY_AGAIN | POINTLESS)) =>
        {
            let denied = denied(evidence);
            let ended = ended(evidence);
            let silent = match evidence.exit {
                Exit::Code(_) => " without saying how it went",
                _ => "",
            };
            (Failed, format!("{ended}{silent}{denied}"))
        }
        (.., Exit::Code(TRY_AGAIN)) => (Deferred, "exited 75: asked to be tried again".into()),
        (.., Exit::Code(POINTLESS)) => {
            (Refused, "exited 78: said that trying again is pointless".into())
        }
        _ => (Failed, ended(evidence)),
    };
    // To spend as much once more is for a person to allow.
    match &evidence.spent {
        Some(spent) if matches!(outcome, Failed | TimedOut | Stalled | Deferred) => {
            Verdict { outcome: Refused, detail: format!("{detail}; it {spent}") }
        }
        _ => Verdict { outcome, detail },
    }
}

fn of_stop(reason: StopReason) -> (Outcome, String) {
    match reason {
        StopReason::Feedback => (Outcome::Paused, "stopped for feedback".into()),
        StopReason::Paused => (Outcome::Paused, "stopped because an operator paused it".into()),
        StopReason::Budget => (Outcome::Paused, "stopped because a budget is used up".into()),
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
        (
            Exit::NotStarted(why) | Exit::NotYet(why) | Exit::Unseen(why) | Exit::Elsewhere(why),
            _,
        ) => why.clone(),
    }
}

/// What may be why.
fn denied(evidence: &Evidence) -> String {
    let tools: Vec<&str> = evidence.denied.iter().map(String::as_str).collect();
    match tools.as_slice() {
        [] => String::new(),
        tools => format!("; it was denied {}: may it use that?", tools.join(", ")),
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
    use std::collections::BTreeMap;

    use super::*;

    const EXITS: [(&str, Exit); 5] = [
        ("exit 0", Exit::Code(0)),
        ("exit 1", Exit::Code(1)),
        ("exit 75", Exit::Code(75)),
        ("exit 78", Exit::Code(78)),
        ("SIGKILL", Exit::Signal(9)),
    ];

    const FINISHES: [(&str, Option<Finish>); 6] = [
        ("", None),
        ("complete", Some(Finish::Complete)),
        ("failed", Some(Finish::Failed)),
        ("refused", Some(Finish::Refused)),
        ("deferred", Some(Finish::Deferred)),
        ("feedback", Some(Finish::Feedback)),
    ];

    fn gap() -> Vec<ArtifactKey> {
        vec!["doc/x.md".parse().unwrap()]
    }

    #[test]
    fn the_verdicts() {
        let mut table = String::from("exit     says      | all stored  one missing  asked\n");
        let mut details = BTreeMap::new();
        for (exit_name, exit) in EXITS {
            for (finish_name, finish) in FINISHES {
                let evidence = Evidence { finish, ..Evidence::of(exit.clone()) };
                let row =
                    [(vec![], false), (gap(), false), (vec![], true)].map(|(missing, asked)| {
                        let verdict = verdict(&evidence, &missing, asked);
                        details.insert(verdict.detail, verdict.outcome);
                        verdict.outcome
                    });
                assert_eq!(verdict(&evidence, &gap(), true), verdict(&evidence, &[], true));
                let [stored, missing, asked] = row;
                table += &format!(
                    "{exit_name:<8} {finish_name:<9} | {stored:<11} {missing:<12} {asked}\n"
                );
            }
        }
        for (detail, outcome) in details {
            table += &format!("\n{outcome}: {detail}");
        }
        insta::assert_snapshot!(table, @"
        exit     says      | all stored  one missing  asked
        exit 0             | succeeded   failed       paused
        exit 0   complete  | succeeded   failed       paused
        exit 0   failed    | failed      failed       paused
        exit 0   refused   | refused     refused      paused
        exit 0   deferred  | deferred    deferred     paused
        exit 0   feedback  | failed      failed       paused
        exit 1             | failed      failed       paused
        exit 1   complete  | succeeded   failed       paused
        exit 1   failed    | failed      failed       paused
        exit 1   refused   | refused     refused      paused
        exit 1   deferred  | deferred    deferred     paused
        exit 1   feedback  | failed      failed       paused
        exit 75            | deferred    deferred     paused
        exit 75  complete  | succeeded   failed       paused
        exit 75  failed    | failed      failed       paused
        exit 75  refused   | refused     refused      paused
        exit 75  deferred  | deferred    deferred     paused
        exit 75  feedback  | failed      failed       paused
        exit 78            | refused     refused      paused
        exit 78  complete  | succeeded   failed       paused
        exit 78  failed    | failed      failed       paused
        exit 78  refused   | refused     refused      paused
        exit 78  deferred  | deferred    deferred     paused
        exit 78  feedback  | failed      failed       paused
        SIGKILL            | failed      failed       paused
        SIGKILL  complete  | succeeded   failed       paused
        SIGKILL  failed    | failed      failed       paused
        SIGKILL  refused   | refused     refused      paused
        SIGKILL  deferred  | deferred    deferred     paused
        SIGKILL  feedback  | failed      failed       paused

        paused: asked a question
        deferred: asked to be tried again
        failed: died of SIGKILL: somebody killed it, or the machine ran out of memory
        succeeded: everything declared is stored
        failed: exited 0 but did not produce doc/x.md
        failed: exited 1
        deferred: exited 75: asked to be tried again
        refused: exited 78: said that trying again is pointless
        failed: said that it failed
        failed: said that it finished but did not produce doc/x.md
        failed: said that it waits for feedback, but asked nothing: use `wavemark ask`
        refused: said that trying again is pointless
        ");
    }

    #[test]
    fn the_verdicts_on_agent_programs() {
        let ends = [
            ("good", End::Good),
            ("open", End::Open),
            ("login", End::Bad(Fault::Login, "the login is refused: set KEY".into())),
            ("turns", End::Bad(Fault::Turns, "reached its limit: raise it".into())),
            ("budget", End::Bad(Fault::Budget, "spent it: raise it".into())),
        ];
        let mut table = String::new();
        for (name, end) in ends {
            for (finish_name, finish) in [FINISHES[0], FINISHES[1], FINISHES[2]] {
                for denied in [vec![], vec!["Bash".to_owned()]] {
                    let evidence = Evidence {
                        end: Some(end.clone()),
                        finish,
                        denied: denied.into_iter().collect(),
                        ..Evidence::of(Exit::Code(0))
                    };
                    let of = |missing: &[ArtifactKey], asked| verdict(&evidence, missing, asked);
                    let (stored, missing) = (of(&[], false), of(&gap(), false));
                    table += &format!(
                        "{name} {finish_name}{}\n  stored: {}: {}\n  missing: {}: {}\n",
                        if evidence.denied.is_empty() { "" } else { " denied" },
                        stored.outcome,
                        stored.detail,
                        missing.outcome,
                        missing.detail,
                    );
                    assert_eq!(of(&[], true).outcome, Outcome::Paused);
                }
            }
        }
        insta::assert_snapshot!(table, @"
        good 
          stored: succeeded: everything declared is stored
          missing: failed: exited 0 but did not produce doc/x.md
        good  denied
          stored: succeeded: everything declared is stored
          missing: failed: exited 0 but did not produce doc/x.md; it was denied Bash: may it use that?
        good complete
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md
        good complete denied
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md; it was denied Bash: may it use that?
        good failed
          stored: failed: said that it failed
          missing: failed: said that it failed
        good failed denied
          stored: failed: said that it failed
          missing: failed: said that it failed
        open 
          stored: failed: exited 0 without saying how it went
          missing: failed: exited 0 without saying how it went
        open  denied
          stored: failed: exited 0 without saying how it went; it was denied Bash: may it use that?
          missing: failed: exited 0 without saying how it went; it was denied Bash: may it use that?
        open complete
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md
        open complete denied
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md; it was denied Bash: may it use that?
        open failed
          stored: failed: said that it failed
          missing: failed: said that it failed
        open failed denied
          stored: failed: said that it failed
          missing: failed: said that it failed
        login 
          stored: refused: the login is refused: set KEY
          missing: refused: the login is refused: set KEY
        login  denied
          stored: refused: the login is refused: set KEY
          missing: refused: the login is refused: set KEY
        login complete
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md
        login complete denied
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md; it was denied Bash: may it use that?
        login failed
          stored: failed: said that it failed
          missing: failed: said that it failed
        login failed denied
          stored: failed: said that it failed
          missing: failed: said that it failed
        turns 
          stored: failed: reached its limit: raise it
          missing: failed: reached its limit: raise it
        turns  denied
          stored: failed: reached its limit: raise it
          missing: failed: reached its limit: raise it
        turns complete
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md
        turns complete denied
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md; it was denied Bash: may it use that?
        turns failed
          stored: failed: said that it failed
          missing: failed: said that it failed
        turns failed denied
          stored: failed: said that it failed
          missing: failed: said that it failed
        budget 
          stored: refused: spent it: raise it
          missing: refused: spent it: raise it
        budget  denied
          stored: refused: spent it: raise it
          missing: refused: spent it: raise it
        budget complete
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md
        budget complete denied
          stored: succeeded: everything declared is stored
          missing: failed: said that it finished but did not produce doc/x.md; it was denied Bash: may it use that?
        budget failed
          stored: failed: said that it failed
          missing: failed: said that it failed
        budget failed denied
          stored: failed: said that it failed
          missing: failed: said that it failed
        ");
    }

    #[test]
    fn a_program_that_never_started_is_refused_whatever_else_is_so() {
        let evidence = Evidence::of(Exit::NotStarted("there is no program `x`".into()));
        for (missing, asked) in [(vec![], false), (gap(), false), (vec![], true)] {
            let verdict = verdict(&evidence, &missing, asked);
            assert_eq!(verdict.outcome, Outcome::Refused);
            assert_eq!(verdict.detail, "there is no program `x`");
        }
    }

    #[test]
    fn an_end_that_nobody_saw_is_the_machines_fault() {
        let verdict = verdict(&Evidence::of(Exit::Unseen("gone".into())), &[], false);
        assert_eq!(verdict.outcome, Outcome::Lost);
        assert_eq!(verdict.detail, "nobody saw it end: gone");
        let open = Evidence { end: Some(End::Open), ..Evidence::of(Exit::Unseen("gone".into())) };
        assert_eq!(super::verdict(&open, &[], false), verdict, "an agent program");
        let why = End::Bad(Fault::Login, "the login is refused".into());
        let told = super::verdict(&Evidence { end: Some(why), ..open }, &[], false);
        assert_eq!(told.outcome, Outcome::Refused, "it said itself why");
        let verdict = super::verdict(&Evidence::of(Exit::NotYet("busy".into())), &[], false);
        assert_eq!(verdict.outcome, Outcome::Lost);
        assert_eq!(verdict.detail, "not started: busy");
    }

    #[test]
    fn the_verdicts_on_stopped_runs() {
        let mut table = String::new();
        for &reason in StopReason::ALL {
            let of = |exit: &Exit, missing: &[ArtifactKey], asked| {
                let stopped = Some(reason);
                verdict(&Evidence { stopped, ..Evidence::of(exit.clone()) }, missing, asked)
            };
            let usual = of(&Exit::Signal(9), &[], false);
            table += &format!("{reason:<11} -> {}: {}\n", usual.outcome, usual.detail);
            let well = of(&Exit::Code(0), &[], false);
            table += &format!("  ended well -> {}: {}\n", well.outcome, well.detail);

            for (_, exit) in &EXITS {
                assert_eq!(of(exit, &gap(), false), usual, "{exit:?}, something missing");
                assert_eq!(of(exit, &[], true), usual, "{exit:?}, asked");
            }
        }
        insta::assert_snapshot!(table, @"
        feedback    -> paused: stopped for feedback
          ended well -> succeeded: finished while it was being stopped
        paused      -> paused: stopped because an operator paused it
          ended well -> succeeded: finished while it was being stopped
        budget      -> paused: stopped because a budget is used up
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
