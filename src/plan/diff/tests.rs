//! Examples with two plans each, and laws over random ones.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    model::{Definition, Digest},
    plan::testing::{any_plan, any_plans_one_field_apart, check},
};

/// The database after `changes` towards `plan` were applied to `stored`: what
/// the store does, on values.
fn applied(mut stored: Stored, plan: &Plan, changes: &Changes) -> Stored {
    if !changes.project.is_empty() {
        stored.project = Some(plan.project.clone());
    }
    for (name, WaveChange { action, .. }) in &changes.waves {
        match plan.waves.get(name) {
            Some(wave) => drop(stored.waves.insert(
                name.clone(),
                StoredWave {
                    budget: wave.budget,
                    title: wave.title.clone(),
                    after: wave.after.clone(),
                    position: wave.position,
                    retired: *action == Action::Retire,
                },
            )),
            None => stored.waves.get_mut(name).unwrap().retired = *action == Action::Retire,
        }
    }
    for (name, change) in &changes.agents {
        let Some(agent) = plan.agents.get(name) else {
            stored.agents.get_mut(name).unwrap().retired = change.action == Action::Retire;
            continue;
        };
        let before = stored.agents.get(name);
        let after = StoredAgent {
            wave: change.wave.clone(),
            definition: Some(agent.definition.clone()),
            retired: false,
            building: before.map_or(Building::Waiting, |before| before.building),
        };
        stored.agents.insert(name.clone(), after);
    }
    stored
}

/// The database after each of `plans` was synced, one after the other.
fn synced<'a>(plans: impl IntoIterator<Item = &'a Plan>) -> Stored {
    plans.into_iter().fold(Stored::default(), |stored, plan| {
        let changes = Changes::between(&stored, plan);
        applied(stored, plan, &changes)
    })
}

/// What syncing `after` changes, once `before` is synced and built.
fn changes(before: &str, after: &str) -> Changes {
    let mut stored = synced([&check(before).unwrap()]);
    for (name, agent) in &mut stored.agents {
        let work = agent.definition.as_ref().map(Definition::work_digest);
        agent.building = match name.as_str() {
            "live" => Building::Running(work),
            _ => Building::Finished(work),
        };
    }
    Changes::between(&stored, &check(after).unwrap())
}

const BEFORE: &str = "
--- waves/1.yaml
wave: words
agents:
  plan: { run: { manual: } }
  write: { run: { exec: ['true'] }, needs: [plan], prompt: Write., env: { A: 1 } }
  live: { run: { exec: [sleep, 5] } }
--- waves/2.yaml
wave: pictures
agents:
  draw: { run: { manual: }, timeout: 30m }
";

#[test]
fn the_first_sync_creates_everything() {
    let changes = Changes::between(&Stored::default(), &check(BEFORE).unwrap());
    insta::assert_snapshot!(changes.to_text(Detail::Full, Tense::Future), @"
    4 to create; 0 stay as they are

    project (new)

    wave words (new)
      + live: create
      + plan: create
      + write: create

    wave pictures (new)
      + draw: create
    ");
}

#[test]
fn every_kind_of_change_is_told_wave_by_wave() {
    let after = "
--- waves/project.yaml
project: demo
pools: { gpu: 2 }
grace: 5m
--- waves/1.yaml
wave: words
title: Words
agents:
  write:
    run: { exec: ['true'] }
    prompt: \"Write\\nbetter.\"
    env: { A: 2 }
    priority: 3
  live: { run: { exec: [sleep, '6'] } }
  draw: { run: { manual: }, timeout: 1h }
--- waves/3.yaml
wave: film
after: [words]
agents:
  cut: { run: { manual: } }
";
    insta::assert_snapshot!(changes(BEFORE, after).to_text(Detail::Brief, Tense::Future), @r#"
    1 to create, 3 to change, 2 to build again, 1 to move, 1 to retire; 0 stay as they are

    project
      ~ grace: 2m -> 5m
      ~ pools.gpu: none -> 2

    wave words
      ~ title: none -> Words
      ~ draw: move from pictures, change
          timeout: 30m -> 1h
      ~ live: build again because of run, once its run has ended
          run: exec ["sleep", "5"] -> exec ["sleep", "6"]
      - plan: retire
      ~ write: build again because of needs, prompt, env
          needs: -plan
          prompt: 1 line (76050b68) -> 2 lines (43e69b4f)
          env: -A=1 +A=2
          priority: 0 -> 3

    wave film (new)
      + cut: create

    wave pictures (retired)
    "#);
}

#[test]
fn a_change_of_what_an_agent_does_builds_it_again_and_a_title_does_not() {
    let after = BEFORE.replace("timeout: 30m", "title: Draw it, timeout: 30m");
    let titled = changes(BEFORE, &after).agents["draw"].clone();
    assert!(!titled.rebuild);

    let after = BEFORE.replace("timeout: 30m", "prompt: Draw it");
    let prompted = changes(BEFORE, &after).agents["draw"].clone();
    assert!(prompted.rebuild);
    assert_eq!(prompted.rebuild_because(), [Field::Prompt].into());
}

#[test]
fn how_a_url_is_asked_is_a_part_of_what_an_agent_does() {
    let plan = |settings: &str| {
        let n8n = format!("webhook: \"{{env:N8N_URL}}/webhook/a\"{settings}");
        format!("--- waves/w.yaml\nwave: w\nagents: {{ a: {{ run: {{ n8n: {{ {n8n} }} }} }} }}")
    };
    let after = plan(
        ", auth: { header: X-Secret, secret: N8N_SECRET }, api_key: N8N_API_KEY,
         stop: \"https://x.org/stop\"",
    );
    let changes = changes(&plan(""), &after);
    insta::assert_snapshot!(changes.to_text(Detail::Full, Tense::Future), @"
    1 to change, 1 to build again; 0 stay as they are

    wave w
      ~ a: build again because of run
          run: n8n {env:N8N_URL}/webhook/a -> n8n {env:N8N_URL}/webhook/a (auth X-Secret N8N_SECRET, api_key N8N_API_KEY, stop https://x.org/stop)
    ");
}

#[test]
fn going_back_to_what_was_built_builds_nothing_again() {
    let [built, other] = [BEFORE, &BEFORE.replace("A: 1", "A: 2")].map(|text| check(text).unwrap());
    let mut stored = synced([&built]);
    let work = built.agents["write"].definition.work_digest();
    stored.agents.get_mut("write").unwrap().building = Building::Finished(Some(work));

    let there = Changes::between(&stored, &other);
    let stored = applied(stored, &other, &there);
    let back = Changes::between(&stored, &built);

    assert_eq!((there.counts().rebuilt, back.counts().rebuilt), (1, 0));
}

#[test]
fn what_changed_while_it_was_retired_is_built_again_when_it_is_back() {
    let [built, other] = [BEFORE, &BEFORE.replace("A: 1", "A: 2")].map(|text| check(text).unwrap());
    let without = check(&BEFORE.replace("  write:", "  sketch:")).unwrap();
    let mut stored = synced([&built]);
    let work = built.agents["write"].definition.work_digest();
    stored.agents.get_mut("write").unwrap().building = Building::Finished(Some(work));
    for plan in [&other, &without] {
        let changes = Changes::between(&stored, plan);
        stored = applied(stored, plan, &changes);
    }

    let back = Changes::between(&stored, &other);

    assert!(back.agents["write"].rebuild && back.agents["write"].fields.is_empty());
}

#[test]
fn what_vanished_and_comes_back_is_restored_with_its_history() {
    let [all, some] = [BEFORE, &BEFORE.replace("  draw:", "  sketch:")].map(|p| check(p).unwrap());
    let stored = synced([&all, &some]);
    assert!(stored.agents["draw"].retired);
    insta::assert_snapshot!(Changes::between(&stored, &all).to_text(Detail::Full, Tense::Future), @"
    1 to restore, 1 to retire; 3 stay as they are

    wave pictures
      + draw: restore
      - sketch: retire
    ");
}

#[test]
fn agents_that_were_inserted_by_hand_are_left_alone_until_a_plan_names_them() {
    let mut stored = synced([&check(BEFORE).unwrap()]);
    let by_hand = StoredAgent {
        wave: WaveName::unplanned(),
        definition: None,
        retired: false,
        building: Building::Finished(None),
    };
    stored.agents.insert("extra".parse().unwrap(), by_hand);
    assert!(Changes::between(&stored, &check(BEFORE).unwrap()).is_empty());

    let after = format!("{BEFORE}  extra: {{ run: {{ manual: }} }}\n");
    let changes = Changes::between(&stored, &check(&after).unwrap());
    insta::assert_snapshot!(changes.to_text(Detail::Full, Tense::Future), @"
    1 to build again, 1 to move, 1 to adopt; 4 stay as they are

    wave pictures
      ~ extra: adopt, move from unplanned, build again
    ");
}

#[test]
fn losing_more_than_half_is_noticed() {
    let keep = |names: &[&str]| {
        let agents: String =
            names.iter().map(|name| format!("  {name}: {{ run: {{ manual: }} }}\n")).collect();
        format!("--- waves/1.yaml\nwave: w\nagents:\n{agents}")
    };
    let four = keep(&["a", "b", "c", "d"]);
    assert!(!changes(&four, &keep(&["a", "b"])).retires_most());
    assert!(changes(&four, &keep(&["a"])).retires_most());
    assert!(changes(&four, &keep(&["e", "f", "g", "h"])).retires_most());
}

#[test]
fn a_screen_stays_readable_however_much_changes() {
    let waves: String = (0..50)
        .map(|wave| {
            let agents: String =
                (0..3).map(|n| format!("  a{wave}-{n}: {{ run: {{ manual: }} }}\n")).collect();
            format!("--- waves/{wave:02}.yaml\nwave: w{wave:02}\nagents:\n{agents}")
        })
        .collect();
    let changes = Changes::between(&Stored::default(), &check(&waves).unwrap());
    let brief = changes.to_text(Detail::Brief, Tense::Future);
    let lines: Vec<&str> = brief.lines().collect();
    insta::assert_snapshot!([&lines[..6], &lines[lines.len() - 4..]].concat().join("\n"), @"
    150 to create; 0 stay as they are

    project (new)

    wave w00 (new): 3 to create
    wave w01 (new): 3 to create
    wave w39 (new): 3 to create
    ... and 10 more waves

    --full shows every agent
    ");
    assert!(lines.len() < 50, "{brief}");
    assert_eq!(changes.to_text(Detail::Full, Tense::Future).matches(": create").count(), 150);
}

fn any_history() -> impl Strategy<Value = Stored> {
    (vec(any_plan(), 0..4), vec((0..3_u8, any::<bool>()), 20)).prop_map(|(plans, flags)| {
        let mut stored = synced(&plans);
        for (agent, (building, current)) in stored.agents.values_mut().zip(flags) {
            let work = agent.definition.as_ref().map(Definition::work_digest);
            let work = if current { work } else { Some(Digest::of("earlier")) };
            agent.building = match building {
                0 => Building::Waiting,
                1 => Building::Running(work),
                _ => Building::Finished(work),
            };
        }
        stored
    })
}

/// What a plan is responsible for: all that is not retired.
fn planned_part(mut stored: Stored) -> Stored {
    stored.waves.retain(|_, wave| !wave.retired);
    stored.agents.retain(|_, agent| !agent.retired);
    for agent in stored.agents.values_mut() {
        agent.building = Building::Waiting;
    }
    stored
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(40) })]

    #[test]
    fn after_a_sync_there_is_nothing_to_change(stored in any_history(), plan in any_plan()) {
        let changes = Changes::between(&stored, &plan);
        let after = applied(stored, &plan, &changes);
        prop_assert_eq!(Changes::between(&after, &plan), Changes { unchanged: plan.agents.len(), ..Changes::default() });
    }

    #[test]
    fn a_sync_ends_the_same_wherever_it_began(stored in any_history(), plan in any_plan()) {
        let changes = Changes::between(&stored, &plan);
        let after = applied(stored, &plan, &changes);
        let fresh = synced([&plan]);
        prop_assert_eq!(planned_part(after), fresh);
    }

    #[test]
    fn whatever_a_plan_says_else_is_told([before, after] in any_plans_one_field_apart()) {
        prop_assume!(before.project.name == after.project.name);
        let stored = synced([&before]);
        let changes = Changes::between(&stored, &after);
        prop_assert!(!changes.is_empty());
        // Each in words: a wave is new or gone, anything else says something else.
        for (name, change) in &changes.agents {
            let says = !change.fields.is_empty() || change.moved_from.is_some();
            prop_assert!(says, "{}: {:?}", name, change);
        }
        let now = planned_part(applied(stored, &after, &changes));
        prop_assert_eq!(now, synced([&after]));
    }

    #[test]
    fn a_proposal_survives_being_printed_as_json(stored in any_history(), plan in any_plan()) {
        let mut names = plan.agents.keys().cloned();
        let outlook = Outlook {
            startable: names.next().into_iter().collect(),
            for_people: names.collect(),
            ..Outlook::default()
        };
        let proposal = Proposal::new(&plan, Changes::between(&stored, &plan), outlook);
        let json = serde_json::to_string(&proposal).unwrap();
        prop_assert_eq!(serde_json::from_str::<Proposal>(&json).unwrap(), proposal);
    }

    #[test]
    fn an_agent_is_built_again_exactly_when_its_work_digest_changes(
        before in any_plan(),
        after in any_plan(),
    ) {
        for (name, agent) in &before.agents {
            let Some(next) = after.agents.get(name) else { continue };
            let edits = field::of_definitions(&agent.definition, &next.definition);
            prop_assert_eq!(edits.is_empty(), agent.definition == next.definition);
            let work = edits.keys().any(|field| field.is_work());
            prop_assert_eq!(work, agent.definition.work_digest() != next.definition.work_digest());
        }
    }

    #[test]
    fn every_change_has_its_line(stored in any_history(), plan in any_plan()) {
        let changes = Changes::between(&stored, &plan);
        let text = changes.to_text(Detail::Full, Tense::Future);
        for (name, change) in &changes.agents {
            let line = text.lines().find(|line| line.contains(&format!(" {name}: ")));
            let line = line.expect("a line of its own");
            prop_assert_eq!(change.rebuild, line.contains("build again"));
            prop_assert_eq!(change.action == Action::Retire, line.contains("retire"));
        }
        prop_assert_eq!(changes.is_empty(), text.lines().count() == 1);
    }
}
