//! Runs that go on elsewhere: nobody's process is their supervisor, and whoever
//! ticks follows them.
//!
//! What they say stands in the database until it is judged here. A run of which
//! nothing more is heard loses its lease like any other.
//!
//! **Invariant:** nobody elsewhere is waited for while runs are judged: whatever is
//! asked of them is asked on the side, and what they answer is taken when it is here.

mod call;
mod evidence;
mod hidden;
mod launch;
mod look;

use std::{collections::HashMap, time::Duration};

use secrecy::ExposeSecret as _;
use tokio::{task::JoinSet, time::Instant};
use tracing::{debug, warn};

pub use self::call::{Call, Called, call};
use self::{
    evidence::evidence,
    hidden::{Said, hidden, without_token},
    launch::{asked, filled, post},
    look::{Look, Meaning, Place},
};
use super::{
    apply::Begun,
    context::Context,
    ending::{ending, missing},
    supervise::Ended,
};
use crate::{
    model::{AgentName, ArtifactKey, Digest, RunId},
    runner::{Evidence, Exit, Redactor},
    store::{Ending, RemoteRun, Reported},
    webhook::{Answer, Caller, Manners, Post},
};

/// A run that is over, and what it was judged to be.
pub(super) struct Judged {
    /// For the session.
    pub(super) ended: Ended,
    /// Why, in words.
    pub(super) detail: String,
}

/// How often n8n is asked about an execution.
const POLL: Duration = Duration::from_secs(10);

/// What somebody elsewhere answered.
pub(super) enum Answered {
    /// To a launch.
    Launch(Launched),
    /// To how an execution is getting on.
    Look(Look),
}

/// The answer to a launch.
pub(super) struct Launched {
    run: RunId,
    agent: AgentName,
    answer: Answer,
}

/// What tells somebody to stop.
struct Notice {
    agent: AgentName,
    post: Post,
    hidden: Redactor,
}

/// The last question to n8n about a run.
struct LookedAt {
    at: Instant,
    is_answered: bool,
}

/// What is asked of others here, and what follows runs.
pub(super) struct Remote<'a> {
    cx: &'a Context,
    /// Whether runs are judged here of whose webhook not all variables are known:
    /// nothing of them can be hidden, and nobody be told to stop. A job that builds
    /// one agent leaves them to the next tick.
    judges_any: bool,
    caller: Option<Caller>,
    launches: JoinSet<Launched>,
    looks: JoinSet<Look>,
    /// What tells others that a run is to stop. Nothing follows from how that goes.
    notices: JoinSet<()>,
    /// When each execution was last asked about.
    looked_at: HashMap<RunId, LookedAt>,
    /// How runs ended, as n8n says, until they are judged.
    seen: HashMap<RunId, Exit>,
}

impl<'a> Remote<'a> {
    pub(super) fn new(cx: &'a Context, judges_any: bool) -> Self {
        Self {
            cx,
            judges_any,
            caller: None,
            launches: JoinSet::new(),
            looks: JoinSet::new(),
            notices: JoinSet::new(),
            looked_at: HashMap::new(),
            seen: HashMap::new(),
        }
    }

    /// Whether no answer is waited for.
    pub(super) fn is_idle(&self) -> bool {
        self.launches.is_empty() && self.looks.is_empty()
    }

    /// Whether n8n was asked about a run and did not answer yet.
    pub(super) fn is_looking(&self) -> bool {
        !self.looks.is_empty()
    }

    /// Whether n8n was asked about this run and did not answer yet.
    pub(super) fn is_looking_at(&self, run: RunId) -> bool {
        self.is_looking() && self.looked_at.get(&run).is_some_and(|last| !last.is_answered)
    }

    /// Whether n8n said of a run that it is over, and it is not judged yet.
    pub(super) fn saw_an_end(&self) -> bool {
        !self.seen.is_empty()
    }

    /// Asks somebody elsewhere to do the work of a run that was claimed. That
    /// they cannot be asked is an answer, too.
    pub(super) async fn start(&mut self, begun: &Begun) -> anyhow::Result<()> {
        let run = begun.claimed.id;
        let agent = begun.claimed.agent.clone();
        let answer = |answer| Launched { run, agent: agent.clone(), answer };
        match self.prepare(begun) {
            Ok((caller, manners, post)) => {
                if let Some(missing) = self.cx.settings.environment.missing_for_api() {
                    warn!(
                        agent.name = %agent,
                        "`{agent}` is told no {missing}: set SUPABASE_URL and \
                         SUPABASE_PUBLISHABLE_KEY, unless it reports in SQL"
                    );
                }
                let secret =
                    post.auth.as_ref().map(|(_, secret)| Digest::of(secret.expose_secret()));
                self.cx.store.launching(run, secret).await?;
                let agent = agent.clone();
                let definition = begun.claimed.definition.as_ref();
                let hidden =
                    hidden(self.cx, definition.map(|d| &d.0), Some(&begun.token), Said::OnTheWay);
                self.launches.spawn(async move {
                    let hide = |body: &str| hidden.redact(body);
                    let answer = caller.launch(manners, &post, hide).await;
                    Launched { run, agent, answer }
                });
            }
            Err(why) => {
                let answered = answer(Answer::Refused(why));
                self.launches.spawn(async move { answered });
            }
        }
        Ok(())
    }

    fn prepare(&mut self, begun: &Begun) -> Result<(Caller, Manners, Post), String> {
        let definition = begun.claimed.definition.as_ref().map(|definition| &definition.0);
        let asked = definition.and_then(|definition| Some((definition, asked(definition)?)));
        let (definition, (manners, webhook)) = asked.ok_or_else(|| {
            format!("`{}` has no webhook: add it to a file in waves/ and sync", begun.claimed.agent)
        })?;
        let post = post(self.cx, begun, definition, webhook)?;
        Ok((self.caller()?, manners, post))
    }

    fn caller(&mut self) -> Result<Caller, String> {
        if self.caller.is_none() {
            self.caller = Some(Caller::new()?);
        }
        self.caller.clone().ok_or_else(|| "no request can be made".to_owned())
    }

    /// The next answer. Pending for ever while none is waited for; dropping this
    /// loses nothing.
    pub(super) async fn answered(&mut self) -> Answered {
        loop {
            let answered = tokio::select! {
                Some(launched) = self.launches.join_next() => launched.map(Answered::Launch),
                Some(look) = self.looks.join_next() => look.map(Answered::Look),
                else => std::future::pending().await,
            };
            match answered {
                Ok(answered) => return answered,
                // The lease of its run runs out.
                Err(err) => warn!("a request was broken off: {err}"),
            }
        }
    }

    /// Writes an answer down.
    pub(super) async fn take(&mut self, answered: Answered) -> anyhow::Result<Vec<Judged>> {
        match answered {
            Answered::Launch(launched) => self.take_launched(launched).await,
            Answered::Look(look) => {
                self.take_look(look).await?;
                Ok(Vec::new())
            }
        }
    }

    /// Whoever goes on lives; who is over is judged with all others, because what
    /// they say themselves goes first, and they may just have.
    async fn take_look(&mut self, look: Look) -> anyhow::Result<()> {
        let (run, agent) = (look.run, look.agent.clone());
        if let Some(last) = self.looked_at.get_mut(&run) {
            last.is_answered = true;
        }
        match look.meaning() {
            Meaning::Alive => self.cx.store.seen_alive(&self.cx.project, &[run]).await?,
            Meaning::Over(exit) => drop(self.seen.insert(run, exit)),
            Meaning::Nothing => {}
            Meaning::Unseen(why) => {
                warn!(agent.name = %agent, "could not look how `{agent}` is getting on: {why}");
            }
        }
        Ok(())
    }

    /// Once somebody works on the run, what was said when it was launched is of
    /// no interest any more.
    async fn take_launched(&self, launched: Launched) -> anyhow::Result<Vec<Judged>> {
        let Launched { run, agent, answer } = launched;
        let exit = match answer {
            Answer::Accepted(reference) => {
                self.cx.store.launched(run, reference.as_deref()).await?;
                return Ok(Vec::new());
            }
            Answer::Unclear(why) => {
                warn!(agent.name = %agent, "`{agent}` may have been started elsewhere, or not: {why}");
                return Ok(Vec::new());
            }
            Answer::NotNow(why) => Exit::NotYet(why),
            Answer::Refused(why) => Exit::NotStarted(why),
            Answer::Failed(why) => Exit::Elsewhere(why),
        };
        let runs = self.cx.store.remote_runs(&self.cx.project).await?;
        let unclaimed = runs.into_iter().filter(|one| one.run == run && !one.is_claimed);
        let unclaimed = unclaimed.map(|one| self.without_secrets(one));
        let over = unclaimed.filter_map(|one| Some((evidence(&one, Some(exit.clone()))?, one)));
        self.end(over.map(|(evidence, one)| (one, evidence)).collect()).await
    }

    /// Judges the runs that are over, and writes the verdicts down. n8n is asked
    /// about the others: once, or `again` and again.
    pub(super) async fn settle(&mut self, again: bool) -> anyhow::Result<Vec<Judged>> {
        let runs = self.cx.store.remote_runs(&self.cx.project).await?;
        self.look_at(&runs, again);
        let mut seen = std::mem::take(&mut self.seen);
        let over: Vec<(RemoteRun, Evidence)> = runs
            .into_iter()
            .filter(|run| self.judges_any || self.knows_webhook(run))
            .map(|run| self.without_secrets(run))
            .filter_map(|run| {
                let evidence = evidence(&run, seen.remove(&run.run))?;
                Some((run, evidence))
            })
            .collect();
        let notices: Vec<Notice> = over.iter().filter_map(|(run, _)| self.notice(run)).collect();
        let judged = self.end(over).await?;
        // Whoever just said how it ended need not stop.
        let is_judged = |notice: &Notice| judged.iter().any(|it| it.ended.agent == notice.agent);
        for notice in notices.into_iter().filter(is_judged) {
            self.tell(notice);
        }
        Ok(judged)
    }

    /// Tells somebody to stop. The token of the run is worth nothing any more; this
    /// saves work, and no more.
    fn tell(&mut self, notice: Notice) {
        while self.notices.try_join_next().is_some() {}
        let Notice { agent, post, hidden } = notice;
        let caller = self.caller();
        self.notices.spawn(async move {
            let told = match caller {
                Ok(caller) => caller.tell(&post, |text| hidden.redact(text)).await,
                Err(why) => Err(why),
            };
            if let Err(why) = told {
                untold(&agent, &why);
            }
        });
    }

    /// Returns when everybody was told to stop who is to be.
    pub(super) async fn told(&mut self) {
        while self.notices.join_next().await.is_some() {}
    }

    /// Whether all is known here that its webhook is called with.
    fn knows_webhook(&self, run: &RemoteRun) -> bool {
        let webhook = run.definition.as_ref().and_then(|definition| asked(&definition.0));
        let variables = webhook.into_iter().flat_map(|(_, webhook)| webhook.variables());
        variables.into_iter().all(|name| self.cx.settings.environment.word(name).is_some())
    }

    /// A run whose report holds nothing that was sent when it was launched.
    fn without_secrets(&self, mut run: RemoteRun) -> RemoteRun {
        let token = run.token;
        if run.reported.is_some() {
            let hidden = self.hidden(&run, Said::InAReport);
            let said = run.reported.as_mut().map(|said| &mut said.0);
            for text in said.into_iter().flat_map(|said| [&mut said.summary, &mut said.cause]) {
                *text = text.take().map(|text| hidden.redact(&without_token(&text, token)));
            }
        }
        run
    }

    /// What nobody may see of a run whose token is not known any more.
    fn hidden(&self, run: &RemoteRun, said: Said) -> Redactor {
        hidden(self.cx, run.definition.as_ref().map(|definition| &definition.0), None, said)
    }

    /// Asks n8n about runs that said nothing about their end.
    fn look_at(&mut self, runs: &[RemoteRun], again: bool) {
        self.looked_at.retain(|id, _| runs.iter().any(|run| run.run == *id));
        for run in runs.iter().filter(|run| run.reported.is_none()) {
            let Some(Place { url, key, id }) = Place::of(self.cx, run) else { continue };
            let last = self.looked_at.get(&run.run);
            if last.is_some_and(|last| !again || last.at.elapsed() < POLL) {
                continue;
            }
            let now = LookedAt { at: Instant::now(), is_answered: false };
            self.looked_at.insert(run.run, now);
            let (caller, hidden) = (self.caller(), self.hidden(run, Said::OnTheWay));
            let (run, agent, is_silent) = (run.run, run.agent.clone(), run.is_silent);
            self.looks.spawn(async move {
                let said = match caller {
                    Ok(caller) => {
                        caller.execution(&url, &key, &id, |text| hidden.redact(text)).await
                    }
                    Err(why) => Err(why),
                };
                Look { run, agent, is_silent, said }
            });
        }
    }

    /// What is sent when a run is to stop that said nothing of its end.
    fn notice(&self, run: &RemoteRun) -> Option<Notice> {
        let reason = run.stop.filter(|_| run.reported.is_none())?;
        let (_, webhook) = asked(&run.definition.as_ref()?.0)?;
        let body = serde_json::json!({
            "run": run.run, "agent": run.agent, "epoch": run.epoch,
            "reference": run.reference, "reason": reason,
        });
        let key = format!("stop:{}", run.run);
        let post = filled(self.cx, webhook.stop.as_ref()?, webhook.auth.as_ref(), key, &body);
        let post = post.inspect_err(|why| untold(&run.agent, why)).ok()?;
        Some(Notice { agent: run.agent.clone(), post, hidden: self.hidden(run, Said::OnTheWay) })
    }

    async fn end(&self, over: Vec<(RemoteRun, Evidence)>) -> anyhow::Result<Vec<Judged>> {
        if over.is_empty() {
            return Ok(Vec::new());
        }
        let ids: Vec<RunId> = over.iter().map(|(run, _)| run.run).collect();
        let stored = self.cx.store.stored_outputs(&ids).await?;
        let endings: Vec<Ending> =
            over.iter().map(|(run, evidence)| of_remote(run, evidence, &stored)).collect();
        let counted = self.cx.store.finish(self.cx.project.id, &endings).await?;
        let mut judged = Vec::new();
        for ((run, _), ending) in over.into_iter().zip(endings) {
            if !counted.contains(&run.run) {
                // By somebody else, or it just said itself how it ended.
                debug!(agent.name = %run.agent, run.id = %run.run, "the run of `{}` is judged anew", run.agent);
                continue;
            }
            let usage = run.used();
            let took = (run.taken_at - run.claimed_at).to_std().unwrap_or_default();
            judged.push(Judged {
                ended: Ended {
                    agent: run.agent,
                    outcome: ending.outcome,
                    took,
                    checkpoints: u32::try_from(run.checkpoints).unwrap_or(u32::MAX),
                    usage,
                },
                detail: ending.detail,
            });
        }
        Ok(judged)
    }
}

fn untold(agent: &AgentName, why: &str) {
    warn!(agent.name = %agent, "could not tell that `{agent}` is to stop: {why}");
}

fn of_remote(run: &RemoteRun, evidence: &Evidence, stored: &[(RunId, ArtifactKey)]) -> Ending {
    let produces = run.definition.as_ref().map(|definition| &definition.0.produces);
    let missing = produces.map(|keys| missing(keys, run.run, stored)).unwrap_or_default();
    let reported = run.reported.as_ref();
    let reported =
        reported.map(|said| Reported { summary: evidence.summary.clone(), ..said.0.clone() });
    let usage = run.used();
    Ending { usage, reported, ..ending((run.run, run.token), evidence, &missing, run.asked) }
}
