//! Starts the program of an agent: apart from our terminal, with nothing of ours
//! but a pipe to print into.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs::File,
    io,
    os::unix::process::ExitStatusExt as _,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    sync::LazyLock,
};

use process_wrap::tokio::{ChildWrapper, CommandWrap, ProcessSession};
use rustix::{
    fs::{Access, access},
    io::Errno,
    process::Pid,
};
use tokio::{net::unix::pipe, process::Command};

use super::{dir::RunDir, files, report::Exit};

/// A program that was started.
pub(super) struct Child {
    process: Box<dyn ChildWrapper>,
    /// The process, which leads its group.
    pub(super) pid: Pid,
}

/// What is to be started.
pub(super) struct Start<'a> {
    /// The program and its arguments.
    pub(super) command: &'a [String],
    /// The root of the project.
    pub(super) repo: &'a Path,
    pub(super) dir: &'a RunDir,
    pub(super) env: &'a BTreeMap<OsString, OsString>,
    /// A file for it to read; nothing otherwise.
    pub(super) stdin: Option<&'a Path>,
    /// Whether its standard output is for us, and comes by itself.
    pub(super) has_events: bool,
}

/// What a program prints.
pub(super) struct Printed {
    /// All of it; or what is for people, if the rest is for us.
    pub(super) output: pipe::Receiver,
    /// What is for us.
    pub(super) events: Option<pipe::Receiver>,
}

/// Why a program was not started.
#[derive(Debug)]
pub(super) enum CannotStart {
    /// The definition or the program is wrong: what, and what to do.
    Program(String),
    /// This machine cannot start it now.
    Machine(io::Error),
}

/// How a program is kept apart from us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Apart {
    /// In a session of its own, so that it has no terminal: one that asks for a
    /// password there fails, and does not wait for somebody to type.
    Session,
    /// In a group of its own, which is all it takes where there is no terminal.
    /// Such a process is started without copying our memory, at half the cost.
    Group,
}

impl Apart {
    fn here() -> Self {
        static HERE: LazyLock<Apart> = LazyLock::new(|| match File::open("/dev/tty") {
            Ok(_) => Apart::Session,
            Err(_) => Apart::Group,
        });
        *HERE
    }
}

/// Starts a program. Unless its events are for us, both of its outputs come
/// through the one pipe, so that their lines keep their order.
pub(super) fn spawn(start: &Start<'_>) -> Result<(Child, Printed), CannotStart> {
    spawn_apart(start, Apart::here())
}

fn spawn_apart(start: &Start<'_>, apart: Apart) -> Result<(Child, Printed), CannotStart> {
    let Some((name, arguments)) = start.command.split_first() else {
        return Err(CannotStart::Program("the command is empty: name a program".into()));
    };
    let program = locate(name, start.repo, start.env.get(OsStr::new("PATH")))?;
    let (reader, writer) = io::pipe().map_err(CannotStart::Machine)?;
    let events = start.has_events.then(io::pipe).transpose().map_err(CannotStart::Machine)?;
    let (events, for_events) = events.unzip();
    let run = |program: &Path, arguments: &[String]| {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(start.env)
            .current_dir(start.dir.work())
            .stdin(match start.stdin {
                Some(path) => {
                    let (folder, name) = files::place(path)?;
                    Stdio::from(folder.file(name)?)
                }
                None => Stdio::null(),
            })
            .stdout(for_events.as_ref().unwrap_or(&writer).try_clone()?)
            .stderr(writer.try_clone()?)
            .kill_on_drop(true);
        if apart == Apart::Group {
            command.process_group(0);
        }
        let mut command = CommandWrap::from(command);
        if apart == Apart::Session {
            command.wrap(ProcessSession);
        }
        command.spawn()
    };
    let started = match run(&program, arguments) {
        // What shells do with a script that names no interpreter. Starting a
        // session does it by itself.
        Err(err) if is(&err, Errno::NOEXEC) => {
            let script = [program.display().to_string()];
            run(Path::new("/bin/sh"), &[&script, arguments].concat())
        }
        started => started,
    };
    let process = started.map_err(|err| explain(err, name, &program))?;
    // Our ends for writing: a pipe ends when the last of theirs does.
    drop((writer, for_events));
    // The wrapper of a session waits for the whole group, background processes
    // included; the process in it for itself alone.
    let process = process.into_inner();
    let pid = process.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    let Some(pid) = pid else {
        return Err(CannotStart::Machine(io::Error::other("a process without an id")));
    };
    let receive = |reader: io::PipeReader| {
        pipe::Receiver::from_owned_fd(reader.into()).map_err(CannotStart::Machine)
    };
    let printed = Printed { output: receive(reader)?, events: events.map(receive).transpose()? };
    Ok((Child { process, pid }, printed))
}

impl Child {
    /// Waits until the process has ended; what it started may go on.
    pub(super) async fn exit(&mut self) -> Exit {
        match self.process.wait().await {
            Ok(status) => exit(status),
            // Reaped by somebody else, which nobody should.
            Err(err) => Exit::Unseen(err.to_string()),
        }
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, signal) => Exit::Signal(signal.unwrap_or_default()),
    }
}

/// A relative program with a slash is one of the project; one without is looked
/// for on the agent's `PATH`, in folders that do not depend on where it runs.
fn locate(name: &str, repo: &Path, path: Option<&OsString>) -> Result<PathBuf, CannotStart> {
    if name.contains('/') {
        // Without `./` in its middle, for people to read.
        return Ok(repo.join(name).components().collect());
    }
    let path = path.map(OsString::as_os_str).unwrap_or_default();
    let folders = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let candidates: Vec<PathBuf> =
        folders.map(|folder| folder.join(name)).filter(|program| program.is_file()).collect();
    let runs = |program: &&PathBuf| access(*program, Access::EXEC_OK).is_ok();
    match (candidates.iter().find(runs), candidates.first()) {
        (Some(program), _) => Ok(program.clone()),
        (None, Some(program)) => Err(CannotStart::Program(not_executable(program))),
        (None, None) => Err(CannotStart::Program(format!(
            "there is no program `{name}` on PATH ({}): install it, or write its path with a `/`",
            path.display()
        ))),
    }
}

fn not_executable(program: &Path) -> String {
    let shown = program.display();
    format!("`{shown}` is not executable: run `chmod +x {shown}`, and commit that if it is yours")
}

fn is(err: &io::Error, errno: Errno) -> bool {
    err.raw_os_error() == Some(errno.raw_os_error())
}

fn explain(err: io::Error, name: &str, program: &Path) -> CannotStart {
    use io::ErrorKind::{InvalidInput, NotFound, PermissionDenied};

    let shown = program.display();
    CannotStart::Program(match err.kind() {
        NotFound if program.exists() => format!(
            "the interpreter that the first line of `{shown}` names does not exist: correct it or install it"
        ),
        NotFound => format!("there is no program `{shown}`: correct `exec`, or add the file"),
        PermissionDenied if program.is_dir() => {
            format!("`{shown}` is a folder: `exec` must name a program")
        }
        PermissionDenied => not_executable(program),
        InvalidInput => {
            format!("the command or the environment of `{name}` holds a NUL byte: remove it")
        }
        _ if is(&err, Errno::TOOBIG) => {
            format!(
                "the arguments and the environment of `{name}` are too long: put them into files"
            )
        }
        _ => return CannotStart::Machine(err),
    })
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt as _};

    use super::*;
    use crate::runner::{Program, environment::environment, processes, testing::Agent};

    /// How the run of a command ends, with its folder as `REPO`.
    async fn exit_of(command: &[&str], files: &[(&str, &str, u32)]) -> String {
        let mut agent = Agent::new("");
        agent.launch.program = Program::Command(command.iter().map(|&part| part.into()).collect());
        for (name, content, mode) in files {
            let path = agent.launch.repo.join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
        let story = agent.run().await;
        match &story.evidence().exit {
            Exit::NotStarted(why) => why.replace(&agent.folder(), "REPO"),
            exit => format!("{exit:?}: {}", story.evidence().log_tail.trim()),
        }
    }

    #[tokio::test]
    async fn a_program_is_found_on_the_path_or_from_the_root_of_the_project() {
        let script = ("hello.sh", "#!/bin/sh\necho hello $1", 0o755);
        assert_eq!(exit_of(&["./hello.sh", "Ada"], &[script]).await, "Code(0): hello Ada");
        assert_eq!(exit_of(&["echo", "a  b"], &[]).await, "Code(0): a  b");
    }

    #[tokio::test]
    async fn a_script_that_names_no_interpreter_is_one_for_the_shell() {
        let bare = ("bare.sh", "echo hello $1", 0o755);
        assert_eq!(exit_of(&["./bare.sh", "a b"], &[bare]).await, "Code(0): hello a b");
    }

    #[tokio::test]
    async fn a_program_that_cannot_start_says_what_to_do() {
        let mut told = String::new();
        let script = ("x.sh", "#!/bin/sh", 0o644);
        let lost = ("lost.sh", "#!/no/such/sh", 0o755);
        for (command, files) in [
            (["no-such-program"].as_slice(), [].as_slice()),
            (&["agents/none.sh"], &[]),
            (&["./x.sh"], &[script]),
            (&["./lost.sh"], &[lost]),
            (&["/usr/bin/"], &[]),
            (&["echo", "a\0b"], &[]),
            (&[], &[]),
        ] {
            told += &format!("{command:?}\n  {}\n", exit_of(command, files).await);
        }
        insta::assert_snapshot!(told, @r#"
        ["no-such-program"]
          there is no program `no-such-program` on PATH (/opt/wavemark:/usr/bin:/bin): install it, or write its path with a `/`
        ["agents/none.sh"]
          there is no program `REPO/agents/none.sh`: correct `exec`, or add the file
        ["./x.sh"]
          `REPO/x.sh` is not executable: run `chmod +x REPO/x.sh`, and commit that if it is yours
        ["./lost.sh"]
          the interpreter that the first line of `REPO/lost.sh` names does not exist: correct it or install it
        ["/usr/bin/"]
          `/usr/bin` is a folder: `exec` must name a program
        ["echo", "a\0b"]
          the command or the environment of `echo` holds a NUL byte: remove it
        []
          the command is empty: name a program
        "#);
    }

    #[tokio::test]
    async fn how_a_process_ended_is_told() {
        assert_eq!(exit_of(&["/bin/sh", "-c", "exit 75"], &[]).await, "Code(75): ");
        assert_eq!(exit_of(&["/bin/sh", "-c", "kill -9 $$"], &[]).await, "Signal(9): ");
    }

    #[tokio::test]
    async fn a_program_leads_its_group_and_with_a_terminal_around_its_session() {
        for (apart, leads_session) in [(Apart::Session, true), (Apart::Group, false)] {
            let agent = Agent::new("sleep 1000 & exit 6");
            let dir = RunDir::at(agent.dir());
            dir.create(&agent.launch.input, &agent.launch.repo).unwrap();
            let env = environment(&agent.launch, Path::new("/opt"));
            let Program::Command(command) = &agent.launch.program else { unreachable!() };
            let start = Start {
                command,
                repo: &agent.launch.repo,
                dir: &dir,
                env: &env,
                stdin: None,
                has_events: false,
            };
            let (mut child, _printed) = spawn_apart(&start, apart).unwrap();
            assert_eq!(rustix::process::getpgid(Some(child.pid)), Ok(child.pid));
            assert_eq!(processes::leads_session(child.pid), leads_session);
            // What it left in its group is not waited for.
            assert_eq!(child.exit().await, Exit::Code(6));
            rustix::process::kill_process_group(child.pid, rustix::process::Signal::KILL).unwrap();
        }
    }

    #[tokio::test]
    async fn an_agent_has_no_input_and_no_terminal() {
        let script = "cat; (exec </dev/tty) 2>/dev/null && echo terminal; echo none";
        assert_eq!(exit_of(&["/bin/sh", "-c", script], &[]).await, "Code(0): none");
    }
}
