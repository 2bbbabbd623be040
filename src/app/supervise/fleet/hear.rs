//! What the runs here tell, and what follows from it at once.
//!
//! **Invariant:** nothing that a run waits for is left without an answer, except what
//! could not be stored: that is offered again.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{debug, warn};

use super::{Active, Fleet, News, Over};
use crate::{
    app::{context::Context, ending::missing, supervise::Progress},
    model::{ArtifactKey, RunId},
    runner::{Rejection, Reply, Report},
    store::{Kept, Maker},
};

/// How soon what an agent says about its progress and what it cost is in the
/// database, where `wavemark status` reads it and budgets are kept.
const SOON: Duration = Duration::from_millis(500);

impl Fleet<'_> {
    /// Sees to what a run told.
    pub(super) async fn hear(
        &mut self,
        run: RunId,
        report: Report,
        observe: &mut dyn FnMut(Progress),
    ) -> News {
        let Some(active) = self.active.get_mut(&run) else { return News::Nothing };
        active.sign_of_life = Instant::now();
        let (cx, agent) = (self.cx, active.agent.clone());
        match report {
            Report::Output { line } => {
                // An event that says nothing to people is a sign of life all the same.
                if line != active.last_line {
                    active.last_line.clone_from(&line);
                    observe(Progress::Printed(agent, line));
                }
            }
            Report::Progress { line } => {
                active.said = Some(line.clone());
                self.tells_at.get_or_insert(Instant::now() + SOON);
                observe(Progress::Said(agent, line));
            }
            Report::Checkpoint { key, content, secret, reply, .. } => {
                let maker = Maker::Run(run, active.token.digest());
                let secret = secret.as_deref();
                match cx.store.keep(cx.project.id, maker, &key, &content, secret).await {
                    Ok(kept) => {
                        if let Kept::New { version } = kept {
                            active.checkpoints += 1;
                            observe(Progress::Stored(agent, key, version));
                        }
                        // The agent may be gone by now; its work is stored.
                        let _gone = reply.send(answer(&kept));
                        return News::Stored;
                    }
                    Err(err) if self.gives_up => {
                        let why = format!("it could not be stored: {err}");
                        let _gone = reply.send(Reply::Refused { why });
                    }
                    // Dropping `reply` has it offered again.
                    Err(err) => {
                        warn!(agent.name = %agent, "could not store {key} of `{agent}` yet: {err}");
                    }
                }
            }
            Report::Ask { question, reply } => {
                let token = active.token.digest();
                let answer = match cx.store.question(cx.project.id, run, token, &question).await {
                    Ok(Some(number)) => {
                        active.asked = true;
                        observe(Progress::Asked(agent, number));
                        Ok(number)
                    }
                    Ok(None) => Err("another run of this agent took over".to_owned()),
                    Err(err) if self.gives_up => Err(format!("it could not be stored: {err}")),
                    Err(err) => {
                        warn!(agent.name = %agent, "could not store a question of `{agent}` yet: {err}");
                        return News::Nothing;
                    }
                };
                let _gone = reply.send(answer);
            }
            Report::Used { usage } => {
                let before = active.usage.replace(usage).and_then(|usage| usage.cost);
                if usage.cost != before {
                    // It may be too much.
                    self.tells_at.get_or_insert(Instant::now() + SOON);
                }
            }
            Report::Claims { reply } => {
                let _gone = reply.send(active.left_out(cx, run).await);
            }
            Report::Rejected(Rejection { path, why }) => {
                warn!(agent.name = %agent, "`{agent}` made {path}, which cannot be taken: {why}");
                if let Err(err) = cx.store.note_rejection(cx.project.id, run, &path, &why).await {
                    debug!("could not record that: {err}");
                }
                observe(Progress::Rejected(agent, path, why));
            }
            Report::Ended(evidence) => {
                let ended = Instant::now();
                self.last_end = Some(ended);
                if let Some(active) = self.active.remove(&run) {
                    self.over.push(Over { run, active, evidence, ended });
                }
                return News::Ended;
            }
        }
        News::Nothing
    }
}

impl Active {
    /// What a run that claims to be done left out.
    async fn left_out(&self, cx: &Context, run: RunId) -> Vec<ArtifactKey> {
        if self.asked {
            // To ask people is a good reason to end early.
            return Vec::new();
        }
        match cx.store.stored_outputs(&[run]).await {
            Ok(stored) => missing(&self.produces, run, &stored),
            Err(err) => {
                let agent = &self.agent;
                warn!(agent.name = %agent, "could not see what `{agent}` left out: {err}");
                Vec::new()
            }
        }
    }
}

fn answer(kept: &Kept) -> Reply {
    match *kept {
        Kept::New { version } => Reply::Stored { version },
        Kept::Same { version } => Reply::Same { version },
        Kept::Stale => Reply::Refused { why: "another run of this agent took over".to_owned() },
    }
}
