//! Plans that are wrong, and files that are no plans.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
};

use crate::support::{Plan, Project};

#[test]
fn the_schema_beside_the_example_is_the_one_that_is_printed() {
    let project = Project::unsynced(&Plan::new());
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/waves/schema.json");
    let printed = project.run(&["schema"]).ok().stdout;
    assert_eq!(
        fs::read_to_string(beside).unwrap(),
        printed,
        "run `cargo run -- schema > waves/schema.json`"
    );
}

#[test]
fn every_file_of_the_example_names_its_schema() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/waves");
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|end| end == "yaml") {
            let text = fs::read_to_string(&path).unwrap();
            let first = text.lines().next();
            let line = "# yaml-language-server: $schema=schema.json";
            assert_eq!(first, Some(line), "{}", path.display());
        }
    }
}

#[test]
fn the_schema_of_one_kind_of_file_can_be_printed() {
    let project = Project::unsynced(&Plan::new());
    let title = |args: &[&str]| project.run(args).ok().json()["title"].clone();
    assert_eq!(title(&["schema", "wave"]), "a wave");
    assert_eq!(title(&["schema", "project"]), "the project");
}

/// Everything that can lie in `waves/` under the name of a plan's file.
#[test]
fn whatever_lies_among_the_files_gets_an_answer() {
    let project = Project::unsynced(&Plan::new());
    let waves = project.path("waves");
    fs::create_dir(waves.join("folder.yaml")).unwrap();
    for pipe in ["waves/pipe.yml", "waves/prompts/pipe.md"] {
        fs::create_dir_all(waves.join("prompts")).unwrap();
        let mode = rustix::fs::Mode::from_raw_mode(0o644);
        let kind = rustix::fs::FileType::Fifo;
        rustix::fs::mknodat(rustix::fs::CWD, project.path(pipe), kind, mode, 0).unwrap();
    }
    symlink("nowhere", waves.join("dangling.yaml")).unwrap();
    symlink("loop.yaml", waves.join("loop.yaml")).unwrap();
    symlink("/etc/passwd", waves.join("outside.yaml")).unwrap();
    symlink("/etc/passwd", waves.join("prompts/outside.md")).unwrap();
    fs::write(waves.join(OsStr::from_bytes(b"odd-\xff.yaml")), "wave: odd\n").unwrap();
    fs::write(waves.join("empty.yaml"), "").unwrap();
    fs::write(waves.join("large.yaml"), vec![b'#'; 10_000_000]).unwrap();
    fs::write(
        waves.join("utf-16.yaml"),
        "wave: w\n".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>(),
    )
    .unwrap();
    fs::write(waves.join(".hidden.yaml"), "[").unwrap();
    fs::write(
        waves.join("one.yaml"),
        "wave: one\n\
         agents:\n\
        \x20 a: { run: { manual: }, prompt: prompts/pipe.md }\n\
        \x20 b: { run: { manual: }, prompt: prompts/outside.md }\n\
        \x20 c: { run: { exec: [waves/prompts/pipe.md] } }\n",
    )
    .unwrap();

    insta::assert_snapshot!(project.run(&["check", "--format", "lines"]), @"
    exit 3
    waves/dangling.yaml:1:1: error: the file cannot be read: it is a link to nothing (every `.yaml` directly in `waves/` is part of the plan)
    waves/empty.yaml:1:1: error: the file is empty (remove it, or write a wave)
    waves/folder.yaml:1:1: error: the file cannot be read: it is a folder (every `.yaml` directly in `waves/` is part of the plan)
    waves/large.yaml:1:1: error: the file has <digest> bytes; the limit is 4194304 (split the wave into several)
    waves/loop.yaml:1:1: error: the file cannot be read: Too many levels of symbolic links (os error 40) (every `.yaml` directly in `waves/` is part of the plan)
    waves/odd-�.yaml:1:1: error: the file cannot be read: its name is not UTF-8 (every `.yaml` directly in `waves/` is part of the plan)
    waves/one.yaml:3:34: error: the prompt waves/prompts/pipe.md cannot be read: it is not a file but a pipe, a socket or a device (it must be a file in the repo)
    waves/one.yaml:4:34: error: the prompt waves/prompts/outside.md cannot be read: it is a link that leads out of the repo (it must be a file in the repo)
    waves/one.yaml:5:22: error: `waves/prompts/pipe.md` is not a file (name the program itself)
    waves/outside.yaml:1:1: error: the file cannot be read: it is a link that leads out of the repo (every `.yaml` directly in `waves/` is part of the plan)
    waves/pipe.yml:1:1: error: the file cannot be read: it is not a file but a pipe, a socket or a device (every `.yaml` directly in `waves/` is part of the plan)
    waves/utf-16.yaml:1:2: error: the file holds a NUL byte: it is not UTF-8 text (save it as UTF-8)
    ");
}

#[test]
fn a_pull_request_is_marked_where_it_is_wrong() {
    let project = Project::unsynced(&Plan::new());
    let wave = "wave: one\nagents: { a: { run: { manual: }, needs: [b], retires: 1 } }\n";
    fs::write(project.path("waves/one.yaml"), wave).unwrap();
    insta::assert_snapshot!(project.run(&["check", "--format", "github"]), @"
    exit 3
    ::error file=waves/one.yaml,line=2,col=42::there is no agent `b`%0Ahint: there is `a`
    ::error file=waves/one.yaml,line=2,col=46::`retires` is not a field of agent `a`%0Ahint: did you mean `retries`?
    2 errors
    ");

    fs::write(project.path("waves/one.yaml"), wave.replace("needs: [b], retires", "retries"))
        .unwrap();
    insta::assert_snapshot!(project.run(&["check", "--format", "github"]), @"
    exit 0
    tested is a good plan: 1 agent in 1 wave, 1 can start at once.
    ");
}
