//! What may stand in a field: how it is read, and how an editor is told.
//!
//! Both are said in one place per kind of value, so that the schema that
//! editors complete and complain by cannot drift from what reading takes.
//!
//! **Invariant:** what [`Kind::read`] takes without a report is valid by
//! [`Kind::schema`]. The other way round, reading may be stricter: a schema
//! knows no other file, and cannot compare two values.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde_json::{Value as Json, json};

use super::{
    fields::{Reading, entries},
    place::Place,
    values::{checked, list, number, parsed, scalar},
    yaml::Node,
};
use crate::model::{
    AgentName, ArtifactKey, EnvName, HeaderName, ModelName, Need, OnStale, PoolName, ProjectName,
    Resume, Review, Role, UrlTemplate, WaveName,
};

/// A kind of value that a plan is made of.
pub(super) trait Kind: Sized {
    /// Reads one; what is wrong with it is reported.
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self>;

    /// The JSON Schema of everything that can be read, with one `type` or a
    /// list of them.
    fn schema() -> Json;
}

/// A text that follows a rule of the model's.
pub(super) trait Word: FromStr<Err: fmt::Display> + Ord + Clone {
    /// What one is, after `expected`.
    const ONE: &'static str;
    /// What a list of them is, after `expected`.
    const LIST: &'static str;
    /// Good ones.
    const EXAMPLES: &'static [&'static str];

    /// The rule, as a regular expression.
    fn pattern() -> String;

    /// The JSON Schema of one.
    fn one() -> Json {
        json!({ "type": "string", "pattern": Self::pattern(), "examples": Self::EXAMPLES })
    }
}

macro_rules! word {
    ($type:ty, $pattern:expr, $one:literal, $list:literal, $examples:expr) => {
        impl Word for $type {
            const ONE: &'static str = $one;
            const LIST: &'static str = $list;
            const EXAMPLES: &'static [&'static str] = &$examples;

            fn pattern() -> String {
                $pattern.into()
            }
        }

        impl Kind for $type {
            fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
                parsed(node, $one, cx)
            }

            fn schema() -> Json {
                Self::one()
            }
        }
    };
}

word!(
    ProjectName,
    Self::PATTERN,
    "the name of the project",
    "a list of project names",
    ["my-project"]
);
word!(
    ModelName,
    Self::PATTERN,
    "the name of a model",
    "a list of names of models",
    ["gpt-5", "anthropic/claude-sonnet"]
);
word!(WaveName, Self::PATTERN, "the name of a wave", "a list of wave names", ["foundation"]);
word!(AgentName, Self::PATTERN, "the name of an agent", "a list of agent names", ["my-agent"]);
word!(PoolName, Self::PATTERN, "the name of a pool", "a list of pool names", ["default", "gpu"]);
word!(
    Need,
    Self::pattern(),
    "the name of an agent",
    "a list of agent names",
    ["my-agent", "wave:foundation"]
);
word!(
    EnvName,
    Self::pattern(),
    "the name of an environment variable",
    "a list of names of environment variables",
    ["API_TOKEN"]
);
word!(
    ArtifactKey,
    Self::pattern(),
    "an artifact, such as `doc/summary.md`",
    "a list of artifacts, such as `doc/summary.md`",
    ["doc/summary.md", "schema/sheet.json"]
);

word!(
    UrlTemplate,
    Self::PATTERN,
    "a URL",
    "a list of URLs",
    ["{env:N8N_URL}/webhook/vision", "https://agents.example.org/vision"]
);
word!(
    HeaderName,
    Self::PATTERN,
    "the name of a header",
    "a list of names of headers",
    ["X-Wavemark-Secret"]
);

macro_rules! choice {
    ($type:ty) => {
        impl $crate::plan::kind::Kind for $type {
            fn read(
                node: &$crate::plan::yaml::Node,
                cx: &mut $crate::plan::fields::Reading<'_>,
            ) -> Option<Self> {
                $crate::plan::values::word(node, Self::ALL, cx)
            }

            fn schema() -> serde_json::Value {
                let all = || Self::ALL.iter();
                let words: Vec<&str> = all().map(|word| word.as_str()).collect();
                let about: Vec<&str> = all().map(|word| word.about()).collect();
                serde_json::json!({ "type": "string", "enum": words, "enumDescriptions": about })
            }
        }
    };
}

pub(super) use choice;

choice!(Review);
choice!(Resume);
choice!(OnStale);
choice!(Role);

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct At<T> {
    pub(super) value: T,
    pub(super) place: Place,
}

impl<T: Kind> Kind for At<T> {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        T::read(node, cx).map(|value| Self { value, place: cx.place(node.span) })
    }

    fn schema() -> Json {
        T::schema()
    }
}

/// A list without repetitions, and where each item stands.
pub(super) type Set<T> = BTreeMap<T, Place>;

impl<T: Word> Kind for Set<T> {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let mut set = Self::new();
        for item in list(node, T::LIST, cx) {
            let Some(value) = parsed::<T>(item, T::ONE, cx) else {
                continue;
            };
            let place = cx.place(item.span);
            if let Some(first) = set.get(&value) {
                cx.error(item.span, "this is in the list twice").also(first.clone(), "first here");
            } else {
                set.insert(value, place);
            }
        }
        Some(set)
    }

    fn schema() -> Json {
        json!({
            "type": "array",
            "items": T::one(),
            "uniqueItems": true,
        })
    }
}

/// A mapping from names that people choose to values of one kind. A name whose
/// value is bad is known all the same.
#[derive(Clone, Debug)]
pub(super) struct Named<K, V>(pub(super) BTreeMap<K, Option<V>>);

impl<K, V> Default for Named<K, V> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Word, V: Kind> Kind for Named<K, V> {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        let mut named = BTreeMap::new();
        for (key, span, value) in entries(node, "names with values", cx)? {
            let key = checked::<K>(key, span, cx);
            let value = V::read(value, cx);
            named.extend(key.map(|key| (key, value)));
        }
        Some(Self(named))
    }

    fn schema() -> Json {
        json!({
            "type": "object",
            "propertyNames": { "pattern": K::pattern() },
            "additionalProperties": V::schema(),
        })
    }
}

/// A whole number in a range, both ends included.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole<const LOW: i32, const HIGH: i32>(i32);

impl<const LOW: i32, const HIGH: i32> Whole<LOW, HIGH> {
    /// The number.
    pub(super) fn get(self) -> i32 {
        self.0
    }

    /// The number, if the range is one of numbers from zero on.
    pub(super) fn unsigned(self) -> u32 {
        const { assert!(LOW >= 0) };
        self.0.unsigned_abs()
    }
}

impl<const LOW: i32, const HIGH: i32> Kind for Whole<LOW, HIGH> {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        number(node, (LOW, HIGH), cx).map(Self)
    }

    fn schema() -> Json {
        json!({ "type": "integer", "minimum": LOW, "maximum": HIGH })
    }
}

/// A text that may be written as a number or as yes or no.
#[derive(Clone, Debug)]
pub(super) struct Plain(pub(super) String);

impl Kind for Plain {
    fn read(node: &Node, cx: &mut Reading<'_>) -> Option<Self> {
        scalar(node, "text, a number or yes or no", cx).map(|text| Self(text.to_owned()))
    }

    fn schema() -> Json {
        json!({ "type": ["string", "number", "boolean"] })
    }
}
