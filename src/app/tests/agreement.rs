//! The model of the scheduler's laws and the SQL agree.
//!
//! [`World`] says what carrying a decision out changes; the laws of the engine
//! are shown on it. Here a real project lives through a random night, and after
//! each decision, taken in time, late or only in part, what the database holds
//! must be what the model says. So the laws hold for the database too.

use std::collections::{BTreeSet, HashMap};

use proptest::{collection::vec, prelude::*, sample::select, test_runner::TestCaseResult};

use crate::{
    app::apply::Executor,
    engine::{Agent, Attempts, Effect, Snapshot, decide, tests::apply::World},
    model::{
        AgentId, AgentName, Cost, CostBasis, FeedbackNumber, Generation, Instant, Outcome,
        Resolution, RunId, Usage, Usd,
    },
    store::{
        Beat, Maker, Operator,
        testing::{self, Running, TestStore},
    },
};

const AGENTS: [&str; 7] = ["brief", "alfa", "bravo", "delta", "echo", "golf", "zulu"];

/// The plan, as it was changed so many times, with or without `zulu`.
fn plan(changes: u32, has_zulu: bool) -> String {
    let work = "run: { exec: [work] }";
    let elsewhere = "run: { webhook: { url: 'https://x.org' } }";
    let zulu = match has_zulu {
        true => format!("zulu: {{ {work}, needs: [alfa] }}"),
        false => String::new(),
    };
    format!(
        "
--- waves/project.yaml
project: demo
pools: {{ default: 3 }}
infra_retries: 1
defaults: {{ retries: 1 }}
budget_usd: 6
budget_usd_per_day: 15
--- waves/1-first.yaml
wave: first
budget_usd: 3
agents:
  brief: {{ run: {{ manual: {{}} }}, produces: [doc/made.md] }}
  alfa: {{ {work}, env: {{ CHANGED: '{changes}' }}, budget_usd: 2 }}
  bravo: {{ {work}, review: required }}
  delta: {{ {elsewhere}, needs: [alfa, bravo], review: parallel, on_stale: rebuild }}
  {zulu}
--- waves/2-second.yaml
wave: second
after: [first]
agents:
  echo: {{ {work}, needs: [brief, delta], priority: 1 }}
  golf: {{ run: {{ claude: {{ model: sonnet }} }}, needs: [delta], review: parallel }}
"
    )
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Decide, and carry it out.
    Tick,
    /// Decide, and carry out only so many of the effects.
    Part(usize),
    /// Carry out once more what was decided before.
    Late,
    /// Everything that runs finishes, everything that waits for people is
    /// answered.
    GoodHour,
    /// Something happens to one of the agents, whichever comes at that place.
    Event(Event, usize),
}

#[derive(Clone, Copy, Debug)]
enum Event {
    Ends(Outcome),
    AsksSomething,
    IsGivenUp,
    SaysNothing,
    IsOverdue,
    GivesASignOfLife,
    /// It says that it cost another dollar.
    Costs,
    WaitedLongEnough,
    IsRemarkedOn,
    IsAnswered(Resolution),
    IsAnsweredForNothing,
    IsOperated(Operator),
    IsHandedIn,
    IsChanged,
    Leaves,
    Returns,
}

const EVENTS: [Event; 28] = [
    Event::Ends(Outcome::Succeeded),
    Event::Ends(Outcome::Succeeded),
    Event::Ends(Outcome::Succeeded),
    Event::Ends(Outcome::Failed),
    Event::Ends(Outcome::Refused),
    Event::Ends(Outcome::Paused),
    Event::AsksSomething,
    Event::IsGivenUp,
    Event::SaysNothing,
    Event::IsOverdue,
    Event::GivesASignOfLife,
    Event::Costs,
    Event::Costs,
    Event::Costs,
    Event::Costs,
    Event::WaitedLongEnough,
    Event::IsRemarkedOn,
    Event::IsAnswered(Resolution::Completed),
    Event::IsAnswered(Resolution::Completed),
    Event::IsAnswered(Resolution::Dismissed),
    Event::IsAnsweredForNothing,
    Event::IsOperated(Operator::Pause),
    Event::IsOperated(Operator::Resume),
    Event::IsOperated(Operator::Rebuild),
    Event::IsHandedIn,
    Event::IsChanged,
    Event::Leaves,
    Event::Returns,
];

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Tick),
        1 => (0..9_usize).prop_map(Step::Part),
        1 => Just(Step::Late),
        2 => Just(Step::GoodHour),
        8 => (select(&EVENTS[..]), 0..12_usize)
            .prop_map(|(event, place)| Step::Event(event, place)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_database_changes_as_the_model_says(steps in vec(any_step(), 10..80)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut night = Night::new().await;
            for step in &steps {
                night.live_through(*step).await?;
            }
            TestCaseResult::Ok(())
        })?;
    }
}

#[tokio::test]
async fn a_remark_on_what_was_just_handed_in_is_not_lost() {
    let mut night = Night::new().await;
    night.live_through(Step::Tick).await.unwrap();
    for event in [
        Event::IsHandedIn,
        Event::IsRemarkedOn,
        Event::IsAnswered(Resolution::Completed),
        Event::IsAnswered(Resolution::Completed),
    ] {
        night.happen(event, "brief").await;
    }

    night.live_through(Step::Tick).await.unwrap();

    assert_eq!(night.store.facts("brief").await.generation, Generation(2));
}

#[tokio::test]
async fn what_was_handed_in_stays_so_when_its_request_is_answered_anew() {
    let mut night = Night::new().await;
    night.live_through(Step::Tick).await.unwrap();
    night.happen(Event::IsHandedIn, "brief").await;
    night.happen(Event::IsAnswered(Resolution::Completed), "brief").await;
    night.live_through(Step::Tick).await.unwrap();
    let built = night.store.facts("brief").await.built;
    assert_ne!(built, None);
    for event in
        [Event::IsAnsweredForNothing, Event::IsHandedIn, Event::IsAnswered(Resolution::Completed)]
    {
        night.happen(event, "brief").await;
    }

    night.live_through(Step::Late).await.unwrap();

    assert_eq!(night.store.facts("brief").await.built, built);
}

struct Night {
    store: TestStore,
    ids: HashMap<AgentName, AgentId>,
    world: World,
    old_effects: Vec<Effect>,
    /// The last run of each agent.
    runs: HashMap<AgentName, Running>,
    /// What each run says it cost so far.
    costs: HashMap<RunId, u64>,
    changes: u32,
    has_zulu: bool,
}

impl Night {
    async fn new() -> Self {
        let mut store = testing::store().await;
        store.given_plan(&plan(0, true)).await;
        let (facts, ids) = store.snapshot(&store.project).await.unwrap();
        Self {
            store,
            ids,
            world: World::new(facts),
            old_effects: vec![],
            runs: HashMap::new(),
            costs: HashMap::new(),
            changes: 0,
            has_zulu: true,
        }
    }

    async fn live_through(&mut self, step: Step) -> TestCaseResult {
        match step {
            Step::Tick => {
                let facts = self.store.all_facts().await;
                let decision = decide(&facts);
                self.carry_out(facts, &decision.effects).await?;
                let again = decide(&self.store.all_facts().await);
                prop_assert!(again.effects.is_empty(), "once more? {again}\nafter {decision}");
                if !decision.effects.is_empty() {
                    self.old_effects = decision.effects;
                }
            }
            Step::Part(length) => {
                let facts = self.store.all_facts().await;
                let mut effects = decide(&facts).effects;
                effects.truncate(length);
                self.carry_out(facts, &effects).await?;
            }
            Step::Late => {
                let facts = self.store.all_facts().await;
                let known = |effect: &&Effect| facts.agents.contains_key(effect.agent());
                let effects: Vec<_> = self.old_effects.iter().filter(known).cloned().collect();
                self.carry_out(facts, &effects).await?;
            }
            Step::GoodHour => self.let_all_go_well().await,
            Step::Event(event, place) => {
                let agent = self.agent_at(place, event).await;
                self.happen(event, &agent).await;
            }
        }
        Ok(())
    }

    /// Carries `effects` out in the database and in the model.
    async fn carry_out(&mut self, before: Snapshot, effects: &[Effect]) -> TestCaseResult {
        let executor = Executor {
            store: &self.store,
            project: &self.store.project,
            ids: &self.ids,
            host: "test",
        };
        let applied = executor.apply(effects).await;
        prop_assert_eq!(applied.failed, BTreeSet::new());
        for begun in applied.begun {
            let run = Running {
                id: begun.claimed.id,
                token: begun.token.digest(),
                claimed: begun.claimed,
            };
            self.runs.insert(run.claimed.agent.clone(), run);
        }

        self.world.facts = before.clone();
        effects.iter().for_each(|effect| self.world.apply(effect));

        let real = comparable(self.store.all_facts().await);
        let model = comparable(self.world.facts.clone());
        for (name, agent) in &model.agents {
            let real = real.agents.get(name);
            prop_assert_eq!(real, Some(agent), "{}\nwas {:#?}", list(effects), before.agents[name]);
        }
        prop_assert_eq!(real, model);
        Ok(())
    }

    async fn let_all_go_well(&mut self) {
        self.happen(Event::IsHandedIn, "brief").await;
        for agent in AGENTS {
            self.happen(Event::Ends(Outcome::Succeeded), agent).await;
            self.happen(Event::IsOperated(Operator::Resume), agent).await;
            self.happen(Event::IsAnswered(Resolution::Completed), agent).await;
        }
    }

    /// An agent that `event` can happen to, or at times any.
    async fn agent_at(&self, place: usize, event: Event) -> String {
        use Event::{AsksSomething, Costs, Ends, IsAnswered, IsGivenUp, IsOverdue, SaysNothing};
        let facts = self.store.all_facts().await;
        let fits = |agent: &Agent| match event {
            Ends(_) | AsksSomething | Costs | IsGivenUp | IsOverdue | SaysNothing => {
                agent.run.is_some()
            }
            IsAnswered(_) => agent.feedback.iter().any(|feedback| feedback.resolution.is_none()),
            _ => true,
        };
        let fitting = facts.agents.iter().filter(|(_, agent)| place % 4 == 3 || fits(agent));
        let fitting: Vec<_> = fitting.map(|(name, _)| name.to_string()).collect();
        match fitting.len() {
            0 => AGENTS[place % AGENTS.len()].to_owned(),
            count => fitting[place % count].clone(),
        }
    }

    async fn happen(&mut self, event: Event, agent: &str) {
        let store = &self.store;
        let project = store.project.id;
        let Some(id) = self.ids.get(&testing::name(agent)).copied() else { return };
        let is_there = agent != "zulu" || self.has_zulu;
        let run = self.runs.get(&testing::name(agent));
        match event {
            Event::Ends(outcome) => {
                let Some(run) = run else { return };
                if outcome == Outcome::Succeeded {
                    store.makes(run, "doc/made.md", &run.id.to_string()).await;
                }
                store.end(run, outcome).await;
            }
            Event::AsksSomething => {
                let Some(run) = run else { return };
                store.question(project, run.id, run.token, "Which one?").await.unwrap();
            }
            Event::IsGivenUp => self.set_back("lease_until", id).await,
            Event::SaysNothing => self.set_back("progress_at", id).await,
            Event::IsOverdue => self.set_back("deadline_at", id).await,
            Event::GivesASignOfLife => {
                let Some(run) = run else { return };
                store.heartbeat(&store.project, &[run.beat()]).await.unwrap();
            }
            Event::Costs => {
                let Some(run) = run else { return };
                let cost = self.costs.entry(run.id).or_default();
                *cost += 1_000_000;
                let usd = Usd::from_micros(*cost);
                let cost = Some(Cost { usd, basis: CostBasis::Reported });
                let beat = Beat { usage: Some(Usage { cost, ..Usage::default() }), ..run.beat() };
                store.heartbeat(&store.project, &[beat]).await.unwrap();
            }
            Event::WaitedLongEnough => self.set_back("finished_at", id).await,
            Event::IsRemarkedOn if is_there => {
                let agent = testing::name(agent);
                store.remark(project, &agent, "Look at this.", "ann").await.unwrap();
            }
            Event::IsAnswered(resolution) => {
                let open = store.feedback(project, Some(&testing::name(agent)), false).await;
                let Some(newest) = open.unwrap().pop() else { return };
                store.resolve(project, newest.number, resolution, None, "ann").await.unwrap();
            }
            Event::IsAnsweredForNothing => {
                store
                    .sql(&format!(
                        "update feedback set resolved = false where number = (
                             select max(number) from feedback where agent_id = '{id}'
                         )"
                    ))
                    .await;
            }
            Event::IsOperated(what) if is_there => {
                store.operate(project, &testing::name(agent), what, "ann").await.unwrap();
            }
            Event::IsHandedIn => {
                let key = "doc/made.md".parse().unwrap();
                let text = RunId::random().to_string();
                let brief = store.id("brief").await;
                store.keep(project, Maker::Person(brief), &key, &text, None).await.unwrap();
            }
            Event::IsChanged => {
                self.changes += 1;
                self.sync().await;
            }
            Event::Leaves | Event::Returns => {
                self.has_zulu = matches!(event, Event::Returns);
                self.sync().await;
            }
            Event::IsRemarkedOn | Event::IsOperated(_) => (),
        }
    }

    async fn set_back(&self, what: &str, agent: AgentId) {
        self.store
            .sql(&format!(
                "update runs set {what} = {what} - interval '3 hours' where agent_id = '{agent}'"
            ))
            .await;
    }

    async fn sync(&mut self) {
        self.store.given_plan(&plan(self.changes, self.has_zulu)).await;
    }
}

fn list(effects: &[Effect]) -> String {
    effects.iter().map(|effect| format!("{effect}\n")).collect()
}

/// The facts without what the model makes up: moments, ids and numbers.
fn comparable(mut facts: Snapshot) -> Snapshot {
    let now = facts.taken_at;
    let passed = |at: Instant| if at < now { Instant::MIN_UTC } else { Instant::MAX_UTC };
    // Those that left the plan are only looked after while they run.
    facts.agents.retain(|_, agent| !agent.retired || agent.run.is_some());
    for agent in facts.agents.values_mut() {
        for (feedback, number) in agent.feedback.iter_mut().zip(1..) {
            feedback.number = FeedbackNumber(number);
        }
        if let Some(run) = &mut agent.run {
            run.id = RunId::from_uuid(uuid::Uuid::nil());
            run.lease_until = passed(run.lease_until);
            run.deadline = passed(run.deadline);
            run.progress_at = Instant::UNIX_EPOCH;
        }
        agent.attempts = without_moments(agent);
    }
    Snapshot { taken_at: Instant::UNIX_EPOCH, ..facts }
}

fn without_moments(agent: &Agent) -> Attempts {
    let attempts = agent.attempts;
    Attempts { last_ended: attempts.last_ended.map(|_| Instant::UNIX_EPOCH), ..attempts }
}
