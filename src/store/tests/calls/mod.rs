//! The calls of runs that go on elsewhere agree with a small model of them.
//!
//! A few runs of two agents in a pool with room for one live through random
//! days: they are launched, given up and judged, people answer, and whoever has
//! the token of a run, or that of another one, calls whatever there is to call.
//! The model says what each call comes to, and what is stored after it.

mod model;

use std::cell::{Cell, RefCell};

use proptest::{
    bool,
    collection::vec,
    option,
    prelude::*,
    sample::select,
    test_runner::{TestCaseResult, TestRunner},
};
use serde_json::{Value, json};

use self::model::{
    AGENTS,
    Answer::{self, Done, Refused, SaidBefore, Version},
    Call, Model, STORED,
};
use super::remote::{called, token};
use crate::{
    model::{Digest, Outcome},
    store::{
        Ending, Reported,
        testing::{self, Running, TestStore},
    },
};

/// One thing that happens. Runs are counted from the newest.
#[derive(Clone, Debug)]
enum Step {
    /// Somebody claims an agent for a program elsewhere, if it lets them.
    Launch(usize),
    /// That, and the program says that it works on it.
    Begin(usize),
    /// Nothing was heard of a run for too long.
    Lose(usize),
    /// Whoever ticks judges a run, or tries to with another secret, or did not hear
    /// whether it said how it ended.
    Judge(usize, Outcome, Secret, bool),
    /// A person answers everything that an agent asked, and that is acted on.
    Answer(usize),
    Call(usize, Secret, Call),
    /// Whoever was launched says that what works on a run failed.
    Fail(&'static str, Secret),
}

/// Whose secret somebody has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Secret {
    ItsOwn,
    AnotherRuns,
    MadeUp,
    None,
}

fn any_call() -> impl Strategy<Value = Call> {
    let request = || option::weighted(0.4, select(vec!["k1", "k2"]));
    prop_oneof![
        2 => select(vec!["me", "me", "another"]).prop_map(Call::Claim),
        2 => Just(Call::Heartbeat),
        1 => select(vec!["on it", "nearly"]).prop_map(Call::Progress),
        1 => (0..9_u64, option::of(0..9_u64)).prop_map(|(turns, usd)| Call::Used(turns, usd)),
        4 => (select(vec!["doc/a", "schema/b"]), select(vec!["one", "two"]), request())
            .prop_map(|(key, content, request)| Call::Checkpoint(key, content, request)),
        3 => (select(vec!["Which?", "Why?"]), request())
            .prop_map(|(question, request)| Call::Ask(question, request)),
        1 => Just(Call::Inputs),
        1 => select(vec!["complete", "failed"]).prop_map(Call::Finish),
    ]
}

fn any_step() -> impl Strategy<Value = Step> {
    let secret = || {
        prop_oneof![
            8 => Just(Secret::ItsOwn),
            1 => select(vec![Secret::AnotherRuns, Secret::MadeUp, Secret::None]),
        ]
    };
    let outcome = select(vec![Outcome::Succeeded, Outcome::Failed, Outcome::Paused]);
    prop_oneof![
        1 => (0..2_usize).prop_map(Step::Launch),
        3 => (0..2_usize).prop_map(Step::Begin),
        3 => (0..3_usize).prop_map(Step::Lose),
        1 => (0..3_usize, outcome, secret(), bool::weighted(0.2))
            .prop_map(|(run, how, by, outdated)| Step::Judge(run, how, by, outdated)),
        3 => (0..2_usize).prop_map(Step::Answer),
        1 => (select(vec!["me", "me", "another"]), secret()).prop_map(|(who, by)| Step::Fail(who, by)),
        12 => (0..3_usize, secret(), any_call()).prop_map(|(run, by, call)| Step::Call(run, by, call)),
    ]
}

struct Days<'a> {
    store: &'a TestStore,
    model: Model,
    runs: Vec<Running>,
}

impl Days<'_> {
    async fn live_through(&mut self, step: &Step) -> TestCaseResult {
        let newest = self.runs.len().checked_sub(1);
        let at = |run: usize| newest.map(|newest| newest - run % (newest + 1));
        match step {
            Step::Launch(agent) => drop(self.launch(*agent).await?),
            Step::Begin(agent) => {
                if let Some(at) = self.launch(*agent).await? {
                    self.call(at, Secret::ItsOwn, &Call::Claim("me")).await?;
                }
            }
            Step::Lose(run) => {
                let Some(at) = at(*run).filter(|&at| self.model.runs[at].outcome.is_none()) else {
                    return Ok(());
                };
                self.store.lose(&self.runs[at]).await;
                self.model.lose(at);
            }
            Step::Judge(run, outcome, by, outdated) => {
                let Some(at) = at(*run) else { return Ok(()) };
                let reported = self.model.runs[at].reported();
                let by_report = reported.is_some() != *outdated;
                let ending = Ending {
                    token: Digest::of(self.secret(at, *by)),
                    reported: by_report.then(|| Reported {
                        status: reported.unwrap_or("complete").parse().unwrap(),
                        summary: Some("nothing secret".to_owned()),
                        cause: None,
                    }),
                    ..self.runs[at].ending(*outcome)
                };
                let counted = self.store.ends(ending).await;
                let expected = *by == Secret::ItsOwn && self.model.judge(at, *outcome, by_report);
                prop_assert_eq!(counted, expected);
            }
            Step::Answer(agent) => {
                self.model.answer(*agent);
                let id = self.store.id(AGENTS[*agent]).await;
                for set in ["resolved = true", "applied_at = now()"] {
                    let open = "resolution is null or applied_at is null";
                    let sql =
                        format!("update feedback set {set} where agent_id = '{id}' and ({open})");
                    self.store.sql(&sql).await;
                }
            }
            Step::Call(run, by, call) => {
                let Some(at) = at(*run) else { return Ok(()) };
                self.call(at, *by, call).await?;
            }
            Step::Fail(who, by) => {
                let secret = match by {
                    Secret::ItsOwn => self.launch_secret(),
                    _ => "made up".to_owned(),
                };
                let call = format!("run_fail_by_ref('{who}', 'broke', null, '{secret}')");
                let answer = called(self.store, "anon", &call).await;
                if *by == Secret::ItsOwn && !self.runs.is_empty() {
                    let (run, reported) = self.model.fail(who);
                    if run.is_none() && self.model.is_any_nameless() {
                        prop_assert!(answer.starts_with("PT503"), "{}", answer);
                        return Ok(());
                    }
                    let run = run.map(|at| self.runs[at].id);
                    let told: Value = serde_json::from_str(&answer).unwrap();
                    prop_assert_eq!(told, json!({ "run": run, "reported": reported }));
                } else {
                    prop_assert!(answer.starts_with("PT401 nothing was ever"), "{}", answer);
                }
            }
        }
        let stored: String =
            self.store.value(&STORED.replace('$', &self.store.project.id.to_string())).await;
        prop_assert_eq!(serde_json::from_str::<Value>(&stored).unwrap(), self.model.stored());
        Ok(())
    }

    /// The run that began, if one did.
    async fn launch(&mut self, agent: usize) -> Result<Option<usize>, TestCaseError> {
        let run = self.store.try_claim(AGENTS[agent]).await;
        if let Some(run) = &run {
            let secret = Digest::of(self.launch_secret());
            self.store.launching(run.id, Some(secret)).await.unwrap();
        }
        prop_assert_eq!(self.model.launch(agent), run.is_some());
        self.runs.extend(run.clone());
        Ok(run.map(|_| self.runs.len() - 1))
    }

    async fn call(&mut self, at: usize, by: Secret, call: &Call) -> TestCaseResult {
        let secret = self.secret(at, by);
        let who = format!("'{}', '{secret}'", self.runs[at].id);
        let answer = called(self.store, "anon", &call.sql().replace('$', &who)).await;
        let expected = match by {
            Secret::ItsOwn => self.model.call(at, call),
            _ => Refused("PT401 there is no such run, or this is not its token"),
        };
        prop_assert!(is_as(&answer, &expected), "{:?}: {}", expected, answer);
        prop_assert!(secret.is_empty() || !answer.contains(&secret), "{}", answer);
        Ok(())
    }

    /// By which the callee is known, in this project and in no other.
    fn launch_secret(&self) -> String {
        format!("secret of {}", self.store.project.id)
    }

    fn secret(&self, at: usize, by: Secret) -> String {
        match by {
            Secret::ItsOwn => token(&self.runs[at]),
            Secret::AnotherRuns if self.runs.len() > 1 => {
                token(&self.runs[(at + 1) % self.runs.len()])
            }
            Secret::AnotherRuns | Secret::MadeUp => "0".repeat(64),
            Secret::None => String::new(),
        }
    }
}

fn is_as(answer: &str, expected: &Answer) -> bool {
    let read = serde_json::from_str::<Value>(answer);
    match expected {
        Done => read.is_ok(),
        Version(version, stored) => read
            .is_ok_and(|read| read["version"] == json!(version) && read["stored"] == json!(stored)),
        Refused(start) => answer.starts_with(start),
        SaidBefore => read.is_ok() || answer.starts_with("PT409"),
    }
}

#[test]
fn whatever_is_called_comes_to_what_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = RefCell::new(runtime.block_on(testing::store()));
    let projects = Cell::new(0);
    let config = ProptestConfig {
        cases: 32,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let lived = TestRunner::new(config).run(&vec(any_step(), 1..50), |steps| {
        let mut store = store.borrow_mut();
        projects.set(projects.get() + 1);
        let agents = AGENTS
            .map(|name| format!("{name}: {{ run: {{ webhook: {{ url: 'https://x.org' }} }} }}"));
        let plan = format!(
            "--- waves/project.yaml\nproject: p{}\npools: {{ default: 1 }}\n\
             --- waves/w.yaml\nwave: w\nagents:\n  {}\n",
            projects.get(),
            agents.join("\n  "),
        );
        runtime.block_on(async {
            store.given_plan(&plan).await;
            let mut days = Days { store: &store, model: Model::default(), runs: vec![] };
            for step in &steps {
                days.live_through(step).await?;
            }
            Ok(())
        })
    });
    lived.unwrap_or_else(|err| panic!("{err}"));
}
