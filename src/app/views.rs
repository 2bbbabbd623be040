//! Fills the views that people see from what the database has.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Add,
    time::Duration,
};

use anyhow::Context as _;

use super::{Context, Session};
use crate::{
    archive::{Claim, Fault},
    engine::{self, BudgetScope, Snapshot, Wait, decide},
    model::{AgentName, ArtifactId, ArtifactKey, FeedbackNumber, Outcome, Status, WaveName},
    report::{
        Activity, AgentView, ArtifactView, ArtifactsView, ComparedView, ComparisonView,
        CompletedView, EventView, EventsView, FeedbackListView, FeedbackRef, FeedbackView,
        GithubView, HistoryView, LateView, MissingIssueView, Reason, RunSummaryView, RunView,
        SpanView, StatusView, ThreadView, TimelineRow, TimelineView, WaitingView, WaveView,
        WhyView,
    },
    store::{AgentRow, ArtifactRow, FeedbackRow},
};

/// `wavemark status`.
pub async fn status(cx: &Context) -> anyhow::Result<StatusView> {
    let (snapshot, _) = cx.store.snapshot(&cx.project).await?;
    let rows = cx.store.agent_rows(cx.project.id).await?;
    let feedback = cx.store.feedback(cx.project.id, None, false).await?;
    let project = cx.store.project(&cx.project.name).await?;
    let decision = decide(&snapshot);

    let mut waves: Vec<WaveView> = Vec::new();
    for row in rows {
        let agent = agent_view(&row, &snapshot, &decision);
        let wave = waves.iter_mut().find(|wave| wave.name == row.wave);
        match wave {
            Some(wave) => wave.agents.push(agent),
            None => {
                waves.push(WaveView { name: row.wave, title: row.wave_title, agents: vec![agent] })
            }
        }
    }
    let mut view = StatusView::new(
        project.name,
        snapshot.taken_at,
        project.last_tick_at,
        waves,
        feedback.into_iter().map(feedback_view).collect(),
    );
    view.late = cx.store.last_tick(&cx.project).await?.as_ref().and_then(LateView::of);
    view.github = github_view(cx).await?;
    Ok(view)
}

async fn github_view(cx: &Context) -> anyhow::Result<GithubView> {
    let obstacles = cx.store.mail_obstacles(cx.project.id).await?;
    let missing = obstacles.missing.into_iter();
    Ok(GithubView {
        paused_until: obstacles.paused_until,
        trouble: obstacles.trouble,
        missing: missing
            .map(|(issue, feedback, agent)| MissingIssueView { issue, feedback, agent })
            .collect(),
    })
}

/// `wavemark why AGENT`.
pub async fn why(cx: &Context, agent: &AgentName) -> anyhow::Result<WhyView> {
    cx.store.agent(cx.project.id, agent).await?;
    let status = status(cx).await?;
    let taken_at = status.taken_at;
    let found = status.waves.into_iter().flat_map(|wave| wave.agents);
    let mut found = found.filter(|view| view.name == *agent);
    let agent = found.next().ok_or_else(|| crate::store::Error::NoAgent(agent.clone()))?;
    Ok(WhyView { taken_at, agent })
}

fn agent_view(row: &AgentRow, snapshot: &Snapshot, decision: &engine::Decision) -> AgentView {
    let facts = snapshot.agents.get(&row.name);
    let run = match (row.epoch, row.attempt, row.claimed_at) {
        (Some(epoch), Some(attempt), Some(started_at)) => Some(RunView {
            epoch,
            attempt: u32::try_from(attempt).unwrap_or(0),
            started_at,
            ended_at: row.finished_at,
            outcome: row.outcome,
            last_output: row.progress.clone(),
        }),
        _ => None,
    };
    AgentView {
        name: row.name.clone(),
        title: row.title.clone(),
        status: row.status,
        since: row.status_since,
        generation: row.generation,
        run,
        checkpoints: u32::try_from(row.checkpoints).unwrap_or(u32::MAX),
        waits_for: reasons(row, snapshot, decision),
        summary: row.output_summary.clone(),
        stale_inputs: facts.is_some_and(|facts| facts.is_stale(snapshot)),
        usage: row.usage(),
        retired: row.retired,
    }
}

/// Why an agent stands where it does, from the very decision that the next
/// tick will make.
fn reasons(row: &AgentRow, snapshot: &Snapshot, decision: &engine::Decision) -> Vec<Reason> {
    if row.retired {
        return vec![Reason::Retired];
    }
    if let Some(wait) = decision.waiting.get(&row.name) {
        return explain(wait, snapshot);
    }
    let moves = decision.effects.iter().any(|effect| *effect.agent() == row.name);
    match moves {
        true => vec![Reason::NextTick],
        false => Vec::new(),
    }
}

fn explain(wait: &Wait, snapshot: &Snapshot) -> Vec<Reason> {
    match wait {
        Wait::Run => vec![Reason::Running],
        Wait::Stopping(why) => vec![Reason::Stopping { why: *why }],
        Wait::Feedback(open) => open
            .iter()
            .map(|(number, kind)| Reason::Feedback(FeedbackRef { number: *number, kind: *kind }))
            .collect(),
        Wait::Asked(kind) => vec![Reason::Asked { kind: *kind }],
        Wait::Paused => vec![Reason::Paused],
        Wait::Barrier(waves) => waves
            .iter()
            .map(|wave| Reason::Barrier {
                wave: wave.clone(),
                incomplete: incomplete(wave, snapshot),
            })
            .collect(),
        Wait::Needs(agents) => agents.iter().map(|agent| need(agent, snapshot)).collect(),
        Wait::UnknownNeeds(number) => vec![Reason::UnknownNeeds { number: *number }],
        Wait::Backoff(until) => vec![Reason::Backoff { until: *until }],
        Wait::Budget(BudgetScope::Day, limit) => vec![Reason::DayIsOverBudget { limit: *limit }],
        Wait::Budget(scope, limit) => {
            vec![Reason::OverBudget { budget: scope.to_string(), limit: *limit }]
        }
        Wait::Pool(pool, cap) => vec![Reason::PoolFull { pool: pool.clone(), cap: *cap }],
    }
}

fn incomplete(wave: &WaveName, snapshot: &Snapshot) -> u32 {
    let of_wave = snapshot.agents.values().filter(|agent| agent.wave == *wave && !agent.retired);
    let count = of_wave.filter(|agent| agent.status != Status::Complete).count();
    u32::try_from(count).unwrap_or(u32::MAX)
}

fn need(agent: &AgentName, snapshot: &Snapshot) -> Reason {
    let facts = snapshot.agents.get(agent);
    Reason::Need {
        agent: agent.clone(),
        status: facts.map_or(Status::Draft, |facts| facts.status),
        open_feedback: facts
            .into_iter()
            .flat_map(|facts| &facts.feedback)
            .filter(|feedback| feedback.resolution.is_none())
            .map(|feedback| FeedbackRef { number: feedback.number, kind: feedback.kind })
            .collect(),
    }
}

fn feedback_view(row: FeedbackRow) -> FeedbackView {
    FeedbackView {
        number: row.number,
        kind: row.kind,
        agent: row.agent,
        text: row.feedback_text,
        opened_at: row.created_at,
        resolution: row.resolution,
        messages: 1 + u32::try_from(row.comments).unwrap_or(u32::MAX),
    }
}

/// `wavemark feedback list`.
pub async fn feedback(
    cx: &Context,
    agent: Option<&AgentName>,
    resolved_too: bool,
) -> anyhow::Result<FeedbackListView> {
    let rows = cx.store.feedback(cx.project.id, agent, resolved_too).await?;
    Ok(FeedbackListView {
        taken_at: cx.store.now().await?,
        feedback: rows.into_iter().map(feedback_view).collect(),
    })
}

/// `wavemark feedback show`.
pub async fn thread(cx: &Context, number: FeedbackNumber) -> anyhow::Result<ThreadView> {
    let (agent, thread) = cx.store.thread(cx.project.id, number).await?;
    Ok(ThreadView { taken_at: cx.store.now().await?, agent, thread })
}

/// `wavemark events`.
pub async fn events(
    cx: &Context,
    agent: Option<&AgentName>,
    limit: u32,
) -> anyhow::Result<EventsView> {
    let agent = match agent {
        Some(name) => Some(cx.store.agent(cx.project.id, name).await?.id),
        None => None,
    };
    let events = cx.store.events(cx.project.id, agent, limit).await?;
    Ok(EventsView {
        events: events
            .into_iter()
            .map(|event| EventView {
                at: event.at,
                agent: event.agent,
                kind: event.kind,
                text: event.detail,
            })
            .collect(),
    })
}

/// `wavemark artifacts`.
pub async fn artifacts(cx: &Context, agent: Option<&AgentName>) -> anyhow::Result<ArtifactsView> {
    let agent = match agent {
        Some(name) => Some(cx.store.agent(cx.project.id, name).await?.id),
        None => None,
    };
    let rows = cx.store.artifacts(cx.project.id, agent).await?;
    Ok(ArtifactsView { artifacts: rows.iter().map(artifact_view).collect() })
}

/// `wavemark history AGENT TYPE/NAME`.
pub async fn history(
    cx: &Context,
    agent: &AgentName,
    key: &ArtifactKey,
) -> anyhow::Result<HistoryView> {
    let agent = cx.store.agent(cx.project.id, agent).await?;
    let versions = cx.store.versions(agent.id, key).await?;
    Ok(HistoryView {
        taken_at: cx.store.now().await?,
        versions: versions.iter().map(artifact_view).collect(),
    })
}

fn artifact_view(row: &ArtifactRow) -> ArtifactView {
    ArtifactView {
        agent: row.agent.clone(),
        key: row.key(),
        version: u32::try_from(row.version).unwrap_or(0),
        bytes: u64::try_from(row.bytes).unwrap_or(0),
        sha256: row.sha256,
        stored_at: row.created_at,
        epoch: row.run_id.map(|_| row.epoch),
        git: row.git_state,
        commit: row.git_commit.clone(),
        reason: row.git_reason.clone(),
    }
}

/// Whether the two homes of every artifact agree, version by version.
pub async fn comparison(cx: &Context) -> anyhow::Result<ComparisonView> {
    let rows = cx.store.all_artifacts(cx.project.id).await?;
    let claims: Vec<Claim> = rows.iter().filter_map(claim).collect();
    let archive = cx.archive().await?;
    let faults: HashMap<ArtifactId, Fault> =
        tokio::task::spawn_blocking(move || archive.verify(&claims))
            .await?
            .context("cannot read the artifact branch")?
            .into_iter()
            .collect();
    let artifacts = rows
        .iter()
        .map(|row| {
            let commit = claim(row).and_then(|claim| match faults.get(&claim.id) {
                None => Some(claim.sha256),
                Some(Fault::Differs(other)) => Some(*other),
                Some(Fault::NoCommit | Fault::NoFile) => None,
            });
            ComparedView {
                agent: row.agent.clone(),
                key: row.key(),
                row: row.sha256,
                git: row.git_state,
                commit,
            }
        })
        .collect();
    Ok(ComparisonView { artifacts })
}

/// What a row says about its commit, if it has one.
fn claim(row: &ArtifactRow) -> Option<Claim> {
    Some(Claim {
        id: row.id,
        commit: row.git_commit.clone()?,
        path: row.git_path.clone()?,
        sha256: row.sha256,
    })
}

/// Who built when.
pub async fn timeline(cx: &Context) -> anyhow::Result<TimelineView> {
    let runs = cx.store.run_spans(cx.project.id).await?;
    let feedback = cx.store.feedback_spans(cx.project.id).await?;
    let mut order: Vec<AgentName> = Vec::new();
    let mut spans: BTreeMap<AgentName, Vec<SpanView>> = BTreeMap::new();
    for run in runs {
        if !order.contains(&run.agent) {
            order.push(run.agent.clone());
        }
        spans.entry(run.agent).or_default().push(SpanView {
            from: run.claimed_at,
            to: run.finished_at,
            activity: Activity::Building { outcome: run.outcome },
        });
    }
    for feedback in feedback {
        spans.entry(feedback.agent).or_default().push(SpanView {
            from: feedback.created_at,
            to: feedback.resolved_at,
            activity: Activity::Waiting,
        });
    }
    Ok(TimelineView {
        taken_at: cx.store.now().await?,
        rows: order
            .into_iter()
            .map(|agent| TimelineRow { spans: spans.remove(&agent).unwrap_or_default(), agent })
            .collect(),
    })
}

/// What a session came to.
pub async fn summary(cx: &Context, session: &Session) -> anyhow::Result<RunSummaryView> {
    let status = status(cx).await?;
    let mut completed: Vec<CompletedView> = Vec::new();
    for ended in session.ended.iter().filter(|ended| ended.outcome == Outcome::Succeeded) {
        let runs = || session.ended.iter().filter(|run| run.agent == ended.agent);
        completed.retain(|one| one.agent != ended.agent);
        completed.push(CompletedView {
            agent: ended.agent.clone(),
            took: runs().map(|run| run.took).sum(),
            checkpoints: runs().map(|run| run.checkpoints).sum(),
            usage: runs().filter_map(|run| run.usage).reduce(Add::add),
        });
    }
    let waiting = status
        .waves
        .iter()
        .flat_map(|wave| &wave.agents)
        .filter(|agent| {
            !agent.retired && !matches!(agent.status, Status::Complete | Status::Feedback)
        })
        .map(|agent| WaitingView {
            agent: agent.name.clone(),
            status: agent.status,
            waits_for: agent.waits_for.clone(),
        })
        .collect();
    Ok(RunSummaryView {
        taken_at: status.taken_at,
        completed,
        open_feedback: status.open_feedback,
        waiting,
        late: status.late,
        makespan: session.makespan,
        sequential: session.ended.iter().map(|run| run.took).sum::<Duration>(),
        usage: session.ended.iter().filter_map(|run| run.usage).reduce(Add::add),
    })
}
