//! A little language for facts: a line per agent, as one would say it.
//!
//! ```text
//! wave second after first
//! pool gpu: 2
//! budget project: 9 of 8, asked
//! vision: complete
//! echo:   draft <- vision, pixel pool=gpu review!7
//! ```
//!
//! A line is a name, the status last written, the needs, and words for what
//! differs from a plain agent (see [`say`]). A status implies what it usually
//! comes with: `building` a live run, `complete` a finished build that was
//! approved. Everything is read at [`NOW`].

use std::collections::BTreeSet;

use chrono::TimeDelta;
use uuid::Uuid;

use crate::{
    engine::{Agent, Attempts, Build, Feedback, LiveRun, Pool, Snapshot, Spending, Spent},
    model::{
        AgentName, Digest, Epoch, FeedbackKind, FeedbackNumber, Generation, Instant, OnStale,
        PoolName, ProjectSettings, Resolution, Review, RunId, RunnerKind, Status, Usd, WaveName,
    },
};

/// The moment at which every world is read.
pub(super) const NOW: Instant = Instant::UNIX_EPOCH;

/// The world that `text` describes.
///
/// # Panics
///
/// At a line that it does not understand.
pub(super) fn world(text: &str) -> Snapshot {
    let mut snapshot = empty();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        read(&mut snapshot, line).unwrap_or_else(|| panic!("cannot read the line `{line}`"));
    }
    count_live_runs(&mut snapshot);
    snapshot
}

/// A project without agents, and with room for many.
pub(super) fn empty() -> Snapshot {
    Snapshot {
        taken_at: NOW,
        settings: ProjectSettings::default(),
        waves: [("main".parse().unwrap(), BTreeSet::new())].into(),
        pools: [(PoolName::default_pool(), Pool { cap: 99, live: 0 })].into(),
        spending: Spending::default(),
        wave_budgets: [].into(),
        agents: [].into(),
    }
}

/// A plain agent: just defined, in need of nothing.
pub(super) fn agent() -> Agent {
    Agent {
        wave: "main".parse().unwrap(),
        status: Status::Draft,
        needs: [].into(),
        unknown_needs: 0,
        runner: RunnerKind::Exec,
        review: Review::None,
        on_stale: OnStale::Keep,
        pool: PoolName::default_pool(),
        priority: 0,
        retries: 3,
        work: Some(Digest::of("as defined")),
        generation: Generation::FIRST,
        built: None,
        epoch: Epoch(0),
        paused: false,
        retired: false,
        run: None,
        attempts: Attempts::default(),
        budget: None,
        spent: Usd::default(),
        feedback: vec![],
        produces: vec![],
        missing: vec![],
        handed_in: 0,
        asked: 0,
    }
}

/// A healthy run, claimed as `epoch`, that was started at `now`.
pub(super) fn run(name: &AgentName, epoch: Epoch, now: Instant) -> LiveRun {
    let id = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("{name}/{epoch}").as_bytes());
    LiveRun {
        id: RunId::from_uuid(id),
        epoch,
        lease_until: now + TimeDelta::minutes(2),
        deadline: now + TimeDelta::hours(2),
        progress_at: now,
        stop: None,
    }
}

/// Adds the runs of the agents to what their pools have.
pub(super) fn count_live_runs(snapshot: &mut Snapshot) {
    for agent in snapshot.agents.values().filter(|agent| agent.run.is_some()) {
        if let Some(pool) = snapshot.pools.get_mut(&agent.pool) {
            pool.live += 1;
        }
    }
}

fn read(snapshot: &mut Snapshot, line: &str) -> Option<()> {
    if let Some(wave) = line.strip_prefix("wave ") {
        let (wave, after) = wave.split_once(" after ")?;
        let after = after.split(", ").map(|wave| wave.parse().ok());
        let after = after.collect::<Option<BTreeSet<WaveName>>>()?;
        snapshot.waves.insert(wave.parse().ok()?, after);
    } else if let Some(budget) = line.strip_prefix("budget ") {
        return read_budget(snapshot, budget);
    } else if let Some(pool) = line.strip_prefix("pool ") {
        let (pool, cap) = pool.split_once(": ")?;
        let cap = cap.parse().ok()?;
        let pool = pool.parse().ok()?;
        snapshot.pools.insert(pool, Pool { cap, live: 0 });
    } else {
        let (name, facts) = line.split_once(':')?;
        let name: AgentName = name.parse().ok()?;
        let agent = read_agent(&name, facts)?;
        snapshot.waves.entry(agent.wave.clone()).or_default();
        snapshot.agents.insert(name, agent);
    }
    Some(())
}

/// `project: 9 of 8`, `day: 9 of 8`, `second: 9 of 8, asked` for a wave.
fn read_budget(snapshot: &mut Snapshot, text: &str) -> Option<()> {
    let (scope, text) = text.split_once(": ")?;
    let (text, is_asked) = match text.strip_suffix(", asked") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (usd, limit) = text.split_once(" of ")?;
    let (usd, limit) = (usd.parse().ok()?, limit.parse().ok()?);
    let spent = Spent { usd, asked: is_asked.into(), refused_at: is_asked.then_some(limit) };
    match scope {
        "project" => {
            snapshot.settings.budget = Some(limit);
            snapshot.spending.project = spent;
        }
        "day" => {
            snapshot.settings.budget_per_day = Some(limit);
            snapshot.spending.day = usd;
        }
        wave => {
            let wave: WaveName = wave.parse().ok()?;
            snapshot.wave_budgets.insert(wave.clone(), limit);
            snapshot.spending.waves.insert(wave, spent);
        }
    }
    Some(())
}

fn read_agent(name: &AgentName, facts: &str) -> Option<Agent> {
    let mut words = facts.split_whitespace().peekable();
    let mut agent = Agent { status: words.next()?.parse().ok()?, ..agent() };
    if words.next_if_eq(&"<-").is_some() {
        let mut more = true;
        while more {
            let need = words.next()?;
            more = need.ends_with(',');
            agent.needs.insert(need.trim_end_matches(',').parse().ok()?);
        }
    }
    match agent.status {
        Status::Building => {
            agent.epoch = Epoch(1);
            agent.run = Some(run(name, agent.epoch, NOW));
        }
        Status::Complete => finish(&mut agent),
        Status::Draft | Status::Ready | Status::Feedback => (),
    }
    for word in words {
        say(&mut agent, word)?;
    }
    let has_review = (agent.feedback.iter()).any(|feedback| feedback.kind == FeedbackKind::Review);
    if agent.status == Status::Complete && agent.review != Review::None && !has_review {
        agent.feedback.push(Feedback {
            resolution: Some(Resolution::Completed),
            applied: true,
            ..feedback(FeedbackKind::Review, 0)
        });
    }
    Some(agent)
}

/// Adds to an agent what one word says about it.
fn say(agent: &mut Agent, word: &str) -> Option<()> {
    let hour = TimeDelta::hours(1);
    match word {
        "paused" => agent.paused = true,
        "retired" => agent.retired = true,
        "manual" => agent.runner = RunnerKind::Manual,
        "rebuild-when-stale" => agent.on_stale = OnStale::Rebuild,
        "redefined" => agent.work = Some(Digest::of("as defined now")),
        "refused" => {
            agent.attempts.refused = true;
            agent.attempts.own += 1;
        }
        // Its run is over, and nobody has looked since.
        "built" => finish(agent),
        "ended" => agent.run = None,
        "lease=expired" => agent.run.as_mut()?.lease_until -= hour,
        "deadline=passed" => agent.run.as_mut()?.deadline -= hour * 3,
        "silent" => agent.run.as_mut()?.progress_at -= hour,
        _ => return say_value(agent, word),
    }
    Some(())
}

fn say_value(agent: &mut Agent, word: &str) -> Option<()> {
    if let Some((kind, number)) = word.split_once('!') {
        agent.feedback.push(read_feedback(kind, number)?);
        return Some(());
    }
    let (key, value) = word.split_once('=')?;
    if let Some((kind, number)) = key.split_once('?') {
        let mut feedback = read_feedback(kind, number)?;
        feedback.resolution = Some(value.parse().ok()?);
        agent.feedback.push(feedback);
        return Some(());
    }
    match key {
        "wave" => agent.wave = value.parse().ok()?,
        "pool" => agent.pool = value.parse().ok()?,
        "priority" => agent.priority = value.parse().ok()?,
        "review" => agent.review = value.parse().ok()?,
        "retries" => agent.retries = value.parse().ok()?,
        "failed" => agent.attempts.own = value.parse().ok()?,
        "spent" => agent.spent = value.parse().ok()?,
        "budget" => agent.budget = Some(value.parse().ok()?),
        "lost" => agent.attempts.infra = value.parse().ok()?,
        "seconds-ago" => {
            let ago = TimeDelta::seconds(value.parse().ok()?);
            agent.attempts.last_ended = Some(NOW - ago);
        }
        "unknown" => agent.unknown_needs = value.parse().ok()?,
        "generation" => agent.generation = Generation(value.parse().ok()?),
        "inputs" => agent.built.as_mut()?.inputs = value.parse().ok()?,
        "outputs" => agent.built.as_mut()?.outputs = value.parse().ok()?,
        "produces" => agent.produces.push(value.parse().ok()?),
        "missing" => {
            agent.produces.push(value.parse().ok()?);
            agent.missing.push(value.parse().ok()?);
        }
        "handed-in" => agent.handed_in = value.parse().ok()?,
        "asked" => agent.asked = value.parse().ok()?,
        "stop" => agent.run.as_mut()?.stop = Some(value.parse().ok()?),
        _ => return None,
    }
    Some(())
}

fn finish(agent: &mut Agent) {
    agent.run = None;
    agent.built =
        Some(Build { generation: agent.generation, work: agent.work, outputs: 0, inputs: 0 });
}

/// `!7` is a comment, `note!7` one that holds nobody back, `review!7` a review,
/// `asked!7` a question of a run.
fn read_feedback(kind: &str, number: &str) -> Option<Feedback> {
    let number = number.parse().ok()?;
    Some(match kind {
        "" => feedback(FeedbackKind::Comment, number),
        "note" => Feedback { blocking: false, ..feedback(FeedbackKind::Comment, number) },
        "asked" => {
            let run = Some(RunId::from_uuid(Uuid::nil()));
            Feedback { run, ..feedback(FeedbackKind::Question, number) }
        }
        kind => feedback(kind.parse().ok()?, number),
    })
}

fn feedback(kind: FeedbackKind, number: i64) -> Feedback {
    Feedback {
        number: FeedbackNumber(number),
        kind,
        blocking: true,
        generation: Generation::FIRST,
        run: None,
        resolution: None,
        applied: false,
    }
}
