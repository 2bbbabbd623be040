//! A project in a temporary folder, and everything that is done to it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use tempfile::TempDir;
use uuid::Uuid;
use wavemark::embedded::{Address, Embedded};

use super::{
    Cutter, Grants, Plan, Pooler, Rest,
    process::{Output, Running},
    server::{Server, runtime, sql_at},
    supabase, tools,
};

/// A line that an agent left in the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Traced {
    pub(crate) agent: String,
    pub(crate) epoch: i32,
    pub(crate) word: String,
}

enum Database {
    /// On the server of all tests.
    Shared { server: Box<Server>, name: String, address: Address },
    /// The private one that the binary starts by itself.
    Private(Embedded),
    /// Wherever the test says.
    Elsewhere,
}

pub(crate) struct Project {
    folder: TempDir,
    database: Database,
    env: BTreeMap<String, String>,
}

impl Project {
    /// A project with this plan, which is in the database already.
    #[track_caller]
    pub(crate) fn with(plan: &Plan) -> Self {
        let project = Self::unsynced(plan);
        project.run(&["sync"]).ok();
        project
    }

    /// A project with this plan, and a database with nothing in it.
    pub(crate) fn unsynced(plan: &Plan) -> Self {
        let server = Box::new(Server::join());
        let name = format!("it_{}", Uuid::new_v4().simple());
        let address = server.create_database(&name);
        Self::at(plan, Database::Shared { server, name, address })
    }

    /// A project with this plan, and a database with nothing in it but what a
    /// Supabase project has, used as the role that one gets there.
    pub(crate) fn on_supabase(plan: &Plan, grants: Grants) -> Self {
        let server = Box::new(supabase::join());
        let name = format!("it_{}", Uuid::new_v4().simple());
        let address = supabase::create_database(&server, &name, grants);
        let url = supabase::url(&address, "postgres");
        let mut project = Self::at(plan, Database::Shared { server, name, address });
        supabase::link_migrations(&project.path("."));
        project.env("DATABASE_URL", &url);
        project
    }

    /// A project with this plan and without a `DATABASE_URL`.
    #[track_caller]
    pub(crate) fn on_its_own(plan: &Plan) -> Self {
        let project = Self::private(plan);
        project.run(&["sync"]).ok();
        project
    }

    /// A project with this plan and without a `DATABASE_URL`, where the first
    /// Postgres on the `PATH` is of this major version. There is no database yet.
    pub(crate) fn on_postgres(major: u32, plan: &Plan) -> Self {
        let mut project = Self::private(plan);
        let path = std::env::var_os("PATH").unwrap_or_default();
        let first = std::iter::once(tools::postgres(major));
        let path = std::env::join_paths(first.chain(std::env::split_paths(&path))).unwrap();
        project.env("PATH", path.to_str().unwrap());
        project
    }

    fn private(plan: &Plan) -> Self {
        // Filled in when there is a folder.
        let mut project = Self::at(plan, Database::Private(Embedded::at(Path::new(""))));
        project.database = Database::Private(Embedded::at(&project.path(".wavemark")));
        project
    }

    /// A project with this plan, and as `DATABASE_URL` whatever the test sets.
    pub(crate) fn elsewhere(plan: &Plan) -> Self {
        Self::at(plan, Database::Elsewhere)
    }

    fn at(plan: &Plan, database: Database) -> Self {
        let folder = TempDir::new().unwrap();
        for inner in ["gates", "home"] {
            fs::create_dir(folder.path().join(inner)).unwrap();
        }
        plan.write(folder.path());
        Self { folder, database, env: BTreeMap::new() }
    }

    /// Uses its database through a pooler from here on.
    pub(crate) fn through_pooler(&mut self) -> Pooler {
        let pooler = Pooler::in_front_of(self.address());
        self.env("DATABASE_URL", &pooler.url());
        pooler
    }

    /// Uses its database over a line that is cut from here on.
    pub(crate) fn through_cutter(&mut self) -> Cutter {
        let cutter = Cutter::in_front_of(self.address());
        self.env("DATABASE_URL", &cutter.url());
        cutter
    }

    fn address(&self) -> &Address {
        let Database::Shared { address, .. } = &self.database else {
            panic!("nothing can be put in front of a private database");
        };
        address
    }

    /// What the binary finds its database by.
    pub(crate) fn database_url(&self) -> String {
        self.address().url().to_owned()
    }

    /// Sets a variable for every use of the binary from here on.
    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    /// Writes another plan over this one; nobody is told.
    pub(crate) fn replan(&self, plan: &Plan) {
        plan.write(self.folder.path());
    }

    /// Uses the binary, and waits until it is done.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.start(args).wait()
    }

    /// Starts to use the binary.
    pub(crate) fn start(&self, args: &[&str]) -> Running {
        Running::start(self.command().args(args))
    }

    /// The binary in an environment with nothing in it but what it needs.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_wavemark"));
        command.current_dir(self.folder.path()).env_clear();
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.env("HOME", self.path("home")).env("USER", "ada");
        if let Database::Shared { address, .. } = &self.database {
            command.env("DATABASE_URL", address.url());
        }
        command.envs(&self.env);
        command
    }

    /// Starts to use Supabase's own command line, on the same database.
    pub(crate) fn supabase(&self, args: &[&str]) -> Running {
        Running::start(&mut supabase::command(&self.path("."), &self.env["DATABASE_URL"], args))
    }

    /// Runs SQL in psql, as whom the binary is there.
    #[track_caller]
    pub(crate) fn psql(&self, sql: &str) {
        let mut psql = Command::new("psql");
        psql.args(["-X", "-v", "ON_ERROR_STOP=1", "-c", sql, &self.env["DATABASE_URL"]]);
        Running::start(&mut psql).wait().ok();
    }

    /// What the server of its Supabase project logged, of other projects, too.
    pub(crate) fn server_log(&self) -> String {
        supabase::log()
    }

    /// Starts the REST API of its Supabase project.
    pub(crate) fn rest(&self) -> Rest {
        let Database::Shared { address, .. } = &self.database else {
            panic!("only a Supabase project has an API");
        };
        Rest::in_front_of(&supabase::url(address, "authenticator"))
    }

    /// Runs SQL as its owner: rows as lines, columns parted by `|`.
    #[track_caller]
    pub(crate) fn sql(&self, sql: &str) -> String {
        match &self.database {
            Database::Shared { server, address, .. } => server.sql(address, sql),
            Database::Private(embedded) => {
                let address = runtime().block_on(embedded.start()).unwrap();
                sql_at(&address.connect_options(), sql)
            }
            Database::Elsewhere => panic!("the test knows where its database is"),
        }
    }

    /// The status of every agent: `echo complete, vision draft`.
    pub(crate) fn statuses(&self) -> String {
        self.sql("select string_agg(name || ' ' || status, ', ' order by name) from agents")
    }

    /// The status of one agent.
    pub(crate) fn status(&self, agent: &str) -> String {
        self.sql(&format!("select status from agents where name = '{agent}'"))
    }

    /// How each run of an agent ended, in order: `failed, succeeded`.
    pub(crate) fn outcomes(&self, agent: &str) -> String {
        self.sql(&format!(
            "select string_agg(coalesce(outcome, 'live'), ', ' order by r.epoch)
             from runs r join agents a on a.id = agent_id where name = '{agent}'"
        ))
    }

    /// Uses git on the remote that artifacts are pushed to.
    #[track_caller]
    pub(crate) fn git(&self, args: &[&str]) -> String {
        self.git_in(&self.path(".wavemark/remote.git"), args)
    }

    /// Uses git on any repo.
    #[track_caller]
    pub(crate) fn git_in(&self, repo: &Path, args: &[&str]) -> String {
        let mut git = Command::new("git");
        git.arg("-C").arg(repo).args(args).env("HOME", self.path("home"));
        for role in ["AUTHOR", "COMMITTER"] {
            git.env(format!("GIT_{role}_NAME"), "ada");
            git.env(format!("GIT_{role}_EMAIL"), "ada@example.org");
        }
        let output = Running::start(&mut git).wait().ok();
        output.stdout.trim_end().to_owned()
    }

    /// The ids of the artifacts in git, one per commit, sorted.
    pub(crate) fn committed(&self) -> Vec<String> {
        self.committed_in(&self.path(".wavemark/remote.git"))
    }

    /// The ids of the artifacts in some repo, one per commit, sorted.
    pub(crate) fn committed_in(&self, repo: &Path) -> Vec<String> {
        let format = "--format=%(trailers:key=Wavemark-Artifact,valueonly,separator=)";
        let log = self.git_in(repo, &["log", format, "wavemark/artifacts"]);
        let mut ids: Vec<String> =
            log.lines().filter(|id| !id.is_empty()).map(ToOwned::to_owned).collect();
        ids.sort();
        ids
    }

    /// The ids of the artifacts in the database, sorted.
    pub(crate) fn stored(&self) -> Vec<String> {
        self.sql("select id from artifacts order by id::text")
            .lines()
            .map(ToOwned::to_owned)
            .collect()
    }

    /// Every artifact is in a row and in one commit, with the same bytes.
    #[track_caller]
    pub(crate) fn agrees_with_git(&self) {
        assert_eq!(self.committed(), self.stored());
        self.run(&["verify"]).ok();
    }

    /// Opens a gate that agents wait at.
    pub(crate) fn open(&self, gate: &str) {
        fs::write(self.path("gates").join(gate), "").unwrap();
    }

    /// What agents left in the trace, in the order in which it happened.
    pub(crate) fn trace(&self) -> Vec<Traced> {
        let text = fs::read_to_string(self.path("trace")).unwrap_or_default();
        text.lines()
            .map(|line| {
                let mut words = line.splitn(3, ' ');
                let mut next = || words.next().unwrap().to_owned();
                let (agent, epoch) = (next(), next().parse().unwrap());
                Traced { agent, epoch, word: next() }
            })
            .collect()
    }

    /// Whether an agent left this word in the trace.
    pub(crate) fn has_noted(&self, agent: &str, word: &str) -> bool {
        self.trace().iter().any(|line| line.agent == agent && line.word == word)
    }

    /// How many processes of any run of this project are alive.
    pub(crate) fn alive(&self) -> usize {
        let runs = self.sql("select id from runs");
        let marks: Vec<String> = runs.lines().map(|run| format!("WAVEMARK_RUN={run}")).collect();
        let is_ours = |process: &fs::DirEntry| {
            let environ = fs::read(process.path().join("environ")).unwrap_or_default();
            environ.split(|it| *it == 0).any(|it| marks.iter().any(|mark| mark.as_bytes() == it))
        };
        fs::read_dir("/proc").unwrap().filter(|process| is_ours(process.as_ref().unwrap())).count()
    }

    /// A path below the folder.
    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// A file below the folder.
    #[track_caller]
    pub(crate) fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
    }

    /// The run directory of an agent's run with this epoch.
    #[track_caller]
    pub(crate) fn run_dir(&self, agent: &str, epoch: i32) -> PathBuf {
        let folder = self.path(".wavemark/runs").join(agent);
        fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .find(|path| {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                name.split('-').next().is_some_and(|first| first.parse() == Ok(epoch))
            })
            .unwrap_or_else(|| panic!("{agent} has no run {epoch}"))
    }
}

impl Drop for Project {
    fn drop(&mut self) {
        match &self.database {
            Database::Shared { server, name, .. } => server.drop_database(name),
            Database::Private(embedded) => {
                if let Err(err) = runtime().block_on(embedded.destroy()) {
                    eprintln!("a server is left behind: {err}");
                }
            }
            Database::Elsewhere => {}
        }
    }
}
