//! Decisions without a session: nothing is started, and nobody waits for anything.

use crate::{
    app::{apply::Executor, context::Context},
    engine::{Decision, Effect, decide},
    model::AgentName,
};

/// What the next tick would decide.
pub async fn preview(cx: &Context) -> anyhow::Result<Decision> {
    let (snapshot, _) = cx.store.snapshot(&cx.project).await?;
    Ok(decide(&snapshot))
}

/// Carries out what follows from what a person just did, but starts nothing:
/// statuses and questions are then as people will find them.
pub async fn nudge(cx: &Context) -> anyhow::Result<()> {
    let (mut snapshot, ids) = cx.store.snapshot(&cx.project).await?;
    // A run that is lost is for somebody to find who asks about it first.
    snapshot.take_as_alive(|_| true);
    let effects = decide(&snapshot).effects;
    let effects: Vec<Effect> = effects.into_iter().filter_map(Effect::without_launching).collect();
    let executor = Executor {
        store: &cx.store,
        project: &cx.project,
        ids: &ids,
        host: &cx.settings.environment.host,
    };
    let applied = executor.apply(&effects).await;
    let names: Vec<&str> = applied.failed.iter().map(AgentName::as_str).collect();
    anyhow::ensure!(names.is_empty(), "could not advance {}", names.join(", "));
    Ok(())
}
