//! What a plan says it will do is what syncing it does.
//!
//! A project lives through some days of two random plans, with runs that are
//! alive and work that is finished; then one of the plans is proposed and
//! synced. What the proposal says is compared with what happened to the rows,
//! which are read here by a way of their own.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};
use serde_json::Value;

use crate::{
    app::{
        apply::Executor,
        outlook::{outlook, seen},
    },
    engine::{Cause, Effect, decide},
    model::{AgentName, Outcome},
    plan::{
        Plan,
        diff::{Action, Changes, Proposal},
        testing::{any_plan, any_plans_one_field_apart},
    },
    store::{
        Retire,
        testing::{self, Running, TestStore},
    },
};

/// One thing that happens to the project.
#[derive(Clone, Debug)]
enum Step {
    /// The first or the second plan is synced.
    Sync(bool),
    /// What follows from the facts is done, and what can start is started.
    Tick,
    /// Runs end, every other one that is alive from the first or second on.
    RunsEnd(Outcome, bool),
    /// People finish every manual agent, or every other one.
    PeopleFinish(bool),
    /// Somebody inserts an agent, which a plan may have too.
    ByHand(u8),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => any::<bool>().prop_map(Step::Sync),
        3 => Just(Step::Tick),
        2 => any::<bool>().prop_map(|odd| Step::RunsEnd(Outcome::Succeeded, odd)),
        1 => any::<bool>().prop_map(|odd| Step::RunsEnd(Outcome::Refused, odd)),
        2 => any::<bool>().prop_map(Step::PeopleFinish),
        1 => (0..12_u8).prop_map(Step::ByHand),
    ]
}

/// Two plans of one project, which differ in everything or in hardly anything.
fn any_plans() -> impl Strategy<Value = [Plan; 2]> {
    let one_field_apart = any_plans_one_field_apart()
        .prop_filter("another project", |[one, two]| one.project.name == two.project.name);
    prop_oneof![[any_plan(), any_plan()], one_field_apart]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 8,
        max_shrink_time: 20_000,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_a_plan_says_is_what_syncing_it_does(
        plans in any_plans(),
        steps in vec(any_step(), 0..14),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let [one, two] = &plans;
            let mut days = Days::new().await;
            for step in steps {
                days.live_through(step, &plans).await;
            }
            for plan in [two, one, two] {
                days.check_sync(plan).await?;
            }
            let mut fresh = Days::new().await;
            fresh.sync(two).await;
            prop_assert_eq!(days.planned().await, fresh.planned().await);
            days.check_rebuilds(one).await
        })?;
    }
}

/// The project `random`, which both plans are of.
struct Days {
    store: TestStore,
    runs: Vec<Running>,
}

impl Days {
    async fn new() -> Self {
        Self { store: testing::store().await, runs: vec![] }
    }

    async fn live_through(&mut self, step: Step, [one, two]: &[Plan; 2]) {
        match step {
            Step::Sync(first) => drop(self.sync(if first { one } else { two }).await),
            Step::Tick => {
                let (facts, ids) = self.store.snapshot(&self.store.project).await.unwrap();
                let project = &self.store.project;
                let executor = Executor { store: &self.store, project, ids: &ids, host: "test" };
                let applied = executor.apply(&decide(&facts).effects).await;
                assert_eq!(applied.failed, BTreeSet::new());
                self.runs.extend(applied.begun.into_iter().map(|begun| Running {
                    id: begun.claimed.id,
                    token: begun.token.digest(),
                    claimed: begun.claimed,
                }));
            }
            Step::RunsEnd(outcome, odd) => {
                for at in (usize::from(odd)..self.runs.len()).step_by(2).rev() {
                    let run = self.runs.remove(at);
                    self.store.end(&run, outcome).await;
                }
            }
            Step::PeopleFinish(all) => {
                self.store
                    .sql(&format!(
                        "update agents set built_generation = generation, built_at = now(),
                             built_outputs = 0, built_inputs = 0, built_work_sha256 = work_sha256
                         where runner = 'manual' and ({all} or hashtext(name) % 2 = 0)"
                    ))
                    .await;
            }
            Step::ByHand(number) => {
                let project = self.store.project.id;
                self.store
                    .sql(&format!(
                        "insert into agents (project_id, name) values ('{project}', 'a{number}')
                         on conflict do nothing"
                    ))
                    .await;
            }
        }
    }

    async fn sync(&mut self, plan: &Plan) -> Changes {
        let changes = self.store.sync(plan, None, Retire::Any).await.unwrap();
        self.store.project = self.store.project(&plan.project.name).await.unwrap();
        changes
    }

    /// Syncs `plan`, and compares what was said before with what came of it.
    async fn check_sync(&mut self, plan: &Plan) -> TestCaseResult {
        let name = &plan.project.name;
        let (stored, facts) = self.store.stored_plan(name).await.unwrap();
        let taken_at = facts.as_ref().map(|facts| facts.taken_at);
        let said = Changes::between(&stored, plan);
        let proposal = Proposal::new(plan, said.clone(), outlook(facts, plan, &said));
        let before = self.rows().await;

        let done = self.sync(plan).await;

        let after = self.rows().await;
        prop_assert_eq!(&done, &said);
        prop_assert_eq!(agents_said(&said), agents_done(&before, &after));
        prop_assert_eq!(waves_said(&said), waves_done(&before, &after));
        prop_assert_eq!(said.project.is_empty(), before["project"] == after["project"]);

        let (stored, facts) = self.store.stored_plan(name).await.unwrap();
        prop_assert_eq!(stored.project.as_ref(), Some(&plan.project));
        for (name, agent) in &plan.agents {
            prop_assert_eq!(stored.agents[name].definition.as_ref(), Some(&agent.definition));
        }
        let nothing = Changes { unchanged: plan.agents.len(), ..Changes::default() };
        prop_assert_eq!(Changes::between(&stored, plan), nothing);
        // Nobody waits meanwhile.
        let mut facts = facts.unwrap();
        facts.taken_at = taken_at.unwrap_or(facts.taken_at);
        facts.agents.retain(|_, agent| !agent.retired || agent.run.is_some());
        prop_assert_eq!(proposal.outlook.as_ref(), Some(&seen(&facts)));

        let json = serde_json::to_string(&proposal).unwrap();
        prop_assert_eq!(serde_json::from_str::<Proposal>(&json).unwrap(), proposal);
        Ok(())
    }

    /// Syncs `plan` and lets everything that runs finish; then those are built
    /// again for what they do of which the plan said so.
    async fn check_rebuilds(&mut self, plan: &Plan) -> TestCaseResult {
        let before = self.rows().await;
        let said = self.sync(plan).await;
        let after = self.rows().await;
        for run in self.runs.drain(..) {
            self.store.end(&run, Outcome::Succeeded).await;
        }

        let decision = decide(&self.store.all_facts().await);

        let again: BTreeSet<AgentName> = decision
            .effects
            .into_iter()
            .filter_map(|effect| match effect {
                Effect::Rebuild { agent, cause: Cause::Definition, .. } => Some(agent),
                _ => None,
            })
            .collect();
        for name in plan.agents.keys() {
            let change = said.agents.get(name);
            let rebuild = change.is_some_and(|change| change.rebuild);
            let [old, new] = [&before, &after].map(|rows| &rows["agents"][name.as_str()]);
            // Otherwise it is not this sync that asks for it.
            if old["work"] != new["work"] || old["retired"] != new["retired"] {
                prop_assert_eq!(rebuild, again.contains(name), "{}: {:?}", name, change);
            } else {
                prop_assert!(!rebuild, "{}: {:?}", name, change);
            }
        }
        Ok(())
    }

    /// Everything a sync may write, by name.
    async fn rows(&self) -> Value {
        let rows: String = self
            .store
            .value(
                "with project as (select * from projects where name = 'random')
                 select json_build_object(
                     'agents', (
                         select coalesce(json_object_agg(a.name, json_build_object(
                             'written', a.xmin::text, 'wave', coalesce(w.name, 'unplanned'),
                             'body', d.body, 'work', a.work_sha256,
                             'retired', a.retired_at is not null
                         )), '{}')
                         from project p join agents a on a.project_id = p.id
                         left join waves w on w.id = a.wave_id
                         left join wavemark.definitions d on d.sha256 = a.definition_sha256
                     ),
                     'waves', (
                         select coalesce(json_object_agg(w.name, json_build_object(
                             'title', w.title, 'position', w.position,
                             'budget_usd', w.budget_micros, 'after', (
                                 select array_agg(e.name order by e.name) from waves e
                                 where e.id = any (w.after)
                             ), 'retired', w.retired_at is not null
                         )), '{}')
                         from project p join waves w on w.project_id = p.id
                     ),
                     'project', (
                         select json_build_object(
                             'branch', artifact_branch, 'settings', settings,
                             'role', trusted_role, 'pools', (
                                 select json_object_agg(name, cap order by name)
                                 from wavemark.pools where project_id = project.id
                             )
                         )
                         from project where synced_at is not null
                     )
                 )::text",
            )
            .await;
        serde_json::from_str(&rows).unwrap()
    }

    /// What must be the same wherever a sync began: all of a plan. What differs
    /// is history: the generation and what was built at it, runs, statuses,
    /// moments, whatever was retired, and the ids and rows of agents that were
    /// inserted by hand.
    async fn planned(&self) -> Value {
        let rows: String = self
            .store
            .value(
                "with project as (select * from projects where name = 'random')
                 select json_build_object(
                     'agents', (
                         select json_agg(row order by row ->> 'name') from (
                             select to_jsonb(a) - array[
                                 'id', 'status', 'status_since', 'generation', 'epoch',
                                 'attempts_since', 'built_generation', 'built_at',
                                 'built_outputs', 'built_inputs', 'built_work_sha256',
                                 'output_summary', 'created_at', 'dependencies'
                             ] || jsonb_build_object('needs', (
                                 select array_agg(n.name order by n.name) from agents n
                                 where n.id = any (a.dependencies)
                             )) as row
                             from project p join agents a on a.project_id = p.id
                             where a.retired_at is null and a.definition_sha256 is not null
                         ) rows
                     ),
                     'waves', (
                         select json_agg(to_jsonb(w) - 'created_at' order by w.name)
                         from project p join waves w on w.project_id = p.id
                         where w.retired_at is null
                     ),
                     'pools', (
                         select json_agg(l order by l.name)
                         from project p join wavemark.pools l on l.project_id = p.id
                     ),
                     'project', (
                         select to_jsonb(project) - array['created_at', 'synced_at'] from project
                     )
                 )::text",
            )
            .await;
        serde_json::from_str(&rows).unwrap()
    }
}

/// What happens to something: the action, where it comes from, which fields.
type Happens = (String, Option<String>, BTreeSet<String>);

fn agents_said(changes: &Changes) -> BTreeMap<String, Happens> {
    let said = changes.agents.iter().map(|(name, change)| {
        let fields = change.fields.keys().map(ToString::to_string).collect();
        let from = change.moved_from.as_ref().map(ToString::to_string);
        (name.to_string(), (change.action.to_string(), from, fields))
    });
    said.collect()
}

fn waves_said(changes: &Changes) -> BTreeMap<String, Happens> {
    let said = changes.waves.iter().map(|(name, change)| {
        let fields = change.fields.keys().cloned().collect();
        (name.to_string(), (change.action.to_string(), None, fields))
    });
    said.collect()
}

/// What a sync did to the agents, by their rows.
fn agents_done(before: &Value, after: &Value) -> BTreeMap<String, Happens> {
    let mut done = BTreeMap::new();
    for (name, new) in after["agents"].as_object().unwrap() {
        let old = &before["agents"][name];
        if old["written"] == new["written"] {
            continue;
        }
        let action = action(old, new, old["body"].is_null());
        let moved = !old.is_null() && old["wave"] != new["wave"];
        let from = moved.then(|| old["wave"].as_str().unwrap().to_owned());
        let mut fields = BTreeSet::new();
        if !old["body"].is_null() && action != Action::Retire {
            fields = differing(&old["body"], &new["body"]);
        }
        done.insert(name.clone(), (action.to_string(), from, fields));
    }
    done
}

fn waves_done(before: &Value, after: &Value) -> BTreeMap<String, Happens> {
    let mut done = BTreeMap::new();
    for (name, new) in after["waves"].as_object().unwrap() {
        let old = &before["waves"][name];
        if old == new {
            continue;
        }
        let action = action(old, new, false);
        let mut fields = BTreeSet::new();
        if !old.is_null() && action != Action::Retire {
            fields = differing(old, new);
            fields.remove("retired");
        }
        done.insert(name.clone(), (action.to_string(), None, fields));
    }
    done
}

fn action(old: &Value, new: &Value, by_hand: bool) -> Action {
    match (old["retired"].as_bool(), new["retired"].as_bool().unwrap()) {
        (None, _) => Action::Create,
        (Some(false), true) => Action::Retire,
        (Some(true), false) => Action::Restore,
        _ if by_hand => Action::Adopt,
        _ => Action::Change,
    }
}

fn differing(old: &Value, new: &Value) -> BTreeSet<String> {
    // Some are left out where they are not set.
    let keys = [old, new].into_iter().flat_map(|value| value.as_object().unwrap().keys());
    keys.filter(|key| old[*key] != new[*key]).cloned().collect()
}
