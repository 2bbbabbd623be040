//! What the calls of runs elsewhere come to, on values.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::model::Outcome;

pub(super) const AGENTS: [&str; 2] = ["echo", "pixel"];

/// What a program elsewhere calls.
#[derive(Clone, Debug)]
pub(super) enum Call {
    Claim(&'static str),
    Heartbeat,
    Progress(&'static str),
    /// So many turns so far, and so much money, if any.
    Used(u64, Option<u64>),
    /// What, its content, and the key of the request.
    Checkpoint(&'static str, &'static str, Option<&'static str>),
    Ask(&'static str, Option<&'static str>),
    Inputs,
    Finish(&'static str),
}

impl Call {
    /// In SQL, with `$` for the run and its token.
    pub(super) fn sql(&self) -> String {
        let more = |key: &Option<&str>| key.map(|key| format!(", '{key}'")).unwrap_or_default();
        match self {
            Self::Claim(by) => format!("run_claim($, '{by}')"),
            Self::Heartbeat => "run_heartbeat($)".to_owned(),
            Self::Progress(said) => format!("run_progress($, '{said}')"),
            Self::Used(turns, usd) => {
                let usage = json!({ "turns": turns, "cost": { "usd_micros": usd } });
                format!("run_progress($, usage => '{usage}')")
            }
            Self::Checkpoint(key, content, request) => {
                format!("run_checkpoint($, '{key}', '{content}'{})", more(request))
            }
            Self::Ask(question, request) => format!("run_ask($, '{question}'{})", more(request)),
            Self::Inputs => "run_inputs($)".to_owned(),
            Self::Finish(status) => format!("run_finish($, '{status}')"),
        }
    }
}

/// What is known of a run.
#[derive(Clone, Debug, Default)]
pub(super) struct ModelRun {
    agent: usize,
    epoch: i32,
    /// None while it is alive.
    pub(super) outcome: Option<Outcome>,
    reference: Option<&'static str>,
    reported: Option<&'static str>,
    /// Whether somebody else said so, in other words.
    is_hearsay: bool,
    progress: Option<&'static str>,
    used: Option<(u64, Option<u64>)>,
    /// What its keys were used for, and the version that came of it.
    requests: BTreeMap<&'static str, (String, usize)>,
    /// Whether what people said was acted on since it began.
    is_deaf: bool,
}

impl ModelRun {
    pub(super) fn reported(&self) -> Option<&'static str> {
        self.reported
    }

    fn is_lost(&self) -> bool {
        self.outcome == Some(Outcome::Lost)
    }

    fn has_said(&self, status: &str) -> bool {
        self.reported == Some(status) && !self.is_hearsay
    }
}

/// What is known of all of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Model {
    pub(super) runs: Vec<ModelRun>,
    /// Which agents are built.
    built: [bool; 2],
    /// By run: what was stored, each with its version.
    artifacts: Vec<(usize, &'static str, &'static str, usize)>,
    /// By run: what was asked, and whether it was answered.
    questions: Vec<(usize, &'static str, bool)>,
}

/// What a call comes to.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Answer {
    /// It did what it says.
    Done,
    /// There is a version of this number, which this call stored or did not.
    Version(usize, bool),
    /// Whoever calls is told what begins like this.
    Refused(&'static str),
    /// The same as when it was said first, or that it is over: the answer can
    /// have been lost, or the run been judged.
    SaidBefore,
}

use Answer::{Done, Refused, SaidBefore, Version};

impl Model {
    fn has_room(&self) -> bool {
        self.runs.iter().all(|run| run.outcome.is_some())
    }

    fn is_newest(&self, run: usize) -> bool {
        let agent = self.runs[run].agent;
        self.runs.iter().rposition(|run| run.agent == agent) == Some(run)
    }

    pub(super) fn launch(&mut self, agent: usize) -> bool {
        let is_asking = self
            .questions
            .iter()
            .any(|(run, _, answered)| self.runs[*run].agent == agent && !answered);
        if self.built[agent] || is_asking || !self.has_room() {
            return false;
        }
        let earlier = self.runs.iter().filter(|run| run.agent == agent).count();
        let epoch = i32::try_from(earlier).unwrap() + 1;
        self.runs.push(ModelRun { agent, epoch, ..ModelRun::default() });
        true
    }

    /// Nothing was heard of it for too long.
    pub(super) fn lose(&mut self, at: usize) {
        let run = &mut self.runs[at];
        // What it said is still to be judged.
        if run.reported.is_none() {
            run.outcome = Some(Outcome::Lost);
        }
    }

    /// Whether it counts, or did before. What is known of it may be outdated:
    /// whether it said how it ended.
    pub(super) fn judge(&mut self, at: usize, outcome: Outcome, by_report: bool) -> bool {
        let is_newest = self.is_newest(at);
        let run = &mut self.runs[at];
        let is_open = run.outcome.is_none() || run.is_lost() && !run.is_deaf;
        if is_newest && is_open && run.reported.is_some() == by_report {
            run.outcome = Some(outcome);
            run.progress = None;
            self.built[run.agent] |= outcome == Outcome::Succeeded;
            return true;
        }
        run.outcome == Some(outcome)
    }

    pub(super) fn answer(&mut self, agent: usize) {
        let mut was_open = false;
        for (run, _, answered) in &mut self.questions {
            if self.runs[*run].agent == agent && !*answered {
                *answered = true;
                was_open = true;
            }
        }
        for run in self.runs.iter_mut().filter(|run| run.agent == agent) {
            run.is_deaf |= was_open;
        }
    }

    /// Whether somebody was asked to work on a run and is not known by a name.
    pub(super) fn is_any_nameless(&self) -> bool {
        self.runs.iter().any(|run| run.outcome.is_none() && run.reference.is_none())
    }

    /// Which run whoever is called so works on, and whether that is news of it.
    pub(super) fn fail(&mut self, who: &str) -> (Option<usize>, bool) {
        let found = (0..self.runs.len()).rfind(|&at| {
            let run = &self.runs[at];
            let is_open = run.outcome.is_none() || run.is_lost();
            is_open && self.is_newest(at) && run.reference == Some(who)
        });
        let Some(run) = found.map(|at| &mut self.runs[at]) else { return (None, false) };
        let is_news = run.reported.is_none();
        if is_news {
            run.reported = Some("failed");
            run.is_hearsay = true;
        }
        (found, is_news)
    }

    /// What a call with the run's own token comes to.
    pub(super) fn call(&mut self, at: usize, call: &Call) -> Answer {
        let is_newest = self.is_newest(at);
        let has_room = self.has_room();
        let run = &mut self.runs[at];
        let is_judged = run.outcome.is_some() && !run.is_lost();
        if is_judged && run.reported.is_some() {
            return match call {
                Call::Finish(status) if run.has_said(status) => SaidBefore,
                _ => Refused("PT409"),
            };
        }
        if !is_newest {
            return Refused("PT409 another run of this agent took over");
        }
        if is_judged {
            return Refused("PT409 the run has ended");
        }
        if run.reference.is_none() && !matches!(call, Call::Claim(_) | Call::Inputs) {
            return Refused("PT409 nobody claimed the run yet");
        }
        if let Call::Claim(by) = call
            && run.reference.is_some_and(|reference| reference != *by)
        {
            return Refused("PT409 another one works on this run");
        }
        if run.reported.is_some() && !matches!(call, Call::Finish(status) if run.has_said(status)) {
            return Refused("PT409 the run has said that it ended");
        }
        let given_up = Refused("PT409 the run was silent for too long and was given up");
        if matches!(call, Call::Finish(_)) && run.is_lost() && run.is_deaf {
            return given_up;
        }
        let revives = match call {
            Call::Claim(_)
            | Call::Heartbeat
            | Call::Progress(_)
            | Call::Used(..)
            | Call::Inputs => true,
            Call::Checkpoint(..) | Call::Ask(..) | Call::Finish(_) => false,
        };
        if revives && run.is_lost() {
            if !has_room || run.is_deaf {
                return given_up;
            }
            run.outcome = None;
        }
        match *call {
            Call::Claim(by) => run.reference = Some(by),
            Call::Progress(said) => run.progress = Some(said),
            Call::Used(turns, usd) => {
                let (before, money) = run.used.unwrap_or_default();
                run.used = Some((turns.max(before), usd.max(money)));
            }
            Call::Finish(status) => run.reported = Some(status),
            Call::Checkpoint(key, content, request) => {
                return self.checkpoint(at, (key, content), request);
            }
            Call::Ask(question, request) => return self.ask(at, question, request),
            Call::Heartbeat | Call::Inputs => (),
        }
        Done
    }

    fn checkpoint(
        &mut self,
        at: usize,
        (key, content): (&'static str, &'static str),
        request: Option<&'static str>,
    ) -> Answer {
        let agent = self.runs[at].agent;
        let what = format!("checkpoint {key} {content}");
        if let Some((before, version)) = request.and_then(|it| self.runs[at].requests.get(it)) {
            return match *before == what {
                true => Version(*version, false),
                false => Refused("PT409 this idempotency key was used for something else"),
            };
        }
        let mut of_agent = self.artifacts.iter().filter(|(run, ..)| self.runs[*run].agent == agent);
        let newest = of_agent.rfind(|(_, other, ..)| *other == key);
        let (version, stored) = match newest {
            Some((.., newest, version)) if *newest == content => (*version, false),
            Some((.., version)) => (version + 1, true),
            None => (1, true),
        };
        if stored {
            self.artifacts.push((at, key, content, version));
        }
        self.runs[at].requests.extend(request.map(|request| (request, (what, version))));
        Version(version, stored)
    }

    fn ask(&mut self, at: usize, question: &'static str, request: Option<&'static str>) -> Answer {
        let what = format!("ask {question}");
        if let Some((before, _)) = request.and_then(|it| self.runs[at].requests.get(it)) {
            return match *before == what {
                true => Done,
                false => Refused("PT409 this idempotency key was used for something else"),
            };
        }
        if !self.questions.iter().any(|(run, other, _)| (*run, *other) == (at, question)) {
            self.questions.push((at, question, false));
        }
        self.runs[at].requests.extend(request.map(|request| (request, (what, 0))));
        Done
    }

    /// What is stored, in the words of [`STORED`].
    pub(super) fn stored(&self) -> Value {
        let name = |run: usize| AGENTS[self.runs[run].agent];
        let runs = self.runs.iter().map(|run| {
            json!([
                AGENTS[run.agent],
                run.epoch,
                run.outcome,
                run.reference,
                run.reported,
                run.progress,
                run.used.map(|(turns, _)| turns),
                run.used.and_then(|(_, usd)| usd),
                run.outcome.is_none()
            ])
        });
        let artifacts = self.artifacts.iter().map(|(run, key, content, version)| {
            json!([name(*run), self.runs[*run].epoch, key, content, version])
        });
        let questions = self.questions.iter().map(|(run, question, answered)| {
            json!([name(*run), self.runs[*run].epoch, question, answered])
        });
        json!({
            "runs": runs.collect::<Vec<_>>(),
            "artifacts": artifacts.collect::<Vec<_>>(),
            "questions": questions.collect::<Vec<_>>(),
        })
    }
}

/// Everything that the calls may change, in the project `$`.
pub(super) const STORED: &str = "select json_build_object(
    'runs', (
        select coalesce(json_agg(json_build_array(
            a.name, r.epoch, r.outcome, r.reference, r.reported ->> 'status', r.progress,
            r.usage -> 'turns', r.usage #> '{cost,usd_micros}', r.lease_until is not null
        ) order by r.claimed_at), '[]')
        from runs r join agents a on a.id = r.agent_id where a.project_id = '$'
    ),
    'artifacts', (
        select coalesce(json_agg(json_build_array(
            a.name, t.epoch, t.artifact_type || '/' || t.name, t.content, t.version
        ) order by t.seq), '[]')
        from artifacts t join agents a on a.id = t.agent_id where a.project_id = '$'
    ),
    'questions', (
        select coalesce(json_agg(json_build_array(a.name, r.epoch, f.feedback_text, f.resolved)
            order by f.number), '[]')
        from feedback f join agents a on a.id = f.agent_id join runs r on r.id = f.run_id
        where a.project_id = '$'
    )
)::text";
