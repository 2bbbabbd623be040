//! Random good plans, with everything that can stand in one.

use std::collections::{BTreeMap, BTreeSet};

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value, json};

use super::{
    runners::{AnyRun, ProfileFiles, any_profiles, any_run},
    style::{Style, written},
};
use crate::plan::{Facts, Plan, read};

/// A good plan of the project `random`.
pub(crate) fn any_plan() -> impl Strategy<Value = Plan> {
    (any_files(), Style::any()).prop_map(|(files, style)| checked(&files, style))
}

/// The good plan in these files.
pub(super) fn checked(files: &BTreeMap<String, Value>, style: Style) -> Plan {
    let plan = read(&written(files, style)).check(&Facts::default());
    plan.unwrap_or_else(|problems| panic!("{}", problems.to_lines()))
}

/// The files of a good plan, as values: how they are written is up to
/// [`written`]. Any two use the same few names, so that they overlap.
pub(in crate::plan) fn any_files() -> impl Strategy<Value = BTreeMap<String, Value>> {
    let waves = vec((any_wave(), vec(any_agent(), 1..5)), 1..4);
    (waves, any_project(), any_profiles(), any::<bool>()).prop_map(
        |(waves, project, profiles, reversed)| {
            let mut plan = Files { reversed, profiles, agents: 0, files: BTreeMap::new() };
            for (place, (wave, agents)) in waves.into_iter().enumerate() {
                plan.add(place, wave, agents);
            }
            plan.files.insert("waves/project.yaml".to_owned(), project);
            let path = |name| format!("waves/profiles/{name}.yaml");
            plan.files.extend(plan.profiles.into_iter().map(|(name, file)| (path(name), file)));
            plan.files
        },
    )
}

/// A plan that gets one wave after the other.
struct Files {
    /// Whether the names of the waves go down where those of their files go up.
    reversed: bool,
    profiles: ProfileFiles,
    /// How many agents there are.
    agents: usize,
    files: BTreeMap<String, Value>,
}

impl Files {
    fn wave(&self, place: usize) -> String {
        format!("w{}", if self.reversed { 9 - place } else { place })
    }

    /// Adds a wave. It and its agents need only what is there already, so that
    /// there is no circle.
    fn add(&mut self, place: usize, (mut wave, after): (Value, u8), agents: Vec<AnyAgent>) {
        let after: Vec<String> = (0..place)
            .filter(|earlier| after & (1 << earlier) != 0)
            .map(|at| self.wave(at))
            .collect();
        let mut members = Map::new();
        for AnyAgent { mut fields, run, picks } in agents {
            let earlier = self.agents + place;
            let needs = picks.into_iter().filter(|_| earlier > 0).map(|pick| pick % earlier);
            let needs: BTreeSet<String> = needs
                .map(|need| match need.checked_sub(self.agents) {
                    None => format!("a{need}"),
                    Some(wave) => format!("wave:{}", self.wave(wave)),
                })
                .collect();
            fields["needs"] = json!(needs);
            fields["run"] = run.with(&self.profiles);
            members.insert(format!("a{}", self.agents), fields);
            self.agents += 1;
        }
        wave["wave"] = json!(self.wave(place));
        wave["after"] = json!(after);
        wave["agents"] = Value::Object(members);
        self.files.insert(format!("waves/{place}.yaml"), wave);
    }
}

fn any_project() -> impl Strategy<Value = Value> {
    let caps = one_of([json!({ "gpu": 1 }), json!({ "gpu": 3, "default": 2 })]);
    let artifacts = mapping(vec![
        ("branch", maybe(one_of(["made", "wave/made_1.x"]))),
        ("max_size", maybe(one_of([json!(4096), json!("1 MiB")]))),
    ]);
    let github = mapping(vec![
        ("writes", maybe((1..50).prop_map(Value::from))),
        ("pause", maybe(any_duration())),
        ("timeout", maybe(any_duration())),
    ]);
    let roles = ["read", "triage", "write", "maintain", "admin"];
    mapping(vec![
        ("project", one_of(["random"])),
        ("artifacts", maybe(artifacts)),
        ("pools", caps),
        ("defaults", maybe(mapping(any_policy()))),
        ("grace", maybe(any_duration())),
        ("backoff", maybe(one_of(["1s", "30s"]))),
        ("backoff_cap", maybe(one_of(["1m", "40m"]))),
        ("stall_timeout", maybe(any_duration())),
        ("tick_every", maybe(any_duration())),
        ("lease", maybe(any_duration())),
        ("infra_retries", maybe((0..100).prop_map(Value::from))),
        ("budget_usd", maybe(any_money())),
        ("budget_usd_per_day", maybe(any_money())),
        ("prices", maybe(mapping(vec![("big", any_price()), ("a/b:c.1", any_price())]))),
        ("trust", maybe(mapping(vec![("role", maybe(one_of(roles)))]))),
        ("github", maybe(github)),
    ])
}

/// A wave without its name and its agents, and bits for those that it is after.
fn any_wave() -> impl Strategy<Value = (Value, u8)> {
    let wave = mapping(vec![
        ("title", maybe(any_title())),
        ("budget_usd", maybe(any_money())),
        ("defaults", maybe(mapping(any_policy()))),
    ]);
    (wave, select(vec![0, 0, 1, 2, 3]))
}

/// An agent, and numbers to pick its needs by.
#[derive(Clone, Debug)]
struct AnyAgent {
    fields: Value,
    run: AnyRun,
    picks: Vec<usize>,
}

fn any_agent() -> impl Strategy<Value = AnyAgent> {
    let prompts = ["Write it.", "Write\nit.\n", "  it: 'is' #1 \\ \"so\"\n"];
    let mut fields = vec![
        ("title", maybe(any_title())),
        ("prompt", maybe(one_of(prompts))),
        ("env", maybe(one_of([json!({ "A": "1", "B": "no: yes", "C": 3, "D": true })]))),
        ("secrets", maybe(one_of([json!(["TOKEN", "KEY"])]))),
        ("produces", maybe(one_of([json!(["doc/a.md", "schema/b.json", "prompt/c"])]))),
    ];
    fields.extend(any_policy());
    (mapping(fields), any_run(), vec(0..20_usize, 0..3)).prop_map(|(fields, run, picks)| AnyAgent {
        fields,
        run,
        picks,
    })
}

/// What an agent, its wave and the project may all say.
fn any_policy() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    vec![
        ("timeout", maybe(any_duration())),
        ("retries", maybe((0..3).prop_map(Value::from))),
        ("pool", maybe(one_of(["default", "gpu"]))),
        ("priority", maybe((-5..5).prop_map(Value::from))),
        ("review", maybe(one_of(["none", "required", "parallel"]))),
        ("on_stale", maybe(one_of(["keep", "rebuild"]))),
        ("budget_usd", maybe(any_money())),
    ]
}

fn any_title() -> BoxedStrategy<Value> {
    one_of(["A plain one", "yes", "1.10", "ä: # [b]", "'quoted' & *so*"])
}

pub(super) fn any_duration() -> BoxedStrategy<Value> {
    one_of(["90s", "2h", "1h 30m", "3 days"])
}

fn any_price() -> BoxedStrategy<Value> {
    let cached = maybe(one_of([json!(0), json!(0.125)]));
    mapping(vec![("input", any_money()), ("cached", cached), ("output", any_money())])
}

pub(super) fn any_money() -> BoxedStrategy<Value> {
    one_of([json!(4), json!(0.25), json!(12.34)])
}

/// A mapping with these fields.
pub(super) fn mapping(fields: Vec<(&'static str, BoxedStrategy<Value>)>) -> BoxedStrategy<Value> {
    let (names, values): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
    let named = move |values: Vec<Value>| {
        names.iter().map(|name| (*name).to_owned()).zip(values).collect::<Map<_, _>>().into()
    };
    values.prop_map(named).boxed()
}

/// It, or nothing, which counts as left out.
pub(super) fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![Just(Value::Null), value].boxed()
}

pub(super) fn one_of<T: Into<Value>, const N: usize>(values: [T; N]) -> BoxedStrategy<Value> {
    select(Vec::from(values.map(Into::into))).boxed()
}
