//! Plans that are wrong, and files that are no plans.

use std::fs;

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
