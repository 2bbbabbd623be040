//! The schema agrees with what reading takes.

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use jsonschema::Validator;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value as Json, json};

use crate::{
    model::{AgentName, ArtifactKey, EnvName, HeaderName, Need, UrlTemplate},
    plan::{
        Facts, Plan, Problems, Source,
        agent::{AgentFields, Title},
        fields::Reading,
        kind::{Kind, Word},
        mapping::Declared,
        place::Span,
        policy::Policy,
        problem::Findings,
        profile::{InnerPath, Profiles},
        project::{Artifacts, Branch, ProjectFields, Trust},
        read, schema,
        subagent::ShortText,
        suggest::Suggester,
        testing::{Style, any_files, written},
        units::Size,
        wave::WaveFields,
        yaml::{Node, Value},
    },
};

fn check(files: &BTreeMap<String, Json>, style: Style) -> Result<Plan, Problems> {
    read(&written(files, style)).check(&Facts::default())
}

/// The schema of any file, compiled once: that takes longer than a check.
static FILE: LazyLock<Validator> = LazyLock::new(|| compiled(&schema::file()));

fn compiled(schema: &Json) -> Validator {
    jsonschema::draft7::new(schema).unwrap()
}

fn errors(validator: &Validator, file: &Json) -> String {
    let errors: Vec<String> = validator.iter_errors(file).map(|err| err.to_string()).collect();
    errors.join("\n")
}

#[test]
fn the_schema_is_one() {
    for schema in [schema::project(), schema::wave(), schema::profile(), schema::file()] {
        jsonschema::draft7::meta::validate(&schema).unwrap();
    }
}

#[test]
fn the_example_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("waves");
    let mut seen = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|end| end == "yaml") {
            let file = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
            assert_eq!(errors(&FILE, &file), "", "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 3);
}

#[test]
fn the_built_in_profiles_are_valid() {
    let profile = compiled(&schema::profile());
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/plan/profiles");
    let mut seen = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let file = serde_yaml::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for schema in [&profile, &FILE] {
            assert_eq!(errors(schema, &file), "", "{}", path.display());
        }
        seen += 1;
    }
    assert_eq!(seen, 4);
    assert!(!profile.is_valid(&json!({ "start": ["a"], "promt": "stdin" })));
}

/// Mistakes that an editor is to mark, so that the laws below cannot hold
/// for a schema that takes everything.
#[test]
fn what_is_wrong_in_one_file_is_marked() {
    let project = |field: &str, value: Json| {
        let mut file = json!({ "project": "p" });
        file[field] = value;
        file
    };
    let agent = |field: &str, value: Json| {
        let mut agent = json!({ "run": { "manual": {} } });
        agent[field] = value;
        json!({ "wave": "w", "agents": { "a": agent } })
    };
    for file in [
        json!([]),
        json!({}),
        json!({ "wave": "w" }),
        json!({ "wave": "w", "agents": {} }),
        json!({ "wave": "w", "agents": { "A": { "run": { "manual": {} } } } }),
        json!({ "wave": "w", "agents": { "a": {} } }),
        project("project", json!("My Project")),
        project("pool", json!({})),
        project("pools", json!({ "GPU": 1 })),
        project("pools", json!({ "gpu": 0 })),
        project("grace", json!(30)),
        project("grace", json!("30x")),
        project("infra_retries", json!(1.5)),
        project("artifacts", json!({ "branch": "main" })),
        project("artifacts", json!({ "max_size": "5 GB" })),
        project("defaults", json!({ "title": "A" })),
        project("trust", json!({ "role": "owner" })),
        agent("retires", json!(1)),
        agent("title", json!("a\nb")),
        agent("needs", json!("b")),
        agent("needs", json!(["b", "b"])),
        agent("needs", json!(["wave:B"])),
        agent("run", json!("exec")),
        agent("run", json!({})),
        agent("run", json!({ "exce": ["true"] })),
        agent("run", json!({ "exec": [] })),
        agent("run", json!({ "exec": ["true"], "manual": {} })),
        agent("run", json!({ "manual": { "who": "me" } })),
        agent("prompt", json!(["a.md"])),
        agent("env", json!({ "A-B": "1" })),
        agent("env", json!({ "A": [] })),
        agent("secrets", json!(["DATABASE_URL"])),
        agent("produces", json!(["doc/../x"])),
        agent("review", json!("requierd")),
        agent("retries", json!(101)),
    ] {
        assert!(!FILE.is_valid(&file), "{file}");
    }
}

/// Every field of some mapping, set to what its schema calls the default.
fn defaults(declared: Vec<Declared>) -> Json {
    let with_default = declared.into_iter().filter_map(|field| {
        let default = field.default?;
        Some((field.name.to_owned(), default))
    });
    with_default.collect()
}

#[test]
fn a_default_that_is_written_down_changes_nothing() {
    let plan = |project: Json, wave: Json, agent: Json| {
        let file = |mut file: Json, fields: Json| {
            file.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            file
        };
        let agent = file(json!({ "run": { "manual": {} } }), agent);
        let files = BTreeMap::from([
            ("waves/project.yaml".to_owned(), file(json!({ "project": "p" }), project)),
            (
                "waves/w.yaml".to_owned(),
                file(json!({ "wave": "w", "agents": { "a": agent } }), wave),
            ),
        ]);
        let written = |file: Json| Source::from(file.to_string().as_bytes());
        let files = files.into_iter().map(|(path, file)| (path, written(file))).collect();
        read(&files).check(&Facts::default()).unwrap().digest()
    };
    let none = || json!({});
    let bare = plan(none(), none(), none());

    let mut project = defaults(ProjectFields::declared());
    project["artifacts"] = defaults(Artifacts::declared());
    project["trust"] = defaults(Trust::declared());
    project["defaults"] = defaults(Policy::declared());
    assert!(project["artifacts"].as_object().unwrap().len() == 2, "{project}");
    assert_eq!(plan(project, none(), none()), bare);
    assert_eq!(plan(none(), defaults(WaveFields::declared()), none()), bare);
    assert_eq!(plan(none(), none(), defaults(AgentFields::declared())), bare);
}

/// Whether a text is read without a report.
fn reads<K: Kind>(text: &str) -> bool {
    let (mut findings, suggester) = (Findings::default(), Suggester::new());
    let profiles = Profiles::built_in();
    let mut cx = Reading {
        file: &"waves/w.yaml".into(),
        findings: &mut findings,
        suggester: &suggester,
        profiles: &profiles,
    };
    let node = Node { value: Value::Text(text.to_owned()), span: Span::START };
    K::read(&node, &mut cx).is_some()
}

/// One change somewhere in a file.
#[derive(Clone, Debug)]
struct Mutation {
    path: Vec<Index>,
    change: Change,
}

#[derive(Clone, Debug)]
enum Change {
    Replace(Json),
    Add(&'static str, Json),
    Remove(Index),
}

fn any_value() -> impl Strategy<Value = Json> {
    prop_oneof![
        prop::sample::select(vec![
            json!(null),
            json!(true),
            json!(0),
            json!(-1),
            json!(1.5),
            json!(99_999_999_999_i64),
            json!(""),
            json!(" "),
            json!("a0"),
            json!("A B"),
            json!("2h"),
            json!("30M"),
            json!("doc/.."),
            json!([]),
            json!(["a0", "a0"]),
            json!([[]]),
            json!({}),
            json!({ "default": 2 }),
            json!({ "B-": null }),
            json!({ "exec": ["x"] }),
        ]),
        "[a-zA-Z0-9:/._ -]{0,8}".prop_map(Json::from),
    ]
}

fn any_mutation() -> impl Strategy<Value = Mutation> {
    let names = vec!["titel", "title", "pool", "defaults", "run", "project", "wave", "Z"];
    let change = prop_oneof![
        3 => any_value().prop_map(Change::Replace),
        2 => (prop::sample::select(names), any_value()).prop_map(|(n, v)| Change::Add(n, v)),
        1 => any::<Index>().prop_map(Change::Remove),
    ];
    (vec(any::<Index>(), 0..5), change).prop_map(|(path, change)| Mutation { path, change })
}

impl Mutation {
    fn apply(&self, file: &mut Json) {
        self.apply_at(&self.path, file);
    }

    fn apply_at(&self, path: &[Index], at: &mut Json) {
        match (path.split_first(), at) {
            (Some((index, rest)), Json::Object(map)) if !map.is_empty() => {
                let pick = index.index(map.len());
                self.apply_at(rest, map.values_mut().nth(pick).unwrap());
            }
            (Some((index, rest)), Json::Array(items)) if !items.is_empty() => {
                self.apply_at(rest, index.get_mut(items));
            }
            (_, at) => self.change(at),
        }
    }

    fn change(&self, at: &mut Json) {
        match (&self.change, at) {
            (Change::Add(name, value), Json::Object(map)) => {
                map.insert((*name).to_owned(), value.clone());
            }
            (Change::Remove(index), Json::Object(map)) if !map.is_empty() => {
                let key = index.get(&map.keys().cloned().collect::<Vec<_>>()).clone();
                map.remove(&key);
            }
            // A file stays a mapping.
            (Change::Replace(value), at) if !self.path.is_empty() => *at = value.clone(),
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(160) })]

    #[test]
    fn a_good_plan_is_valid(files in any_files(), style in Style::any()) {
        let good = check(&files, style);
        prop_assert!(good.is_ok(), "{}", good.unwrap_err().to_lines());
        for file in files.values() {
            prop_assert_eq!(errors(&FILE, file), "");
        }
    }

    #[test]
    fn what_the_schema_refuses_is_refused(
        mut files in any_files(),
        style in Style::any(),
        mutations in vec((any::<Index>(), any_mutation()), 1..3),
    ) {
        for (file, mutation) in &mutations {
            let file = file.index(files.len());
            mutation.apply(files.values_mut().nth(file).unwrap());
        }
        let marked: String = files.values().map(|file| errors(&FILE, file)).collect();
        if !marked.is_empty() {
            prop_assert!(check(&files, style).is_err(), "{}", marked);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn names_follow_one_rule_in_both(
        name in prop_oneof!["[a-z][a-z0-9-]{0,64}", "(wave:)?[a-zA-Z0-9_./:-]{0,6}", ".{0,4}",
            "(doc|schema|prompt)/[A-Za-z0-9._ /-]{0,5}", "(WAVEMARK_|DATABASE_URL)[A-Z]?",
            "[a./]{0,5}", "[A-Za-z][A-Za-z0-9-]{97,101}"],
    ) {
        fn agrees<T: Word>(name: &str) -> Result<(), TestCaseError> {
            let valid = compiled(&T::one()).is_valid(&name.into());
            prop_assert_eq!(valid, name.parse::<T>().is_ok());
            Ok(())
        }
        agrees::<AgentName>(&name)?;
        agrees::<Need>(&name)?;
        agrees::<EnvName>(&name)?;
        agrees::<ArtifactKey>(&name)?;
        agrees::<HeaderName>(&name)?;
        agrees::<InnerPath>(&name)?;
    }

    #[test]
    fn a_text_that_is_read_is_valid(
        text in prop_oneof!["[0-9 ]{0,4}[smhdwKMiB]{0,3} ?[0-9]{0,2}[a-z]{0,2}", ".{0,6}",
            "[a-zA-Z0-9/._-]{0,8}",
            "(https://|http://localhost|\\{env:A\\})([a-z/?#@:.]|\\{env:_[A-Z0-9]\\}|[{}é -]){0,5}"],
    ) {
        fn holds<K: Kind>(text: &str) -> Result<(), TestCaseError> {
            let valid = compiled(&K::schema()).is_valid(&text.into());
            prop_assert!(valid || !reads::<K>(text));
            Ok(())
        }
        holds::<std::time::Duration>(&text)?;
        holds::<Size>(&text)?;
        holds::<Branch>(&text)?;
        holds::<Title>(&text)?;
        holds::<UrlTemplate>(&text)?;
        holds::<ShortText>(&text)?;
    }
}
