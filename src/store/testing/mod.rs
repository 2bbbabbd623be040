//! What a test of the database stands on: a [`TestStore`] with a project in it.

mod server;

use std::{ops::Deref, time::Duration};

use sqlx::{AssertSqlSafe, Decode, Postgres, Row as _, Type, types::Json};

pub(crate) use self::server::Database;
use super::{
    Beat, Claim, Claimed, Ending, Error, Kept, Maker, Project, Reported, Result, Retire, Store, Tx,
    runs,
};
use crate::{
    engine::{Agent, Snapshot},
    model::{AgentId, AgentName, Digest, Outcome, RunId, RunToken, Status},
    plan::{Plan, diff::Changes, testing::check},
};

/// A database of one's own with a project in it, as one process sees it.
#[derive(Debug)]
pub(crate) struct TestStore {
    store: Store,
    /// The project, as the last [`given_plan`](Self::given_plan) left it.
    pub(crate) project: Project,
    /// Dropped with the test.
    pub(crate) database: Database,
}

impl Deref for TestStore {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

/// A run, with the secret that its supervisor knows.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) id: RunId,
    pub(crate) token: Digest,
    pub(crate) claimed: Claimed,
}

impl Running {
    /// Who hands in what it makes.
    pub(crate) fn maker(&self) -> Maker {
        Maker::Run(self.id, self.token)
    }

    /// A sign of life.
    pub(crate) fn beat(&self) -> Beat {
        Beat {
            run: self.id,
            token: self.token,
            idle: Duration::ZERO,
            progress: String::new(),
            usage: None,
        }
    }

    /// How it ended.
    pub(crate) fn ending(&self, outcome: Outcome) -> Ending {
        Ending {
            run: self.id,
            token: self.token,
            outcome,
            detail: String::new(),
            exit_code: None,
            log_tail: String::new(),
            usage: None,
            summary: None,
            reported: None,
        }
    }
}

/// A database of one's own, with an empty project called `demo`.
pub(crate) async fn store() -> TestStore {
    let database = Database::migrated().await;
    let store = Store::connect(database.options()).await.unwrap();
    let plan = plan("");
    store.sync(&plan, None, Retire::AtMostHalf).await.unwrap();
    let project = store.project(&plan.project.name).await.unwrap();
    TestStore { store, project, database }
}

/// The plan in `text`: files as in [`crate::plan::testing`].
pub(crate) fn plan(text: &str) -> Plan {
    check(text).unwrap_or_else(|problems| panic!("{}", problems.to_lines()))
}

pub(crate) fn name(name: &str) -> AgentName {
    name.parse().unwrap()
}

/// A wish to start an agent as it stands in `snapshot`.
pub(crate) fn wish(id: AgentId, agent: &Agent) -> Claim {
    let run = RunId::random();
    let mut secret = [0; 32];
    secret[..16].copy_from_slice(run.as_uuid().as_bytes());
    Claim {
        agent: id,
        from: agent.status,
        epoch: agent.epoch,
        generation: agent.generation,
        pool: agent.pool.clone(),
        run,
        token: RunToken::from_random(secret),
    }
}

impl TestStore {
    /// The same database, as another process sees it.
    pub(crate) async fn elsewhere(&self) -> Store {
        Store::connect(self.database.options()).await.unwrap()
    }

    /// Syncs the wave in `yaml`, or all files in it where it has `--- path`
    /// lines; returns what that changed.
    pub(crate) async fn given_plan(&mut self, yaml: &str) -> Changes {
        let plan = match yaml.trim_start().starts_with("---") {
            true => plan(yaml),
            false => plan(&format!("--- waves/main.yaml\n{yaml}")),
        };
        let changes = self.sync(&plan, None, Retire::Any).await.unwrap();
        self.project = self.store.project(&plan.project.name).await.unwrap();
        changes
    }

    /// An agent that needs nothing and is not in any plan.
    pub(crate) async fn given_agent(&self, name: &str, status: Status) -> AgentId {
        self.sql(&format!(
            "insert into agents (project_id, name, status, runner)
             values ('{}', '{name}', '{status}', 'exec')",
            self.project.id
        ))
        .await;
        self.id(name).await
    }

    /// Feedback on every agent there is, with these columns.
    pub(crate) async fn given_feedback(&self, columns: &str, values: &str) {
        self.sql(&format!(
            "insert into feedback (agent_id, feedback_text, {columns})
             select id, 'Hm.', {values} from agents"
        ))
        .await;
    }

    /// Begins a run of an agent.
    pub(crate) async fn claim(&self, agent: &str) -> Running {
        self.try_claim(agent).await.unwrap()
    }

    /// Begins a run of an agent, if it and its pool let it.
    pub(crate) async fn try_claim(&self, agent: &str) -> Option<Running> {
        let claim = self.wish(agent).await;
        claim_with(self, &self.project, &[claim]).await.pop()
    }

    /// A wish to start an agent as it stands now.
    pub(crate) async fn wish(&self, agent: &str) -> Claim {
        wish(self.id(agent).await, &self.facts(agent).await)
    }

    /// Ends a run, by what it reported if it did; says whether that counted.
    pub(crate) async fn end(&self, run: &Running, outcome: Outcome) -> bool {
        let reported = format!("select reported from runs where id = '{}'", run.id);
        let reported: Option<Json<Reported>> = self.value(&reported).await;
        let reported = reported.map(|reported| reported.0);
        self.ends(Ending { reported, ..run.ending(outcome) }).await
    }

    /// Ends a run; says whether that counted.
    pub(crate) async fn ends(&self, ending: Ending) -> bool {
        !self.finish(self.project.id, &[ending]).await.unwrap().is_empty()
    }

    /// Lets the lease of a run end an hour ago, and declares it lost.
    pub(crate) async fn lose(&self, run: &Running) {
        self.silence(run).await;
        self.tx(async |tx| runs::expire(tx, &[run.id]).await).await.unwrap();
    }

    /// Lets the lease of a run end an hour ago.
    pub(crate) async fn silence(&self, run: &Running) {
        let id = run.id;
        self.sql(&format!(
            "update runs set lease_until = now() - interval '1 hour' where id = '{id}'"
        ))
        .await;
    }

    /// Stores an artifact of a run.
    pub(crate) async fn makes(&self, run: &Running, key: &str, content: &str) -> Kept {
        let key = key.parse().unwrap();
        self.keep(self.project.id, run.maker(), &key, content, None).await.unwrap()
    }

    /// All facts.
    pub(crate) async fn all_facts(&self) -> Snapshot {
        self.snapshot(&self.project).await.unwrap().0
    }

    /// The facts about one agent.
    pub(crate) async fn facts(&self, agent: &str) -> Agent {
        self.all_facts().await.agents.remove(&name(agent)).unwrap()
    }

    /// The id of an agent.
    pub(crate) async fn id(&self, agent: &str) -> AgentId {
        self.agent(self.project.id, &name(agent)).await.unwrap().id
    }

    /// Does in SQL what a person would, in Supabase's editor.
    pub(crate) async fn sql(&self, sql: &str) {
        self.try_sql(sql).await.unwrap_or_else(|refusal| panic!("{refusal}: {sql}"));
    }

    /// Does it if the database lets it; else says what the database said.
    pub(crate) async fn try_sql(&self, sql: &str) -> Result<(), String> {
        try_sql(self, sql).await
    }

    /// The first value of the first row.
    pub(crate) async fn value<T>(&self, sql: &str) -> T
    where
        T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
    {
        value(self, sql).await
    }
}

/// Claims as `store` sees it; returns the runs that began.
pub(crate) async fn claim_with(store: &Store, project: &Project, claims: &[Claim]) -> Vec<Running> {
    let begun = store
        .tx(async |tx| {
            let pools = runs::lock_pools(tx, project.id, claims).await?;
            runs::claim(tx, &pools, project, "test", claims).await
        })
        .await
        .unwrap();
    let running = |claimed: Claimed| {
        let claim = claims.iter().find(|claim| claim.run == claimed.id)?;
        Some(Running { id: claimed.id, token: claim.token.digest(), claimed })
    };
    begun.into_iter().filter_map(running).collect()
}

/// Does all of this at once; returns what each came to.
pub(crate) async fn at_once<T: 'static>(
    work: impl IntoIterator<Item = impl Future<Output = T> + 'static>,
) -> Vec<T> {
    let tasks = tokio::task::LocalSet::new();
    let all: Vec<_> = work.into_iter().map(|one| tasks.spawn_local(one)).collect();
    tasks.await;
    let mut answers = vec![];
    for one in all {
        answers.push(one.await.unwrap());
    }
    answers
}

/// Does something in SQL if the database lets it; else says what the database
/// said.
pub(crate) async fn try_sql(store: &Store, sql: &str) -> Result<(), String> {
    store.tx(async |tx| execute(tx, sql).await).await.map_err(refusal)
}

/// Does something in SQL as a part of more.
pub(crate) async fn execute(tx: &mut Tx, sql: &str) -> Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(tx.conn()).await?;
    Ok(())
}

/// The first value of the first row.
pub(crate) async fn value<T>(store: &Store, sql: &str) -> T
where
    T: for<'r> Decode<'r, Postgres> + Type<Postgres>,
{
    let row =
        store.tx(async |tx| Ok(sqlx::raw_sql(AssertSqlSafe(sql)).fetch_one(tx.conn()).await?));
    row.await.unwrap().get(0)
}

/// Waits until a statement waits for a lock.
pub(crate) async fn until_somebody_waits(store: &Store) {
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    let somebody_waits = async {
        while value::<i64>(store, waiting).await == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), somebody_waits).await.unwrap();
}

/// What the database said.
pub(crate) fn refusal(err: Error) -> String {
    match err {
        Error::Database(sqlx::Error::Database(err)) => err.message().to_owned(),
        err => format!("{err:?}"),
    }
}
