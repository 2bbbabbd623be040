//! Words in, words out: the command line.
//!
//! One file per subcommand: arguments in, a call into `app`, something printed.
//! The doc comment of each `Args` is its help. Answers go to stdout, everything
//! else to stderr.

mod agent;
mod artifacts;
mod call;
mod check;
mod comment;
mod db;
mod demo;
mod explain;
mod feedback;
mod inside;
mod log;
mod mcp;
mod next;
mod output;
mod plan;
mod progress;
mod run;
mod schema;
mod status;
mod sync;

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand, builder::FalseyValueParser};
use secrecy::SecretString;

use crate::{
    app::{Environment, Settings},
    store::Insecure,
};

/// How a command that did not fail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Everything asked for was done.
    Done,
    /// A dry run found something to do, or a check found problems.
    Found,
    /// What was asked for could not be done, and it was said why.
    Failed,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => Self::SUCCESS,
            // 1 is a failure and 2 is clap's; scripts may rely on 3.
            Outcome::Found => Self::from(3),
            Outcome::Failed => Self::FAILURE,
        }
    }
}

/// Runs waves of agents in parallel, and keeps what they make in Postgres and in git
///
/// Agents are defined in `waves/*.yaml`. `wavemark plan` shows what would
/// change, `wavemark sync` brings them into the database, `wavemark run` builds everything that can be built without you,
/// and `wavemark status` shows where things stand. Without DATABASE_URL a
/// private Postgres is started in `.wavemark/`.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a dry run found something to
/// do or a check found problems.
#[derive(Debug, Parser)]
#[command(name = "wavemark", version, max_term_width = 100, disable_help_subcommand = true)]
struct Cli {
    #[command(flatten)]
    global: Global,

    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
struct Global {
    /// Work as if started in this folder
    #[arg(
        short = 'C',
        long,
        global = true,
        help_heading = "Options everywhere",
        default_value = ".",
        value_name = "DIR"
    )]
    directory: PathBuf,

    /// Postgres to work on; without it, a private one in `.wavemark/`
    ///
    /// Better set in the environment: everybody on a machine can see arguments.
    #[arg(
        long,
        global = true,
        help_heading = "Options everywhere",
        env = "DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<SecretString>,

    /// Authority of the database server's certificate: a PEM file, or PEM itself
    ///
    /// Trusted beside the system's. On Supabase it is needed, as its authority is
    /// Supabase's own.
    #[arg(
        long,
        global = true,
        help_heading = "Options everywhere",
        env = "WAVEMARK_DATABASE_CA",
        hide_env_values = true,
        value_name = "PEM"
    )]
    database_ca: Option<String>,

    /// Allow an `sslmode` weaker than verify-full for a database on another machine
    ///
    /// Only if DATABASE_URL asks for one. Somebody on the way there may then read
    /// the password and everything else.
    #[arg(
        long,
        global = true,
        help_heading = "Options everywhere",
        env = "WAVEMARK_DATABASE_INSECURE",
        value_parser = FalseyValueParser::new()
    )]
    database_insecure: bool,

    /// Git remote for artifacts; without it `origin`, or a bare repository in `.wavemark/`
    #[arg(
        long,
        global = true,
        help_heading = "Options everywhere",
        env = "WAVEMARK_GIT_REMOTE",
        value_name = "URL"
    )]
    git_remote: Option<String>,

    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, help_heading = "Options everywhere", action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Command {
    Check(check::CheckArgs),
    Schema(schema::SchemaArgs),
    Plan(plan::PlanArgs),
    Comment(comment::CommentArgs),
    Sync(sync::SyncArgs),
    Status(status::StatusArgs),
    Why(status::WhyArgs),
    Events(status::EventsArgs),
    Tick(run::TickArgs),
    Run(run::RunArgs),
    Build(run::BuildArgs),
    Call(call::CallArgs),
    Feedback(feedback::FeedbackArgs),
    Approve(feedback::ApproveArgs),
    SendBack(feedback::SendBackArgs),
    Retry(agent::RetryArgs),
    Pause(agent::PauseArgs),
    Resume(agent::ResumeArgs),
    Rebuild(agent::RebuildArgs),
    Artifacts(artifacts::ArtifactsArgs),
    Show(artifacts::ShowArgs),
    History(artifacts::HistoryArgs),
    Verify(artifacts::VerifyArgs),
    Log(log::LogArgs),
    Checkpoint(inside::CheckpointArgs),
    Ask(inside::AskArgs),
    Progress(inside::ProgressArgs),
    Finish(inside::FinishArgs),
    Mcp(mcp::McpArgs),
    Db(db::DbArgs),
    Demo(demo::DemoArgs),
}

/// Parses the command line of this process and does what it says.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    output::log(cli.global.verbose);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let result = match runtime {
        Ok(runtime) => {
            let result = runtime.block_on(dispatch(cli));
            // A push that hangs must not keep the process.
            runtime.shutdown_background();
            result
        }
        Err(err) => Err(anyhow::Error::new(err).context("cannot start the runtime")),
    };
    match result {
        Ok(outcome) => outcome.into(),
        Err(err) => {
            output::complain(&explain::explain(&err));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    let settings = settings(cli.global);
    match cli.command {
        Command::Check(args) => check::check(&settings, &args),
        Command::Schema(args) => schema::schema(&args),
        Command::Plan(args) => plan::plan(&settings, &args).await,
        Command::Comment(args) => comment::comment(&settings, args).await,
        Command::Sync(args) => sync::sync(&settings, &args).await,
        Command::Status(args) => status::status(settings, &args).await,
        Command::Why(args) => status::why(settings, &args).await,
        Command::Events(args) => status::events(settings, &args).await,
        Command::Tick(args) => run::tick(settings, &args).await,
        Command::Run(args) => run::run(settings, &args).await,
        Command::Build(args) => run::build(settings, &args).await,
        Command::Call(args) => call::call(settings, &args).await,
        Command::Feedback(args) => feedback::feedback(settings, args).await,
        Command::Approve(args) => feedback::approve(settings, &args).await,
        Command::SendBack(args) => feedback::send_back(settings, &args).await,
        Command::Retry(args) => agent::retry(settings, &args).await,
        Command::Pause(args) => agent::pause(settings, &args).await,
        Command::Resume(args) => agent::resume(settings, &args).await,
        Command::Rebuild(args) => agent::rebuild(settings, &args).await,
        Command::Artifacts(args) => artifacts::artifacts(settings, &args).await,
        Command::Show(args) => artifacts::show(settings, &args).await,
        Command::History(args) => artifacts::history(settings, &args).await,
        Command::Verify(args) => artifacts::verify(settings, &args).await,
        Command::Log(args) => log::log(settings, &args).await,
        Command::Checkpoint(args) => inside::checkpoint(settings, &args).await,
        Command::Ask(args) => inside::ask(&settings, &args),
        Command::Progress(args) => inside::progress(&settings, &args),
        Command::Finish(args) => inside::finish(settings, &args).await,
        Command::Mcp(args) => mcp::mcp(&settings, &args).await,
        Command::Db(args) => db::db(&settings, &args).await,
        Command::Demo(args) => demo::demo(settings, &args).await,
    }
}

fn settings(global: Global) -> Settings {
    Settings {
        directory: global.directory,
        database_url: global.database_url,
        database_ca: global.database_ca,
        insecure: match global.database_insecure {
            true => Insecure::Accept,
            false => Insecure::Refuse,
        },
        git_remote: global.git_remote,
        environment: environment(),
    }
}

/// The environment, read here and nowhere else.
fn environment() -> Environment {
    let variables: BTreeMap<String, OsString> = env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value)))
        .collect();
    let text = |name: &str| variables.get(name).map(|value| value.to_string_lossy().into_owned());
    let user = text("USER").or_else(|| text("LOGNAME"));
    let host = rustix::system::uname();
    Environment {
        binary: env::current_exe().unwrap_or_else(|_| PathBuf::from("wavemark")),
        host: host.nodename().to_string_lossy().into_owned(),
        user: user.filter(|user| !user.is_empty()).unwrap_or_else(|| "somebody".to_owned()),
        variables,
    }
}

/// The directory of the run that this process is part of, if it is.
fn run_directory(settings: &Settings) -> Option<&Path> {
    settings.environment.variables.get("WAVEMARK_DIR").map(Path::new)
}
