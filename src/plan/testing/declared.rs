//! What is declared that can stand in a plan, by its schemas, and what of it
//! stands in one.

use std::{collections::BTreeSet, fmt, sync::LazyLock};

use serde_json::{Value, json};

use super::runners::{BUILT_IN, honours};
use crate::plan::schema;

/// The way to a field, from the kind of its file on.
pub(in crate::plan) type Path = Vec<Step>;

/// A step on that way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::plan) enum Step {
    /// A kind of file, or a field.
    Field(String),
    /// A field by a name that somebody chose.
    Named,
    /// One of the words that a choice has.
    Word(String),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => f.write_str(name),
            Self::Named => f.write_str("*"),
            Self::Word(word) => write!(f, "={word}"),
        }
    }
}

/// Everything that is declared and that some plan can say.
pub(in crate::plan) static DECLARED: LazyLock<BTreeSet<Path>> = LazyLock::new(|| {
    let mut found = BTreeSet::new();
    for (kind, schema) in SCHEMAS.iter() {
        declared(schema, &mut vec![Step::Field((*kind).to_owned())], &mut found);
    }
    found.retain(can_be_said);
    found
});

static SCHEMAS: LazyLock<[(&str, Value); 3]> = LazyLock::new(|| {
    [("project", schema::project()), ("wave", schema::wave()), ("profile", schema::profile())]
});

/// What of it a file says.
pub(in crate::plan) fn said(file: &Value) -> BTreeSet<Path> {
    let mut found = BTreeSet::new();
    let kind = kind_of(file);
    for (_, schema) in SCHEMAS.iter().filter(|(other, _)| *other == kind) {
        walk(schema, file, &mut vec![Step::Field(kind.to_owned())], &mut found);
    }
    found
}

/// Which schema a file goes by.
pub(in crate::plan) fn kind_of(file: &Value) -> &'static str {
    match file {
        file if file.get("project").is_some() => "project",
        file if file.get("start").is_some() => "profile",
        _ => "wave",
    }
}

fn declared(schema: &Value, path: &mut Path, found: &mut BTreeSet<Path>) {
    let words = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    for word in words {
        path.push(Step::Word(word.to_owned()));
        found.insert(path.clone());
        path.pop();
    }
    let fields = schema["properties"].as_object().into_iter().flatten();
    let named = schema.get("additionalProperties").filter(|schema| schema.is_object());
    let fields = fields.map(|(name, schema)| (Step::Field(name.clone()), schema));
    for (step, schema) in fields.chain(named.map(|schema| (Step::Named, schema))) {
        path.push(step);
        found.insert(path.clone());
        declared(schema, path, found);
        path.pop();
    }
}

fn walk(schema: &Value, value: &Value, path: &mut Path, found: &mut BTreeSet<Path>) {
    if let (Some(word), Some(_)) = (value.as_str(), schema.get("enum")) {
        let word = Step::Word(word.to_owned());
        found.insert([path.clone(), vec![word]].concat());
    }
    for (name, value) in value.as_object().into_iter().flatten() {
        let is_run = path.last() == Some(&Step::Field("run".to_owned()));
        // A runner may stand there without settings; any other field counts as left out.
        if value.is_null() && !is_run {
            continue;
        }
        let (step, schema) = match schema["properties"].get(name) {
            Some(schema) => (Step::Field(name.clone()), schema),
            None => (Step::Named, &schema["additionalProperties"]),
        };
        path.push(step);
        found.insert(path.clone());
        walk(schema, value, path, found);
        path.pop();
    }
}

/// Whether there is a plan that says it: what a built-in profile honours is
/// beyond the schema.
fn can_be_said(path: &Path) -> bool {
    let run = path.iter().position(|step| *step == Step::Field("run".to_owned()));
    let run = run.map(|at| &path[at + 1..]).unwrap_or_default();
    let [Step::Field(profile), Step::Field(setting), word @ ..] = run else { return true };
    let word = match word {
        [Step::Word(word)] => json!(word),
        _ => Value::Null,
    };
    BUILT_IN.get(profile).is_none_or(|profile| honours(profile, (setting, &word)))
}
