//! The architecture, executable. Each message says what to do.

use std::{
    fs,
    path::{Path, PathBuf},
};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// Every line of our own code that says one of these words, as `file:line`.
fn mentions(folders: &[&str], words: &[&str]) -> String {
    let mut found = String::new();
    for path in files(folders) {
        let text = fs::read_to_string(Path::new(ROOT).join(&path)).unwrap();
        for (number, line) in code(&text) {
            for word in words.iter().filter(|word| line.contains(**word)) {
                found += &format!("{}:{number}: {word}\n", path.display());
            }
        }
    }
    found
}

/// The lines that are neither comments nor tests, with their numbers.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().take_while(|line| line.trim() != "mod tests {");
    (1..).zip(lines).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// The Rust files below these folders of the repo, test-only ones left out.
fn files(folders: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    while let Some(path) = left.pop() {
        let full = Path::new(ROOT).join(&path);
        if full.is_file() {
            found.push(path);
            continue;
        }
        let entries = fs::read_dir(&full).unwrap_or_else(|err| panic!("{}: {err}", full.display()));
        for entry in entries {
            let name = PathBuf::from(entry.unwrap().file_name());
            let stem = name.file_stem().unwrap().to_string_lossy().into_owned();
            let of_tests = matches!(stem.as_str(), "tests" | "testing" | "laws" | "sample");
            let is_folder = full.join(&name).is_dir();
            if !of_tests && (is_folder || name.extension().is_some_and(|end| end == "rs")) {
                left.push(path.join(name));
            }
        }
    }
    found.sort();
    found
}

fn all_rust_files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut left = vec![PathBuf::from("src"), PathBuf::from("tests")];
    while let Some(path) = left.pop() {
        let full = Path::new(ROOT).join(&path);
        if full.is_dir() {
            let entries = fs::read_dir(&full).unwrap();
            left.extend(entries.map(|entry| path.join(entry.unwrap().file_name())));
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The subcommands, as people type them.
pub(crate) fn commands() -> Vec<String> {
    let text = fs::read_to_string(Path::new(ROOT).join("src/cli/mod.rs")).unwrap();
    let start = text.find("\nenum Command {").unwrap();
    let variants = text[start..].lines().skip(2).take_while(|line| *line != "}");
    let names: Vec<String> = variants
        .filter_map(|line| line.trim().split_once('('))
        .filter(|(name, _)| name.starts_with(char::is_uppercase))
        .map(|(name, _)| kebab(name))
        .collect();
    assert!(names.len() > 20, "is this where the commands are? {names:?}");
    names
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !kebab.is_empty() {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

#[test]
fn the_pure_half_is_pure() {
    let io = [
        "sqlx",
        "octocrab",
        "git2",
        "reqwest",
        "tokio",
        "async ",
        "std::fs",
        "std::env",
        "std::process",
        "std::net",
        "Utc::now",
        "SystemTime",
        "time::Instant",
        "Instant::now",
        "crate::store",
        "crate::archive",
        "crate::github",
        "crate::runner",
        "crate::webhook",
        "crate::embedded",
        "crate::app",
        "crate::cli",
    ];
    let pure = ["src/model", "src/plan", "src/engine", "src/report", "src/scaffold"];
    let found = mentions(&pure, &io);
    assert!(found.is_empty(), "move this to an adapter or to `app`:\n{found}");
}

#[test]
fn each_outside_world_has_one_door() {
    let world = |door: &str, words: &[&str]| {
        let others: Vec<String> = fs::read_dir(Path::new(ROOT).join("src"))
            .unwrap()
            .map(|entry| format!("src/{}", entry.unwrap().file_name().to_string_lossy()))
            .filter(|path| path != door)
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        mentions(&others, words)
    };
    let found = world("src/github", &["octocrab"])
        + &world("src/archive", &["git2::", "use git2"])
        + &world("src/store", &["sqlx::query", "sqlx::raw_sql", "sqlx::migrate"])
        + &world("src/cli", &["clap::", "indicatif::", "anstream::"]);
    // The private Postgres is set up through a connection of its own.
    let found: String = found
        .lines()
        .filter(|line| !line.starts_with("src/embedded/"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert!(found.is_empty(), "talk to it through its module:\n{found}");
}

#[test]
fn adapters_do_not_know_each_other() {
    let adapters = ["store", "archive", "runner", "embedded", "github", "webhook"];
    let mut found = String::new();
    for adapter in adapters {
        let folder = format!("src/{adapter}");
        if !Path::new(ROOT).join(&folder).exists() {
            continue;
        }
        let mut others: Vec<String> = adapters
            .iter()
            .filter(|other| **other != adapter)
            .map(|other| format!("crate::{other}"))
            .collect();
        others.extend(["crate::app".to_owned(), "crate::cli".to_owned()]);
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        found += &mentions(&[&folder], &others);
    }
    assert!(found.is_empty(), "only `app` sees more than one adapter:\n{found}");
}

#[test]
fn every_statement_is_safe_behind_a_transaction_pooler() {
    // git2 has a `fetch` too.
    let found = mentions(
        &["src/app", "src/cli", "src/embedded", "src/store", "src/main.rs", "src/lib.rs"],
        &[
            "query!(",
            "query_as!(",
            "query_scalar!(",
            "query_file!(",
            "PgListener",
            ".execute(&",
            ".fetch_all(&",
            ".fetch_one(&",
            ".fetch_optional(&",
            ".fetch(&",
            ".persistent(true)",
            "sqlx::raw_sql",
            "sqlx::query",
            "sqlx::QueryBuilder",
            "pg_advisory_lock",
            "pg_try_advisory_lock",
            "listen ",
            "set session",
        ],
    );
    let doors = ["src/store/sql.rs:", "src/store/migrate.rs:", "src/embedded/connect.rs:"];
    let found: Vec<&str> =
        found.lines().filter(|line| !doors.iter().any(|door| line.starts_with(door))).collect();
    assert!(
        found.is_empty(),
        "make statements with `store::sql`, in a transaction:\n{}",
        found.join("\n")
    );
    let door = fs::read_to_string(Path::new(ROOT).join("src/store/sql.rs")).unwrap();
    let made = door.matches("sqlx::query").count();
    assert!(made > 0, "is this still the door?");
    assert_eq!(
        made - door.matches("use sqlx::query").count(),
        door.matches(".persistent(false)").count(),
        "every statement that the door makes is unnamed"
    );
}

#[test]
fn every_file_says_what_it_is() {
    let root = Path::new(ROOT);
    let silent: Vec<String> = all_rust_files()
        .into_iter()
        .filter(|path| !fs::read_to_string(root.join(path)).unwrap().starts_with("//! "))
        .map(|path| path.display().to_string())
        .collect();
    assert!(silent.is_empty(), "begin with `//!`, what it is:\n{}", silent.join("\n"));
}

#[test]
fn no_file_is_too_long_to_read() {
    let root = Path::new(ROOT);
    let long: Vec<String> = all_rust_files()
        .into_iter()
        .filter_map(|path| {
            let text = fs::read_to_string(root.join(&path)).unwrap();
            let lines = text.lines().take_while(|line| line.trim() != "mod tests {").count();
            let only_tests = path.file_name().is_some_and(|name| name == "tests.rs")
                || path.components().any(|part| part.as_os_str() == "tests");
            (lines > 500 && !only_tests).then(|| format!("{}: {lines}", path.display()))
        })
        .collect();
    assert!(long.is_empty(), "split these where they fall apart:\n{}", long.join("\n"));
}

#[test]
fn nothing_is_left_to_be_done_later() {
    // Put together here, so that this file does not find itself.
    let words = ["TO", "FIX", "XX"].map(|half| match half {
        "TO" => "TODO".to_owned(),
        "FIX" => "FIXME".to_owned(),
        half => format!("{half}X"),
    });
    let macros = ["unimplemented", "todo"].map(|name| format!("{name}!("));
    let root = Path::new(ROOT);
    let mut found = String::new();
    for path in all_rust_files().iter().filter(|path| !path.ends_with("tidy.rs")) {
        let text = fs::read_to_string(root.join(path)).unwrap();
        for (number, line) in (1..).zip(text.lines()) {
            if words.iter().chain(&macros).any(|word| line.contains(word.as_str())) {
                found += &format!("{}:{number}: {}\n", path.display(), line.trim());
            }
        }
    }
    assert!(found.is_empty(), "do it, or open an issue:\n{found}");
}

#[test]
fn migrations_are_where_both_tools_look() {
    let root = Path::new(ROOT);
    let link = fs::read_link(root.join("supabase/migrations")).unwrap();
    assert_eq!(link, Path::new("../migrations"), "Supabase's CLI looks in supabase/migrations");

    let mut names: Vec<String> = fs::read_dir(root.join("migrations"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    let bad: Vec<&String> = names
        .iter()
        .filter(|name| {
            let parts = name.strip_suffix(".sql").and_then(|stem| stem.split_once('_'));
            !parts.is_some_and(|(version, words)| {
                let digits = version.len() == 14 && version.bytes().all(|b| b.is_ascii_digit());
                digits && words.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
            })
        })
        .collect();
    assert!(!names.is_empty() && bad.is_empty(), "name them <14 digits>_<name>.sql: {bad:?}");
    let mut versions: Vec<&str> = names.iter().map(|name| &name[..14]).collect();
    versions.dedup();
    assert_eq!(versions.len(), names.len(), "two migrations with one version: {names:?}");
}

#[test]
fn the_top_level_stays_as_it_is() {
    let allowed = [
        ".cargo",
        ".ci",
        ".clippy.toml",
        ".config",
        ".git",
        ".github",
        ".gitignore",
        ".rustfmt.toml",
        "Cargo.lock",
        "Cargo.toml",
        "LICENSE-APACHE",
        "LICENSE-MIT",
        "README.md",
        "build.rs",
        "migrations",
        "rust-toolchain.toml",
        "rustfmt.toml",
        "src",
        "supabase",
        "target",
        "tests",
        "waves",
    ];
    let stray: Vec<String> = fs::read_dir(ROOT)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !allowed.contains(&name.as_str()) && name != ".wavemark")
        .collect();
    assert!(stray.is_empty(), "put these into one of the folders: {stray:?}");
}

#[test]
fn the_readme_names_every_command_and_every_exit_code() {
    let readme = fs::read_to_string(Path::new(ROOT).join("README.md")).unwrap_or_default();
    let missing: Vec<String> = commands()
        .into_iter()
        .filter(|name| {
            let ways = [format!("wavemark {name}"), format!("`{name}`"), format!("`{name} ")];
            !ways.iter().any(|way| readme.contains(way))
        })
        .collect();
    assert!(missing.is_empty(), "README.md says nothing of: {}", missing.join(", "));
    for word in ["Exit code", "DATABASE_URL", "WAVEMARK_GIT_REMOTE", "WAVEMARK_DIR"] {
        assert!(readme.contains(word), "README.md says nothing of {word}");
    }
}
